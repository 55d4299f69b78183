/* SPDX-License-Identifier: GPL-2.0 */
/* Contents through a descriptor: read, write, iterate, truncation, mappings, ioctl. */
#ifndef BOESFS_CONTENT_BPF_H
#define BOESFS_CONTENT_BPF_H

#include "open.bpf.h"

#define BOESFS_MAY_WRITE 2
#define BOESFS_MAY_READ 4
#define BOESFS_PROT_WRITE 2u
#define BOESFS_PROT_EXEC 4u
#define BOESFS_MAP_TYPE 0xfu
#define BOESFS_MAP_PRIVATE 2u
#define BOESFS_O_APPEND 02000u
#define BOESFS_PF_IO_WORKER 0x10u
#define BOESFS_VM_SHARED 8ul

enum boesfs_syscall {
	BOESFS_SYS_READ = 0,
	BOESFS_SYS_WRITE = 1,
	BOESFS_SYS_OPEN = 2,
	BOESFS_SYS_PREAD64 = 17,
	BOESFS_SYS_PWRITE64 = 18,
	BOESFS_SYS_FTRUNCATE = 77,
	BOESFS_SYS_CREAT = 85,
	BOESFS_SYS_OPENAT = 257,
	BOESFS_SYS_OPENAT2 = 437,
	BOESFS_SYS_NONE = 0xffff,
};

/* Requests that every descriptor takes and that say nothing about the file. */
#define BOESFS_FIOCLEX 0x5451u
#define BOESFS_FIONCLEX 0x5450u
#define BOESFS_FIONBIO 0x5421u
#define BOESFS_FIOASYNC 0x5452u
/* Requests that change attributes. */
#define BOESFS_FS_IOC_SETFLAGS 0x40086602u
#define BOESFS_FS_IOC32_SETFLAGS 0x40046602u
#define BOESFS_FS_IOC_SETVERSION 0x40087602u
#define BOESFS_FS_IOC32_SETVERSION 0x40047602u
#define BOESFS_FS_IOC_FSSETXATTR 0x401c5820u
#define BOESFS_EXT4_IOC_SETVERSION 0x40086604u
#define BOESFS_FS_IOC_ENABLE_VERITY 0x40806685u
#define BOESFS_BTRFS_IOC_SUBVOL_SETFLAGS 0x4008941au

/*
 * The number of the system call the current task is in, if its registers tell. A worker of io_uring has those of whoever
 * made it.
 */
static __always_inline __u32 boesfs_syscall_of(struct task_struct *task, struct pt_regs **regs)
{
	*regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (task->flags & BOESFS_PF_IO_WORKER)
		return BOESFS_SYS_NONE;
	/* A 32-bit call has numbers of its own; the sandbox's filter refuses those. */
	return (*regs)->orig_ax < BOESFS_SYS_NONE ? (*regs)->orig_ax : BOESFS_SYS_NONE;
}

/* len and offset of a read or write, where the registers tell. */
static __always_inline void boesfs_transfer_args(struct boesfs_work *w, struct file *file)
{
	struct pt_regs *regs;
	__u32 call = boesfs_syscall_of(bpf_get_current_task_btf(), &regs);

	boesfs_args_unknown(w);
	if (call == BOESFS_SYS_READ || call == BOESFS_SYS_WRITE) {
		boesfs_args_number(w, 0, regs->dx);
		if (call == BOESFS_SYS_READ || !(file->f_flags & BOESFS_O_APPEND))
			boesfs_args_number(w, 1, file->f_pos);
	} else if (call == BOESFS_SYS_PREAD64 || call == BOESFS_SYS_PWRITE64) {
		boesfs_args_number(w, 0, regs->dx);
		if (call == BOESFS_SYS_PREAD64 || !(file->f_flags & BOESFS_O_APPEND))
			boesfs_args_number(w, 1, regs->r10);
	}
}

/* Under a strict policy: whether @file, which is open, could not be opened again as it is. The tuple is lost. */
static __always_inline __u32 boesfs_is_revoked(struct boesfs_caller *caller, struct file *file)
{
	struct boesfs_work *w = &caller->scratch->work;
	__u32 mode = file->f_inode->i_mode, found, stray;

	if (!(caller->binding->flags & BOESFS_BINDING_STRICT))
		return 0;
	found = boesfs_place(caller, 0, file->f_path.mnt, file->f_path.dentry, boesfs_kind_of(mode));
	stray = boesfs_stray(w, found, BOESFS_STRAY_ALLOW, BOESFS_OP_OPEN, 0);
	if (stray == BOESFS_STRAY_JUDGE)
		return boesfs_judge_open_call(w, file->f_flags & ~(BOESFS_FMODE_EXEC | BOESFS_O_TMPFILE), mode) != 0;
	return stray == BOESFS_STRAY_DENY;
}

/* What a transfer with @mask through a descriptor of something of @kind is. */
static __always_inline __u32 boesfs_transfer_op(int mask, __u32 kind)
{
	if (kind == BOESFS_KIND_DIR)
		return BOESFS_OP_ITERATE;
	return mask & BOESFS_MAY_WRITE ? BOESFS_OP_WRITE : BOESFS_OP_READ;
}

/* The program may stand here for a sandbox of another policy, or of another past. */
BOESFS_RECALL(boesfs_file_permission, struct file *file, int mask)
{
	__u32 op = BOESFS_BIT(boesfs_transfer_op(mask, boesfs_kind_of(file->f_inode->i_mode)));

	return boesfs_recall(part, file->f_path.mnt, file->f_path.dentry, op | BOESFS_BIT(BOESFS_OP_OPEN), op,
			     BOESFS_THROUGH_TRANSFER);
}

SEC("lsm/file_permission")
int BOESFS_MEMO_PROG(boesfs_file_permission, struct file *file, int mask, int ret)
{
	struct boesfs_caller caller;
	__u32 kind, op;

	BOESFS_BEGIN_NOTED(caller, ret, file->f_path.mnt, file->f_path.dentry);
	kind = boesfs_kind_of(file->f_inode->i_mode);
	op = boesfs_transfer_op(mask, kind);
	/* The kernel reads a program and its interpreter, which were judged when it opened them. */
	if (op == BOESFS_OP_READ && BPF_CORE_READ_BITFIELD(bpf_get_current_task_btf(), in_execve))
		return boesfs_end(&caller, 0);
	if (boesfs_is_revoked(&caller, file))
		return boesfs_end(&caller, 1);
	if (op == BOESFS_OP_ITERATE)
		boesfs_args_unknown(&caller.scratch->work);
	else
		boesfs_transfer_args(&caller.scratch->work, file);
	return boesfs_ask(&caller, file->f_path.mnt, file->f_path.dentry, kind, op, 0, BOESFS_STRAY_ALLOW);
}

/*
 * Truncation, by a @descriptor or by name; without a hook of its own, before 6.2, by descriptor as by name. There opening with
 * O_TRUNC comes here too.
 */
static __always_inline int boesfs_truncate(struct boesfs_caller *caller, const struct path *path, __u32 descriptor)
{
	struct boesfs_work *w = &caller->scratch->work;
	struct pt_regs *regs;
	__u32 call = boesfs_syscall_of(bpf_get_current_task_btf(), &regs);

	/* An open() has been judged for what it is for. */
	if (call == BOESFS_SYS_OPEN || call == BOESFS_SYS_OPENAT || call == BOESFS_SYS_OPENAT2 ||
	    call == BOESFS_SYS_CREAT)
		return boesfs_end(caller, 0);
	boesfs_args_unknown(w);
	/* By its name in /proc what the sandbox was given would be cut that it was given to read. */
	return boesfs_ask(caller, path->mnt, path->dentry, boesfs_dentry_kind(path->dentry), BOESFS_OP_WRITE, 0,
			  descriptor || call == BOESFS_SYS_FTRUNCATE ? BOESFS_STRAY_ALLOW : BOESFS_STRAY_DENY);
}

SEC("lsm/path_truncate")
int BOESFS_PROG(boesfs_path_truncate, const struct path *path, int ret)
{
	struct boesfs_caller caller;

	BOESFS_BEGIN(caller, ret);
	return boesfs_truncate(&caller, path, 0);
}

SEC("lsm/file_truncate")
int BOESFS_PROG(boesfs_file_truncate, struct file *file, int ret)
{
	struct boesfs_caller caller;

	BOESFS_BEGIN(caller, ret);
	return boesfs_truncate(&caller, &file->f_path, 1);
}

/* What a mapping is for, besides. */
static __always_inline __u32 boesfs_mapping_uses(unsigned long prot, unsigned long flags)
{
	__u32 uses = BOESFS_BIT(BOESFS_OP_READ);

	if ((flags & BOESFS_MAP_TYPE) != BOESFS_MAP_PRIVATE && prot & BOESFS_PROT_WRITE)
		uses |= BOESFS_BIT(BOESFS_OP_WRITE);
	if (prot & BOESFS_PROT_EXEC)
		uses |= BOESFS_BIT(BOESFS_OP_EXEC);
	return uses;
}

BOESFS_RECALL(boesfs_mmap_file, struct file *file, unsigned long reqprot, unsigned long prot, unsigned long flags)
{
	if (!file)
		return BOESFS_RECALL_ALLOWS;
	return boesfs_recall(part, file->f_path.mnt, file->f_path.dentry,
			     boesfs_ops_of(BOESFS_OP_MMAP, boesfs_mapping_uses(prot, flags)), BOESFS_BIT(BOESFS_OP_MMAP),
			     BOESFS_THROUGH_MAPPING);
}

SEC("lsm/mmap_file")
int BOESFS_MEMO_PROG(boesfs_mmap_file, struct file *file, unsigned long reqprot, unsigned long prot, unsigned long flags,
		     int ret)
{
	struct boesfs_caller caller;
	struct boesfs_work *w;
	__u32 kind, uses = boesfs_mapping_uses(prot, flags), found, stray, denied;

	if (!file)
		return ret;
	BOESFS_BEGIN_NOTED(caller, ret, file->f_path.mnt, file->f_path.dentry);
	w = &caller.scratch->work;
	/* The kernel maps a program and its interpreter, which were judged when it opened them. */
	if (BPF_CORE_READ_BITFIELD(bpf_get_current_task_btf(), in_execve))
		return boesfs_end(&caller, 0);
	if (boesfs_is_revoked(&caller, file))
		return boesfs_end(&caller, 1);
	boesfs_args_unknown(w);
	boesfs_args_number(w, 2, reqprot);
	boesfs_args_number(w, 3, flags);
	kind = boesfs_kind_of(file->f_inode->i_mode);
	found = boesfs_place(&caller, 0, file->f_path.mnt, file->f_path.dentry, kind);
	stray = boesfs_stray(w, found, uses & BOESFS_BIT(BOESFS_OP_EXEC) ? BOESFS_STRAY_DENY : BOESFS_STRAY_ALLOW,
			     BOESFS_OP_MMAP, 0);
	if (stray == BOESFS_STRAY_JUDGE)
		denied = boesfs_judge_simple_call(w, BOESFS_OP_MMAP, uses) != 0;
	else if (found == BOESFS_FOUND_ANONYMOUS && kind == BOESFS_KIND_FILE && uses & BOESFS_BIT(BOESFS_OP_EXEC) &&
		 !(boesfs_policy_flags(w) & BOESFS_FLAG_ANONYMOUS_EXEC))
		denied = boesfs_deny(w, BOESFS_REASON_ANONYMOUS, BOESFS_EACCES_NUMBER, BOESFS_OP_EXEC, 0);
	else
		denied = stray == BOESFS_STRAY_DENY;
	boesfs_memo_compare(caller.scratch);
	return boesfs_end(&caller, denied);
}

/* What @op whatever its arguments comes to, for a mapping that changes. */
__attribute__((noinline)) int boesfs_judge_remap_call(struct boesfs_work *w, __u32 uses)
{
	if (!w)
		return 1;
	if (boesfs_locate_run(w, 0))
		return 1;
	if (uses & BOESFS_BIT(BOESFS_OP_WRITE) && boesfs_never(w, 0, BOESFS_OP_WRITE))
		return 1;
	return uses & BOESFS_BIT(BOESFS_OP_EXEC) && boesfs_never(w, 0, BOESFS_OP_EXEC);
}

/* Where @file, which a mapping holds and which is of an overlay's layer, was opened, as far as the kernel tells: not in a layer. */
static __always_inline __u32 boesfs_place_above(struct boesfs_caller *caller, struct file *file, __u32 kind)
{
	struct path path = {};
	__u32 found;

	if (!bpf_core_field_exists(((struct backing_file *)0)->user_path))
		return BOESFS_FOUND_UNRESOLVED;
	boesfs_read(path, backing_file, (__u64)file, user_path);
	found = boesfs_place(caller, 0, path.mnt, path.dentry, kind);
	return found == BOESFS_FOUND_LAYER ? BOESFS_FOUND_UNRESOLVED : found;
}

SEC("lsm/file_mprotect")
int BOESFS_PROG(boesfs_file_mprotect, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_work *w;
	struct file *file = vma->vm_file;
	__u32 kind, uses = 0, found, stray, denied;

	if (ret || !file)
		return ret;
	if (prot & BOESFS_PROT_EXEC)
		uses |= BOESFS_BIT(BOESFS_OP_EXEC);
	if (prot & BOESFS_PROT_WRITE && vma->vm_flags & BOESFS_VM_SHARED)
		uses |= BOESFS_BIT(BOESFS_OP_WRITE);
	if (!uses)
		return 0;
	BOESFS_BEGIN(caller, ret);
	w = &caller.scratch->work;
	kind = boesfs_kind_of(file->f_inode->i_mode);
	found = boesfs_place(&caller, 0, file->f_path.mnt, file->f_path.dentry, kind);
	if (found == BOESFS_FOUND_LAYER)
		found = boesfs_place_above(&caller, file, kind);
	stray = boesfs_stray(w, found, uses & BOESFS_BIT(BOESFS_OP_EXEC) ? BOESFS_STRAY_DENY : BOESFS_STRAY_ALLOW,
			     BOESFS_OP_MMAP, 0);
	if (stray == BOESFS_STRAY_JUDGE)
		denied = boesfs_judge_remap_call(w, uses) != 0;
	else if (found == BOESFS_FOUND_ANONYMOUS && kind == BOESFS_KIND_FILE && uses & BOESFS_BIT(BOESFS_OP_EXEC) &&
		 !(boesfs_policy_flags(w) & BOESFS_FLAG_ANONYMOUS_EXEC))
		denied = boesfs_deny(w, BOESFS_REASON_ANONYMOUS, BOESFS_EACCES_NUMBER, BOESFS_OP_EXEC, 0);
	else
		denied = stray == BOESFS_STRAY_DENY;
	return boesfs_end(&caller, denied);
}

static __always_inline int boesfs_ioctl(struct file *file, __u32 cmd, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_work *w;
	__u32 op = BOESFS_OP_IOCTL;

	if (cmd == BOESFS_FIOCLEX || cmd == BOESFS_FIONCLEX || cmd == BOESFS_FIONBIO || cmd == BOESFS_FIOASYNC)
		return ret;
	BOESFS_BEGIN(caller, ret);
	w = &caller.scratch->work;
	boesfs_args_unknown(w);
	if (cmd == BOESFS_FS_IOC_SETFLAGS || cmd == BOESFS_FS_IOC32_SETFLAGS || cmd == BOESFS_FS_IOC_SETVERSION ||
	    cmd == BOESFS_FS_IOC32_SETVERSION || cmd == BOESFS_FS_IOC_FSSETXATTR || cmd == BOESFS_EXT4_IOC_SETVERSION ||
	    cmd == BOESFS_FS_IOC_ENABLE_VERITY || cmd == BOESFS_BTRFS_IOC_SUBVOL_SETFLAGS) {
		op = BOESFS_OP_SETATTR;
		w->args.absent = 7;
	} else {
		boesfs_args_number(w, 0, cmd);
	}
	return boesfs_ask(&caller, file->f_path.mnt, file->f_path.dentry, boesfs_kind_of(file->f_inode->i_mode), op, 0,
			  BOESFS_STRAY_ALLOW);
}

SEC("lsm/file_ioctl")
int BOESFS_PROG(boesfs_file_ioctl, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	return boesfs_ioctl(file, cmd, ret);
}

SEC("lsm/file_ioctl_compat")
int BOESFS_PROG(boesfs_file_ioctl_compat, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	return boesfs_ioctl(file, cmd, ret);
}

#endif
