// SPDX-License-Identifier: GPL-2.0
/* A program that does nothing: if it can be loaded and attached, so can the engine's. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

SEC("lsm/sb_pivotroot")
int BPF_PROG(boesfs_probe, const struct path *old_path, const struct path *new_path, int ret)
{
	return ret;
}
