/* SPDX-License-Identifier: GPL-2.0 */
/* The members of kernel structures that are read here, and no others: the loader finds where each kernel has them. */
#ifndef BOESFS_KERNEL_TYPES_H
#define BOESFS_KERNEL_TYPES_H

#include "boesfs_abi.h"

typedef _Bool bool;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u16 umode_t;
typedef unsigned int fmode_t;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_INODE_STORAGE = 28,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

#define BPF_F_NO_PREALLOC 1u
#define BPF_F_MMAPABLE (1u << 10)
#define BPF_F_INNER_MAP (1u << 12)
#define BPF_RB_FORCE_WAKEUP 2
#define BPF_RB_AVAIL_DATA 0
#define BPF_RB_RING_SIZE 1
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1ull
#define BPF_F_BPRM_SECUREEXEC 1ull

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

struct qstr {
	union {
		struct {
			__u32 hash;
			__u32 len;
		};
		__u64 hash_len;
	};
	const unsigned char *name;
};

struct super_block {
	unsigned int s_dev;
	unsigned long s_flags;
	unsigned long s_magic;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

typedef struct {
	__s64 counter;
} atomic64_t;

typedef atomic64_t atomic_long_t;

struct rw_semaphore {
	atomic_long_t count;
};

struct inode {
	umode_t i_mode;
	unsigned long i_ino;
	struct super_block *i_sb;
	struct rw_semaphore i_rwsem;
	unsigned int i_flags;
	struct hlist_head i_dentry;
	void *i_default_acl;
};

typedef struct seqcount {
	unsigned int sequence;
} seqcount_t;

typedef struct seqcount_spinlock {
	seqcount_t seqcount;
} seqcount_spinlock_t;

struct dentry {
	unsigned int d_flags;
	seqcount_spinlock_t d_seq;
	unsigned char d_iname[32];
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
	union {
		struct hlist_node d_alias;
	} d_u;
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
};

struct ns_common {
	unsigned int inum;
};

struct mnt_namespace {
	struct ns_common ns;
	__u64 seq;
	__u64 event;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags;
	fmode_t f_mode;
	__s64 f_pos;
};

/* What a mapping of an overlay's file holds since 6.8: a file of the layer beneath, and what it was opened as. */
struct backing_file {
	struct file file;
	struct path user_path;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct cred {
	kuid_t fsuid;
	kgid_t fsgid;
};

struct fs_struct {
	int umask;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	struct file *exe_file;
};

struct bpf_map {
	__u32 id;
};

struct bpf_local_storage_map {
	struct bpf_map map;
};

struct bpf_local_storage_data {
	struct bpf_local_storage_map *smap;
	__u8 data[8];
};

struct bpf_local_storage_elem {
	struct hlist_node snode;
	struct bpf_local_storage_data sdata;
};

struct bpf_local_storage {
	struct hlist_head list;
};

typedef struct {
	int counter;
} atomic_t;

struct seccomp {
	atomic_t filter_count;
};

struct task_struct {
	int pid;
	int tgid;
	unsigned int in_execve : 1;
	struct nsproxy *nsproxy;
	const struct cred *cred;
	const struct cred *real_cred;
	struct task_struct *group_leader;
	unsigned int flags;
	unsigned int ptrace;
	struct seccomp seccomp;
	struct fs_struct *fs;
	struct files_struct *files;
	struct mm_struct *mm;
	__u64 self_exec_id;
	struct bpf_local_storage *bpf_storage;
};

struct bpf_prog_aux {
	__u32 id;
};

struct bpf_prog {
	struct bpf_prog_aux *aux;
};

struct linux_binprm {
	struct file *file;
	int unsafe;
};

struct iattr {
	unsigned int ia_valid;
	umode_t ia_mode;
	kuid_t ia_uid;
	kgid_t ia_gid;
};

struct vm_area_struct {
	unsigned long vm_flags;
	struct file *vm_file;
};

struct pt_regs {
	unsigned long r10;
	unsigned long dx;
	unsigned long orig_ax;
};

struct sock;

struct unix_sock {
	struct path path;
};

struct socket {
	struct sock *sk;
};

#pragma clang attribute pop

struct mnt_idmap;
struct user_namespace;

#endif
