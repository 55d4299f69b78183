//! From an ordered list of cases to the boxes in which each decides.

use boesfs_abi::layout::Test;
use boesfs_abi::op::Op;

use super::fields::{FieldBox, TextClasses};

/// One line of an ordered list: it decides where its tests hold and no earlier line decides otherwise.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Its tests, all of them [relevant](super::fields::relevant) to the operation.
    pub(super) tests: Vec<Test>,
    /// Whether it denies.
    pub(super) deny: bool,
}

/// A part of the requests of one operation that get one verdict.
#[derive(Clone, Debug)]
pub(super) struct Region {
    /// The first case that can decide in the box, seen from the boxes before it.
    pub(super) case: usize,
    /// The box, never empty.
    pub(super) fields: FieldBox,
}

/// The boxes that `cases`, the last of which has no test, make of all requests of `op`. A box lies outside all cases
/// before its own that decide otherwise; it may overlap boxes of cases that decide the same, and of boxes with one
/// verdict that hold a request the first is of the case that decides. `None` if there are more than `limit`.
pub(super) fn split(cases: &[Case], op: Op, texts: &TextClasses, limit: usize) -> Option<Vec<Region>> {
    let mut regions: Vec<Region> = Vec::new();
    let mut rest = vec![FieldBox::default()];
    let mut case = 0;
    for run in cases.chunk_by(|a, b| a.deny == b.deny) {
        for (offset, tests) in run.iter().map(|case| &case.tests).enumerate() {
            for part in rest.iter().filter_map(|part| part.with_all(tests, op, texts)) {
                regions.push(Region { case: case + offset, fields: part });
                if regions.len() > limit {
                    return None;
                }
            }
        }
        case += run.len();
        if case == cases.len() {
            break;
        }
        for Case { tests, .. } in run {
            let mut left = Vec::with_capacity(rest.len());
            for part in rest {
                subtract(part, tests, op, texts, &mut left);
            }
            rest = left;
            if rest.len() > limit {
                return None;
            }
        }
    }
    Some(regions)
}

/// Adds what of `part` lies outside the conjunction of `tests` to `left`, in disjoint boxes.
fn subtract(part: FieldBox, tests: &[Test], op: Op, texts: &TextClasses, left: &mut Vec<FieldBox>) {
    if part.with_all(tests, op, texts).is_none() {
        left.push(part);
        return;
    }
    let mut inside = part;
    for test in tests {
        let opposite = Test { holds: 1 - test.holds, ..*test };
        left.extend(inside.with(&opposite, op, texts));
        inside = inside.with(test, op, texts).expect("INVARIANT: all tests together leave something");
    }
}
