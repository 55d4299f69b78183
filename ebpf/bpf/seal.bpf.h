/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seal: an engine's maps, programs and names are changed by processes of the program that sealed it and by nobody
 * else, whatever their rights. Attached for a sealed engine alone, to every task of the machine.
 */
#ifndef BOESFS_SEAL_BPF_H
#define BOESFS_SEAL_BPF_H

#include "report.bpf.h"

/* prctl(PR_SET_MM, what), by which a task says that it runs another program. */
#define BOESFS_PR_SET_MM 35
#define BOESFS_PR_SET_MM_EXE_FILE 13
#define BOESFS_PR_SET_MM_MAP 14

/* The engine's record if it is sealed. */
static __always_inline struct boesfs_engine_record *boesfs_seal(void)
{
	__u32 zero = 0;
	struct boesfs_engine_record *record = bpf_map_lookup_elem(&engine, &zero);

	return record && record->sealed ? record : 0;
}

/* Whether @file is the program that sealed the engine. */
static __always_inline __u32 boesfs_is_tool_file(const struct boesfs_engine_record *record, __u64 file)
{
	__u64 dentry = 0, inode = 0, number = 0, superblock = 0;
	__u32 device = 0;

	if (!file)
		return 0;
	boesfs_read(dentry, file, file, f_path.dentry);
	boesfs_read(inode, dentry, dentry, d_inode);
	boesfs_read(number, inode, inode, i_ino);
	boesfs_read(superblock, inode, inode, i_sb);
	boesfs_read(device, super_block, superblock, s_dev);
	return number == record->tool_inode && device == record->tool_device;
}

static __always_inline __u32 boesfs_runs_tool(const struct boesfs_engine_record *record, struct task_struct *task)
{
	__u64 mm = (__u64)task->mm, file = 0;

	if (!mm)
		return 0;
	boesfs_read(file, mm_struct, mm, exe_file);
	return boesfs_is_tool_file(record, file);
}

/* Whether the current task may do what only the tool may. */
static __always_inline int boesfs_only_tool(const struct boesfs_engine_record *record)
{
	return boesfs_runs_tool(record, bpf_get_current_task_btf()) ? 0 : -BOESFS_EPERM_NUMBER;
}

static __always_inline int boesfs_seal_object(__u64 kind, __u32 id, int ret)
{
	struct boesfs_engine_record *record = boesfs_seal();
	__u64 key = kind << 32 | id;

	if (ret || !record || !bpf_map_lookup_elem(&seals, &key))
		return ret;
	return boesfs_only_tool(record);
}

/* Every way to a descriptor of a map comes here: by its number, by its name. */
SEC("lsm/bpf_map")
int BPF_PROG(boesfs_seal_map, struct bpf_map *map, fmode_t mode, int ret)
{
	return boesfs_seal_object(BOESFS_SEAL_MAP, map->id, ret);
}

/* Who has a descriptor of a program can put another in place of its functions. */
SEC("lsm/bpf_prog")
int BPF_PROG(boesfs_seal_prog, struct bpf_prog *prog, int ret)
{
	return boesfs_seal_object(BOESFS_SEAL_PROGRAM, prog->aux->id, ret);
}

/* Names: of the engine's directory, and the directory's own. */
static __always_inline int boesfs_seal_dir(const struct inode *dir, int ret)
{
	struct boesfs_engine_record *record = boesfs_seal();

	if (ret || !record || dir->i_sb->s_dev != record->bpffs_device)
		return ret;
	if (dir->i_ino != record->directory && dir->i_ino != record->root)
		return 0;
	return boesfs_only_tool(record);
}

SEC("lsm/inode_create")
int BPF_PROG(boesfs_seal_create, struct inode *dir, struct dentry *dentry, umode_t mode, int ret)
{
	return boesfs_seal_dir(dir, ret);
}

SEC("lsm/inode_symlink")
int BPF_PROG(boesfs_seal_symlink, struct inode *dir, struct dentry *dentry, const char *name, int ret)
{
	return boesfs_seal_dir(dir, ret);
}

SEC("lsm/inode_link")
int BPF_PROG(boesfs_seal_link, struct dentry *old, struct inode *dir, struct dentry *dentry, int ret)
{
	return boesfs_seal_dir(dir, ret);
}

SEC("lsm/inode_unlink")
int BPF_PROG(boesfs_seal_unlink, struct inode *dir, struct dentry *dentry, int ret)
{
	return boesfs_seal_dir(dir, ret);
}

SEC("lsm/inode_rmdir")
int BPF_PROG(boesfs_seal_rmdir, struct inode *dir, struct dentry *dentry, int ret)
{
	return boesfs_seal_dir(dir, ret);
}

/* Renames of a directory above would take its names elsewhere; where it stays, its number is the same. */
SEC("lsm/inode_rename")
int BPF_PROG(boesfs_seal_rename, struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new,
	     int ret)
{
	struct boesfs_engine_record *record = boesfs_seal();

	if (ret || !record || old_dir->i_sb->s_dev != record->bpffs_device)
		return ret;
	if (old_dir->i_ino == record->directory || old_dir->i_ino == record->root ||
	    new_dir->i_ino == record->directory || new_dir->i_ino == record->root ||
	    old->d_inode->i_ino == record->root)
		return boesfs_only_tool(record);
	return 0;
}

/* With the last mount of the file system its names are gone. */
static __always_inline int boesfs_seal_superblock(const struct super_block *sb, int ret)
{
	struct boesfs_engine_record *record = boesfs_seal();

	if (ret || !record || sb->s_dev != record->bpffs_device)
		return ret;
	return boesfs_only_tool(record);
}

SEC("lsm/sb_umount")
int BPF_PROG(boesfs_seal_umount, struct vfsmount *mnt, int flags, int ret)
{
	return boesfs_seal_superblock(mnt->mnt_sb, ret);
}

SEC("lsm/sb_remount")
int BPF_PROG(boesfs_seal_remount, struct super_block *sb, void *options, int ret)
{
	return boesfs_seal_superblock(sb, ret);
}

/* A process of the tool has descriptors and memory of the engine: nobody else looks into it. */
SEC("lsm/ptrace_access_check")
int BPF_PROG(boesfs_seal_ptrace, struct task_struct *child, unsigned int mode, int ret)
{
	struct boesfs_engine_record *record = boesfs_seal();

	if (ret || !record || !boesfs_runs_tool(record, child))
		return ret;
	return boesfs_only_tool(record);
}

/* Nobody runs the tool with a hand in it: not traced, and without what an environment would have its loader load. */
SEC("lsm/bprm_creds_from_file")
int BPF_PROG(boesfs_seal_exec, struct linux_binprm *bprm, struct file *file, int ret)
{
	struct boesfs_engine_record *record = boesfs_seal();

	if (ret || !record || !boesfs_is_tool_file(record, (__u64)file))
		return ret;
	if (bprm->unsafe & BOESFS_LSM_UNSAFE_PTRACE && boesfs_only_tool(record))
		return -BOESFS_EPERM_NUMBER;
	bpf_bprm_opts_set(bprm, BPF_F_BPRM_SECUREEXEC);
	return 0;
}

/* Nobody says that it runs the tool without doing so. */
SEC("lsm/task_prctl")
int BPF_PROG(boesfs_seal_prctl, int option, unsigned long what, unsigned long a, unsigned long b, unsigned long c, int ret)
{
	if (option != BOESFS_PR_SET_MM || (what != BOESFS_PR_SET_MM_EXE_FILE && what != BOESFS_PR_SET_MM_MAP))
		return 0;
	return boesfs_seal() ? -BOESFS_EPERM_NUMBER : 0;
}

#endif
