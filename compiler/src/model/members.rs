//! What the ends of role lines must be: a name that nothing belongs to is compared with the request itself.

use boesfs_abi::op::{OPS, Op};
use boesfs_abi::request::{Kind, is_canonical};
use boesfs_grammar::Span;
use hashbrown::HashSet;

use super::lints::visit;
use super::opaque::Vocabulary;
use super::rule_line::{names_program, normal};
use super::{Expr, Node, Operand, RequestField, RoleEdge, RoleGraph, Rule, Shape};
use crate::diagnostic::{Diagnostic, closest, suggestion};
use crate::lint::{ABNORMAL_PATH, LITERAL_STAR, UNDEFINED_ROLE};

/// What the matchers of a policy ask each of its relations.
#[derive(Debug)]
pub(super) struct Asked {
    graphs: Vec<Ends>,
}

/// What one relation is asked.
#[derive(Clone, Debug, Default)]
struct Ends {
    /// The fields whose values are asked for as members.
    members: HashSet<RequestField>,
    /// The fields whose values are asked for as roles.
    roles: HashSet<RequestField>,
    /// Whether rules ask about two texts of their own, which may be anything.
    texts: bool,
}

impl Asked {
    /// Nothing yet, of `count` relations.
    pub(super) fn new(count: usize) -> Self {
        Self { graphs: vec![Ends::default(); count] }
    }

    /// Adds what `matcher` and the expressions of `rules` ask.
    pub(super) fn gather(&mut self, matcher: &Node, rules: &[Rule]) {
        self.of(matcher);
        let fields = rules.iter().flat_map(|rule| &rule.fields);
        fields.filter_map(|field| field.eval.as_deref()).for_each(|inner| self.of(inner));
    }

    fn of(&mut self, node: &Node) {
        visit(node, &mut |node| {
            let Expr::Role { graph, member, role, .. } = &node.expr else { return };
            let ends = &mut self.graphs[*graph];
            match (member, role) {
                (Operand::Request(field), _) => ends.members.insert(field.clone()),
                (_, Operand::Request(field)) => ends.roles.insert(field.clone()),
                _ => std::mem::replace(&mut ends.texts, true),
            };
        });
    }

    /// Reports what stands at the ends of `graphs` and can be no value of the fields that are compared with it.
    /// `denies`: there are deny rules that count.
    pub(super) fn check(
        &self,
        graphs: &[RoleGraph],
        shape: Shape,
        vocabulary: Vocabulary<'_>,
        denies: bool,
        out: &mut Vec<Diagnostic>,
    ) {
        for (graph, ends) in graphs.iter().zip(&self.graphs).filter(|(_, ends)| !ends.texts) {
            let member = |edge: &RoleEdge| edge.member.clone();
            let role = |edge: &RoleEdge| edge.role.clone();
            let members: HashSet<Vec<u8>> = graph.edges.iter().map(member).collect();
            let roles: HashSet<Vec<u8>> = graph.edges.iter().map(role).collect();
            let mut said: HashSet<&[u8]> = HashSet::new();
            for edge in &graph.edges {
                for (text, span, fields, inner) in [
                    (&edge.member, edge.member_span, &ends.members, &roles),
                    (&edge.role, edge.role_span, &ends.roles, &members),
                ] {
                    let fits = |field| fits(text, field, shape, vocabulary);
                    if fields.is_empty() || inner.contains(text) || fields.iter().any(fits) {
                        continue;
                    }
                    if said.insert(text) {
                        let first = fields.iter().min_by_key(|field| format!("{field:?}"));
                        out.extend(first.and_then(|field| misfit(text, span, field, shape, denies)));
                    }
                }
            }
        }
    }
}

/// Whether a request may have `text` in `field`.
fn fits(text: &[u8], field: &RequestField, shape: Shape, vocabulary: Vocabulary<'_>) -> bool {
    let word = || std::str::from_utf8(text).ok();
    match field {
        RequestField::Obj => vocabulary.open || is_canonical(text),
        RequestField::Act => vocabulary.open || word().and_then(Op::from_name).is_some(),
        RequestField::Sub => {
            let odd = shape == Shape::Casbin && text.starts_with(b"/") && !is_canonical(text);
            vocabulary.open || names_program(text, shape) && !odd && (shape == Shape::Casbin || text != b"*")
        }
        RequestField::Kind => word().and_then(Kind::from_name).is_some(),
        RequestField::Dom | RequestField::Uid | RequestField::Gid | RequestField::Arg(..) => true,
    }
}

fn misfit(text: &[u8], span: Span, field: &RequestField, shape: Shape, denies: bool) -> Option<Diagnostic> {
    let shown = String::from_utf8_lossy(text).into_owned();
    Some(match field {
        // Such a word may be a role that is still without members.
        RequestField::Obj if !text.contains(&b'/') => Diagnostic::warning(
            &UNDEFINED_ROLE,
            format!("no line defines the role `{shown}`, which is no path either"),
            span,
        )
        .label("nothing is a member of it"),
        RequestField::Obj => {
            let found = Diagnostic::error(
                "E0320",
                format!("`{shown}` is neither an absolute, normal path nor a role"),
                span,
            );
            if text.starts_with(b"/") {
                found.label("matches no path").maybe_write(normal(text), text)
            } else {
                found.label("nothing is a member of it").help("write the path from `/` on")
            }
        }
        RequestField::Act => {
            Diagnostic::error("E0301", format!("`{shown}` is neither an operation nor a role"), span)
                .label("nothing is a member of it")
                .maybe_meant(suggestion(&shown, OPS.iter().map(|spec| spec.name), "the operations"))
        }
        RequestField::Sub if shape == Shape::Boesfs => no_program(text, span, denies, "the line"),
        RequestField::Sub if text.starts_with(b"/") => {
            Diagnostic::error("E0320", format!("`{shown}` is not a normal path"), span)
                .label("no program has this path")
                .maybe_write(normal(text), text)
        }
        RequestField::Sub => Diagnostic::error("E0320", format!("`{shown}` names no program"), span)
            .label("neither an absolute path nor a base name")
            .help("write the program's path from `/` on"),
        RequestField::Kind => Diagnostic::error("E0317", format!("unknown kind `{shown}`"), span)
            .label("not a kind of object")
            .maybe_meant(suggestion(&shown, Kind::ALL.map(Kind::name), "the kinds")),
        RequestField::Dom | RequestField::Uid | RequestField::Gid | RequestField::Arg(..) => return None,
    })
}

/// That `text` is no program of `BoesFS`'s layout, so that `what` matches nothing; an error where that leaves
/// something unprotected.
pub(super) fn no_program(text: &[u8], span: Span, denies: bool, what: &str) -> Diagnostic {
    let star = text == b"*";
    let lint = if star { &LITERAL_STAR } else { &ABNORMAL_PATH };
    let message = if star {
        format!("`*` is compared as a program's name: {what} matches nothing else")
    } else {
        format!("`{}` names no program: {what} matches nothing", String::from_utf8_lossy(text))
    };
    let found = if denies {
        Diagnostic::denied(lint, message, span)
    } else {
        Diagnostic::warning(lint, message, span)
    };
    if star {
        found
            .label("matches no program but `*`")
            .help("drop `sub` from the definition and the matcher: a rule then holds for every program")
    } else {
        found.label("has no base name").help("write the program's path or its base name")
    }
}

/// Reports what rules ask relations for that no line defines and that is no value of the request either.
pub(super) fn undefined(
    matcher: &Node,
    rules: &[Rule],
    graphs: &[RoleGraph],
    (shape, vocabulary): (Shape, Vocabulary<'_>),
    out: &mut Vec<Diagnostic>,
) {
    let mut compared: Vec<(usize, usize, &RequestField, bool)> = Vec::new();
    let mut own: HashSet<(usize, &[u8])> = HashSet::new();
    visit(matcher, &mut |node| match &node.expr {
        Expr::Role { graph, member: Operand::Request(field), role: Operand::Field(column), .. } => {
            compared.push((*graph, *column, field, true));
        }
        Expr::Role { graph, member: Operand::Field(column), role: Operand::Request(field), .. } => {
            compared.push((*graph, *column, field, false));
        }
        Expr::Compare(_, Operand::Field(column), Operand::Text { text, .. })
        | Expr::Compare(_, Operand::Text { text, .. }, Operand::Field(column)) => {
            own.insert((*column, text));
        }
        _ => {}
    });
    for (graph, column, field, as_role) in compared {
        let known: HashSet<&[u8]> = graphs[graph]
            .edges
            .iter()
            .map(|edge| if as_role { edge.role.as_slice() } else { edge.member.as_slice() })
            .collect();
        let mut said: HashSet<&[u8]> = HashSet::new();
        for rule in rules {
            let text = rule.fields[column].text.as_slice();
            // Programs of `BoesFS`'s layout are judged by their base names.
            let judged = *field == RequestField::Sub && shape == Shape::Boesfs;
            let meant = judged || known.contains(text) || own.contains(&(column, text));
            if meant || fits(text, field, shape, vocabulary) || said.contains(text) {
                continue;
            }
            let found = not_defined(text, rule.fields[column].span, field, &known);
            let allowed = |lint: &str| rule.annotations.allow.iter().any(|name| name == lint);
            if let Some(found) = found.filter(|found| !found.lint.is_some_and(allowed)) {
                said.insert(text);
                out.push(found);
            }
        }
    }
}

fn not_defined(text: &[u8], span: Span, field: &RequestField, known: &HashSet<&[u8]>) -> Option<Diagnostic> {
    let shown = String::from_utf8_lossy(text).into_owned();
    let what = match field {
        RequestField::Obj | RequestField::Sub if text.starts_with(b"/") => {
            return Some(
                Diagnostic::error("E0320", format!("`{shown}` is not a normal path"), span)
                    .label("nothing has this path")
                    .maybe_write(normal(text), text),
            );
        }
        RequestField::Obj => "no path",
        RequestField::Act => "no operation",
        RequestField::Kind => "no kind of object",
        RequestField::Sub => "no program",
        RequestField::Dom | RequestField::Uid | RequestField::Gid | RequestField::Arg(..) => return None,
    };
    let mut roles: Vec<&str> = known.iter().filter_map(|role| std::str::from_utf8(role).ok()).collect();
    roles.sort_unstable();
    let meant = closest(&shown, roles);
    let found = Diagnostic::warning(&UNDEFINED_ROLE, format!("no line defines the role `{shown}`"), span)
        .label(format!("{what} either: the rule matches nothing"));
    Some(match meant {
        Some(role) => {
            found.help(format!("did you mean `{role}`?")).suggest(format!("write `{role}`"), span, role)
        }
        None => found,
    })
}
