//! Where a sandbox's protected directory and mounts are, noted by the kernel from descriptors of them.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use boesfs_abi::map::{MAX_MOUNTS, RECORD_DIR, RECORD_MOUNT, SANDBOX_MOUNTS_FULL, SANDBOX_OVERLAY, Sandbox};

use super::engine::Engine;
use super::error::LoadError;
use super::record::{half, word};
use crate::plane::Inside;
use crate::sys;

/// Records the places of the sandbox `inside`, which is in `slot`. What is returned must be kept as long as the records
/// are used: it keeps mounts and directories where they are.
pub(super) fn record(engine: &Engine, slot: usize, inside: &Inside) -> Result<Vec<OwnedFd>, LoadError> {
    let (mut held, has_overlay) = mounts(inside)?;
    let full = held.len() > MAX_MOUNTS as usize;
    held.truncate(MAX_MOUNTS as usize);
    let dir = sys::duplicate(&inside.dir).map_err(|error| LoadError::map("sandboxes", error))?;
    engine.room_for_mounts(slot, held.len())?;
    let mut noted = engine.record(dir.as_fd(), slot, RECORD_DIR, 0)?;
    for (index, mount) in held.iter().enumerate() {
        noted &= engine.record(mount.as_fd(), slot, RECORD_MOUNT, index)?;
    }
    let sandboxes = &engine.records().sandboxes;
    if !noted || word!(sandboxes, slot, Sandbox.anchor_dentry).load(Ordering::Relaxed) == 0 {
        return Err(LoadError::map("sandboxes", "the sandbox's places could not be recorded"));
    }
    half!(sandboxes, slot, Sandbox.mount_count).store(held.len() as u32, Ordering::Relaxed);
    let flags = if full { SANDBOX_MOUNTS_FULL } else { 0 } | if has_overlay { SANDBOX_OVERLAY } else { 0 };
    half!(sandboxes, slot, Sandbox.flags).fetch_or(flags, Ordering::Relaxed);
    held.push(dir);
    Ok(held)
}

/// Every mount that can be seen in the sandbox, and whether one is an overlay.
fn mounts(inside: &Inside) -> Result<(Vec<OwnedFd>, bool), LoadError> {
    let pid = sys::pidfd_pid(inside.init.as_fd()).map_err(|error| LoadError::map("mounts", error))?;
    let path = format!("/proc/{pid}/mountinfo");
    let table = std::fs::read(&path).map_err(|source| LoadError::read(path, source))?;
    let mut found = Vec::new();
    let mut has_overlay = false;
    for line in table.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let Some(point) = fields.nth(4) else { continue };
        let mut rest = fields.skip_while(|field| *field != b"-");
        has_overlay |= rest.nth(1) == Some(b"overlay");
        // A mount point that is covered, or that lies outside the root, is not seen.
        match open(inside.root.as_fd(), &unescaped(point)) {
            Ok(file) => found.push(file),
            Err(error) if is_out_of_reach(&error) => {}
            Err(error) => return Err(LoadError::map("mounts", error)),
        }
    }
    Ok((found, has_overlay))
}

/// Whether it is not there, not for this process, or beneath a server that is gone: nobody inside comes to it then either.
fn is_out_of_reach(error: &io::Error) -> bool {
    let gone = [libc::ENOENT, libc::ENOTDIR, libc::EACCES, libc::ENOTCONN, libc::ESTALE, libc::EIO];
    error.raw_os_error().is_some_and(|number| gone.contains(&number))
}

fn open(root: BorrowedFd<'_>, point: &[u8]) -> io::Result<OwnedFd> {
    let relative = point.strip_prefix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(b".");
    let path = CString::new(relative)?;
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    sys::openat2(root, &path, flags, libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS)
}

/// Mount points as /proc writes them: blanks and backslashes as three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => out.push(*first),
        }
    }
    out
}
