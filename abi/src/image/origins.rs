//! Which rule decides at which path: what the blob leaves out, because it makes no difference to a decision.
//!
//! An automaton in the blob's node format, but told apart by deciding rules as well. Its labels are rows; a row has a
//! cell for each class, kept as where it differs from a base row; a cell names a cell of the blob and the rules that
//! decide in it.

use super::decode::check_nodes;
use super::{ClassId, Reader, Writer};
use crate::layout::{Cell, NO_RULE};
use crate::op::{Op, OpSet};

/// The deciding rules of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Nodes as in a blob; references count from the first of these bytes, where the start is.
    pub nodes: Vec<u8>,
    /// For each class its cell in rows that say nothing else of it.
    pub base: Vec<u32>,
    /// Where the differences of each row end.
    pub ends: Vec<u32>,
    /// A row's classes, in increasing order, and their cells.
    pub differences: Vec<(u32, u32)>,
    /// The cells.
    pub cells: Vec<OriginCell>,
    /// What cells are made of: for each a number, as many pairs of operations and the rule by which masks decide them,
    /// and the rule of each line of the blob's cell: of `first`, `denies` and `allows`. [`NO_RULE`] is a default.
    pub deciders: Vec<u32>,
}

/// The rules that decide in a cell of the blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginCell {
    /// The blob's cell.
    pub cell: u32,
    /// Where in `deciders` they begin.
    pub deciders: u32,
}

impl Origins {
    pub(super) fn cell_count(&self) -> u32 {
        self.cells.len() as u32
    }

    /// Where `row` has other cells than the base: class and cell, by class.
    pub(super) fn differences(&self, row: u32) -> &[(u32, u32)] {
        let row = row as usize;
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.differences[start as usize..self.ends[row] as usize]
    }

    pub(super) fn cell_number(&self, row: u32, class: ClassId) -> Option<u32> {
        let differences = self.differences(row);
        match differences.binary_search_by_key(&class.0, |(class, _)| *class) {
            Ok(found) => Some(differences[found].1),
            Err(_) => self.base.get(class.0 as usize).copied(),
        }
    }

    pub(super) fn rule(&self, number: u32, op: Op) -> Option<u32> {
        let at = self.cells[number as usize].deciders as usize;
        let pairs = self.deciders[at + 1..].chunks_exact(2).take(self.deciders[at] as usize);
        let mut of_op = pairs.filter(|pair| OpSet::from_bits(pair[0]).contains(op));
        of_op.next().map(|pair| pair[1]).filter(|rule| *rule != NO_RULE)
    }

    /// The rule of the line at `place` of the lists of cell `number`, which have so many.
    pub(super) fn entry_rule(&self, number: u32, place: u32) -> u32 {
        let at = self.cells[number as usize].deciders as usize;
        self.deciders[at + 1 + self.deciders[at] as usize * 2 + place as usize]
    }

    /// The pairs of operations and rule of cell `number`, and the rules of its lines, which are so many.
    pub(super) fn deciders(&self, number: u32, lines: u32) -> (&[u32], &[u32]) {
        let at = self.cells[number as usize].deciders as usize;
        let (pairs, lines) = (self.deciders[at] as usize * 2, lines as usize);
        self.deciders[at + 1..at + 1 + pairs + lines].split_at(pairs)
    }

    pub(super) fn encode(&self, w: &mut Writer) {
        w.bytes(&self.nodes);
        w.numbers(self.base.iter().copied());
        w.numbers(steps(self.ends.iter().copied(), 1));
        w.numbers(self.differences.iter().map(|(class, _)| *class));
        w.numbers(steps(self.differences.iter().map(|(_, cell)| *cell), 1));
        w.numbers(self.cells.iter().map(|cell| cell.cell));
        w.numbers(steps(self.cells.iter().map(|cell| cell.deciders), 1));
        w.numbers(steps(self.deciders.iter().copied(), DECIDERS));
    }

    /// Reads what [`Origins::encode`] wrote; `None` if it is malformed.
    pub(super) fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let nodes = r.bytes()?.to_vec();
        let base = r.numbers()?;
        let ends = sums(r.numbers()?, 1);
        let (classes, cells) = (r.numbers()?, sums(r.numbers()?, 1));
        if classes.len() != cells.len() {
            return None;
        }
        let differences = classes.into_iter().zip(cells).collect();
        let (cells, places) = (r.numbers()?, sums(r.numbers()?, 1));
        if cells.len() != places.len() {
            return None;
        }
        let cells = cells.into_iter().zip(places).map(|(cell, deciders)| OriginCell { cell, deciders });
        Some(Self {
            nodes,
            base,
            ends,
            differences,
            cells: cells.collect(),
            deciders: sums(r.numbers()?, DECIDERS),
        })
    }

    /// Whether everything is where it says, in an image with these cells and so many rules.
    pub(super) fn is_sound(&self, class_count: u32, cells: &[Cell], rules: usize) -> bool {
        let known = |cell: &u32| (*cell as usize) < self.cells.len();
        let rows = u32::try_from(self.ends.len()).ok();
        let mut start = 0;
        let rows_fit = self.ends.iter().all(|end| {
            let row = self.differences.get(std::mem::replace(&mut start, *end as usize)..*end as usize);
            row.is_some_and(|row| {
                row.windows(2).all(|pair| pair[0].0 < pair[1].0)
                    && row.iter().all(|(class, cell)| *class < class_count && known(cell))
            })
        });
        let is_rule = |rule: &u32| *rule == NO_RULE || (*rule as usize) < rules;
        // Those of one cell follow those of the one before it.
        let mut end = 0;
        let mut cell_fits = |origin: &OriginCell| {
            let cell = cells.get(origin.cell as usize)?;
            let rest = self.deciders.get(origin.deciders as usize..)?;
            let (count, rest) = rest.split_first()?;
            let pairs = rest.get(..(*count as usize).checked_mul(2)?)?;
            let lines = [cell.first_count, cell.denies_count, cell.allows_count];
            let lines = lines.iter().try_fold(0usize, |sum, count| sum.checked_add(*count as usize))?;
            let of_lines = rest[pairs.len()..].get(..lines)?;
            let after = origin.deciders as usize + 1 + pairs.len() + of_lines.len();
            let fits = std::mem::replace(&mut end, after) == origin.deciders as usize
                && *count as usize <= Op::COUNT
                && pairs.chunks_exact(2).all(|pair| pair[0] & !OpSet::ALL.bits() == 0 && is_rule(&pair[1]))
                && of_lines.iter().all(is_rule);
            Some(fits)
        };
        self.base.len() == class_count as usize
            && self.base.iter().all(known)
            && rows_fit
            && start == self.differences.len()
            && rows.is_some_and(|rows| check_nodes(&self.nodes, 0, &[(1, 0, rows)]).is_ok())
            && self.cells.iter().all(|origin| cell_fits(origin) == Some(true))
            && end == self.deciders.len()
    }
}

/// Each number less the one `stride` before it: what counts up repeats itself, which compresses well.
fn steps(numbers: impl ExactSizeIterator<Item = u32>, stride: usize) -> impl ExactSizeIterator<Item = u32> {
    let (mut before, mut at) = ([0u32; MOST_STRIDE], 0);
    numbers.map(move |number| {
        at = (at + 1) % stride;
        number.wrapping_sub(std::mem::replace(&mut before[at], number))
    })
}

/// What [`steps`] was made of.
fn sums(mut steps: Vec<u32>, stride: usize) -> Vec<u32> {
    for at in stride..steps.len() {
        steps[at] = steps[at].wrapping_add(steps[at - stride]);
    }
    steps
}

/// The largest stride.
const MOST_STRIDE: usize = 3;
/// The stride of [`Origins::deciders`]: what most cells have there, one rule by its masks.
const DECIDERS: usize = 3;
