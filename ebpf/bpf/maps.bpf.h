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

/* The sandboxes, by a label's slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct boesfs_sandbox);
} sandboxes SEC(".maps");

struct boesfs_dir {
	__u8 path[BOESFS_CALL_PATH];
};

/* The path of each sandbox's protected directory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct boesfs_dir);
} dirs SEC(".maps");

/* Mounts, BOESFS_MAX_MOUNTS for each sandbox. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BOESFS_MAX_MOUNTS);
	__type(key, __u32);
	__type(value, struct boesfs_mount);
} mounts SEC(".maps");

struct boesfs_program_text {
	struct boesfs_program program;
	__u8 text[BOESFS_CALL_PATH];
};

/* Programs that the policy's subjects name, paths before base names. Sized by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct boesfs_program_text);
} programs SEC(".maps");

/* What is recorded at set-up. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct boesfs_recording);
} recording SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

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
};

struct boesfs_event {
	struct boesfs_event_record record;
	__u8 bytes[3 * BOESFS_PATH_END];
};

struct boesfs_scratch {
	struct boesfs_work work;
	struct boesfs_climb climb;
	/* Which sandbox, and the caller's label as it was. */
	__u32 slot;
	__u32 class;
	/* Whether a recorded mount shows the object's file system, and whether one gives it a name. */
	__u32 shown;
	__u32 named;
	/* The class of the program that is to run. */
	__u32 program_class;
	__u32 reserved;
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
