//! Which rules can match a path at all, found without asking each: by literal paths, by what patterns begin with, and by
//! what they say of the last name.
//!
//! It leaves out no rule that can match, and so makes no difference to a decision; a test holds it against the plain
//! scan. It knows nothing of the automaton.

use std::borrow::Cow;
use std::collections::BTreeSet;

use boesfs_abi::request::is_canonical;
use hashbrown::{Equivalent, HashMap};
use smallvec::{SmallVec, smallvec};

use crate::jobs;
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
    /// Rules that match only paths that begin so and whose last name begins so.
    last_name: Pairs<'m>,
    /// Rules that match only paths that begin and end so.
    end: Pairs<'m>,
    /// Rules of which nothing is known.
    anywhere: Vec<usize>,
}

/// Indices of rules; there are few at one path.
type Rules = SmallVec<[u32; 4]>;

/// What a path begins with, and something else of it.
type PairOf<'m> = (Cow<'m, [u8]>, Cow<'m, [u8]>);

/// Rules by pairs.
#[derive(Clone, Debug, Default)]
struct Pairs<'m> {
    rules: HashMap<PairOf<'m>, Rules>,
    lengths: BTreeSet<(usize, usize)>,
}

/// A key of [`Pairs`] that is only looked up.
#[derive(Hash)]
struct Pair<'a>(&'a [u8], &'a [u8]);

impl Equivalent<PairOf<'_>> for Pair<'_> {
    fn equivalent(&self, key: &PairOf<'_>) -> bool {
        self.0 == key.0.as_ref() && self.1 == key.1.as_ref()
    }
}

impl<'m> Pairs<'m> {
    /// The rules at this pair, to add to.
    fn rules(&mut self, start: &'m [u8], other: &'m [u8]) -> &mut Rules {
        self.lengths.insert((start.len(), other.len()));
        self.rules.entry((start.into(), other.into())).or_default()
    }

    /// The rules at the pairs of the first bytes of `path` and a part of it of the given length.
    fn at<'a>(
        &'a self,
        path: &'a [u8],
        part: impl Fn(usize) -> Option<&'a [u8]> + 'a,
    ) -> impl Iterator<Item = &'a Rules> {
        self.lengths
            .iter()
            .filter_map(move |(start, length)| self.rules.get(&Pair(path.get(..*start)?, part(*length)?)))
    }

    fn into_owned(self) -> Pairs<'static> {
        let owned = |part: Cow<'m, [u8]>| Cow::Owned(part.into_owned());
        let rules =
            self.rules.into_iter().map(|((start, other), rules)| ((owned(start), owned(other)), rules));
        Pairs { rules: rules.collect(), lengths: self.lengths }
    }
}

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
    /// Paths that begin so and whose last name begins so.
    LastName(&'m [u8], &'m [u8]),
    /// Paths that begin and end so; the two may overlap.
    Ending(&'m [u8], &'m [u8]),
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
                            Spot::Exactly(path) => index.exact.entry(path.into()).or_default(),
                            Spot::Beginning(path) => {
                                index.prefix_lengths.insert(path.len());
                                index.prefix.entry(path.into()).or_default()
                            }
                            Spot::LastName(start, name) => index.last_name.rules(start, name),
                            Spot::Ending(start, end) => index.end.rules(start, end),
                        };
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
            last_name: self.last_name.into_owned(),
            end: self.end.into_owned(),
            anywhere: self.anywhere,
        }
    }

    /// The literal paths of rules, what is at the start of patterns, and a name below each of these: canonical ones, in
    /// order.
    #[must_use]
    pub fn paths(&self) -> Vec<Cow<'_, [u8]>> {
        let mut paths: Vec<Cow<'_, [u8]>> =
            self.exact.keys().map(|path| Cow::Borrowed(path.as_ref())).collect();
        let pairs = self.last_name.rules.keys().chain(self.end.rules.keys());
        let mut starts: Vec<&[u8]> = self.prefix.keys().map(AsRef::as_ref).collect();
        starts.extend(pairs.map(|(start, _)| start.as_ref()));
        starts.sort_unstable();
        starts.dedup();
        for start in starts {
            let dir = start.strip_suffix(b"/").unwrap_or(start);
            paths.push(Cow::Borrowed(if dir.is_empty() { b"/" } else { dir }));
            paths.push(Cow::Owned([dir, b"/x"].concat()));
        }
        paths.retain(|path| is_canonical(path));
        jobs::sort_by(&mut paths, Ord::cmp);
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
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let name = slash.map_or(path, |slash| &path[slash + 1..]);
        self.last_name.at(path, |length| name.get(..length)).for_each(|rules| add(Some(rules)));
        let ending = |length| path.get(path.len().checked_sub(length)?..);
        self.end.at(path, ending).for_each(|rules| add(Some(rules)));
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
        Expr::Path { function, pattern, .. } => {
            let Some(text) = text_of(pattern, rule) else { return Reach::At(SmallVec::new()) };
            let start = match function {
                PathFunction::Under | PathFunction::Within => text,
                PathFunction::RegexMatch => return Reach::Anywhere,
                PathFunction::PathMatch => return Reach::At(smallvec![of_pattern(text)]),
                PathFunction::KeyMatch
                | PathFunction::KeyMatch2
                | PathFunction::KeyMatch3
                | PathFunction::KeyMatch5
                | PathFunction::GlobMatch => literal_start(text),
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

/// Where the paths lie that a pattern of `pathMatch` matches: what they begin with, and what their last name begins with or
/// what they end with, if the pattern has that plain.
fn of_pattern(pattern: &[u8]) -> Spot<'_> {
    let start = literal_start(pattern);
    let slash = pattern.iter().rposition(|byte| *byte == b'/');
    let last = slash.map_or(pattern, |slash| &pattern[slash + 1..]);
    // A `/` may stand inside of braces and classes, and more than one name may be what `**` matches.
    let odd = pattern.iter().any(|byte| matches!(byte, b'{' | b'[' | b'\\'))
        || last.windows(2).any(|bytes| bytes == b"**");
    if start.len() == pattern.len() || odd || last.is_empty() {
        return Spot::Beginning(start);
    }
    let name = literal_start(last);
    let end = last.iter().rposition(|byte| !is_plain(*byte)).map_or(last, |special| &last[special + 1..]);
    match (name.is_empty(), end.is_empty()) {
        (false, _) => Spot::LastName(start, name),
        (true, false) => Spot::Ending(start, end),
        (true, true) => Spot::Beginning(start),
    }
}

/// What every path that a pattern matches begins with, as far as it is plain in all pattern languages. The byte before
/// a special one is left out, because the special one may be about it.
fn literal_start(pattern: &[u8]) -> &[u8] {
    match pattern.iter().position(|byte| !is_plain(*byte)) {
        Some(special) => &pattern[..special.saturating_sub(1)],
        None => pattern,
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-')
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
