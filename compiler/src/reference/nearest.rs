//! The nearest entry (LANGUAGE §7).

use crate::model::{CompareOp, Expr, Model, Node, Operand, PathFunction, RequestField, Scope, Shape};

use super::matcher::{all, text_of};
use super::pattern::is_under;
use super::{Candidate, Condition, Question, Reference, for_each_expression};

/// A part of the matcher that is not taken apart further.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaf<'m> {
    Node(&'m Node),
    /// One member of an `in` list.
    Equal(&'m RequestField, &'m Operand),
}

/// Leaves, each to hold or not to.
pub(super) type Conjunction<'m> = Vec<(Leaf<'m>, bool)>;

/// Where a term stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'m> {
    Everywhere,
    File(&'m [u8]),
    Dir(&'m [u8]),
}

/// How near an entry is to a path: the deepest directory, then the path itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Everywhere,
    Dir(usize),
    File,
}

impl<'m> Reference<'m> {
    /// Those of `rules` in the nearest entry of the request's object, each with the terms that stand there.
    pub(super) fn nearest_entry(
        &self,
        question: &Question<'_>,
        rules: impl IntoIterator<Item = usize>,
    ) -> Vec<Candidate<'m>> {
        let mut nearest: Option<Nearness> = None;
        let mut entry: Vec<Candidate<'m>> = Vec::new();
        for index in rules {
            let rule = &self.model.rules[index];
            if rule.inert || !self.model.effect.base.looks_at(rule.eft) {
                continue;
            }
            for term in self.terms(&self.model.matcher, index, true) {
                let (of_subject, rest): (Conjunction<'m>, Conjunction<'m>) =
                    term.into_iter().partition(|(leaf, _)| {
                        !leaf.reads().is_empty()
                            && leaf.reads().iter().all(|f| matches!(f, RequestField::Sub | RequestField::Dom))
                    });
                if self.conjunction_holds(&of_subject, index, question) != Some(true) {
                    continue;
                }
                let (of_path, rest): (Conjunction<'m>, Conjunction<'m>) =
                    rest.into_iter().partition(|(leaf, _)| leaf.reads().contains(&&RequestField::Obj));
                for place in self.places(&of_path, index, self.compares_obj) {
                    let Some(nearness) = covers(place, question.obj) else { continue };
                    if nearest.is_none_or(|nearest| nearness > nearest) {
                        nearest = Some(nearness);
                        entry.clear();
                    }
                    if nearest != Some(nearness) {
                        continue;
                    }
                    match entry.last_mut() {
                        Some(Candidate { rule, condition: Condition::Terms(terms) }) if *rule == index => {
                            terms.push(rest.clone());
                        }
                        _ => entry
                            .push(Candidate { rule: index, condition: Condition::Terms(vec![rest.clone()]) }),
                    }
                }
            }
        }
        entry
    }

    /// Whether every leaf of `term` holds, or does not, as it says.
    pub(super) fn conjunction_holds(
        &self,
        term: &Conjunction<'m>,
        rule: usize,
        question: &Question<'_>,
    ) -> Option<bool> {
        all(term.iter().map(|(leaf, wanted)| {
            let held = match leaf {
                Leaf::Node(node) => self.holds(node, rule, question),
                Leaf::Equal(field, operand) => self.compare(CompareOp::Eq, field, operand, rule, question),
            };
            held.map(|held| held == *wanted)
        }))
    }

    /// The disjunctive form of `node`, or of its opposite, for one rule: constants are gone.
    fn terms(&self, node: &'m Node, rule: usize, wanted: bool) -> Vec<Conjunction<'m>> {
        let truth = |holds: bool| if holds == wanted { vec![Vec::new()] } else { Vec::new() };
        match &node.expr {
            Expr::Const(value) => truth(*value),
            Expr::Not(inner) => self.terms(inner, rule, !wanted),
            Expr::And(parts) | Expr::Or(parts) => {
                let parts = parts.iter().map(|part| self.terms(part, rule, wanted));
                if matches!(node.expr, Expr::And(_)) == wanted {
                    product(parts)
                } else {
                    parts.flatten().collect()
                }
            }
            Expr::Eval(column) => match &self.model.rules[rule].fields[*column].eval {
                Some(inner) => self.terms(inner, rule, wanted),
                None => truth(false),
            },
            Expr::In(Operand::Request(field), list) => {
                let parts = list.iter().map(|operand| vec![vec![(Leaf::Equal(field, operand), wanted)]]);
                if wanted { parts.flatten().collect() } else { product(parts) }
            }
            expr if reads(expr).is_empty() && !matches!(expr, Expr::Args(_) | Expr::ActionRole(_)) => {
                truth(self.holds_without_request(node, rule))
            }
            _ => vec![vec![(Leaf::Node(node), wanted)]],
        }
    }

    fn holds_without_request(&self, node: &Node, rule: usize) -> bool {
        let nobody = Question {
            sub: b"",
            dom: None,
            obj: b"/",
            op: boesfs_abi::op::Op::Lookup,
            args: Vec::new(),
            uid: None,
            gid: None,
            kind: None,
        };
        self.holds(node, rule, &nobody) == Some(true)
    }

    /// Where a term with these conditions on the path stands. A term with another condition than the three that
    /// make an entry, or with several, stands nowhere; lowering has refused it.
    fn places(&self, of_path: &Conjunction<'m>, rule: usize, compares_obj: bool) -> Vec<Place<'m>> {
        let line = &self.model.rules[rule];
        let [(leaf, true)] = of_path.as_slice() else {
            return if of_path.is_empty() && !compares_obj { vec![Place::Everywhere] } else { Vec::new() };
        };
        let equal = |operand: &'m Operand| {
            let Some(text) = text_of(operand, line) else { return Vec::new() };
            match (self.model.shape, line.scope) {
                (Shape::Boesfs, Some(Scope::Dir)) => vec![Place::Dir(text)],
                (Shape::Boesfs | Shape::Casbin, _) => vec![Place::File(text)],
            }
        };
        match leaf {
            Leaf::Equal(_, operand) => equal(operand),
            Leaf::Node(Node { expr: Expr::Compare(CompareOp::Eq, left, right), .. }) => {
                equal(if matches!(left, Operand::Request(_)) { right } else { left })
            }
            Leaf::Node(Node { expr: Expr::Path { function, pattern, .. }, .. }) => {
                let Some(dir) = text_of(pattern, line) else { return Vec::new() };
                match function {
                    PathFunction::Under => vec![Place::Dir(dir)],
                    PathFunction::Within => vec![Place::File(dir), Place::Dir(dir)],
                    PathFunction::KeyMatch
                    | PathFunction::KeyMatch2
                    | PathFunction::KeyMatch3
                    | PathFunction::KeyMatch5
                    | PathFunction::GlobMatch
                    | PathFunction::RegexMatch
                    | PathFunction::PathMatch => Vec::new(),
                }
            }
            Leaf::Node(_) => Vec::new(),
        }
    }
}

/// Whether the matcher looks at the object at all.
pub(super) fn compares_obj(model: &Model) -> bool {
    let mut found = false;
    for_each_expression(model, &mut |expr, _| found |= reads(expr).contains(&&RequestField::Obj));
    found
}

/// How near an entry at `place` is to `path`, if it covers it. The directory `/` covers itself.
fn covers(place: Place<'_>, path: &[u8]) -> Option<Nearness> {
    match place {
        Place::Everywhere => Some(Nearness::Everywhere),
        Place::File(file) => (file == path).then_some(Nearness::File),
        Place::Dir(dir) => (is_under(path, dir) || dir == b"/").then_some(Nearness::Dir(dir.len())),
    }
}

fn product<'m>(parts: impl Iterator<Item = Vec<Conjunction<'m>>>) -> Vec<Conjunction<'m>> {
    parts.fold(vec![Vec::new()], |sum, part| {
        sum.iter()
            .flat_map(|left| part.iter().map(move |right| [left.as_slice(), right.as_slice()].concat()))
            .collect()
    })
}

impl<'m> Leaf<'m> {
    fn reads(&self) -> Vec<&'m RequestField> {
        match self {
            Self::Node(node) => reads(&node.expr),
            Self::Equal(field, _) => vec![field],
        }
    }
}

/// The fields of the request that `expr` itself looks at.
pub(super) fn reads(expr: &Expr) -> Vec<&RequestField> {
    let operands: Vec<&Operand> = match expr {
        Expr::Compare(_, left, right) => vec![left, right],
        Expr::In(left, list) => std::iter::once(left).chain(list).collect(),
        Expr::Role { member, role, domain, .. } => [member, role].into_iter().chain(domain).collect(),
        Expr::Path { .. } => return vec![&RequestField::Obj],
        Expr::ActionRole(_) => return vec![&RequestField::Act],
        Expr::Const(_) | Expr::Not(_) | Expr::And(_) | Expr::Or(_) | Expr::Args(_) | Expr::Eval(_) => {
            Vec::new()
        }
    };
    operands
        .into_iter()
        .filter_map(|operand| if let Operand::Request(field) = operand { Some(field) } else { None })
        .collect()
}
