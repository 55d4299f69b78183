/* SPDX-License-Identifier: GPL-2.0 */
/* How tasks come into a sandbox and stay in it. */
#ifndef BOESFS_ENROL_BPF_H
#define BOESFS_ENROL_BPF_H

#include "report.bpf.h"

/* What the kernel says of an exec: the task's root and working directory are shared; it is traced. */
#define BOESFS_LSM_UNSAFE_SHARE 1
#define BOESFS_LSM_UNSAFE_PTRACE 2
/* To be tried again. */
#define BOESFS_EAGAIN_NUMBER 11

/* A new task inherits its parent's label; one that cannot be given it is not made. io_uring's workers come here too. */
SEC("lsm/task_alloc")
int BOESFS_PROG(boesfs_task_alloc, struct task_struct *task, unsigned long clone_flags, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_label label;
	__u32 confinement;
	__u64 key;

	if (ret)
		return ret;
	confinement = boesfs_confinement(bpf_get_current_task_btf(), &caller);
	if (confinement == BOESFS_BARRED)
		return -BOESFS_EACCES_NUMBER;
	if (caller.label)
		label = *caller.label;
	else if (confinement == BOESFS_FREE && !(caller.flags & BOESFS_LABEL_ENTERING))
		return 0;
	else if (!boesfs_label_copy(bpf_get_current_task_btf(), &label))
		return -BOESFS_EAGAIN_NUMBER;
	if (bpf_task_storage_get(&labels, task, &label, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return 0;
	key = (__u64)task;
	return bpf_map_update_elem(&orphans, &key, &label, 0) ? -BOESFS_EAGAIN_NUMBER : 0;
}

/* Compares the climb's path, or its last name, with a program of the policy's subjects. */
struct boesfs_program_loop {
	struct boesfs_scratch *scratch;
	__u32 index;
	/* First byte of what is compared. */
	__u32 start;
	__u32 differs;
	__u32 reserved;
};

static __always_inline struct boesfs_program_text *boesfs_program_get(const struct boesfs_scratch *s, __u32 index)
{
	__u32 table = s->table;
	void *programs = bpf_map_lookup_elem(&tables, &table);

	return programs ? bpf_map_lookup_elem(programs, &index) : 0;
}

static long boesfs_program_word(__u32 i, void *ctx)
{
	struct boesfs_program_loop *loop = ctx;
	__u32 index = loop->index, at = loop->start + i * 8, off = i * 8;
	struct boesfs_program_text *program = boesfs_program_get(loop->scratch, index);
	__u64 diff;

	if (!program || at >= BOESFS_PATH_END || off > BOESFS_CALL_PATH - 8) {
		loop->differs = 1;
		return 1;
	}
	at &= BOESFS_PATH_END - 1;
	off &= BOESFS_CALL_PATH - 8;
	diff = *(__u64 *)&loop->scratch->work.path[0][at] ^ *(__u64 *)&program->text[off];
	if (BOESFS_PATH_END - at < 8)
		diff &= ~0ull >> 8 * (8 - (BOESFS_PATH_END - at));
	if (diff)
		loop->differs = 1;
	return diff != 0;
}

static long boesfs_program_body(__u32 i, void *ctx)
{
	struct boesfs_program_loop *loop = ctx;
	struct boesfs_program_text *program = boesfs_program_get(loop->scratch, i);
	__u32 start;

	if (!program)
		return 1;
	start = program->program.is_name ? loop->scratch->climb.name_at : loop->scratch->climb.at;
	if (program->program.len != BOESFS_PATH_END - start)
		return 0;
	loop->index = i;
	loop->start = start;
	loop->differs = 0;
	bpf_loop((program->program.len + 7) / 8, boesfs_program_word, ctx, 0);
	if (loop->differs)
		return 0;
	loop->scratch->program_class = program->program.class;
	return 1;
}

/* The class of the program at the climb's from_mount and from_dentry, into the scratch. */
__attribute__((noinline)) int boesfs_program_class_call(struct boesfs_scratch *s)
{
	struct boesfs_program_loop loop = { .scratch = s };

	if (!s)
		return 0;
	s->program_class = BOESFS_NO_CLASS;
	boesfs_climb_call(s);
	if (s->climb.found == BOESFS_FOUND_ANONYMOUS)
		s->program_class = s->other_class;
	/* A program that answers to other names too is not known by the one that it was called. */
	if (s->climb.found != BOESFS_FOUND_OUTSIDE || s->climb.folds)
		return 0;
	s->program_class = s->other_class;
	bpf_loop(s->program_count, boesfs_program_body, &loop, 0);
	return 0;
}

__attribute__((noinline)) int boesfs_own_class_call(struct boesfs_scratch *s)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 file = 0, mount = 0;

	if (!s)
		return 0;
	s->program_class = BOESFS_NO_CLASS;
	if (!task->mm)
		return 0;
	file = (__u64)task->mm->exe_file;
	if (!file)
		return 0;
	boesfs_read(mount, file, file, f_path.mnt);
	boesfs_read(s->climb.from_dentry, file, file, f_path.dentry);
	s->climb.from_mount = boesfs_mount_of((void *)mount);
	boesfs_program_class_call(s);
	return 0;
}

/*
 * The file is the one that will run: a script's is its interpreter by now. The task gets its class when the exec
 * commits. One that changes class keeps nothing of its environment that a loader would obey.
 */
SEC("lsm/bprm_creds_from_file")
int BOESFS_PROG(boesfs_bprm_creds_from_file, struct linux_binprm *bprm, struct file *file, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_scratch *s;
	__u32 confinement, class, entering;

	if (ret)
		return ret;
	confinement = boesfs_confinement(bpf_get_current_task_btf(), &caller);
	if (confinement == BOESFS_BARRED)
		return -BOESFS_EACCES_NUMBER;
	entering = caller.flags & BOESFS_LABEL_ENTERING;
	if (confinement == BOESFS_FREE && !entering)
		return 0;
	if (!caller.sandbox || !boesfs_bind(&caller))
		return -BOESFS_EACCES_NUMBER;
	if (entering)
		caller.sandbox->filters = bpf_get_current_task_btf()->seccomp.filter_count.counter;
	if (caller.label) {
		if (entering)
			caller.label->pending_exec = bpf_get_current_task_btf()->self_exec_id + 1;
	} else if (caller.flags) {
		/* Nothing would end the entering, or what is noted of an exec that failed would be taken for this one's. */
		return -BOESFS_EAGAIN_NUMBER;
	}
	if (!(caller.binding->flags & BOESFS_BINDING_CLASSES))
		return 0;
	if (!boesfs_scratch_take_or_lose(&caller))
		return -BOESFS_EACCES_NUMBER;
	s = caller.scratch;
	/* Classes of two generations cannot be compared. */
	if (caller.generation != caller.class_generation && !entering)
		boesfs_reclassify(&caller);
	s->climb.from_mount = boesfs_mount_of(file->f_path.mnt);
	s->climb.from_dentry = (__u64)file->f_path.dentry;
	boesfs_subjects_of(s, caller.binding, caller.sandbox->mount_namespace);
	boesfs_program_class_call(s);
	class = s->program_class;
	boesfs_scratch_give(&caller);
	/*
	 * Who traces the task, shares its root and working directory, or has put a filter on its calls, which may answer for the
	 * kernel, would have a hand in the other program.
	 */
	if (class != caller.class && !entering &&
	    (bprm->unsafe & (BOESFS_LSM_UNSAFE_SHARE | BOESFS_LSM_UNSAFE_PTRACE) ||
	     (__u32)bpf_get_current_task_btf()->seccomp.filter_count.counter > caller.sandbox->filters))
		return -BOESFS_EPERM_NUMBER;
	if (caller.label) {
		caller.label->pending = class;
		caller.label->pending_generation = caller.generation;
		caller.label->pending_exec = bpf_get_current_task_btf()->self_exec_id + 1;
		caller.label->flags |= BOESFS_LABEL_PENDING;
	}
	if (class != caller.class && !entering)
		bpf_bprm_opts_set(bprm, BPF_F_BPRM_SECUREEXEC);
	return 0;
}

/* The exec is past its last failure: the task has the new program's class, and runs the command if it did not. */
SEC("lsm/bprm_committed_creds")
int BPF_PROG(boesfs_bprm_committed_creds, struct linux_binprm *bprm)
{
	struct boesfs_label *label;
	struct task_struct *task = bpf_get_current_task_btf();

	if (boesfs_is_elsewhere() || task->nsproxy->mnt_ns->ns.inum == boesfs_host_namespace)
		return 0;
	label = bpf_task_storage_get(&labels, task, 0, 0);
	/* boesfs_label_says() sees for itself that the exec is past. */
	if (!label || !label->flags || label->pending_exec != task->self_exec_id)
		return 0;
	if (label->flags & BOESFS_LABEL_PENDING) {
		label->class = label->pending;
		label->generation = label->pending_generation;
		label->exec = label->pending_exec;
	}
	label->flags = 0;
	return 0;
}

#endif
