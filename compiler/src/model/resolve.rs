//! The syntax tree to the model: every name bound, every field typed, every error found.

use std::cell::RefCell;
use std::sync::Arc;

use boesfs_abi::plane::Plane;
use boesfs_abi::verdict::Effect;
use boesfs_grammar::{Expr as Written, Limits, Line, SectionKind, Span, SyntaxTree, Word};
use hashbrown::{HashMap, HashSet};

use super::definitions::Definitions;
use super::lints::{Subjects, asked_texts, several_steps, unused_roles};
use super::matcher::{Bound, Names, Use, bind};
use super::members::{Asked, undefined};
use super::opaque::Vocabulary;
use super::options::Chosen;
use super::roles::{Declared, action_line, cycles, edge};
use super::rule_line::{Layout, LineContext, RelatedOps, rule, unused_priority};
use super::{
    ActionRole, Compat, Expr, Model, Node, Operand, PolicyEffect, RequestField, RoleGraph, Rule, Shape,
    effect, nearest, shape,
};
use crate::diagnostic::{Diagnostic, Gauge, Severity, abridge, closest, suggestion};
use crate::jobs::in_chunks;
use crate::levels::Levels;
use crate::lint::{BROAD_MATCHER, NOT_A_RULE, SCOPE_WITHOUT_OBJ};

/// Rule lines that are read together.
const LINES: usize = 1 << 14;

/// What the caller decides about a policy beside its text.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Lints whose errors are warnings.
    pub allow: Allow,
    /// How seriously each lint is taken, once all is found.
    pub levels: Levels,
    /// The type to compile, instead of what `[options] use` says.
    pub select: Option<String>,
    /// The Casbin to imitate, instead of what `[options] compat` says.
    pub compat: Option<Compat>,
    /// Under `compat`: the action that is no operation and that [`super::STAND_IN`] is to mean.
    pub word: Option<String>,
    /// The planes the policy is meant for: what one of them cannot enforce is an error. None if that is not said.
    pub targets: Vec<Plane>,
    /// How large the input may be.
    pub limits: Limits,
}

/// Lints whose errors are warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allow {
    /// These.
    Named(Vec<String>),
    /// Every one.
    #[default]
    None,
    /// All of them.
    All,
}

impl Allow {
    /// Makes the errors of allowed lints warnings.
    pub(crate) fn apply(&self, found: &mut [Diagnostic]) {
        for diagnostic in found {
            if diagnostic.severity == Severity::Error && diagnostic.lint.is_some_and(|lint| self.covers(lint))
            {
                diagnostic.severity = Severity::Warning;
            }
        }
    }

    fn covers(&self, lint: &str) -> bool {
        match self {
            Self::Named(names) => names.iter().any(|name| name == lint),
            Self::None => false,
            Self::All => true,
        }
    }
}

/// The model of `tree`, and everything there is to say about it. There is no model if any of that is an error.
#[must_use]
pub fn resolve(tree: &SyntaxTree, settings: &Settings) -> (Option<Model>, Vec<Diagnostic>) {
    let mut resolver = Resolver { tree, settings, out: Vec::new(), vocabulary: Vocabulary::default() };
    let model = resolver.model();
    let mut out = resolver.out;
    abridge(&mut out);
    settings.allow.apply(&mut out);
    let failed = out.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    (model.filter(|_| !failed), out)
}

struct Resolver<'a> {
    tree: &'a SyntaxTree,
    settings: &'a Settings,
    out: Vec<Diagnostic>,
    vocabulary: Vocabulary<'a>,
}

/// The policy lines by what they are.
#[derive(Default)]
struct Sorted<'t> {
    /// Rules, by the place of their type among the types.
    rules: Vec<Vec<&'t Line>>,
    /// Role lines, with the index of their relation.
    edges: Vec<(usize, &'t Line)>,
    /// `a` lines.
    actions: Vec<&'t Line>,
    /// Anything else.
    others: Vec<&'t Line>,
}

/// The roles of a policy, which its types share.
struct Roles<'r> {
    graphs: &'r [RoleGraph],
    action_roles: &'r [ActionRole],
    /// The texts that rules and matchers ask `graphs` for.
    asked: HashSet<Vec<u8>>,
}

/// One policy type, resolved.
struct Typed {
    shape: Shape,
    effect: PolicyEffect,
    matcher: Node,
    columns: Vec<String>,
    rules: Vec<Rule>,
}

impl<'a> Resolver<'a> {
    fn model(&mut self) -> Option<Model> {
        let tree = self.tree;
        let definitions = Definitions::gather(tree, &mut self.out);
        let chosen = Chosen::read(tree, &mut self.out);
        if self.settings.compat.or(chosen.compat).is_some() {
            self.vocabulary = Vocabulary { open: true, word: self.settings.word.as_deref() };
        }
        let mut declared = Declared::read(tree, &mut self.out);
        let defined = definitions.types();
        let sorted = self.sort(&defined, &declared);
        // What falls back to the unnumbered policy is decided by its lines.
        let unnumbered = defined.iter().position(|suffix| suffix.is_empty());
        let mut types = defined.clone();
        types.extend(definitions.sharing());
        let lines_of = |of: usize| unnumbered.filter(|_| of >= defined.len()).unwrap_or(of);
        let selected = self.selected(&chosen, &types)?;
        let mut gauge = Gauge::default();
        for (graph, line) in &sorted.edges {
            edge(tree, line, &mut declared.graphs[*graph], &mut self.out);
            gauge.look(&mut self.out);
        }
        for graph in &declared.graphs {
            cycles(graph, &mut self.out);
        }
        let shapes: Vec<Shape> = types
            .iter()
            .enumerate()
            .map(|(of, suffix)| {
                let before = self.out.len();
                let shape = self.shape(&definitions, &sorted, lines_of(of), suffix);
                // Of shared lines it has been said.
                self.out.truncate(if of < defined.len() { self.out.len() } else { before });
                shape
            })
            .collect();
        let shape =
            types.iter().position(|suffix| *suffix == selected).map_or(Shape::Casbin, |at| shapes[at]);
        if shape == Shape::Boesfs {
            declared.graphs.iter().for_each(|graph| several_steps(graph, &mut self.out));
        }
        let mut action_roles = Vec::new();
        for line in &sorted.actions {
            action_line(tree, line, shape, self.vocabulary, &mut action_roles, &mut self.out);
            gauge.look(&mut self.out);
        }
        self.others(&sorted, shape, &defined, &declared);
        let mut model = None;
        let mut roles =
            Roles { graphs: &declared.graphs, action_roles: &action_roles, asked: HashSet::new() };
        let mut asked = Asked::new(declared.graphs.len());
        let (mut bound, mut denies) = (0, false);
        let fine = |found: &&Diagnostic| found.severity != Severity::Error || found.lint.is_some();
        let before = self.out.iter().filter(|found| !fine(found)).map(|found| 1 + found.more).sum::<usize>();
        for (of, (suffix, shape)) in types.iter().zip(&shapes).enumerate() {
            let lines = &sorted.rules[lines_of(of)];
            let known = self.out.len();
            let typed = self.policy_type(&definitions, suffix, *shape, lines, &mut roles);
            let lends = unnumbered == Some(of) && !defined.contains(&selected.as_str());
            if lends || of >= defined.len() {
                self.repeated(known, lines, *suffix == selected);
            }
            if let Some(typed) = &typed {
                bound += 1;
                asked.gather(&typed.matcher, &typed.rules);
                let counts = |rule: &Rule| rule.eft == Effect::Deny && typed.effect.base.looks_at(rule.eft);
                denies |= typed.rules.iter().any(counts);
            }
            if *suffix == selected {
                model = typed;
            }
        }
        // After an error roles may seem unused only because a rule or a matcher is missing.
        let after = self.out.iter().filter(|found| !fine(found)).map(|found| 1 + found.more).sum::<usize>();
        if before == after {
            for graph in &declared.graphs {
                unused_roles(graph, &roles.asked, &mut self.out);
            }
        }
        if bound == types.len() {
            asked.check(&declared.graphs, shape, self.vocabulary, denies, &mut self.out);
        }
        let typed = model?;
        Some(Model {
            options: chosen.options(typed.shape, self.settings.compat),
            shape: typed.shape,
            effect: typed.effect,
            matcher: typed.matcher,
            columns: typed.columns,
            rules: typed.rules,
            roles: declared.graphs,
            action_roles,
            word: self.vocabulary.word.map(str::to_owned),
        })
    }

    /// Drops what was found from `known` on and has been said of the same place already. Of a type that is not compiled,
    /// what its matcher would have of lines that are written for another one is not asked.
    fn repeated(&mut self, known: usize, lines: &[&Line], selected: bool) {
        let key = |found: &Diagnostic| {
            let span = found.span();
            (found.code, span.file, span.start, span.end)
        };
        // It may have been abridged since.
        let known = known.min(self.out.len());
        let said: HashSet<_> = self.out[..known].iter().map(key).collect();
        let in_line = |span: Span| {
            let next =
                lines.partition_point(|line| (line.span.file, line.span.start) <= (span.file, span.start));
            next > 0 && lines[next - 1].span.file == span.file && span.end <= lines[next - 1].span.end
        };
        let found = self.out.split_off(known);
        self.out.extend(
            found
                .into_iter()
                .filter(|found| !said.contains(&key(found)) && (selected || !in_line(found.span()))),
        );
    }

    /// The suffix of the type to compile.
    fn selected(&mut self, chosen: &Chosen, types: &[&str]) -> Option<String> {
        let (text, span) = match (&self.settings.select, &chosen.select) {
            (Some(text), _) => (text.clone(), None),
            (None, Some(word)) => (word.text.clone(), Some(word.span)),
            (None, None) => {
                return Some(
                    types
                        .contains(&"")
                        .then(String::new)
                        .unwrap_or_else(|| types.first().map_or_else(String::new, ToString::to_string)),
                );
            }
        };
        if let Some(suffix) = text.strip_prefix('p').filter(|suffix| types.contains(suffix)) {
            return Some(suffix.to_owned());
        }
        let known: Vec<String> = types.iter().map(|suffix| format!("p{suffix}")).collect();
        // What the command line says stands in no text: the definitions it chooses among do.
        let policies = self.tree.definitions.iter().find(|d| d.section == SectionKind::Policy);
        let span = span.or(policies.map(|policy| policy.key.span)).unwrap_or_default();
        self.out.push(
            Diagnostic::error("E0209", format!("no policy type `{text}` is defined"), span)
                .label("not defined")
                .maybe_meant(suggestion(&text, known.iter().map(String::as_str), "the types")),
        );
        None
    }

    fn sort(&self, types: &[&str], declared: &Declared) -> Sorted<'a> {
        let mut sorted = Sorted { rules: vec![Vec::new(); types.len()], ..Sorted::default() };
        let places: HashMap<&[u8], usize> =
            types.iter().enumerate().map(|(of, suffix)| (suffix.as_bytes(), of)).collect();
        let graphs: HashMap<&[u8], usize> =
            declared.graphs.iter().enumerate().map(|(of, graph)| (graph.name.as_bytes(), of)).collect();
        for line in &self.tree.lines {
            let kind = self.tree.text(self.tree.cells(line)[0]);
            let rule = kind.strip_prefix(b"p");
            if let Some(of) = rule.and_then(|suffix| places.get(suffix)) {
                sorted.rules[*of].push(line);
            } else if let Some(graph) = graphs.get(kind.as_ref()) {
                sorted.edges.push((*graph, line));
            } else if kind.as_ref() == b"a" && declared.actions {
                sorted.actions.push(line);
            } else {
                sorted.others.push(line);
            }
        }
        sorted
    }

    fn shape(
        &mut self,
        definitions: &Definitions<'a>,
        sorted: &Sorted<'a>,
        of: usize,
        suffix: &str,
    ) -> Shape {
        let Some((_, policy)) = definitions.policy(suffix) else { return Shape::Casbin };
        let lines = sorted.rules[of].as_slice();
        shape::recognise(self.tree, policy, lines, definitions.matcher(suffix), &mut self.out)
    }

    /// Lines of no type: BoesFS skipped them, Casbin's layout has none.
    fn others(&mut self, sorted: &Sorted<'a>, shape: Shape, types: &[&str], declared: &Declared) {
        let mut known: Vec<String> = types.iter().map(|suffix| format!("p{suffix}")).collect();
        known.extend(declared.graphs.iter().map(|graph| graph.name.clone()));
        known.extend(declared.actions.then(|| "a".to_owned()));
        // Without a definition every line is unknown, and what is missing has been said.
        let others = if types.is_empty() { &[] } else { sorted.others.as_slice() };
        let mut gauge = Gauge::default();
        for line in others {
            let cells = self.tree.cells(line);
            let kind = String::from_utf8_lossy(&self.tree.text(cells[0])).into_owned();
            let is_graph = kind.strip_prefix('g').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
            let undeclared = cells.len() > 1 && (is_graph || kind == "a");
            let help = if undeclared {
                let form = if kind == "a" { "a = _, _; _, _".to_owned() } else { format!("{kind} = _, _") };
                Some(format!("add `[role_definition]` with `{form}`"))
            } else if cells.len() > 1 {
                closest(&kind, known.iter().map(String::as_str))
                    .or_else(|| kind.eq_ignore_ascii_case("p").then_some("p"))
                    .map(|name| format!("did you mean `{name}`?"))
            } else {
                Some("begin a comment with `#`".to_owned())
            };
            let diagnostic = match shape {
                Shape::Casbin => {
                    Diagnostic::error("E0306", format!("unknown line type `{kind}`"), cells[0].span)
                        .label("not defined by the model")
                }
                Shape::Boesfs => {
                    let denies = cells.iter().any(|cell| self.tree.text(*cell).as_ref() == b"deny");
                    let message = format!("the line is no rule: `{kind}` is no line type");
                    if denies {
                        Diagnostic::denied(&NOT_A_RULE, message, line.span).label("protects nothing")
                    } else {
                        Diagnostic::warning(&NOT_A_RULE, message, line.span).label("does nothing")
                    }
                }
            };
            self.out.push(diagnostic.maybe_help(help));
            gauge.look(&mut self.out);
        }
    }

    fn policy_type(
        &mut self,
        definitions: &Definitions<'a>,
        suffix: &str,
        shape: Shape,
        lines: &[&'a Line],
        roles: &mut Roles<'_>,
    ) -> Option<Typed> {
        let Roles { graphs, action_roles, asked } = roles;
        let (policy_key, policy) = definitions.policy(suffix)?;
        let mut sound = self.distinct(policy, "column");
        if shape == Shape::Boesfs && sound {
            sound = shape::check_columns(policy, lines[0], &mut self.out);
        }
        let request = definitions.request(suffix);
        if let Some((_, fields)) = request {
            sound &= self.distinct(fields, "field") & self.known_fields(fields);
        }
        let of_type = ["p", &policy_key.text, &format!("p{suffix}")];
        let effect = definitions.effect(suffix).and_then(|(tokens, span)| {
            match effect::effect(tokens, span, &of_type) {
                Ok(effect) => Some((effect, span)),
                Err(diagnostic) => {
                    self.out.push(*diagnostic);
                    None
                }
            }
        });
        let written = definitions.matcher(suffix)?;
        let (request_key, fields) = request?;
        if !sound {
            return None;
        }
        let columns: Vec<String> = match shape {
            Shape::Boesfs => shape::columns(policy, Some(written)),
            Shape::Casbin => policy
                .iter()
                .map(|column| column.text.clone())
                .filter(|column| !matches!(column.as_str(), "eft" | "priority"))
                .collect(),
        };
        let names = Names {
            request_keys: keys(request_key, "r"),
            policy_keys: keys(policy_key, "p"),
            request: fields,
            policy,
            columns: &columns,
            graphs,
            action_roles,
            shape,
            vocabulary: self.vocabulary,
        };
        let bound = self.matcher(written, &names)?;
        let (mut effect, effect_span) = effect?;
        if shape == Shape::Boesfs {
            effect = self.boesfs_effect(effect, effect_span)?;
        } else if effect.nearest {
            nearest::check(&bound.node, &mut self.out);
        }
        self.breadth(&bound.node, written.span, shape, lines);
        if let Some(column) = policy.iter().find(|column| shape == Shape::Casbin && column.text == "priority")
            && !matches!(effect.base, super::BaseEffect::Priority(_))
        {
            unused_priority(column, &mut self.out);
        }
        if shape == Shape::Casbin && !has_eval(&bound.node) && !by_level(effect) {
            for column in policy {
                let used = |index| bound.uses.iter().any(|(used, _)| *used == index);
                let index = columns.iter().position(|name| *name == column.text);
                if index.is_some_and(|index| !used(index)) {
                    shape::unused_column(column, written.span, &mut self.out);
                }
            }
        }
        let layout = Layout::new(&names, &bound.uses);
        let tests_args = bound.uses.iter().any(|(_, how)| matches!(how, Use::Tuple | Use::Eval));
        let related = if tests_args { RelatedOps::new(&names, &bound.node) } else { RelatedOps::default() };
        let (tree, limits) = (self.tree, &self.settings.limits);
        let names = &names;
        let unsaid = Arc::default();
        // Each chunk is read for itself, so that what is found does not depend on how many threads there are.
        let chunks: Vec<&[&Line]> = lines.chunks(LINES).collect();
        let read = in_chunks(&chunks, 1, |chunks| {
            let read = |lines: &&[&Line]| {
                let context = LineContext {
                    tree,
                    limits,
                    names,
                    effect,
                    matcher: &bound.node,
                    related: &related,
                    layout: &layout,
                    actions: RefCell::default(),
                    unknown: RefCell::default(),
                    unsaid: Arc::clone(&unsaid),
                    joined: std::cell::Cell::default(),
                };
                let mut out = Vec::new();
                let mut rules: Vec<Rule> = Vec::with_capacity(lines.len());
                rules.extend(lines.iter().filter_map(|line| rule(&context, line, &mut out)));
                (rules, out)
            };
            // What one thread finds is abridged while it is gathered: the lines may all be wrong.
            let mut gauge = Gauge::default();
            let mut found = Vec::new();
            let mut rules = Vec::with_capacity(chunks.len());
            for lines in chunks {
                let (of_chunk, mut of_lines) = read(lines);
                rules.push(of_chunk);
                found.append(&mut of_lines);
                gauge.look(&mut found);
            }
            (rules, found)
        });
        let mut rules: Vec<Rule> = Vec::with_capacity(lines.len());
        let out = &mut self.out;
        let mut gauge = Gauge::default();
        for (of_chunks, mut found) in read {
            for mut of_chunk in of_chunks {
                rules.append(&mut of_chunk);
            }
            out.append(&mut found);
            gauge.look(out);
        }
        let subjects = Subjects { shape, matcher: &bound.node, uses: &bound.uses, rules: &rules, graphs };
        subjects.check(out);
        undefined(&bound.node, &rules, graphs, (shape, self.vocabulary), out);
        asked_texts(&bound.node, &bound.uses, &rules, asked);
        Some(Typed { shape, effect, matcher: bound.node, columns, rules })
    }

    fn matcher(&mut self, written: &Written, names: &Names<'_>) -> Option<Bound> {
        if names.shape == Shape::Casbin {
            return bind(written, names, &mut self.out);
        }
        let reduced = shape::conjuncts(written, &mut self.out)?;
        // The dropped equalities must be bound as well, or an unknown field in one would pass unseen. With `a(…)`
        // the lines have no `args` column, so its equality is not looked at.
        let mut findings = Vec::new();
        if bind(written, names, &mut findings).is_none() {
            findings.retain(|finding| !finding.message.contains(".args` has no place"));
            let failed = !findings.is_empty();
            self.out.append(&mut findings);
            if failed {
                return None;
            }
        }
        let bound = bind(&reduced, names, &mut self.out);
        if bound.is_some() {
            shape::unused(written, names.policy, &mut self.out);
        }
        bound
    }

    /// `BoesFS` effects are always `nearest`.
    fn boesfs_effect(&mut self, effect: PolicyEffect, span: Span) -> Option<PolicyEffect> {
        match effect.base {
            super::BaseEffect::SomeAllow | super::BaseEffect::NoDeny | super::BaseEffect::AllowAndNoDeny => {
                Some(PolicyEffect { base: effect.base, nearest: true })
            }
            super::BaseEffect::Priority(_) | super::BaseEffect::SubjectPriority(_) => {
                self.out.push(
                    Diagnostic::error(
                        "E0206",
                        "rules with `file|dir` are decided by the nearest entry, not by priority",
                        span,
                    )
                    .label("not with this layout")
                    .help("declare an `eft` column and drop `file|dir`"),
                );
                None
            }
        }
    }

    fn distinct(&mut self, words: &[Word], what: &str) -> bool {
        let mut sound = true;
        let mut firsts: HashMap<&str, &Word> = HashMap::new();
        for word in words {
            let first = *firsts.entry(&word.text).or_insert(word);
            if !std::ptr::eq(first, word) {
                sound = false;
                self.out.push(
                    Diagnostic::error("E0202", format!("the {what} `{}` stands twice", word.text), word.span)
                        .label("again here")
                        .secondary(first.span, "first here")
                        .help("remove one of them"),
                );
            }
        }
        sound
    }

    fn known_fields(&mut self, fields: &[Word]) -> bool {
        const FIELDS: [&str; 8] = ["sub", "obj", "act", "args", "uid", "gid", "kind", "dom"];
        let mut sound = true;
        for field in fields.iter().filter(|field| !FIELDS.contains(&field.text.as_str())) {
            sound = false;
            self.out.push(
                Diagnostic::error(
                    "E0201",
                    format!("no enforcement point supplies `{}`", field.text),
                    field.span,
                )
                .label("not a field of a request")
                .maybe_meant(suggestion(&field.text, FIELDS, "the fields")),
            );
        }
        sound
    }

    /// Says which parts of a request the matcher leaves open.
    fn breadth(&mut self, matcher: &Node, span: Span, shape: Shape, lines: &[&Line]) {
        let obj = mentions(matcher, &RequestField::Obj);
        if shape == Shape::Boesfs && !obj && !lines.is_empty() {
            self.out.push(
                Diagnostic::warning(&SCOPE_WITHOUT_OBJ, "`file` and `dir` say nothing here", span)
                    .label("does not compare `r.obj`")
                    .help("add `&& r.obj == p.obj`"),
            );
        }
        let evals = has_eval(matcher);
        for (field, name, what) in
            [(RequestField::Act, "act", "every operation"), (RequestField::Obj, "obj", "every path")]
        {
            if !mentions(matcher, &field) && !evals {
                self.out.push(
                    Diagnostic::warning(&BROAD_MATCHER, format!("the matcher covers {what}"), span)
                        .label(format!("does not look at `r.{name}`")),
                );
            }
        }
    }
}

/// What may stand before a field's dot: the key itself, and the unnumbered one it falls back from.
fn keys<'k>(key: &'k Word, letter: &'k str) -> Vec<&'k str> {
    if key.text == letter { vec![letter] } else { vec![&key.text, letter] }
}

fn mentions(node: &Node, field: &RequestField) -> bool {
    let is = |operand: &Operand| matches!(operand, Operand::Request(found) if found == field);
    match &node.expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| mentions(part, field)),
        Expr::Not(inner) => mentions(inner, field),
        Expr::Compare(_, left, right) => is(left) || is(right),
        Expr::In(left, _) => is(left),
        Expr::Role { member, role, .. } => is(member) || is(role),
        Expr::Path { .. } => *field == RequestField::Obj,
        Expr::ActionRole(_) => *field == RequestField::Act,
        Expr::Const(_) | Expr::Args(_) | Expr::Eval(_) => false,
    }
}

/// Whether the effect looks at columns of its own.
fn by_level(effect: PolicyEffect) -> bool {
    matches!(effect.base, super::BaseEffect::SubjectPriority(_))
}

fn has_eval(node: &Node) -> bool {
    match &node.expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(has_eval),
        Expr::Not(inner) => has_eval(inner),
        Expr::Eval(_) => true,
        _ => false,
    }
}
