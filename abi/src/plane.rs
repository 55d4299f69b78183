//! Where decisions are enforced, and what can be enforced there.

use std::fmt;

use serde::Serialize;

use crate::image::ValidImage;
use crate::layout::{Cell, NO_RULE};
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
    /// Whether a rule denies `op` to somebody somewhere where nothing else keeps a process from it.
    #[must_use]
    pub fn denies_alone(&self, op: Op) -> bool {
        (0..self.header().cell_count).any(|index| self.denied_alone(&self.cell(index), op).next().is_some())
    }

    /// Rules that deny `op` to somebody somewhere where nothing else keeps a process from it, as far as they are named.
    pub fn denials_alone(&self, op: Op) -> impl Iterator<Item = u32> + '_ {
        let named = self.named();
        (0..named.cell_count()).flat_map(move |number| {
            let entries = self.denied_alone(&named.cell(number), op).collect::<Vec<_>>();
            entries.into_iter().filter_map(move |entry| match entry {
                NO_RULE => named.rule(number, op),
                entry => named.entry_rule(number, entry),
            })
        })
    }

    /// What in `cell` denies `op` by a rule: [`NO_RULE`] for its masks, or entries; nothing if the process is kept from
    /// it anyway.
    fn denied_alone(&self, cell: &Cell, op: Op) -> impl Iterator<Item = u32> + use<'_> {
        let has = move |mask: u32| OpSet::from_bits(mask).contains(op);
        let alone = stands_alone(OpSet::from_bits(cell.deny));
        let always = (alone && has(cell.deny) && !has(cell.by_default)).then_some(NO_RULE);
        let depend = cell.depend;
        let lines = self.entries(cell.first, if alone { cell.first_count } else { 0 });
        let sometimes = lines
            .filter(move |(_, entry)| has(depend & entry.ops) && entry.deny == 1 && entry.by_default == 0)
            .map(|(number, _)| number);
        always.into_iter().chain(sometimes)
    }

    /// Operations that a plane which cannot see them may leave unjudged: every rule that denies one of them where
    /// nothing else does says so.
    #[must_use]
    pub fn accepted(&self) -> OpSet {
        OpSet::from_bits(self.header().accepted)
    }
}
