// SPDX-License-Identifier: GPL-2.0
/*
 * The lsm plane: one program for each hook, attached only where the policy can deny something there.
 *
 * enrol.bpf.h    task_alloc, bprm_creds_from_file, bprm_committed_creds: a task's label, from birth over exec
 * record.bpf.h   attached to no hook: at set-up, which mount and dentry an open file of the loader's is
 * open.bpf.h     file_open: open, and read, write, iterate and exec as what an open is for
 * names.bpf.h    path_mknod, path_mkdir, path_rmdir, path_unlink, path_symlink, path_link, path_rename: the path_ hooks,
 *                because an overlay calls those of inodes twice
 * content.bpf.h  file_permission, path_truncate, file_truncate, mmap_file, file_mprotect, file_ioctl
 * meta.bpf.h     path_chmod, path_chown; those of inodes where no hook has a path; inode_permission for access(2)
 * socket.bpf.h   unix_stream_connect, unix_may_send: writing to a socket file
 * memo.bpf.h     inode_rename: counts what ends memos of directories
 * confine.bpf.h  mounts, namespaces, bpf(2), other tasks, received descriptors
 * seal.bpf.h     bpf_map, bpf_prog, names on the bpf file system, its mounts, processes of the tool: for a sealed engine
 */
#include "report.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#include "enrol.bpf.h"
#include "record.bpf.h"
#include "open.bpf.h"
#include "names.bpf.h"
#include "content.bpf.h"
#include "meta.bpf.h"
#include "socket.bpf.h"
#include "confine.bpf.h"
#include "seal.bpf.h"
