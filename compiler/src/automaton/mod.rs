//! The automaton: from [`RuleSet`] to one minimal byte automaton whose states name rows of cells.
//!
//! [`Compiled::new`] determinises the path languages, computes a row for each set of languages that some path lies in,
//! and makes the automaton minimal by row. This stage knows no bytes of an image and no plane; it decides requests
//! in memory, as one engine of the testbench.

mod alone;
mod boxes;
mod canonical;
mod cell;
mod decide;
mod decisions;
mod dfa;
mod dump;
mod fields;
mod limits;
mod meeting;
mod minimise;
mod nfa;
mod row_table;
mod rows;
mod sets;
mod subset;
mod texts;
mod trie;
mod utf8;

pub use canonical::{Canonical, Inputs, Walk, Witnesses};
pub use cell::{Cell, Line, Outcome};
pub use decide::Decision;
pub use decisions::Decisions;
pub use dfa::{Dfa, Edge, Form, Node, NodeEdge, NodeId, StateId};
pub(crate) use dump::{spelt_byte, spelt_ops, spelt_test};
pub(crate) use fields::relevant;
pub use fields::{Example, FieldBox, FieldSet, Numbers, TextClasses, TextSet, Values, domain, may_be_absent};
pub use limits::{AutomatonError, Input, Limits};
pub use minimise::{minimise, minimise_by};
pub use row_table::RowTable;
pub use rows::decided_ops;
pub use sets::{SetId, Sets};
pub use subset::{Labelled, determinize};
pub use texts::Texts;

use std::sync::Arc;

use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::subjects;

use crate::model::Shape;
use crate::rules::RuleSet;

/// A policy as an automaton.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Casbin's or `BoesFS`'s layout.
    pub shape: Shape,
    /// The automaton over paths; labels are rows.
    pub paths: Dfa,
    /// For each row the number of a cell for each class.
    pub rows: RowTable,
    /// The cells.
    pub cells: Vec<Cell>,
    /// The automaton over arguments.
    pub texts: Texts,
    /// Subjects, domains and classes.
    pub subjects: subjects::Subjects,
    /// How many classes there are.
    pub class_count: u32,
    /// The automaton before it was made minimal: its labels are sets of the rules' path languages.
    pub languages: Arc<Labelled>,
    /// For each set of path languages that some state of `languages` has, its row.
    pub row_of_set: Vec<u32>,
}

impl Compiled {
    /// The automaton of `rules`.
    ///
    /// # Errors
    /// [`AutomatonError`] if a limit is exceeded.
    pub fn new(rules: &RuleSet, limits: &Limits) -> Result<Self, AutomatonError> {
        let labelled = determinize(&rules.atoms, Input::Paths, limits)?;
        let mut texts = Texts::new(&rules.texts, limits)?;
        let mut builder = rows::RowBuilder::new(rules, &mut texts, limits)?;
        let mut row_of = vec![0; labelled.sets.len()];
        let mut known = vec![false; labelled.sets.len()];
        for node in labelled.dfa.nodes() {
            let label = labelled.dfa.node(node).label;
            if !std::mem::replace(&mut known[label as usize], true) {
                row_of[label as usize] = builder.row(labelled.sets.get(SetId(label)))?;
            }
        }
        let rows = builder.finish();
        let paths = minimise_by(&labelled.dfa, |label| row_of[label as usize]);
        let mut compiled = Self {
            shape: rules.shape,
            paths,
            rows: rows.rows,
            cells: rows.cells,
            texts,
            subjects: subjects::Subjects {
                literals: rules.subjects.literals.clone(),
                groups: rules.subjects.groups.clone(),
                domains: rules.subjects.domains.clone(),
                classes: rules.subjects.classes.clone(),
            },
            class_count: rules.subjects.class_count,
            languages: Arc::new(labelled),
            row_of_set: row_of,
        };
        compiled.number_by_state();
        Ok(compiled)
    }

    /// Numbers rows and cells in the order in which states come, without those that no state has.
    fn number_by_state(&mut self) {
        let (row_number, cells) = numbered_by_state(&mut self.paths, &mut self.rows, self.cells.len());
        self.row_of_set.iter_mut().for_each(|row| *row = row_number[*row as usize]);
        if cells.len() == self.cells.len() {
            // There may be a million, each of which goes to its place without room for another million.
            let mut cells = cells;
            for first in 0..narrow(cells.len()) {
                let mut place = first;
                loop {
                    let from = std::mem::replace(&mut cells[place as usize], place);
                    if from == first {
                        break;
                    }
                    self.cells.swap(place as usize, from as usize);
                    place = from;
                }
            }
            return;
        }
        let mut old: Vec<Option<Cell>> = std::mem::take(&mut self.cells).into_iter().map(Some).collect();
        let kept = cells.iter().map(|cell| old[*cell as usize].take());
        self.cells = kept.map(|cell| cell.expect("INVARIANT: each cell is numbered once")).collect();
    }

    /// The cell of `class` in `row`.
    #[must_use]
    pub fn cell(&self, row: u32, class: u32) -> &Cell {
        &self.cells[self.rows.cell(row, class) as usize]
    }

    /// Operations some class can be denied on some path, those included that are judged as another, and those whose
    /// decision depends on the request's fields.
    #[must_use]
    pub fn may_deny(&self) -> OpSet {
        let mut ops =
            self.cells.iter().fold(OpSet::EMPTY, |ops, cell| ops.union(cell.deny).union(cell.depend));
        if ops.contains(Op::Lookup) {
            ops = ops.with(Op::Lookup2);
        }
        if self.shape == Shape::Boesfs {
            for (judged, as_op) in [(Op::Exec, Op::Open), (Op::Ioctl, Op::Setattr)] {
                if ops.contains(as_op) {
                    ops = ops.with(judged);
                }
            }
        }
        ops
    }

    /// Operations whose decision depends on a request's fields somewhere.
    #[must_use]
    pub fn may_depend(&self) -> OpSet {
        self.cells.iter().fold(OpSet::EMPTY, |ops, cell| ops.union(cell.depend))
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).expect("INVARIANT: cells are limited below 2^32")
}

/// Numbers `rows`, and their cells, of which there are so many, in the order in which states of `paths` come, without
/// those that no state has. Returns the new number of each old row, and the old number of each new cell.
fn numbered_by_state(paths: &mut Dfa, rows: &mut RowTable, cells: usize) -> (Vec<u32>, Vec<u32>) {
    const NEW: u32 = u32::MAX;
    let mut row_number = vec![NEW; rows.len()];
    let mut order = Vec::new();
    for node in paths.nodes() {
        let row = paths.node(node).label;
        let number = &mut row_number[row as usize];
        if *number == NEW {
            *number = u32::try_from(order.len()).expect("INVARIANT: fewer rows than states");
            order.push(row);
        }
    }
    paths.relabel(|row| row_number[row as usize]);
    let (renumbered, old) = rows.renumbered(&order, cells);
    *rows = renumbered;
    (row_number, old)
}
