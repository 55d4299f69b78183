//! Where a sandbox's protected directory and mounts are, told to the kernel by fstat(2) on descriptors of them.

use std::ffi::CString;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use boesfs_abi::map::{MAX_MOUNTS, Recording, SANDBOX_MOUNTS_FULL, SANDBOX_OVERLAY, Sandbox};
use nix::sys::stat::fstat;

use super::SLOT;
use super::load::{LoadError, Loaded};
use super::wire::{Wire as _, field};
use crate::plane::Inside;
use crate::sys;

/// Records the places of the sandbox `inside`. What is returned must be kept as long as the records are used: it
/// keeps mounts and directories where they are.
pub(super) fn record(loaded: &mut Loaded, inside: &Inside) -> Result<Vec<OwnedFd>, LoadError> {
    let mut held = vec![sys::duplicate(&inside.dir).map_err(|error| LoadError::map("recording", error))?];
    let (found, has_overlay) = mounts(inside)?;
    let recorder = loaded.attach_recorder()?;
    tell(loaded, 0, &held)?;
    let full = found.len() > MAX_MOUNTS as usize;
    let mounts: Vec<OwnedFd> = found.into_iter().take(MAX_MOUNTS as usize).collect();
    let count = tell(loaded, 1, &mounts)?;
    loaded.set("recording", 0, &Recording::default().to_bytes())?;
    drop(recorder);
    held.extend(mounts);
    let mut sandbox: [u8; size_of::<Sandbox>()] = loaded.get("sandboxes", SLOT)?;
    if field!(sandbox, Sandbox.anchor_dentry: u64) == 0 {
        return Err(LoadError::map("sandboxes", "the protected directory was not recorded"));
    }
    let mut flags = field!(sandbox, Sandbox.flags: u32);
    if full {
        flags |= SANDBOX_MOUNTS_FULL;
    }
    if has_overlay {
        flags |= SANDBOX_OVERLAY;
    }
    let mut put = |at: usize, value: u32| sandbox[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    put(std::mem::offset_of!(Sandbox, flags), flags);
    put(std::mem::offset_of!(Sandbox, mount_count), count);
    loaded.set("sandboxes", SLOT, &sandbox)?;
    Ok(held)
}

/// Has the kernel note `files` as `what`; the number that it did.
fn tell(loaded: &mut Loaded, what: u32, files: &[OwnedFd]) -> Result<u32, LoadError> {
    let thread = nix::unistd::gettid().as_raw() as u32;
    let recording = Recording { thread, slot: SLOT, what, count: 0 };
    loaded.set("recording", 0, &recording.to_bytes())?;
    for file in files {
        fstat(file).map_err(|error| LoadError::map("recording", error))?;
    }
    let done: [u8; size_of::<Recording>()] = loaded.get("recording", 0)?;
    let count = field!(done, Recording.count: u32);
    if count as usize == files.len() {
        Ok(count)
    } else {
        Err(LoadError::map("recording", format!("{count} of {} places were noted", files.len())))
    }
}

/// Every mount that can be seen in the sandbox, and whether one is an overlay.
fn mounts(inside: &Inside) -> Result<(Vec<OwnedFd>, bool), LoadError> {
    let pid = sys::pidfd_pid(inside.init.as_fd()).map_err(|error| LoadError::map("mounts", error))?;
    let path = format!("/proc/{pid}/mountinfo");
    let table = std::fs::read(&path).map_err(|source| LoadError::Read { path, source })?;
    let mut found = Vec::new();
    let mut has_overlay = false;
    for line in table.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let Some(point) = fields.nth(4) else { continue };
        let mut rest = fields.skip_while(|field| *field != b"-");
        has_overlay |= rest.nth(1) == Some(b"overlay");
        // A mount point that is covered, or that lies outside the root, is not seen.
        if let Some(file) = open(inside.root.as_fd(), &unescaped(point)) {
            found.push(file);
        }
    }
    Ok((found, has_overlay))
}

fn open(root: BorrowedFd<'_>, point: &[u8]) -> Option<OwnedFd> {
    let relative = point.strip_prefix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(b".");
    let path = CString::new(relative).ok()?;
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    sys::openat2(root, &path, flags, libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS).ok()
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
