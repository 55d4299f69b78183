//! `boesfs probe`: what this machine can do for sandboxes, and which plane they would get.

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use serde::Serialize;

use crate::cli::PlaneChoice;
use crate::engines;
use crate::plane::Plane;
use crate::sys::{self, Cloned};

/// What this machine can do, for this caller.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of the JSON form.
    pub version: u32,
    /// Release of the kernel.
    pub kernel: String,
    /// What it is asked for, in the order it is printed.
    pub facilities: Vec<Facility>,
    /// What `run --plane auto` would take.
    pub auto: Option<Plane>,
    /// Whether each plane works, and why not.
    pub planes: Vec<PlaneReport>,
}

/// One thing a kernel may have.
#[derive(Clone, Debug, Serialize)]
pub struct Facility {
    /// What.
    pub name: &'static str,
    /// Whether it is there; `None` if that cannot be told.
    pub available: Option<bool>,
    /// How that is known, or what is missing.
    pub detail: String,
}

/// Whether a plane works.
#[derive(Clone, Debug, Serialize)]
pub struct PlaneReport {
    /// Which.
    pub plane: Plane,
    /// Whether it does.
    pub available: bool,
    /// Why not.
    pub reason: Option<String>,
}

impl Report {
    /// Looks around, and tries what only trying can tell. The process must be single-threaded.
    #[must_use]
    pub fn new() -> Self {
        let plane = |plane| match engines::available(plane) {
            Ok(()) => PlaneReport { plane, available: true, reason: None },
            Err(error) => PlaneReport { plane, available: false, reason: Some(error.reason) },
        };
        Self {
            version: 1,
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into()),
            facilities: vec![
                bpf_lsm(),
                path("btf", "/sys/kernel/btf/vmlinux"),
                mounted("bpffs", "bpf"),
                mounted("cgroup2", "cgroup2"),
                user_namespaces(),
                path("fuse", "/dev/fuse"),
                seccomp(),
            ],
            planes: vec![plane(Plane::Lsm), plane(Plane::Fuse)],
            auto: engines::choose(PlaneChoice::Auto).ok().map(|chosen| chosen.plane),
        }
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn bpf_lsm() -> Facility {
    let (name, path) = ("bpf lsm", "/sys/kernel/security/lsm");
    match read(path) {
        Some(list) => {
            Facility { name, available: Some(list.split(',').any(|lsm| lsm == "bpf")), detail: list }
        }
        None => Facility {
            name,
            available: None,
            detail: format!("{path} cannot be read: is securityfs mounted?"),
        },
    }
}

fn path(name: &'static str, path: &str) -> Facility {
    let opened = std::fs::File::options().read(true).open(path);
    let (available, detail) = match opened {
        Ok(_) => (Some(true), path.to_owned()),
        Err(error) => (Some(false), format!("{path}: {error}")),
    };
    Facility { name, available, detail }
}

fn mounted(name: &'static str, kind: &str) -> Facility {
    let table = read("/proc/self/mountinfo").unwrap_or_default();
    let target = table.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        (file_system.split(' ').next()? == kind).then(|| mount.split(' ').nth(4).map(str::to_owned))?
    });
    match target {
        Some(target) => Facility { name, available: Some(true), detail: target },
        None => Facility { name, available: Some(false), detail: "not mounted".into() },
    }
}

fn user_namespaces() -> Facility {
    let name = "user namespaces";
    match try_user_namespace() {
        Ok(()) => Facility { name, available: Some(true), detail: "one was made".into() },
        Err(error) => Facility { name, available: Some(false), detail: error.to_string() },
    }
}

/// Makes a user namespace and lets it go: sysctls and security modules have many ways to say no, and trying is the
/// only sure answer. The process must be single-threaded.
fn try_user_namespace() -> io::Result<()> {
    match sys::clone(libc::CLONE_NEWUSER)? {
        Cloned::Child => sys::exit(0),
        Cloned::Parent(_, pidfd) => {
            waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED)?;
            Ok(())
        }
    }
}

fn seccomp() -> Facility {
    let (name, path) = ("seccomp", "/proc/sys/kernel/seccomp/actions_avail");
    match read(path) {
        Some(list) => Facility { name, available: Some(true), detail: list },
        None => Facility { name, available: Some(false), detail: format!("{path} is not there") },
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel           {}", self.kernel)?;
        let yes_no = |available| if available { "yes" } else { "no" };
        for Facility { name, available, detail } in &self.facilities {
            let available = available.map_or("?", yes_no);
            writeln!(f, "{name:<16} {available:<3}  {detail}")?;
        }
        for PlaneReport { plane, available, reason } in &self.planes {
            let name = format!("{plane} plane");
            match reason {
                Some(reason) => writeln!(f, "{name:<16} {:<3}  {reason}", yes_no(*available))?,
                None => writeln!(f, "{name:<16} {}", yes_no(*available))?,
            }
        }
        match self.auto {
            Some(plane) => writeln!(f, "--plane auto     takes {plane}"),
            None => writeln!(f, "--plane auto     refuses to run: there is no plane"),
        }
    }
}
