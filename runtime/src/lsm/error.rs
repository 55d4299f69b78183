//! What keeps the lsm plane from working.

use std::io;
use std::path::PathBuf;

use aya::maps::MapError;
use boesfs_ebpf::SizeClass;

/// Why the programs are not at work.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The blob is larger than any map takes.
    #[error("the policy's blob has {0} bytes, more than {max}", max = SizeClass::Huge.bytes())]
    TooLarge(usize),
    /// Something of /proc, /sys or /run cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel's symbols are hidden.
    #[error(
        "/proc/kallsyms does not give the address of `rename_lock`: run as root, with kernel.kptr_restrict below 2"
    )]
    Symbol,
    /// The kernel tells nothing of its types.
    #[error(
        "the kernel has no type information at /sys/kernel/btf/vmlinux: it must be built with CONFIG_DEBUG_INFO_BTF"
    )]
    NoBtf,
    /// What the kernel tells of its types cannot be read.
    #[error("the kernel's type information: {0}")]
    Btf(#[from] aya::BtfError),
    /// The object was refused.
    #[error("cannot load the object: {0}{why}", why = causes(.0))]
    Object(aya::EbpfError),
    /// The kernel makes no such map.
    #[error("the kernel does not make map `{map}`: {source}{hint}", hint = map_hint(source))]
    MapRefused {
        /// Which.
        map: String,
        /// Why.
        source: io::Error,
    },
    /// A program was refused.
    #[error("cannot {action} `{program}`: {source}")]
    Program {
        /// What was to be done.
        action: &'static str,
        /// The program.
        program: &'static str,
        /// Why.
        source: Box<aya::programs::ProgramError>,
    },
    /// A program cannot be attached.
    #[error("cannot attach `{program}` at `{hook}`: {source}")]
    Attach {
        /// The program.
        program: &'static str,
        /// Its hook.
        hook: &'static str,
        /// Why.
        source: io::Error,
    },
    /// As many programs are attached as the kernel takes.
    #[error(
        "cannot attach `{program}` at `{hook}`: as many programs of others stand there as the kernel takes; `bpftool link` lists them"
    )]
    Crowded {
        /// The program.
        program: &'static str,
        /// Its hook.
        hook: &'static str,
    },
    /// A name on the bpf file system cannot be made or found.
    #[error("{path}: {source}{hint}", path = path.display(), hint = hint(source))]
    Pin {
        /// The name.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no bpf file system.
    #[error("no bpf file system is mounted at {0}: mount -t bpf bpf {0}")]
    NoBpffs(&'static str),
    /// It cannot be written.
    #[error("the bpf file system at {0} is mounted read-only: mount -o remount,rw {0}")]
    ReadOnlyBpffs(&'static str),
    /// A map was refused.
    #[error("map `{map}`: {reason}")]
    Map {
        /// Which.
        map: &'static str,
        /// Why.
        reason: String,
    },
    /// Everything is taken.
    #[error("the engine has no room for one more {0}")]
    Full(&'static str),
    /// Names of an engine at work are gone.
    #[error("{} is not whole: somebody took names of a running engine away; end its sandboxes and remove the directory", .0.display())]
    Damaged(PathBuf),
    /// An engine is there whose objects others may have.
    #[error(
        "an engine that is not sealed is running, and its objects may be in other hands: end its sandboxes first"
    )]
    Unsealed,
    /// A seal would have a hand in it.
    #[error(
        "the engine cannot be sealed: process {0} of this program is traced, and whoever does that is under the seal"
    )]
    Traced(u32),
    /// It was not found out what to seal.
    #[error(
        "the engine cannot be sealed: the kernel does not tell which program this is, or where its names are"
    )]
    Seal,
    /// It was taken for one that is gone.
    #[error("the sandbox was cleared away before its command began")]
    Cleared,
    /// The sandbox's name cannot be had.
    #[error(transparent)]
    Name(#[from] crate::tenants::ClaimError),
    /// The policy may not run, or it cannot be written down that it does.
    #[error(transparent)]
    Revision(#[from] crate::trust::TrustError),
}

/// Nothing but a seal keeps root from names on the bpf file system.
fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM) => ": another program has sealed the engine; use that one",
        _ => "",
    }
}

/// Maps are the kernel's memory, and count as the caller's. What is kept with inodes is where BPF is a security module.
fn map_hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOMEM) => {
            "; maps count against the memory.max of the caller's cgroup, and `boesfsc inspect` says what they take"
        }
        Some(libc::EOPNOTSUPP) => "; `bpf` must be among the active security modules: boot with lsm=…,bpf",
        _ => "",
    }
}

impl From<aya::EbpfError> for LoadError {
    fn from(error: aya::EbpfError) -> Self {
        match error {
            aya::EbpfError::MapError(MapError::CreateError { name, io_error }) => {
                Self::MapRefused { map: name, source: io_error }
            }
            other => Self::Object(other),
        }
    }
}

impl LoadError {
    pub(super) fn map(map: &'static str, reason: impl ToString) -> Self {
        Self::Map { map, reason: reason.to_string() }
    }

    /// The kernel makes no `map`, because of `source`.
    pub(super) fn refused(map: &str, source: io::Error) -> Self {
        Self::MapRefused { map: map.to_owned(), source }
    }

    /// What `source` means for attaching `program` at `hook`.
    pub(super) fn attach(program: &'static str, hook: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::E2BIG) => Self::Crowded { program, hook },
            _ => Self::Attach { program, hook, source },
        }
    }

    pub(super) fn read(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { path: path.into(), source }
    }

    pub(super) fn program(
        action: &'static str,
        program: &'static str,
        source: aya::programs::ProgramError,
    ) -> Self {
        Self::Program { action, program, source: Box::new(source) }
    }
}

/// What an error came of, cause by cause, each after a colon.
fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source()).map(|cause| format!(": {cause}")).collect()
}
