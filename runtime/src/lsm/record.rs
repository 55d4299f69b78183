//! The engine's records as user space changes them: words in memory that it shares with the kernel.

use std::sync::atomic::Ordering;

use boesfs_abi::map::{EngineRecord, MAX_POLICIES, MAX_SANDBOXES, PolicyRecord, SANDBOX_KILLED, Sandbox};

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

    /// Whether some slot is a sandbox's.
    pub(super) fn any(&self) -> bool {
        (0..self.sandboxes.count())
            .any(|slot| word!(self.sandboxes, slot, Sandbox.id).load(Ordering::Relaxed) != 0)
    }

    /// Gives `slot` to the sandbox `id`, of which nothing is recorded yet.
    pub(super) fn enter(&self, slot: usize, id: u64) {
        // Before the sandbox is there: whoever is killed in between has counted one too many, and not one too few.
        word!(self.engine, 0, EngineRecord.sandboxes).fetch_add(1, Ordering::Release);
        half!(self.sandboxes, slot, Sandbox.flags).store(0, Ordering::Release);
        word!(self.sandboxes, slot, Sandbox.id).store(id, Ordering::Release);
    }

    /// Empties `slot`, whose sandbox is barred; whether there is no sandbox any more.
    pub(super) fn clear(&self, slot: usize) -> bool {
        const FLAGS: usize = std::mem::offset_of!(Sandbox, flags);
        for offset in (size_of::<u64>()..size_of::<Sandbox>()).step_by(4).filter(|offset| *offset != FLAGS) {
            self.sandboxes.half(slot, offset).store(0, Ordering::Release);
        }
        // Until the slot is given to another, whoever has read the id and reads the flags now is barred by them.
        half!(self.sandboxes, slot, Sandbox.flags).store(SANDBOX_KILLED, Ordering::Release);
        word!(self.sandboxes, slot, Sandbox.id).store(0, Ordering::Release);
        let count = word!(self.engine, 0, EngineRecord.sandboxes);
        let left = count.load(Ordering::Relaxed).saturating_sub(1);
        count.store(left, Ordering::Relaxed);
        self.is_empty()
    }

    /// Whether there is no sandbox. With the last of them enforcement ends, so the count alone does not say it.
    pub(super) fn is_empty(&self) -> bool {
        word!(self.engine, 0, EngineRecord.sandboxes).load(Ordering::Relaxed) == 0 && !self.any()
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    /// Records of an engine in memory that no kernel looks at.
    fn records() -> Records {
        let shared = |stride, count| {
            let file = rustix::fs::memfd_create("records", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
            rustix::fs::ftruncate(&file, (stride * count) as u64).unwrap();
            SharedArray::new(file.as_fd(), stride, count).unwrap()
        };
        Records {
            sandboxes: shared(size_of::<Sandbox>(), MAX_SANDBOXES as usize),
            policies: shared(size_of::<PolicyRecord>(), MAX_POLICIES.iter().sum::<u32>() as usize),
            engine: shared(size_of::<EngineRecord>(), 1),
        }
    }

    #[test]
    fn who_was_in_an_empty_slot_stays_barred() {
        let records = records();
        records.enter(3, 7);
        for offset in (8..size_of::<Sandbox>()).step_by(8) {
            records.sandboxes.word(3, offset).store(u64::MAX, Ordering::Relaxed);
        }
        assert!(records.clear(3));
        for offset in (0..size_of::<Sandbox>()).step_by(4) {
            let flags = offset == std::mem::offset_of!(Sandbox, flags);
            let left = if flags { SANDBOX_KILLED } else { 0 };
            assert_eq!(records.sandboxes.half(3, offset).load(Ordering::Relaxed), left, "at {offset}");
        }
        records.enter(3, 8);
        assert_eq!(half!(records.sandboxes, 3, Sandbox.flags).load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_count_that_is_wrong_does_not_end_the_engine_of_a_sandbox() {
        let records = records();
        records.enter(0, 1);
        records.enter(1, 2);
        let count = word!(records.engine, 0, EngineRecord.sandboxes);
        count.store(1, Ordering::Relaxed);
        assert!(!records.clear(0));
        assert!(!records.is_empty());
        assert!(records.clear(1));
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}
