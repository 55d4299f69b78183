//! The lsm plane: a policy in the kernel, on one sandbox.
//!
//! [`Lsm::new`] loads the programs the policy needs and proves with a canary that what they deny is denied;
//! [`Engine::attach`] records where the sandbox's mounts are and labels its tasks. Programs stay attached as long
//! as the supervisor lives; the sandbox dies with it. This module knows no policy text and decides nothing itself.

mod canary;
mod load;
mod places;
mod program;
mod prototype;
mod report;
mod subject;
mod wire;

pub use load::LoadError;
pub use program::{BpfPolicy, BpfProgram, ProgramError};

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use aya::maps::{MapData, RingBuf};
use boesfs_abi::image::State;
use boesfs_abi::layout::NO_CLASS;
use boesfs_abi::map::{
    CALL_PATH, LABEL_ENTERING, Label, SANDBOX_ARMED, SANDBOX_CLASSES, SANDBOX_KILLED, Sandbox,
};

use self::load::{Attached, Loaded};
use self::report::Translator;
use self::subject::Subjects;
use self::wire::{Wire as _, field};
use crate::events::Record;
use crate::plane::{Engine, EngineError, Inside, Plane, Setup};
use crate::sys;

/// The index of an engine's sandbox in its maps: each engine has one.
const SLOT: u32 = 0;

/// Whether the plane can be had here: the kernel runs BPF LSM programs, and this process may load them.
///
/// # Errors
/// What is missing.
pub fn available() -> Result<(), EngineError> {
    let path = "/sys/kernel/security/lsm";
    // Where securityfs is not mounted, loading and the canary tell.
    if let Ok(list) = std::fs::read_to_string(path)
        && !list.trim().split(',').any(|name| name == "bpf")
    {
        let reason =
            format!("`bpf` is not among the active security modules ({}): boot with lsm=…,bpf", list.trim());
        return Err(EngineError::new(Plane::Lsm, reason));
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(EngineError::new(Plane::Lsm, "needs root"));
    }
    load::probe().map_err(|error| EngineError::new(Plane::Lsm, error))
}

/// The plane for the sandbox of `setup`.
///
/// # Errors
/// As [`Lsm::new`].
pub fn engine(setup: Setup) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(Lsm::new(setup)?))
}

/// The lsm plane at work on one sandbox.
pub struct Lsm {
    policy: String,
    setup: Setup,
    subjects: Subjects,
    loaded: Loaded,
    attached: Option<Attached>,
    events: RingBuf<MapData>,
    /// What the anchors of the sandbox are held by, so that their addresses stay theirs.
    held: Vec<OwnedFd>,
    dropped: u64,
}

impl Lsm {
    /// Loads what the policy needs to be enforced on the sandbox of `setup`. The caller must be single-threaded: the
    /// canary is a child process.
    ///
    /// # Errors
    /// If the kernel refuses a program, or the canary is not denied.
    pub fn new(setup: Setup) -> Result<Self, EngineError> {
        let failed = |error: LoadError| EngineError::new(Plane::Lsm, error);
        let subjects = Subjects::of(&setup);
        let mut loaded = load::load(&setup.image, &subjects.programs).map_err(failed)?;
        let events = loaded.events().map_err(failed)?;
        let mut lsm = Self {
            policy: setup.image.id_hex(),
            setup,
            subjects,
            loaded,
            attached: None,
            events,
            held: Vec::new(),
            dropped: 0,
        };
        let flags = if lsm.setup.image.entry_subject() { 0 } else { SANDBOX_CLASSES };
        lsm.write_sandbox(flags).map_err(failed)?;
        let attached = lsm.loaded.attach().map_err(failed)?;
        canary::check(&lsm.loaded).map_err(|reason| EngineError::new(Plane::Lsm, reason))?;
        while lsm.events.next().is_some() {}
        lsm.attached = Some(attached);
        Ok(lsm)
    }

    /// Writes the sandbox's record, without its places.
    fn write_sandbox(&mut self, flags: u32) -> Result<(), LoadError> {
        let dir = self.setup.dir.as_os_str().as_bytes();
        let below: &[u8] = if dir == b"/" { b"" } else { dir };
        let start = self.setup.image.path_start();
        let state = self.setup.image.walk(start, below);
        let text = State { node: self.setup.image.header().text_start, inside: 0 };
        let text = if text.node == 0 { text } else { self.setup.image.walk(text, below) };
        let sandbox = Sandbox {
            id: u64::from(std::process::id()),
            generation: 1,
            kill_after: self.setup.kill_after.map_or(0, std::num::NonZeroU64::get),
            flags,
            dir_node: state.node,
            dir_inside: state.inside.into(),
            dir_text_node: text.node,
            dir_text_inside: text.inside.into(),
            dir_label: self.setup.image.label(self.setup.image.walk(start, dir)),
            dir_len: below.len() as u32,
            other_class: self.subjects.other.0,
            program_count: self.subjects.programs.0.len() as u32,
            ..Sandbox::default()
        };
        self.loaded.set("sandboxes", SLOT, &sandbox.to_bytes())?;
        let mut path = [0; CALL_PATH as usize];
        let Some(room) = path.get_mut(..below.len()) else {
            return Err(LoadError::map("dirs", "the protected directory's path is too long"));
        };
        room.copy_from_slice(below);
        self.loaded.set("dirs", SLOT, &path)
    }

    fn label(&self, task: BorrowedFd<'_>, flags: u32) -> Result<(), LoadError> {
        let label = Label { slot: SLOT, class: self.subjects.entry.0, pending: NO_CLASS, flags };
        label_task(&self.loaded, task, &label)
    }

    fn sandbox(&self) -> Result<[u8; size_of::<Sandbox>()], LoadError> {
        self.loaded.get("sandboxes", SLOT)
    }

    fn arm(&mut self, inside: &Inside) -> Result<(), LoadError> {
        self.held = places::record(&mut self.loaded, inside)?;
        // From here on a task of the sandbox without a label is denied everything.
        let mut sandbox = self.sandbox()?;
        let at = std::mem::offset_of!(Sandbox, flags);
        let flags = field!(sandbox, Sandbox.flags: u32) | SANDBOX_ARMED;
        sandbox[at..at + 4].copy_from_slice(&flags.to_ne_bytes());
        self.label(inside.init.as_fd(), 0)?;
        self.label(inside.entry.as_fd(), LABEL_ENTERING)?;
        self.loaded.set("sandboxes", SLOT, &sandbox)
    }
}

fn label_task(loaded: &Loaded, task: BorrowedFd<'_>, label: &Label) -> Result<(), LoadError> {
    let key = task.as_raw_fd().to_ne_bytes();
    sys::bpf::map_update(loaded.labels()?, &key, &label.to_bytes())
        .map_err(|error| LoadError::map("labels", error))
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
        self.arm(inside).map_err(|error| EngineError::new(Plane::Lsm, error))
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.events.as_fd())
    }

    fn drain(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), EngineError> {
        let translator = Translator {
            image: &self.setup.image,
            policy: &self.policy,
            sandbox: &self.setup.name,
            names: &self.subjects.names,
            boot: boot_time(),
        };
        while let Some(item) = self.events.next() {
            if !translator.translate(&item, sink) {
                return Err(EngineError::new(Plane::Lsm, "an event record is malformed"));
            }
        }
        let sandbox = self.sandbox().map_err(|error| EngineError::new(Plane::Lsm, error))?;
        let dropped = field!(sandbox, Sandbox.dropped: u64);
        if dropped > self.dropped {
            sink(Record::Lost(dropped - self.dropped));
            self.dropped = dropped;
            if field!(sandbox, Sandbox.flags: u32) & SANDBOX_KILLED != 0 {
                sink(Record::Limit);
            }
        }
        Ok(())
    }

    fn teardown(&mut self) -> Result<(), EngineError> {
        self.attached = None;
        self.held.clear();
        Ok(())
    }
}
