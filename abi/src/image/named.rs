//! An image together with the rules that decide in it: its path automaton as finely as rules are told apart.

use super::view::{NodeView, State, ValidImage};
use super::{ClassId, Origins, RuleRef};
use crate::layout::{Cell, NO_RULE, NODE_SINK};
use crate::op::{Op, OpSet};

/// The path automaton of an image whose states, rows and cells also tell which rules decide; that of the blob if the
/// image is stripped, and then no rule is told.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    image: &'a ValidImage,
    origins: Option<&'a Origins>,
}

impl<'a> Named<'a> {
    pub(super) fn new(image: &'a ValidImage) -> Self {
        Self { image, origins: image.debug().map(|debug| &debug.origins) }
    }

    fn node(&self, state: State) -> NodeView<'a> {
        NodeView::new(self.origins.map_or(self.image.blob(), |origins| &origins.nodes), state.node)
    }

    /// Where a walk over a path starts, before its first `/`.
    #[must_use]
    pub fn start(&self) -> State {
        self.origins.map_or_else(|| self.image.path_start(), |_| State { node: 0, inside: 0 })
    }

    /// The state after `byte`.
    #[must_use]
    pub fn step(&self, state: State, byte: u8) -> State {
        self.node(state).after(state.inside, byte)
    }

    /// The state after `input`.
    #[must_use]
    pub fn walk(&self, state: State, input: &[u8]) -> State {
        input.iter().fold(state, |state, byte| self.step(state, *byte))
    }

    /// The bytes that lead somewhere of their own from `state`, in order, and where all others lead.
    #[must_use]
    pub fn edges(&self, state: State) -> (Vec<(u8, State)>, State) {
        self.node(state).ways(state.inside)
    }

    /// Whether no input leaves `state`.
    #[must_use]
    pub fn is_sink(&self, state: State) -> bool {
        self.node(state).node.kind == NODE_SINK
    }

    /// The row of `state`.
    #[must_use]
    pub fn label(&self, state: State) -> u32 {
        self.node(state).node.label
    }

    /// The number of the cell of `class` in `row`; `None` for a class that is not there.
    #[must_use]
    pub fn cell_number(&self, row: u32, class: ClassId) -> Option<u32> {
        match self.origins {
            None => self.image.cell_number(row, class),
            Some(origins) => origins.cell_number(row, class),
        }
    }

    /// How many cells there are.
    #[must_use]
    pub fn cell_count(&self) -> u32 {
        self.origins.map_or(self.image.header().cell_count, Origins::cell_count)
    }

    /// The number in the blob of cell `number`.
    #[must_use]
    pub fn blob_cell(&self, number: u32) -> u32 {
        self.origins.map_or(number, |origins| origins.cells[number as usize].cell)
    }

    /// Cell `number`, as the blob has it.
    #[must_use]
    pub fn cell(&self, number: u32) -> Cell {
        self.image.cell(self.blob_cell(number))
    }

    /// The cell of each class in rows that say nothing else of it; none if no rule is told.
    #[must_use]
    pub fn base(&self) -> &'a [u32] {
        self.origins.map_or(&[], |origins| &origins.base)
    }

    /// The classes that have another cell in `row` than in the base, in increasing order, and these cells; none if no
    /// rule is told.
    #[must_use]
    pub fn differences(&self, row: u32) -> &'a [(u32, u32)] {
        self.origins.map_or(&[], |origins| origins.differences(row))
    }

    /// The rules that decide in cell `number`, [`NO_RULE`] for a default: with the operations that each decides by the
    /// cell's masks, and then by each line of its lists, all operations together. None if no rule is told.
    pub fn deciders(&self, number: u32) -> impl Iterator<Item = (OpSet, u32)> + 'a {
        let lines = {
            let cell = self.cell(number);
            cell.first_count + cell.denies_count + cell.allows_count
        };
        let (masks, lines) =
            self.origins.map_or((&[][..], &[][..]), |origins| origins.deciders(number, lines));
        let by_masks = masks.chunks_exact(2).map(|pair| (OpSet::from_bits(pair[0]), pair[1]));
        by_masks.chain(lines.iter().map(|rule| (OpSet::ALL, *rule)))
    }

    /// The rule by which `at` decided where the row is `row`; `None` for a default, in a stripped image, or if what
    /// decides there is not `at`.
    #[must_use]
    pub fn decider(&self, row: u32, at: RuleRef) -> Option<u32> {
        let number = self.cell_number(row, at.class)?;
        if self.origins.is_none() || self.blob_cell(number) != at.cell {
            return None;
        }
        if at.entry == NO_RULE { self.rule(number, at.op) } else { self.entry_rule(number, at.entry) }
    }

    /// The rule by which the masks of cell `number` decide `op`; `None` for a default.
    #[must_use]
    pub fn rule(&self, number: u32, op: Op) -> Option<u32> {
        self.origins?.rule(number, op)
    }

    /// The rule by which an entry of the blob decides in cell `number`; `None` for a default, or if it is not of this
    /// cell.
    #[must_use]
    pub fn entry_rule(&self, number: u32, entry: u32) -> Option<u32> {
        let cell = self.cell(number);
        let place = |from: u32, count: u32| entry.checked_sub(from).filter(|place| *place < count);
        let place = place(cell.first, cell.first_count)
            .or_else(|| Some(cell.first_count + place(cell.denies, cell.denies_count)?))
            .or_else(|| {
                Some(cell.first_count + cell.denies_count + place(cell.allows, cell.allows_count)?)
            })?;
        let rule = self.origins?.entry_rule(number, place);
        (rule != NO_RULE).then_some(rule)
    }
}
