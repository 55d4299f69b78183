/* SPDX-License-Identifier: GPL-2.0 */
/* Who calls: from the current task to its sandbox and class, and to a work buffer. */
#ifndef BOESFS_TASK_BPF_H
#define BOESFS_TASK_BPF_H

#include "maps.bpf.h"

/* Inode number of the mount namespace of whoever started the engine: its tasks are let go before any look-up. */
const volatile __u32 boesfs_host_namespace = 0;
/* Address of the kernel's rename_lock. */
const volatile __u64 boesfs_rename_lock = 0;

enum boesfs_confinement {
	/* Not in a sandbox. */
	BOESFS_FREE,
	/* In one: judge. */
	BOESFS_CONFINED,
	/* In one that may do nothing more, or whose state cannot be had: deny without a word. */
	BOESFS_BARRED,
};

struct boesfs_caller {
	struct boesfs_label *label;
	struct boesfs_sandbox *sandbox;
	/* A work buffer, and what gives it back. */
	struct boesfs_scratch *scratch;
	__u32 cpu;
	__u32 bit;
};

static __always_inline struct boesfs_sandbox *boesfs_sandbox_get(__u32 slot)
{
	return bpf_map_lookup_elem(&sandboxes, &slot);
}

/* Whether @task is in a sandbox. A task that is setting up its sandbox, before its command, is free. */
static __always_inline __u32 boesfs_confinement(struct task_struct *task, struct boesfs_caller *caller)
{
	__u32 namespace = task->nsproxy->mnt_ns->ns.inum;

	caller->label = 0;
	caller->sandbox = 0;
	if (namespace == boesfs_host_namespace)
		return BOESFS_FREE;
	caller->label = bpf_task_storage_get(&labels, task, 0, 0);
	if (!caller->label) {
		/*
		 * No label, or none to be had: on 6.1 the look-up fails under contention. What lives in the
		 * sandbox's mount namespace has one.
		 */
		caller->sandbox = boesfs_sandbox_get(0);
		if (caller->sandbox && caller->sandbox->flags & BOESFS_SANDBOX_ARMED &&
		    caller->sandbox->mount_namespace_id == namespace)
			return BOESFS_BARRED;
		return BOESFS_FREE;
	}
	if (caller->label->flags & BOESFS_LABEL_ENTERING)
		return BOESFS_FREE;
	caller->sandbox = boesfs_sandbox_get(caller->label->slot);
	if (!caller->sandbox || caller->sandbox->flags & BOESFS_SANDBOX_KILLED)
		return BOESFS_BARRED;
	return BOESFS_CONFINED;
}

/* Takes a work buffer for the current task. Returns 0 if none is free. */
static __always_inline __u32 boesfs_scratch_take(struct boesfs_caller *caller)
{
	__u32 cpu = bpf_get_smp_processor_id(), index;
	__u64 *bits = bpf_map_lookup_elem(&taken, &cpu);

	if (!bits)
		return 0;
	for (__u32 i = 0; i < BOESFS_WORKS_PER_CPU; i++) {
		__u64 old = *(volatile __u64 *)bits;

		if (old & (1ull << i))
			continue;
		if (__sync_val_compare_and_swap(bits, old, old | 1ull << i) != old)
			continue;
		index = cpu * BOESFS_WORKS_PER_CPU + i;
		caller->scratch = bpf_map_lookup_elem(&scratches, &index);
		if (!caller->scratch)
			return 0;
		caller->cpu = cpu;
		caller->bit = i;
		return 1;
	}
	return 0;
}

static __always_inline void boesfs_scratch_give(struct boesfs_caller *caller)
{
	__u64 *bits = bpf_map_lookup_elem(&taken, &caller->cpu);

	if (bits)
		__sync_fetch_and_and(bits, ~(1ull << (caller->bit & 63)));
}

/* Fills the work of a call: who asks, where its protected directory is. */
static __always_inline void boesfs_work_begin(struct boesfs_caller *caller)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct boesfs_work *w = &caller->scratch->work;

	w->request.class = caller->label->class;
	w->request.known = BOESFS_BIT(BOESFS_FIELD_UID) | BOESFS_BIT(BOESFS_FIELD_GID);
	w->request.absent = 0;
	w->request.value[BOESFS_FIELD_UID] = task->cred->fsuid.val;
	w->request.value[BOESFS_FIELD_GID] = task->cred->fsgid.val;
	w->outcome.deny = 0;
	w->outcome.report = 0;
	w->dir_len = caller->sandbox->dir_len;
	w->dir_label = caller->sandbox->dir_label;
	w->dir_node = caller->sandbox->dir_node;
	w->dir_inside = caller->sandbox->dir_inside;
	w->dir_text_node = caller->sandbox->dir_text_node;
	w->dir_text_inside = caller->sandbox->dir_text_inside;
	caller->scratch->slot = caller->label->slot;
	caller->scratch->class = caller->label->class;
}

/*
 * Begins the judging of a call of the current task. Returns BOESFS_CONFINED with a work buffer in @caller, or
 * BOESFS_FREE, or BOESFS_BARRED.
 */
static __always_inline __u32 boesfs_begin(struct boesfs_caller *caller)
{
	__u32 confinement = boesfs_confinement(bpf_get_current_task_btf(), caller);

	if (confinement != BOESFS_CONFINED)
		return confinement;
	if (!boesfs_scratch_take(caller))
		return BOESFS_BARRED;
	boesfs_work_begin(caller);
	return BOESFS_CONFINED;
}

#endif
