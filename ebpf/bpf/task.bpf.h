/* SPDX-License-Identifier: GPL-2.0 */
/* Who calls: from the current task to its sandbox and class, and to a work buffer. */
#ifndef BOESFS_TASK_BPF_H
#define BOESFS_TASK_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>

/* Reads @member of the kernel's structure @type at @from. What @from is made of must not be relocated with it. */
#define boesfs_read(to, type, from, member)                                                                            \
	({                                                                                                             \
		__u64 from_ = (from);                                                                                  \
		bpf_core_read(&(to), sizeof(to), &((struct type *)from_)->member);                                     \
	})

/* How many local storages of one task are looked at. */
#define BOESFS_TASK_STORAGES 32

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
	/* In one that may do nothing more: deny without a word. So is who has come into one from outside. */
	BOESFS_BARRED,
};

struct boesfs_caller {
	/* To be written to; NULL if there is none, or it could only be read. */
	struct boesfs_label *label;
	struct boesfs_sandbox *sandbox;
	/* What the label says: which sandbox, enum BOESFS_LABEL_*, the class, and the generation that it is of; 0 is none. */
	__u32 slot;
	__u32 flags;
	__u32 class;
	/* Which work buffer it has. */
	__u32 work;
	__u64 class_generation;
	/* The generation that decides this call. */
	__u64 generation;
	struct boesfs_binding *binding;
	struct boesfs_scratch *scratch;
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

/* Whether @label's class is of the program that @task runs. */
static __always_inline __u32 boesfs_is_of_program(const struct task_struct *task, const struct boesfs_label *label)
{
	return label->exec == BOESFS_EXEC_ANY || label->exec == task->self_exec_id;
}

/*
 * Whether @task, which has @label, is confined. That an exec is past is seen by the kernel's count of them, for the label
 * may not have been to be had when it was. Of a program that nothing was noted of, the class is looked for.
 */
static __always_inline __u32 boesfs_label_says(struct task_struct *task, const struct boesfs_label *label,
					       struct boesfs_caller *caller)
{
	__u32 flags = label->flags;

	caller->slot = label->slot;
	caller->flags = flags;
	caller->class = label->class;
	caller->class_generation = boesfs_is_of_program(task, label) ? label->generation : 0;
	if (flags && label->pending_exec == task->self_exec_id) {
		if (flags & BOESFS_LABEL_PENDING) {
			caller->class = label->pending;
			caller->class_generation = label->pending_generation;
		}
		caller->flags = 0;
	}
	caller->sandbox = boesfs_sandbox_get(label->slot);
	if (caller->sandbox && caller->sandbox->id != label->sandbox)
		caller->sandbox = 0;
	if (caller->flags & BOESFS_LABEL_ENTERING)
		return BOESFS_FREE;
	if (!caller->sandbox || caller->sandbox->flags & BOESFS_SANDBOX_KILLED)
		return BOESFS_BARRED;
	return BOESFS_CONFINED;
}

/* Copies the label of @task, whoever holds the task storage of this processor. Returns 0 if it has none. */
static __always_inline __u32 boesfs_label_copy(struct task_struct *task, struct boesfs_label *to)
{
	__u64 storage = 0, node = 0, data, map, key = (__u64)task;
	struct boesfs_label *orphan;
	__u32 id;

	boesfs_read(storage, task_struct, (__u64)task, bpf_storage);
	boesfs_read(node, bpf_local_storage, storage, list.first);
	for (__u32 i = 0; i < BOESFS_TASK_STORAGES && node; i++) {
		data = node - bpf_core_field_offset(struct bpf_local_storage_elem, snode) +
		       bpf_core_field_offset(struct bpf_local_storage_elem, sdata);
		map = 0;
		id = 0;
		boesfs_read(map, bpf_local_storage_data, data, smap);
		boesfs_read(id, bpf_local_storage_map, map, map.id);
		if (id == ((struct bpf_map *)&labels)->id)
			return !bpf_probe_read_kernel(
				to, sizeof(*to),
				(void *)(data + bpf_core_field_offset(struct bpf_local_storage_data, data)));
		boesfs_read(node, hlist_node, node, next);
	}
	orphan = bpf_map_lookup_elem(&orphans, &key);
	if (!orphan)
		return 0;
	*to = *orphan;
	return 1;
}

/*
 * As boesfs_label_says(), of a label that could not be had. What lives in a sandbox's mount namespace must have one.
 * VERIFIER: a function of its own, for the room on the stack.
 */
static __attribute__((noinline)) int boesfs_label_sought(struct task_struct *task, struct boesfs_caller *caller)
{
	struct boesfs_label label;
	__u64 key = (__u64)task;

	if (!boesfs_label_copy(task, &label))
		return BOESFS_BARRED;
	if (task == bpf_get_current_task_btf() &&
	    bpf_task_storage_get(&labels, task, &label, BPF_LOCAL_STORAGE_GET_F_CREATE))
		bpf_map_delete_elem(&orphans, &key);
	return boesfs_label_says(task, &label, caller);
}

/* Whether @task is in a sandbox. A task that is setting up its sandbox, before its command, is free. */
static __always_inline __u32 boesfs_confinement(struct task_struct *task, struct boesfs_caller *caller)
{
	__u32 namespace;

	caller->label = bpf_task_storage_get(&labels, task, 0, 0);
	if (caller->label)
		return boesfs_label_says(task, caller->label, caller);
	caller->sandbox = 0;
	caller->flags = 0;
	namespace = task->nsproxy->mnt_ns->ns.inum;
	if (namespace == boesfs_host_namespace || !boesfs_is_armed(task, namespace))
		return BOESFS_FREE;
	return boesfs_label_sought(task, caller);
}

/* The binding of the generation that decides, or 0. */
static __always_inline struct boesfs_binding *boesfs_binding_of(const struct boesfs_caller *caller)
{
	__u32 index = 2 * caller->slot + (caller->generation & 1);

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
		caller->work = index;
		return 1;
	}
	return 0;
}

/* The same; a call that cannot be judged, for none is free, is counted as lost. */
static __always_inline __u32 boesfs_scratch_take_or_lose(struct boesfs_caller *caller)
{
	if (boesfs_scratch_take(caller))
		return 1;
	__sync_fetch_and_add(&caller->sandbox->dropped, 1);
	return 0;
}

static __always_inline void boesfs_scratch_give(struct boesfs_caller *caller)
{
	__u32 cpu = caller->work / BOESFS_WORKS_PER_CPU;
	__u64 *bits = bpf_map_lookup_elem(&taken, &cpu);

	if (bits)
		__sync_fetch_and_and(bits, ~(1ull << caller->work % BOESFS_WORKS_PER_CPU));
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

/* The caller's class is a number of another generation's, or of another program's: finds what it is now. */
static __always_inline void boesfs_reclassify(struct boesfs_caller *caller)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct boesfs_scratch *s = caller->scratch;
	struct boesfs_label *label = caller->label;

	if (caller->binding->flags & BOESFS_BINDING_CLASSES) {
		boesfs_subjects_of(s, caller->binding, caller->sandbox->mount_namespace);
		boesfs_own_class_call(s);
		caller->class = s->program_class;
		/* Who traces it may have been of its class, and is of no other's now. */
		if (task->ptrace && caller->class != caller->binding->other_class)
			caller->class = BOESFS_NO_CLASS;
	} else {
		caller->class = caller->binding->other_class;
	}
	caller->class_generation = caller->generation;
	if (!label)
		return;
	label->class = caller->class;
	label->generation = caller->generation;
	label->exec = task->self_exec_id;
	/* What is noted of an exec that is past must not count for more than what was found after it. */
	if (label->pending_exec == label->exec)
		label->flags = 0;
}

/* Fills the work of a call: who asks, by which policy, where its protected directory is. */
static __always_inline void boesfs_work_begin(struct boesfs_caller *caller)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct boesfs_binding *binding = caller->binding;
	struct boesfs_work *w = &caller->scratch->work;

	if (caller->class_generation != caller->generation)
		boesfs_reclassify(caller);
	w->request.class = caller->class;
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
	caller->scratch->slot = caller->slot;
	caller->scratch->class = caller->class;
	if (boesfs_check_memos)
		caller->scratch->is_known = 0;
}

#endif
