//! Denials that nothing else backs, where a plane cannot see the operation.

use std::collections::BTreeSet;

use boesfs_abi::layout::NO_RULE;
use boesfs_abi::op::Op;
use boesfs_abi::plane::stands_alone;

use super::Compiled;

impl Compiled {
    /// Indices of the rules that deny `op` to somebody somewhere where nothing else keeps a process from it: what
    /// [`boesfs_abi::image::ValidImage::denials_alone`] finds in the image.
    #[must_use]
    pub fn denials_alone(&self, op: Op) -> BTreeSet<u32> {
        let mut rules = BTreeSet::new();
        for cell in self.cells.iter().filter(|cell| stands_alone(cell.deny)) {
            if cell.deny.contains(op) && !cell.by_default.contains(op) {
                rules.insert(cell.rules[op as usize]);
            }
            if cell.depend.contains(op) {
                let lines = cell.first.iter().filter(|line| line.ops.contains(op) && line.outcome.deny);
                rules.extend(lines.map(|line| line.outcome.rule));
            }
        }
        rules.remove(&NO_RULE);
        rules
    }
}
