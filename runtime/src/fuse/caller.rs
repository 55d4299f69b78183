//! Who a request comes from: the ids to act with, and the subject to judge.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use boesfs_abi::image::ClassId;
use boesfs_abi::judge::within;
use boesfs_abi::request::is_canonical;
use nix::unistd::{Gid, Uid, getegid, geteuid, setfsgid, setfsuid};
use rustix::fs::{Mode, OFlags};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::decision::Decide;

/// What d_path(9) adds to the path of a file that has no name any more.
const DELETED: &[u8] = b" (deleted)";

thread_local! {
    static ACTING_AS: Cell<Option<(u32, u32)>> = const { Cell::new(None) };
}

/// Makes this thread act on files as `uid` and `gid`, and only so: see [`leave_capabilities`].
///
/// # Errors
/// `EACCES` if the kernel does not let it.
pub(crate) fn act_as(uid: u32, gid: u32) -> io::Result<()> {
    if ACTING_AS.get() == Some((uid, gid)) {
        return Ok(());
    }
    ACTING_AS.set(None);
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    // Neither call says whether it worked; each returns what was set before it.
    setfsgid(group);
    setfsuid(user);
    if setfsgid(group) != group || setfsuid(user) != user {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    ACTING_AS.set(Some((uid, gid)));
    Ok(())
}

/// The ids this thread acts on files as.
pub(crate) fn acting_as() -> (u32, u32) {
    ACTING_AS.get().unwrap_or_else(|| (geteuid().as_raw(), getegid().as_raw()))
}

/// Gives up every capability of this thread but those to take on ids and to see what a process runs, so that
/// acting as root of the sandbox gives no right that a process of the sandbox has not.
///
/// # Errors
/// If the kernel does not let it.
pub(crate) fn leave_capabilities() -> io::Result<()> {
    let wanted = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::SYS_PTRACE;
    let kept = rustix::thread::capabilities(None)?.permitted & wanted;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// How a process's subject is found.
#[derive(Debug)]
pub enum Subjects {
    /// The program the sandbox was started with, as it was named, for every process.
    Entry {
        /// Its name.
        name: Vec<u8>,
        /// Its class.
        class: ClassId,
    },
    /// The executable the process runs.
    Exe,
}

/// Finds the subject of processes.
#[derive(Debug)]
pub(crate) struct Resolver {
    subjects: Subjects,
    proc: OwnedFd,
    dir: Vec<u8>,
    /// Whether a file was seen whose very name ends as that of a deleted one is shown.
    misnamed: AtomicBool,
}

impl Resolver {
    /// A resolver for callers of a mount at `dir` that sees processes through the `/proc` mounted here.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn new(subjects: Subjects, dir: &[u8]) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
        Ok(Self { subjects, proc, dir: dir.to_vec(), misnamed: AtomicBool::new(false) })
    }

    /// Takes note that there is a file called `name` in the mount.
    pub(crate) fn note_name(&self, name: &[u8]) {
        if name.ends_with(DELETED) {
            self.misnamed.store(true, Ordering::SeqCst);
        }
    }

    /// The subject of process `pid` and its class.
    ///
    /// # Errors
    /// If it cannot be told, as for a process that is gone.
    pub(crate) fn subject(&self, decide: &dyn Decide, pid: u32) -> io::Result<(Vec<u8>, ClassId)> {
        match &self.subjects {
            Subjects::Entry { name, class } => Ok((name.clone(), *class)),
            Subjects::Exe => {
                if pid == 0 {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                let exe = rustix::fs::readlinkat(&self.proc, format!("{pid}/exe"), Vec::new())?.into_bytes();
                self.classify(decide, exe)
            }
        }
    }

    /// The subject that `/proc/PID/exe` shows as `exe`.
    ///
    /// A name that ends in ` (deleted)` is that of a file that has lost its name (or that the kernel has let go of, because
    /// somebody else may not look it up), unless a file is really called so: below the mount we would have
    /// seen that. Where there is no telling and the two are not of one class, neither is which rules hold.
    fn classify(&self, decide: &dyn Decide, exe: Vec<u8>) -> io::Result<(Vec<u8>, ClassId)> {
        if !is_canonical(&exe) {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        let Some(path) = exe.strip_suffix(DELETED) else {
            let class = decide.class_of(&exe);
            return Ok((exe, class));
        };
        let class = decide.class_of(path);
        let known = within(path, &self.dir) && path != self.dir && !self.misnamed.load(Ordering::SeqCst);
        if known {
            return Ok((path.to_vec(), class));
        }
        if class != decide.class_of(&exe) {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        Ok((exe, class))
    }
}
