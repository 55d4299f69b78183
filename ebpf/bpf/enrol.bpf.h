/* SPDX-License-Identifier: GPL-2.0 */
/* How tasks come into a sandbox and stay in it, and how its places are recorded at set-up. */
#ifndef BOESFS_ENROL_BPF_H
#define BOESFS_ENROL_BPF_H

#include "report.bpf.h"

/* A new task inherits its parent's label; one that cannot be given it is not made. io_uring's workers come here too. */
SEC("lsm/task_alloc")
int BPF_PROG(boesfs_task_alloc, struct task_struct *task, unsigned long clone_flags, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_label label;
	__u32 confinement;

	if (ret)
		return ret;
	confinement = boesfs_confinement(bpf_get_current_task_btf(), &caller);
	if (confinement == BOESFS_BARRED)
		return -BOESFS_EACCES_NUMBER;
	if (!caller.label)
		return 0;
	label = *caller.label;
	if (!bpf_task_storage_get(&labels, task, &label, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return -BOESFS_EACCES_NUMBER;
	return 0;
}

/* The exec is past its last failure: the task has the new program's class, and runs the command if it did not. */
SEC("lsm/bprm_committed_creds")
int BPF_PROG(boesfs_bprm_committed_creds, struct linux_binprm *bprm)
{
	struct boesfs_label *label;
	struct task_struct *task = bpf_get_current_task_btf();

	if (task->nsproxy->mnt_ns->ns.inum == boesfs_host_namespace)
		return 0;
	label = bpf_task_storage_get(&labels, task, 0, 0);
	if (!label)
		return 0;
	if (label->flags & BOESFS_LABEL_PENDING)
		label->class = label->pending;
	label->flags = 0;
	return 0;
}

/* Notes the place of what the loader calls fstat(2) on. Attached only while a sandbox is set up. */
SEC("lsm/inode_getattr")
int BPF_PROG(boesfs_record, const struct path *path, int ret)
{
	__u32 zero = 0;
	struct boesfs_recording *r = bpf_map_lookup_elem(&recording, &zero);
	struct boesfs_sandbox *sandbox;
	struct boesfs_mount *mount;
	__u64 address, namespace = 0;

	if (ret || !r || !r->thread || r->thread != (__u32)bpf_get_current_pid_tgid())
		return ret;
	sandbox = boesfs_sandbox_get(r->slot);
	if (!sandbox)
		return ret;
	address = boesfs_mount_of(path->mnt);
	if (r->what == 0) {
		sandbox->anchor_mount = address;
		sandbox->anchor_dentry = (__u64)path->dentry;
		boesfs_read(namespace, mount, address, mnt_ns);
		sandbox->mount_namespace = namespace;
		boesfs_read(sandbox->mount_namespace_id, mnt_namespace, namespace, ns.inum);
	} else {
		__u32 index = r->slot * BOESFS_MAX_MOUNTS + r->count;

		mount = bpf_map_lookup_elem(&mounts, &index);
		if (!mount || r->count >= BOESFS_MAX_MOUNTS)
			return ret;
		mount->mount = address;
		mount->root = (__u64)path->mnt->mnt_root;
		mount->superblock = (__u64)path->mnt->mnt_sb;
	}
	r->count++;
	return ret;
}

#endif
