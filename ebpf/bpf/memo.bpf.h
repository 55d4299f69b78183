/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is remembered of directories: the automaton's state after the path of each, so that a call has only the last
 * name to walk. A verdict is never remembered, nor anything of a name that is not a directory's.
 *
 * A memo lies in the directory's inode and dies with it. It holds for one sandbox and generation of its policy, one
 * class, one mount and what its scope adds to that, as long as
 *
 *  - no rename of a directory has begun since: boesfs_inode_rename counts them, and is called with the directories of
 *    both names locked. Whoever learns a memo looks at the locks of all parents on the way, so that a rename which was
 *    counted before, and has not moved its directory yet, is seen;
 *  - the mount namespace has not changed: the kernel counts that.
 *
 * Nothing is learned on file systems whose directories move otherwise: those that ask again whether a name still holds,
 * and all that are not known here. Nor is anything remembered of names that are compared by more than their bytes.
 */
#ifndef BOESFS_MEMO_BPF_H
#define BOESFS_MEMO_BPF_H

#include "report.bpf.h"
#include <bpf/bpf_tracing.h>

#define BOESFS_MEMO_WAYS 4
/* The last name, as far as it lies in the dentry itself. */
#define BOESFS_NAME_WORDS 4
#define BOESFS_NAME_ROOM (8 * BOESFS_NAME_WORDS)
/* Steps over a name: each reads a byte or more. */
#define BOESFS_NAME_STEPS 40
/* No node: a name cannot be walked over. */
#define BOESFS_NO_NODE (~0u)

/* Beside enum boesfs_scope: there is a memo. */
#define BOESFS_MEMO_HELD (1u << 31)

struct boesfs_memo {
	/* Odd while a way is written. */
	__u32 sequence;
	/* Which is written next. */
	__u32 next;
	struct boesfs_memo_way way[BOESFS_MEMO_WAYS];
};

struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct boesfs_memo);
} memos SEC(".maps");

/* All that the programs count by themselves. */
struct boesfs_tally {
	/* Renames of directories that have begun on this machine. */
	__u64 renames;
	/* Answers by memo that were compared with fresh ones, and those that differed. */
	__u64 agreed;
	__u64 differed;
};

struct boesfs_tally boesfs_tally = {};

static __always_inline __u32 boesfs_is_dir(const struct dentry *dentry)
{
	const struct inode *inode = dentry->d_inode;

	return inode && (inode->i_mode & 0170000) == 0040000;
}

SEC("lsm/inode_rename")
int BPF_PROG(boesfs_inode_rename, struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
	     struct dentry *new_dentry, int ret)
{
	if (!ret && (boesfs_is_dir(old_dentry) || boesfs_is_dir(new_dentry)))
		__sync_fetch_and_add(&boesfs_tally.renames, 1);
	return ret;
}

static __always_inline __u64 boesfs_renames_now(__u32 check)
{
	return check == BOESFS_CHECK_BAD_RENAMES ? 0 : *(volatile __u64 *)&boesfs_tally.renames;
}

/* Keeps the compiler from moving reads across; the processor does not move them. */
#define boesfs_barrier() asm volatile("" ::: "memory")

/* A name that is being walked: what is left of it, its first byte lowest, and where the walk stands. */
struct boesfs_name {
	__u64 word[BOESFS_NAME_WORDS];
	__u32 left;
	__u32 node;
	__u32 inside;
	__u32 label;
	/* enum boesfs_walk_status. */
	__u32 status;
	/* The policy that it is walked in. */
	__u32 policy_class;
	__u32 policy_slot;
	__u32 reserved;
};

/* Takes @count bytes, 1 to 8, from the name. */
static __always_inline void boesfs_name_take(struct boesfs_name *n, __u32 count)
{
	__u32 down = 8 * count - 8, up = 64 - 8 * count;

	down &= 63;
	up &= 63;
#pragma unroll
	for (int i = 0; i < BOESFS_NAME_WORDS - 1; i++)
		n->word[i] = n->word[i] >> down >> 8 | n->word[i + 1] << up;
	n->word[BOESFS_NAME_WORDS - 1] = n->word[BOESFS_NAME_WORDS - 1] >> down >> 8;
	n->left -= count;
}

static __always_inline void boesfs_name_step(struct boesfs_blob b, struct boesfs_name *n)
{
	const struct boesfs_node *node = boesfs_node_at(b, n->node);
	__u32 take = n->left < 8 ? n->left : 8, left;
	const __u32 *to;
	__u64 diff;

	n->status = BOESFS_WALK_CORRUPT;
	if (!node)
		return;
	if (!n->left || node->kind == BOESFS_NODE_SINK) {
		n->label = node->label;
		n->status = BOESFS_WALK_DONE;
		return;
	}
	if (node->kind != BOESFS_NODE_CHAIN) {
		if (node->kind == BOESFS_NODE_TABLE)
			to = boesfs_table(b, node, n->word[0]);
		else
			to = node->kind == BOESFS_NODE_BRANCH ? boesfs_branch(b, node, n->word[0]) : 0;
		if (!to)
			return;
		n->status = BOESFS_WALK_GOING;
		n->node = *to;
		n->inside = 0;
		boesfs_name_take(n, 1);
		return;
	}
	if (n->inside >= node->len || n->inside > BOESFS_MAX_CHAIN)
		return;
	n->status = BOESFS_WALK_GOING;
	left = node->len - n->inside;
	if (left < take)
		take = left;
	diff = n->word[0] ^ boesfs_word_in(b, node, sizeof(*node) + n->inside);
	if (diff << (64 - 8 * take)) {
		n->node = node->other;
		n->inside = 0;
		boesfs_name_take(n, boesfs_bytes_below(diff) + 1);
		return;
	}
	n->inside += take;
	if (take == left) {
		n->node = node->next;
		n->inside = 0;
	}
	boesfs_name_take(n, take);
}

/* A pointer on the stack is all bpf_loop() passes on. */
struct boesfs_name_loop {
	struct boesfs_name *name;
};

static long boesfs_name_body(__u32 i, void *ctx)
{
	struct boesfs_name *n = ((struct boesfs_name_loop *)ctx)->name;
	struct boesfs_blob b = boesfs_policy_get(n->policy_class, n->policy_slot);

	if (!b.base)
		return 1;
	boesfs_name_step(b, n);
	return n->status != BOESFS_WALK_GOING;
}

/* What a memo is of, with @mnt, and what must not change while it holds. @mnt counts for names of one mount only. */
static __always_inline void boesfs_memo_key(const struct boesfs_caller *caller, const struct vfsmount *mnt,
					    struct boesfs_memo_way *key, __u32 check)
{
	key->sandbox = caller->sandbox->id;
	key->who = (check == BOESFS_CHECK_BAD_GENERATIONS ? 0 : caller->generation << 32) | caller->label->class;
	key->mount = (__u64)mnt;
	key->mounts = caller->namespace->event;
	key->renames = boesfs_renames_now(check);
}

/* Whether @way is what @key asks for: by its mount's names, or, if @scope is not 0, whatever the mount. */
static __always_inline __u32 boesfs_memo_is(const struct boesfs_memo_way *way, const struct boesfs_memo_way *key,
					    __u32 scope)
{
	if (scope ? !(way->scope & scope) : way->mount != key->mount)
		return 0;
	return way->who == key->who && way->sandbox == key->sandbox && way->renames == key->renames &&
	       way->mounts == key->mounts;
}

/* The way of @memo that @key asks for, or NULL. */
static __always_inline const struct boesfs_memo_way *boesfs_memo_way_of(const struct boesfs_memo *memo,
									 const struct boesfs_memo_way *key, __u32 scope)
{
	const struct boesfs_memo_way *way = &memo->way[0];

	_Static_assert(BOESFS_MEMO_WAYS == 4, "looks at each");
	if (boesfs_memo_is(way, key, scope) || boesfs_memo_is(++way, key, scope) || boesfs_memo_is(++way, key, scope) ||
	    boesfs_memo_is(++way, key, scope))
		return way;
	return 0;
}

/* Whether memos of the sandbox's view hold for the caller, whose class is of the generation that decides. */
static __always_inline __u32 boesfs_memo_serves(const struct boesfs_caller *caller)
{
	return (__u64)caller->namespace == caller->sandbox->mount_namespace &&
	       caller->label->generation == caller->generation;
}

/* What @class may do in row @label of the policy @b. */
static __always_inline __u32 boesfs_row_known(struct boesfs_blob b, __u32 label, __u32 class, struct boesfs_known *known)
{
	const struct boesfs_policy_header *h = b.base ? boesfs_header(b) : 0;
	const struct boesfs_cell *c = h ? boesfs_cell_at(b, h, boesfs_cell_number(b, h, label, class)) : 0;

	if (!c)
		return 0;
	known->deny = c->deny | c->depend;
	known->report = c->report;
	known->label = label;
	return 1;
}

/* Walks over the name @n. VERIFIER: looks at it once, whoever calls it. */
__attribute__((noinline)) int boesfs_name_call(struct boesfs_name *n)
{
	struct boesfs_name_loop loop = { .name = n };

	if (n)
		bpf_loop(BOESFS_NAME_STEPS, boesfs_name_body, &loop, 0);
	return 0;
}

/* Walks over the name @n. Returns 1 if its row is known. */
static __always_inline __u32 boesfs_name_known(struct boesfs_name *n, __u32 class, struct boesfs_known *known)
{
	boesfs_name_call(n);
	return n->status == BOESFS_WALK_DONE &&
	       boesfs_row_known(boesfs_policy_get(n->policy_class, n->policy_slot), n->label, class, known);
}

/*
 * What the caller's class may do with @dentry on @mnt, by the memo of its directory; by every name that it has, if @scope
 * is BOESFS_SCOPE_NAMES. Returns 0 if that, or the name, cannot be had so simply; else what the memo's scope is, and
 * BOESFS_MEMO_HELD.
 */
static __always_inline __u32 boesfs_memo_known(const struct boesfs_caller *caller, const struct vfsmount *mnt,
					       struct dentry *dentry, struct boesfs_known *known, __u32 check,
					       __u32 scope)
{
	struct boesfs_memo_way key;
	const struct boesfs_memo_way *way;
	const struct boesfs_binding *binding;
	struct boesfs_name n;
	struct dentry *parent;
	struct boesfs_memo *memo;
	__u32 written, sequence, len, elsewhere, held;
	unsigned char first;

	if (!bpf_core_field_exists(dentry->d_iname) || !boesfs_memo_serves(caller))
		return 0;
	sequence = *(volatile unsigned int *)&dentry->d_seq.seqcount.sequence;
	boesfs_barrier();
	parent = dentry->d_parent;
	len = dentry->d_name.len;
	if (len - 1 >= BOESFS_NAME_ROOM - 1 || dentry->d_flags & BOESFS_DCACHE_OP_NAMES)
		return 0;
	memo = bpf_inode_storage_get(&memos, parent->d_inode, 0, 0);
	if (!memo)
		return 0;
	boesfs_memo_key(caller, mnt, &key, check);
	written = *(volatile __u32 *)&memo->sequence;
	boesfs_barrier();
	way = boesfs_memo_way_of(memo, &key, scope);
	if (!way)
		return 0;
	held = way->scope | BOESFS_MEMO_HELD;
	first = *(volatile unsigned char *)&dentry->d_iname[0];
	elsewhere = way->first[first >> 6] >> (first & 63) & 1;
	*known = way->known;
	if (elsewhere) {
		n.node = way->node;
		n.inside = way->inside;
		n.word[0] = *(const __u64 *)&dentry->d_iname[0];
		n.word[1] = *(const __u64 *)&dentry->d_iname[8];
		n.word[2] = *(const __u64 *)&dentry->d_iname[16];
		n.word[3] = *(const __u64 *)&dentry->d_iname[24];
	}
	boesfs_barrier();
	if ((written | sequence) & 1 || *(volatile __u32 *)&memo->sequence != written ||
	    *(volatile unsigned int *)&dentry->d_seq.seqcount.sequence != sequence)
		return 0;
	if (!elsewhere)
		return held;
	/* The root of a file system is its own parent, and called '/', which every directory has among its first bytes. */
	binding = parent == dentry ? 0 : boesfs_binding_of(caller);
	if (!binding)
		return 0;
	n.left = len;
	n.label = 0;
	n.reserved = 0;
	n.policy_class = binding->policy_class;
	n.policy_slot = binding->policy_slot;
	n.status = BOESFS_WALK_GOING;
	return boesfs_name_known(&n, caller->label->class, known) ? held : 0;
}

/* Whether the caller's class may look up the directory of @inode by every name it has, as far as a memo says so. */
static __always_inline __u32 boesfs_memo_shows(const struct boesfs_caller *caller, struct inode *inode, __u32 check)
{
	struct boesfs_memo_way key;
	struct boesfs_memo *memo;
	__u32 written, shows;

	if (!boesfs_memo_serves(caller))
		return 0;
	memo = bpf_inode_storage_get(&memos, inode, 0, 0);
	if (!memo)
		return 0;
	boesfs_memo_key(caller, 0, &key, check);
	written = *(volatile __u32 *)&memo->sequence;
	boesfs_barrier();
	shows = boesfs_memo_way_of(memo, &key, BOESFS_SCOPE_SELF) != 0;
	boesfs_barrier();
	return shows && !(written & 1) && *(volatile __u32 *)&memo->sequence == written;
}

/* Whether a row of which @known is known lets @ops be done, whatever the arguments, and says nothing of @told. */
static __always_inline __u32 boesfs_known_allows(const struct boesfs_known *known, __u32 ops, __u32 told)
{
	return !(known->deny & (ops | BOESFS_BIT(BOESFS_OP_LOOKUP))) && !(known->report & told);
}

/* What comes of looking for a memo; else an error. */
enum boesfs_recall {
	/* The task is free, or a memo allows. */
	BOESFS_RECALL_ALLOWS,
	/* To be judged, and to be learned. */
	BOESFS_RECALL_NOTHING,
	/* To be judged: a memo does not do. */
	BOESFS_RECALL_KNOWN,
};

/* By what a call comes to a file. */
enum boesfs_through {
	BOESFS_THROUGH_NAME,
	/* By a descriptor, whose open may have told. */
	BOESFS_THROUGH_TRANSFER,
	BOESFS_THROUGH_MAPPING,
};

/*
 * Who calls, for what looks for a memo: BOESFS_RECALL_KNOWN if that is to be looked for, else what comes of the call
 * without, enum boesfs_recall or an error.
 */
static __always_inline int boesfs_recall_begin(struct task_struct *task, struct boesfs_caller *caller)
{
	__u32 confinement = boesfs_confinement(task, caller);

	if (confinement == BOESFS_FREE)
		return BOESFS_RECALL_ALLOWS;
	if (confinement != BOESFS_CONFINED)
		return -BOESFS_EACCES_NUMBER;
	boesfs_generation_read(caller);
	return BOESFS_RECALL_KNOWN;
}

/*
 * Whether @ops on @dentry of @mnt are allowed, and there is nothing to tell of @told, as far as a memo says so: enum
 * boesfs_recall, or an error. Sandboxes that have no transfers judged are let go with these, and what a strict
 * policy may have revoked is judged. A task with a flag of @unless is judged.
 */
static __always_inline int boesfs_recall(const struct vfsmount *mnt, struct dentry *dentry, __u32 ops, __u32 told,
					 enum boesfs_through through, __u32 unless)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct boesfs_caller caller;
	struct boesfs_known known;
	int begun = boesfs_recall_begin(task, &caller);

	if (begun != BOESFS_RECALL_KNOWN)
		return begun;
	if (through != BOESFS_THROUGH_NAME) {
		caller.binding = boesfs_binding_of(&caller);
		if (!caller.binding)
			return -BOESFS_EACCES_NUMBER;
		if (caller.binding->flags & BOESFS_BINDING_STRICT)
			return BOESFS_RECALL_KNOWN;
		if (through == BOESFS_THROUGH_TRANSFER && !(caller.binding->flags & BOESFS_BINDING_TRANSFERS))
			return BOESFS_RECALL_ALLOWS;
	}
	if (boesfs_check_memos || !boesfs_memo_known(&caller, mnt, dentry, &known, BOESFS_CHECK_NOTHING, 0))
		return BOESFS_RECALL_NOTHING;
	if (!boesfs_known_allows(&known, ops, told) || task->flags & unless)
		return BOESFS_RECALL_KNOWN;
	return BOESFS_RECALL_ALLOWS;
}

/* The same for @op on @dentry by every name it has. */
static __always_inline int boesfs_recall_everywhere(struct dentry *dentry, __u32 op)
{
	struct boesfs_caller caller;
	struct boesfs_known known;
	int begun = boesfs_recall_begin(bpf_get_current_task_btf(), &caller);

	if (begun != BOESFS_RECALL_KNOWN)
		return begun;
	if (boesfs_check_memos ||
	    !boesfs_memo_known(&caller, 0, dentry, &known, BOESFS_CHECK_NOTHING, BOESFS_SCOPE_NAMES))
		return BOESFS_RECALL_NOTHING;
	return boesfs_known_allows(&known, BOESFS_BIT(op), BOESFS_BIT(op)) ? BOESFS_RECALL_ALLOWS : BOESFS_RECALL_KNOWN;
}

/* The same for looking up the directory of @inode. */
static __always_inline int boesfs_recall_shown(struct inode *inode)
{
	struct boesfs_caller caller;
	int begun = boesfs_recall_begin(bpf_get_current_task_btf(), &caller);

	if (begun != BOESFS_RECALL_KNOWN)
		return begun;
	if (boesfs_check_memos || !boesfs_memo_shows(&caller, inode, BOESFS_CHECK_NOTHING))
		return BOESFS_RECALL_NOTHING;
	return BOESFS_RECALL_ALLOWS;
}

/* For tests: counts whether what was found afresh is what a memo said, unless a rename came between. */
static __always_inline void boesfs_memo_count(const struct boesfs_scratch *s, __u32 same)
{
	if (s->known_sequence & 1 || boesfs_rename_sequence() != s->known_sequence)
		return;
	__sync_fetch_and_add(same ? &boesfs_tally.agreed : &boesfs_tally.differed, 1);
}

/* What was found afresh about object 0, and what a memo says: are they the same? */
static __always_inline void boesfs_memo_compare(const struct boesfs_scratch *s)
{
	struct boesfs_known fresh = { .label = BOESFS_NO_RULE };
	__u32 found = s->work.object[0].place;

	if (!boesfs_check_memos || !s->is_known)
		return;
	if (found == BOESFS_INSIDE)
		boesfs_row_known(boesfs_blob_get(&s->work), s->work.object[0].label, s->class, &fresh);
	boesfs_memo_count(s, found <= BOESFS_OUTSIDE && fresh.deny == s->known.deny && fresh.report == s->known.report &&
				     fresh.label == s->known.label);
}

/* The same where every name of the object was looked at. */
static __always_inline void boesfs_memo_compare_everywhere(const struct boesfs_scratch *s)
{
	struct boesfs_known fresh = { .label = BOESFS_NO_RULE };

	if (!boesfs_check_memos || !s->is_known)
		return;
	if (s->insides)
		boesfs_row_known(boesfs_blob_get(&s->work), s->inside_label, s->class, &fresh);
	boesfs_memo_count(s, s->insides < 2 && fresh.deny == s->known.deny && fresh.report == s->known.report &&
				     fresh.label == s->known.label);
}

/* What a memo allowed, and what was found afresh. */
static __always_inline void boesfs_memo_compare_allowed(const struct boesfs_scratch *s, __u32 denied)
{
	if (boesfs_check_memos && s->is_known)
		boesfs_memo_count(s, !denied);
}

/*
 * As BOESFS_PROG for a program that comes after another, @name##_recall, which BOESFS_RECALL makes. @recall is what that
 * one found.
 */
#define BOESFS_MEMO_PROG(name, args...)                                                                                \
	name(unsigned long long *ctx);                                                                                 \
	static __always_inline int ____##name(unsigned long long *ctx, ##args, int recall);                            \
	static __attribute__((noinline)) int name##_inside(unsigned long long *ctx, int recall)                        \
	{                                                                                                              \
		BOESFS_CAST(____##name, ___bpf_ctx_cast(args), recall)                                                 \
	}                                                                                                              \
	int name(unsigned long long *ctx)                                                                              \
	{                                                                                                              \
		int recall;                                                                                            \
                                                                                                                       \
		if (boesfs_is_elsewhere())                                                                             \
			return 0;                                                                                      \
		recall = name##_recall(ctx);                                                                           \
		return recall <= 0 ? recall : name##_inside(ctx, recall);                                              \
	}                                                                                                              \
	static __always_inline int ____##name(unsigned long long *ctx, ##args, int recall)

/* Begins what looks for a memo before the program @name: it returns enum boesfs_recall, or an error. */
#define BOESFS_RECALL(name, args...)                                                                                   \
	static __always_inline int ____##name##_recall(unsigned long long *ctx, ##args);                               \
	static __attribute__((noinline)) int name##_recall(unsigned long long *ctx)                                    \
	{                                                                                                              \
		BOESFS_CAST(____##name##_recall, ___bpf_ctx_cast(args))                                                \
	}                                                                                                              \
	static __always_inline int ____##name##_recall(unsigned long long *ctx, ##args)

/*
 * For tests: notes what a memo says of @dentry on @mnt, to be compared with what will be found. VERIFIER: in a frame of
 * its own, which is gone before the deeper calls: 6.1 adds up the stack of all that are open.
 */
static __attribute__((noinline)) int boesfs_memo_note(struct boesfs_caller *caller, const struct vfsmount *mnt,
						      struct dentry *dentry)
{
	caller->known_sequence = boesfs_rename_sequence();
	caller->is_known = !!boesfs_memo_known(caller, mnt, dentry, &caller->known, boesfs_check_memos, 0);
	return 0;
}

/* The same of @dentry by every name that it has. */
static __attribute__((noinline)) int boesfs_memo_note_everywhere(struct boesfs_caller *caller, struct dentry *dentry)
{
	caller->known_sequence = boesfs_rename_sequence();
	caller->is_known =
		!!boesfs_memo_known(caller, 0, dentry, &caller->known, boesfs_check_memos, BOESFS_SCOPE_NAMES);
	return 0;
}

/* As BOESFS_BEGIN, for a call that a memo has not allowed. @note notes what it says. */
#define BOESFS_BEGIN_AND(caller, ret, note)                                                                            \
	do {                                                                                                           \
		BOESFS_KNOW(caller, ret);                                                                              \
		(caller).is_known = 0;                                                                                 \
		if (boesfs_check_memos)                                                                                \
			(note);                                                                                        \
		BOESFS_TAKE(caller);                                                                                   \
	} while (0)

#define BOESFS_BEGIN_NOTED(caller, ret, mnt, dentry)                                                                   \
	BOESFS_BEGIN_AND(caller, ret, boesfs_memo_note(&(caller), mnt, dentry))

/* Everything that is judged when @op is asked: what an alias stands for, the open that it needs, and @uses. */
static __always_inline __u32 boesfs_ops_of(__u32 op, __u32 uses)
{
	__u32 ops = BOESFS_BIT(op) | uses;

	if (ops & BOESFS_BIT(BOESFS_OP_EXEC))
		ops |= BOESFS_BIT(BOESFS_OP_OPEN);
	if (ops & BOESFS_BIT(BOESFS_OP_IOCTL))
		ops |= BOESFS_BIT(BOESFS_OP_SETATTR);
	if (ops & BOESFS_OPS_THROUGH_OPEN)
		ops |= BOESFS_BIT(BOESFS_OP_OPEN);
	return ops;
}

#endif
