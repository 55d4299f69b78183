//! Which policy decides a sandbox's calls: policies that are in the kernel once for all who have them, the bindings of
//! sandboxes to them, and tables of the programs that subjects name.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::atomic::Ordering;

use boesfs_abi::image::ValidImage;
use boesfs_abi::map::{
    BINDING_STRICT, BINDING_TRANSFERS, Binding, EngineRecord, MAX_POLICIES, MAX_SANDBOXES,
};
use boesfs_ebpf::{SLACK, SizeClass};

use super::{Engine, Enrolment, Strictness};
use crate::lsm::error::LoadError;
use crate::lsm::hooks;
use crate::lsm::pins::Lock;
use crate::lsm::record::{PolicyPlace, word};
use crate::lsm::wire::{Wire as _, field};
use crate::lsm::{subject, table};
use crate::sys::bpf;

impl Engine {
    /// Has the policy of `enrolment` in the kernel, attached, and bound to `generation` of the sandbox in `slot`, which
    /// is not decided by yet.
    pub(super) fn bind(
        &self,
        _: &Lock,
        slot: usize,
        generation: u64,
        enrolment: &Enrolment<'_>,
    ) -> Result<(), LoadError> {
        let place = self.load_policy(enrolment.image)?;
        self.records.set_uses(place, self.records.uses(place) + 1);
        let index = binding_index(slot, generation);
        let bound = self.try_bind(index, place, enrolment);
        if bound.is_err() {
            self.unload_policy(place);
            self.programs.detach_all_but(self.records.needed());
        }
        bound
    }

    fn try_bind(&self, index: u32, place: PolicyPlace, enrolment: &Enrolment<'_>) -> Result<(), LoadError> {
        let table = self.put_table(index, place, enrolment.programs)?;
        if enrolment.strictness == Strictness::Strict {
            self.records.need(place, hooks::through_descriptors());
        }
        let known = word!(self.records.engine, 0, EngineRecord.absent);
        if enrolment.after_another {
            self.records.need(place, hooks::needed_after_another(enrolment.image));
        }
        let needed = self.records.hooks(place);
        let absent = self.programs.attach(needed, known.load(Ordering::Relaxed))?;
        known.store(absent, Ordering::Relaxed);
        self.seal_programs()?;
        let strict = if enrolment.strictness == Strictness::Strict { BINDING_STRICT } else { 0 };
        let transfers = if needed & hooks::transfers() == 0 { 0 } else { BINDING_TRANSFERS };
        let binding = Binding {
            policy_class: place.class as u32,
            policy_slot: place.slot as u32,
            table,
            program_count: enrolment.programs.0.len() as u32,
            flags: enrolment.binding.flags | strict | transfers,
            ..enrolment.binding
        };
        self.put("bindings", &self.maps.bindings, &index.to_ne_bytes(), &binding.to_bytes())
    }

    /// The index of a table of `programs` for the binding `index` of the policy at `place`: the policy's own table, which the
    /// first who had it made, if it has just these; else one of the binding's own. Putting a table in its place waits for
    /// every program that runs.
    fn put_table(
        &self,
        index: u32,
        place: PolicyPlace,
        programs: &subject::Programs,
    ) -> Result<u32, LoadError> {
        self.take_own_table(index);
        if programs.0.is_empty() {
            return Ok(index);
        }
        let shared = shared_table(place);
        let known = self.records.table(place);
        if known != 0 && table::is_of(known, programs) {
            return Ok(shared);
        }
        let failed = |error| LoadError::map("tables", error);
        let table = table::create(programs).map_err(failed)?;
        self.seal_inner(table.as_fd())?;
        let at = if known == 0 { shared } else { index };
        self.put("tables", &self.maps.tables, &at.to_ne_bytes(), &table.as_raw_fd().to_ne_bytes())?;
        if known == 0 {
            self.records.set_table(place, bpf::id_of(table.as_fd()).map_err(failed)?);
        }
        Ok(at)
    }

    /// Takes the table at `index` away. What is left there is replaced by the next.
    fn take_table(&self, index: u32) {
        let _ = bpf::map_delete(self.maps.tables.as_fd(), &index.to_ne_bytes());
    }

    /// Takes away the table that the binding `index` has of its own, if it has one. That stands in the binding: on 6.1
    /// even a look at an array of maps waits for every program that runs.
    pub(super) fn take_own_table(&self, index: u32) {
        let mut bytes = [0; size_of::<Binding>()];
        let read = bpf::map_lookup(self.maps.bindings.as_fd(), &index.to_ne_bytes(), &mut bytes);
        let (table, count) = (field!(bytes, Binding.table: u32), field!(bytes, Binding.program_count: u32));
        if read.is_ok() && table == index && count != 0 {
            self.take_table(index);
        }
    }

    /// Where the policy of `image` is; it is put there if nobody else has.
    fn load_policy(&self, image: &ValidImage) -> Result<PolicyPlace, LoadError> {
        let blob = image.blob();
        let size = SizeClass::of(blob).ok_or(LoadError::TooLarge(blob.len()))?;
        let class = SizeClass::ALL.iter().position(|other| *other == size).unwrap_or_default();
        if let Some(place) = self.records.find(class, &image.id()) {
            return Ok(place);
        }
        let place = self.records.free_place(class).ok_or(LoadError::Full("policy"))?;
        let failed = |error| LoadError::map("policies", error);
        let room = size.bytes() + SLACK;
        let map = bpf::array_create(room as u32, 1, false).map_err(|error| {
            LoadError::map("policies", format!("the kernel gives no {room} bytes for the policy: {error}"))
        })?;
        let mut value = vec![0; room];
        value[..blob.len()].copy_from_slice(blob);
        bpf::map_update(map.as_fd(), &[0; 4], &value).map_err(failed)?;
        bpf::map_freeze(map.as_fd()).map_err(failed)?;
        self.seal_inner(map.as_fd())?;
        let key = (place.slot as u32).to_ne_bytes();
        self.put("policies", &self.maps.policies[class], &key, &map.as_raw_fd().to_ne_bytes())?;
        self.records.put_policy(place, &image.id(), hooks::needed(image));
        Ok(place)
    }

    /// Takes one use from a policy, and the policy from the kernel with its last.
    pub(super) fn unload_policy(&self, place: PolicyPlace) {
        let uses = self.records.uses(place).saturating_sub(1);
        self.records.set_uses(place, uses);
        if uses == 0 {
            let key = (place.slot as u32).to_ne_bytes();
            if self.records.table(place) != 0 {
                self.take_table(shared_table(place));
                self.records.set_table(place, 0);
            }
            // What is left there is replaced by the next policy.
            let _ = bpf::map_delete(self.maps.policies[place.class].as_fd(), &key);
        }
    }

    /// The policy that `generation` of the sandbox in `slot` is bound to.
    pub(in crate::lsm) fn bound(&self, slot: usize, generation: u64) -> Option<PolicyPlace> {
        let mut bytes = [0; size_of::<Binding>()];
        let key = binding_index(slot, generation).to_ne_bytes();
        bpf::map_lookup(self.maps.bindings.as_fd(), &key, &mut bytes).ok()?;
        let class = field!(bytes, Binding.policy_class: u32) as usize;
        let place = field!(bytes, Binding.policy_slot: u32) as usize;
        let known = MAX_POLICIES.get(class).is_some_and(|count| place < *count as usize);
        known.then_some(PolicyPlace { class, slot: place })
    }
}

/// Index of the table of programs that the policy at `place` has of its own.
fn shared_table(place: PolicyPlace) -> u32 {
    2 * MAX_SANDBOXES + place.index() as u32
}

/// Which of its two bindings a generation of the sandbox in `slot` has.
pub(super) fn binding_index(slot: usize, generation: u64) -> u32 {
    2 * slot as u32 + (generation & 1) as u32
}
