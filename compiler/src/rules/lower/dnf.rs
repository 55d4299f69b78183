//! Disjunctive normal form, bounded.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use std::rc::Rc;

use boesfs_abi::op::OpSet;

use crate::rules::{AtomId, Condition, Entry, PathTest, Test, TestField};

use super::cells::Cells;
use super::few::Few;

/// A formula in which only leaves are negated.
#[derive(Clone, Debug)]
pub(super) enum Formula {
    And(Vec<Formula>),
    Or(Vec<Formula>),
    Leaf(Leaf),
}

/// One condition.
#[derive(Clone, Debug)]
pub(super) enum Leaf {
    /// The program and domain fall into one of these cells.
    Cells(Cells),
    /// The path lies in a language, or outside.
    Path(PathTest),
    /// The operation is one of these.
    Ops(OpSet),
    /// A test of an argument or of the caller.
    Test(Test),
    /// Under `nearest`: the term stands in this entry, of these paths.
    Place(Option<AtomId>, Entry),
}

impl Formula {
    pub(super) fn truth(holds: bool) -> Self {
        if holds { Self::And(Vec::new()) } else { Self::Or(Vec::new()) }
    }
}

/// A conjunction of leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Conjunction {
    /// `None`: every cell.
    pub(super) cells: Option<Cells>,
    pub(super) paths: Few<PathTest>,
    pub(super) ops: OpSet,
    pub(super) tests: Few<Test>,
    pub(super) place: Option<(Option<AtomId>, Entry)>,
}

/// Why a formula has no disjunctive form that is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DnfError {
    /// It has at least this many terms.
    TooManyTerms(usize),
    /// A term has two places.
    TwoPlaces,
}

/// What is to be done with a term that no request can satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsatisfiable {
    Drop,
    /// Under `nearest` it still makes an entry, if subjects satisfy it: it is kept without operations.
    KeepEntry,
}

/// Turns formulas into terms.
pub(super) struct Normaliser<'a> {
    /// How many terms are too many.
    pub(super) limit: usize,
    /// What becomes of terms without requests.
    pub(super) unsatisfiable: Unsatisfiable,
    /// Whether two path conditions exclude each other.
    pub(super) disjoint: &'a dyn Fn(PathTest, PathTest) -> bool,
}

impl Normaliser<'_> {
    /// The terms of `formula`, without repetition, in an order that depends on nothing else.
    pub(super) fn terms(&self, formula: &Formula) -> Result<Vec<Conjunction>, DnfError> {
        Ok(merged(self.expand(formula)?))
    }

    /// The term that a conjunction comes to, if anything satisfies it.
    pub(super) fn term(&self, conjunction: Conjunction) -> Option<Conjunction> {
        self.simplified(conjunction)
    }

    fn expand(&self, formula: &Formula) -> Result<Vec<Conjunction>, DnfError> {
        match formula {
            Formula::Leaf(leaf) => Ok(self.simplified(Conjunction::of(leaf)).into_iter().collect()),
            Formula::Or(parts) => {
                let mut sum = Vec::new();
                for part in parts {
                    sum.extend(self.expand(part)?);
                    self.check(sum.len())?;
                }
                Ok(distinct(sum))
            }
            Formula::And(parts) => {
                let mut factors =
                    parts.iter().map(|part| self.expand(part)).collect::<Result<Vec<_>, _>>()?;
                factors.sort_by_key(Vec::len);
                let mut product = vec![Conjunction::everything()];
                for factor in factors {
                    let mut next = HashSet::new();
                    for left in &product {
                        for right in &factor {
                            if let Some(both) = self.simplified(left.and(right)?) {
                                next.insert(both);
                                self.check(next.len())?;
                            }
                        }
                    }
                    product = next.into_iter().collect();
                    product.sort();
                }
                Ok(product)
            }
        }
    }

    fn check(&self, terms: usize) -> Result<(), DnfError> {
        if terms > self.limit { Err(DnfError::TooManyTerms(terms)) } else { Ok(()) }
    }

    /// The term with its tests made small; `None` if nothing satisfies it.
    fn simplified(&self, mut term: Conjunction) -> Option<Conjunction> {
        if term.cells.as_ref().is_some_and(|cells| cells.is_empty()) {
            return None;
        }
        let contradiction = |one: &PathTest| {
            term.paths.iter().any(|other| {
                one.atom == other.atom && one.holds != other.holds || (self.disjoint)(*one, *other)
            })
        };
        // No condition excludes itself.
        if term.paths.len() > 1 && term.paths.iter().any(contradiction) {
            return None;
        }
        let tests = if term.ops.is_empty() { None } else { simplified_tests(&term.tests) };
        match (tests, self.unsatisfiable) {
            (Some(tests), _) => term.tests = tests,
            (None, Unsatisfiable::Drop) => return None,
            (None, Unsatisfiable::KeepEntry) => {
                term.ops = OpSet::EMPTY;
                term.tests = Few::default();
            }
        }
        Some(term)
    }
}

impl Conjunction {
    pub(super) fn everything() -> Self {
        Self { cells: None, paths: Few::default(), ops: OpSet::ALL, tests: Few::default(), place: None }
    }

    fn of(leaf: &Leaf) -> Self {
        let mut term = Self::everything();
        match leaf {
            Leaf::Cells(cells) => term.cells = Some(cells.clone()),
            Leaf::Path(test) => {
                term.paths.insert(*test);
            }
            Leaf::Ops(ops) => term.ops = *ops,
            Leaf::Test(test) => {
                term.tests.insert(test.clone());
            }
            Leaf::Place(atom, entry) => term.place = Some((*atom, *entry)),
        }
        term
    }

    /// Adds `formula` if it is nothing but a conjunction with at most one test, which is what nearly every rule of a
    /// large policy is; false, and it is of no use any more, if it is not.
    pub(super) fn add(&mut self, formula: &Formula) -> Result<bool, DnfError> {
        match formula {
            Formula::And(parts) => {
                for part in parts {
                    if !self.add(part)? {
                        return Ok(false);
                    }
                }
            }
            Formula::Or(parts) => {
                let [part] = parts.as_slice() else { return Ok(false) };
                return self.add(part);
            }
            Formula::Leaf(leaf) => match leaf {
                Leaf::Cells(cells) => self.cells = both(self.cells.as_ref(), Some(cells)),
                Leaf::Path(test) => {
                    self.paths.insert(*test);
                }
                Leaf::Ops(ops) => self.ops = self.ops.intersection(*ops),
                Leaf::Test(test) => {
                    if !self.tests.is_empty() {
                        return Ok(false);
                    }
                    self.tests.insert(test.clone());
                }
                Leaf::Place(atom, entry) => {
                    if self.place.is_some() {
                        return Err(DnfError::TwoPlaces);
                    }
                    self.place = Some((*atom, *entry));
                }
            },
        }
        Ok(true)
    }

    fn and(&self, other: &Self) -> Result<Self, DnfError> {
        let cells = both(self.cells.as_ref(), other.cells.as_ref());
        let place = match (self.place, other.place) {
            (Some(_), Some(_)) => return Err(DnfError::TwoPlaces),
            (place, None) | (None, place) => place,
        };
        Ok(Self {
            cells,
            paths: self.paths.union(&other.paths),
            ops: self.ops.intersection(other.ops),
            tests: self.tests.union(&other.tests),
            place,
        })
    }

    /// Whether every request of `other` is one of `self`.
    fn contains(&self, other: &Self) -> bool {
        let cells = match (&self.cells, &other.cells) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs.is_subset(ours),
        };
        cells
            && self.place == other.place
            && self.paths.is_subset(&other.paths)
            && other.ops.difference(self.ops).is_empty()
            && self.tests.is_subset(&other.tests)
    }
}

/// The cells of two sets; `None` is every cell.
fn both(left: Option<&Cells>, right: Option<&Cells>) -> Option<Cells> {
    match (left, right) {
        (Some(left), Some(right)) if !Rc::ptr_eq(left, right) && left != right => {
            Some(Rc::new(left.intersection(right)))
        }
        (Some(cells), _) | (None, Some(cells)) => Some(cells.clone()),
        (None, None) => None,
    }
}

fn distinct(terms: Vec<Conjunction>) -> Vec<Conjunction> {
    let mut seen = HashSet::new();
    terms.into_iter().filter(|term| seen.insert(term.clone())).collect()
}

/// The tests of a conjunction with one interval, one set of kinds and no idle test for each value; `None` if nothing
/// passes them.
fn simplified_tests(tests: &Few<Test>) -> Option<Few<Test>> {
    if tests.is_empty() {
        return Some(Few::default());
    }
    let mut intervals: BTreeMap<TestField, (u64, u64)> = BTreeMap::new();
    let mut kinds = u8::MAX;
    for test in tests.iter().filter(|test| test.holds) {
        if tests.contains(&Test { holds: false, ..test.clone() }) {
            return None;
        }
        match test.condition {
            Condition::Between(low, high) => {
                let (least, most) = intervals.entry(test.field).or_insert((0, u64::MAX));
                (*least, *most) = ((*least).max(low), (*most).min(high));
                if *least > *most {
                    return None;
                }
            }
            Condition::KindIn(mask) => kinds &= mask,
            Condition::AnyBit(_) | Condition::Text(_) => {}
        }
    }
    if kinds == 0 {
        return None;
    }
    let mut simplified = Few::default();
    for test in tests {
        let interval = intervals.get(&test.field).copied();
        let condition = match (&test.condition, test.holds) {
            (Condition::Between(..), true) => {
                let (low, high) = interval.unwrap_or((0, u64::MAX));
                Condition::Between(low, high)
            }
            (Condition::Between(low, high), false) => {
                let (least, most) = interval.unwrap_or((0, u64::MAX));
                if interval.is_some() && *low <= least && most <= *high {
                    return None;
                }
                if *high < least || most < *low {
                    continue;
                }
                test.condition
            }
            (Condition::KindIn(_), _) => Condition::KindIn(kinds),
            (Condition::AnyBit(_) | Condition::Text(_), _) => test.condition,
        };
        simplified.insert(Test { condition, ..test.clone() });
    }
    Some(simplified)
}

/// How many terms are compared each with each.
const COMPARED: usize = 256;

/// The terms with those united that differ in operations alone, and without those that another contains.
fn merged(terms: Vec<Conjunction>) -> Vec<Conjunction> {
    let mut by_rest: BTreeMap<Conjunction, OpSet> = BTreeMap::new();
    for term in terms {
        let ops = term.ops;
        let union = by_rest.entry(Conjunction { ops: OpSet::EMPTY, ..term }).or_default();
        *union = union.union(ops);
    }
    let terms: Vec<Conjunction> =
        by_rest.into_iter().map(|(term, ops)| Conjunction { ops, ..term }).collect();
    if terms.len() > COMPARED {
        return terms;
    }
    let needed = |(i, term): (usize, &Conjunction)| {
        let idle = terms.iter().enumerate().any(|(j, other)| i != j && other.contains(term));
        (!idle).then(|| term.clone())
    };
    terms.iter().enumerate().filter_map(needed).collect()
}
