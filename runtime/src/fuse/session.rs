//! The mount and the threads that serve it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::abort;
use std::sync::Arc;
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::process::Resource;

use super::caller::{Resolver, Subjects};
use super::decision::Decide;
use super::device;
use super::gate::{Gate, Labels};
use super::lower::Lower;
use super::tree::Tree;
use crate::events::Denials;

/// Where the kernel hands out connections.
const DEVICE: &str = "/dev/fuse";

/// How many requests are worked on at a time: one that waits for a slow disk must not hold up the others.
const THREADS: std::ops::RangeInclusive<usize> = 4..=16;

/// Why there is no mount, or nobody to serve it.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The device is not there or not for us.
    #[error("cannot open /dev/fuse: {0}")]
    Device(io::Error),
    /// The kernel refuses the mount.
    #[error("cannot mount a FUSE file system in the sandbox's user namespace: {0}")]
    Mount(io::Error),
    /// What is beneath cannot be reached.
    #[error("cannot reach the protected directory: {0}")]
    Tree(io::Error),
    /// There is no telling who calls.
    #[error("cannot see processes in /proc: {0}")]
    Processes(io::Error),
    /// No threads.
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
}

/// A mount that nobody serves yet: whoever touches it waits. The process that serves must never be the one: killed
/// while it waits for itself it could neither answer nor end.
#[derive(Debug)]
pub struct Session {
    device: OwnedFd,
    lower: Lower,
    dir: Vec<u8>,
}

/// A mount that is served.
pub struct Served {
    tree: Arc<Tree>,
}

/// Opens the device and makes a mount of it that is attached nowhere yet, to show the directory `tree` at the path
/// `dir`. Must be called in the user namespace of the sandbox, with every capability in it, and in the pid
/// namespace that process ids are to be those of. `tree` must not be reached through the mount itself.
///
/// # Errors
/// Whatever the kernel refuses.
pub fn mount(tree: OwnedFd, dir: Vec<u8>) -> Result<(Session, OwnedFd), SessionError> {
    let lower = Lower::new(tree).map_err(SessionError::Tree)?;
    let device = open_device()?;
    let mount = make_mount(&device).map_err(SessionError::Mount)?;
    Ok((Session { device, lower, dir }, mount))
}

/// Makes a mount and lets it go.
pub(crate) fn try_mount() -> Result<(), SessionError> {
    make_mount(&open_device()?).map_err(SessionError::Mount).map(drop)
}

fn open_device() -> Result<OwnedFd, SessionError> {
    rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| SessionError::Device(error.into()))
}

fn make_mount(device: &OwnedFd) -> io::Result<OwnedFd> {
    let number = |id: u32| id.to_string();
    let context = rustix::mount::fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let fs = context.as_fd();
    rustix::mount::fsconfig_set_string(fs, "source", "boesfs")?;
    rustix::mount::fsconfig_set_string(fs, "subtype", "boesfs")?;
    rustix::mount::fsconfig_set_string(fs, "fd", device.as_raw_fd().to_string())?;
    rustix::mount::fsconfig_set_string(fs, "rootmode", "40000")?;
    rustix::mount::fsconfig_set_string(fs, "user_id", number(rustix::process::geteuid().as_raw()))?;
    rustix::mount::fsconfig_set_string(fs, "group_id", number(rustix::process::getegid().as_raw()))?;
    rustix::mount::fsconfig_set_flag(fs, "allow_other")?;
    rustix::mount::fsconfig_create(fs)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(rustix::mount::fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

impl Session {
    /// Starts threads that serve the mount by what `decide` says, telling `denials`. They run until the process ends
    /// or the mount is gone; if one fails, the process ends, and every request with it. `covered` are the places where the
    /// sandbox mounts something of its own.
    ///
    /// # Errors
    /// If they cannot be started.
    pub fn serve(
        self,
        decide: Box<dyn Decide>,
        subjects: Subjects,
        labels: Labels,
        denials: Denials,
        covered: &[PathBuf],
    ) -> Result<Served, SessionError> {
        raise_descriptor_limit();
        let resolver = Resolver::new(subjects, &self.dir).map_err(SessionError::Processes)?;
        let gate = Gate::new(decide, resolver, denials, labels);
        let tree = Arc::new(Tree::new(self.lower, self.dir, gate, covered).map_err(SessionError::Tree)?);
        let device = Arc::new(self.device);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for number in 0..(2 * cores).clamp(*THREADS.start(), *THREADS.end()) {
            let (device, tree) = (Arc::clone(&device), Arc::clone(&tree));
            let work = move || {
                if device::serve(device.as_fd(), &tree).is_err() {
                    // A thread less is a sandbox that may wait for ever.
                    abort();
                }
            };
            thread::Builder::new()
                .name(format!("fuse-{number}"))
                .spawn(work)
                .map_err(SessionError::Threads)?;
        }
        Ok(Served { tree })
    }
}

impl Served {
    /// From here on every request is judged.
    pub fn arm(&self) {
        self.tree.gate.arm();
    }
}

/// Each file that the sandbox has open is one of ours. If the limit cannot be raised, opens fail when it is reached.
fn raise_descriptor_limit() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
}
