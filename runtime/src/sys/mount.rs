//! The system calls by which mounts are made apart from where they will be.

use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::null;

use libc::c_uint;

use super::{check, owned};

/// A detached copy of the mount at `path`: of it alone, or with all mounts below it.
///
/// # Errors
/// What open_tree(2) says.
pub fn clone_mount(path: &CStr, depth: Depth) -> io::Result<OwnedFd> {
    let recursive = match depth {
        Depth::Alone => 0,
        Depth::Recursive => libc::AT_RECURSIVE as c_uint,
    };
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | recursive;
    // SAFETY: `path` outlives the call.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })
}

/// Whether mounts below a mount are meant too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// They are not.
    Alone,
    /// They are.
    Recursive,
}

/// Makes `mount` (and, if `depth` says so, all below it) read-only.
///
/// # Errors
/// What mount_setattr(2) says.
pub fn make_read_only(mount: BorrowedFd<'_>, depth: Depth) -> io::Result<()> {
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH
        | match depth {
            Depth::Alone => 0,
            Depth::Recursive => libc::AT_RECURSIVE,
        };
    let (attributes, size) = (&raw const attributes, size_of::<libc::mount_attr>());
    // SAFETY: the empty path and `attributes` outlive the call, and `size` is the length of `attributes`.
    let set = unsafe {
        libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), c"".as_ptr(), flags, attributes, size)
    };
    check(set).map(drop)
}

/// Puts the detached `mount` at `target`.
///
/// # Errors
/// What move_mount(2) says.
pub fn move_mount(mount: BorrowedFd<'_>, target: &CStr) -> io::Result<()> {
    let (from, here) = (mount.as_raw_fd(), libc::AT_FDCWD);
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
    // SAFETY: both paths outlive the call.
    let moved =
        unsafe { libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), here, target.as_ptr(), flags) };
    check(moved).map(drop)
}

/// A new detached mount of file system `kind` with `options` (a name, and a value unless it is a flag) and
/// the mount attributes `attributes` (`MOUNT_ATTR_*`).
///
/// # Errors
/// What fsopen(2), fsconfig(2) and fsmount(2) say.
pub fn new_mount(kind: &CStr, options: &[(&CStr, Option<&CStr>)], attributes: u64) -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: c_uint = 1;
    const FSMOUNT_CLOEXEC: c_uint = 1;
    const FSCONFIG_SET_FLAG: c_uint = 0;
    const FSCONFIG_SET_STRING: c_uint = 1;
    const FSCONFIG_CMD_CREATE: c_uint = 6;
    let none = null::<libc::c_char>();
    // SAFETY: `kind` outlives the call.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    let configure = |command: c_uint, key: *const libc::c_char, value: *const libc::c_char| {
        // SAFETY: `key` and `value` are null where the command allows it, else strings that outlive the call.
        check(unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) })
    };
    for (key, value) in options {
        match value {
            Some(value) => configure(FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr())?,
            None => configure(FSCONFIG_SET_FLAG, key.as_ptr(), none)?,
        };
    }
    configure(FSCONFIG_CMD_CREATE, none, none)?;
    // SAFETY: the call takes no pointer.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) })
}

/// The id of the mount that `file` is reached through, as in the first column of mountinfo.
///
/// # Errors
/// What statx(2) says; `Unsupported` if the kernel does not tell.
pub fn mount_id(file: BorrowedFd<'_>) -> io::Result<u64> {
    let mut stat = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let (flags, mask) = (libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT, libc::STATX_MNT_ID);
    // SAFETY: the empty path outlives the call, and `stat` is room for what it writes.
    let done = unsafe { libc::statx(file.as_raw_fd(), c"".as_ptr(), flags, mask, stat.as_mut_ptr()) };
    check(done.into())?;
    // SAFETY: every bit pattern is a `statx`, and it was zeroed before the kernel wrote it.
    let stat = unsafe { stat.assume_init() };
    if stat.stx_mask & libc::STATX_MNT_ID == 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(stat.stx_mnt_id)
}
