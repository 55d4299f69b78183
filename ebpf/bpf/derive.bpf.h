/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A directory's memo from that of the one above: one name to walk over, where judging a call afresh walks over all.
 */
#ifndef BOESFS_DERIVE_BPF_H
#define BOESFS_DERIVE_BPF_H

#include "renew.bpf.h"

/* What @way is learned of, and the policy it is learned in. */
struct boesfs_names_loop {
	struct boesfs_memo_way *way;
	__u32 policy_class;
	__u32 policy_slot;
};

/* Notes one more of the bytes with which the node that is learned leads elsewhere. */
static long boesfs_first_body(__u32 i, void *ctx)
{
	struct boesfs_names_loop *loop = ctx;
	struct boesfs_blob b = boesfs_policy_get(loop->policy_class, loop->policy_slot);
	struct boesfs_memo_way *way = loop->way;
	const struct boesfs_node *node = b.base ? boesfs_node_at(b, way->node) : 0;
	const __u32 *to;
	__u32 place;
	__u8 byte;

	if (!node)
		return 1;
	if (node->kind == BOESFS_NODE_TABLE) {
		/* A table also has the bytes between those that lead elsewhere. */
		to = boesfs_table(b, node, node->low + i);
		if (to && *to == node->other)
			return 0;
	}
	place = node->kind == BOESFS_NODE_CHAIN ? way->inside : i;
	/* VERIFIER: bounds it, and keeps the bound with the register; no effect, for the step over the name looked. */
	asm volatile("%0 &= %1" : "+r"(place) : "i"(255));
	byte = node->kind == BOESFS_NODE_TABLE ? node->low + i : boesfs_word_in(b, node, sizeof(*node) + place);
	way->first[byte >> 6] |= 1ull << (byte & 63);
	return 0;
}

/* Whether a walk over a name that has come to @node, which is number @at, ends there, whatever is left of the name. */
static __always_inline __u32 boesfs_name_rests(struct boesfs_blob b, const struct boesfs_node *node, __u32 at)
{
	if (node->kind == BOESFS_NODE_SINK)
		return 1;
	/* Often only a '/' leads on, to the names in it, for a pattern begins with any directories. */
	if (node->other != at)
		return 0;
	if (node->kind == BOESFS_NODE_TABLE)
		return node->len == 1 && node->low == '/';
	return (node->kind == BOESFS_NODE_CHAIN || (node->kind == BOESFS_NODE_BRANCH && node->len == 1)) &&
	       (__u8)boesfs_word_in(b, node, sizeof(*node)) == '/';
}

/* What @class may do with names in the directory whose path ends at @at, @inside, by their first byte, into the loop's way. */
static __always_inline __u32 boesfs_learn_names(struct boesfs_names_loop *loop, __u32 at, __u32 inside, __u32 class)
{
	struct boesfs_blob b = boesfs_policy_get(loop->policy_class, loop->policy_slot);
	struct boesfs_memo_way *way = loop->way;
	struct boesfs_name n = { .word[0] = '/', .left = 1, .node = at, .inside = inside };
	struct boesfs_known known = {};
	const struct boesfs_node *node, *other;
	__u32 to = 0;

	if (!b.base)
		return 0;
	boesfs_name_step(b, &n);
	if (n.status == BOESFS_WALK_CORRUPT)
		return 0;
	way->node = n.node;
	way->inside = n.inside;
	way->first[0] = way->first[1] = way->first[2] = way->first[3] = 0;
	other = node = boesfs_node_at(b, n.node);
	if (!node)
		return 0;
	if (node->kind != BOESFS_NODE_SINK) {
		to = node->other;
		other = boesfs_node_at(b, to);
		if (!other)
			return 0;
	}
	if (!boesfs_name_rests(b, other, to)) {
		way->first[0] = way->first[1] = way->first[2] = way->first[3] = ~0ull;
	} else if (node->kind != BOESFS_NODE_SINK) {
		bpf_loop(node->kind == BOESFS_NODE_CHAIN ? 1 : node->len, boesfs_first_body, loop, 0);
	}
	way->first['/' >> 6] |= 1ull << ('/' & 63);
	if (!boesfs_row_known(b, other->label, class, &known))
		return 0;
	way->known = known;
	return 1;
}

/*
 * Which way of @memo is as @like, or the oldest, and begins to write it. BOESFS_MEMO_WAYS: somebody else writes. VERIFIER:
 * see boesfs_memo_which_call().
 */
__attribute__((noinline)) int boesfs_memo_open_call(struct boesfs_memo *memo, const struct boesfs_memo_way *like)
{
	__u32 sequence, same = BOESFS_MEMO_WAYS;

	if (!memo || !like)
		return BOESFS_MEMO_WAYS;
	sequence = *(volatile __u32 *)&memo->sequence;
	if (sequence & 1 || __sync_val_compare_and_swap(&memo->sequence, sequence, sequence + 1) != sequence)
		return BOESFS_MEMO_WAYS;
	boesfs_barrier();
#pragma unroll
	for (__u32 i = 0; i < BOESFS_MEMO_WAYS; i++) {
		if (memo->way[i].key.mount == like->key.mount && memo->way[i].key.sandbox == like->key.sandbox &&
		    (__u32)memo->way[i].key.who == (__u32)like->key.who)
			same = i;
	}
	return (same < BOESFS_MEMO_WAYS ? same : memo->next++) & (BOESFS_MEMO_WAYS - 1);
}

/* Begins to write a way of @memo that is as @like, or the oldest. NULL: somebody else writes. Else boesfs_memo_close(). */
static __always_inline struct boesfs_memo_way *boesfs_memo_open(struct boesfs_memo *memo, const struct boesfs_memo_way *like)
{
	__u32 index = boesfs_memo_open_call(memo, like);

	if (index >= BOESFS_MEMO_WAYS)
		return 0;
	/* VERIFIER: keeps the bound with the register. */
	asm volatile("%0 &= %1" : "+r"(index) : "i"(BOESFS_MEMO_WAYS - 1));
	return &memo->way[index];
}

static __always_inline void boesfs_memo_close(struct boesfs_memo *memo)
{
	boesfs_barrier();
	*(volatile __u32 *)&memo->sequence += 1;
}

/* Begins to walk over the name of the directory @dir in @above. Returns 0 if that cannot be had so simply. */
static __always_inline __u32 boesfs_dir_name(struct dentry *dir, const struct dentry *above, struct boesfs_name *n)
{
	__u32 sequence = *(volatile unsigned int *)&dir->d_seq.seqcount.sequence;

	boesfs_barrier();
	n->left = dir->d_name.len;
	if (dir->d_parent != above || dir->d_inode->i_flags & BOESFS_S_CASEFOLD || n->left - 1 >= BOESFS_NAME_ROOM - 1 ||
	    dir->d_flags & (BOESFS_DCACHE_OP_REVALIDATE | BOESFS_DCACHE_OP_NAMES))
		return 0;
	n->word[0] = *(const __u64 *)&dir->d_iname[0];
	n->word[1] = *(const __u64 *)&dir->d_iname[8];
	n->word[2] = *(const __u64 *)&dir->d_iname[16];
	n->word[3] = *(const __u64 *)&dir->d_iname[24];
	boesfs_barrier();
	return !(sequence & 1) && *(volatile unsigned int *)&dir->d_seq.seqcount.sequence == sequence;
}

/* Takes the name @n, which was not walked yet, into the way down to @way. Returns 0 if that gets too long. */
static __always_inline __u32 boesfs_way_down(struct boesfs_memo_way *way, const struct boesfs_name *n)
{
	__u64 hash = 0, power = way->power;

	way->length += 1 + n->left;
	if (way->length > BOESFS_MEMO_LENGTH)
		return 0;
	/* Where numbers tell, nobody asks for the names. */
	if (way->chain != BOESFS_CHAIN_ANY && !boesfs_check_memos)
		way->path = 0;
	if (!way->path)
		return 1;
	boesfs_hash_name(&hash, &power, n->word, n->left);
	way->path = boesfs_path_number(boesfs_path_times(hash, way->power) + way->path);
	way->power = power;
	return 1;
}

/*
 * Walks from what @way says of the directory above over the name @n, to what it says of that. Returns 1 if it says so.
 * VERIFIER: global, so that it looks at it once.
 */
__attribute__((noinline)) int boesfs_way_walk_call(struct boesfs_memo_way *way, struct boesfs_name *n)
{
	struct boesfs_names_loop loop = { .way = way };
	const struct boesfs_binding *binding;
	const struct boesfs_node *node;
	struct boesfs_blob b;
	__u32 class, index, first;

	if (!way || !n || !boesfs_way_down(way, n))
		return 0;
	class = way->key.who;
	index = 2 * way->slot + (way->key.who >> 32 & 1);
	first = n->word[0] & 255;
	binding = bpf_map_lookup_elem(&bindings, &index);
	if (!binding)
		return 0;
	n->policy_class = loop.policy_class = binding->policy_class;
	n->policy_slot = loop.policy_slot = binding->policy_slot;
	n->node = way->node;
	n->inside = way->inside;
	n->label = 0;
	n->status = BOESFS_WALK_GOING;
	if (way->first[first >> 6] >> (first & 63) & 1) {
		if (!boesfs_name_known(n, class, &way->known))
			return 0;
	} else {
		/* All such names come to the same end. */
		b = boesfs_policy_get(n->policy_class, n->policy_slot);
		node = b.base ? boesfs_node_at(b, way->node) : 0;
		if (!node)
			return 0;
		if (node->kind != BOESFS_NODE_SINK)
			n->node = node->other;
		n->inside = 0;
	}
	way->scope &= BOESFS_SCOPE_ROWS | BOESFS_SCOPE_ALONE;
	if (way->known.deny & BOESFS_BIT(BOESFS_OP_LOOKUP))
		return 0;
	if (way->scope & BOESFS_SCOPE_ALONE)
		way->scope |= BOESFS_SCOPE_NAMES |
			      (way->known.report & BOESFS_BIT(BOESFS_OP_LOOKUP) ? 0 : BOESFS_SCOPE_SELF);
	return boesfs_learn_names(&loop, n->node, n->inside, class);
}

/*
 * Makes the memo of the directory of @dentry that boesfs_memo_shared() or else boesfs_memo_known() would ask for with @mnt
 * and @scope, if that of the directory above holds. Returns 1 if so.
 *
 * The name is read after a look at the lock of the directory above, and the count of renames before: a rename that was
 * counted has moved the directory by then, or is seen. One that is counted later makes this memo as old as any.
 */
static __always_inline int boesfs_memo_derive(const struct vfsmount *mnt, struct dentry *dentry, __u32 scope)
{
	struct dentry *dir = dentry->d_parent, *above = dir->d_parent;
	__u64 root, renames = boesfs_renames_now(boesfs_check_memos);
	const struct boesfs_sandbox *sandbox;
	const struct boesfs_memo_way *from;
	struct boesfs_memo_way *way;
	struct boesfs_memo *memo, *derived;
	struct boesfs_name n;
	__u32 written, known;

	/* Names that no memo is asked for, and the root of a file system. */
	if (!bpf_core_field_exists(dentry->d_iname) || dentry->d_name.len >= BOESFS_NAME_ROOM ||
	    dentry->d_flags & BOESFS_DCACHE_OP_NAMES || above == dir)
		return 0;
	/* Where they are compared, some are learned all the same; and those that are wrong are not to be set right. */
	if (boesfs_check_without(BOESFS_CHECK_NOTHING))
		return 0;
	memo = bpf_inode_storage_get(&memos, above->d_inode, 0, 0);
	if (!memo)
		return 0;
	from = boesfs_memo_find(memo, mnt, scope, &sandbox, &written);
	if (!from || from->node == BOESFS_NO_NODE ||
	    (__u32) * (volatile __u64 *)&sandbox->generation != from->key.who >> 32)
		return 0;
	/* Nor is the protected directory in this one: that is in it, as the one above is. */
	root = boesfs_way_root(from, mnt, scope);
	if ((__u64)dir == root || (__u64)dir == sandbox->anchor_dentry)
		return 0;
	if (!boesfs_untouched_call(from->chain, from->key.renames, renames) &&
	    !boesfs_is_unmoved(from, root, above, (__u64)above, renames))
		return 0;
	if (above->d_inode->i_rwsem.count.counter & BOESFS_RWSEM_WRITER_LOCKED || !boesfs_dir_name(dir, above, &n))
		return 0;
	derived = bpf_inode_storage_get(&memos, dir->d_inode, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	way = derived ? boesfs_memo_open(derived, from) : 0;
	if (!derived || !way)
		return 0;
	*way = *from;
	boesfs_barrier();
	known = *(volatile __u32 *)&memo->sequence == written && boesfs_way_walk_call(way, &n);
	way->key.renames = renames;
	if (way->chain != BOESFS_CHAIN_ANY)
		way->chain |= 1ull << boesfs_chain_bit(dir->d_inode->i_ino);
	if (!known) {
		/* No sandbox is called 0. */
		way->key.sandbox = 0;
		way->nsproxy = BOESFS_NO_NSPROXY;
	}
	boesfs_memo_close(derived);
	/* A name that has left the directory no longer keeps that one's inode. */
	if (*(struct dentry *volatile *)&dentry->d_parent != dir) {
		bpf_inode_storage_delete(&memos, dir->d_inode);
		return 0;
	}
	if (!known)
		return 0;
	if (boesfs_check_memos)
		__sync_fetch_and_add(&boesfs_tally.derived, 1);
	return 1;
}

#endif
