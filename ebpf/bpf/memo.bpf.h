/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is remembered of directories: the automaton's state after the path of each, so that a call has only the last
 * name to walk. A verdict is never remembered, nor anything of a name that is not a directory's.
 *
 * A memo lies in the directory's inode and dies with it. It holds for one sandbox and generation of its policy, one
 * class, one mount and what its scope adds to that, as long as
 *
 *  - no rename of a directory has begun since: boesfs_inode_rename counts them (renames.bpf.h), and is called with the
 *    directories of both names locked. Whoever learns a memo looks at the locks of all parents on the way, so that a rename which was
 *    counted before, and has not moved its directory yet, is seen. When one has begun, the memo holds again if it was of
 *    no directory on the way, or the directory is still called what it was: see renew.bpf.h;
 *  - the mount namespace has not changed: the kernel counts that.
 *
 * A directory is learned after a call was judged (learn.bpf.h), or from the memo of the one above it (derive.bpf.h).
 * Nothing is learned on file systems whose directories move otherwise: those that ask again whether a name still holds,
 * and all that are not known here. Nor is anything remembered of names that are compared by more than their bytes.
 */
#ifndef BOESFS_MEMO_BPF_H
#define BOESFS_MEMO_BPF_H

#include "renames.bpf.h"

#define BOESFS_MEMO_WAYS 4
/* The last name, as far as it lies in the dentry itself. */
#define BOESFS_NAME_WORDS 4
#define BOESFS_NAME_ROOM (8 * BOESFS_NAME_WORDS)
/* What a directory's path may have at most, for names in it to be no longer than a path may be: no memo looks at that. */
#define BOESFS_MEMO_LENGTH (BOESFS_PATH_END - BOESFS_NAME_ROOM - 2)
/* Steps over a name: each reads a byte or more. */
#define BOESFS_NAME_STEPS 40
/* A task that writes down its memory. */
#define BOESFS_PF_DUMPCORE 0x200u
/* No address of a task's namespaces. */
#define BOESFS_NO_NSPROXY 1

/* Beside enum boesfs_scope: there is a memo; there is one that directories were renamed since. */
#define BOESFS_MEMO_HELD (1u << 31)
#define BOESFS_MEMO_STALE (1u << 30)

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
	__u32 most = n->left < 8 ? n->left : 8, take, left, inside;
	const __u32 *to;
	__u64 have;

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
	inside = n->inside;
	if (inside >= node->len || inside > BOESFS_MAX_CHAIN)
		return;
	/* VERIFIER: keeps the bound with the register. */
	asm volatile("%0 &= %1" : "+r"(inside) : "i"(255));
	n->status = BOESFS_WALK_GOING;
	left = node->len - inside;
	take = left < most ? left : most;
	have = boesfs_word_in(b, node, sizeof(*node) + inside);
	if ((n->word[0] ^ have) << (64 - 8 * take)) {
		take = boesfs_chain_left(node, inside ? BOESFS_NO_NODE : n->node, n->word[0], have, most);
		n->node = node->other;
		n->inside = 0;
		boesfs_name_take(n, take);
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
					    struct boesfs_memo_key *key, __u32 check)
{
	key->sandbox = caller->sandbox->id;
	key->who = (check == BOESFS_CHECK_BAD_GENERATIONS ? 0 : caller->generation << 32) | caller->class;
	key->mount = (__u64)mnt;
	key->mounts = bpf_get_current_task_btf()->nsproxy->mnt_ns->event;
	key->renames = boesfs_renames_now(check);
}

/* What the namespaces of memos are marked with that are only compared: no task has such. */
static __always_inline __u64 boesfs_memo_mark(__u32 check)
{
	return check ? 2 : 0;
}

/*
 * Whose memo @way is without a look at the task's label: whoever has the same namespaces. Only a task of the sandbox can
 * make others that share them; who comes in from outside has its own. Where the class depends on what a task runs, nobody's.
 */
static __always_inline void boesfs_memo_share(struct boesfs_memo_way *way, __u32 program_count)
{
	way->nsproxy = program_count ? BOESFS_NO_NSPROXY : (__u64)bpf_get_current_task_btf()->nsproxy;
	/* VERIFIER: allows no arithmetic on it before. */
	boesfs_barrier();
	way->nsproxy ^= boesfs_memo_mark(boesfs_check_memos);
}

/* Whether @way is what @key asks for, whatever was renamed: by its mount's names, or, if @scope is not 0, by all. */
static __always_inline __u32 boesfs_memo_is(const struct boesfs_memo_way *way, const struct boesfs_memo_key *key,
					    __u32 scope)
{
	if (scope ? !(way->scope & scope) : way->key.mount != key->mount)
		return 0;
	return way->key.who == key->who && way->key.sandbox == key->sandbox && way->key.mounts == key->mounts;
}

/* The way of @memo that @key asks for, or NULL. */
static __always_inline struct boesfs_memo_way *boesfs_memo_way_of(struct boesfs_memo *memo,
								   const struct boesfs_memo_key *key, __u32 scope)
{
	struct boesfs_memo_way *way = &memo->way[0];

	_Static_assert(BOESFS_MEMO_WAYS == 4, "looks at each");
	if (boesfs_memo_is(way, key, scope) || boesfs_memo_is(++way, key, scope) || boesfs_memo_is(++way, key, scope) ||
	    boesfs_memo_is(++way, key, scope))
		return way;
	return 0;
}

/* Whether memos of the sandbox's view hold for the caller, whose class is of the generation that decides. */
static __always_inline __u32 boesfs_memo_serves(const struct boesfs_caller *caller)
{
	return (__u64)bpf_get_current_task_btf()->nsproxy->mnt_ns == caller->sandbox->mount_namespace &&
	       caller->class_generation == caller->generation;
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

/* A directory's memo as it is read for a name in it: what must still be so afterwards. */
struct boesfs_reading {
	struct dentry *parent;
	struct boesfs_memo *memo;
	/* Of the name's dentry, and of the memo. */
	__u32 sequence;
	__u32 written;
	/* Bytes of the name. */
	__u32 len;
};

/* Begins to read the memo for @dentry. Returns 0 if there is none, or the name cannot be had so simply. */
static __always_inline __u32 boesfs_memo_read(struct dentry *dentry, struct boesfs_reading *r)
{
	if (!bpf_core_field_exists(dentry->d_iname))
		return 0;
	r->sequence = *(volatile unsigned int *)&dentry->d_seq.seqcount.sequence;
	boesfs_barrier();
	r->parent = dentry->d_parent;
	r->len = dentry->d_name.len;
	if (r->len - 1 >= BOESFS_NAME_ROOM - 1 || dentry->d_flags & BOESFS_DCACHE_OP_NAMES)
		return 0;
	r->memo = bpf_inode_storage_get(&memos, r->parent->d_inode, 0, 0);
	if (!r->memo)
		return 0;
	r->written = *(volatile __u32 *)&r->memo->sequence;
	boesfs_barrier();
	return 1;
}

enum boesfs_row {
	/* Something changed meanwhile. */
	BOESFS_ROW_NONE,
	BOESFS_ROW_KNOWN,
	/* The name leads elsewhere: it is to be walked. */
	BOESFS_ROW_ELSEWHERE,
};

/* What @way says of the name of @dentry, and ends the reading; or begins to walk the name. Returns enum boesfs_row. */
static __always_inline __u32 boesfs_memo_row(struct dentry *dentry, const struct boesfs_reading *r,
					     const struct boesfs_memo_way *way, struct boesfs_name *n,
					     struct boesfs_known *known)
{
	unsigned char first = *(volatile unsigned char *)&dentry->d_iname[0];
	__u32 elsewhere = way->first[first >> 6] >> (first & 63) & 1;

	*known = way->known;
	if (elsewhere) {
		n->node = way->node;
		n->inside = way->inside;
		n->word[0] = *(const __u64 *)&dentry->d_iname[0];
		n->word[1] = *(const __u64 *)&dentry->d_iname[8];
		n->word[2] = *(const __u64 *)&dentry->d_iname[16];
		n->word[3] = *(const __u64 *)&dentry->d_iname[24];
	}
	boesfs_barrier();
	if ((r->written | r->sequence) & 1 || *(volatile __u32 *)&r->memo->sequence != r->written ||
	    *(volatile unsigned int *)&dentry->d_seq.seqcount.sequence != r->sequence)
		return BOESFS_ROW_NONE;
	if (!elsewhere)
		return BOESFS_ROW_KNOWN;
	/* The root of a file system is its own parent, and called '/', which every directory has among its first bytes. */
	return r->parent == dentry ? BOESFS_ROW_NONE : BOESFS_ROW_ELSEWHERE;
}

/* Walks over the name that boesfs_memo_row() began, for @class. Returns 1 if its row is known. */
static __always_inline __u32 boesfs_memo_walk(struct boesfs_name *n, const struct boesfs_reading *r,
					      const struct boesfs_binding *binding, __u32 class,
					      struct boesfs_known *known)
{
	if (!binding)
		return 0;
	n->left = r->len;
	n->label = 0;
	n->reserved = 0;
	n->policy_class = binding->policy_class;
	n->policy_slot = binding->policy_slot;
	n->status = BOESFS_WALK_GOING;
	return boesfs_name_known(n, class, known);
}

/*
 * What the caller's class may do with @dentry on @mnt, by the memo of its directory; by every name that it has, if @scope
 * is BOESFS_SCOPE_NAMES. Returns 0 if that, or the name, cannot be had so simply; BOESFS_MEMO_STALE; or what the memo's
 * scope is, and BOESFS_MEMO_HELD.
 */
static __always_inline __u32 boesfs_memo_known(const struct boesfs_caller *caller, const struct vfsmount *mnt,
					       struct dentry *dentry, struct boesfs_known *known, __u32 check,
					       __u32 scope)
{
	struct boesfs_memo_key key;
	const struct boesfs_memo_way *way;
	struct boesfs_reading r;
	struct boesfs_name n;
	__u32 held, row;

	if (!boesfs_memo_serves(caller) || !boesfs_memo_read(dentry, &r))
		return 0;
	boesfs_memo_key(caller, mnt, &key, check);
	way = boesfs_memo_way_of(r.memo, &key, scope);
	if (!way)
		return 0;
	if (way->key.renames != key.renames)
		return BOESFS_MEMO_STALE;
	held = way->scope | BOESFS_MEMO_HELD;
	row = boesfs_memo_row(dentry, &r, way, &n, known);
	if (row == BOESFS_ROW_ELSEWHERE)
		return boesfs_memo_walk(&n, &r, boesfs_binding_of(caller), caller->class, known) ? held : 0;
	return row == BOESFS_ROW_KNOWN ? held : 0;
}

/* Whether @way is what a task with @nsproxy asks for, as boesfs_memo_is(). */
static __always_inline __u32 boesfs_memo_is_shared(const struct boesfs_memo_way *way, __u64 nsproxy, __u64 mount,
						   __u64 mounts, __u32 check, __u32 scope)
{
	if (scope ? !(way->scope & scope) : way->key.mount != mount)
		return 0;
	return (way->nsproxy ^ boesfs_memo_mark(check)) == nsproxy && way->key.mounts == mounts;
}

/* The way of @memo that a task with @nsproxy asks for, or NULL. */
static __always_inline struct boesfs_memo_way *boesfs_memo_shared_way(struct boesfs_memo *memo, __u64 nsproxy, __u64 mount,
								       __u64 mounts, __u32 check, __u32 scope)
{
	struct boesfs_memo_way *way = &memo->way[0];

	if (boesfs_memo_is_shared(way, nsproxy, mount, mounts, check, scope) ||
	    boesfs_memo_is_shared(++way, nsproxy, mount, mounts, check, scope) ||
	    boesfs_memo_is_shared(++way, nsproxy, mount, mounts, check, scope) ||
	    boesfs_memo_is_shared(++way, nsproxy, mount, mounts, check, scope))
		return way;
	return 0;
}

/* The sandbox of @way, in @slot, if it still is what the way is of and may do anything, or NULL. */
static __always_inline const struct boesfs_sandbox *boesfs_memo_sandbox(const struct boesfs_memo_way *way, __u32 slot,
									__u64 namespace)
{
	const struct boesfs_sandbox *sandbox = boesfs_sandbox_get(slot);

	if (!sandbox || sandbox->id != way->key.sandbox || sandbox->flags & BOESFS_SANDBOX_KILLED ||
	    sandbox->mount_namespace != namespace)
		return 0;
	return sandbox;
}

/*
 * As boesfs_memo_known(), by the namespaces of @task alone. Returns 0 also where only its label tells. Else @binding, if
 * it is not NULL, is what binds the sandbox.
 */
static __always_inline __u32 boesfs_memo_shared(struct task_struct *task, const struct vfsmount *mnt,
						struct dentry *dentry, struct boesfs_known *known, __u32 check,
						__u32 scope, const struct boesfs_binding **binding)
{
	struct nsproxy *nsproxy = task->nsproxy;
	struct mnt_namespace *namespace = nsproxy->mnt_ns;
	__u64 mounts = namespace->event, renames = boesfs_renames_now(check);
	const struct boesfs_binding *bound;
	const struct boesfs_sandbox *sandbox;
	const struct boesfs_memo_way *way;
	struct boesfs_reading r;
	struct boesfs_name n;
	__u32 row, index, slot;
	__u64 who;

	if (!boesfs_memo_read(dentry, &r))
		return 0;
	way = boesfs_memo_shared_way(r.memo, (__u64)nsproxy, (__u64)mnt, mounts, check, scope);
	if (!way)
		return 0;
	if (way->key.renames != renames)
		return BOESFS_MEMO_STALE;
	/* Read once, before the reading ends: afterwards the way may be another sandbox's. */
	slot = *(const volatile __u32 *)&way->slot;
	who = *(const volatile __u64 *)&way->key.who;
	sandbox = boesfs_memo_sandbox(way, slot, (__u64)namespace);
	if (!sandbox || (check != BOESFS_CHECK_BAD_GENERATIONS &&
			 (__u32) * (volatile __u64 *)&sandbox->generation != who >> 32))
		return 0;
	row = boesfs_memo_row(dentry, &r, way, &n, known);
	if (row == BOESFS_ROW_NONE)
		return 0;
	if (row == BOESFS_ROW_ELSEWHERE || binding) {
		index = 2 * slot + (who >> 32 & 1);
		bound = bpf_map_lookup_elem(&bindings, &index);
		if (!bound)
			return 0;
		if (binding)
			*binding = bound;
		if (row == BOESFS_ROW_ELSEWHERE && !boesfs_memo_walk(&n, &r, bound, (__u32)who, known))
			return 0;
	}
	return BOESFS_MEMO_HELD;
}

/*
 * Whether the caller's class may look up the directory of @inode by every name it has: BOESFS_MEMO_HELD if a memo says so,
 * BOESFS_MEMO_STALE, or 0.
 */
static __always_inline __u32 boesfs_memo_shows(const struct boesfs_caller *caller, struct inode *inode, __u32 check)
{
	struct boesfs_memo_key key;
	struct boesfs_memo *memo;
	const struct boesfs_memo_way *way;
	__u32 written, held = 0;

	if (!boesfs_memo_serves(caller))
		return 0;
	memo = bpf_inode_storage_get(&memos, inode, 0, 0);
	if (!memo)
		return 0;
	boesfs_memo_key(caller, 0, &key, check);
	written = *(volatile __u32 *)&memo->sequence;
	boesfs_barrier();
	way = boesfs_memo_way_of(memo, &key, BOESFS_SCOPE_SELF);
	if (way)
		held = way->key.renames == key.renames ? BOESFS_MEMO_HELD : BOESFS_MEMO_STALE;
	boesfs_barrier();
	return written & 1 || *(volatile __u32 *)&memo->sequence != written ? 0 : held;
}

/* As boesfs_memo_shows(), by the namespaces of @task alone. Returns 0 also where only its label tells. */
static __always_inline __u32 boesfs_memo_shows_shared(struct task_struct *task, struct inode *inode)
{
	struct nsproxy *nsproxy = task->nsproxy;
	struct mnt_namespace *namespace = nsproxy->mnt_ns;
	__u64 mounts = namespace->event, renames = boesfs_renames_now(BOESFS_CHECK_NOTHING);
	struct boesfs_memo *memo = bpf_inode_storage_get(&memos, inode, 0, 0);
	const struct boesfs_sandbox *sandbox;
	const struct boesfs_memo_way *way;
	__u32 written;

	if (!memo)
		return 0;
	written = *(volatile __u32 *)&memo->sequence;
	boesfs_barrier();
	way = boesfs_memo_shared_way(memo, (__u64)nsproxy, 0, mounts, BOESFS_CHECK_NOTHING, BOESFS_SCOPE_SELF);
	if (!way)
		return 0;
	if (way->key.renames != renames)
		return BOESFS_MEMO_STALE;
	sandbox = boesfs_memo_sandbox(way, way->slot, (__u64)namespace);
	if (!sandbox || (__u32) * (volatile __u64 *)&sandbox->generation != way->key.who >> 32)
		return 0;
	boesfs_barrier();
	return written & 1 || *(volatile __u32 *)&memo->sequence != written ? 0 : BOESFS_MEMO_HELD;
}

/* What comes of looking for a memo; else an error. */
enum boesfs_recall {
	/* The task is free, or a memo allows. */
	BOESFS_RECALL_ALLOWS,
	/* To be judged, and to be learned. */
	BOESFS_RECALL_NOTHING,
	/* To be judged: a memo does not do. */
	BOESFS_RECALL_KNOWN,
	/* Directories were renamed since the memo was made: once more, if it can be renewed. */
	BOESFS_RECALL_STALE,
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

#endif
