//! Which rules can match a path at all, found without asking each: by literal paths and by what patterns begin with.
//!
//! It leaves out no rule that can match, and so makes no difference to a decision; a test holds it against the plain
//! scan. It knows nothing of the automaton.

use std::collections::BTreeSet;

use boesfs_abi::request::is_canonical;
use hashbrown::HashMap;

use crate::model::{CompareOp, Expr, Model, Node, Operand, PathFunction, RequestField, Rule, Scope, Shape};

use super::matcher::text_of;

/// The rules of a policy by the paths they can match.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Rules that match only exactly this path.
    exact: HashMap<Vec<u8>, Vec<usize>>,
    /// Rules that match only paths that begin so.
    prefix: HashMap<Vec<u8>, Vec<usize>>,
    prefix_lengths: BTreeSet<usize>,
    /// Rules of which nothing is known.
    anywhere: Vec<usize>,
}

/// The paths a condition can hold of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    /// Perhaps all.
    Anywhere,
    /// Some of these.
    At(Vec<Spot>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Spot {
    Exactly(Vec<u8>),
    Beginning(Vec<u8>),
}

impl Index {
    /// The index of the rules of `model`.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let mut index = Self::default();
        for (number, rule) in model.rules.iter().enumerate() {
            match reach(&model.matcher, rule, model.shape) {
                Reach::Anywhere => index.anywhere.push(number),
                Reach::At(spots) => {
                    for spot in spots {
                        let rules = match spot {
                            Spot::Exactly(path) => index.exact.entry(path),
                            Spot::Beginning(path) => {
                                index.prefix_lengths.insert(path.len());
                                index.prefix.entry(path)
                            }
                        }
                        .or_default();
                        if rules.last() != Some(&number) {
                            rules.push(number);
                        }
                    }
                }
            }
        }
        index
    }

    /// The literal paths of rules, what is at the start of patterns, and a name below each of these: canonical ones, in
    /// order.
    #[must_use]
    pub fn paths(&self) -> Vec<Vec<u8>> {
        let mut paths: BTreeSet<Vec<u8>> = self.exact.keys().cloned().collect();
        for start in self.prefix.keys() {
            let dir = start.strip_suffix(b"/").unwrap_or(start);
            paths.insert(if dir.is_empty() { b"/".to_vec() } else { dir.to_vec() });
            paths.insert([dir, b"/x"].concat());
        }
        paths.into_iter().filter(|path| is_canonical(path)).collect()
    }

    /// The rules that can match `path`, in file order.
    #[must_use]
    pub fn rules_at(&self, path: &[u8]) -> Vec<usize> {
        let mut rules = self.anywhere.clone();
        rules.extend(self.exact.get(path).into_iter().flatten());
        for length in self.prefix_lengths.range(..=path.len()) {
            rules.extend(self.prefix.get(&path[..*length]).into_iter().flatten());
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

fn reach(node: &Node, rule: &Rule, shape: Shape) -> Reach {
    match &node.expr {
        Expr::Const(false) => Reach::At(Vec::new()),
        Expr::And(parts) => {
            let narrow =
                parts.iter().map(|part| reach(part, rule, shape)).filter(|part| *part != Reach::Anywhere);
            narrow.min_by_key(Reach::width).unwrap_or(Reach::Anywhere)
        }
        Expr::Or(parts) => {
            parts.iter().map(|part| reach(part, rule, shape)).fold(Reach::At(Vec::new()), Reach::or)
        }
        Expr::Compare(CompareOp::Eq, Operand::Request(RequestField::Obj), operand)
        | Expr::Compare(CompareOp::Eq, operand, Operand::Request(RequestField::Obj)) => {
            equal(operand, rule, shape)
        }
        Expr::In(Operand::Request(RequestField::Obj), list) => {
            list.iter().map(|operand| equal(operand, rule, shape)).fold(Reach::At(Vec::new()), Reach::or)
        }
        Expr::Path { function, pattern } => {
            let Some(text) = text_of(pattern, rule) else { return Reach::At(Vec::new()) };
            let start = match function {
                PathFunction::Under | PathFunction::Within => text,
                PathFunction::RegexMatch => return Reach::Anywhere,
                PathFunction::KeyMatch
                | PathFunction::KeyMatch2
                | PathFunction::KeyMatch3
                | PathFunction::KeyMatch5
                | PathFunction::GlobMatch
                | PathFunction::PathMatch => literal_start(text),
            };
            Reach::At(vec![Spot::Beginning(start.to_vec())])
        }
        Expr::Eval(column) => match &rule.fields[*column].eval {
            Some(inner) => reach(inner, rule, shape),
            None => Reach::At(Vec::new()),
        },
        Expr::Const(true)
        | Expr::Not(_)
        | Expr::Compare(..)
        | Expr::In(..)
        | Expr::Role { .. }
        | Expr::Args(_)
        | Expr::ActionRole(_) => Reach::Anywhere,
    }
}

fn equal(operand: &Operand, rule: &Rule, shape: Shape) -> Reach {
    let Some(text) = text_of(operand, rule) else { return Reach::At(Vec::new()) };
    Reach::At(vec![match (shape, rule.scope) {
        (Shape::Boesfs, Some(Scope::Dir)) => Spot::Beginning(text.to_vec()),
        (Shape::Boesfs | Shape::Casbin, _) => Spot::Exactly(text.to_vec()),
    }])
}

/// What every path that a pattern matches begins with, as far as it is plain in all pattern languages. The byte before
/// a special one is left out, because the special one may be about it.
fn literal_start(pattern: &[u8]) -> &[u8] {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    match pattern.iter().position(|byte| !plain(byte)) {
        Some(special) => &pattern[..special.saturating_sub(1)],
        None => pattern,
    }
}

impl Reach {
    /// How many paths it may be, roughly: exact ones count least.
    fn width(&self) -> (bool, usize) {
        match self {
            Self::Anywhere => (true, usize::MAX),
            Self::At(spots) => {
                let exact = spots.iter().all(|spot| matches!(spot, Spot::Exactly(_)));
                (!exact, spots.len())
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(mut spots), Self::At(more)) => {
                spots.extend(more);
                Self::At(spots)
            }
            _ => Self::Anywhere,
        }
    }
}
