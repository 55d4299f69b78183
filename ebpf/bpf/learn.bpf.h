/* SPDX-License-Identifier: GPL-2.0 */
/* How a directory comes to be remembered: after a call was judged, if nothing can have moved meanwhile. See memo.bpf.h. */
#ifndef BOESFS_LEARN_BPF_H
#define BOESFS_LEARN_BPF_H

#include "ask.bpf.h"

#define BOESFS_DCACHE_OP_REVALIDATE (1u << 2)
#define BOESFS_RWSEM_WRITER_LOCKED 1

/* File systems whose directories are moved by inode_rename and not otherwise. */
static __always_inline __u32 boesfs_keeps_still(unsigned long magic)
{
	switch (magic) {
	case 0xef53: /* ext4 */
	case 0x58465342: /* xfs */
	case 0x9123683e: /* btrfs */
	case 0xf2f52010: /* f2fs */
	case 0xca451a4e: /* bcachefs */
	case 0x01021994: /* tmpfs */
	case 0x858458f6: /* ramfs */
	case 0x794c7630: /* overlay */
	case 0x73717368: /* squashfs */
	case 0xe0f5e1e2: /* erofs */
	case 0x9660: /* iso9660 */
		return 1;
	default:
		return 0;
	}
}

static __always_inline __u32 boesfs_mount_keeps_still(__u64 mount)
{
	__u64 superblock = 0;
	unsigned long magic = 0;

	boesfs_read(superblock, vfsmount, boesfs_vfsmount_of(mount), mnt_sb);
	boesfs_read(magic, super_block, superblock, s_magic);
	return boesfs_keeps_still(magic);
}

/* One step up from a directory; fails where a rename may be under way. */
static long boesfs_settled_body(__u32 i, void *ctx)
{
	struct boesfs_climb *c = &((struct boesfs_climb_loop *)ctx)->scratch->climb;
	__u64 parent = 0, inode = 0;
	__u32 flags = 0;
	long count = BOESFS_RWSEM_WRITER_LOCKED;

	c->found = BOESFS_FOUND_UNRESOLVED;
	if (!bpf_core_field_exists(((struct rw_semaphore *)0)->count))
		return 1;
	boesfs_read(flags, dentry, c->dentry, d_flags);
	if (flags & (BOESFS_DCACHE_OP_REVALIDATE | BOESFS_DCACHE_OP_NAMES))
		return 1;
	if (c->dentry == c->anchor_dentry && c->mount == c->anchor_mount) {
		c->found = BOESFS_FOUND_INSIDE;
		return 1;
	}
	if (c->dentry == c->mount_root) {
		boesfs_read(parent, mount, c->mount, mnt_parent);
		if (parent == c->mount || !boesfs_mount_keeps_still(parent))
			return 1;
		boesfs_read(c->dentry, mount, c->mount, mnt_mountpoint);
		c->mount = parent;
		c->mount_root = 0;
		boesfs_read(c->mount_root, vfsmount, boesfs_vfsmount_of(parent), mnt_root);
		return 0;
	}
	boesfs_read(parent, dentry, c->dentry, d_parent);
	boesfs_read(inode, dentry, parent, d_inode);
	boesfs_read(count, inode, inode, i_rwsem.count.counter);
	c->dentry = parent;
	return count & BOESFS_RWSEM_WRITER_LOCKED;
}

/* Whether a class may look up whatever row @label is of, whatever the arguments. */
static __always_inline __u32 boesfs_is_shown(struct boesfs_work *w, __u32 label)
{
	struct boesfs_blob b = boesfs_blob_get(w);
	const struct boesfs_policy_header *h = b.base ? boesfs_header(b) : 0;
	const struct boesfs_cell *c = h ? boesfs_cell_at(b, h, boesfs_cell_number(b, h, label, w->request.class)) : 0;

	return c && !((c->deny | c->depend) & BOESFS_BIT(BOESFS_OP_LOOKUP));
}

/* Walks over one more directory's name. Its loop's done says at the end whether all may be looked up. */
static long boesfs_shown_body(__u32 i, void *ctx)
{
	struct boesfs_loop *loop = ctx;
	struct boesfs_work *w = loop->work;

	boesfs_walk_run(w);
	if (w->walk.status != BOESFS_WALK_COMPONENT && w->walk.status != BOESFS_WALK_DONE)
		return 1;
	if (w->walk.by_component && !boesfs_is_shown(w, w->walk.label))
		return 1;
	loop->done = w->walk.status == BOESFS_WALK_DONE;
	w->walk.status = BOESFS_WALK_GOING;
	return loop->done;
}

/* Notes one more of the bytes with which the node that is learned leads elsewhere. */
static long boesfs_first_body(__u32 i, void *ctx)
{
	struct boesfs_scratch *s = ((struct boesfs_climb_loop *)ctx)->scratch;
	struct boesfs_blob b = boesfs_blob_get(&s->work);
	const struct boesfs_node *node = b.base ? boesfs_node_at(b, s->learned.node) : 0;
	__u32 place;
	__u8 byte;

	if (!node)
		return 1;
	place = node->kind == BOESFS_NODE_CHAIN ? s->learned.inside : i;
	/* VERIFIER: bounds it, and keeps the bound with the register; no effect, for the step over the name looked. */
	asm volatile("%0 &= %1" : "+r"(place) : "i"(255));
	byte = node->kind == BOESFS_NODE_TABLE ? node->low + i : boesfs_word_in(b, node, sizeof(*node) + place);
	s->learned.first[byte >> 6] |= 1ull << (byte & 63);
	return 0;
}

/* What is known of names in the directory by their first byte. */
static __always_inline __u32 boesfs_learn_names(struct boesfs_scratch *s, struct boesfs_climb_loop *loop)
{
	struct boesfs_blob b = boesfs_blob_get(&s->work);
	struct boesfs_memo_way *way = &s->learned;
	struct boesfs_name n = { .word[0] = '/', .left = 1, .node = s->work.walk.node, .inside = s->work.walk.inside };
	struct boesfs_known known = {};
	const struct boesfs_node *node, *other;

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
		other = boesfs_node_at(b, node->other);
		if (!other)
			return 0;
	}
	if (other->kind != BOESFS_NODE_SINK) {
		way->first[0] = way->first[1] = way->first[2] = way->first[3] = ~0ull;
	} else if (node->kind != BOESFS_NODE_SINK) {
		bpf_loop(node->kind == BOESFS_NODE_CHAIN ? 1 : node->len, boesfs_first_body, loop, 0);
	}
	way->first['/' >> 6] |= 1ull << ('/' & 63);
	if (!boesfs_row_known(b, other->label, s->class, &known))
		return 0;
	way->known = known;
	return 1;
}

/*
 * After a climb that came from a name in a directory: whether the directory may be remembered. Then the scratch has what
 * is to be. @renames is what their count was before the climb.
 */
__attribute__((noinline)) int boesfs_memo_learn_call(struct boesfs_scratch *s, __u64 renames)
{
	struct boesfs_climb_loop climb = { .scratch = s };
	struct boesfs_loop loop = { 0 };
	struct boesfs_work *w;
	__u32 end;

	if (!s)
		return 0;
	w = &s->work;
	if (s->climb.found != BOESFS_FOUND_INSIDE || s->climb.at >= BOESFS_PATH_END)
		return 0;
	end = s->climb.name_at - 1;
	s->climb.mount = s->climb.from_mount;
	s->climb.mount_root = 0;
	boesfs_read(s->climb.mount_root, vfsmount, boesfs_vfsmount_of(s->climb.mount), mnt_root);
	/* The mount's root has its name on another mount. */
	if (s->climb.from_dentry == s->climb.mount_root || !boesfs_mount_keeps_still(s->climb.mount))
		return 0;
	boesfs_read(s->climb.dentry, dentry, s->climb.from_dentry, d_parent);
	s->climb.parent = s->climb.dentry;
	bpf_loop(BOESFS_CLIMB_STEPS, boesfs_settled_body, &climb, 0);
	if (s->climb.found != BOESFS_FOUND_INSIDE || boesfs_renames_now(boesfs_check_memos) != renames ||
	    boesfs_rename_sequence() != s->climb.sequence)
		return 0;
	w->walk.node = w->dir_node;
	w->walk.inside = w->dir_inside;
	if (s->climb.at == end)
		return boesfs_learn_names(s, &climb);
	loop.work = w;
	boesfs_walk_begin(&w->walk, 0, s->climb.at, end, w->dir_node, w->dir_inside);
	w->walk.by_component = !!(boesfs_policy_flags(w) & BOESFS_FLAG_HIDES);
	bpf_loop(BOESFS_PATH_END, boesfs_shown_body, &loop, 0);
	return loop.done && boesfs_learn_names(s, &climb);
}

/* Writes what was learned into @memo, unless somebody else writes. */
static __always_inline void boesfs_memo_write(struct boesfs_memo *memo, const struct boesfs_memo_way *learned)
{
	__u32 sequence = *(volatile __u32 *)&memo->sequence, index, same = BOESFS_MEMO_WAYS;

	if (sequence & 1 || __sync_val_compare_and_swap(&memo->sequence, sequence, sequence + 1) != sequence)
		return;
	boesfs_barrier();
#pragma unroll
	for (__u32 i = 0; i < BOESFS_MEMO_WAYS; i++) {
		if (memo->way[i].mount == learned->mount && memo->way[i].sandbox == learned->sandbox &&
		    (__u32)memo->way[i].who == (__u32)learned->who)
			same = i;
	}
	index = same < BOESFS_MEMO_WAYS ? same : memo->next++;
	memo->way[index & (BOESFS_MEMO_WAYS - 1)] = *learned;
	boesfs_barrier();
	*(volatile __u32 *)&memo->sequence = sequence + 2;
}

/* Begins to learn, before the climb: what must not have changed when it ends. */
static __always_inline void boesfs_memo_begin(struct boesfs_caller *caller, const struct vfsmount *mnt)
{
	struct boesfs_memo_way *way = &caller->scratch->learned;

	boesfs_memo_key(caller, mnt, way, boesfs_check_memos);
	/* A task that is in another namespace by now sees other mounts than those that are counted. */
	if ((__u64)caller->namespace != caller->sandbox->mount_namespace)
		way->mount = 0;
	boesfs_barrier();
}

/* Remembers the directory of @dentry, from which the scratch's climb came. Call it when the call is judged and told. */
static __always_inline void boesfs_memo_learn(struct boesfs_caller *caller, struct dentry *dentry)
{
	struct boesfs_memo_way *way = &caller->scratch->learned;
	struct boesfs_memo *memo;
	struct dentry *parent;

	if (!way->mount || !boesfs_memo_learn_call(caller->scratch, way->renames))
		return;
	/* A name that has left its directory since no longer keeps that directory's inode. */
	parent = *(struct dentry *volatile *)&dentry->d_parent;
	if ((__u64)parent != caller->scratch->climb.parent)
		return;
	memo = bpf_inode_storage_get(&memos, parent->d_inode, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (memo)
		boesfs_memo_write(memo, way);
	if ((__u64) * (struct dentry *volatile *)&dentry->d_parent != caller->scratch->climb.parent)
		bpf_inode_storage_delete(&memos, parent->d_inode);
}

/* As boesfs_ask(), for a hook that is called with no directory locked; @learn says whether the directory is remembered. */
static __always_inline int boesfs_ask_and_learn(struct boesfs_caller *caller, const struct vfsmount *mnt,
						struct dentry *dentry, __u32 kind, __u32 op, __u32 learn)
{
	struct boesfs_work *w = &caller->scratch->work;
	__u32 found, stray, denied;
	int error;

	boesfs_memo_begin(caller, mnt);
	found = boesfs_place(caller, 0, mnt, dentry, kind);
	stray = boesfs_stray(w, found, BOESFS_STRAY_ALLOW, op, 0);
	if (stray == BOESFS_STRAY_JUDGE)
		denied = boesfs_judge_simple_call(w, op, 0) != 0;
	else
		denied = stray == BOESFS_STRAY_DENY;
	boesfs_memo_compare(caller->scratch);
	error = boesfs_report(caller, denied);
	if (learn && found == BOESFS_FOUND_INSIDE)
		boesfs_memo_learn(caller, dentry);
	boesfs_scratch_give(caller);
	return error;
}

#endif
