//! The one door to the kernel for what safe wrappers do not cover: every unsafe block of this crate is here, one
//! operation each. Functions are named for their system calls and keep their meaning.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

pub mod bpf;
mod mount;
mod shared;

use std::ffi::{CStr, CString};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::ptr::{null, null_mut};

use libc::{c_int, c_long, c_uint, c_ulong, c_void};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};

pub use self::mount::{Depth, clone_mount, make_read_only, mount_id, move_mount, new_mount};
pub use self::shared::{Bell, SharedArray};

/// The most descriptors one packet carries.
const PACKET_FDS: usize = 4;

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(fd: c_long) -> io::Result<OwnedFd> {
    let fd = RawFd::try_from(check(fd)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just returned `fd` as a new descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Which side of a [`clone`] this is.
#[derive(Debug)]
pub enum Cloned {
    /// The caller, with the child's pid as the caller sees it and a pidfd of it.
    Parent(c_int, OwnedFd),
    /// The child, single-threaded, with a copy of the caller's memory.
    Child,
}

/// clone(2) as fork(2) does it, in new `namespaces` (`CLONE_NEW…`). To be called while single-threaded:
/// a lock another thread held would stay locked in the child.
///
/// # Errors
/// What clone(2) says.
pub fn clone(namespaces: c_int) -> io::Result<Cloned> {
    let flags = namespaces | libc::CLONE_PIDFD | libc::SIGCHLD;
    let flags = c_ulong::try_from(flags).map_err(io::Error::other)?;
    let mut pidfd: c_int = -1;
    // SAFETY: without CLONE_VM and with no stack the child continues on a copy of this one's; `pidfd` outlives the call.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            null_mut::<u8>(),
            &raw mut pidfd,
            null_mut::<c_int>(),
            0 as c_ulong,
        )
    };
    match c_int::try_from(check(pid)?).map_err(io::Error::other)? {
        0 => Ok(Cloned::Child),
        pid => Ok(Cloned::Parent(pid, owned(pidfd.into())?)),
    }
}

/// What became of a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended with this status.
    Exited(u8),
    /// This signal ended it.
    Signaled(c_int),
    /// This signal stopped it.
    Stopped(c_int),
    /// It runs again.
    Continued,
}

/// waitpid(2) for the child `pid`, -1 for any: which one it was, and what became of it. A signal may be any number, a
/// real-time one too, of which nix knows none and returns an error when the child is gone for good.
///
/// # Errors
/// What waitpid(2) says, but for `EINTR`.
pub fn waitpid(pid: c_int) -> io::Result<(c_int, Change)> {
    let mut status: c_int = 0;
    loop {
        // SAFETY: `status` outlives the call.
        match check(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into()) {
            Ok(child) => return Ok((c_int::try_from(child).map_err(io::Error::other)?, change(status))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn change(status: c_int) -> Change {
    if libc::WIFEXITED(status) {
        Change::Exited(libc::WEXITSTATUS(status) as u8)
    } else if libc::WIFSIGNALED(status) {
        Change::Signaled(libc::WTERMSIG(status))
    } else if libc::WIFSTOPPED(status) {
        Change::Stopped(libc::WSTOPSIG(status))
    } else {
        Change::Continued
    }
}

/// Has the tracee `pid`, which is stopped, run on with `signal`.
///
/// # Errors
/// What ptrace(2) says.
pub fn ptrace_continue(pid: c_int, signal: c_int) -> io::Result<()> {
    let unused = null_mut::<c_void>();
    // SAFETY: this request writes no memory of this process.
    check(unsafe { libc::ptrace(libc::PTRACE_CONT, pid, unused, c_long::from(signal)) }).map(drop)
}

/// Ends the process at once with `status`: no destructors, no exit handlers.
pub fn exit(status: c_int) -> ! {
    // SAFETY: _exit touches no memory.
    unsafe { libc::_exit(status) }
}

/// A pidfd of `pid`.
///
/// # Errors
/// What pidfd_open(2) says.
pub fn pidfd_open(pid: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointer.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// Sends `signal` to the process `pidfd` stands for.
///
/// # Errors
/// What pidfd_send_signal(2) says.
pub fn pidfd_kill(pidfd: BorrowedFd<'_>, signal: c_int) -> io::Result<()> {
    let info = null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed and means one as kill(2) makes it.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, 0) };
    check(sent).map(drop)
}

/// Sends `signal` to `pid`, which must name one process (not 0).
///
/// # Errors
/// What kill(2) says; `EINVAL` for 0 and what is no pid.
pub fn kill(pid: u32, signal: c_int) -> io::Result<()> {
    let pid = c_int::try_from(pid).ok().filter(|pid| *pid > 0).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: the call takes no pointer.
    check(unsafe { libc::kill(pid, signal) }.into()).map(drop)
}

/// Whether SIGKILL is on its way to task `pid`, or there is no such task any more.
#[must_use]
pub fn is_being_killed(pid: u32) -> bool {
    const KILL: u64 = 1 << (libc::SIGKILL - 1);
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return true };
    let pending = status.lines().filter_map(|line| {
        let mask = line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    pending.fold(0, |all, mask| all | mask) & KILL != 0
}

/// Which namespace: device and inode of its file under /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceId(u64, u64);

impl NamespaceId {
    /// Length of its bytes.
    pub const LENGTH: usize = 16;

    /// As bytes, to be told to another process of this machine.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        (u128::from(self.0) << 64 | u128::from(self.1)).to_le_bytes()
    }

    /// From its [bytes](Self::to_bytes).
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        let both = u128::from_le_bytes(bytes);
        Self((both >> 64) as u64, both as u64)
    }

    fn at(path: &str) -> io::Result<Self> {
        let file = std::fs::metadata(path)?;
        Ok(Self(file.dev(), file.ino()))
    }
}

/// The pid namespace of task `pid`.
///
/// # Errors
/// If there is no such task, or it may not be looked at.
pub fn pid_namespace(pid: u32) -> io::Result<NamespaceId> {
    NamespaceId::at(&format!("/proc/{pid}/ns/pid"))
}

/// The pid namespace of this process.
///
/// # Errors
/// If /proc does not tell.
pub fn own_pid_namespace() -> io::Result<NamespaceId> {
    NamespaceId::at("/proc/self/ns/pid")
}

/// Two connected sockets that keep packet boundaries, closed on exec.
///
/// # Errors
/// What socketpair(2) says.
pub fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Whether a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until there is something.
    Yes,
    /// Not at all.
    No,
}

/// Sends one packet, with copies of `fds`; waits for room.
///
/// # Errors
/// What sendmsg(2) says, but for `EINTR`.
pub fn send_packet(socket: BorrowedFd<'_>, packet: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    loop {
        match sendmsg::<()>(
            socket.as_raw_fd(),
            &[io::IoSlice::new(packet)],
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Err(nix::errno::Errno::EINTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

/// Receives one packet into `buffer` and the descriptors it carries; length 0 means that the other end is gone.
///
/// # Errors
/// What recvmsg(2) says, but for `EINTR`; `InvalidData` for a packet longer than `buffer`.
pub fn receive_packet(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    wait: Wait,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; PACKET_FDS]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC
        | match wait {
            Wait::Yes => MsgFlags::empty(),
            Wait::No => MsgFlags::MSG_DONTWAIT,
        };
    loop {
        let mut parts = [io::IoSliceMut::new(buffer)];
        let message = match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
            Err(nix::errno::Errno::EINTR) => continue,
            other => other?,
        };
        let mut fds = Vec::new();
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = part {
                for fd in raw {
                    fds.push(owned(fd.into())?);
                }
            }
        }
        if message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "packet too long"));
        }
        return Ok((message.bytes, fds));
    }
}

fn prctl(option: c_int, argument: c_ulong) -> io::Result<()> {
    let unused: c_ulong = 0;
    // SAFETY: the options used in this module take numbers, not pointers.
    check(unsafe { libc::prctl(option, argument, unused, unused, unused) }.into()).map(drop)
}

/// Has the kernel kill this process when the thread that made it ends. The caller must then
/// check that it has not ended already.
///
/// # Errors
/// What prctl(2) says.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong)
}

/// Shuts this process to ptrace and its /proc files to others of the same user, until it execs.
///
/// # Errors
/// What prctl(2) says.
pub fn set_undumpable() -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// No exec gives this process or its descendants a privilege any more.
///
/// # Errors
/// What prctl(2) says.
pub fn set_no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Gives up every capability in every set, and the ways by which uid 0 would get them back.
///
/// # Errors
/// What prctl(2) and capset(2) say.
pub fn drop_capabilities() -> io::Result<()> {
    /// NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off, NO_CAP_AMBIENT_RAISE, each with its lock.
    const SECUREBITS: c_ulong = 0b1110_1111;
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as c_ulong)?;
    for capability in 0.. {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            Ok(()) => {}
            // The first number that is no capability.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && capability > 0 => break,
            Err(error) => return Err(error),
        }
    }
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS)?;

    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [[0_u32; 3]; 2];
    // SAFETY: `header` and the two sets that version 3 reads outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// Puts every system call of this thread and its descendants through `filter`.
///
/// # Errors
/// What seccomp(2) says; `InvalidInput` for a filter of more than 65 535 instructions.
pub fn set_seccomp_filter(filter: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel reads through this pointer and does not write.
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: `program` and the `len` instructions it points at outlive the call.
    check(unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program) }).map(drop)
}

/// Closes every descriptor above standard error that is not in `keep`. The owners of those closed must never
/// be dropped: the process has to end by [`exit`] or exec.
///
/// # Errors
/// What close_range(2) says.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut keep: Vec<c_uint> = keep.iter().filter_map(|fd| c_uint::try_from(fd.as_raw_fd()).ok()).collect();
    keep.sort_unstable();
    let mut first: c_uint = 3;
    for fd in keep.into_iter().filter(|fd| *fd >= 3).chain([c_uint::MAX]) {
        if fd > first {
            let last = if fd == c_uint::MAX { fd } else { fd - 1 };
            // SAFETY: the call takes no pointer; by this function's contract no owner of these descriptors is used again.
            check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
        }
        first = fd.saturating_add(1);
    }
    Ok(())
}

/// Blocks exactly the signals in `blocked`, and gives SIGPIPE, which Rust's runtime ignores, its default action.
/// What the caller's caller has ignored stays ignored.
///
/// # Errors
/// What sigprocmask(2) says.
pub fn restore_signals(blocked: &nix::sys::signal::SigSet) -> io::Result<()> {
    // SAFETY: the default action refers to no code of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    Ok(nix::sys::signal::sigprocmask(nix::sys::signal::SigmaskHow::SIG_SETMASK, Some(blocked), None)?)
}

/// openat2(2): `path` below `dir`, with `flags` of open(2) and `resolve` of `RESOLVE_*`.
///
/// # Errors
/// What openat2(2) says, but for `EAGAIN`.
pub fn openat2(dir: BorrowedFd<'_>, path: &CStr, flags: c_int, resolve: u64) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct How {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    let flags = u64::try_from(flags | libc::O_CLOEXEC).map_err(io::Error::other)?;
    let how = How { flags, mode: 0, resolve };
    loop {
        let (how, size) = (&raw const how, size_of::<How>());
        // SAFETY: `path` and `how` outlive the call and `size` is the length of `how`.
        let fd = unsafe { libc::syscall(libc::SYS_openat2, dir.as_raw_fd(), path.as_ptr(), how, size) };
        match owned(fd) {
            // A rename or mount elsewhere raced with a `..` of this path.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            other => return other,
        }
    }
}

/// `path` as the kernel takes it.
///
/// # Errors
/// `InvalidInput` if it holds a NUL.
pub fn c_path(path: &std::path::Path) -> io::Result<CString> {
    CString::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())).map_err(io::Error::from)
}

/// An independent descriptor of the same open file.
///
/// # Errors
/// What dup(2) says.
pub fn duplicate(fd: impl AsFd) -> io::Result<OwnedFd> {
    fd.as_fd().try_clone_to_owned()
}

/// The pid of the process `pidfd` stands for, as this process sees it.
///
/// # Errors
/// If the process is gone or out of sight.
pub fn pidfd_pid(pidfd: BorrowedFd<'_>) -> io::Result<u32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    text.lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
        .filter(|pid| *pid > 0)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the process is gone"))
}
