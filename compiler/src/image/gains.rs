//! Which lists of tests let a request through that another denies.

use boesfs_abi::op::{Op, OpSet};

use crate::automaton::{Cell, FieldBox, Line, TextClasses};

/// The most lists a table is made for.
const MAX_LISTS: usize = 256;
/// The most pairs of boxes that are compared for it.
const MAX_PAIRS: usize = 4_000_000;

/// What tells a cell's lists from others: their boxes, whoever decides there.
pub(super) type ListKey =
    (Vec<(OpSet, Vec<boesfs_abi::layout::Test>)>, Vec<(OpSet, Vec<boesfs_abi::layout::Test>)>);

/// The key of the lists of `cell`.
pub(super) fn key(cell: &Cell) -> ListKey {
    let strip = |lines: &[Line]| lines.iter().map(|line| (line.ops, line.tests.clone())).collect();
    (strip(&cell.denies), strip(&cell.allows))
}

/// The boxes of one operation under one list.
struct Boxes {
    denies: Vec<FieldBox>,
    allows: Vec<FieldBox>,
}

/// The most bytes the table of so many cells with lists can have.
pub(super) fn most_bytes(lists: usize) -> usize {
    let size = (lists + 1).min(MAX_LISTS);
    if lists == 0 { 0 } else { size * size * size_of::<u32>() }
}

/// The gain table of `lists`; `None` if it would be too large. Row 0 is for cells that deny whatever is asked, column 0
/// for those that allow it.
pub(super) fn table(lists: &[&Cell], texts: &TextClasses) -> Option<Vec<u32>> {
    if lists.len() + 1 > MAX_LISTS {
        return None;
    }
    let mut pairs = 0;
    let mut by_op: Vec<Vec<Option<Boxes>>> = Vec::new();
    for op in OpSet::ALL.iter() {
        let boxes: Vec<Option<Boxes>> = lists.iter().map(|cell| boxes(cell, op, texts)).collect();
        let count = |of: fn(&Boxes) -> usize| boxes.iter().flatten().map(of).sum::<usize>();
        pairs += count(|b| b.denies.len()).saturating_mul(count(|b| b.allows.len()));
        by_op.push(boxes);
    }
    if pairs > MAX_PAIRS {
        return None;
    }
    let size = lists.len() + 1;
    let mut table = vec![0u32; size * size];
    for (op, boxes) in OpSet::ALL.iter().zip(&by_op) {
        for (list, boxes) in (1..).zip(boxes) {
            let Some(boxes) = boxes else { continue };
            if !boxes.denies.is_empty() {
                table[list * size] |= OpSet::of(&[op]).bits();
            }
            if !boxes.allows.is_empty() {
                table[list] |= OpSet::of(&[op]).bits();
            }
        }
        for (a, from) in (1..).zip(boxes) {
            for (b, to) in (1..).zip(boxes) {
                let (Some(from), Some(to)) = (from, to) else { continue };
                if from.denies.iter().any(|deny| to.allows.iter().any(|allow| deny.meets(allow, op))) {
                    table[a * size + b] |= OpSet::of(&[op]).bits();
                }
            }
        }
    }
    Some(table)
}

fn boxes(cell: &Cell, op: Op, texts: &TextClasses) -> Option<Boxes> {
    if !cell.depend.contains(op) {
        return None;
    }
    let of = |lines: &[Line]| {
        lines
            .iter()
            .filter(|line| line.ops.contains(op))
            .filter_map(|line| FieldBox::default().with_all(&line.tests, op, texts))
            .collect()
    };
    Some(Boxes { denies: of(&cell.denies), allows: of(&cell.allows) })
}
