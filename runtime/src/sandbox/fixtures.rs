//! What a sandbox has mounted of its own: collected while the caller's root is still there, mounted when the
//! sandbox's root is in place.

use std::ffi::CStr;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;

use super::mounts::{self, Mount};
use super::plan::Fixture;
use crate::sys::{self, Depth};

const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// The devices a sandbox has, if the caller has them.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Files that configure the machine: the kernel lets uid 0 of the host write them without any capability.
const READ_ONLY: [&CStr; 5] = [c"/proc/sys", c"/proc/sysrq-trigger", c"/proc/irq", c"/proc/bus", c"/proc/fs"];

/// Files that tell of the machine what a sandbox need not know.
const MASKED: [&CStr; 4] = [c"/proc/kcore", c"/proc/keys", c"/proc/key-users", c"/proc/timer_list"];

/// Mounts that are nowhere yet.
#[derive(Debug)]
pub(crate) struct Collection {
    proc: OwnedFd,
    sys: Option<OwnedFd>,
    devices: Vec<(&'static str, OwnedFd)>,
    masks: Vec<OwnedFd>,
}

impl Collection {
    /// Collects `fixtures`, in the sandbox's pid namespace and the caller's root.
    pub(crate) fn new(fixtures: &[Fixture]) -> io::Result<Self> {
        let proc = sys::new_mount(c"proc", &[(c"source", Some(c"proc"))], NOSUID | NODEV | NOEXEC).map_err(
            |error| match error.raw_os_error() {
                Some(libc::EPERM) => {
                    context(error, "a /proc of its own (is part of the caller's /proc mounted over?)")
                }
                _ => context(error, "a /proc of its own"),
            },
        )?;
        let sys = fixtures.contains(&Fixture::Sys).then(|| {
            let mount = sys::clone_mount(c"/sys", Depth::Recursive)?;
            sys::make_read_only(mount.as_fd(), Depth::Recursive)?;
            Ok(mount)
        });
        let device = |name| {
            let path = Path::new("/dev").join(name);
            path.exists().then(|| sys::clone_mount(&sys::c_path(&path)?, Depth::Alone))
        };
        let mut devices = Vec::new();
        if fixtures.contains(&Fixture::Dev) {
            for name in DEVICES {
                if let Some(mount) = device(name) {
                    devices.push((name, mount.map_err(|error| context(error, name))?));
                }
            }
        }
        let masks = MASKED.iter().filter_map(|_| device("null")).collect::<io::Result<_>>();
        Ok(Self {
            proc,
            sys: sys.transpose().map_err(|error: io::Error| context(error, "/sys"))?,
            devices,
            masks: masks.map_err(|error| context(error, "/dev/null"))?,
        })
    }

    /// The mounts of this mount namespace as seen from the present root.
    pub(crate) fn mount_table(&self) -> io::Result<Vec<Mount>> {
        let file = sys::openat2(self.proc.as_fd(), c"self/mountinfo", libc::O_RDONLY, 0)?;
        let mut text = Vec::new();
        std::fs::File::from(file).read_to_end(&mut text)?;
        mounts::parse(&text)
    }

    /// Mounts `fixture` at its place.
    pub(crate) fn place(&mut self, fixture: Fixture) -> io::Result<()> {
        match fixture {
            Fixture::Proc => self.place_proc(),
            Fixture::Sys => match &self.sys {
                Some(mount) => sys::move_mount(mount.as_fd(), c"/sys"),
                None => Ok(()),
            },
            Fixture::Dev => self.place_dev(),
        }
    }

    fn place_proc(&mut self) -> io::Result<()> {
        sys::move_mount(self.proc.as_fd(), c"/proc")?;
        for path in READ_ONLY.into_iter().filter(|path| exists(path)) {
            let mount = sys::clone_mount(path, Depth::Recursive)?;
            sys::make_read_only(mount.as_fd(), Depth::Recursive)?;
            sys::move_mount(mount.as_fd(), path)?;
        }
        for (path, mask) in MASKED.into_iter().filter(|path| exists(path)).zip(&self.masks) {
            sys::move_mount(mask.as_fd(), path)?;
        }
        Ok(())
    }

    fn place_dev(&mut self) -> io::Result<()> {
        let dev = sys::new_mount(
            c"tmpfs",
            &[(c"source", Some(c"dev")), (c"mode", Some(c"0755"))],
            NOSUID | NOEXEC,
        )?;
        sys::move_mount(dev.as_fd(), c"/dev")?;
        for (name, mount) in &self.devices {
            let path = Path::new("/dev").join(name);
            std::fs::File::create(&path)?;
            sys::move_mount(mount.as_fd(), &sys::c_path(&path)?)?;
        }
        std::fs::create_dir("/dev/pts")?;
        let terminals =
            [(c"source", Some(c"devpts")), (c"ptmxmode", Some(c"0666")), (c"mode", Some(c"0620"))];
        let pts = sys::new_mount(c"devpts", &terminals, NOSUID | NOEXEC)?;
        sys::move_mount(pts.as_fd(), c"/dev/pts")?;
        std::fs::create_dir("/dev/shm")?;
        let shm =
            sys::new_mount(c"tmpfs", &[(c"source", Some(c"shm")), (c"mode", Some(c"1777"))], NOSUID | NODEV)?;
        sys::move_mount(shm.as_fd(), c"/dev/shm")?;
        symlink("pts/ptmx", "/dev/ptmx")?;
        symlink("/proc/self/fd", "/dev/fd")?;
        for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
            symlink(format!("/proc/self/fd/{number}"), Path::new("/dev").join(name))?;
        }
        sys::make_read_only(dev.as_fd(), Depth::Alone)
    }
}

fn exists(path: &CStr) -> bool {
    path.to_str().is_ok_and(|path| Path::new(path).exists())
}

fn context(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
