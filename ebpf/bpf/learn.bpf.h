/* SPDX-License-Identifier: GPL-2.0 */
/* How a directory comes to be remembered: after a call was judged, if nothing can have moved meanwhile. See memo.bpf.h. */
#ifndef BOESFS_LEARN_BPF_H
#define BOESFS_LEARN_BPF_H

#include "ask.bpf.h"

/* The kernel asks again, with what it asks about held. */
#define BOESFS_ECHILD_NUMBER 10

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

/* Whether @class may look up what row @label is of, and that is not told. */
static __always_inline __u32 boesfs_is_quiet(struct boesfs_work *w, __u32 label, __u32 class)
{
	struct boesfs_known known = { .deny = ~0u };

	boesfs_row_known(boesfs_blob_get(w), label, class, &known);
	return !((known.deny | known.report) & BOESFS_BIT(BOESFS_OP_LOOKUP));
}

/* Learns of a directory outside: nothing is judged there, but for the protected directory itself. */
static __always_inline __u32 boesfs_learn_outside(struct boesfs_scratch *s)
{
	struct boesfs_memo_way *way = &s->learned;
	__u64 inode = 0;

	boesfs_read(inode, dentry, s->climb.parent, d_inode);
	if (!boesfs_anchor_rests(s->climb.anchor_dentry, inode))
		way->key.mount = 0;
	way->node = BOESFS_NO_NODE;
	way->inside = 0;
	way->first[0] = way->first[1] = way->first[2] = way->first[3] = 0;
	way->first['/' >> 6] |= 1ull << ('/' & 63);
	way->known.deny = 0;
	way->known.report = 0;
	way->known.label = BOESFS_NO_RULE;
	way->scope = BOESFS_SCOPE_SELF | BOESFS_SCOPE_ROWS;
	return 1;
}

/* How a directory is learned, a bit each. */
enum boesfs_learn {
	/* The climb came from the directory itself, not from a name in it. */
	BOESFS_LEARN_SELF = 1,
	/* All names of what the climb came from are outside, but for the one it went by. */
	BOESFS_LEARN_EVERYWHERE = 2,
};

struct boesfs_scope_loop {
	/* The file system and the directory that are learned. */
	__u64 superblock;
	__u64 directory;
	__u64 mount;
	/* How many recorded mounts show that file system, one that is not the directory's for two; and whether one begins in it. */
	__u32 showing;
	__u32 begins;
	/* The sandbox, and whether some of its mounts cannot be had. */
	__u32 slot;
	__u32 lacks;
};

/* Looks at some more of the recorded mounts. */
static long boesfs_scope_body(__u32 i, void *ctx)
{
	struct boesfs_scope_loop *loop = ctx;
	__u32 key = boesfs_mounts_key(loop->slot, i * BOESFS_MOUNTS_PIECE);
	const struct boesfs_mounts *piece = bpf_map_lookup_elem(&mounts, &key);
	__u64 parent = 0;

	if (!piece) {
		loop->lacks = 1;
		return 1;
	}
#pragma unroll
	for (__u32 j = 0; j < BOESFS_MOUNTS_PIECE; j++) {
		const struct boesfs_mount *mount = &piece->mount[j];

		if (mount->superblock != loop->superblock)
			continue;
		loop->showing += mount->mount == loop->mount ? 1 : 2;
		boesfs_read(parent, dentry, mount->root, d_parent);
		if (parent == loop->directory && mount->root != parent)
			loop->begins = 1;
	}
	return 0;
}

/*
 * How far what is learned goes beyond the names of its mount; @everywhere: all others of the directory are outside, as they
 * are where no other mount shows the file system. A mount that has its root in the directory, or the protected directory
 * there, are names which are not learned.
 */
static __always_inline void boesfs_learn_scope(struct boesfs_scratch *s, __u32 everywhere)
{
	struct boesfs_sandbox *sandbox = boesfs_sandbox_get(s->slot);
	struct boesfs_scope_loop loop = {
		.slot = s->slot,
		.directory = s->climb.parent,
		.mount = s->climb.from_mount,
	};
	__u64 inode = 0;

	boesfs_read(inode, dentry, s->climb.parent, d_inode);
	boesfs_read(loop.superblock, vfsmount, boesfs_vfsmount_of(s->climb.from_mount), mnt_sb);
	if (loop.superblock && sandbox && !(sandbox->flags & BOESFS_SANDBOX_MOUNTS_FULL))
		bpf_loop((sandbox->mount_count + BOESFS_MOUNTS_PIECE - 1) / BOESFS_MOUNTS_PIECE, boesfs_scope_body, &loop, 0);
	if (loop.lacks)
		loop.showing = 0;
	if (loop.showing == 1)
		s->learned.scope |= BOESFS_SCOPE_ALONE;
	if (!loop.showing || (loop.showing != 1 && !everywhere))
		s->learned.scope &= BOESFS_SCOPE_ROWS;
	else if (!loop.begins && boesfs_anchor_rests(s->climb.anchor_dentry, inode))
		s->learned.scope |= BOESFS_SCOPE_NAMES;
}

/* What is learned of the directory that the settled climb began with, whose name ends before @end. */
static __always_inline __u32 boesfs_learn_inside(struct boesfs_scratch *s, __u32 end)
{
	struct boesfs_names_loop names = {
		.way = &s->learned, .policy_class = s->work.policy_class, .policy_slot = s->work.policy_slot };
	struct boesfs_work *w = &s->work;
	struct boesfs_loop loop = { .work = w };
	__u32 hides = boesfs_policy_flags(w) & BOESFS_FLAG_HIDES;

	s->learned.scope = hides ? 0 : BOESFS_SCOPE_ROWS;
	w->walk.node = w->dir_node;
	w->walk.inside = w->dir_inside;
	if (s->climb.at == end) {
		/* The protected directory itself is not looked up by this policy. */
		s->learned.scope |= BOESFS_SCOPE_SELF;
		return boesfs_learn_names(&names, w->walk.node, w->walk.inside, s->class);
	}
	boesfs_walk_begin(&w->walk, s->climb.which & 1, s->climb.at, end, w->dir_node, w->dir_inside);
	w->walk.by_component = !!hides;
	bpf_loop(BOESFS_PATH_END, boesfs_shown_body, &loop, 0);
	if (!loop.done)
		return 0;
	if (boesfs_is_quiet(w, w->walk.label, s->class))
		s->learned.scope |= BOESFS_SCOPE_SELF;
	return boesfs_learn_names(&names, w->walk.node, w->walk.inside, s->class);
}

/*
 * After a climb: whether the directory that it came from, or came from a name in, may be remembered, so far as no rename is
 * under way. @how is enum boesfs_learn. @renames is what their count was before the climb.
 */
__attribute__((noinline)) int boesfs_memo_settle_call(struct boesfs_scratch *s, __u64 renames, __u32 how)
{
	struct boesfs_settle settle;
	__u32 found, stillness;
	__u64 inode = 0;

	if (!s)
		return 0;
	found = s->climb.found;
	stillness = found > BOESFS_FOUND_OUTSIDE ? BOESFS_MOVES : boesfs_mount_stillness(s->climb.from_mount);
	if (stillness == BOESFS_MOVES)
		return 0;
	s->learned.key.mount = boesfs_vfsmount_of(s->climb.from_mount);
	s->climb.mount_root = 0;
	boesfs_read(s->climb.mount_root, vfsmount, s->learned.key.mount, mnt_root);
	s->climb.parent = s->climb.from_dentry;
	if (!(how & BOESFS_LEARN_SELF)) {
		/* The mount's root has its name on another mount. */
		if (s->climb.from_dentry == s->climb.mount_root)
			return 0;
		boesfs_read(s->climb.parent, dentry, s->climb.from_dentry, d_parent);
	}
	settle.up.at = 0;
	settle.up.dentry = s->climb.parent;
	settle.up.mount = s->climb.from_mount;
	settle.up.mount_root = s->climb.mount_root;
	settle.up.anchor_mount = s->climb.anchor_mount;
	settle.up.anchor_dentry = s->climb.anchor_dentry;
	settle.chain = stillness == BOESFS_KEEPS_NUMBERS ? 0 : BOESFS_CHAIN_ANY;
	boesfs_read(inode, dentry, settle.up.dentry, d_inode);
	boesfs_chain_add(&settle, inode);
	boesfs_settle(&settle);
	s->learned.path = boesfs_hash_end(&settle);
	s->learned.power = settle.power;
	s->learned.chain = settle.chain;
	return settle.up.found == found && boesfs_renames_now(boesfs_check_memos) == renames &&
	       boesfs_rename_sequence() == s->climb.sequence;
}

/* What is remembered of a settled directory, into the scratch. Returns 1 if anything is. @how is enum boesfs_learn. */
__attribute__((noinline)) int boesfs_memo_learn_call(struct boesfs_scratch *s, __u32 how)
{
	__u32 end, self = how & BOESFS_LEARN_SELF;

	if (!s || (!self && s->climb.at >= BOESFS_PATH_END))
		return 0;
	end = self ? BOESFS_PATH_END : s->climb.name_at - 1;
	if (end - s->climb.at > BOESFS_MEMO_LENGTH)
		return 0;
	if (s->climb.found == BOESFS_FOUND_OUTSIDE ? !boesfs_learn_outside(s) : !boesfs_learn_inside(s, end))
		return 0;
	s->learned.length = end - s->climb.at;
	boesfs_learn_scope(s, how & BOESFS_LEARN_EVERYWHERE);
	return s->learned.key.mount || s->learned.scope & ~(BOESFS_SCOPE_ROWS | BOESFS_SCOPE_ALONE);
}

/* Climbs once more, if need be, by the mount that boesfs_everywhere_call() chose. Returns 1 if all is as it was there. */
__attribute__((noinline)) int boesfs_memo_chosen_call(struct boesfs_scratch *s)
{
	if (!s || !s->chosen)
		return 0;
	if (s->climb.from_mount != s->chosen) {
		s->climb.from_mount = s->chosen;
		boesfs_climb_call(s);
	}
	return boesfs_found(&s->climb) == s->climb.found && s->climb.sequence == s->chosen_sequence;
}

/* Writes what was learned into @memo, unless somebody else writes. */
static __always_inline void boesfs_memo_write(struct boesfs_memo *memo, const struct boesfs_memo_way *learned)
{
	struct boesfs_memo_way *way = boesfs_memo_open(memo, learned);

	if (!way)
		return;
	*way = *learned;
	boesfs_memo_close(memo);
}

/* Begins to learn, before the climb: what must not have changed when it ends. */
static __always_inline void boesfs_memo_begin(struct boesfs_caller *caller)
{
	struct boesfs_memo_way *way = &caller->scratch->learned;

	boesfs_memo_key(caller, 0, &way->key, boesfs_check_memos);
	boesfs_memo_share(way, caller->binding->program_count);
	way->slot = caller->slot;
	/* A task that is in another namespace by now sees other mounts than those that are counted. No sandbox is called 0. */
	if (!boesfs_memo_serves(caller))
		way->key.sandbox = 0;
	boesfs_barrier();
}

/* Keeps what was learned of the directory @dentry names something in. */
static __always_inline void boesfs_memo_keep(struct boesfs_caller *caller, struct dentry *dentry)
{
	struct boesfs_memo *memo;
	struct dentry *parent;

	/* A name that has left its directory since no longer keeps that directory's inode. */
	parent = *(struct dentry *volatile *)&dentry->d_parent;
	if ((__u64)parent != caller->scratch->climb.parent)
		return;
	memo = bpf_inode_storage_get(&memos, parent->d_inode, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (memo)
		boesfs_memo_write(memo, &caller->scratch->learned);
	if ((__u64) * (struct dentry *volatile *)&dentry->d_parent != caller->scratch->climb.parent)
		bpf_inode_storage_delete(&memos, parent->d_inode);
}

/* Whether there is something to keep of the directory that the scratch's climb came from. @how is enum boesfs_learn. */
static __always_inline __u32 boesfs_memo_learned(struct boesfs_caller *caller, __u32 how)
{
	struct boesfs_memo_way *way = &caller->scratch->learned;

	if (!way->key.sandbox || (how & BOESFS_LEARN_EVERYWHERE && !boesfs_memo_chosen_call(caller->scratch)))
		return 0;
	return boesfs_memo_settle_call(caller->scratch, way->key.renames, how) &&
	       boesfs_memo_learn_call(caller->scratch, how);
}

/* Remembers the directory of @dentry, from which the scratch's climb came. Call it when the call is judged and told. */
static __always_inline void boesfs_memo_learn(struct boesfs_caller *caller, struct dentry *dentry)
{
	if (boesfs_memo_learned(caller, 0))
		boesfs_memo_keep(caller, dentry);
}

/* The same for every name, after boesfs_ask_everywhere(). */
static __always_inline void boesfs_memo_learn_everywhere(struct boesfs_caller *caller, struct dentry *dentry)
{
	if (boesfs_memo_learned(caller, BOESFS_LEARN_EVERYWHERE))
		boesfs_memo_keep(caller, dentry);
}

/*
 * Remembers the directory of @inode, which boesfs_ask_everywhere() was asked about and allowed. If it is not @held, while names
 * are looked up without locks, it may be on its way out, and what was put into it then would never go: then the kernel is to
 * ask again. Returns what the hook does.
 */
static __always_inline int boesfs_memo_learn_self(struct boesfs_caller *caller, struct inode *inode, __u32 held)
{
	struct boesfs_memo *memo;

	if (!boesfs_memo_learned(caller, BOESFS_LEARN_EVERYWHERE | BOESFS_LEARN_SELF))
		return 0;
	if (!held)
		return caller->scratch->learned.scope & BOESFS_SCOPE_SELF ? -BOESFS_ECHILD_NUMBER : 0;
	memo = bpf_inode_storage_get(&memos, inode, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (memo)
		boesfs_memo_write(memo, &caller->scratch->learned);
	return 0;
}

/* Whether @op on @dentry of @mnt is denied, for what boesfs_end_and_learn() ends. The tuple is in the work. */
static __always_inline __u32 boesfs_judge_to_learn(struct boesfs_caller *caller, const struct vfsmount *mnt,
						   struct dentry *dentry, __u32 kind, __u32 op, __u32 given)
{
	struct boesfs_work *w = &caller->scratch->work;
	__u32 stray, denied;

	boesfs_memo_begin(caller);
	stray = boesfs_stray(w, boesfs_place(caller, 0, mnt, dentry, kind), given, op, 0);
	if (stray == BOESFS_STRAY_JUDGE)
		denied = boesfs_judge_simple_call(w, op, 0) != 0;
	else
		denied = stray == BOESFS_STRAY_DENY;
	boesfs_memo_compare(caller->scratch);
	return denied;
}

/* Ends it; @learn says whether the directory is remembered. */
static __always_inline int boesfs_end_and_learn(struct boesfs_caller *caller, struct dentry *dentry, __u32 denied, __u32 learn)
{
	int error = boesfs_report(caller, denied);

	if (learn && boesfs_found(&caller->scratch->climb) <= BOESFS_FOUND_OUTSIDE)
		boesfs_memo_learn(caller, dentry);
	boesfs_scratch_give(caller);
	return error;
}

/* As boesfs_ask(); @learn says whether the directory is remembered. */
static __always_inline int boesfs_ask_and_learn(struct boesfs_caller *caller, const struct vfsmount *mnt,
						struct dentry *dentry, __u32 kind, __u32 op, __u32 given, __u32 learn)
{
	__u32 denied = boesfs_judge_to_learn(caller, mnt, dentry, kind, op, given);

	return boesfs_end_and_learn(caller, dentry, denied, learn);
}

/* Whether what is found afresh is to be remembered, after a memo was looked for. */
static __always_inline __u32 boesfs_is_news(const struct boesfs_caller *caller, int recall)
{
	return recall == BOESFS_RECALL_NOTHING && !(boesfs_check_memos && caller->scratch->is_known);
}

/*
 * Judges @op on @dentry by every name it has and ends the call. The tuple is in the work. @held: as boesfs_memo_learn_self().
 */
static __always_inline int boesfs_end_everywhere(struct boesfs_caller *caller, struct dentry *dentry, __u32 op, __u32 learn,
						 __u32 held)
{
	__u32 denied;
	int error;

	boesfs_memo_begin(caller);
	denied = boesfs_ask_everywhere(caller, dentry, boesfs_dentry_kind(dentry), op);
	boesfs_memo_compare_everywhere(caller->scratch);
	error = boesfs_report(caller, denied);
	if (learn && held)
		boesfs_memo_learn_everywhere(caller, dentry);
	/* What was told is not told again. */
	else if (learn && !error && !caller->scratch->work.outcome.report &&
		 boesfs_memo_learned(caller, BOESFS_LEARN_EVERYWHERE) && caller->scratch->learned.scope & BOESFS_SCOPE_NAMES)
		error = -BOESFS_ECHILD_NUMBER;
	boesfs_scratch_give(caller);
	return error;
}

#endif
