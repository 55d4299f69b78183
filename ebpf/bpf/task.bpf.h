/* SPDX-License-Identifier: GPL-2.0 */
/* Who calls: from the current task to its sandbox and class, and to a work buffer. */
#ifndef BOESFS_TASK_BPF_H
#define BOESFS_TASK_BPF_H

#include "maps.bpf.h"

/* Inode number of the mount namespace of whoever started the engine. */
const volatile __u32 boesfs_host_namespace = 0;
/* What the numbers of names in kinds of event begin with: nobody outside the kernel can find names of one number. */
const volatile __u64 boesfs_fold_seed = 0;
/* Address of the namespaces that the machine was started with; a number that is none if it is not known. */
const volatile __u64 boesfs_init_nsproxy = 1;
/* Address of the kernel's rename_lock. */
const volatile __u64 boesfs_rename_lock = 0;
/* For tests: how answers of memos are compared with fresh ones, which then are the ones that count. */
enum boesfs_check {
	BOESFS_CHECK_NOTHING,
	BOESFS_CHECK_MEMOS,
	/* The comparing must object to memos that are valid whatever was renamed. */
	BOESFS_CHECK_BAD_RENAMES,
	/* And to memos that are valid for every generation. */
	BOESFS_CHECK_BAD_GENERATIONS,
	/* And to memos that are renewed wherever their directory has gone. */
	BOESFS_CHECK_BAD_PATHS,
	/* And to memos that are renewed whichever directory was renamed last. */
	BOESFS_CHECK_BAD_RECENT,
	/* And to memos that are renewed whatever the numbers of the directories on their way say. */
	BOESFS_CHECK_BAD_NUMBERS,
};

const volatile __u32 boesfs_check_memos = 0;

enum boesfs_confinement {
	/* Not in a sandbox. */
	BOESFS_FREE,
	/* In one: judge. */
	BOESFS_CONFINED,
	/* In one that may do nothing more, or whose state cannot be had: deny without a word. */
	BOESFS_BARRED,
};

struct boesfs_caller {
	/* The mount namespace the task is in. */
	struct mnt_namespace *namespace;
	struct boesfs_label *label;
	struct boesfs_sandbox *sandbox;
	/* The generation that decides this call. */
	__u64 generation;
	struct boesfs_binding *binding;
	/* A work buffer, and what gives it back. */
	struct boesfs_scratch *scratch;
	__u32 cpu;
	__u32 bit;
	/* What a memo says, which is compared with what is found afresh: for tests. */
	struct boesfs_known known;
	__u32 is_known;
	__u32 known_sequence;
};

static __always_inline struct boesfs_sandbox *boesfs_sandbox_get(__u32 slot)
{
	return bpf_map_lookup_elem(&sandboxes, &slot);
}

/* Where the mount number @index of the sandbox in @slot is. */
static __always_inline __u32 boesfs_mounts_key(__u32 slot, __u32 index)
{
	return slot * (BOESFS_MAX_MOUNTS / BOESFS_MOUNTS_PIECE) + index / BOESFS_MOUNTS_PIECE;
}

/* The path of the protected directory of the sandbox in @slot, of @len bytes; to be read with bpf_probe_read_kernel(). */
static __always_inline const void *boesfs_dir_path(__u32 slot, __u32 len)
{
	if (len <= BOESFS_SHORT_DIR)
		return bpf_map_lookup_elem(&dirs, &slot);
	return bpf_map_lookup_elem(&long_dirs, &slot);
}

/* Whether a mount namespace is a sandbox's. Its number counts: inode numbers are used again. */
static __always_inline __u32 boesfs_is_armed(struct task_struct *task, __u32 namespace)
{
	struct boesfs_armed *found = bpf_map_lookup_elem(&armed, &namespace);

	return found && found->seq == task->nsproxy->mnt_ns->seq;
}

/* Whether the current task is, beyond doubt, in no sandbox: these have mount namespaces of their own. */
static __always_inline __u32 boesfs_is_elsewhere(void)
{
	return (__u64)bpf_get_current_task_btf()->nsproxy == boesfs_init_nsproxy;
}

/* Whether @task is in a sandbox. A task that is setting up its sandbox, before its command, is free. */
static __always_inline __u32 boesfs_confinement(struct task_struct *task, struct boesfs_caller *caller)
{
	__u32 namespace;

	caller->sandbox = 0;
	caller->label = bpf_task_storage_get(&labels, task, 0, 0);
	caller->namespace = task->nsproxy->mnt_ns;
	/*
	 * No label, or none to be had: on 6.1 the look-up fails under contention. What lives in a sandbox's mount
	 * namespace has one.
	 */
	if (!caller->label) {
		namespace = caller->namespace->ns.inum;
		return namespace != boesfs_host_namespace && boesfs_is_armed(task, namespace) ? BOESFS_BARRED :
												   BOESFS_FREE;
	}
	if (caller->label->flags & BOESFS_LABEL_ENTERING)
		return BOESFS_FREE;
	caller->sandbox = boesfs_sandbox_get(caller->label->slot);
	if (!caller->sandbox || caller->sandbox->id != caller->label->sandbox ||
	    caller->sandbox->flags & BOESFS_SANDBOX_KILLED)
		return BOESFS_BARRED;
	return BOESFS_CONFINED;
}

/* The binding of the generation that decides, or 0. */
static __always_inline struct boesfs_binding *boesfs_binding_of(const struct boesfs_caller *caller)
{
	__u32 index = 2 * caller->label->slot + (caller->generation & 1);

	return bpf_map_lookup_elem(&bindings, &index);
}

/* Reads, once for each call, which generation decides. */
static __always_inline void boesfs_generation_read(struct boesfs_caller *caller)
{
	caller->generation = *(volatile __u64 *)&caller->sandbox->generation;
}

/* Both. Returns 0 if there is none. */
static __always_inline __u32 boesfs_bind(struct boesfs_caller *caller)
{
	boesfs_generation_read(caller);
	caller->binding = boesfs_binding_of(caller);
	return caller->binding != 0;
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

/* What the scratch needs to find a program's class. */
static __always_inline void boesfs_subjects_of(struct boesfs_scratch *s, const struct boesfs_binding *binding,
					       __u64 mount_namespace)
{
	s->table = binding->table;
	s->program_count = binding->program_count;
	s->other_class = binding->other_class;
	s->climb.anchor_mount = 0;
	s->climb.anchor_dentry = 0;
	s->climb.mount_namespace = mount_namespace;
	s->climb.which = 0;
}

/* The class of what the current task runs, into the scratch. */
__attribute__((noinline)) int boesfs_own_class_call(struct boesfs_scratch *s);

/* The caller's class is a number of another generation's: finds what it is now. */
static __always_inline void boesfs_reclassify(struct boesfs_caller *caller)
{
	struct boesfs_scratch *s = caller->scratch;

	if (caller->binding->flags & BOESFS_BINDING_CLASSES) {
		boesfs_subjects_of(s, caller->binding, caller->sandbox->mount_namespace);
		boesfs_own_class_call(s);
		caller->label->class = s->program_class;
	} else {
		caller->label->class = caller->binding->other_class;
	}
	caller->label->generation = caller->generation;
}

/* Fills the work of a call: who asks, by which policy, where its protected directory is. */
static __always_inline void boesfs_work_begin(struct boesfs_caller *caller)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct boesfs_binding *binding = caller->binding;
	struct boesfs_work *w = &caller->scratch->work;

	if (caller->label->generation != caller->generation)
		boesfs_reclassify(caller);
	w->request.class = caller->label->class;
	w->request.known = BOESFS_BIT(BOESFS_FIELD_UID) | BOESFS_BIT(BOESFS_FIELD_GID);
	w->request.absent = 0;
	w->request.value[BOESFS_FIELD_UID] = task->cred->fsuid.val;
	w->request.value[BOESFS_FIELD_GID] = task->cred->fsgid.val;
	w->outcome.deny = 0;
	w->outcome.report = 0;
	w->policy_class = binding->policy_class;
	w->policy_slot = binding->policy_slot;
	w->dir_len = caller->sandbox->dir_len;
	w->dir_label = binding->dir_label;
	w->dir_node = binding->dir_node;
	w->dir_inside = binding->dir_inside;
	w->dir_text_node = binding->dir_text_node;
	w->dir_text_inside = binding->dir_text_inside;
	caller->scratch->generation = caller->generation;
	caller->scratch->slot = caller->label->slot;
	caller->scratch->class = caller->label->class;
	if (boesfs_check_memos) {
		caller->scratch->known = caller->known;
		caller->scratch->is_known = caller->is_known;
		caller->scratch->known_sequence = caller->known_sequence;
	}
}

#endif
