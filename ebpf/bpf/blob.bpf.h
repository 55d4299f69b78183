/* SPDX-License-Identifier: GPL-2.0 */
/* One policy for the whole object, in a map whose size is given on the command line: for the `bpf` engine. */
#ifndef BOESFS_BLOB_BPF_H
#define BOESFS_BLOB_BPF_H

struct boesfs_blob_value {
	__u8 bytes[BOESFS_BLOB_SIZE + BOESFS_BLOB_SLACK];
};

/* The policy. One element; the slack behind it stays zero. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct boesfs_blob_value);
} blob SEC(".maps");

static __always_inline struct boesfs_blob boesfs_blob_get(const struct boesfs_work *w)
{
	__u32 zero = 0;
	struct boesfs_blob b = { .base = bpf_map_lookup_elem(&blob, &zero), .size = BOESFS_BLOB_SIZE };

	return b;
}

#endif
