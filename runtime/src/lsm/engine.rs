//! The engine: programs, links and maps that every sandbox shares, [pinned](pins) in a directory of this
//! build's own.
//!
//! It is there as long as there is a sandbox, whoever has started it, and outlives each process that works with it. All
//! changes are made by whoever holds the engine's lock; what a change cut short leaves is put right by
//! clearing away.

mod bind;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use boesfs_abi::image::ValidImage;
use boesfs_abi::map::{
    Armed, Binding, CALL_PATH, EngineRecord, Label, MAX_MOUNTS, MAX_POLICIES, MAX_SANDBOXES, MOUNTS_PIECE,
    Mount, PolicyRecord, RECORD_ENGINE, RECORD_ROOT, RECORD_TOOL, SANDBOX_UNTOLD, SEAL_MAP, SEAL_PROGRAM,
    SHORT_DIR, Sandbox,
};
use boesfs_abi::memory::EVENT_RING;

use self::bind::binding_index;
use super::error::LoadError;
use super::hooks::{self, Programs};
use super::pins::{self, Lock};
use super::record::{Records, half, word};
use super::seal::{self, Seals};
use super::wire::{Wire as _, field};
use super::{Kept, living, subject};
use crate::plane::{Seal, Told};
use crate::sys::{Bell, SharedArray, bpf};

/// The first generation of a sandbox's policy.
pub(super) const FIRST_GENERATION: u64 = 1;

/// The maps that are written by key.
#[derive(Debug)]
struct Maps {
    armed: OwnedFd,
    bindings: OwnedFd,
    dirs: OwnedFd,
    labels: OwnedFd,
    long_dirs: OwnedFd,
    mounts: OwnedFd,
    policies: [OwnedFd; 4],
    rings: OwnedFd,
    tables: OwnedFd,
}

/// A pinned engine, as this process has it open.
#[derive(Debug)]
pub(super) struct Engine {
    directory: PathBuf,
    programs: Programs,
    maps: Maps,
    records: Records,
    recorder: OwnedFd,
    seals: Seals,
}

/// What a sandbox is enrolled with.
pub(super) struct Enrolment<'a> {
    pub(super) image: &'a ValidImage,
    pub(super) binding: Binding,
    pub(super) programs: &'a subject::Programs,
    pub(super) dir: &'a [u8],
    /// At which denial from now on it ends, 0 for never; `None` leaves that as it is.
    pub(super) kill_after: Option<u64>,
    pub(super) told: Told,
    pub(super) strictness: Strictness,
    pub(super) slot: usize,
    pub(super) id: u64,
    /// Whether the sandbox had another policy: what that one let be opened may still be.
    pub(super) after_another: bool,
}

/// What a policy means for descriptors that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// What is done with them is judged by it where a policy like it needs to.
    AsOpened,
    /// Those that could not be opened any more are refused.
    Strict,
}

impl Engine {
    /// The engine of this build, made if there is none; one that is sealed if that is wanted.
    pub(super) fn open_or_create(lock: &Lock, seal: Seal) -> Result<Self, LoadError> {
        let directory = pins::directory();
        let opened = Self::open(&directory);
        if lock.catch_up()? {
            return Self::open_or_create(lock, seal);
        }
        match opened {
            Ok(engine) if engine.is_whole() => {
                return match seal {
                    Seal::Wanted if !seal::is_sealed(&engine.records) => Err(LoadError::Unsealed),
                    Seal::Wanted | Seal::AsItIs => Ok(engine),
                };
            }
            // Its making was cut short: there is no sandbox in it.
            Ok(_) => lock.destroy_engine(),
            Err(LoadError::Pin { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                if pins::is_used(&directory) {
                    return Err(LoadError::Damaged(directory));
                }
                lock.destroy_engine();
            }
            Err(error) => return Err(error),
        }
        pins::check_bpffs()?;
        if !lock.make_directory()? {
            return Self::open_or_create(lock, seal);
        }
        Self::create(&directory, seal).inspect_err(|_| lock.destroy_engine())
    }

    /// The engine of this build, if there is one and it can be had.
    pub(super) fn existing() -> Option<Self> {
        Self::look().ok().flatten()
    }

    /// The engine of this build, if there is one.
    pub(super) fn find(lock: &Lock) -> Result<Option<Self>, LoadError> {
        loop {
            let found = Self::look();
            if !lock.catch_up()? {
                return found;
            }
        }
    }

    fn look() -> Result<Option<Self>, LoadError> {
        match Self::open(&pins::directory()) {
            Err(LoadError::Pin { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(|engine| Some(engine).filter(Self::is_whole)),
        }
    }

    fn create(directory: &Path, seal: Seal) -> Result<Self, LoadError> {
        let host_namespace = hooks::own_namespace()?;
        Programs::new(directory, host_namespace).create()?;
        let engine = Self::open(directory)?;
        if seal == Seal::Wanted {
            engine.seal()?;
        }
        // Written last: it says that the rest is there.
        word!(engine.records.engine, 0, EngineRecord.host_namespace)
            .store(host_namespace.into(), Ordering::Release);
        Ok(Self { programs: Programs::new(directory, host_namespace), ..engine })
    }

    /// Seals the engine, which nobody uses yet.
    fn seal(&self) -> Result<(), LoadError> {
        self.programs.attach_seal()?;
        let note = |what, file: BorrowedFd<'_>| match self.record(file, 0, what, 0)? {
            true => Ok(()),
            false => Err(LoadError::Seal),
        };
        let open = |path: &Path| {
            std::fs::File::open(path).map_err(|source| LoadError::Pin { path: path.to_owned(), source })
        };
        let directory = open(&self.directory)?;
        note(RECORD_TOOL, directory.as_fd())?;
        note(RECORD_ENGINE, directory.as_fd())?;
        note(RECORD_ROOT, open(self.directory.parent().unwrap_or(&self.directory))?.as_fd())?;
        for map in hooks::MAPS.into_iter().chain([hooks::TALLY]) {
            self.seals.add(self.programs.map(map)?.as_fd(), SEAL_MAP)?;
        }
        seal::close(&self.records);
        seal::check_untraced().inspect_err(|_| seal::open(&self.records))?;
        self.seal_programs()
    }

    /// Seals the programs that are loaded by now.
    fn seal_programs(&self) -> Result<(), LoadError> {
        if seal::is_sealed(&self.records) {
            for program in self.programs.loaded() {
                self.seals.add(program?.as_fd(), SEAL_PROGRAM)?;
            }
        }
        Ok(())
    }

    /// Has a map of the engine's that has no name sealed with it.
    fn seal_inner(&self, map: BorrowedFd<'_>) -> Result<(), LoadError> {
        if seal::is_sealed(&self.records) { self.seals.add(map, SEAL_MAP) } else { Ok(()) }
    }

    fn open(directory: &Path) -> Result<Self, LoadError> {
        let programs = Programs::new(directory, 0);
        let map = |name| programs.map(name);
        let shared = |name: &'static str, stride, count| {
            SharedArray::new(programs.map(name)?.as_fd(), stride, count)
                .map_err(|error| LoadError::map(name, error))
        };
        let policies = MAX_POLICIES.iter().sum::<u32>() as usize;
        let records = Records {
            sandboxes: shared("sandboxes", size_of::<Sandbox>(), MAX_SANDBOXES as usize)?,
            policies: shared("policies", size_of::<PolicyRecord>(), policies)?,
            engine: shared("engine", size_of::<EngineRecord>(), 1)?,
        };
        let maps = Maps {
            armed: map("armed")?,
            bindings: map("bindings")?,
            dirs: map("dirs")?,
            labels: map("labels")?,
            long_dirs: map("long_dirs")?,
            mounts: map("mounts")?,
            policies: [
                map("policies_small")?,
                map("policies_medium")?,
                map("policies_large")?,
                map("policies_huge")?,
            ],
            rings: map("rings")?,
            tables: map("tables")?,
        };
        let host = word!(records.engine, 0, EngineRecord.host_namespace).load(Ordering::Acquire);
        let recorder = programs.recorder()?;
        let seals = Seals(map("seals")?);
        let programs = Programs::new(directory, host as u32);
        Ok(Self { directory: directory.to_owned(), programs, maps, records, recorder, seals })
    }

    fn is_whole(&self) -> bool {
        word!(self.records.engine, 0, EngineRecord.host_namespace).load(Ordering::Acquire) != 0
    }

    /// Whether it still has its names.
    pub(super) fn stands(&self) -> bool {
        let named = self.programs.map("armed").ok().and_then(|map| bpf::id_of(map.as_fd()).ok());
        named.is_some() && named == bpf::id_of(self.maps.armed.as_fd()).ok()
    }

    pub(super) fn is_sealed(&self) -> bool {
        seal::is_sealed(&self.records)
    }

    /// Those of the sandboxes at `places`, slots with ids, that processes live in, each with one of these.
    pub(super) fn living(&self, places: &[(usize, u64)]) -> io::Result<HashMap<u64, i32>> {
        let held = || places.iter().filter(|(slot, id)| self.holds(*slot, *id));
        // One without a mount namespace has no processes yet: what makes them looks first whether it is still there.
        let namespaces: HashSet<u64> = held()
            .map(|(slot, _)| self.namespace(*slot).into())
            .filter(|namespace| *namespace != 0)
            .collect();
        if namespaces.is_empty() {
            return Ok(HashMap::new());
        }
        living::among(self.maps.labels.as_fd(), &namespaces, &held().map(|(_, id)| *id).collect())
    }

    /// Kills the processes of the sandbox `id` in `slot`, and waits until they are gone; whether they are.
    pub(super) fn end_processes(&self, slot: usize, id: u64) -> io::Result<bool> {
        living::end(self.maps.labels.as_fd(), self.namespace(slot), id)
    }

    /// The inode number of the mount namespace of the sandbox in `slot`.
    fn namespace(&self, slot: usize) -> u32 {
        half!(self.records.sandboxes, slot, Sandbox.mount_namespace_id).load(Ordering::Acquire)
    }

    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    /// What the programs have counted: renames of directories, answers of memos that agreed with fresh ones, and others, and
    /// memos that were renewed by the last renames, by the numbers and by the names on their way, and derived.
    pub(super) fn tally(&self) -> Result<[u64; 7], LoadError> {
        let mut bytes = [0; hooks::TALLY_BYTES];
        let map = self.programs.map(hooks::TALLY)?;
        let read = bpf::map_lookup(map.as_fd(), &[0; 4], &mut bytes);
        read.map_err(|error| LoadError::map(hooks::TALLY, error))?;
        let (counts, _) = bytes.as_chunks::<8>();
        Ok([0, 1, 2, 3, 4, 5, 6].map(|at| u64::from_ne_bytes(counts[at])))
    }

    /// How many sandboxes there are.
    pub(super) fn count(&self) -> u64 {
        word!(self.records.engine, 0, EngineRecord.sandboxes).load(Ordering::Relaxed)
    }

    /// A slot and a number for a new sandbox. They are its own once it is [enrolled](Self::enrol).
    pub(super) fn allocate(&self, _: &Lock) -> Result<(usize, u64), LoadError> {
        let slot = self.records.free_slot().ok_or(LoadError::Full("sandbox"))?;
        Ok((slot, self.records.next_id()))
    }

    /// Enrols a sandbox: its policy in the kernel, what that needs attached, its record written. What was done is undone
    /// if something fails.
    pub(super) fn enrol(&self, lock: &Lock, enrolment: &Enrolment<'_>) -> Result<Option<OwnedFd>, LoadError> {
        let (slot, id) = (enrolment.slot, enrolment.id);
        // From here on `release` knows that there is something to be undone.
        self.records.enter(slot, id);
        self.try_enrol(lock, enrolment).inspect_err(|_| self.release(lock, slot, id))
    }

    fn try_enrol(&self, lock: &Lock, enrolment: &Enrolment<'_>) -> Result<Option<OwnedFd>, LoadError> {
        let slot = enrolment.slot;
        let key = (slot as u32).to_ne_bytes();
        let sandboxes = &self.records.sandboxes;
        self.bind(lock, slot, FIRST_GENERATION, enrolment)?;
        word!(sandboxes, slot, Sandbox.generation).store(FIRST_GENERATION, Ordering::Release);
        let ring = match enrolment.told {
            Told::Somebody(rate) => {
                half!(sandboxes, slot, Sandbox.event_rate).store(rate, Ordering::Relaxed);
                let ring = bpf::ring_create(EVENT_RING as u32);
                let ring = ring.map_err(|error| LoadError::refused("rings", error))?;
                self.seal_inner(ring.as_fd())?;
                self.put("rings", &self.maps.rings, &key, &ring.as_raw_fd().to_ne_bytes())?;
                Some(ring)
            }
            Told::Nobody => {
                half!(sandboxes, slot, Sandbox.flags).fetch_or(SANDBOX_UNTOLD, Ordering::Relaxed);
                None
            }
        };
        self.put_dir(&key, enrolment.dir)?;
        self.room_for_mounts(slot, 1)?;
        half!(sandboxes, slot, Sandbox.dir_len).store(enrolment.dir.len() as u32, Ordering::Relaxed);
        half!(sandboxes, slot, Sandbox.ring).store(slot as u32, Ordering::Relaxed);
        self.limit(slot, enrolment.kill_after.unwrap_or(0));
        Ok(ring)
    }

    /// Has room for the places of so many mounts of the sandbox in `slot`, which has none recorded.
    pub(super) fn room_for_mounts(&self, slot: usize, count: usize) -> Result<(), LoadError> {
        let none = [0; size_of::<Mount>() * MOUNTS_PIECE as usize];
        let pieces = count.div_ceil(MOUNTS_PIECE as usize);
        for key in mounts_keys(slot).take(pieces) {
            bpf::map_update(self.maps.mounts.as_fd(), &key.to_ne_bytes(), &none).map_err(
                |error| match error.raw_os_error() {
                    Some(libc::E2BIG) => LoadError::Full("mount"),
                    _ => LoadError::map("mounts", error),
                },
            )?;
        }
        Ok(())
    }

    fn put_dir(&self, key: &[u8], dir: &[u8]) -> Result<(), LoadError> {
        let (name, map, room) = if dir.len() <= SHORT_DIR as usize {
            ("dirs", &self.maps.dirs, SHORT_DIR)
        } else {
            ("long_dirs", &self.maps.long_dirs, CALL_PATH)
        };
        let mut path = vec![0; room as usize];
        let room = path.get_mut(..dir.len());
        room.ok_or_else(|| LoadError::map(name, "the protected directory's path is too long"))?
            .copy_from_slice(dir);
        self.put(name, map, key, &path)
    }

    /// Has the sandbox of `enrolment` decided by another policy from one moment on; `told` is called before that with the
    /// number of the new generation. Each call is decided by the one or the other.
    pub(super) fn rebind(
        &self,
        lock: &Lock,
        enrolment: &Enrolment<'_>,
        told: impl FnOnce(u64) -> Result<(), LoadError>,
    ) -> Result<u64, LoadError> {
        let slot = enrolment.slot;
        let word = word!(self.records.sandboxes, slot, Sandbox.generation);
        let (old, new) = (word.load(Ordering::Acquire), word.load(Ordering::Acquire) + 1);
        let before = self.bound(slot, old).ok_or_else(|| LoadError::map("bindings", "no policy is bound"))?;
        self.bind(lock, slot, new, enrolment)?;
        let after = self.bound(slot, new).ok_or_else(|| LoadError::map("bindings", "no policy is bound"))?;
        let ready = told(new);
        if ready.is_ok() {
            word.store(new, Ordering::Release);
            if let Some(kill_after) = enrolment.kill_after {
                self.limit(slot, kill_after);
            }
        }
        // Whoever began before decides by the old policy, and by the binding that the next reload writes over.
        let map = self.maps.policies[after.class].as_fd();
        bpf::wait_for_programs(map, &(after.slot as u32).to_ne_bytes())
            .map_err(|error| LoadError::map("policies", error))?;
        self.unload_policy(if ready.is_ok() { before } else { after });
        self.programs.detach_all_but(self.records.needed());
        ready.map(|()| new)
    }

    /// Has the sandbox in `slot` end at its denial number `more` from now on; 0 is never.
    fn limit(&self, slot: usize, more: u64) {
        let limit = word!(self.records.sandboxes, slot, Sandbox.kill_after);
        let denials = word!(self.records.sandboxes, slot, Sandbox.denials);
        loop {
            let so_far = denials.load(Ordering::Acquire);
            let last = if more == 0 { 0 } else { so_far + more };
            limit.store(last, Ordering::SeqCst);
            // The denial that should have been the last may have gone by before it was known to be.
            if last == 0 || denials.load(Ordering::SeqCst) < last {
                return;
            }
        }
    }

    /// Bars every task of the sandbox in `slot` from everything.
    pub(super) fn bar(&self, slot: usize) {
        half!(self.records.sandboxes, slot, Sandbox.flags)
            .fetch_or(boesfs_abi::map::SANDBOX_KILLED, Ordering::Relaxed);
    }

    /// Has denials of the sandbox in `slot` told and not enforced.
    pub(super) fn permit(&self, slot: usize) {
        half!(self.records.sandboxes, slot, Sandbox.flags)
            .fetch_or(boesfs_abi::map::SANDBOX_PERMISSIVE, Ordering::Relaxed);
    }

    /// Whether the sandbox with number `id` is in `slot`.
    pub(super) fn holds(&self, slot: usize, id: u64) -> bool {
        slot < self.records.sandboxes.count()
            && word!(self.records.sandboxes, slot, Sandbox.id).load(Ordering::Acquire) == id
    }

    /// Puts right what a process that was killed in the middle of a change has left: takes out sandboxes that `known`
    /// does not have and no process lives in, and counts the uses of policies again. Returns how many sandboxes it took out,
    /// and those that it left.
    pub(super) fn put_right(&self, lock: &Lock, known: &HashSet<u64>) -> (usize, Vec<Kept>) {
        let sandboxes = &self.records.sandboxes;
        let mut uses = HashMap::new();
        let mut living = 0;
        let mut strays = Vec::new();
        for slot in 0..sandboxes.count() {
            let id = word!(sandboxes, slot, Sandbox.id).load(Ordering::Acquire);
            if id == 0 {
                continue;
            }
            living += 1;
            if !known.contains(&id) {
                strays.push((slot, id));
            }
            let generation = word!(sandboxes, slot, Sandbox.generation).load(Ordering::Acquire);
            if generation != 0
                && let Some(place) = self.bound(slot, generation)
            {
                *uses.entry((place.class, place.slot)).or_insert(0) += 1;
            }
        }
        word!(self.records.engine, 0, EngineRecord.sandboxes).store(living, Ordering::Relaxed);
        for place in self.records.loaded().collect::<Vec<_>>() {
            let counted = uses.get(&(place.class, place.slot)).copied().unwrap_or(0);
            // `unload_policy` takes one away.
            self.records.set_uses(place, counted + 1);
            self.unload_policy(place);
        }
        let living = self.living(&strays);
        let mut kept = Vec::new();
        for (slot, id) in &strays {
            match living.as_ref().map(|living| living.get(id)) {
                Ok(Some(process)) => kept.push(Kept::Unknown { id: *id, process: *process }),
                Err(error) if self.namespace(*slot) != 0 => {
                    kept.push(Kept::UnknownUnseen { id: *id, reason: error.to_string() });
                }
                Ok(None) | Err(_) => self.release(lock, *slot, *id),
            }
        }
        if strays.len() == kept.len() {
            self.leave(lock);
            self.programs.detach_all_but(self.records.needed());
        }
        (strays.len() - kept.len(), kept)
    }

    /// Takes the sandbox `id` in `slot` out, if it is there, and everything with the last one.
    pub(super) fn release(&self, _: &Lock, slot: usize, id: u64) {
        let sandboxes = &self.records.sandboxes;
        if slot >= sandboxes.count() || word!(sandboxes, slot, Sandbox.id).load(Ordering::Relaxed) != id {
            return;
        }
        // Whoever still has a label of this sandbox is barred from here on.
        half!(sandboxes, slot, Sandbox.flags).fetch_or(boesfs_abi::map::SANDBOX_KILLED, Ordering::Relaxed);
        // Before the policy's use is taken, or whoever does this again after it was cut short would take another's: of one
        // too many `put_right` knows.
        let generation = word!(sandboxes, slot, Sandbox.generation).swap(0, Ordering::AcqRel);
        if generation != 0
            && let Some(place) = self.bound(slot, generation)
        {
            self.unload_policy(place);
        }
        self.disarm(slot, self.namespace(slot));
        let key = (slot as u32).to_ne_bytes();
        for map in [&self.maps.dirs, &self.maps.long_dirs] {
            let _ = bpf::map_delete(map.as_fd(), &key);
        }
        for key in mounts_keys(slot) {
            let _ = bpf::map_delete(self.maps.mounts.as_fd(), &key.to_ne_bytes());
        }
        let flags = half!(sandboxes, slot, Sandbox.flags).load(Ordering::Relaxed);
        if flags & SANDBOX_UNTOLD == 0 {
            let _ = bpf::map_delete(self.maps.rings.as_fd(), &key);
        }
        for generation in [0, 1] {
            self.take_own_table(binding_index(slot, generation));
        }
        if self.records.clear(slot) {
            self.end();
        } else {
            self.programs.detach_all_but(self.records.needed());
        }
    }

    /// Takes everything away if there is no sandbox: after one that could not be enrolled.
    pub(super) fn leave(&self, _: &Lock) {
        if self.records.is_empty() {
            self.end();
        }
    }

    /// What wakes who waits for a sandbox to reach its limit.
    pub(super) fn bell(&self) -> Result<Bell, LoadError> {
        Bell::new(self.programs.map("limits")?).map_err(|error| LoadError::map("limits", error))
    }

    /// Takes everything away. The kernel detaches programs a while after their names are gone, so the seal goes first.
    fn end(&self) {
        seal::open(&self.records);
        pins::destroy(&self.directory);
    }

    /// Has every task in the recorded mount namespace of the sandbox in `slot` need a label.
    pub(super) fn arm(&self, slot: usize) -> Result<(), LoadError> {
        let sandboxes = &self.records.sandboxes;
        let namespace = self.namespace(slot);
        let seq = word!(sandboxes, slot, Sandbox.mount_namespace_seq).load(Ordering::Relaxed);
        let armed = Armed { seq, slot: slot as u32, reserved: 0 };
        self.put("armed", &self.maps.armed, &namespace.to_ne_bytes(), &armed.to_bytes())
    }

    fn disarm(&self, slot: usize, namespace: u32) {
        let mut bytes = [0; size_of::<Armed>()];
        let key = namespace.to_ne_bytes();
        // The number may be another sandbox's by now.
        if let Ok(true) = bpf::map_lookup(self.maps.armed.as_fd(), &key, &mut bytes)
            && field!(bytes, Armed.slot: u32) as usize == slot
        {
            let _ = bpf::map_delete(self.maps.armed.as_fd(), &key);
        }
    }

    /// Labels the task that the pidfd `task` stands for.
    pub(super) fn label(&self, task: BorrowedFd<'_>, label: &Label) -> Result<(), LoadError> {
        self.put("labels", &self.maps.labels, &task.as_raw_fd().to_ne_bytes(), &label.to_bytes())
    }

    /// Has the kernel note the place of `file` in the record of the sandbox in `slot`; whether it did.
    pub(super) fn record(
        &self,
        file: BorrowedFd<'_>,
        slot: usize,
        what: u32,
        index: usize,
    ) -> Result<bool, LoadError> {
        let arguments = [file.as_raw_fd() as u64, slot as u64, what.into(), index as u64];
        let mut context: Vec<u8> = arguments.into_iter().flat_map(u64::to_ne_bytes).collect();
        let noted = bpf::program_run(self.recorder.as_fd(), &mut context);
        Ok(noted.map_err(|error| LoadError::map("mounts", error))? == 1)
    }

    fn put(&self, name: &'static str, map: &OwnedFd, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        bpf::map_update(map.as_fd(), key, value).map_err(|error| LoadError::map(name, error))
    }
}

/// Where the places of the mounts of the sandbox in `slot` are, piece after piece.
fn mounts_keys(slot: usize) -> impl Iterator<Item = u32> {
    const PIECES: u32 = MAX_MOUNTS / MOUNTS_PIECE;
    (0..PIECES).map(move |piece| slot as u32 * PIECES + piece)
}
