/* SPDX-License-Identifier: GPL-2.0 */
/* Generated from abi/src by `cargo xtask codegen`; do not edit. */
#ifndef BOESFS_ABI_H
#define BOESFS_ABI_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;

#define BOESFS_BLOB_MAGIC 0x50454f42u
#define BOESFS_ABI_VERSION 0x4u
#define BOESFS_ABI_FINGERPRINT 0xb93a039du
#define BOESFS_MAX_BLOB 0x4000000u
#define BOESFS_MAX_PATH 0xfffu
#define BOESFS_MAX_ITEMS 0x1000000u
#define BOESFS_MAX_ARGS 0x4u
#define BOESFS_NO_RULE 0xffffffffu
#define BOESFS_NO_CLASS 0xffffffffu
#define BOESFS_NODE_CHAIN 0x1u
#define BOESFS_NODE_BRANCH 0x2u
#define BOESFS_NODE_SINK 0x3u
#define BOESFS_NODE_TABLE 0x4u
#define BOESFS_MAX_CHAIN 0xf8u
#define BOESFS_MAX_BRANCH 0x20u
#define BOESFS_FLAG_BOESFS 0x1u
#define BOESFS_FLAG_ENTRY_SUBJECT 0x2u
#define BOESFS_FLAG_MOVES_JUDGED 0x4u
#define BOESFS_FLAG_ANONYMOUS_EXEC 0x8u
#define BOESFS_FLAG_HIDES 0x10u
#define BOESFS_FIELD_ARG0 0x0u
#define BOESFS_FIELD_UID 0x4u
#define BOESFS_FIELD_GID 0x5u
#define BOESFS_FIELD_KIND 0x6u
#define BOESFS_FIELD_COUNT 0x7u
#define BOESFS_CONDITION_BETWEEN 0x0u
#define BOESFS_CONDITION_ANY_BIT 0x1u
#define BOESFS_CONDITION_TEXT 0x2u
#define BOESFS_CONDITION_KIND 0x3u
#define BOESFS_EVENT_PATH_TRUNCATED 0x1u
#define BOESFS_EVENT_KILLED 0x2u
#define BOESFS_EVENT_PERMISSIVE 0x4u
#define BOESFS_MAX_SANDBOXES 0x4000u
#define BOESFS_SHORT_DIR 0xc0u
#define BOESFS_ROOM_SMALL 0x10000u
#define BOESFS_ROOM_MEDIUM 0x100000u
#define BOESFS_ROOM_LARGE 0x1000000u
#define BOESFS_ROOM_HUGE 0x4000000u
#define BOESFS_MAX_POLICIES_SMALL 0x1000u
#define BOESFS_MAX_POLICIES_MEDIUM 0x400u
#define BOESFS_MAX_POLICIES_LARGE 0x100u
#define BOESFS_MAX_POLICIES_HUGE 0x40u
#define BOESFS_BLOB_SLACK 0x800u
#define BOESFS_MAX_MOUNTS 0x40u
#define BOESFS_MOUNTS_PIECE 0x8u
#define BOESFS_MAX_MOUNTS_PIECES 0x10000u
#define BOESFS_WORKS_PER_CPU 0x10u
#define BOESFS_CALL_PATH 0x1000u
#define BOESFS_CALL_TEXT 0x2u
#define BOESFS_SANDBOX_KILLED 0x2u
#define BOESFS_SANDBOX_OVERLAY 0x4u
#define BOESFS_SANDBOX_USERNS 0x8u
#define BOESFS_SANDBOX_MOUNTS_FULL 0x10u
#define BOESFS_SANDBOX_PERMISSIVE 0x20u
#define BOESFS_SANDBOX_UNTOLD 0x40u
#define BOESFS_BINDING_CLASSES 0x1u
#define BOESFS_BINDING_STRICT 0x2u
#define BOESFS_BINDING_TRANSFERS 0x4u
#define BOESFS_MAX_FOLDS 0x2000u
#define BOESFS_FOLD_WINDOW 0x1eu
#define BOESFS_LIMITS_RING 0x1000u
#define BOESFS_RECORD_DIR 0x0u
#define BOESFS_RECORD_MOUNT 0x1u
#define BOESFS_RECORD_TOOL 0x2u
#define BOESFS_RECORD_ENGINE 0x3u
#define BOESFS_RECORD_ROOT 0x4u
#define BOESFS_SEAL_MAP 0x0u
#define BOESFS_SEAL_PROGRAM 0x1u
#define BOESFS_MAX_SEALS 0x10000u
#define BOESFS_LABEL_ENTERING 0x1u
#define BOESFS_LABEL_PENDING 0x2u
#define BOESFS_EXEC_ANY 0xffffffffffffffffu
#define BOESFS_MAX_ORPHANS 0x400u
#define BOESFS_MAX_ASKED 0x400u
#define BOESFS_OP_COUNT 0x16u
#define BOESFS_OPS_ALL 0x3fffffu
#define BOESFS_OPS_MAKING 0x530u
#define BOESFS_OPS_THROUGH_OPEN 0x39c00cu
#define BOESFS_ACCESS_ANY 0x1u
#define BOESFS_ACCESS_USE 0x2u
#define BOESFS_ACCESS_READ 0x4u
#define BOESFS_ACCESS_WRITE 0x8u

/* An operation: its bit in masks and its id on the wire. */
enum boesfs_op {
	/* reach the object by name, whether it exists or not */
	BOESFS_OP_LOOKUP = 0,
	/* open it, with any flags */
	BOESFS_OP_OPEN = 1,
	/* take bytes from it by any call */
	BOESFS_OP_READ = 2,
	/* change its bytes by any call, truncation included */
	BOESFS_OP_WRITE = 3,
	/* make a regular file */
	BOESFS_OP_CREATE = 4,
	/* make a directory */
	BOESFS_OP_MKDIR = 5,
	/* remove a directory */
	BOESFS_OP_RMDIR = 6,
	/* remove a name */
	BOESFS_OP_UNLINK = 7,
	/* make a fifo, socket or device node */
	BOESFS_OP_MKNOD = 8,
	/* make a hard link of the object */
	BOESFS_OP_LINK = 9,
	/* make a symbolic link; the object is the link that appears */
	BOESFS_OP_SYMLINK = 10,
	/* move the object */
	BOESFS_OP_RENAME = 11,
	/* change mode, owner, times, extended attributes or inode flags */
	BOESFS_OP_SETATTR = 12,
	/* look at its metadata */
	BOESFS_OP_GETATTR = 13,
	/* move an open file's offset */
	BOESFS_OP_LLSEEK = 14,
	/* list a directory */
	BOESFS_OP_ITERATE = 15,
	/* map it */
	BOESFS_OP_MMAP = 16,
	/* BoesFS's d_revalidate: the same as lookup */
	BOESFS_OP_LOOKUP2 = 17,
	/* ask about its file system */
	BOESFS_OP_STATFS = 18,
	/* flush it */
	BOESFS_OP_FSYNC = 19,
	/* run it, or map it with PROT_EXEC */
	BOESFS_OP_EXEC = 20,
	/* ioctl on it, but for FIOCLEX, FIONCLEX, FIONBIO and FIOASYNC */
	BOESFS_OP_IOCTL = 21,
};

/* What kind of object: its bit in a kind test. */
enum boesfs_kind {
	BOESFS_KIND_FILE = 0,
	BOESFS_KIND_DIR = 1,
	BOESFS_KIND_SYMLINK = 2,
	BOESFS_KIND_FIFO = 3,
	BOESFS_KIND_SOCKET = 4,
	BOESFS_KIND_BLOCK = 5,
	BOESFS_KIND_CHAR = 6,
};

/* Why a call was denied. */
enum boesfs_reason {
	BOESFS_REASON_RULE = 0,
	BOESFS_REASON_DEFAULT = 1,
	BOESFS_REASON_HIDDEN = 2,
	BOESFS_REASON_UNRESOLVED = 3,
	BOESFS_REASON_TOO_DEEP = 4,
	BOESFS_REASON_UNKNOWN_ARGS = 5,
	BOESFS_REASON_GAINS_RIGHT = 6,
	BOESFS_REASON_CROSSES_EDGE = 7,
	BOESFS_REASON_ANONYMOUS = 8,
	BOESFS_REASON_EXHAUSTED = 9,
	BOESFS_REASON_CORRUPT = 10,
	BOESFS_REASON_CONFINED = 11,
	BOESFS_REASON_FOLDS_CASE = 12,
};

/* Two-bit codes of error numbers. */
enum boesfs_errno {
	BOESFS_EACCES = 0,
	BOESFS_EPERM = 1,
	BOESFS_ENOENT = 2,
	BOESFS_EROFS = 3,
};

#define BOESFS_EACCES_NUMBER 13
#define BOESFS_EPERM_NUMBER 1
#define BOESFS_ENOENT_NUMBER 2
#define BOESFS_EROFS_NUMBER 30

/* Operations by the type of the argument at a place: bit set if it is a path or a text. */
#define BOESFS_OPS_TEXT_ARG0 0xe00u
#define BOESFS_OPS_TEXT_ARG1 0x0u
#define BOESFS_OPS_TEXT_ARG2 0x0u
#define BOESFS_OPS_TEXT_ARG3 0x0u

/* The start of a blob. */
struct boesfs_policy_header {
	/* `BLOB_MAGIC`. */
	__u32 magic;
	/* `ABI_VERSION`. */
	__u32 version;
	/* Bytes in use, a multiple of 8. */
	__u32 blob_len;
	/* `FLAG_*`. */
	__u32 flags;
	/* Operations some class can be denied somewhere, by rule or default: one bit each. */
	__u32 may_deny;
	/* Operations in some cell's `depend`. */
	__u32 may_depend;
	/* Operations one of whose arguments some test looks at. */
	__u32 tests_args;
	/* How many classes; a row has so many cells. */
	__u32 class_count;
	/* The sandbox is killed at this many denials; 0 is never. */
	__u64 kill_after;
	/* Node reference of the path automaton's start, before the first `/`. */
	__u32 path_start;
	/* Node reference of the text automaton's start; 0 if no test looks at a text. */
	__u32 text_start;
	/* Where the nodes are. */
	__u32 nodes_off;
	/* Their length in bytes. */
	__u32 nodes_len;
	/* Where the rows are. */
	__u32 rows_off;
	/* How many. */
	__u32 row_count;
	/* Where the cells are. */
	__u32 cells_off;
	/* How many. */
	__u32 cell_count;
	/* Where the entries are. */
	__u32 entries_off;
	/* How many. */
	__u32 entry_count;
	/* Where the tests are. */
	__u32 tests_off;
	/* How many. */
	__u32 test_count;
	/* Where the text sets are: set `s` is `text_words` `u32` at `sets_off + s * text_words * 4`; bit `c`
	 * of it (bit `c % 32` of word `c / 32`) says whether class `c` is in. */
	__u32 sets_off;
	/* How many. */
	__u32 set_count;
	/* How many text classes; `text_words` is this divided by 32, rounded up. */
	__u32 text_count;
	/* Where the gain table is: word `a * list_count + b` (`u32`) has the operations that some request
	 * denies under list `a` and allows under list `b`. */
	__u32 gains_off;
	/* How many lists `Cell::list` tells apart; 0 if there is no table: then a move between two different
	 * lists counts as gaining every operation in either's `depend`. */
	__u32 list_count;
	/* Operations that a plane which cannot see them may leave unjudged, because every rule that denies
	 * them says so. */
	__u32 accepted;
	/* 0. */
	__u64 reserved2[2];
};
_Static_assert(sizeof(struct boesfs_policy_header) == 128, "size of boesfs_policy_header");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, magic) == 0, "boesfs_policy_header.magic");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, version) == 4, "boesfs_policy_header.version");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, blob_len) == 8, "boesfs_policy_header.blob_len");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, flags) == 12, "boesfs_policy_header.flags");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, may_deny) == 16, "boesfs_policy_header.may_deny");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, may_depend) == 20, "boesfs_policy_header.may_depend");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, tests_args) == 24, "boesfs_policy_header.tests_args");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, class_count) == 28, "boesfs_policy_header.class_count");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, kill_after) == 32, "boesfs_policy_header.kill_after");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, path_start) == 40, "boesfs_policy_header.path_start");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, text_start) == 44, "boesfs_policy_header.text_start");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, nodes_off) == 48, "boesfs_policy_header.nodes_off");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, nodes_len) == 52, "boesfs_policy_header.nodes_len");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, rows_off) == 56, "boesfs_policy_header.rows_off");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, row_count) == 60, "boesfs_policy_header.row_count");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, cells_off) == 64, "boesfs_policy_header.cells_off");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, cell_count) == 68, "boesfs_policy_header.cell_count");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, entries_off) == 72, "boesfs_policy_header.entries_off");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, entry_count) == 76, "boesfs_policy_header.entry_count");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, tests_off) == 80, "boesfs_policy_header.tests_off");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, test_count) == 84, "boesfs_policy_header.test_count");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, sets_off) == 88, "boesfs_policy_header.sets_off");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, set_count) == 92, "boesfs_policy_header.set_count");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, text_count) == 96, "boesfs_policy_header.text_count");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, gains_off) == 100, "boesfs_policy_header.gains_off");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, list_count) == 104, "boesfs_policy_header.list_count");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, accepted) == 108, "boesfs_policy_header.accepted");
_Static_assert(__builtin_offsetof(struct boesfs_policy_header, reserved2) == 112, "boesfs_policy_header.reserved2");

/* A state, or a chain of states, of an automaton; its bytes follow it. */
struct boesfs_node {
	/* What the input read so far comes to. */
	__u32 label;
	/* Node reference for a byte without an edge. */
	__u32 other;
	/* Chain: node reference after its last byte. */
	__u32 next;
	/* How many bytes or edges. */
	__u16 len;
	/* `NODE_*`. */
	__u8 kind;
	/* Table: the byte that its first reference is for. */
	__u8 low;
};
_Static_assert(sizeof(struct boesfs_node) == 16, "size of boesfs_node");
_Static_assert(__builtin_offsetof(struct boesfs_node, label) == 0, "boesfs_node.label");
_Static_assert(__builtin_offsetof(struct boesfs_node, other) == 4, "boesfs_node.other");
_Static_assert(__builtin_offsetof(struct boesfs_node, next) == 8, "boesfs_node.next");
_Static_assert(__builtin_offsetof(struct boesfs_node, len) == 12, "boesfs_node.len");
_Static_assert(__builtin_offsetof(struct boesfs_node, kind) == 14, "boesfs_node.kind");
_Static_assert(__builtin_offsetof(struct boesfs_node, low) == 15, "boesfs_node.low");

/* What one class may do at one path. */
struct boesfs_cell {
	/* Operations always denied. */
	__u32 deny;
	/* Operations whose decision depends on the request's fields. */
	__u32 depend;
	/* Operations not in `depend` whose decision is reported as an event. */
	__u32 report;
	/* Operations in `deny` that the policy's default denies, not a rule. */
	__u32 by_default;
	/* Low bit of the errno code of each operation in `deny`. */
	__u32 errno_low;
	/* High bit of it. */
	__u32 errno_high;
	/* First of the ordered entries. */
	__u32 first;
	/* How many. */
	__u32 first_count;
	/* First of the boxes of what is denied. */
	__u32 denies;
	/* How many. */
	__u32 denies_count;
	/* First of the boxes of what is allowed. */
	__u32 allows;
	/* How many. */
	__u32 allows_count;
	/* Which list this is, for the gain table; 0 where `depend` is empty. */
	__u32 list;
	/* 0. */
	__u32 reserved;
	/* 0. */
	__u64 reserved2;
};
_Static_assert(sizeof(struct boesfs_cell) == 64, "size of boesfs_cell");
_Static_assert(__builtin_offsetof(struct boesfs_cell, deny) == 0, "boesfs_cell.deny");
_Static_assert(__builtin_offsetof(struct boesfs_cell, depend) == 4, "boesfs_cell.depend");
_Static_assert(__builtin_offsetof(struct boesfs_cell, report) == 8, "boesfs_cell.report");
_Static_assert(__builtin_offsetof(struct boesfs_cell, by_default) == 12, "boesfs_cell.by_default");
_Static_assert(__builtin_offsetof(struct boesfs_cell, errno_low) == 16, "boesfs_cell.errno_low");
_Static_assert(__builtin_offsetof(struct boesfs_cell, errno_high) == 20, "boesfs_cell.errno_high");
_Static_assert(__builtin_offsetof(struct boesfs_cell, first) == 24, "boesfs_cell.first");
_Static_assert(__builtin_offsetof(struct boesfs_cell, first_count) == 28, "boesfs_cell.first_count");
_Static_assert(__builtin_offsetof(struct boesfs_cell, denies) == 32, "boesfs_cell.denies");
_Static_assert(__builtin_offsetof(struct boesfs_cell, denies_count) == 36, "boesfs_cell.denies_count");
_Static_assert(__builtin_offsetof(struct boesfs_cell, allows) == 40, "boesfs_cell.allows");
_Static_assert(__builtin_offsetof(struct boesfs_cell, allows_count) == 44, "boesfs_cell.allows_count");
_Static_assert(__builtin_offsetof(struct boesfs_cell, list) == 48, "boesfs_cell.list");
_Static_assert(__builtin_offsetof(struct boesfs_cell, reserved) == 52, "boesfs_cell.reserved");
_Static_assert(__builtin_offsetof(struct boesfs_cell, reserved2) == 56, "boesfs_cell.reserved2");

/* One line of a cell's lists. */
struct boesfs_entry {
	/* Operations it is about. */
	__u32 ops;
	/* First of its tests. */
	__u32 tests;
	/* How many. */
	__u32 test_count;
	/* 1 if no rule decides, but the policy's default. */
	__u32 by_default;
	/* 1 denies, 0 allows. */
	__u8 deny;
	/* Errno code of a denial. */
	__u8 errno;
	/* Whether it is reported as an event. */
	__u8 report;
	/* What an `open` that the entry allows can be for: `crate::op::Access`, one bit each. 0 if it is not
	 * about `open`. */
	__u8 gives;
	/* 0. */
	__u32 reserved2;
};
_Static_assert(sizeof(struct boesfs_entry) == 24, "size of boesfs_entry");
_Static_assert(__builtin_offsetof(struct boesfs_entry, ops) == 0, "boesfs_entry.ops");
_Static_assert(__builtin_offsetof(struct boesfs_entry, tests) == 4, "boesfs_entry.tests");
_Static_assert(__builtin_offsetof(struct boesfs_entry, test_count) == 8, "boesfs_entry.test_count");
_Static_assert(__builtin_offsetof(struct boesfs_entry, by_default) == 12, "boesfs_entry.by_default");
_Static_assert(__builtin_offsetof(struct boesfs_entry, deny) == 16, "boesfs_entry.deny");
_Static_assert(__builtin_offsetof(struct boesfs_entry, errno) == 17, "boesfs_entry.errno");
_Static_assert(__builtin_offsetof(struct boesfs_entry, report) == 18, "boesfs_entry.report");
_Static_assert(__builtin_offsetof(struct boesfs_entry, gives) == 19, "boesfs_entry.gives");
_Static_assert(__builtin_offsetof(struct boesfs_entry, reserved2) == 20, "boesfs_entry.reserved2");

/* One condition on one field. */
struct boesfs_test {
	/* Lower bound, bits or kinds. */
	__u64 a;
	/* Upper bound; else 0. */
	__u64 b;
	/* Text set; else 0. */
	__u32 set;
	/* `FIELD_*`, or the argument's place. */
	__u8 field;
	/* `CONDITION_*`. */
	__u8 condition;
	/* 1: the condition must hold; 0: it must not. */
	__u8 holds;
	/* 0. */
	__u8 reserved;
};
_Static_assert(sizeof(struct boesfs_test) == 24, "size of boesfs_test");
_Static_assert(__builtin_offsetof(struct boesfs_test, a) == 0, "boesfs_test.a");
_Static_assert(__builtin_offsetof(struct boesfs_test, b) == 8, "boesfs_test.b");
_Static_assert(__builtin_offsetof(struct boesfs_test, set) == 16, "boesfs_test.set");
_Static_assert(__builtin_offsetof(struct boesfs_test, field) == 20, "boesfs_test.field");
_Static_assert(__builtin_offsetof(struct boesfs_test, condition) == 21, "boesfs_test.condition");
_Static_assert(__builtin_offsetof(struct boesfs_test, holds) == 22, "boesfs_test.holds");
_Static_assert(__builtin_offsetof(struct boesfs_test, reserved) == 23, "boesfs_test.reserved");

/* One event, as the lsm plane's ring buffer carries it. `path_len` bytes of path follow, then `arg_len`
 * bytes of a path or text argument. */
struct boesfs_event_record {
	/* Nanoseconds of the boot clock. */
	__u64 time;
	/* Which sandbox. */
	__u64 sandbox;
	/* The policy's generation in that sandbox. */
	__u64 generation;
	/* Numeric arguments in order. */
	__u64 args[4];
	/* Thread group id in the initial pid namespace. */
	__u32 pid;
	/* File system uid in the initial user namespace. */
	__u32 uid;
	/* Class of the subject; `NO_CLASS` if unknown. */
	__u32 class;
	/* The cell that decided; `NO_RULE` if none did. */
	__u32 cell;
	/* The entry that decided; `NO_RULE` if the cell's masks did. */
	__u32 entry;
	/* Errno of a denial, positive; 0 if allowed. */
	__u32 errno;
	/* How many of the bytes that follow are the path. */
	__u32 path_len;
	/* How many of the bytes that follow are the argument's. */
	__u32 arg_len;
	/* `Op` as a number. */
	__u8 op;
	/* `1` denied, `0` allowed. */
	__u8 deny;
	/* `crate::verdict::Reason` as a number. */
	__u8 reason;
	/* `EVENT_*`. */
	__u8 flags;
	/* Bit `i`: argument `i` is known. */
	__u8 args_known;
	/* Bit `i`: argument `i` is absent. */
	__u8 args_absent;
	/* 0. */
	__u16 reserved;
	/* Denials counted in this sandbox so far, this one included. */
	__u64 denials;
	/* How many events that differ from this one in time and process alone were not told since one was; and
	 * 0, 0. */
	__u64 reserved2[3];
};
_Static_assert(sizeof(struct boesfs_event_record) == 128, "size of boesfs_event_record");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, time) == 0, "boesfs_event_record.time");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, sandbox) == 8, "boesfs_event_record.sandbox");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, generation) == 16, "boesfs_event_record.generation");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, args) == 24, "boesfs_event_record.args");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, pid) == 56, "boesfs_event_record.pid");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, uid) == 60, "boesfs_event_record.uid");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, class) == 64, "boesfs_event_record.class");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, cell) == 68, "boesfs_event_record.cell");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, entry) == 72, "boesfs_event_record.entry");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, errno) == 76, "boesfs_event_record.errno");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, path_len) == 80, "boesfs_event_record.path_len");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, arg_len) == 84, "boesfs_event_record.arg_len");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, op) == 88, "boesfs_event_record.op");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, deny) == 89, "boesfs_event_record.deny");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, reason) == 90, "boesfs_event_record.reason");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, flags) == 91, "boesfs_event_record.flags");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, args_known) == 92, "boesfs_event_record.args_known");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, args_absent) == 93, "boesfs_event_record.args_absent");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, reserved) == 94, "boesfs_event_record.reserved");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, denials) == 96, "boesfs_event_record.denials");
_Static_assert(__builtin_offsetof(struct boesfs_event_record, reserved2) == 104, "boesfs_event_record.reserved2");

/* What the kernel knows of a task in a sandbox: the value of task storage. */
struct boesfs_label {
	/* Index of the sandbox. */
	__u32 slot;
	/* The subject's class, under the policy of `generation`. */
	__u32 class;
	/* The class that an exec which has not committed yet will give. */
	__u32 pending;
	/* `LABEL_*`. */
	__u32 flags;
	/* The sandbox's id: its slot may have been given to another since. */
	__u64 sandbox;
	/* The generation whose policy numbers the class. */
	__u64 generation;
	/* The generation whose policy numbers the pending class. */
	__u64 pending_generation;
	/* The task's execs, as the kernel counts them, when the class was found: it is of no other program.
	 * `EXEC_ANY`: it is of each, until one is noted. */
	__u64 exec;
	/* The same after the exec that `pending` and the end of `LABEL_ENTERING` wait for. */
	__u64 pending_exec;
};
_Static_assert(sizeof(struct boesfs_label) == 56, "size of boesfs_label");
_Static_assert(__builtin_offsetof(struct boesfs_label, slot) == 0, "boesfs_label.slot");
_Static_assert(__builtin_offsetof(struct boesfs_label, class) == 4, "boesfs_label.class");
_Static_assert(__builtin_offsetof(struct boesfs_label, pending) == 8, "boesfs_label.pending");
_Static_assert(__builtin_offsetof(struct boesfs_label, flags) == 12, "boesfs_label.flags");
_Static_assert(__builtin_offsetof(struct boesfs_label, sandbox) == 16, "boesfs_label.sandbox");
_Static_assert(__builtin_offsetof(struct boesfs_label, generation) == 24, "boesfs_label.generation");
_Static_assert(__builtin_offsetof(struct boesfs_label, pending_generation) == 32, "boesfs_label.pending_generation");
_Static_assert(__builtin_offsetof(struct boesfs_label, exec) == 40, "boesfs_label.exec");
_Static_assert(__builtin_offsetof(struct boesfs_label, pending_exec) == 48, "boesfs_label.pending_exec");

/* One sandbox. All zeros where there is none, but for `SANDBOX_KILLED` where there was one. */
struct boesfs_sandbox {
	/* Its number, never given twice by one engine. */
	__u64 id;
	/* The generation of its policy: the one word that a reload flips. Its lowest bit says which of the
	 * sandbox's two bindings counts. */
	__u64 generation;
	/* The protected directory: address of its mount and of its dentry. */
	__u64 anchor_mount;
	/* The dentry. */
	__u64 anchor_dentry;
	/* Address of the sandbox's mount namespace. */
	__u64 mount_namespace;
	/* `SANDBOX_*`. */
	__u32 flags;
	/* Length of the protected directory's path; 0 if it is the root. */
	__u32 dir_len;
	/* How many mounts are recorded. */
	__u32 mount_count;
	/* Index of the ring buffer that its events go to. */
	__u32 ring;
	/* It is killed at this many denials; 0 is never. */
	__u64 kill_after;
	/* Denials so far. */
	__u64 denials;
	/* Events that were lost: they did not fit into the ring buffer, or no work buffer was free to judge
	 * the call, which was denied. */
	__u64 dropped;
	/* The number of its mount namespace, which the kernel never gives twice. */
	__u64 mount_namespace_seq;
	/* Inode number of its mount namespace. */
	__u32 mount_namespace_id;
	/* How many events of one kind are told in a `FOLD_WINDOW`; 0 tells all. */
	__u32 event_rate;
	/* Events that were not told because there were too many of their kind. */
	__u64 folded;
	/* How many system call filters its command began with. */
	__u64 filters;
	/* 0. */
	__u64 reserved2[2];
};
_Static_assert(sizeof(struct boesfs_sandbox) == 128, "size of boesfs_sandbox");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, id) == 0, "boesfs_sandbox.id");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, generation) == 8, "boesfs_sandbox.generation");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, anchor_mount) == 16, "boesfs_sandbox.anchor_mount");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, anchor_dentry) == 24, "boesfs_sandbox.anchor_dentry");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, mount_namespace) == 32, "boesfs_sandbox.mount_namespace");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, flags) == 40, "boesfs_sandbox.flags");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, dir_len) == 44, "boesfs_sandbox.dir_len");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, mount_count) == 48, "boesfs_sandbox.mount_count");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, ring) == 52, "boesfs_sandbox.ring");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, kill_after) == 56, "boesfs_sandbox.kill_after");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, denials) == 64, "boesfs_sandbox.denials");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, dropped) == 72, "boesfs_sandbox.dropped");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, mount_namespace_seq) == 80, "boesfs_sandbox.mount_namespace_seq");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, mount_namespace_id) == 88, "boesfs_sandbox.mount_namespace_id");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, event_rate) == 92, "boesfs_sandbox.event_rate");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, folded) == 96, "boesfs_sandbox.folded");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, filters) == 104, "boesfs_sandbox.filters");
_Static_assert(__builtin_offsetof(struct boesfs_sandbox, reserved2) == 112, "boesfs_sandbox.reserved2");

/* A generation of a sandbox's policy: which policy, and what its numbers mean there. */
struct boesfs_binding {
	/* The policy's size class: which map of policies it is in. */
	__u32 policy_class;
	/* Its index in that map. */
	__u32 policy_slot;
	/* Node reference of the path automaton's state after the protected directory's path (before the first
	 * `/` if it is the root). */
	__u32 dir_node;
	/* Bytes into that node's chain. */
	__u32 dir_inside;
	/* The same for the text automaton. */
	__u32 dir_text_node;
	/* Bytes into that node's chain. */
	__u32 dir_text_inside;
	/* Row of the protected directory itself. */
	__u32 dir_label;
	/* Class of a program the policy does not mention. */
	__u32 other_class;
	/* `BINDING_*`. */
	__u32 flags;
	/* Index of the table of programs that the policy's subjects name. */
	__u32 table;
	/* How many there are, each a `Program`. */
	__u32 program_count;
	/* 0. */
	__u32 reserved;
	/* 0. */
	__u64 reserved2[2];
};
_Static_assert(sizeof(struct boesfs_binding) == 64, "size of boesfs_binding");
_Static_assert(__builtin_offsetof(struct boesfs_binding, policy_class) == 0, "boesfs_binding.policy_class");
_Static_assert(__builtin_offsetof(struct boesfs_binding, policy_slot) == 4, "boesfs_binding.policy_slot");
_Static_assert(__builtin_offsetof(struct boesfs_binding, dir_node) == 8, "boesfs_binding.dir_node");
_Static_assert(__builtin_offsetof(struct boesfs_binding, dir_inside) == 12, "boesfs_binding.dir_inside");
_Static_assert(__builtin_offsetof(struct boesfs_binding, dir_text_node) == 16, "boesfs_binding.dir_text_node");
_Static_assert(__builtin_offsetof(struct boesfs_binding, dir_text_inside) == 20, "boesfs_binding.dir_text_inside");
_Static_assert(__builtin_offsetof(struct boesfs_binding, dir_label) == 24, "boesfs_binding.dir_label");
_Static_assert(__builtin_offsetof(struct boesfs_binding, other_class) == 28, "boesfs_binding.other_class");
_Static_assert(__builtin_offsetof(struct boesfs_binding, flags) == 32, "boesfs_binding.flags");
_Static_assert(__builtin_offsetof(struct boesfs_binding, table) == 36, "boesfs_binding.table");
_Static_assert(__builtin_offsetof(struct boesfs_binding, program_count) == 40, "boesfs_binding.program_count");
_Static_assert(__builtin_offsetof(struct boesfs_binding, reserved) == 44, "boesfs_binding.reserved");
_Static_assert(__builtin_offsetof(struct boesfs_binding, reserved2) == 48, "boesfs_binding.reserved2");

/* A mount namespace in which every task must have a label, by its inode number. */
struct boesfs_armed {
	/* The number of the namespace, which the kernel never gives twice. */
	__u64 seq;
	/* Index of the sandbox. */
	__u32 slot;
	/* 0. */
	__u32 reserved;
};
_Static_assert(sizeof(struct boesfs_armed) == 16, "size of boesfs_armed");
_Static_assert(__builtin_offsetof(struct boesfs_armed, seq) == 0, "boesfs_armed.seq");
_Static_assert(__builtin_offsetof(struct boesfs_armed, slot) == 8, "boesfs_armed.slot");
_Static_assert(__builtin_offsetof(struct boesfs_armed, reserved) == 12, "boesfs_armed.reserved");

/* A policy that is loaded. All zeros where there is none. For user space alone, as `EngineRecord`. */
struct boesfs_policy_record {
	/* Its content id. */
	__u64 id[4];
	/* The hooks it needs: bits by the table of hooks. */
	__u64 hooks;
	/* How many generations of sandboxes use it. */
	__u64 uses;
	/* The kernel's number of the table of programs that it was last bound with, for others to have the
	 * same; or 0. */
	__u64 table;
	/* 0. */
	__u64 reserved;
};
_Static_assert(sizeof(struct boesfs_policy_record) == 64, "size of boesfs_policy_record");
_Static_assert(__builtin_offsetof(struct boesfs_policy_record, id) == 0, "boesfs_policy_record.id");
_Static_assert(__builtin_offsetof(struct boesfs_policy_record, hooks) == 32, "boesfs_policy_record.hooks");
_Static_assert(__builtin_offsetof(struct boesfs_policy_record, uses) == 40, "boesfs_policy_record.uses");
_Static_assert(__builtin_offsetof(struct boesfs_policy_record, table) == 48, "boesfs_policy_record.table");
_Static_assert(__builtin_offsetof(struct boesfs_policy_record, reserved) == 56, "boesfs_policy_record.reserved");

/* What an engine knows of itself. */
struct boesfs_engine_record {
	/* The id of the latest sandbox. */
	__u64 last_id;
	/* How many sandboxes there are. */
	__u64 sandboxes;
	/* Hooks that this kernel does not have: bits by the table of hooks. */
	__u64 absent;
	/* Inode number of the mount namespace of whoever started it, in which no task is in a sandbox. */
	__u64 host_namespace;
	/* The slot at which a free one is looked for next. */
	__u64 cursor;
	/* Whether the engine is sealed: 1, 0. */
	__u64 sealed;
	/* The file of the program that sealed it, by inode number and the device of its file system. */
	__u64 tool_inode;
	/* The device. */
	__u32 tool_device;
	/* The device of the file system that names of the engine are on. */
	__u32 bpffs_device;
	/* Inode number of the engine's directory there, and of the directory of all engines. */
	__u64 directory;
	/* The directory of all engines. */
	__u64 root;
	/* 0. */
	__u64 reserved[6];
};
_Static_assert(sizeof(struct boesfs_engine_record) == 128, "size of boesfs_engine_record");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, last_id) == 0, "boesfs_engine_record.last_id");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, sandboxes) == 8, "boesfs_engine_record.sandboxes");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, absent) == 16, "boesfs_engine_record.absent");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, host_namespace) == 24, "boesfs_engine_record.host_namespace");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, cursor) == 32, "boesfs_engine_record.cursor");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, sealed) == 40, "boesfs_engine_record.sealed");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, tool_inode) == 48, "boesfs_engine_record.tool_inode");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, tool_device) == 56, "boesfs_engine_record.tool_device");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, bpffs_device) == 60, "boesfs_engine_record.bpffs_device");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, directory) == 64, "boesfs_engine_record.directory");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, root) == 72, "boesfs_engine_record.root");
_Static_assert(__builtin_offsetof(struct boesfs_engine_record, reserved) == 80, "boesfs_engine_record.reserved");

/* A kind of event: who did what to what, and what decided. Two events of one kind differ in time and
 * process alone. */
struct boesfs_fold_key {
	/* A number made of its names that nobody outside the kernel can foretell. */
	__u64 names;
	/* The sandbox's id. */
	__u64 sandbox;
	/* The policy's generation. */
	__u64 generation;
	/* Class of the subject. */
	__u32 class;
	/* Cell that decided. */
	__u32 cell;
	/* Entry that decided. */
	__u32 entry;
	/* Operation, verdict and reason, a byte each. */
	__u32 what;
};
_Static_assert(sizeof(struct boesfs_fold_key) == 40, "size of boesfs_fold_key");
_Static_assert(__builtin_offsetof(struct boesfs_fold_key, names) == 0, "boesfs_fold_key.names");
_Static_assert(__builtin_offsetof(struct boesfs_fold_key, sandbox) == 8, "boesfs_fold_key.sandbox");
_Static_assert(__builtin_offsetof(struct boesfs_fold_key, generation) == 16, "boesfs_fold_key.generation");
_Static_assert(__builtin_offsetof(struct boesfs_fold_key, class) == 24, "boesfs_fold_key.class");
_Static_assert(__builtin_offsetof(struct boesfs_fold_key, cell) == 28, "boesfs_fold_key.cell");
_Static_assert(__builtin_offsetof(struct boesfs_fold_key, entry) == 32, "boesfs_fold_key.entry");
_Static_assert(__builtin_offsetof(struct boesfs_fold_key, what) == 36, "boesfs_fold_key.what");

/* How often a kind of event was seen of late. */
struct boesfs_fold {
	/* Which window it was last told in. */
	__u64 window;
	/* How often it was told in that. */
	__u32 told;
	/* How often it was not since it was last told. */
	__u32 folded;
};
_Static_assert(sizeof(struct boesfs_fold) == 16, "size of boesfs_fold");
_Static_assert(__builtin_offsetof(struct boesfs_fold, window) == 0, "boesfs_fold.window");
_Static_assert(__builtin_offsetof(struct boesfs_fold, told) == 8, "boesfs_fold.told");
_Static_assert(__builtin_offsetof(struct boesfs_fold, folded) == 12, "boesfs_fold.folded");

/* A name that the kernel has asked to make before it looked whether it is there. */
struct boesfs_asked {
	/* Address of the directory's dentry. */
	__u64 parent;
	/* The name's length and, below that, its hash, as the kernel has them. */
	__u64 name;
	/* When, in nanoseconds. */
	__u64 time;
};
_Static_assert(sizeof(struct boesfs_asked) == 24, "size of boesfs_asked");
_Static_assert(__builtin_offsetof(struct boesfs_asked, parent) == 0, "boesfs_asked.parent");
_Static_assert(__builtin_offsetof(struct boesfs_asked, name) == 8, "boesfs_asked.name");
_Static_assert(__builtin_offsetof(struct boesfs_asked, time) == 16, "boesfs_asked.time");

/* One mount inside a sandbox. */
struct boesfs_mount {
	/* Address of the mount. */
	__u64 mount;
	/* Address of the dentry that is its root. */
	__u64 root;
	/* Address of the file system's superblock. */
	__u64 superblock;
};
_Static_assert(sizeof(struct boesfs_mount) == 24, "size of boesfs_mount");
_Static_assert(__builtin_offsetof(struct boesfs_mount, mount) == 0, "boesfs_mount.mount");
_Static_assert(__builtin_offsetof(struct boesfs_mount, root) == 8, "boesfs_mount.root");
_Static_assert(__builtin_offsetof(struct boesfs_mount, superblock) == 16, "boesfs_mount.superblock");

/* A program that a policy's subject names; `CALL_PATH` bytes follow: its path or base name, and zeros. */
struct boesfs_program {
	/* Its class. */
	__u32 class;
	/* Length of the text. */
	__u32 len;
	/* 1 for a base name, 0 for a path. */
	__u32 is_name;
	/* 0. */
	__u32 reserved;
};
_Static_assert(sizeof(struct boesfs_program) == 16, "size of boesfs_program");
_Static_assert(__builtin_offsetof(struct boesfs_program, class) == 0, "boesfs_program.class");
_Static_assert(__builtin_offsetof(struct boesfs_program, len) == 4, "boesfs_program.len");
_Static_assert(__builtin_offsetof(struct boesfs_program, is_name) == 8, "boesfs_program.is_name");
_Static_assert(__builtin_offsetof(struct boesfs_program, reserved) == 12, "boesfs_program.reserved");

/* A call of the `bpf` engine: one request in, one decision out. `CALL_PATH` bytes follow: the path. */
struct boesfs_call {
	/* Values of the fields: arguments, uid, gid, kind. */
	__u64 value[8];
	/* Bit per field: known. */
	__u32 known;
	/* Bit per field: absent. */
	__u32 absent;
	/* Operation. */
	__u32 op;
	/* Class. */
	__u32 class;
	/* Length of the path. */
	__u32 path_len;
	/* 0 decides; 1 asks whether the operation is denied whatever its arguments; `CALL_TEXT`. */
	__u32 never;
	/* The row the path led to. */
	__u32 label;
	/* The answer: 1 denied. */
	__u32 deny;
	/* Cell that decided. */
	__u32 cell;
	/* Entry that decided. */
	__u32 entry;
	/* Reason. */
	__u32 reason;
	/* Errno code. */
	__u32 error;
	/* Whether it is reported. */
	__u32 report;
	/* 0. */
	__u32 reserved;
};
_Static_assert(sizeof(struct boesfs_call) == 120, "size of boesfs_call");
_Static_assert(__builtin_offsetof(struct boesfs_call, value) == 0, "boesfs_call.value");
_Static_assert(__builtin_offsetof(struct boesfs_call, known) == 64, "boesfs_call.known");
_Static_assert(__builtin_offsetof(struct boesfs_call, absent) == 68, "boesfs_call.absent");
_Static_assert(__builtin_offsetof(struct boesfs_call, op) == 72, "boesfs_call.op");
_Static_assert(__builtin_offsetof(struct boesfs_call, class) == 76, "boesfs_call.class");
_Static_assert(__builtin_offsetof(struct boesfs_call, path_len) == 80, "boesfs_call.path_len");
_Static_assert(__builtin_offsetof(struct boesfs_call, never) == 84, "boesfs_call.never");
_Static_assert(__builtin_offsetof(struct boesfs_call, label) == 88, "boesfs_call.label");
_Static_assert(__builtin_offsetof(struct boesfs_call, deny) == 92, "boesfs_call.deny");
_Static_assert(__builtin_offsetof(struct boesfs_call, cell) == 96, "boesfs_call.cell");
_Static_assert(__builtin_offsetof(struct boesfs_call, entry) == 100, "boesfs_call.entry");
_Static_assert(__builtin_offsetof(struct boesfs_call, reason) == 104, "boesfs_call.reason");
_Static_assert(__builtin_offsetof(struct boesfs_call, error) == 108, "boesfs_call.error");
_Static_assert(__builtin_offsetof(struct boesfs_call, report) == 112, "boesfs_call.report");
_Static_assert(__builtin_offsetof(struct boesfs_call, reserved) == 116, "boesfs_call.reserved");

#endif
