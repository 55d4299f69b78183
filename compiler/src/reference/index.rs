//! Which rules can match a path at all, found without asking each: by literal paths and by what patterns begin with.
//!
//! It leaves out no rule that can match, and so makes no difference to a decision; a test holds it against the plain
//! scan. It knows nothing of the automaton.

use std::borrow::Cow;
use std::collections::BTreeSet;

use boesfs_abi::request::is_canonical;
use hashbrown::HashMap;
use smallvec::{SmallVec, smallvec};

use crate::model::{CompareOp, Expr, Model, Node, Operand, PathFunction, RequestField, Rule, Scope, Shape};

use super::matcher::text_of;

/// The rules of a policy by the paths they can match.
#[derive(Clone, Debug, Default)]
pub struct Index<'m> {
    /// Rules that match only exactly this path.
    exact: HashMap<Cow<'m, [u8]>, Rules>,
    /// Rules that match only paths that begin so.
    prefix: HashMap<Cow<'m, [u8]>, Rules>,
    prefix_lengths: BTreeSet<usize>,
    /// Rules of which nothing is known.
    anywhere: Vec<usize>,
}

/// Indices of rules; there are few at one path.
type Rules = SmallVec<[u32; 4]>;

/// The paths a condition can hold of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach<'m> {
    /// Perhaps all.
    Anywhere,
    /// Some of these.
    At(SmallVec<[Spot<'m>; 1]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Spot<'m> {
    Exactly(&'m [u8]),
    Beginning(&'m [u8]),
}

impl<'m> Index<'m> {
    /// The index of the rules of `model`.
    #[must_use]
    pub fn new(model: &'m Model) -> Self {
        let mut index = Self::default();
        for (rule, number) in model.rules.iter().zip(0u32..) {
            match reach(&model.matcher, rule, model.shape) {
                Reach::Anywhere => index.anywhere.push(number as usize),
                Reach::At(spots) => {
                    for spot in spots {
                        let rules = match spot {
                            Spot::Exactly(path) => index.exact.entry(path.into()),
                            Spot::Beginning(path) => {
                                index.prefix_lengths.insert(path.len());
                                index.prefix.entry(path.into())
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

    /// The same, without looking at the model any more.
    #[must_use]
    pub fn into_owned(self) -> Index<'static> {
        let owned = |rules: HashMap<Cow<'m, [u8]>, Rules>| {
            rules.into_iter().map(|(path, rules)| (path.into_owned().into(), rules)).collect()
        };
        Index {
            exact: owned(self.exact),
            prefix: owned(self.prefix),
            prefix_lengths: self.prefix_lengths,
            anywhere: self.anywhere,
        }
    }

    /// The literal paths of rules, what is at the start of patterns, and a name below each of these: canonical ones, in
    /// order.
    #[must_use]
    pub fn paths(&self) -> Vec<Cow<'_, [u8]>> {
        let mut paths: Vec<Cow<'_, [u8]>> =
            self.exact.keys().map(|path| Cow::Borrowed(path.as_ref())).collect();
        for start in self.prefix.keys() {
            let dir = start.strip_suffix(b"/").unwrap_or(start);
            paths.push(Cow::Borrowed(if dir.is_empty() { b"/" } else { dir }));
            paths.push(Cow::Owned([dir, b"/x"].concat()));
        }
        paths.retain(|path| is_canonical(path));
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// The rules that can match `path`, in file order.
    #[must_use]
    pub fn rules_at(&self, path: &[u8]) -> Vec<usize> {
        let mut rules = self.anywhere.clone();
        let mut add =
            |found: Option<&Rules>| rules.extend(found.into_iter().flatten().map(|rule| *rule as usize));
        add(self.exact.get(path));
        for length in self.prefix_lengths.range(..=path.len()) {
            add(self.prefix.get(&path[..*length]));
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

fn reach<'m>(node: &'m Node, rule: &'m Rule, shape: Shape) -> Reach<'m> {
    match &node.expr {
        Expr::Const(false) => Reach::At(SmallVec::new()),
        Expr::And(parts) => {
            let narrow =
                parts.iter().map(|part| reach(part, rule, shape)).filter(|part| *part != Reach::Anywhere);
            narrow.min_by_key(Reach::width).unwrap_or(Reach::Anywhere)
        }
        Expr::Or(parts) => {
            parts.iter().map(|part| reach(part, rule, shape)).fold(Reach::At(SmallVec::new()), Reach::or)
        }
        Expr::Compare(CompareOp::Eq, Operand::Request(RequestField::Obj), operand)
        | Expr::Compare(CompareOp::Eq, operand, Operand::Request(RequestField::Obj)) => {
            equal(operand, rule, shape)
        }
        Expr::In(Operand::Request(RequestField::Obj), list) => {
            list.iter().map(|operand| equal(operand, rule, shape)).fold(Reach::At(SmallVec::new()), Reach::or)
        }
        Expr::Path { function, pattern } => {
            let Some(text) = text_of(pattern, rule) else { return Reach::At(SmallVec::new()) };
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
            Reach::At(smallvec![Spot::Beginning(start)])
        }
        Expr::Eval(column) => match &rule.fields[*column].eval {
            Some(inner) => reach(inner, rule, shape),
            None => Reach::At(SmallVec::new()),
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

fn equal<'m>(operand: &'m Operand, rule: &'m Rule, shape: Shape) -> Reach<'m> {
    let Some(text) = text_of(operand, rule) else { return Reach::At(SmallVec::new()) };
    Reach::At(smallvec![match (shape, rule.scope) {
        (Shape::Boesfs, Some(Scope::Dir)) => Spot::Beginning(text),
        (Shape::Boesfs | Shape::Casbin, _) => Spot::Exactly(text),
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

impl Reach<'_> {
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
