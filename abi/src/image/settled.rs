//! Whether what an open decides says all there is to say of what goes through the descriptor.

use super::ValidImage;
use crate::op::{Op, OpSet};

impl ValidImage {
    /// Whether a descriptor whose open was allowed for `ops` could be denied none of them later, nor be told of, by the
    /// same generation of this policy: whoever calls, and whatever the call's arguments. A hook for them then has
    /// nothing to add for descriptors that were opened, received or inherited under the policy.
    #[must_use]
    pub fn settled_at_open(&self, ops: OpSet) -> bool {
        let judged = ops.with(Op::Open).with(Op::Lookup);
        let header = self.header();
        let cells = (0..header.cell_count).map(|number| self.cell(number));
        let fixed = cells.into_iter().all(|cell| {
            let told = OpSet::from_bits(cell.report & !cell.deny).intersection(ops);
            told.is_empty() && OpSet::from_bits(cell.depend).intersection(judged).is_empty()
        });
        // A program that takes over a descriptor can be of another class than the one that opened it.
        let mut classes = self.classes();
        let first = classes.next();
        let alike = |row: u32| {
            let denied = |class| {
                let cell = self.cell_number(row, class).map(|number| self.cell(number));
                cell.map(|cell| OpSet::from_bits(cell.deny).intersection(judged))
            };
            let mut others = self.classes();
            first.is_none_or(|first| others.all(|class| denied(class) == denied(first)))
        };
        fixed && (self.entry_subject() || (0..header.row_count).all(alike))
    }
}
