/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Renames of directories on this machine: how many there were, which the last ones were, and when one was renamed last. A
 * directory is known by its inode's number, which others may share: what is said of it may be of another's rename, never
 * leaves out its own.
 */
#ifndef BOESFS_RENAMES_BPF_H
#define BOESFS_RENAMES_BPF_H

#include "report.bpf.h"
#include <bpf/bpf_tracing.h>

/* How many of the last renames of directories are known. */
#define BOESFS_RECENT 128
/* Of how many kinds of directory it is known when one was renamed last, as a power of two. */
#define BOESFS_MOVED_BITS 14

/* All that the programs count by themselves. */
struct boesfs_tally {
	/* Renames of directories that have begun on this machine. */
	__u64 renames;
	/* Answers by memo that were compared with fresh ones, and those that differed. */
	__u64 agreed;
	__u64 differed;
	/*
	 * While memos are compared: those that were renewed by the last renames, by the numbers and by the names on their way,
	 * and derived from the one above.
	 */
	__u64 untouched;
	__u64 unmoved;
	__u64 named;
	__u64 derived;
	/* 0, which the verifier does not know. */
	__u64 zero;
	/* Renames that are in all that follows. */
	__u64 noted;
	/*
	 * The last renames: the place of the N-th is N modulo their number. From the highest bit: N, 52 bits; the bits of
	 * both directories, six bits each: see boesfs_chain_bit().
	 */
	__u64 recent[BOESFS_RECENT];
};

struct boesfs_tally boesfs_tally = {};

/* Number of the last rename of a directory, by boesfs_moved_index(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << BOESFS_MOVED_BITS);
	__type(key, __u32);
	__type(value, __u64);
} moved SEC(".maps");

static __always_inline __u32 boesfs_is_dir(const struct dentry *dentry)
{
	const struct inode *inode = dentry->d_inode;

	return inode && (inode->i_mode & 0170000) == 0040000;
}

/* Spreads numbers of inodes over all bits, the highest best (Knuth, The Art of Computer Programming 3, 6.4). */
static __always_inline __u64 boesfs_spread(__u64 number)
{
	return number * 0x9e3779b97f4a7c15ull;
}

/* Which bit stands for the directories of this number, among the 64 that stand for a way up: others may share it. */
static __always_inline __u32 boesfs_chain_bit(__u64 number)
{
	return boesfs_spread(number) >> 58;
}

static __always_inline __u32 boesfs_moved_index(__u64 number)
{
	return boesfs_spread(number) >> (64 - BOESFS_MOVED_BITS);
}

/* Notes that the directory with this number is renamed by the rename @rename. */
static __always_inline void boesfs_moved_note(__u64 number, __u64 rename)
{
	__u32 index = boesfs_moved_index(number);
	__u64 *last = bpf_map_lookup_elem(&moved, &index), seen;

	if (!last)
		return;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		seen = *(volatile __u64 *)last;
		if (seen >= rename || __sync_val_compare_and_swap(last, seen, rename) == seen)
			return;
	}
	/* Too many at once: from here on it is said of these directories that they move always. */
	*(volatile __u64 *)last = ~0ull;
}

/* Whether the directory with this number may have been renamed after the rename @since. */
static __always_inline __u32 boesfs_moved_since(__u64 number, __u64 since)
{
	__u32 index = boesfs_moved_index(number);
	const __u64 *last = bpf_map_lookup_elem(&moved, &index);

	return !last || (*(volatile __u64 *)last > since && boesfs_check_memos != BOESFS_CHECK_BAD_NUMBERS);
}

SEC("lsm/inode_rename")
int BPF_PROG(boesfs_inode_rename, struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
	     struct dentry *new_dentry, int ret)
{
	__u32 is_old = boesfs_is_dir(old_dentry), is_new = boesfs_is_dir(new_dentry);
	__u64 number, old, new;

	if (ret || !(is_old || is_new))
		return ret;
	old = (is_old ? old_dentry : new_dentry)->d_inode->i_ino;
	new = (is_new ? new_dentry : old_dentry)->d_inode->i_ino;
	number = __sync_fetch_and_add(&boesfs_tally.renames, 1) + 1;
	/* Whoever reads the count before this finds another number here. */
	*(volatile __u64 *)&boesfs_tally.recent[number % BOESFS_RECENT] =
		number << 12 | boesfs_chain_bit(old) << 6 | boesfs_chain_bit(new);
	boesfs_moved_note(old, number);
	boesfs_moved_note(new, number);
	__sync_fetch_and_add(&boesfs_tally.noted, 1);
	return ret;
}

static __always_inline __u64 boesfs_renames_now(__u32 check)
{
	return check == BOESFS_CHECK_BAD_RENAMES ? 0 : *(volatile __u64 *)&boesfs_tally.renames;
}

/* Looks at one more rename. */
struct boesfs_recent_loop {
	__u64 chain;
	__u64 number;
	__u32 touched;
};

static long boesfs_recent_body(__u32 i, void *ctx)
{
	struct boesfs_recent_loop *loop = ctx;
	__u64 number = ++loop->number;
	__u64 rename = *(volatile __u64 *)&boesfs_tally.recent[number % BOESFS_RECENT];

	if (rename >> 12 == number && !((loop->chain >> (rename & 63) | loop->chain >> (rename >> 6 & 63)) & 1))
		return 0;
	loop->touched = 1;
	return 1;
}

/* For tests: whether to do without what would tell that a memo holds. */
static __always_inline __u32 boesfs_check_without(__u32 bad)
{
	if (!boesfs_check_memos || boesfs_check_memos == bad)
		return 0;
	return boesfs_check_memos > BOESFS_CHECK_MEMOS || bpf_get_prandom_u32() & 1;
}

/* Whether none of the renames after the one that was number @from, up to @to, was of a directory on the way @chain. */
__attribute__((noinline)) int boesfs_untouched_call(__u64 chain, __u64 from, __u64 to)
{
	struct boesfs_recent_loop loop = { .chain = chain, .number = from };

	if (boesfs_check_memos == BOESFS_CHECK_BAD_RECENT)
		return 1;
	if (to - from > BOESFS_RECENT || boesfs_check_without(BOESFS_CHECK_BAD_RECENT))
		return 0;
	bpf_loop(to - from, boesfs_recent_body, &loop, 0);
	return !loop.touched;
}

#endif
