//! The seam between a sandbox and what enforces a policy on it.
//!
//! A plane is where decisions are enforced: [`Plane::Lsm`] in the kernel, [`Plane::Fuse`] in a pass-through
//! file system. Each gives an [`Engine`]; the sandbox calls it at fixed points of its life, in fixed processes:
//!
//! | process | namespaces | what it does | which [`Engine`] methods run in it |
//! |---|---|---|---|
//! | supervisor | the caller's | maps ids, forwards signals, writes events, reports the exit status | [`attach`](Engine::attach), [`poll_fd`](Engine::poll_fd), [`drain`](Engine::drain), [`teardown`](Engine::teardown) |
//! | keeper | the sandbox's user, ipc and uts namespaces; a mount namespace in which nothing is covered; the caller's pid namespace | owns the init process, serves the plane | [`open`](Engine::open), [`serve`](Engine::serve), [`arm`](Engine::arm) |
//! | init | as the keeper, with mount and pid namespaces of its own; pid 1 in it | covers the protected directory, locks itself down, reaps, reports | none |
//! | entry | the init's | becomes the command | none |
//!
//! [`crate::engines`] knows which planes there are, whether each works here, and how its engine is made.
//!
//! In order: engine constructed (supervisor) · keeper cloned, ids mapped · `open` · init cloned · `serve` · init
//! moves the mount `open` gave over the protected directory, changes the root, mounts its own `/proc`, `/dev` and
//! `/sys`, enters the working directory, drops every right, forks the entry process, which waits · `attach` · the
//! entry process execs; for [`ExecGate::Stopped`] it is held after exec before its first instruction until
//! `arm` has returned and the supervisor lets it begin · the command runs, `drain` whenever `poll_fd` is readable · the init dies, its pid
//! namespace with it · the keeper ends without ceremony (`_exit`; nothing is dropped) · last `drain` · `teardown`.
//!
//! The keeper is a copy of the supervisor as after fork(2): the engine there is the same value, but a change made
//! in one process is not seen in the other. Neither has threads until `serve` makes some. The keeper holds every
//! capability in the sandbox's user namespace, is not dumpable and dies with the supervisor, the init with the keeper.
//! User and group ids are mapped to themselves, so those seen inside the sandbox are those seen outside;
//! ids that are not mapped show as the overflow id.

use std::fmt;
use std::num::NonZeroU64;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use boesfs_abi::image::ValidImage;
pub use boesfs_abi::plane::Plane;
use boesfs_abi::subjects::ResolvedSubjects;
use serde::Serialize;

use crate::events::{Denials, Record};

/// How a plane's sandboxes' entry processes are let go.
#[must_use]
pub fn exec_gate(plane: Plane) -> ExecGate {
    match plane {
        Plane::Lsm => ExecGate::Open,
        Plane::Fuse => ExecGate::Stopped,
    }
}

/// What an engine is told about the sandbox it is to enforce on.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The policy.
    pub image: Arc<ValidImage>,
    /// Its subjects, for a policy that tells processes apart by what they run; resolved in the sandbox's root.
    pub subjects: ResolvedSubjects,
    /// The sandbox's name: `dom` of every request, `sandbox` of every event.
    pub name: String,
    /// The protected directory: canonical, as seen in the sandbox.
    pub dir: PathBuf,
    /// The sandbox's root as seen by the supervisor: canonical, `/` if the sandbox shares the caller's.
    pub root: PathBuf,
    /// What the sandbox mounts of its own below `dir` (`/proc` and its like): not judged, whatever the plane.
    pub mounts: Vec<PathBuf>,
    /// The command the sandbox is started with.
    pub entry: Entry,
    /// The sandbox dies at its Nth counted denial.
    pub kill_after: Option<NonZeroU64>,
    /// That, if it is the command line's and no other policy's to change.
    pub kill_after_override: Option<NonZeroU64>,
    /// Denials are told and not enforced.
    pub permissive: bool,
    /// Who wants its events.
    pub told: Told,
    /// Whether they may be folded as the plane does it, or must be as the command line says.
    pub folding: Folding,
    /// Whether the plane must be sealed.
    pub seal: Seal,
}

/// Whether what a plane has in the kernel is to be changed by other processes of the machine's administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Whatever it is like.
    AsItIs,
    /// Only by this program.
    Wanted,
}

/// Who wants a sandbox's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nobody: none are made.
    Nobody,
    /// Somebody: as many of one kind in a second as there are here, 0 for all, and how many there were besides.
    Somebody(u32),
}

/// Who says how many events of one kind are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folding {
    /// Nobody.
    AsItIs,
    /// The caller, who wants some of them folded.
    Wanted,
}

/// The command a sandbox is started with.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it was named on the command line: the subject under `subject = entry`.
    pub named: Vec<u8>,
    /// The file it is, canonical, as seen in the sandbox: its first subject under `subject = exe`
    /// (a script's interpreter takes over at exec). `None` if it was not found; then the exec fails with 127.
    pub path: Option<PathBuf>,
}

/// How the entry process is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecGate {
    /// It runs on from exec: the plane itself knows when the command begins.
    Open,
    /// It is stopped after exec, before its first instruction, until [`Engine::arm`] has returned and the supervisor has
    /// nothing against it.
    Stopped,
}

/// The tasks and places of a sandbox that is about to exec, as handles the supervisor can use.
#[derive(Debug)]
pub struct Inside {
    /// A pidfd of the init process.
    pub init: OwnedFd,
    /// A pidfd of the entry process: single-threaded, not yet the command.
    pub entry: OwnedFd,
    /// The sandbox's root directory, `O_PATH`, in its mount namespace.
    pub root: OwnedFd,
    /// The protected directory, `O_PATH`, in its mount namespace.
    pub dir: OwnedFd,
}

/// Why a plane cannot be had or has failed, for people: lowercase, no period, with what to do where that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{plane} plane: {reason}")]
pub struct EngineError {
    /// The plane.
    pub plane: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl EngineError {
    /// The error that `reason` is.
    #[must_use]
    pub fn new(plane: Plane, reason: impl fmt::Display) -> Self {
        Self { plane: plane.name(), reason: reason.to_string() }
    }
}

/// A plane at work on one sandbox. The [module](self) says when and in which process each method is called.
///
/// An error from any method ends the sandbox: nothing runs unjudged.
pub trait Engine {
    /// Which plane this is.
    fn plane(&self) -> Plane;

    /// How the entry process is to be let go, if nobody else has something to do before the command begins.
    fn exec_gate(&self) -> ExecGate {
        exec_gate(self.plane())
    }

    /// Opens what must be opened inside the sandbox's user namespace (keeper, no threads yet).
    ///
    /// `tree` is the protected directory, `O_PATH`, uncovered. Returns a detached mount (fsmount(2)) for the init
    /// to move over the protected directory, or nothing if the plane covers nothing. The mount is made here and not in the
    /// init so that process ids in its requests are those of the keeper's pid namespace.
    ///
    /// # Errors
    /// Whatever the plane lacks.
    fn open(&mut self, tree: OwnedFd) -> Result<Option<OwnedFd>, EngineError> {
        drop(tree);
        Ok(None)
    }

    /// Starts serving in threads of the keeper, and returns. Until [`arm`](Engine::arm) every request comes
    /// from the sandbox's own set-up or the exec of the command, which are not judged: it is answered as if allowed.
    ///
    /// The threads report through `denials` and run until the keeper exits.
    ///
    /// # Errors
    /// Whatever the plane lacks.
    fn serve(&mut self, denials: Denials) -> Result<(), EngineError> {
        drop(denials);
        Ok(())
    }

    /// From here on every request is judged (keeper; the command has been loaded and has not run).
    ///
    /// # Errors
    /// If the plane has failed meanwhile.
    fn arm(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Puts the tasks of `inside` under the policy (supervisor). The exec of the command itself is not asked.
    ///
    /// # Errors
    /// If a task could not be enrolled.
    fn attach(&mut self, inside: &Inside) -> Result<(), EngineError> {
        let _ = inside;
        Ok(())
    }

    /// A descriptor that becomes readable when [`drain`](Engine::drain) has something (supervisor).
    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Hands every record that is ready to `sink`, in order, without blocking (supervisor).
    ///
    /// # Errors
    /// If the plane has failed.
    fn drain(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), EngineError> {
        let _ = sink;
        Ok(())
    }

    /// Undoes what outlives the sandbox's processes (supervisor; all of them are gone, or never were).
    ///
    /// # Errors
    /// What was left behind.
    fn teardown(&mut self) -> Result<(), EngineError> {
        Ok(())
    }
}
