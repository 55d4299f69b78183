/* SPDX-License-Identifier: GPL-2.0 */
/* Every map of the lsm plane but the policy's, in step with abi/src/map.rs. */
#ifndef BOESFS_MAPS_BPF_H
#define BOESFS_MAPS_BPF_H

#include "engine.bpf.h"

/* What a task in a sandbox is known by. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct boesfs_label);
} labels SEC(".maps");

/*
 * Labels of tasks that could not be given them, by the task's address, until they can. Before 6.2 a processor's whole
 * task storage is out of reach while one that has been preempted there holds it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BOESFS_MAX_ORPHANS);
	__type(key, __u64);
	__type(value, struct boesfs_label);
} orphans SEC(".maps");

/* The sandboxes, by a label's slot. User space writes single words of it while programs read. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BOESFS_MAX_SANDBOXES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct boesfs_sandbox);
} sandboxes SEC(".maps");

/* Two generations of each sandbox's policy: 2 * slot, and one more where the generation is odd. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * BOESFS_MAX_SANDBOXES);
	__type(key, __u32);
	__type(value, struct boesfs_binding);
} bindings SEC(".maps");

/* Mount namespaces of sandboxes, by inode number: whoever lives there must have a label. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BOESFS_MAX_SANDBOXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct boesfs_armed);
} armed SEC(".maps");

struct boesfs_short_dir {
	__u8 path[BOESFS_SHORT_DIR];
};

struct boesfs_long_dir {
	__u8 path[BOESFS_CALL_PATH];
};

/* The path of a sandbox's protected directory, by slot, in the smaller map that holds it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BOESFS_MAX_SANDBOXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct boesfs_short_dir);
} dirs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BOESFS_MAX_SANDBOXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct boesfs_long_dir);
} long_dirs SEC(".maps");

/* Some of a sandbox's mounts, and zeros behind the last. */
struct boesfs_mounts {
	struct boesfs_mount mount[BOESFS_MOUNTS_PIECE];
};

/* The mounts of a sandbox, piece after piece, by boesfs_mounts_key(). The first is always there. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BOESFS_MAX_MOUNTS_PIECES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct boesfs_mounts);
} mounts SEC(".maps");

struct boesfs_program_text {
	struct boesfs_program program;
	__u8 text[BOESFS_CALL_PATH];
};

/*
 * Programs that a policy's subjects name in one sandbox's root, paths before base names: a table for each binding, and
 * behind those one for each policy, for all who see the same programs.
 * Types that only inner maps name are left out of the object's type information, so they name none.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2 * BOESFS_MAX_SANDBOXES + BOESFS_MAX_POLICIES_SMALL + BOESFS_MAX_POLICIES_MEDIUM +
				    BOESFS_MAX_POLICIES_LARGE + BOESFS_MAX_POLICIES_HUGE);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_INNER_MAP);
			__uint(key_size, 4);
			__uint(value_size, sizeof(struct boesfs_program_text));
		});
} tables SEC(".maps");

/* Where events go, a ring buffer for each process that waits for them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BOESFS_MAX_SANDBOXES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_RINGBUF);
			__uint(max_entries, 4096);
		});
} rings SEC(".maps");

/* Kinds of event that were seen of late. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BOESFS_MAX_FOLDS);
	__type(key, struct boesfs_fold_key);
	__type(value, struct boesfs_fold);
} folds SEC(".maps");

/* Names that tasks, by their addresses, would make: see boesfs_asks_first(). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BOESFS_MAX_ASKED);
	__type(key, __u64);
	__type(value, struct boesfs_asked);
} asked SEC(".maps");

/* Wakes those who wait for a sandbox to reach its limit. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, BOESFS_LIMITS_RING);
} limits SEC(".maps");

/* Numbers of the maps and programs of a sealed engine, with BOESFS_SEAL_* in the upper half. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BOESFS_MAX_SEALS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
} seals SEC(".maps");

/* The policies that are loaded, class after class. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BOESFS_MAX_POLICIES_SMALL + BOESFS_MAX_POLICIES_MEDIUM + BOESFS_MAX_POLICIES_LARGE +
				    BOESFS_MAX_POLICIES_HUGE);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct boesfs_policy_record);
} policies SEC(".maps");

/* One element. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct boesfs_engine_record);
} engine SEC(".maps");

/* Where the kernel side of a call keeps what the decision headers know nothing of. */
struct boesfs_climb {
	/* Dentry, mount and that mount's root: where the climb stands. */
	__u64 dentry;
	__u64 mount;
	__u64 mount_root;
	/* Where it began. */
	__u64 from_dentry;
	__u64 from_mount;
	/* Where it stops: the protected directory; 0 climbs to the root. */
	__u64 anchor_mount;
	__u64 anchor_dentry;
	/* The caller's mount namespace. */
	__u64 mount_namespace;
	/* First byte of the path so far. */
	__u32 at;
	/* First byte of the last name. */
	__u32 name_at;
	/* Which of the work's paths is written. */
	__u32 which;
	/* enum boesfs_place_found. */
	__u32 found;
	/* The sequence of rename_lock during the climb. */
	__u32 sequence;
	/* What the flags of all dentries on the way have. */
	__u32 flags;
	/* Whether the object answers to other names too. */
	__u32 folds;
	__u32 reserved;
	/* The directory of the first name, if it is learned. */
	__u64 parent;
};

/* What is known of a row: the operations it denies or makes depend on arguments, and those it tells of. */
struct boesfs_known {
	__u32 deny;
	__u32 report;
	/* The row; BOESFS_NO_RULE outside the protected directory. */
	__u32 label;
	__u32 reserved;
};

/* How far a memo goes beyond names on its mount. */
enum boesfs_scope {
	/* No other mount gives a name in the directory a place that rules are about. */
	BOESFS_SCOPE_NAMES = 1,
	/* The directory may be looked up by every name it has, and that is not told. */
	BOESFS_SCOPE_SELF = 2,
	/* The policy hides no names: rights go by the row alone. */
	BOESFS_SCOPE_ROWS = 4,
	/* No other mount shows the file system. */
	BOESFS_SCOPE_ALONE = 8,
};

/* What a memo is of, and what must not change while it holds. */
struct boesfs_memo_key {
	/* The sandbox's number; its policy's generation, and the class. */
	__u64 sandbox;
	__u64 who;
	__u64 mount;
	/* Changes of the mount namespace, and renames of directories, until then. */
	__u64 mounts;
	__u64 renames;
};

/* A directory as one sandbox sees it by one mount: see memo.bpf.h. */
struct boesfs_memo_way {
	struct boesfs_memo_key key;
	/* The state after the directory's path and a '/'. */
	__u32 node;
	__u32 inside;
	/* enum boesfs_scope, a bit each. */
	__u32 scope;
	/* The sandbox's index. */
	__u32 slot;
	/* Address of the namespaces of tasks that share it: see boesfs_memo_nsproxy(). */
	__u64 nsproxy;
	/*
	 * A hash of the directory's path, what a name below it is multiplied by, and which directories are on it: see
	 * renew.bpf.h.
	 */
	__u64 path;
	__u64 power;
	__u64 chain;
	/* Names that begin with another byte than one of these lead to one row. */
	__u64 first[4];
	struct boesfs_known known;
	/* Bytes of the path. */
	__u32 length;
};

struct boesfs_event {
	struct boesfs_event_record record;
	__u8 bytes[3 * BOESFS_PATH_END];
};

struct boesfs_scratch {
	struct boesfs_work work;
	struct boesfs_climb climb;
	/* What is being learned. */
	struct boesfs_memo_way learned;
	/* What a memo says, which is compared with what is found afresh: for tests. */
	struct boesfs_known known;
	__u32 is_known;
	__u32 known_sequence;
	/* The generation that decides. */
	__u64 generation;
	/* Which sandbox, and the caller's class. */
	__u32 slot;
	__u32 class;
	/* Whether a recorded mount shows the object's file system, and whether one gives it a name. */
	__u32 shown;
	__u32 named;
	/* How many give it a name inside, and the row of the last of these. */
	__u32 insides;
	__u32 inside_label;
	/*
	 * The mount by whose names the object's directory may be remembered for hooks that are told none, or 0; which that is as
	 * far as was looked; and the sequence of rename_lock before.
	 */
	__u64 chosen;
	__u64 candidate;
	__u32 chosen_sequence;
	__u32 reserved;
	/* The class of the program that runs or is to run, and where it is looked for. */
	__u32 program_class;
	__u32 table;
	__u32 program_count;
	__u32 other_class;
	struct boesfs_event event;
};

/*
 * Work buffers: BOESFS_WORKS_PER_CPU for each processor, because a program can be preempted by another on the
 * same one. Both maps are sized by the loader.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BOESFS_WORKS_PER_CPU);
	__type(key, __u32);
	__type(value, struct boesfs_scratch);
} scratches SEC(".maps");

/* Bit per work buffer of a processor: taken. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} taken SEC(".maps");

#endif
