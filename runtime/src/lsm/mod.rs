//! The lsm plane: policies in the kernel, on sandboxes.
//!
//! [`Lsm::new`] enrols a sandbox in the [engine](engine) that all of them share and proves with a canary that what is
//! denied is denied; [`Engine::attach`] records where the sandbox's mounts are and labels its tasks. Enforcement does
//! not depend on any process: programs and maps are pinned. This module knows no policy text and decides nothing itself.

mod canary;
pub mod control;
mod engine;
mod error;
mod hooks;
mod living;
mod pins;
mod places;
mod policies;
mod program;
mod prototype;
mod record;
mod report;
mod requirements;
mod seal;
mod subject;
mod table;
pub mod verified;
mod wire;

pub use error::LoadError;
pub use program::{BpfPolicy, BpfProgram, ProgramError};

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::Ordering;

use aya::maps::{Map, MapData, RingBuf};
use boesfs_abi::image::{State, ValidImage};
use boesfs_abi::layout::NO_CLASS;
use boesfs_abi::map::{BINDING_CLASSES, Binding, EXEC_ANY, LABEL_ENTERING, Label, SANDBOX_KILLED, Sandbox};

pub use self::engine::Strictness;
use self::engine::{Enrolment, FIRST_GENERATION};
use self::pins::Lock;
use self::policies::Policies;
use self::record::{half, word};
use self::report::Translator;
use self::subject::Subjects;
use crate::events::Record;
use crate::plane::{Engine, EngineError, Inside, Plane, Seal, Setup};
use crate::sys::{self, Bell};
use crate::tenants::{self, Claim, ClaimError, Claimed, Place, Tenant, TenantPlane};

/// Whether the plane can be had here: the kernel runs BPF LSM programs, this process may load them, and there is a place for
/// the engine's names.
///
/// # Errors
/// What is missing.
pub fn available() -> Result<(), EngineError> {
    requirements::check().map_err(failed)?;
    if engine::Engine::existing().is_none() {
        pins::check_bpffs().map_err(failed)?;
    }
    hooks::probe().map_err(failed)
}

/// The plane for the sandbox of `setup`.
///
/// # Errors
/// As [`Lsm::new`].
pub fn engine(setup: Setup) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(Lsm::new(setup)?))
}

/// About so many sandboxes are looked at by each new one, whether they are gone: all of them by one in so many.
const LOOKED_AFTER: u64 = 16;

/// The lsm plane at work on one sandbox.
pub struct Lsm {
    setup: Setup,
    policies: Policies,
    subjects: Subjects,
    engine: engine::Engine,
    enrolled: Option<Enrolled>,
    events: Ear,
    /// What the anchors of the sandbox are held by, so that their addresses stay theirs.
    held: Vec<OwnedFd>,
    dropped: u64,
    folded: u64,
    /// Whether it was said that its limit is reached.
    ended: bool,
}

/// Where the plane is heard from.
enum Ear {
    /// A buffer of the sandbox's own.
    Events(RingBuf<MapData>),
    /// For who wants no events: one for all sandboxes, which says that one of them has reached its limit.
    Limits(Bell),
}

/// A sandbox's place in the engine and in the list of sandboxes.
struct Enrolled {
    slot: usize,
    id: u64,
    claim: Claim,
    tenant: Tenant,
}

fn failed(error: impl std::fmt::Display) -> EngineError {
    EngineError::new(Plane::Lsm, error)
}

/// What a policy's numbers mean for a sandbox whose protected directory is `dir`.
fn binding(image: &ValidImage, dir: &[u8], subjects: &Subjects) -> Binding {
    let below = below(dir);
    let start = image.path_start();
    let state = image.walk(start, below);
    let text = State { node: image.header().text_start, inside: 0 };
    let text = if text.node == 0 { text } else { image.walk(text, below) };
    Binding {
        dir_node: state.node,
        dir_inside: state.inside.into(),
        dir_text_node: text.node,
        dir_text_inside: text.inside.into(),
        dir_label: image.label(image.walk(start, dir)),
        other_class: subjects.other.0,
        flags: if image.entry_subject() { 0 } else { BINDING_CLASSES },
        ..Binding::default()
    }
}

/// What stands before each path below `dir`.
fn below(dir: &[u8]) -> &[u8] {
    if dir == b"/" { b"" } else { dir }
}

/// What was not cleared away, for it is not certain that its processes are gone. It stays confined.
#[derive(Debug, thiserror::Error)]
pub enum Kept {
    /// A sandbox whose supervisor is gone.
    #[error("processes of the sandbox called `{0}` do not die")]
    Alive(String),
    /// A sandbox of which that cannot be told.
    #[error("it cannot be told whether processes of the sandbox called `{name}` live: {reason}")]
    Unseen {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// A sandbox of which nothing is written down, or not here.
    #[error(
        "process {process} lives in sandbox {id} of the engine, of which nothing is written in {root}: kill it first",
        root = tenants::ROOT
    )]
    Unknown {
        /// Its number.
        id: u64,
        /// One of its processes.
        process: i32,
    },
    /// The same, of which it cannot be told.
    #[error(
        "it cannot be told whether processes live in sandbox {id} of the engine, of which nothing is written in {root}: {reason}",
        root = tenants::ROOT
    )]
    UnknownUnseen {
        /// Its number.
        id: u64,
        /// Why.
        reason: String,
    },
    /// Another build's engine.
    #[error(
        "process {process} lives in a sandbox of build {build}, of which nothing is written in {root}: kill it first",
        root = tenants::ROOT
    )]
    Engine {
        /// The build.
        build: String,
        /// One of its processes.
        process: i32,
    },
    /// Another build's engine of which it cannot be told.
    #[error("it cannot be told whether processes live in sandboxes of build {build}: {reason}")]
    EngineUnseen {
        /// The build.
        build: String,
        /// Why.
        reason: String,
    },
}

/// Clears away what is left of sandboxes that are gone. Returns those that it left: the locks of their names are free,
/// but the engine's own labels decide.
fn clear(engine: Option<&engine::Engine>, lock: &Lock, left: Vec<(Claim, Option<Tenant>)>) -> Vec<Kept> {
    let tenants = || left.iter().filter_map(|(_, tenant)| tenant.as_ref());
    tenants().for_each(tenants::see_the_end);
    let places: Vec<_> = tenants().filter_map(own_place).map(|place| (place.slot, place.id)).collect();
    let living = engine.map_or_else(|| Ok(HashMap::new()), |engine| engine.living(&places));
    let kept = left.iter().filter_map(|(claim, tenant)| {
        let end = tenant.as_ref().map_or(Ok(()), |tenant| clear_one(engine, lock, tenant, &living));
        if end.is_ok() {
            // What cannot be removed stands in nobody's way but this name's.
            let _ = claim.clear();
        }
        end.err()
    });
    kept.collect()
}

/// Where in this build's engine `tenant` is.
fn own_place(tenant: &Tenant) -> Option<&Place> {
    tenant.engine.as_ref().filter(|place| place.build == boesfs_ebpf::ENGINE)
}

/// Takes the sandbox `tenant` out of the engine, if nothing of it lives, which `living` may have seen.
fn clear_one(
    engine: Option<&engine::Engine>,
    lock: &Lock,
    tenant: &Tenant,
    living: &io::Result<HashMap<u64, i32>>,
) -> Result<(), Kept> {
    let name = || tenant.name.clone();
    if tenants::first_process(tenant).is_some() {
        return Err(Kept::Alive(name()));
    }
    let Some((engine, place)) = engine.zip(own_place(tenant)) else { return Ok(()) };
    let unseen = |error: &io::Error| Kept::Unseen { name: name(), reason: error.to_string() };
    match living {
        Ok(living) if living.contains_key(&place.id) => {
            if !engine.end_processes(place.slot, place.id).map_err(|error| unseen(&error))? {
                return Err(Kept::Alive(name()));
            }
        }
        Ok(_) => {}
        // What a seal keeps from root, who can put another file in the lock's place, is not given for a lock.
        Err(error) if engine.is_sealed() => return Err(unseen(error)),
        Err(_) => {}
    }
    engine.release(lock, place.slot, place.id);
    Ok(())
}

impl Lsm {
    /// Enrols the sandbox of `setup`. The caller must be single-threaded: the canary is a child process.
    ///
    /// # Errors
    /// If the kernel refuses something, the name is taken, or the canary is not denied.
    pub fn new(setup: Setup) -> Result<Self, EngineError> {
        requirements::check().map_err(failed)?;
        let subjects = Subjects::of(&setup);
        let (lock, engine) = Self::engine(setup.seal)?;
        let made = Self::enrol(&lock, &engine, &setup, &subjects).map_err(failed);
        if made.is_err() {
            engine.leave(&lock);
        }
        let (enrolled, events) = made?;
        drop(lock);
        let mut lsm = Self {
            policies: Policies::new(&setup),
            setup,
            subjects,
            engine,
            enrolled: Some(enrolled),
            events,
            held: Vec::new(),
            dropped: 0,
            folded: 0,
            ended: false,
        };
        if let Some(Enrolled { slot, id, .. }) = lsm.enrolled {
            canary::check(&lsm.engine, slot, id).map_err(failed)?;
            if lsm.setup.permissive {
                lsm.engine.permit(slot);
            }
        }
        // The canary's.
        if let Ear::Events(events) = &mut lsm.events {
            while events.next().is_some() {}
        }
        Ok(lsm)
    }

    /// The engine, with what is left of others cleared away, and the lock on it.
    fn engine(seal: Seal) -> Result<(Lock, engine::Engine), EngineError> {
        loop {
            let lock = Lock::take().map_err(failed)?;
            let engine = engine::Engine::open_or_create(&lock, seal);
            let engine = engine.inspect_err(|_| lock.forget_engine()).map_err(failed)?;
            if engine.records().last_id().is_multiple_of((engine.count() / LOOKED_AFTER).max(1)) {
                // What it leaves stands in nobody's way but that name's.
                let _ = clear(Some(&engine), &lock, tenants::left());
            }
            // With the last of those that are left it is gone.
            if engine.stands() {
                return Ok((lock, engine));
            }
        }
    }

    fn enrol(
        lock: &Lock,
        engine: &engine::Engine,
        setup: &Setup,
        subjects: &Subjects,
    ) -> Result<(Enrolled, Ear), LoadError> {
        let claim = match tenants::claim(&setup.name)? {
            Claimed::New(claim) => claim,
            Claimed::Left(claim, tenant) => {
                if !clear(Some(engine), lock, vec![(claim, tenant.map(|tenant| *tenant))]).is_empty() {
                    return Err(ClaimError::Left(setup.name.clone()).into());
                }
                match tenants::claim(&setup.name)? {
                    Claimed::New(claim) | Claimed::Left(claim, _) => claim,
                }
            }
        };
        let (slot, id) = engine.allocate(lock)?;
        let tenant = Tenant {
            version: 1,
            name: setup.name.clone(),
            plane: TenantPlane::Lsm,
            pid: std::process::id(),
            init: None,
            mount_namespace: None,
            dir: setup.dir.clone(),
            root: setup.root.clone(),
            command: setup.entry.named.clone(),
            kill_after: setup.kill_after_override.map(std::num::NonZeroU64::get),
            policy: setup.image.id_hex(),
            engine: Some(Place { build: boesfs_ebpf::ENGINE.to_owned(), slot, id }),
        };
        claim.write(&tenant).map_err(|source| LoadError::read(claim.directory(), source))?;
        let dir = setup.dir.as_os_str().as_bytes();
        let enrolment = Enrolment {
            image: &setup.image,
            binding: binding(&setup.image, dir, subjects),
            programs: &subjects.programs,
            dir: below(dir),
            kill_after: Some(setup.kill_after.map_or(0, std::num::NonZeroU64::get)),
            told: setup.told,
            strictness: Strictness::AsOpened,
            slot,
            id,
            after_another: false,
        };
        let enrolled = Enrolled { slot, id, claim, tenant };
        let ear = engine.enrol(lock, &enrolment).and_then(|ring| match ring {
            Some(ring) => {
                let map = MapData::from_fd(ring).map_err(|error| LoadError::map("rings", error))?;
                let ring = RingBuf::try_from(Map::RingBuf(map));
                ring.map(Ear::Events).map_err(|error| LoadError::map("rings", error))
            }
            None => engine.bell().map(Ear::Limits),
        });
        match ear {
            Ok(ear) => Ok((enrolled, ear)),
            Err(error) => {
                engine.release(lock, slot, id);
                let _ = enrolled.claim.clear();
                Err(error)
            }
        }
    }

    /// Whether the sandbox in `slot` has had the last denial that it may have; it may be barred for other reasons.
    fn at_its_limit(&self, slot: usize) -> bool {
        let sandboxes = &self.engine.records().sandboxes;
        let limit = word!(sandboxes, slot, Sandbox.kill_after).load(Ordering::Relaxed);
        limit != 0 && word!(sandboxes, slot, Sandbox.denials).load(Ordering::Relaxed) >= limit
    }

    fn arm(&mut self, inside: &Inside) -> Result<(), LoadError> {
        let Some(enrolled) = &mut self.enrolled else {
            return Err(LoadError::map("sandboxes", "the sandbox is not enrolled"));
        };
        let slot = enrolled.slot;
        // Nobody clears away what has no processes yet meanwhile; whoever did so before had reason to.
        let _lock = Lock::take()?;
        if !self.engine.stands() || !self.engine.holds(slot, enrolled.id) {
            return Err(LoadError::Cleared);
        }
        self.held = places::record(&self.engine, slot, inside)?;
        let init = sys::pidfd_pid(inside.init.as_fd()).map_err(|error| LoadError::map("labels", error))?;
        let namespace = half!(self.engine.records().sandboxes, slot, Sandbox.mount_namespace_id);
        enrolled.tenant.init = Some(init);
        enrolled.tenant.mount_namespace = Some(namespace.load(Ordering::Relaxed));
        let written = enrolled.claim.write(&enrolled.tenant);
        written.map_err(|source| LoadError::read(enrolled.claim.directory(), source))?;
        let label = Label {
            slot: slot as u32,
            class: self.subjects.entry.0,
            pending: NO_CLASS,
            sandbox: enrolled.id,
            generation: FIRST_GENERATION,
            exec: EXEC_ANY,
            pending_exec: EXEC_ANY,
            ..Label::default()
        };
        self.engine.label(inside.init.as_fd(), &label)?;
        self.engine.label(inside.entry.as_fd(), &Label { flags: LABEL_ENTERING, ..label })?;
        // From here on a task of the sandbox without a label is denied everything.
        self.engine.arm(slot)
    }

    /// Leaves the sandbox in the engine, with its name, until that is dropped and somebody clears away.
    #[must_use]
    pub fn let_go(mut self) -> Option<Claim> {
        self.enrolled.take().map(|enrolled| enrolled.claim)
    }

    /// Takes the sandbox out of the engine and the list of sandboxes, once.
    fn leave(&mut self) -> Result<(), LoadError> {
        let Some(enrolled) = self.enrolled.take() else { return Ok(()) };
        let lock = Lock::take()?;
        self.engine.release(&lock, enrolled.slot, enrolled.id);
        enrolled.claim.clear().map_err(|source| LoadError::read(enrolled.claim.directory(), source))
    }
}

impl Drop for Lsm {
    fn drop(&mut self) {
        let Some(Enrolled { slot, id, .. }) = self.enrolled else { return };
        // Before `teardown` there may be processes, and nobody is there to be told: who clears away sees to them.
        if self.engine.living(&[(slot, id)]).is_ok_and(|living| living.is_empty()) {
            let _ = self.leave();
        }
    }
}

/// Nanoseconds from 1970 to the zero of the boot clock, which events are stamped by.
fn boot_time() -> u64 {
    let nanoseconds = |clock| {
        nix::time::clock_gettime(clock)
            .map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
    };
    nanoseconds(nix::time::ClockId::CLOCK_REALTIME)
        .saturating_sub(nanoseconds(nix::time::ClockId::CLOCK_BOOTTIME))
}

impl Engine for Lsm {
    fn plane(&self) -> Plane {
        Plane::Lsm
    }

    fn attach(&mut self, inside: &Inside) -> Result<(), EngineError> {
        self.arm(inside).map_err(failed)
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(match &self.events {
            Ear::Events(events) => events.as_fd(),
            Ear::Limits(limits) => limits.as_fd(),
        })
    }

    fn drain(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), EngineError> {
        let directory = self.enrolled.as_ref().map(|enrolled| enrolled.claim.directory().to_owned());
        let translator = Translator { sandbox: &self.setup.name, boot: boot_time() };
        match &mut self.events {
            Ear::Events(events) => {
                while let Some(item) = events.next() {
                    let (policies, setup) = (&mut self.policies, &self.setup);
                    let directory = directory.as_deref();
                    if !translator.translate(
                        &item,
                        |generation| policies.of(generation, directory, setup),
                        sink,
                    ) {
                        return Err(EngineError::new(Plane::Lsm, "an event record is malformed"));
                    }
                }
            }
            Ear::Limits(limits) => limits.silence(),
        }
        if let Some(Enrolled { slot, .. }) = self.enrolled {
            let sandboxes = &self.engine.records().sandboxes;
            let dropped = word!(sandboxes, slot, Sandbox.dropped).load(Ordering::Relaxed);
            if dropped > self.dropped {
                sink(Record::Lost(dropped - self.dropped));
                self.dropped = dropped;
            }
            let folded = word!(sandboxes, slot, Sandbox.folded).load(Ordering::Relaxed);
            if folded > self.folded {
                sink(Record::Folded(folded - self.folded));
                self.folded = folded;
            }
            // The event that says so may be lost, or wanted by nobody.
            let flags = half!(sandboxes, slot, Sandbox.flags).load(Ordering::Relaxed);
            if flags & SANDBOX_KILLED != 0 && !self.ended && self.at_its_limit(slot) {
                self.ended = true;
                sink(Record::Limit);
            }
        }
        Ok(())
    }

    fn teardown(&mut self) -> Result<(), EngineError> {
        if hooks::check_memos() != 0 {
            let [renames, agreed, differed, untouched, unmoved, named, derived] =
                self.engine.tally().map_err(failed)?;
            eprintln!(
                "memos: {agreed} agreed, {differed} differed, {renames} renames of directories, {untouched} untouched, {unmoved} unmoved, {named} named as before, {derived} derived"
            );
        }
        self.held.clear();
        self.leave().map_err(failed)
    }
}
