//! The engine's records as user space changes them: words in memory that it shares with the kernel.

use std::sync::atomic::Ordering;

use boesfs_abi::map::{EngineRecord, MAX_POLICIES, MAX_SANDBOXES, PolicyRecord, Sandbox};

use crate::sys::SharedArray;

/// The 64-bit word of a record's field.
macro_rules! word {
    ($array:expr, $index:expr, $ty:ident.$field:ident) => {
        $array.word($index, std::mem::offset_of!($ty, $field))
    };
}

/// The 32-bit word of a record's field.
macro_rules! half {
    ($array:expr, $index:expr, $ty:ident.$field:ident) => {
        $array.half($index, std::mem::offset_of!($ty, $field))
    };
}
pub(super) use {half, word};

/// Where a policy is: its size class, and its place in the map of that class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PolicyPlace {
    pub(super) class: usize,
    pub(super) slot: usize,
}

impl PolicyPlace {
    /// Index of its record.
    pub(super) fn index(self) -> usize {
        MAX_POLICIES[..self.class].iter().sum::<u32>() as usize + self.slot
    }
}

/// The records of an engine. Only one process at a time, the one that holds the engine's lock, changes what others
/// rely on.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) sandboxes: SharedArray,
    pub(super) policies: SharedArray,
    pub(super) engine: SharedArray,
}

impl Records {
    /// A slot that no sandbox has.
    pub(super) fn free_slot(&self) -> Option<usize> {
        let count = MAX_SANDBOXES as usize;
        let cursor = word!(self.engine, 0, EngineRecord.cursor);
        let from = cursor.load(Ordering::Relaxed) as usize % count;
        let slot = (from..count)
            .chain(0..from)
            .find(|slot| word!(self.sandboxes, *slot, Sandbox.id).load(Ordering::Relaxed) == 0)?;
        cursor.store(slot as u64 + 1, Ordering::Relaxed);
        Some(slot)
    }

    /// The number of the latest sandbox.
    pub(super) fn last_id(&self) -> u64 {
        word!(self.engine, 0, EngineRecord.last_id).load(Ordering::Relaxed)
    }

    /// A number that no sandbox has had.
    pub(super) fn next_id(&self) -> u64 {
        word!(self.engine, 0, EngineRecord.last_id).fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Where the policy with this content id is, if it is loaded.
    pub(super) fn find(&self, class: usize, id: &[u8; 32]) -> Option<PolicyPlace> {
        self.places(class).find(|place| self.uses(*place) > 0 && self.policy_id(*place) == *id)
    }

    /// A place for one more policy of `class`.
    pub(super) fn free_place(&self, class: usize) -> Option<PolicyPlace> {
        self.places(class).find(|place| self.uses(*place) == 0)
    }

    fn places(&self, class: usize) -> impl Iterator<Item = PolicyPlace> {
        (0..MAX_POLICIES[class] as usize).map(move |slot| PolicyPlace { class, slot })
    }

    /// The content id of a policy that is loaded.
    pub(super) fn policy_id(&self, place: PolicyPlace) -> [u8; 32] {
        let base = std::mem::offset_of!(PolicyRecord, id);
        let mut id = [0; 32];
        for (at, part) in id.chunks_exact_mut(8).enumerate() {
            let word = self.policies.word(place.index(), base + 8 * at).load(Ordering::Relaxed);
            part.copy_from_slice(&word.to_ne_bytes());
        }
        id
    }

    /// Writes down a policy that has just been loaded, without a use.
    pub(super) fn put_policy(&self, place: PolicyPlace, id: &[u8; 32], hooks: u64) {
        let base = std::mem::offset_of!(PolicyRecord, id);
        for (at, part) in id.chunks_exact(8).enumerate() {
            let number = u64::from_ne_bytes(part.try_into().expect("INVARIANT: chunks of 8"));
            self.policies.word(place.index(), base + 8 * at).store(number, Ordering::Relaxed);
        }
        word!(self.policies, place.index(), PolicyRecord.hooks).store(hooks, Ordering::Relaxed);
        word!(self.policies, place.index(), PolicyRecord.table).store(0, Ordering::Relaxed);
    }

    /// The hooks that the policy needs.
    pub(super) fn hooks(&self, place: PolicyPlace) -> u64 {
        word!(self.policies, place.index(), PolicyRecord.hooks).load(Ordering::Relaxed)
    }

    /// The policy needs `hooks` as well, as long as it is loaded.
    pub(super) fn need(&self, place: PolicyPlace, hooks: u64) {
        word!(self.policies, place.index(), PolicyRecord.hooks).fetch_or(hooks, Ordering::Relaxed);
    }

    /// The kernel's number of the table of programs that the policy was last bound with, or 0.
    pub(super) fn table(&self, place: PolicyPlace) -> u32 {
        word!(self.policies, place.index(), PolicyRecord.table).load(Ordering::Relaxed) as u32
    }

    pub(super) fn set_table(&self, place: PolicyPlace, id: u32) {
        word!(self.policies, place.index(), PolicyRecord.table).store(id.into(), Ordering::Relaxed);
    }

    /// How many generations use the policy.
    pub(super) fn uses(&self, place: PolicyPlace) -> u64 {
        word!(self.policies, place.index(), PolicyRecord.uses).load(Ordering::Relaxed)
    }

    pub(super) fn set_uses(&self, place: PolicyPlace, uses: u64) {
        word!(self.policies, place.index(), PolicyRecord.uses).store(uses, Ordering::Relaxed);
    }

    /// Every policy that is loaded.
    pub(super) fn loaded(&self) -> impl Iterator<Item = PolicyPlace> {
        (0..MAX_POLICIES.len()).flat_map(|class| self.places(class)).filter(|place| self.uses(*place) > 0)
    }

    /// The hooks that some loaded policy needs.
    pub(super) fn needed(&self) -> u64 {
        self.loaded().map(|place| self.hooks(place)).fold(0, |all, hooks| all | hooks)
    }
}
