/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What no task in a sandbox may do, whatever the policy: change mounts or the root, make user namespaces, use bpf(2),
 * look into tasks that are not of its sandbox or class, take descriptors of what it may not open.
 */
#ifndef BOESFS_CONFINE_BPF_H
#define BOESFS_CONFINE_BPF_H

#include "open.bpf.h"

/* Denies a confined task without an event: the system call filter of the sandbox says the same. */
static __always_inline int boesfs_forbid(int ret)
{
	struct boesfs_caller caller;

	if (ret)
		return ret;
	return boesfs_confinement(bpf_get_current_task_btf(), &caller) == BOESFS_FREE ? 0 : -BOESFS_EPERM_NUMBER;
}

SEC("lsm/sb_mount")
int BOESFS_PROG(boesfs_sb_mount, const char *dev_name, const struct path *path, const char *type, unsigned long flags,
	     void *data, int ret)
{
	return boesfs_forbid(ret);
}

SEC("lsm/sb_umount")
int BOESFS_PROG(boesfs_sb_umount, struct vfsmount *mnt, int flags, int ret)
{
	return boesfs_forbid(ret);
}

SEC("lsm/sb_remount")
int BOESFS_PROG(boesfs_sb_remount, struct super_block *sb, void *mnt_opts, int ret)
{
	return boesfs_forbid(ret);
}

SEC("lsm/sb_pivotroot")
int BOESFS_PROG(boesfs_sb_pivotroot, const struct path *old_path, const struct path *new_path, int ret)
{
	return boesfs_forbid(ret);
}

SEC("lsm/move_mount")
int BOESFS_PROG(boesfs_move_mount, const struct path *from_path, const struct path *to_path, int ret)
{
	return boesfs_forbid(ret);
}

SEC("lsm/path_chroot")
int BOESFS_PROG(boesfs_path_chroot, const struct path *path, int ret)
{
	return boesfs_forbid(ret);
}

SEC("lsm/bpf")
int BOESFS_PROG(boesfs_bpf, int cmd, void *attr, unsigned int size, int ret)
{
	return boesfs_forbid(ret);
}

SEC("lsm/userns_create")
int BOESFS_PROG(boesfs_userns_create, const struct cred *cred, int ret)
{
	struct boesfs_caller caller;

	if (ret)
		return ret;
	if (boesfs_confinement(bpf_get_current_task_btf(), &caller) == BOESFS_FREE)
		return 0;
	if (caller.sandbox && caller.sandbox->flags & BOESFS_SANDBOX_USERNS)
		return 0;
	return -BOESFS_EPERM_NUMBER;
}

/* A confined task looks only into tasks of its own sandbox and class. */
static __always_inline int boesfs_peek(struct task_struct *who, struct task_struct *whom, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_label label;
	__u32 confinement;

	if (ret)
		return ret;
	confinement = boesfs_confinement(who, &caller);
	if (confinement == BOESFS_FREE)
		return 0;
	if (confinement != BOESFS_CONFINED)
		return -BOESFS_EPERM_NUMBER;
	if (!boesfs_label_copy(whom, &label) || label.sandbox != caller.sandbox->id || !boesfs_bind(&caller))
		return -BOESFS_EPERM_NUMBER;
	if (!(caller.binding->flags & BOESFS_BINDING_CLASSES))
		return 0;
	/* Who has done nothing since a reload has a class of before: it does not look, nor is it looked into, until it has. */
	if (caller.class_generation != caller.generation || label.generation != caller.generation ||
	    label.class != caller.class || !boesfs_is_of_program(whom, &label))
		return -BOESFS_EPERM_NUMBER;
	return 0;
}

SEC("lsm/ptrace_access_check")
int BOESFS_PROG(boesfs_ptrace_access_check, struct task_struct *child, unsigned int mode, int ret)
{
	return boesfs_peek(bpf_get_current_task_btf(), child, ret);
}

/* Who asks to be traced gives its parent the sight. */
SEC("lsm/ptrace_traceme")
int BPF_PROG(boesfs_ptrace_traceme, struct task_struct *parent, int ret)
{
	return boesfs_peek(parent, bpf_get_current_task_btf(), ret);
}

/* A descriptor from another task is judged as if the receiver opened it. */
SEC("lsm/file_receive")
int BOESFS_PROG(boesfs_file_receive, struct file *file, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_work *w;
	__u32 flags, mode, found, stray, denied;

	BOESFS_BEGIN(caller, ret);
	w = &caller.scratch->work;
	flags = file->f_flags & ~BOESFS_FMODE_EXEC;
	mode = file->f_inode->i_mode;
	found = boesfs_place(&caller, 0, file->f_path.mnt, file->f_path.dentry, boesfs_kind_of(mode));
	stray = boesfs_stray(w, found, BOESFS_STRAY_DENY, BOESFS_OP_OPEN, 0);
	if (stray == BOESFS_STRAY_JUDGE)
		denied = boesfs_judge_open_call(w, flags & ~BOESFS_O_TMPFILE, mode) != 0;
	else
		denied = stray == BOESFS_STRAY_DENY;
	return boesfs_end(&caller, denied);
}

#endif
