//! The operation table: the single source for how an operation is spelt, what its tuple holds, and how each
//! plane sees it.

use std::fmt;

/// One file operation. The discriminant is its bit in [`OpSet`] and its id on the wire; it is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Op {
    /// Reach the object by name, whether it exists or not.
    Lookup = 0,
    /// Open it, with any flags.
    Open = 1,
    /// Take bytes from it by any call.
    Read = 2,
    /// Change its bytes by any call.
    Write = 3,
    /// Make a regular file.
    Create = 4,
    /// Make a directory.
    Mkdir = 5,
    /// Remove a directory.
    Rmdir = 6,
    /// Remove a name.
    Unlink = 7,
    /// Make a fifo, socket or device node.
    Mknod = 8,
    /// Make a hard link of the object.
    Link = 9,
    /// Make a symbolic link; the object is the link that appears.
    Symlink = 10,
    /// Move the object.
    Rename = 11,
    /// Change its metadata.
    Setattr = 12,
    /// Look at its metadata.
    Getattr = 13,
    /// Move an open file's offset.
    Llseek = 14,
    /// List a directory.
    Iterate = 15,
    /// Map it.
    Mmap = 16,
    /// `BoesFS`'s `d_revalidate`; decided as [`Op::Lookup`].
    Lookup2 = 17,
    /// Ask about its file system.
    Statfs = 18,
    /// Flush it.
    Fsync = 19,
    /// Run it.
    Exec = 20,
    /// `ioctl` on it.
    Ioctl = 21,
}

/// How an argument is typed in a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgType {
    /// An unsigned 64-bit number.
    Unsigned,
    /// A signed 64-bit number, carried as its two's complement.
    Signed,
    /// An absolute canonical path in the sandbox's view.
    Path,
    /// Free bytes (the text of a symbolic link).
    Text,
}

/// One value of an operation's tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgSpec {
    /// The name after `r.args.`.
    pub name: &'static str,
    /// Its type.
    pub ty: ArgType,
    /// What it is, for people; one line.
    pub doc: &'static str,
}

/// How exactly a plane enforces an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every call is judged, exactly.
    Exact,
    /// Judged, but not exactly as asked; the text says how. Never weaker than the policy.
    Approximate(&'static str),
    /// Some calls do not reach the plane; the text says which.
    Partial(&'static str),
    /// The plane cannot see the operation; the text says why.
    Unenforceable(&'static str),
}

/// What an open descriptor has to be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Access {
    /// Anything, `O_PATH` as well.
    Any = 1,
    /// Anything but `O_PATH`.
    Use = 2,
    /// Reading.
    Read = 4,
    /// Writing.
    Write = 8,
}

impl Access {
    /// Every access.
    pub const ALL: [Self; 4] = [Self::Any, Self::Use, Self::Read, Self::Write];

    /// Whether an `open` with `flags` gives it. The access mode 3 counts as reading and writing.
    #[must_use]
    pub fn given_by(self, flags: u64) -> bool {
        let opened = flags & OPEN_PATH == 0;
        match self {
            Self::Any => true,
            Self::Use => opened,
            Self::Read => opened && flags & 3 != 1,
            Self::Write => opened && flags & 3 != 0,
        }
    }
}

/// `O_PATH`.
pub const OPEN_PATH: u64 = 0o10_000_000;

/// One row of the operation table.
#[derive(Clone, Copy, Debug)]
pub struct OpSpec {
    /// The operation.
    pub op: Op,
    /// Its spelling in policies.
    pub name: &'static str,
    /// What it is, for people; one line.
    pub doc: &'static str,
    /// The tuple, in order. At most [`MAX_ARGS`].
    pub args: &'static [ArgSpec],
    /// LSM hooks that judge it, without the `lsm/` prefix.
    pub lsm_hooks: &'static [&'static str],
    /// FUSE requests that judge it.
    pub fuse_ops: &'static [&'static str],
    /// How exactly the lsm plane enforces it.
    pub lsm: Coverage,
    /// How exactly the fuse plane enforces it.
    pub fuse: Coverage,
}

/// The longest tuple of any operation.
pub const MAX_ARGS: usize = 4;

const fn unsigned(name: &'static str, doc: &'static str) -> ArgSpec {
    ArgSpec { name, ty: ArgType::Unsigned, doc }
}

const FLAGS: ArgSpec = unsigned("flags", "open flags as the caller gave them, without O_LARGEFILE");
const LEN: ArgSpec = unsigned("len", "bytes asked for");
const OFFSET: ArgSpec = ArgSpec { name: "offset", ty: ArgType::Signed, doc: "offset in bytes" };
const MODE: ArgSpec = unsigned("mode", "mode after umask, with type bits except for mkdir");
const NEW_PATH: ArgSpec = ArgSpec { name: "new_path", ty: ArgType::Path, doc: "the new name" };

const LOOKUP_FLAGS: &str = "lookup flags are not known here: a rule with a tuple is judged for every value";

/// The operation table, indexed by [`Op`].
pub const OPS: [OpSpec; Op::COUNT] = [
    OpSpec {
        op: Op::Lookup,
        name: "lookup",
        doc: "reach the object by name, whether it exists or not",
        args: &[unsigned("flags", "lookup flags")],
        lsm_hooks: &["inode_permission", "file_open", "inode_getattr"],
        fuse_ops: &["LOOKUP"],
        lsm: Coverage::Partial(
            "judged on the way to every other operation; O_PATH on the last name itself calls no hook",
        ),
        fuse: Coverage::Approximate(LOOKUP_FLAGS),
    },
    OpSpec {
        op: Op::Open,
        name: "open",
        doc: "open it, with any flags",
        args: &[FLAGS],
        lsm_hooks: &["file_open"],
        fuse_ops: &["OPEN", "OPENDIR", "CREATE"],
        lsm: Coverage::Approximate("O_CLOEXEC is not seen: a tuple that tests it is judged for both values"),
        fuse: Coverage::Approximate(
            "the kernel strips O_CREAT, O_EXCL, O_NOCTTY and O_CLOEXEC: a tuple is judged for every value",
        ),
    },
    OpSpec {
        op: Op::Read,
        name: "read",
        doc: "take bytes from it by any call",
        args: &[LEN, OFFSET],
        lsm_hooks: &["file_open", "file_permission"],
        fuse_ops: &["READ", "OPEN"],
        lsm: Coverage::Approximate(
            "len and offset are exact for read and pread; other calls are judged for every value",
        ),
        fuse: Coverage::Approximate(
            "exact with direct I/O, which a policy that tests len or offset switches on",
        ),
    },
    OpSpec {
        op: Op::Write,
        name: "write",
        doc: "change its bytes by any call, truncation included",
        args: &[LEN, OFFSET],
        lsm_hooks: &["file_open", "file_permission", "path_truncate", "file_truncate"],
        fuse_ops: &["WRITE", "OPEN", "SETATTR", "FALLOCATE"],
        lsm: Coverage::Approximate(
            "len and offset are exact for write and pwrite; other calls are judged for every value",
        ),
        fuse: Coverage::Approximate(
            "exact with direct I/O, which a policy that tests len or offset switches on",
        ),
    },
    OpSpec {
        op: Op::Create,
        name: "create",
        doc: "make a regular file",
        args: &[MODE],
        lsm_hooks: &["path_mknod", "file_open"],
        fuse_ops: &["CREATE", "MKNOD"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Mkdir,
        name: "mkdir",
        doc: "make a directory",
        args: &[unsigned("mode", "mode after umask, without type bits")],
        lsm_hooks: &["path_mkdir"],
        fuse_ops: &["MKDIR"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Rmdir,
        name: "rmdir",
        doc: "remove a directory",
        args: &[],
        lsm_hooks: &["path_rmdir"],
        fuse_ops: &["RMDIR"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Unlink,
        name: "unlink",
        doc: "remove a name",
        args: &[],
        lsm_hooks: &["path_unlink"],
        fuse_ops: &["UNLINK"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Mknod,
        name: "mknod",
        doc: "make a fifo, socket or device node",
        args: &[MODE, unsigned("dev", "device number as mknod(2) takes it")],
        lsm_hooks: &["path_mknod"],
        fuse_ops: &["MKNOD"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Link,
        name: "link",
        doc: "make a hard link of the object",
        args: &[NEW_PATH],
        lsm_hooks: &["path_link"],
        fuse_ops: &["LINK"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Symlink,
        name: "symlink",
        doc: "make a symbolic link; the object is the link that appears",
        args: &[ArgSpec { name: "target", ty: ArgType::Text, doc: "the link's text" }],
        lsm_hooks: &["path_symlink"],
        fuse_ops: &["SYMLINK"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Rename,
        name: "rename",
        doc: "move the object",
        args: &[NEW_PATH],
        lsm_hooks: &["path_rename"],
        fuse_ops: &["RENAME2"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Setattr,
        name: "setattr",
        doc: "change mode, owner, times, extended attributes or inode flags",
        args: &[
            unsigned("mode", "new mode with type bits; absent where the call carries none"),
            unsigned("uid", "new owner; absent where the call carries none"),
            unsigned("gid", "new group; absent where the call carries none"),
        ],
        lsm_hooks: &[
            "path_chmod",
            "path_chown",
            "inode_setattr",
            "inode_setxattr",
            "inode_removexattr",
            "inode_set_acl",
            "inode_remove_acl",
        ],
        fuse_ops: &["SETATTR", "SETXATTR", "REMOVEXATTR"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Getattr,
        name: "getattr",
        doc: "look at its metadata",
        args: &[],
        lsm_hooks: &[
            "inode_getattr",
            "inode_readlink",
            "inode_getxattr",
            "inode_listxattr",
            "inode_get_acl",
            "inode_permission",
        ],
        fuse_ops: &["GETATTR", "READLINK", "GETXATTR", "LISTXATTR", "ACCESS"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Llseek,
        name: "llseek",
        doc: "move an open file's offset",
        args: &[OFFSET, unsigned("whence", "SEEK_SET and its kin")],
        lsm_hooks: &[],
        fuse_ops: &["LSEEK"],
        lsm: Coverage::Unenforceable("no LSM hook sees llseek"),
        fuse: Coverage::Partial(
            "only SEEK_DATA and SEEK_HOLE reach a FUSE server; SEEK_SET, SEEK_CUR and SEEK_END do not",
        ),
    },
    OpSpec {
        op: Op::Iterate,
        name: "iterate",
        doc: "list a directory",
        args: &[],
        lsm_hooks: &["file_permission", "file_open"],
        fuse_ops: &["READDIR", "READDIRPLUS", "OPENDIR"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Mmap,
        name: "mmap",
        doc: "map it",
        args: &[
            unsigned("start", "first byte of the mapping's address"),
            unsigned("end", "one past the last byte of the mapping's address"),
            unsigned("prot", "PROT_* bits"),
            unsigned("flags", "MAP_* bits"),
        ],
        lsm_hooks: &["mmap_file", "file_mprotect"],
        fuse_ops: &["OPEN"],
        lsm: Coverage::Approximate(
            "start and end are not known at the hook: a tuple that tests them is judged for every value",
        ),
        fuse: Coverage::Approximate(
            "mappings send no request: where mmap, read or exec may be denied the file is opened with direct I/O: a shared mapping fails where somebody may read but not map, any other that is denied gets SIGBUS at its first touch",
        ),
    },
    OpSpec {
        op: Op::Lookup2,
        name: "lookup2",
        doc: "BoesFS's d_revalidate: the same as lookup",
        args: &[unsigned("flags", "lookup flags")],
        lsm_hooks: &["inode_permission", "file_open", "inode_getattr"],
        fuse_ops: &["LOOKUP"],
        lsm: Coverage::Partial("as lookup"),
        fuse: Coverage::Approximate(LOOKUP_FLAGS),
    },
    OpSpec {
        op: Op::Statfs,
        name: "statfs",
        doc: "ask about its file system",
        args: &[],
        lsm_hooks: &["sb_statfs"],
        fuse_ops: &["STATFS"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Fsync,
        name: "fsync",
        doc: "flush it",
        args: &[unsigned("datasync", "1 for fdatasync, else 0")],
        lsm_hooks: &[],
        fuse_ops: &["FSYNC", "FSYNCDIR"],
        lsm: Coverage::Unenforceable("no LSM hook sees fsync"),
        fuse: Coverage::Exact,
    },
    OpSpec {
        op: Op::Exec,
        name: "exec",
        doc: "run it, or map it with PROT_EXEC",
        args: &[],
        lsm_hooks: &["bprm_check_security", "file_open", "mmap_file", "file_mprotect"],
        fuse_ops: &["OPEN"],
        lsm: Coverage::Exact,
        fuse: Coverage::Approximate(
            "an exec is judged at its open; a later PROT_EXEC mapping sends no request, so where exec may be denied the file is opened with direct I/O and its pages are judged as exec when they are read",
        ),
    },
    OpSpec {
        op: Op::Ioctl,
        name: "ioctl",
        doc: "ioctl on it, but for FIOCLEX, FIONCLEX, FIONBIO and FIOASYNC",
        args: &[unsigned("cmd", "the request number")],
        lsm_hooks: &["file_ioctl", "file_ioctl_compat"],
        fuse_ops: &["IOCTL"],
        lsm: Coverage::Exact,
        fuse: Coverage::Exact,
    },
];

impl Op {
    /// How many operations there are.
    pub const COUNT: usize = 22;

    /// The operation with wire id `id`, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        OPS.get(usize::from(id)).map(|spec| spec.op)
    }

    /// The operation spelt `name` in a policy, if there is one. Aliases and groups are not operations.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        OPS.iter().find(|spec| spec.name == name).map(|spec| spec.op)
    }

    /// Its row in the table.
    #[must_use]
    pub fn spec(self) -> &'static OpSpec {
        &OPS[self as usize]
    }

    /// Its spelling in policies.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// What the descriptor must be open for that it goes through.
    #[must_use]
    pub fn access(self) -> Access {
        match self {
            Self::Read | Self::Iterate | Self::Mmap => Access::Read,
            Self::Write => Access::Write,
            Self::Llseek | Self::Fsync | Self::Ioctl => Access::Use,
            _ => Access::Any,
        }
    }

    /// The operation that is decided in its place: itself, but for [`Op::Lookup2`].
    #[must_use]
    pub fn decided_as(self) -> Self {
        if self == Self::Lookup2 { Self::Lookup } else { self }
    }

    /// Whether the operation asks about a name that is to appear, not about contents.
    #[must_use]
    pub fn makes_name(self) -> bool {
        OpSet::MAKING.contains(self)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of operations, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpSet(u32);

impl OpSet {
    /// No operation.
    pub const EMPTY: Self = Self(0);
    /// Every operation.
    pub const ALL: Self = Self((1 << Op::COUNT) - 1);
    /// `create`, `mkdir`, `symlink`, `mknod`: they ask about a name that is to appear.
    pub const MAKING: Self = Self::of(&[Op::Create, Op::Mkdir, Op::Symlink, Op::Mknod]);
    /// The operations that go through a descriptor and so need an `open`.
    pub const THROUGH_OPEN: Self =
        Self::of(&[Op::Read, Op::Write, Op::Iterate, Op::Llseek, Op::Mmap, Op::Fsync, Op::Ioctl, Op::Exec]);

    /// The set of `ops`.
    #[must_use]
    pub const fn of(ops: &[Op]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < ops.len() {
            bits |= 1 << ops[i] as u32;
            i += 1;
        }
        Self(bits)
    }

    /// The set whose bits are `bits`; bits beyond the last operation are dropped.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Bit `1 << op as u32` for each member.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether `op` is a member.
    #[must_use]
    pub const fn contains(self, op: Op) -> bool {
        self.0 & (1 << op as u32) != 0
    }

    /// Whether there is no member.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Members of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Members of both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Members of `self` only.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The set with `op` added.
    #[must_use]
    pub const fn with(self, op: Op) -> Self {
        Self(self.0 | 1 << op as u32)
    }

    /// The members in id order.
    pub fn iter(self) -> impl Iterator<Item = Op> {
        OPS.iter().map(|spec| spec.op).filter(move |op| self.contains(*op))
    }
}

/// The groups a policy may name in place of operations, with their spelling.
pub const GROUPS: [(&str, OpSet); 8] = {
    const BASE: OpSet =
        OpSet::of(&[Op::Lookup, Op::Lookup2, Op::Open, Op::Getattr, Op::Llseek, Op::Statfs, Op::Fsync]);
    const READ: OpSet = OpSet::of(&[Op::Read, Op::Iterate, Op::Mmap]);
    const WRITE: OpSet = OpSet::of(&[Op::Write]);
    const MAKE: OpSet = OpSet::of(&[Op::Create, Op::Mkdir, Op::Mknod, Op::Link, Op::Symlink, Op::Rename]);
    const REMOVE: OpSet = OpSet::of(&[Op::Unlink, Op::Rmdir, Op::Rename]);
    const META: OpSet = OpSet::of(&[Op::Setattr, Op::Ioctl]);
    const MODIFY: OpSet = WRITE.union(MAKE).union(REMOVE).union(META);
    [
        ("@base", BASE),
        ("@read", READ),
        ("@write", WRITE),
        ("@make", MAKE),
        ("@remove", REMOVE),
        ("@meta", META),
        ("@modify", MODIFY),
        ("@use", READ.union(MODIFY).with(Op::Exec)),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_dense_and_names_unique() {
        for (id, spec) in OPS.iter().enumerate() {
            assert_eq!(spec.op as usize, id, "{} stands at row {id}", spec.name);
            assert_eq!(Op::from_name(spec.name), Some(spec.op));
            assert!(spec.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
            assert!(spec.args.len() <= MAX_ARGS);
        }
    }

    #[test]
    fn every_enforced_operation_has_a_hook() {
        for spec in &OPS {
            let lsm = matches!(spec.lsm, Coverage::Unenforceable(_));
            assert_eq!(lsm, spec.lsm_hooks.is_empty(), "{}", spec.name);
            let fuse = matches!(spec.fuse, Coverage::Unenforceable(_));
            assert_eq!(fuse, spec.fuse_ops.is_empty(), "{}", spec.name);
        }
    }
}
