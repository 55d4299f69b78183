//! The system calls a sandbox may not make, whatever the policy says: those that change what a path means, make or
//! join namespaces, reach objects by other ways than paths, or speak to the kernel's insides. Everything else passes.

use std::io;

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

use rustix::process::{Resource, Rlimit};

use super::plan::Watches;
use crate::sys;

/// Denied with `EPERM`.
const DENIED: &[i64] = &[
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // Namespaces of others; unshare(2) and clone(2) are looked at closer below.
    libc::SYS_setns,
    // Objects without a path.
    libc::SYS_open_by_handle_at,
    // Maps a file anew by a mapping, which may be an overlay's of its layer.
    libc::SYS_remap_file_pages,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Calls that a filter cannot see: their entries do not pass here.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The kernel's insides.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_fanotify_init,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
];

/// open_tree_attr(2), the same number on every architecture.
const OPEN_TREE_ATTR: i64 = 467;

/// New namespaces of any kind. `CLONE_NEWTIME` is no flag of clone(2), where its bit is part of the exit signal.
const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;
const CLONE_NEWTIME: u32 = 0x80;

/// `ioctl` requests that are denied, as the kernel compares them: whole.
const DENIED_IOCTLS: [u32; 22] = [
    // Input for a terminal that is shared with the outside.
    libc::TIOCSTI as u32,
    libc::TIOCLINUX as u32,
    // No hook is told the names that these make and remove: btrfs's SNAP_CREATE, SUBVOL_CREATE, SNAP_DESTROY and their
    // second versions.
    0x5000_9401,
    0x5000_940e,
    0x5000_940f,
    0x5000_9417,
    0x5000_9418,
    0x5000_943f,
    // bcachefs's SUBVOLUME_CREATE and SUBVOLUME_DESTROY.
    0x4020_bc10,
    0x4020_bc11,
    // bcachefs's REINHERIT_ATTRS and ocfs2's REFLINK, which take names as well.
    0x8008_bc40,
    0x4018_6f04,
    // What a whole file system holds: btrfs's SEND, TREE_SEARCH and TREE_SEARCH_V2.
    0x4048_9426,
    0xd000_9411,
    0xc070_9411,
    // XFS's OPEN, READLINK, ATTRLIST and ATTRMULTI_BY_HANDLE: objects without a path.
    0xc038_586b,
    0xc038_586c,
    0x4058_587a,
    0x4048_587b,
    // FIDEDUPERANGE, which tells who may only write what is in a file; FS_IOC_REMOVE_ENCRYPTION_KEY and its kin for all users,
    // after which files have other names.
    0xc018_9436,
    0xc040_6618,
    0xc040_6619,
];

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// System calls of the x32 ABI have this bit; on other architectures no number comes near.
const X32: u32 = 0x4000_0000;

/// Offsets in `struct seccomp_data`, whose words are little-endian here.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const fn argument_low(index: u32) -> u32 {
    16 + index * 8
}

const fn ret_errno(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// Puts this process and its descendants under the filter.
///
/// # Errors
/// What seccomp(2) says.
pub fn install(watches: Watches) -> io::Result<()> {
    sys::set_seccomp_filter(&filter(watches))
}

/// Has the kernel write down the memory of no descendant of this process. A limit of one byte is too small for a file, and
/// the only one that a program which the kernel feeds with dumps is spared by; it stays, and who sets another is told that
/// it was set.
///
/// # Errors
/// What setrlimit(2) and seccomp(2) say.
pub fn keep_no_cores() -> io::Result<()> {
    let limit = Rlimit { current: Some(1), maximum: Some(1) };
    rustix::process::setrlimit(Resource::Core, limit)?;
    let mut program = Program(Vec::new());
    program.load(NUMBER);
    program.if_sets_limit(libc::RLIMIT_CORE, ret_errno(0));
    program.ret(libc::SECCOMP_RET_ALLOW);
    sys::set_seccomp_filter(&program.0)
}

/// The filter's instructions. Every test is followed by the answer for those it catches, so that no jump is long.
#[must_use]
pub fn filter(watches: Watches) -> Vec<sock_filter> {
    let mut program = Program(Vec::new());
    program.load(ARCH);
    program.unless_equal(ARCHITECTURE, libc::SECCOMP_RET_KILL_PROCESS);
    program.load(NUMBER);
    program.if_at_least(X32, libc::SECCOMP_RET_KILL_PROCESS);
    for number in DENIED {
        program.if_equal(*number as u32, ret_errno(libc::EPERM));
    }
    // A filter cannot read clone3's arguments; libraries fall back to clone.
    program.if_equal(libc::SYS_clone3 as u32, ret_errno(libc::ENOSYS));
    program.if_argument_has(libc::SYS_clone, 0, NEW_NAMESPACES);
    program.if_argument_has(libc::SYS_unshare, 0, NEW_NAMESPACES | CLONE_NEWTIME);
    // Leaves a device where the file was, of which no hook is told.
    program.if_argument_has(libc::SYS_renameat2, 4, libc::RENAME_WHITEOUT);
    program.if_argument_is(libc::SYS_ioctl, 1, &DENIED_IOCTLS);
    match watches {
        Watches::Open => {}
        Watches::Closed => {
            program.if_equal(libc::SYS_inotify_add_watch as u32, ret_errno(libc::EACCES));
        }
    }
    program.ret(libc::SECCOMP_RET_ALLOW);
    program.0
}

struct Program(Vec<sock_filter>);

impl Program {
    fn push(&mut self, code: u32, jt: u8, jf: u8, k: u32) {
        let code = u16::try_from(code).expect("INVARIANT: BPF codes have 16 bits");
        self.0.push(sock_filter { code, jt, jf, k });
    }

    fn load(&mut self, offset: u32) {
        self.push(BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
    }

    fn ret(&mut self, action: u32) {
        self.push(BPF_RET | BPF_K, 0, 0, action);
    }

    fn unless_equal(&mut self, value: u32, action: u32) {
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, value);
        self.ret(action);
    }

    fn if_equal(&mut self, value: u32, action: u32) {
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
        self.ret(action);
    }

    fn if_at_least(&mut self, value: u32, action: u32) {
        self.push(BPF_JMP | BPF_JGE | BPF_K, 0, 1, value);
        self.ret(action);
    }

    /// EPERM for `number` with any bit of `mask` in argument `index`; else the number is loaded again.
    fn if_argument_has(&mut self, number: i64, index: u32, mask: u32) {
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, number as u32);
        self.load(argument_low(index));
        self.push(BPF_JMP | BPF_JSET | BPF_K, 0, 1, mask);
        self.ret(ret_errno(libc::EPERM));
        self.load(NUMBER);
    }

    /// `action` for calls that set the limit number `resource`; else the call's number is loaded again.
    fn if_sets_limit(&mut self, resource: u32, action: u32) {
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, libc::SYS_setrlimit as u32);
        self.load(argument_low(0));
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, resource);
        self.ret(action);
        self.load(NUMBER);
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 0, 8, libc::SYS_prlimit64 as u32);
        self.load(argument_low(1));
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 0, 5, resource);
        // Without a new limit it only asks.
        self.load(argument_low(2));
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0);
        self.load(argument_low(2) + 4);
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
        self.ret(action);
        self.load(NUMBER);
    }

    /// EPERM for `number` with argument `index` equal to one of `values`, of which there are fewer than 127, in the 32 bits
    /// the kernel looks at.
    fn if_argument_is(&mut self, number: i64, index: u32, values: &[u32]) {
        let over = u8::try_from(2 * values.len() + 2).expect("INVARIANT: a jump over so many is short");
        self.push(BPF_JMP | BPF_JEQ | BPF_K, 0, over, number as u32);
        self.load(argument_low(index));
        for value in values {
            self.if_equal(*value, ret_errno(libc::EPERM));
        }
        self.load(NUMBER);
    }
}
