//! The bytes of a compiled policy, as compiler, loader, host C and kernel share them.
//!
//! A **blob** is the decision part of an image: position-independent, little-endian, walked in place by Rust, by host
//! C and, as the value of one map element, by BPF. It begins with a [`PolicyHeader`]; every `*_off` in it is a
//! multiple of 8, in bytes from the start of the blob. A **node reference** is an offset in units of 8 bytes.
//!
//! # Nodes
//! A node is a [`Node`] followed by its bytes. A walk starts at a node and reads input byte by byte:
//! * [`NODE_CHAIN`]: `len` bytes follow, zero-padded to a multiple of 8. Input equal to all of them leads to `next`.
//!   Input that ends inside them ends with this node's `label`; a byte that differs leads to `other`.
//!   INVARIANT(chain): so all states inside a chain have one label and one default.
//! * [`NODE_BRANCH`]: `len` bytes, at most [`MAX_BRANCH`], follow in increasing order, zero-padded to a multiple of 8,
//!   then `len` node references (`u32`), zero-padded to a multiple of 8. The byte that is listed at place `i` leads to
//!   reference `i`, any other to `other`. `next` is 0.
//! * [`NODE_TABLE`]: `len` node references (`u32`) follow, zero-padded to a multiple of 8. Byte `low + i` leads to
//!   reference `i`, any other to `other`. `low + len` is at most 256; `next` is 0.
//! * [`NODE_SINK`]: whatever follows, the label stays: every byte leads to the node itself. `other` is its own
//!   reference, `len` and `next` are 0.
//!
//! `low` is 0 but in a table. A branch is small and is searched, 8 bytes at a time; a table is read at once.
//!
//! The label of a path node is a row, that of a text node a text class, that of a subject node a literal's index + 1.
//!
//! # Rows and cells
//! Row `r` is `class_count` cell indices (`u32`) at `rows_off + r * class_count * 4`. [`Cell`] `c` says what class
//! and path come to for every operation:
//! * `deny`, `depend`: operations always denied; operations whose decision depends on the request's fields (arguments,
//!   uid, gid, kind). Disjoint. All others are always allowed.
//! * for operations in `depend`, three ranges of [`Entry`]s. `first` is an ordered list: the first entry of the
//!   operation whose tests all hold decides; the last one of each operation has no test.
//!   `denies` are boxes: the request is denied exactly if it lies in one. A field that is unknown is passed over,
//!   because every box has some value of every field in it: so this is also exact for "denied for some completion".
//!   `allows` are the boxes of what is allowed: no box left means "denied whatever its arguments".
//!   Of boxes with unknown fields the first that is possible stands for all: the first, in order, that decides so for
//!   some completion.
//!
//! No cell and no entry names a rule: paths at which different rules decide alike have one state. Which rule decided is
//! told outside the kernel, of the path, by [`crate::image::Origins`].
//!
//! # Tests
//! A [`Test`] holds if its condition has the truth value `holds`. Every condition is false of an absent argument.

use core::mem::{offset_of, size_of};

use crate::op::{MAX_ARGS, Op};

/// First bytes of a blob: `BOEP`.
pub const BLOB_MAGIC: u32 = u32::from_le_bytes(*b"BOEP");
/// The version of everything in this module. A blob of another version is refused.
pub const ABI_VERSION: u32 = 4;
/// The largest blob, in bytes.
pub const MAX_BLOB: u32 = 64 << 20;
/// The longest path that is judged, in bytes without a terminating NUL. Longer ones are denied.
pub const MAX_PATH: u32 = 4095;
/// The most rows, cells, entries, tests or classes; keeps every product within 32 bits together with the blob's size.
pub const MAX_ITEMS: u32 = 1 << 24;
/// No rule: a default decided.
pub const NO_RULE: u32 = u32::MAX;
/// The class of a task whose program could not be established: everything is denied.
pub const NO_CLASS: u32 = u32::MAX;

/// Chain of bytes.
pub const NODE_CHAIN: u8 = 1;
/// Branch over bytes.
pub const NODE_BRANCH: u8 = 2;
/// State that no input leaves.
pub const NODE_SINK: u8 = 3;
/// Table over bytes.
pub const NODE_TABLE: u8 = 4;
/// The longest chain in one node, in bytes.
pub const MAX_CHAIN: u16 = 248;
/// The most edges of one branch; a node with more is a table.
pub const MAX_BRANCH: u16 = 32;

/// The policy has `BoesFS`'s shape: `exec` is judged as `open` and `ioctl` as `setattr`, with an unknown tuple, and
/// `symlink` also by its target.
pub const FLAG_BOESFS: u32 = 1 << 0;
/// The subject is the program the sandbox was started with.
pub const FLAG_ENTRY_SUBJECT: u32 = 1 << 1;
/// Moves are judged by their operations only; else a move must not give rights.
pub const FLAG_MOVES_JUDGED: u32 = 1 << 2;
/// Executing a file without a name is allowed.
pub const FLAG_ANONYMOUS_EXEC: u32 = 1 << 3;
/// Some cell can deny `lookup`: names can be hidden.
pub const FLAG_HIDES: u32 = 1 << 4;
/// Every flag.
pub const FLAGS: u32 =
    FLAG_BOESFS | FLAG_ENTRY_SUBJECT | FLAG_MOVES_JUDGED | FLAG_ANONYMOUS_EXEC | FLAG_HIDES;

/// Test of the argument with this place; also the number of places.
pub const FIELD_ARG0: u8 = 0;
/// Test of the caller's uid.
pub const FIELD_UID: u8 = MAX_ARGS as u8;
/// Test of the caller's gid.
pub const FIELD_GID: u8 = FIELD_UID + 1;
/// Test of the object's kind.
pub const FIELD_KIND: u8 = FIELD_UID + 2;
/// How many fields a request has.
pub const FIELD_COUNT: u8 = FIELD_UID + 3;

/// `a <= value <= b`, unsigned.
pub const CONDITION_BETWEEN: u8 = 0;
/// `value & a != 0`.
pub const CONDITION_ANY_BIT: u8 = 1;
/// The text's class is in text set `set`.
pub const CONDITION_TEXT: u8 = 2;
/// Bit `kind` of `a` is set.
pub const CONDITION_KIND: u8 = 3;

macro_rules! wire_struct {
    ($(#[doc = $doc:literal])* pub struct $name:ident ($size:literal) { $($(#[doc = $fdoc:literal])* $field:ident: $ty:ty,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        #[repr(C)]
        pub struct $name { $($(#[doc = $fdoc])* pub $field: $ty,)* }
        const _: () = assert!(size_of::<$name>() == $size);
        impl $name {
            /// What the generated C header says of it.
            pub const SPEC: StructSpec = StructSpec {
                name: stringify!($name),
                size: $size,
                doc: concat!($($doc),*),
                fields: &[$(FieldSpec {
                    name: stringify!($field),
                    ty: stringify!($ty),
                    offset: offset_of!($name, $field),
                    doc: concat!($($fdoc),*),
                }),*],
            };
        }
    };
}

/// A shared structure, for the generated C header.
#[derive(Clone, Copy, Debug)]
pub struct StructSpec {
    /// Its Rust name.
    pub name: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// What it is.
    pub doc: &'static str,
    /// Its fields, in order.
    pub fields: &'static [FieldSpec],
}

/// One field of a shared structure, for the generated C header.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// Its name, the same in both languages.
    pub name: &'static str,
    /// Its Rust type: `u8`, `u16`, `u32`, `u64` or `[T; N]`.
    pub ty: &'static str,
    /// Its offset in bytes.
    pub offset: usize,
    /// What it is.
    pub doc: &'static str,
}

wire_struct! {
    /// The start of a blob.
    pub struct PolicyHeader(128) {
        /// [`BLOB_MAGIC`].
        magic: u32,
        /// [`ABI_VERSION`].
        version: u32,
        /// Bytes in use, a multiple of 8.
        blob_len: u32,
        /// `FLAG_*`.
        flags: u32,
        /// Operations some class can be denied somewhere, by rule or default: one bit each.
        may_deny: u32,
        /// Operations in some cell's `depend`.
        may_depend: u32,
        /// Operations one of whose arguments some test looks at.
        tests_args: u32,
        /// How many classes; a row has so many cells.
        class_count: u32,
        /// The sandbox is killed at this many denials; 0 is never.
        kill_after: u64,
        /// Node reference of the path automaton's start, before the first `/`.
        path_start: u32,
        /// Node reference of the text automaton's start; 0 if no test looks at a text.
        text_start: u32,
        /// Where the nodes are.
        nodes_off: u32,
        /// Their length in bytes.
        nodes_len: u32,
        /// Where the rows are.
        rows_off: u32,
        /// How many.
        row_count: u32,
        /// Where the cells are.
        cells_off: u32,
        /// How many.
        cell_count: u32,
        /// Where the entries are.
        entries_off: u32,
        /// How many.
        entry_count: u32,
        /// Where the tests are.
        tests_off: u32,
        /// How many.
        test_count: u32,
        /// Where the text sets are: set `s` is `text_words` `u32` at `sets_off + s * text_words * 4`; bit `c` of it
        /// (bit `c % 32` of word `c / 32`) says whether class `c` is in.
        sets_off: u32,
        /// How many.
        set_count: u32,
        /// How many text classes; `text_words` is this divided by 32, rounded up.
        text_count: u32,
        /// Where the gain table is: word `a * list_count + b` (`u32`) has the operations that some request denies under
        /// list `a` and allows under list `b`.
        gains_off: u32,
        /// How many lists [`Cell::list`] tells apart; 0 if there is no table: then a move between two different
        /// lists counts as gaining every operation in either's `depend`.
        list_count: u32,
        /// Operations that a plane which cannot see them may leave unjudged, because every rule that denies them says so.
        accepted: u32,
        /// 0.
        reserved2: [u64; 2],
    }
}

wire_struct! {
    /// A state, or a chain of states, of an automaton; its bytes follow it.
    pub struct Node(16) {
        /// What the input read so far comes to.
        label: u32,
        /// Node reference for a byte without an edge.
        other: u32,
        /// Chain: node reference after its last byte.
        next: u32,
        /// How many bytes or edges.
        len: u16,
        /// `NODE_*`.
        kind: u8,
        /// Table: the byte that its first reference is for.
        low: u8,
    }
}

wire_struct! {
    /// What one class may do at one path.
    pub struct Cell(64) {
        /// Operations always denied.
        deny: u32,
        /// Operations whose decision depends on the request's fields.
        depend: u32,
        /// Operations not in `depend` whose decision is reported as an event.
        report: u32,
        /// Operations in `deny` that the policy's default denies, not a rule.
        by_default: u32,
        /// Low bit of the errno code of each operation in `deny`.
        errno_low: u32,
        /// High bit of it.
        errno_high: u32,
        /// First of the ordered entries.
        first: u32,
        /// How many.
        first_count: u32,
        /// First of the boxes of what is denied.
        denies: u32,
        /// How many.
        denies_count: u32,
        /// First of the boxes of what is allowed.
        allows: u32,
        /// How many.
        allows_count: u32,
        /// Which list this is, for the gain table; 0 where `depend` is empty.
        list: u32,
        /// 0.
        reserved: u32,
        /// 0.
        reserved2: u64,
    }
}

wire_struct! {
    /// One line of a cell's lists.
    pub struct Entry(24) {
        /// Operations it is about.
        ops: u32,
        /// First of its tests.
        tests: u32,
        /// How many.
        test_count: u32,
        /// 1 if no rule decides, but the policy's default.
        by_default: u32,
        /// 1 denies, 0 allows.
        deny: u8,
        /// Errno code of a denial.
        errno: u8,
        /// Whether it is reported as an event.
        report: u8,
        /// What an `open` that the entry allows can be for: [`crate::op::Access`], one bit each. 0 if it is not about
        /// `open`.
        gives: u8,
        /// 0.
        reserved2: u32,
    }
}

wire_struct! {
    /// One condition on one field.
    pub struct Test(24) {
        /// Lower bound, bits or kinds.
        a: u64,
        /// Upper bound; else 0.
        b: u64,
        /// Text set; else 0.
        set: u32,
        /// `FIELD_*`, or the argument's place.
        field: u8,
        /// `CONDITION_*`.
        condition: u8,
        /// 1: the condition must hold; 0: it must not.
        holds: u8,
        /// 0.
        reserved: u8,
    }
}

wire_struct! {
    /// One event, as the lsm plane's ring buffer carries it. `path_len` bytes of path follow, then `arg_len` bytes of
    /// a path or text argument.
    pub struct EventRecord(128) {
        /// Nanoseconds of the boot clock.
        time: u64,
        /// Which sandbox.
        sandbox: u64,
        /// The policy's generation in that sandbox.
        generation: u64,
        /// Numeric arguments in order.
        args: [u64; 4],
        /// Thread group id in the initial pid namespace.
        pid: u32,
        /// File system uid in the initial user namespace.
        uid: u32,
        /// Class of the subject; [`NO_CLASS`] if unknown.
        class: u32,
        /// The cell that decided; [`NO_RULE`] if none did.
        cell: u32,
        /// The entry that decided; [`NO_RULE`] if the cell's masks did.
        entry: u32,
        /// Errno of a denial, positive; 0 if allowed.
        errno: u32,
        /// How many of the bytes that follow are the path.
        path_len: u32,
        /// How many of the bytes that follow are the argument's.
        arg_len: u32,
        /// [`Op`] as a number.
        op: u8,
        /// `1` denied, `0` allowed.
        deny: u8,
        /// [`crate::verdict::Reason`] as a number.
        reason: u8,
        /// `EVENT_*`.
        flags: u8,
        /// Bit `i`: argument `i` is known.
        args_known: u8,
        /// Bit `i`: argument `i` is absent.
        args_absent: u8,
        /// 0.
        reserved: u16,
        /// Denials counted in this sandbox so far, this one included.
        denials: u64,
        /// How many events that differ from this one in time and process alone were not told since one was; and 0, 0.
        reserved2: [u64; 3],
    }
}

/// The path in the event is cut.
pub const EVENT_PATH_TRUNCATED: u8 = 1 << 0;
/// This denial was the last: the sandbox is killed.
pub const EVENT_KILLED: u8 = 1 << 1;
/// The sandbox is permissive: the call went on whatever was decided.
pub const EVENT_PERMISSIVE: u8 = 1 << 2;

/// Every shared structure.
pub const STRUCTS: [StructSpec; 6] =
    [PolicyHeader::SPEC, Node::SPEC, Cell::SPEC, Entry::SPEC, Test::SPEC, EventRecord::SPEC];

/// A number that changes whenever operations, arguments or layouts change: images carry it.
#[must_use]
pub const fn fingerprint() -> u32 {
    // FNV-1a over the table's names and the structures' fields.
    let mut hash: u32 = 0x811c_9dc5;
    let mut i = 0;
    while i < Op::COUNT {
        let spec = &crate::op::OPS[i];
        hash = fnv(hash, spec.name.as_bytes());
        let mut j = 0;
        while j < spec.args.len() {
            hash = fnv(hash, spec.args[j].name.as_bytes());
            hash = fnv(hash, &[spec.args[j].ty as u8]);
            j += 1;
        }
        i += 1;
    }
    let mut i = 0;
    while i < STRUCTS.len() {
        hash = fnv(hash, STRUCTS[i].name.as_bytes());
        let mut j = 0;
        while j < STRUCTS[i].fields.len() {
            hash = fnv(hash, STRUCTS[i].fields[j].name.as_bytes());
            hash = fnv(hash, STRUCTS[i].fields[j].ty.as_bytes());
            j += 1;
        }
        i += 1;
    }
    fnv(hash, &ABI_VERSION.to_le_bytes())
}

const fn fnv(mut hash: u32, bytes: &[u8]) -> u32 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    hash
}
