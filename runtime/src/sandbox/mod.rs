//! A sandbox: namespaces, mounts and rights for one command, set up by a [`Plan`] and gone with the command.
//!
//! Four processes, as [`crate::plane`] tells: the supervisor (the caller), the keeper, the init, and the entry
//! process that becomes the command. Each carries out its own steps of the plan. This module knows no policy; what
//! is judged, and how, is the [`Engine`](crate::plane::Engine)'s.
//!
//! Invariants, mostly of what is absent:
//! - nothing runs before every step has succeeded and the engine is attached;
//! - no process of the sandbox holds a capability, or a descriptor of the caller's but the standard three;
//! - nothing outlives the supervisor, however it ends: the keeper dies with it, the init with the keeper, the
//!   pid namespace with the init, and mounts exist only in the sandbox's own mount namespaces.

mod fixtures;
pub mod ids;
mod init;
mod keeper;
mod message;
mod mounts;
pub mod plan;
pub mod root;
pub mod seccomp;
mod supervisor;
mod watch;

use std::ffi::{CString, OsStr};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::SigSet;
use nix::sys::stat::fstat;

pub use message::{Ending, Failure};
pub use supervisor::run;
pub use watch::Outcome;

use self::ids::IdMap;
use self::plan::{Namespace, Plan, Wanted};
use self::root::Root;
use crate::events::Denials;
use crate::plane::{ExecGate, Plane};

/// Where commands without a slash are searched for if the environment has no `PATH`.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A sandbox to be made.
#[derive(Debug)]
pub struct Config {
    /// Its name.
    pub name: String,
    /// The content id of its policy, for events of its own.
    pub policy: String,
    /// Its root.
    pub root: Root,
    /// The protected directory, as checked by [`protected_directory`].
    pub dir: PathBuf,
    /// The working directory, as seen inside.
    pub cwd: PathBuf,
    /// The command, as named, and its arguments.
    pub command: Vec<CString>,
    /// The environment, as `NAME=value`.
    pub environment: Vec<CString>,
    /// It dies at its Nth counted denial.
    pub kill_after: Option<NonZeroU64>,
    /// Whether the policy denies some of what watching files asks.
    pub denies_watching: bool,
    /// Whether programs of the sandbox can have different rights.
    pub tells_programs_apart: bool,
}

/// What is done last before a command begins.
pub type LastStep<'a> = dyn FnMut(BorrowedFd<'_>) -> Result<(), Failure> + 'a;

/// What lets a command begin that has been executed and is judged.
pub enum Beginning<'a> {
    /// The plane alone.
    Free,
    /// This besides, which is called once, with a pidfd of the init: with a failure nothing of the command runs.
    After(&'a mut LastStep<'a>),
}

impl Beginning<'_> {
    /// How the entry process is let go, where the plane asks for `gate`.
    #[must_use]
    pub fn gate(&self, gate: ExecGate) -> ExecGate {
        match self {
            Self::Free => gate,
            Self::After(_) => ExecGate::Stopped,
        }
    }
}

/// Why a directory cannot be protected.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// It cannot be reached.
    #[error("protected directory `{}`: {error}", path.display())]
    Unreachable {
        /// As it was given.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It would mean another one than the caller's, whose working directory is not the sandbox's.
    #[error("protected directory `{}` is not an absolute path", path.display())]
    Relative {
        /// As it was given.
        path: PathBuf,
    },
    /// It is something else.
    #[error("protected directory `{}` is not a directory", path.display())]
    NotADirectory {
        /// As it was given.
        path: PathBuf,
    },
    /// The sandbox mounts over it.
    #[error("protected directory `{}` is below `{fixture}`, which every sandbox has of its own", path.display())]
    OwnMount {
        /// As it was given.
        path: PathBuf,
        /// The mount.
        fixture: &'static str,
    },
}

/// The canonical form of `dir`, a path seen in a sandbox with this `root`.
///
/// # Errors
/// [`DirError`] if it cannot be a protected directory.
pub fn protected_directory(root: &Root, dir: &Path) -> Result<PathBuf, DirError> {
    if !dir.is_absolute() {
        return Err(DirError::Relative { path: dir.to_owned() });
    }
    let unreachable = |error| DirError::Unreachable { path: dir.to_owned(), error };
    let canonical = root.canonical(dir).map_err(unreachable)?;
    if !root.metadata(&canonical).map_err(unreachable)?.is_dir() {
        return Err(DirError::NotADirectory { path: dir.to_owned() });
    }
    for fixture in plan::Fixture::ALL {
        if canonical.starts_with(fixture.target()) {
            return Err(DirError::OwnMount { path: dir.to_owned(), fixture: fixture.target() });
        }
    }
    Ok(canonical)
}

/// A standard descriptor of the caller's is a directory: from it every name below and above could be reached beside the
/// policy.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {stream} is a directory, from which files could be reached beside the policy: give it `/dev/null`"
)]
pub struct GivenDirectory {
    stream: &'static str,
}

/// Whether the descriptors that a sandbox takes over from its caller may go in.
///
/// # Errors
/// [`GivenDirectory`] for the first that may not.
pub fn given_descriptors() -> Result<(), GivenDirectory> {
    let (input, output, errors) = (io::stdin(), io::stdout(), io::stderr());
    for (stream, descriptor) in [
        ("standard input", input.as_fd()),
        ("standard output", output.as_fd()),
        ("standard error", errors.as_fd()),
    ] {
        // One that cannot be asked about is closed: the standard library has opened `/dev/null` in its place.
        let is_directory =
            fstat(descriptor).is_ok_and(|status| status.st_mode & libc::S_IFMT == libc::S_IFDIR);
        if is_directory {
            return Err(GivenDirectory { stream });
        }
    }
    Ok(())
}

impl Config {
    /// What will be done to run it on `plane`, let go by `gate`.
    ///
    /// # Errors
    /// If the ids of the caller cannot be found out.
    pub fn plan(&self, plane: Plane, gate: ExecGate) -> io::Result<Plan> {
        Ok(Plan::new(Wanted {
            plane,
            gate,
            root: &self.root,
            dir: &self.dir,
            cwd: &self.cwd,
            command: &self.command,
            ids: IdMap::of_caller()?,
            denies_watching: self.denies_watching,
            tells_programs_apart: self.tells_programs_apart,
        }))
    }

    /// The value of `PATH` in its environment.
    #[must_use]
    pub fn search_path(&self) -> &OsStr {
        search_path(&self.environment)
    }
}

/// The value of `PATH` in `environment`.
#[must_use]
pub fn search_path(environment: &[CString]) -> &OsStr {
    environment
        .iter()
        .find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="))
        .map_or(OsStr::new(DEFAULT_PATH), OsStr::from_bytes)
}

/// What every process of a sandbox in the making has of it.
#[derive(Debug)]
struct Session {
    plan: Plan,
    root: PathBuf,
    dir: PathBuf,
    command: Vec<CString>,
    candidates: Vec<CString>,
    environment: Vec<CString>,
    /// The signals that were blocked when the caller was started.
    signal_mask: SigSet,
    /// The sandbox's end of the control socket.
    control: OwnedFd,
    denials: Denials,
}

fn clone_flags(namespaces: &[Namespace]) -> libc::c_int {
    namespaces.iter().fold(0, |flags, namespace| flags | namespace.flag())
}
