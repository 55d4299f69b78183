//! The automaton as far as decisions go: where other rules decide alike there is one row, one cell, one state.
//!
//! [`Compiled`] tells apart which rule decides, for people. A plane need not know: what it gets is this, which is far
//! smaller where many rules say the same of different paths.

use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use boesfs_abi::layout::NO_RULE;

use super::cell::{Cell, Line};
use super::dfa::Dfa;
use super::minimise::minimise_by;
use super::row_table::RowTable;
use super::{Compiled, numbered_by_state};

/// A policy's automaton without the names of rules.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// The automaton over paths; labels are rows.
    pub paths: Dfa,
    /// For each row the number of a cell for each class.
    pub rows: RowTable,
    /// For each cell one of [`Compiled::cells`] that decides as it does.
    pub cells: Vec<u32>,
    /// For each of [`Compiled::cells`] the number of the cell here.
    pub cell_of: Vec<u32>,
}

impl Decisions {
    /// What `compiled` decides.
    #[must_use]
    pub fn new(compiled: &Compiled) -> Self {
        let (cells, cell_of) = alike(&compiled.cells);
        let named = &compiled.rows;
        let base = |class: u32| cell_of[named.base(class) as usize];
        let mut rows = RowTable::over((0..compiled.class_count).map(base).collect());
        let mut row = Vec::new();
        let row_of: Vec<u32> = named
            .rows()
            .map(|number| {
                row.clear();
                let differences = named.differences(number).iter();
                row.extend(differences.map(|(class, cell)| (*class, cell_of[*cell as usize])));
                row.retain(|(class, cell)| *cell != base(*class));
                rows.add(&row)
            })
            .collect();
        let mut paths = minimise_by(&compiled.paths, |row| row_of[row as usize]);
        let (_, old) = numbered_by_state(&mut paths, &mut rows, cells.len());
        let mut number = vec![0; cells.len()];
        for (new, old) in (0u32..).zip(&old) {
            number[*old as usize] = new;
        }
        // Of a cell that no state has the number does not matter.
        let cell_of = cell_of.into_iter().map(|cell| number[cell as usize]).collect();
        Self { paths, rows, cells: old.into_iter().map(|old| cells[old as usize]).collect(), cell_of }
    }
}

/// One of each sort of `cells` that decide alike, and the sort of each.
fn alike(cells: &[Cell]) -> (Vec<u32>, Vec<u32>) {
    let hasher = DefaultHashBuilder::default();
    let mut known: HashTable<u32> = HashTable::new();
    let mut kept: Vec<u32> = Vec::new();
    let mut sorts = Vec::with_capacity(cells.len());
    for (number, cell) in (0u32..).zip(cells) {
        let hash = hash(&hasher, cell);
        let same = |sort: &u32| decides_as(&cells[kept[*sort as usize] as usize], cell);
        if let Some(sort) = known.find(hash, same) {
            sorts.push(*sort);
            continue;
        }
        let sort = u32::try_from(kept.len()).expect("INVARIANT: cells are limited below 2^32");
        kept.push(number);
        sorts.push(sort);
        known.insert_unique(hash, sort, |sort| self::hash(&hasher, &cells[kept[*sort as usize] as usize]));
    }
    (kept, sorts)
}

/// What a line decides, whichever rule it is.
fn decision(line: &Line) -> impl Hash + PartialEq + '_ {
    let outcome = &line.outcome;
    let by_default = outcome.rule == NO_RULE;
    (line.ops, &line.tests, outcome.deny, outcome.errno, outcome.report, by_default)
}

/// What the masks of a cell say.
fn masks(cell: &Cell) -> impl Hash + PartialEq + use<> {
    (cell.deny, cell.depend, cell.report, cell.by_default, cell.errno_low, cell.errno_high)
}

fn decides_as(a: &Cell, b: &Cell) -> bool {
    let alike = |a: &[Line], b: &[Line]| a.iter().map(decision).eq(b.iter().map(decision));
    masks(a) == masks(b)
        && alike(&a.first, &b.first)
        && alike(&a.denies, &b.denies)
        && alike(&a.allows, &b.allows)
}

fn hash(hasher: &DefaultHashBuilder, cell: &Cell) -> u64 {
    let mut state = hasher.build_hasher();
    masks(cell).hash(&mut state);
    for lines in [&cell.first, &cell.denies, &cell.allows] {
        lines.len().hash(&mut state);
        lines.iter().for_each(|line| decision(line).hash(&mut state));
    }
    state.finish()
}
