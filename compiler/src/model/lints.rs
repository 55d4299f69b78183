//! What is odd about the subjects and roles of a policy that means something all the same.

use boesfs_abi::verdict::Effect;
use boesfs_grammar::Span;
use hashbrown::HashSet;

use super::matcher::Use;
use super::members::no_program;
use super::rule_line::names_program;
use super::{CompareOp, Expr, Node, Operand, RequestField, RoleGraph, Rule, Shape};
use crate::diagnostic::{Diagnostic, closest};
use crate::lint::{BASE_NAME, LITERAL_STAR, ROLE_AS_SUBJECT, SET_COMPARISON, UNDEFINED_ROLE, UNUSED_ROLE};

/// A policy type whose rules are read.
pub(super) struct Subjects<'a> {
    pub(super) shape: Shape,
    pub(super) matcher: &'a Node,
    pub(super) uses: &'a [(usize, Use)],
    pub(super) rules: &'a [Rule],
    pub(super) graphs: &'a [RoleGraph],
}

impl Subjects<'_> {
    /// Reports what is odd, once for each name.
    pub(super) fn check(&self, out: &mut Vec<Diagnostic>) {
        let roles: HashSet<&[u8]> =
            self.graphs.iter().flat_map(|graph| &graph.edges).map(|edge| edge.role.as_slice()).collect();
        let mut by_role = HashSet::new();
        let mut member_graphs = HashSet::new();
        visit(self.matcher, &mut |node| {
            let Expr::Role { graph, member, role, .. } = &node.expr else { return };
            let sub = Operand::Request(RequestField::Sub);
            let other = if *member == sub {
                role
            } else if *role == sub {
                member
            } else {
                return;
            };
            member_graphs.insert(*graph);
            if let Operand::Field(column) = other {
                by_role.insert(*column);
            }
        });
        let mut said: HashSet<&[u8]> = HashSet::new();
        let mut said_paths = false;
        for rule in self.rules {
            for (column, field) in rule.fields.iter().enumerate() {
                let direct = self.uses.contains(&(column, Use::Subject));
                if !direct && !by_role.contains(&column) || !said.insert(&field.text) {
                    continue;
                }
                let by_role = by_role.contains(&column);
                let finding = if self.shape == Shape::Boesfs {
                    // One word is enough: it is so of every rule.
                    let path = field.text.contains(&b'/') && names_program(&field.text, self.shape);
                    let first = path && !std::mem::replace(&mut said_paths, true);
                    first.then(|| only_base_name(&field.text, field.span))
                } else {
                    self.subject(&field.text, field.span, column, direct && !by_role, &roles)
                };
                let allowed = |lint: &str| rule.annotations.allow.iter().any(|name| name == lint);
                out.extend(finding.filter(|found| !found.lint.is_some_and(allowed)));
            }
        }
        if self.shape == Shape::Boesfs {
            self.nobody(&by_role, &roles, out);
        } else {
            for graph in member_graphs {
                self.members(&self.graphs[graph], &roles, &mut said, out);
            }
        }
        visit(self.matcher, &mut |node| set_comparison(node, out));
    }

    /// Subjects whose base name no program has.
    fn nobody(&self, by_role: &HashSet<usize>, roles: &HashSet<&[u8]>, out: &mut Vec<Diagnostic>) {
        let mut said: HashSet<(&[u8], bool)> = HashSet::new();
        for rule in self.rules {
            for (column, field) in rule.fields.iter().enumerate() {
                let compared = by_role.contains(&column) || self.uses.contains(&(column, Use::Subject));
                let text = field.text.as_slice();
                let somebody = names_program(text, self.shape) && text != b"*" || roles.contains(text);
                let denies = rule.eft == Effect::Deny;
                if !compared || somebody || said.contains(&(text, denies)) {
                    continue;
                }
                let found = no_program(text, field.span, denies, "the rule");
                if !found.lint.is_some_and(|lint| rule.annotations.allow.iter().any(|name| name == lint)) {
                    said.insert((text, denies));
                    out.push(found);
                }
            }
        }
    }

    fn subject(
        &self,
        text: &[u8],
        span: Span,
        column: usize,
        plain: bool,
        roles: &HashSet<&[u8]>,
    ) -> Option<Diagnostic> {
        let shown = String::from_utf8_lossy(text);
        let is_path = text.starts_with(b"/");
        if plain && roles.contains(text) && !is_path {
            return Some(
                Diagnostic::warning(
                    &ROLE_AS_SUBJECT,
                    format!("the role `{shown}` is compared as a program"),
                    span,
                )
                .label("matches no member of the role")
                .help("call `g(r.sub, p.sub)` in the matcher"),
            );
        }
        if text == b"*" {
            let tested = self.uses.contains(&(column, Use::Text));
            return (plain && !tested).then(|| {
                Diagnostic::warning(&LITERAL_STAR, "`*` is compared as a program's name", span)
                    .label("matches no program but `*`")
                    .help("write `(r.sub == p.sub || p.sub == \"*\")` in the matcher")
            });
        }
        let nobody = !names_program(text, self.shape);
        if is_path || nobody || roles.contains(text) || self.is_own_word(column, text) {
            return None;
        }
        Some(base_name(&shown, span, roles, plain))
    }

    /// Whether the matcher tells `word` apart in `column`, so that it is the policy's own and names no program.
    fn is_own_word(&self, column: usize, word: &[u8]) -> bool {
        let mut own = false;
        visit(self.matcher, &mut |node| {
            let Expr::Compare(_, left, right) = &node.expr else { return };
            for (one, other) in [(left, right), (right, left)] {
                let is_word = matches!(other, Operand::Text { text, .. } if text == word);
                own |= is_word && *one == Operand::Field(column);
            }
        });
        own
    }

    /// Members of roles that are neither paths nor roles themselves.
    fn members<'g>(
        &self,
        graph: &'g RoleGraph,
        roles: &HashSet<&[u8]>,
        said: &mut HashSet<&'g [u8]>,
        out: &mut Vec<Diagnostic>,
    ) where
        Self: 'g,
    {
        for edge in &graph.edges {
            let member = edge.member.as_slice();
            let bare = !member.starts_with(b"/") && names_program(member, self.shape);
            if bare && !roles.contains(member) && said.insert(member) {
                out.push(base_name(&String::from_utf8_lossy(member), edge.span, roles, true));
            }
        }
    }
}

fn only_base_name(path: &[u8], span: Span) -> Diagnostic {
    let base = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    Diagnostic::warning(
        &BASE_NAME,
        format!("only the base name `{}` of a program is compared", String::from_utf8_lossy(base)),
        span,
    )
    .label("any program of that name")
    .help("declare an `eft` column and drop `file|dir`: Casbin's layout compares paths")
}

/// `word` is `plain` where it can only be a program.
fn base_name(name: &str, span: Span, roles: &HashSet<&[u8]>, plain: bool) -> Diagnostic {
    let mut known: Vec<&str> = roles.iter().filter_map(|role| std::str::from_utf8(role).ok()).collect();
    known.sort_unstable();
    if let Some(role) = closest(name, known).filter(|_| !plain) {
        return Diagnostic::warning(&UNDEFINED_ROLE, format!("no line defines the role `{name}`"), span)
            .label("a program of that name, at most")
            .help(format!("did you mean the role `{role}`?"))
            .suggest(format!("write `{role}`"), span, role);
    }
    Diagnostic::warning(&BASE_NAME, format!("`{name}` names a program by its base name"), span)
        .label("any file of that name")
        .help("write the program's path")
}

fn set_comparison(node: &Node, out: &mut Vec<Diagnostic>) {
    let Expr::Compare(CompareOp::Ne, Operand::Request(RequestField::Act), Operand::Text { text, ops }) =
        &node.expr
    else {
        return;
    };
    let several = ops.is_some_and(|ops| ops.iter().nth(1).is_some());
    if several && !matches!(text.as_slice(), b"lookup" | b"lookup2") {
        out.push(
            Diagnostic::warning(
                &SET_COMPARISON,
                format!("`{}` is a set of operations here", String::from_utf8_lossy(text)),
                node.span,
            )
            .label("holds for every operation outside the set; Casbin would compare text"),
        );
    }
}

/// Reports the roles of `graph` that no rule and no matcher asks for, directly or through another role.
pub(super) fn unused_roles(graph: &RoleGraph, asked: &HashSet<Vec<u8>>, out: &mut Vec<Diagnostic>) {
    let mut used: HashSet<&[u8]> = HashSet::new();
    let mut into: std::collections::HashMap<&[u8], Vec<&[u8]>> = std::collections::HashMap::new();
    for edge in &graph.edges {
        into.entry(&edge.role).or_default().push(&edge.member);
    }
    let mut open: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
    while let Some(node) = open.pop() {
        if used.insert(node) {
            open.extend(into.get(node).into_iter().flatten());
        }
    }
    let mut said = HashSet::new();
    for edge in &graph.edges {
        if !used.contains(edge.role.as_slice()) && said.insert(&edge.role) {
            let role = String::from_utf8_lossy(&edge.role);
            out.push(
                Diagnostic::warning(&UNUSED_ROLE, format!("no rule speaks of the role `{role}`"), edge.span)
                    .label("gives nothing")
                    .maybe_help(
                        closest(&role, asked.iter().filter_map(|name| std::str::from_utf8(name).ok()))
                            .map(|name| format!("rules speak of `{name}`")),
                    ),
            );
        }
    }
}

/// Says, once, that roles of roles count, where BoesFS took one step only.
pub(super) fn several_steps(graph: &RoleGraph, out: &mut Vec<Diagnostic>) {
    let roles: HashSet<&[u8]> = graph.edges.iter().map(|edge| edge.role.as_slice()).collect();
    if let Some(edge) = graph.edges.iter().find(|edge| roles.contains(edge.member.as_slice())) {
        let (member, role) = (String::from_utf8_lossy(&edge.member), String::from_utf8_lossy(&edge.role));
        out.push(
            Diagnostic::note(
                "N0304",
                format!("members of `{member}` have the role `{role}` as well"),
                edge.span,
            )
            .label("a role of a role")
            .because("BoesFS took one step only"),
        );
    }
}

/// The texts a policy type asks its role relations for.
pub(super) fn asked_texts(
    matcher: &Node,
    uses: &[(usize, Use)],
    rules: &[Rule],
    into: &mut HashSet<Vec<u8>>,
) {
    visit(matcher, &mut |node| {
        let Expr::Role { member, role, .. } = &node.expr else { return };
        for side in [member, role] {
            if let Operand::Text { text, .. } = side {
                into.insert(text.clone());
            }
        }
    });
    let columns: Vec<usize> = uses
        .iter()
        .filter(|(_, how)| matches!(how, Use::Text | Use::Subject))
        .map(|(column, _)| *column)
        .collect();
    let has_eval = uses.iter().any(|(_, how)| *how == Use::Eval);
    for rule in rules {
        for (column, field) in rule.fields.iter().enumerate() {
            if (has_eval || columns.contains(&column)) && !into.contains(&field.text) {
                into.insert(field.text.clone());
            }
            if let Some(eval) = &field.eval {
                asked_texts(eval, &[], &[], into);
            }
        }
    }
}

pub(super) fn visit<'n>(node: &'n Node, with: &mut impl FnMut(&'n Node)) {
    with(node);
    match &node.expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| visit(part, with)),
        Expr::Not(inner) => visit(inner, with),
        Expr::Const(_)
        | Expr::Compare(..)
        | Expr::In(..)
        | Expr::Role { .. }
        | Expr::Path { .. }
        | Expr::Args(_)
        | Expr::ActionRole(_)
        | Expr::Eval(_) => {}
    }
}
