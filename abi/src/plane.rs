//! Where decisions are enforced, and what can be enforced there.

use std::fmt;

use serde::Serialize;

use crate::image::{RuleRef, ValidImage};
use crate::layout::NO_RULE;
use crate::op::{Coverage, Op, OpSet};

/// Where decisions are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Plane {
    /// BPF LSM programs in the kernel.
    Lsm,
    /// A pass-through FUSE mount over the protected directory.
    Fuse,
}

impl Plane {
    /// Every plane.
    pub const ALL: [Self; 2] = [Self::Lsm, Self::Fuse];

    /// The name on the command line and in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Fuse => "fuse",
        }
    }

    /// How exactly `op` is enforced here.
    #[must_use]
    pub fn coverage(self, op: Op) -> Coverage {
        match self {
            Self::Lsm => op.spec().lsm,
            Self::Fuse => op.spec().fuse,
        }
    }

    /// The operations this plane cannot see, and why.
    pub fn unseen(self) -> impl Iterator<Item = (Op, &'static str)> {
        OpSet::ALL.iter().filter_map(move |op| match self.coverage(op) {
            Coverage::Unenforceable(why) => Some((op, why)),
            Coverage::Exact | Coverage::Approximate(_) | Coverage::Partial(_) => None,
        })
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether nothing else keeps a process from `op`, denied where `deny` is always denied: without `open` there is no
/// descriptor, and without `lookup` no object.
#[must_use]
pub fn stands_alone(deny: OpSet) -> bool {
    !deny.contains(Op::Open) && !deny.contains(Op::Lookup)
}

impl ValidImage {
    /// Rules that deny `op` to somebody somewhere where nothing else keeps a process from it.
    pub fn denials_alone(&self, op: Op) -> impl Iterator<Item = RuleRef> + '_ {
        let cells = (0..self.header().cell_count).map(|index| (index, self.cell(index)));
        let alone = cells.filter(|(_, cell)| stands_alone(OpSet::from_bits(cell.deny)));
        alone.flat_map(move |(index, cell)| {
            let has = move |mask: u32| OpSet::from_bits(mask).contains(op);
            let always = (has(cell.deny) && !has(cell.by_default)).then_some(NO_RULE);
            let lines = self.entries(cell.first, cell.first_count);
            let sometimes = lines
                .filter(move |(_, entry)| {
                    has(cell.depend & entry.ops) && entry.deny == 1 && entry.rule != NO_RULE
                })
                .map(|(number, _)| number);
            always.into_iter().chain(sometimes).map(move |entry| RuleRef { cell: index, entry, op })
        })
    }

    /// Operations that a plane which cannot see them may leave unjudged: every rule that denies one of them where
    /// nothing else does says so.
    #[must_use]
    pub fn accepted(&self) -> OpSet {
        OpSet::from_bits(self.header().accepted)
    }
}
