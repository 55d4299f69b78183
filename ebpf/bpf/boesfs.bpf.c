// SPDX-License-Identifier: GPL-2.0
/*
 * The lsm plane: one program for each hook, attached only where the policy can deny something there.
 *
 *   task_alloc               a new task inherits its parent's label
 *   bprm_creds_from_file     the class that the program to be run gives
 *   bprm_committed_creds     that class from now on
 *   file_open                open, and read, write, iterate and exec as what an open is for
 *   inode_getattr            at set-up: which mount and dentry a path of the loader's is
 */
#include "report.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#include "enrol.bpf.h"
#include "open.bpf.h"
