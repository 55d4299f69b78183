// SPDX-License-Identifier: GPL-2.0
/* A program that does nothing, for any hook: what being attached costs by itself. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("lsm/file_open")
int boesfs_empty(unsigned long long *ctx)
{
	return 0;
}
