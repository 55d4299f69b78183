/* SPDX-License-Identifier: GPL-2.0 */
/* How the places of a sandbox are recorded at set-up: run by the loader, on its own descriptors, attached nowhere. */
#ifndef BOESFS_RECORD_BPF_H
#define BOESFS_RECORD_BPF_H

#include "report.bpf.h"

/* The caller's open file @fd, or 0. */
static __always_inline __u64 boesfs_file_of(__u32 fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 table = (__u64)task->files->fdt, files = 0, file = 0;
	__u32 count = 0;

	boesfs_read(count, fdtable, table, max_fds);
	if (fd >= count)
		return 0;
	boesfs_read(files, fdtable, table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), (void *)(files + fd * 8ull));
	return file;
}

/*
 * Notes for the seal where the engine's names are, by an open file of the caller's, or which program the caller runs.
 * Returns 1 if it is noted.
 */
static __always_inline int boesfs_record_seal(__u64 file, __u32 what)
{
	__u32 zero = 0;
	struct boesfs_engine_record *record = bpf_map_lookup_elem(&engine, &zero);
	__u64 dentry = 0, inode = 0, number = 0, superblock = 0;
	__u32 device = 0;

	if (!file || !record)
		return 0;
	boesfs_read(dentry, file, file, f_path.dentry);
	boesfs_read(inode, dentry, dentry, d_inode);
	boesfs_read(number, inode, inode, i_ino);
	boesfs_read(superblock, inode, inode, i_sb);
	boesfs_read(device, super_block, superblock, s_dev);
	if (what == BOESFS_RECORD_TOOL) {
		record->tool_inode = number;
		record->tool_device = device;
	} else if (what == BOESFS_RECORD_ENGINE) {
		record->directory = number;
		record->bpffs_device = device;
	} else {
		record->root = number;
	}
	return number != 0;
}

/*
 * Notes the place of an open file of the caller's: arguments are the descriptor, the sandbox's slot, BOESFS_RECORD_*, and
 * which mount. Returns 1 if it is noted.
 */
SEC("raw_tp/boesfs_record")
int boesfs_record(__u64 *args)
{
	__u32 slot = args[1], what = args[2], index = args[3], key = boesfs_mounts_key(slot, index);
	__u64 file = boesfs_file_of(args[0]), mnt = 0, dentry = 0, mount, namespace = 0, exe = 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct boesfs_sandbox *sandbox = boesfs_sandbox_get(slot);
	struct boesfs_mounts *piece;

	if (what == BOESFS_RECORD_TOOL) {
		if (task->mm)
			exe = (__u64)task->mm->exe_file;
		return boesfs_record_seal(exe, what);
	}
	if (what == BOESFS_RECORD_ENGINE || what == BOESFS_RECORD_ROOT)
		return boesfs_record_seal(file, what);
	if (!file || !sandbox)
		return 0;
	boesfs_read(mnt, file, file, f_path.mnt);
	boesfs_read(dentry, file, file, f_path.dentry);
	mount = boesfs_mount_of((void *)mnt);
	if (what == BOESFS_RECORD_DIR) {
		sandbox->anchor_mount = mount;
		sandbox->anchor_dentry = dentry;
		boesfs_read(namespace, mount, mount, mnt_ns);
		sandbox->mount_namespace = namespace;
		boesfs_read(sandbox->mount_namespace_id, mnt_namespace, namespace, ns.inum);
		boesfs_read(sandbox->mount_namespace_seq, mnt_namespace, namespace, seq);
		return 1;
	}
	piece = bpf_map_lookup_elem(&mounts, &key);
	if (!piece || index >= BOESFS_MAX_MOUNTS)
		return 0;
	_Static_assert(!(BOESFS_MOUNTS_PIECE & (BOESFS_MOUNTS_PIECE - 1)), "what is left of a division by it");
	/* VERIFIER: keeps the bound with the register. */
	asm volatile("%0 &= %1" : "+r"(index) : "i"(BOESFS_MOUNTS_PIECE - 1));
	piece->mount[index].mount = mount;
	boesfs_read(piece->mount[index].root, vfsmount, mnt, mnt_root);
	boesfs_read(piece->mount[index].superblock, vfsmount, mnt, mnt_sb);
	return 1;
}

#endif
