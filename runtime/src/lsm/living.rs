//! Which processes of the machine are in sandboxes: by their labels, which nobody but the kernel and the engine gives or takes,
//! whatever is written down below `/run`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use boesfs_abi::map::Label;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::seal::unless_gone;
use super::wire::field;
use crate::sys::{self, bpf};

/// The inode number of the pid namespace that the machine was started with: `PROC_PID_INIT_INO` of the kernel's
/// `linux/proc_ns.h`.
const FIRST_PID_NAMESPACE: u64 = 0xefff_fffc;
/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of the sandboxes `ids`, whose mount namespaces have the inode numbers `namespaces`, those that processes live in, each with
/// one of these.
///
/// A sandbox's first process is there as long as any other can make new ones, so none is missed.
pub(super) fn among(
    labels: BorrowedFd<'_>,
    namespaces: &HashSet<u64>,
    ids: &HashSet<u64>,
) -> io::Result<HashMap<u64, i32>> {
    let mut living = HashMap::new();
    labelled(
        labels,
        |namespace| namespaces.contains(&namespace),
        |number, _, label| {
            living.extend(Some((sandbox(label), number)).filter(|(id, _)| ids.contains(id)));
        },
    )?;
    Ok(living)
}

/// Kills the processes of the sandbox `id`, whose mount namespace has the inode number `namespace`, and waits until they are
/// gone; whether they are.
pub(super) fn end(labels: BorrowedFd<'_>, namespace: u32, id: u64) -> io::Result<bool> {
    let began = Instant::now();
    loop {
        let mut living = Vec::new();
        labelled(
            labels,
            |other| other == u64::from(namespace),
            |_, process, label| {
                if sandbox(label) == id {
                    living.push(process);
                }
            },
        )?;
        if living.is_empty() {
            return Ok(true);
        }
        for process in &living {
            let _ = sys::pidfd_kill(process.as_fd(), libc::SIGKILL);
        }
        for process in &living {
            let patience = PATIENCE.saturating_sub(began.elapsed()).as_millis();
            if !has_ended(process, PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX))? {
                return Ok(false);
            }
        }
    }
}

/// A process that lives in some sandbox of the engine, of whatever build, whose labels are `labels`.
pub(super) fn anybody(labels: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    // Whoever calls this is in no sandbox.
    let own = mount_namespace(Path::new("/proc/self"))?;
    let mut found = None;
    labelled(labels, |namespace| namespace != own, |number, _, _| found = Some(number))?;
    Ok(found)
}

/// Calls `found` with the number of each living process that has a label, a pidfd of it, and the label: of those in mount
/// namespaces that are `wanted`, and of those whose namespace cannot be told.
fn labelled(
    labels: BorrowedFd<'_>,
    wanted: impl Fn(u64) -> bool,
    mut found: impl FnMut(i32, OwnedFd, &[u8]),
) -> io::Result<()> {
    // Something else could be mounted there.
    if rustix::fs::statfs("/proc")?.f_type != libc::PROC_SUPER_MAGIC {
        return Err(io::Error::other("what is mounted at /proc tells no processes"));
    }
    if fs::metadata("/proc/self/ns/pid")?.ino() != FIRST_PID_NAMESPACE {
        return Err(io::Error::other("from this pid namespace not all processes are seen"));
    }
    let mut label = vec![0; bpf::value_length(labels)?];
    for entry in fs::read_dir("/proc")? {
        let process = entry?;
        let Some(number) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One whose first thread has ended tells no namespace.
        if mount_namespace(&process.path()).is_ok_and(|namespace| !wanted(namespace)) {
            continue;
        }
        let Some(process) = unless_gone(sys::pidfd_open(number))? else { continue };
        let has_label = bpf::map_lookup(labels, &process.as_raw_fd().to_ne_bytes(), &mut label)?;
        // What has ended and was not waited for still has its label.
        if has_label && !has_ended(&process, PollTimeout::ZERO)? {
            found(number, process, &label);
        }
    }
    Ok(())
}

fn mount_namespace(process: &Path) -> io::Result<u64> {
    fs::metadata(process.join("ns/mnt")).map(|namespace| namespace.ino())
}

fn sandbox(label: &[u8]) -> u64 {
    field!(label, Label.sandbox: u64)
}

/// Whether all threads of `process` end within `patience`.
fn has_ended(process: &OwnedFd, patience: PollTimeout) -> io::Result<bool> {
    let mut waiting = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    poll(&mut waiting, patience)?;
    Ok(waiting[0].any().unwrap_or(false))
}
