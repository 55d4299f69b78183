/* SPDX-License-Identifier: GPL-2.0 */
/* Opening: file_open. */
#ifndef BOESFS_OPEN_BPF_H
#define BOESFS_OPEN_BPF_H

#include "learn.bpf.h"

#define BOESFS_O_ACCMODE 3u
#define BOESFS_O_WRONLY 1u
#define BOESFS_O_TRUNC 01000u
#define BOESFS_O_LARGEFILE 0100000u
#define BOESFS_O_CLOEXEC 02000000u
#define BOESFS_O_TMPFILE 020000000u
/* The kernel's own flag of an open that is for running the file. */
#define BOESFS_FMODE_EXEC 0x20u

/* What an open with @flags of an object of @kind is for. */
static __always_inline __u32 boesfs_open_uses(__u32 flags, __u32 kind)
{
	__u32 access = flags & BOESFS_O_ACCMODE, uses = 0;

	if (access != BOESFS_O_WRONLY)
		uses |= BOESFS_BIT(kind == BOESFS_KIND_DIR ? BOESFS_OP_ITERATE : BOESFS_OP_READ);
	if (access != 0 || flags & BOESFS_O_TRUNC)
		uses |= BOESFS_BIT(BOESFS_OP_WRITE);
	return uses;
}

/* Everything that may be judged when a file of @mode is opened with @flags. */
static __always_inline __u32 boesfs_open_ops(__u32 flags, __u32 mode)
{
	__u32 ops = BOESFS_BIT(BOESFS_OP_OPEN);

	if (flags & BOESFS_FMODE_EXEC)
		return ops | BOESFS_BIT(BOESFS_OP_EXEC);
	if ((flags & BOESFS_O_ACCMODE) != BOESFS_O_WRONLY)
		ops |= (mode & 0170000) == 0040000 ? BOESFS_BIT(BOESFS_OP_ITERATE) : BOESFS_BIT(BOESFS_OP_READ);
	if (flags & (BOESFS_O_ACCMODE | BOESFS_O_TRUNC))
		ops |= BOESFS_BIT(BOESFS_OP_WRITE);
	if (flags & BOESFS_O_TMPFILE)
		ops |= BOESFS_BIT(BOESFS_OP_CREATE);
	return ops;
}

__attribute__((noinline)) int boesfs_judge_open_call(struct boesfs_work *w, __u32 flags, __u32 mode)
{
	struct boesfs_blob b = boesfs_blob_get(w);
	struct boesfs_open open = {};

	if (!w)
		return 1;
	if (!b.base)
		return boesfs_deny(w, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, BOESFS_OP_OPEN, 0);
	open.by_kernel = !!(flags & BOESFS_FMODE_EXEC);
	open.flags = flags & ~(BOESFS_O_LARGEFILE | BOESFS_O_CLOEXEC);
	open.unknown_flags = BOESFS_O_CLOEXEC;
	open.flags_known = 1;
	open.uses = boesfs_open_uses(flags, w->object[0].kind);
	open.creates = !!(flags & BOESFS_O_TMPFILE);
	open.mode = mode;
	return boesfs_judge_open(b, w, &open);
}

BOESFS_RECALL(boesfs_file_open, struct file *file)
{
	return boesfs_recall(part, file->f_path.mnt, file->f_path.dentry, boesfs_open_ops(file->f_flags, file->f_inode->i_mode),
			     BOESFS_BIT(BOESFS_OP_OPEN) | BOESFS_BIT(BOESFS_OP_EXEC), BOESFS_HOW_NO_DUMP);
}

SEC("lsm/file_open")
int BOESFS_MEMO_PROG(boesfs_file_open, struct file *file, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_work *w;
	__u32 flags, mode, found, stray, denied, op;
	int error;

	BOESFS_BEGIN_NOTED(caller, ret, file->f_path.mnt, file->f_path.dentry);
	w = &caller.scratch->work;
	flags = file->f_flags;
	mode = file->f_inode->i_mode;
	op = flags & BOESFS_FMODE_EXEC ? BOESFS_OP_EXEC : BOESFS_OP_OPEN;
	boesfs_memo_begin(&caller);
	found = boesfs_place(&caller, 0, file->f_path.mnt, file->f_path.dentry, boesfs_kind_of(mode));
	stray = boesfs_stray(w, found, BOESFS_STRAY_DENY, op, 0);
	/* A program's memory is not for programs of other rights. */
	if (bpf_get_current_task_btf()->flags & BOESFS_PF_DUMPCORE && caller.binding->program_count)
		denied = boesfs_deny(w, BOESFS_REASON_CONFINED, BOESFS_EACCES_NUMBER, op, 0);
	else if (stray == BOESFS_STRAY_JUDGE)
		denied = boesfs_judge_open_call(w, flags, mode) != 0;
	else if (found == BOESFS_FOUND_ANONYMOUS && op == BOESFS_OP_EXEC &&
		 !(boesfs_policy_flags(w) & BOESFS_FLAG_ANONYMOUS_EXEC))
		denied = boesfs_deny(w, BOESFS_REASON_ANONYMOUS, BOESFS_EACCES_NUMBER, op, 0);
	else
		denied = stray == BOESFS_STRAY_DENY;
	boesfs_memo_compare(caller.scratch);
	error = boesfs_report(&caller, denied);
	if (boesfs_is_news(&caller, recall) && found <= BOESFS_FOUND_OUTSIDE)
		boesfs_memo_learn(&caller, file->f_path.dentry);
	boesfs_scratch_give(&caller);
	return error;
}

#endif
