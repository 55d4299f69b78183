//! The values of the lsm plane's maps, as the loader writes and the programs read them, and what the `bpf` engine's
//! program takes and gives.

use core::mem::{offset_of, size_of};

use crate::layout::{FieldSpec, StructSpec};

/// How many sandboxes one engine holds.
pub const MAX_SANDBOXES: u32 = 16_384;
/// How many policies of each size class one engine holds.
pub const MAX_POLICIES: [u32; 4] = [4096, 1024, 256, 64];
/// Bytes of a protected directory's path that a map of short ones holds.
pub const SHORT_DIR: u32 = 192;
/// The most mounts inside a sandbox that calls without a mount are judged by; with more, those calls are denied.
pub const MAX_MOUNTS: u32 = 64;
/// How many of them are one value of the map `mounts`: the kernel's allocator leaves no room beside them.
pub const MOUNTS_PIECE: u32 = 8;
/// How many such values one engine holds.
pub const MAX_MOUNTS_PIECES: u32 = 4 * MAX_SANDBOXES;
/// How many calls can be judged at once on one processor; further ones are denied, and counted as events that were lost.
pub const WORKS_PER_CPU: u32 = 16;
/// In a [`Call`]'s `never`: what follows is a text, and `label` is to be its class.
pub const CALL_TEXT: u32 = 2;
/// The room for a path or name that follows a structure.
pub const CALL_PATH: u32 = 4096;

/// The sandbox has reached its last denial: everything is denied.
pub const SANDBOX_KILLED: u32 = 1 << 1;
/// An overlay is mounted in the sandbox: calls of its own on layers that are not mounted themselves are let through.
pub const SANDBOX_OVERLAY: u32 = 1 << 2;
/// Creating user namespaces is allowed.
pub const SANDBOX_USERNS: u32 = 1 << 3;
/// More mounts than [`MAX_MOUNTS`] were found.
pub const SANDBOX_MOUNTS_FULL: u32 = 1 << 4;
/// Decisions are made and reported, and nothing is denied for them.
pub const SANDBOX_PERMISSIVE: u32 = 1 << 5;
/// Nobody wants to be told of its decisions: it has no ring buffer.
pub const SANDBOX_UNTOLD: u32 = 1 << 6;

/// In a [`Binding`]: the subject is the program that runs, and an exec gives the class.
pub const BINDING_CLASSES: u32 = 1 << 0;
/// In a [`Binding`]: what is read, written or mapped is also judged as if it were opened again.
pub const BINDING_STRICT: u32 = 1 << 1;
/// In a [`Binding`]: what goes through a descriptor is judged, for its open does not tell.
pub const BINDING_TRANSFERS: u32 = 1 << 2;

/// How many kinds of event are counted at once; the one that was longest not seen is forgotten.
pub const MAX_FOLDS: u32 = 8192;
/// Nanoseconds in which so many events of one kind are told, as a power of two: about a second.
pub const FOLD_WINDOW: u32 = 30;
/// Bytes of the ring buffer that says that a sandbox has reached its limit.
pub const LIMITS_RING: u32 = 4096;

/// The program that records places notes the protected directory.
pub const RECORD_DIR: u32 = 0;
/// It notes a mount by a directory on it.
pub const RECORD_MOUNT: u32 = 1;
/// It notes which program the caller runs, for the seal.
pub const RECORD_TOOL: u32 = 2;
/// It notes the engine's directory, for the seal.
pub const RECORD_ENGINE: u32 = 3;
/// It notes the directory of all engines, for the seal.
pub const RECORD_ROOT: u32 = 4;

/// What a sealed number is that of: a map, or a program.
pub const SEAL_MAP: u32 = 0;
/// A program.
pub const SEAL_PROGRAM: u32 = 1;
/// How many maps and programs can be sealed.
pub const MAX_SEALS: u32 = 1 << 16;

/// The task has not run the command yet: nothing it does is asked.
pub const LABEL_ENTERING: u32 = 1 << 0;
/// `pending` is meant.
pub const LABEL_PENDING: u32 = 1 << 1;
/// No number of execs, or any.
pub const EXEC_ANY: u64 = u64::MAX;
/// How many labels wait for their tasks to be given them.
pub const MAX_ORPHANS: u32 = 1 << 10;
/// How many tasks can be between two looks at a name that they would make: see [`Asked`].
pub const MAX_ASKED: u32 = 1 << 10;

wire_struct! {
    /// What the kernel knows of a task in a sandbox: the value of task storage.
    pub struct Label(56) {
        /// Index of the sandbox.
        slot: u32,
        /// The subject's class, under the policy of `generation`.
        class: u32,
        /// The class that an exec which has not committed yet will give.
        pending: u32,
        /// `LABEL_*`.
        flags: u32,
        /// The sandbox's id: its slot may have been given to another since.
        sandbox: u64,
        /// The generation whose policy numbers the class.
        generation: u64,
        /// The generation whose policy numbers the pending class.
        pending_generation: u64,
        /// The task's execs, as the kernel counts them, when the class was found: it is of no other program.
        /// [`EXEC_ANY`]: it is of each, until one is noted.
        exec: u64,
        /// The same after the exec that `pending` and the end of [`LABEL_ENTERING`] wait for.
        pending_exec: u64,
    }
}

wire_struct! {
    /// One sandbox. All zeros where there is none, but for [`SANDBOX_KILLED`] where there was one.
    pub struct Sandbox(128) {
        /// Its number, never given twice by one engine.
        id: u64,
        /// The generation of its policy: the one word that a reload flips. Its lowest bit says which of the sandbox's two
        /// bindings counts.
        generation: u64,
        /// The protected directory: address of its mount and of its dentry.
        anchor_mount: u64,
        /// The dentry.
        anchor_dentry: u64,
        /// Address of the sandbox's mount namespace.
        mount_namespace: u64,
        /// `SANDBOX_*`.
        flags: u32,
        /// Length of the protected directory's path; 0 if it is the root.
        dir_len: u32,
        /// How many mounts are recorded.
        mount_count: u32,
        /// Index of the ring buffer that its events go to.
        ring: u32,
        /// It is killed at this many denials; 0 is never.
        kill_after: u64,
        /// Denials so far.
        denials: u64,
        /// Events that were lost: they did not fit into the ring buffer, or no work buffer was free to judge the call, which
        /// was denied.
        dropped: u64,
        /// The number of its mount namespace, which the kernel never gives twice.
        mount_namespace_seq: u64,
        /// Inode number of its mount namespace.
        mount_namespace_id: u32,
        /// How many events of one kind are told in a [`FOLD_WINDOW`]; 0 tells all.
        event_rate: u32,
        /// Events that were not told because there were too many of their kind.
        folded: u64,
        /// How many system call filters its command began with.
        filters: u64,
        /// 0.
        reserved2: [u64; 2],
    }
}

wire_struct! {
    /// A generation of a sandbox's policy: which policy, and what its numbers mean there.
    pub struct Binding(64) {
        /// The policy's size class: which map of policies it is in.
        policy_class: u32,
        /// Its index in that map.
        policy_slot: u32,
        /// Node reference of the path automaton's state after the protected directory's path (before the first `/` if
        /// it is the root).
        dir_node: u32,
        /// Bytes into that node's chain.
        dir_inside: u32,
        /// The same for the text automaton.
        dir_text_node: u32,
        /// Bytes into that node's chain.
        dir_text_inside: u32,
        /// Row of the protected directory itself.
        dir_label: u32,
        /// Class of a program the policy does not mention.
        other_class: u32,
        /// `BINDING_*`.
        flags: u32,
        /// Index of the table of programs that the policy's subjects name.
        table: u32,
        /// How many there are, each a [`Program`].
        program_count: u32,
        /// 0.
        reserved: u32,
        /// 0.
        reserved2: [u64; 2],
    }
}

wire_struct! {
    /// A mount namespace in which every task must have a label, by its inode number.
    pub struct Armed(16) {
        /// The number of the namespace, which the kernel never gives twice.
        seq: u64,
        /// Index of the sandbox.
        slot: u32,
        /// 0.
        reserved: u32,
    }
}

wire_struct! {
    /// A policy that is loaded. All zeros where there is none. For user space alone, as [`EngineRecord`].
    pub struct PolicyRecord(64) {
        /// Its content id.
        id: [u64; 4],
        /// The hooks it needs: bits by the table of hooks.
        hooks: u64,
        /// How many generations of sandboxes use it.
        uses: u64,
        /// The kernel's number of the table of programs that it was last bound with, for others to have the same; or 0.
        table: u64,
        /// 0.
        reserved: u64,
    }
}

wire_struct! {
    /// What an engine knows of itself.
    pub struct EngineRecord(128) {
        /// The id of the latest sandbox.
        last_id: u64,
        /// How many sandboxes there are.
        sandboxes: u64,
        /// Hooks that this kernel does not have: bits by the table of hooks.
        absent: u64,
        /// Inode number of the mount namespace of whoever started it, in which no task is in a sandbox.
        host_namespace: u64,
        /// The slot at which a free one is looked for next.
        cursor: u64,
        /// Whether the engine is sealed: 1, 0.
        sealed: u64,
        /// The file of the program that sealed it, by inode number and the device of its file system.
        tool_inode: u64,
        /// The device.
        tool_device: u32,
        /// The device of the file system that names of the engine are on.
        bpffs_device: u32,
        /// Inode number of the engine's directory there, and of the directory of all engines.
        directory: u64,
        /// The directory of all engines.
        root: u64,
        /// 0.
        reserved: [u64; 6],
    }
}

wire_struct! {
    /// A kind of event: who did what to what, and what decided. Two events of one kind differ in time and process alone.
    pub struct FoldKey(40) {
        /// A number made of its names that nobody outside the kernel can foretell.
        names: u64,
        /// The sandbox's id.
        sandbox: u64,
        /// The policy's generation.
        generation: u64,
        /// Class of the subject.
        class: u32,
        /// Cell that decided.
        cell: u32,
        /// Entry that decided.
        entry: u32,
        /// Operation, verdict and reason, a byte each.
        what: u32,
    }
}

wire_struct! {
    /// How often a kind of event was seen of late.
    pub struct Fold(16) {
        /// Which window it was last told in.
        window: u64,
        /// How often it was told in that.
        told: u32,
        /// How often it was not since it was last told.
        folded: u32,
    }
}

wire_struct! {
    /// A name that the kernel has asked to make before it looked whether it is there.
    pub struct Asked(24) {
        /// Address of the directory's dentry.
        parent: u64,
        /// The name's length and, below that, its hash, as the kernel has them.
        name: u64,
        /// When, in nanoseconds.
        time: u64,
    }
}

wire_struct! {
    /// One mount inside a sandbox.
    pub struct Mount(24) {
        /// Address of the mount.
        mount: u64,
        /// Address of the dentry that is its root.
        root: u64,
        /// Address of the file system's superblock.
        superblock: u64,
    }
}

wire_struct! {
    /// A program that a policy's subject names; [`CALL_PATH`] bytes follow: its path or base name, and zeros.
    pub struct Program(16) {
        /// Its class.
        class: u32,
        /// Length of the text.
        len: u32,
        /// 1 for a base name, 0 for a path.
        is_name: u32,
        /// 0.
        reserved: u32,
    }
}

wire_struct! {
    /// A call of the `bpf` engine: one request in, one decision out. [`CALL_PATH`] bytes follow: the path.
    pub struct Call(120) {
        /// Values of the fields: arguments, uid, gid, kind.
        value: [u64; 8],
        /// Bit per field: known.
        known: u32,
        /// Bit per field: absent.
        absent: u32,
        /// Operation.
        op: u32,
        /// Class.
        class: u32,
        /// Length of the path.
        path_len: u32,
        /// 0 decides; 1 asks whether the operation is denied whatever its arguments; [`CALL_TEXT`].
        never: u32,
        /// The row the path led to.
        label: u32,
        /// The answer: 1 denied.
        deny: u32,
        /// Cell that decided.
        cell: u32,
        /// Entry that decided.
        entry: u32,
        /// Reason.
        reason: u32,
        /// Errno code.
        error: u32,
        /// Whether it is reported.
        report: u32,
        /// 0.
        reserved: u32,
    }
}

/// Every structure of this module.
pub const STRUCTS: [StructSpec; 12] = [
    Label::SPEC,
    Sandbox::SPEC,
    Binding::SPEC,
    Armed::SPEC,
    PolicyRecord::SPEC,
    EngineRecord::SPEC,
    FoldKey::SPEC,
    Fold::SPEC,
    Asked::SPEC,
    Mount::SPEC,
    Program::SPEC,
    Call::SPEC,
];
