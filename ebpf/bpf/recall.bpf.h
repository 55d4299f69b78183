/* SPDX-License-Identifier: GPL-2.0 */
/* How hooks look for a memo before they judge, and how tests compare what memos say with what is found afresh. */
#ifndef BOESFS_RECALL_BPF_H
#define BOESFS_RECALL_BPF_H

#include "derive.bpf.h"

/* Whether a row of which @known is known lets @ops be done, whatever the arguments, and says nothing of @told. */
static __always_inline __u32 boesfs_known_allows(const struct boesfs_known *known, __u32 ops, __u32 told)
{
	return !(known->deny & (ops | BOESFS_BIT(BOESFS_OP_LOOKUP))) && !(known->report & told);
}

/* By what a call comes to a file. */
enum boesfs_through {
	BOESFS_THROUGH_NAME,
	/* By a descriptor, whose open may have told. */
	BOESFS_THROUGH_TRANSFER,
	BOESFS_THROUGH_MAPPING,
};

/* What is looked for: by what a call comes to the file, and what lets a memo not do. */
enum boesfs_recall_how {
	/* enum boesfs_through. */
	BOESFS_HOW_THROUGH = 3,
	/* By every name, as boesfs_memo_known() with BOESFS_SCOPE_NAMES. */
	BOESFS_HOW_EVERYWHERE = 4,
	/* A task that writes down its memory is judged. */
	BOESFS_HOW_NO_DUMP = 8,
};

/* Whether a binding lets a call through without judging, or has it judged; else BOESFS_RECALL_NOTHING. */
static __always_inline int boesfs_recall_through(const struct boesfs_binding *binding, __u32 through)
{
	if (binding->flags & BOESFS_BINDING_STRICT)
		return BOESFS_RECALL_KNOWN;
	if (through == BOESFS_THROUGH_TRANSFER && !(binding->flags & BOESFS_BINDING_TRANSFERS))
		return BOESFS_RECALL_ALLOWS;
	return BOESFS_RECALL_NOTHING;
}

/* The second part of boesfs_recall(): by the task's label. */
static __always_inline int boesfs_recall_labelled(const struct vfsmount *mnt, struct dentry *dentry, __u32 ops,
						  __u32 told, __u32 how)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 through = how & BOESFS_HOW_THROUGH, scope = how & BOESFS_HOW_EVERYWHERE ? BOESFS_SCOPE_NAMES : 0;
	struct boesfs_caller caller;
	struct boesfs_known known;
	int begun = boesfs_recall_begin(task, &caller);
	__u32 held;

	if (begun != BOESFS_RECALL_KNOWN)
		return begun;
	if (through != BOESFS_THROUGH_NAME) {
		caller.binding = boesfs_binding_of(&caller);
		if (!caller.binding)
			return -BOESFS_EACCES_NUMBER;
		begun = boesfs_recall_through(caller.binding, through);
		if (begun != BOESFS_RECALL_NOTHING)
			return begun;
	}
	held = boesfs_memo_known(&caller, mnt, dentry, &known, boesfs_check_memos, scope);
	/* What is only compared is renewed all the same. */
	if (boesfs_check_memos)
		held &= BOESFS_MEMO_STALE;
	if (!(held & BOESFS_MEMO_HELD))
		return held ? BOESFS_RECALL_STALE : BOESFS_RECALL_NOTHING;
	if (!boesfs_known_allows(&known, ops, told) || (how & BOESFS_HOW_NO_DUMP && task->flags & BOESFS_PF_DUMPCORE))
		return BOESFS_RECALL_KNOWN;
	return BOESFS_RECALL_ALLOWS;
}

/*
 * Whether anything on @dentry of @mnt is allowed and not told, as far as a shared memo says so: BOESFS_RECALL_ALLOWS, or
 * BOESFS_RECALL_KNOWN if it depends on the operation and @known says how, BOESFS_RECALL_STALE or BOESFS_RECALL_NOTHING.
 */
static __always_inline int boesfs_recall_shared(const struct vfsmount *mnt, struct dentry *dentry,
						struct boesfs_known *known, __u32 how)
{
	__u32 through = how & BOESFS_HOW_THROUGH, scope = how & BOESFS_HOW_EVERYWHERE ? BOESFS_SCOPE_NAMES : 0;
	const struct boesfs_binding *binding;
	__u32 held;
	int begun;

	held = boesfs_memo_shared(bpf_get_current_task_btf(), mnt, dentry, known, BOESFS_CHECK_NOTHING, scope,
				  through == BOESFS_THROUGH_NAME ? 0 : &binding);
	if (!(held & BOESFS_MEMO_HELD))
		return held ? BOESFS_RECALL_STALE : BOESFS_RECALL_NOTHING;
	if (through != BOESFS_THROUGH_NAME) {
		begun = boesfs_recall_through(binding, through);
		if (begun == BOESFS_RECALL_KNOWN)
			known->deny = ~0u;
		if (begun != BOESFS_RECALL_NOTHING)
			return begun;
	}
	return known->deny | known->report ? BOESFS_RECALL_KNOWN : BOESFS_RECALL_ALLOWS;
}

/* The parts of boesfs_recall(): each has a frame of its own, which is gone before the next. */
enum boesfs_part {
	BOESFS_PART_SHARED,
	/* If that comes to BOESFS_RECALL_NOTHING. */
	BOESFS_PART_LABELLED,
	/*
	 * If they come to nothing else. These return 1 if the two before are to be tried once more. BOESFS_PART_UNTOUCHED and
	 * BOESFS_PART_NAMED do so only after BOESFS_RECALL_STALE.
	 */
	BOESFS_PART_UNTOUCHED,
	BOESFS_PART_DERIVED,
	BOESFS_PART_NAMED,
};

/* The parts that give a memo of the directory of @dentry. */
static __always_inline int boesfs_recall_anew(enum boesfs_part part, const struct vfsmount *mnt, struct dentry *dentry,
					      __u32 how)
{
	__u32 scope = how & BOESFS_HOW_EVERYWHERE ? BOESFS_SCOPE_NAMES : 0;

	if (part == BOESFS_PART_DERIVED)
		return boesfs_memo_derive(mnt, dentry, scope);
	return boesfs_memo_renew_above(mnt, dentry, scope,
				       part == BOESFS_PART_NAMED ? BOESFS_RENEW_NAMED : BOESFS_RENEW_UNTOUCHED);
}

/*
 * Whether @ops on @dentry of @mnt are allowed, and there is nothing to tell of @told, as far as a memo says so: enum
 * boesfs_recall, or an error. Sandboxes that have no transfers judged are let go with these, and what a strict
 * policy may have revoked is judged. @how: enum boesfs_recall_how. @part: enum boesfs_part. A macro, for most rows allow
 * anything: then @ops is not computed.
 */
#define boesfs_recall(part, mnt, dentry, ops, told, how)                                                               \
	({                                                                                                             \
		struct boesfs_known known_;                                                                            \
		int recall_;                                                                                           \
                                                                                                                       \
		if ((part) >= BOESFS_PART_UNTOUCHED) {                                                                 \
			recall_ = boesfs_recall_anew(part, mnt, dentry, how);                                          \
		} else if ((part) == BOESFS_PART_LABELLED) {                                                           \
			recall_ = boesfs_recall_labelled(mnt, dentry, ops, told, how);                                 \
		} else {                                                                                               \
			recall_ = boesfs_recall_shared(mnt, dentry, &known_, how);                                     \
			if (recall_ == BOESFS_RECALL_KNOWN && boesfs_known_allows(&known_, ops, told))                 \
				recall_ = BOESFS_RECALL_ALLOWS;                                                        \
		}                                                                                                      \
		recall_;                                                                                               \
	})

/* The parts after the first, which came to @first; each of them a call. */
#define boesfs_recall_rest(first, shared, labelled, untouched, derived, named)                                         \
	({                                                                                                             \
		int recalled_ = (first), stale_;                                                                       \
                                                                                                                       \
		if (recalled_ == BOESFS_RECALL_NOTHING)                                                                \
			recalled_ = (labelled);                                                                        \
		stale_ = recalled_ == BOESFS_RECALL_STALE;                                                             \
		if (stale_ || recalled_ == BOESFS_RECALL_NOTHING) {                                                    \
			recalled_ = BOESFS_RECALL_NOTHING;                                                             \
			if ((stale_ && (untouched)) || (derived) || (stale_ && (named))) {                             \
				recalled_ = (shared);                                                                  \
				if (recalled_ == BOESFS_RECALL_NOTHING)                                                \
					recalled_ = (labelled);                                                        \
			}                                                                                              \
		}                                                                                                      \
		recalled_ == BOESFS_RECALL_STALE ? BOESFS_RECALL_NOTHING : recalled_;                                  \
	})

/* As boesfs_recall(), for looking up the directory of @inode. */
static __always_inline int boesfs_recall_shown(enum boesfs_part part, struct inode *inode)
{
	struct boesfs_caller caller;
	struct hlist_node *alias;
	__u32 held = 0;
	int begun;

	if (part >= BOESFS_PART_UNTOUCHED) {
		/* A directory has one dentry. */
		alias = inode->i_dentry.first;
		if (!alias)
			return 0;
		return boesfs_memo_renew(0, inode, 0, (__u64)alias - bpf_core_field_offset(struct dentry, d_u.d_alias),
					 BOESFS_SCOPE_SELF,
					 part == BOESFS_PART_NAMED ? BOESFS_RENEW_NAMED : BOESFS_RENEW_UNTOUCHED);
	}
	if (part == BOESFS_PART_LABELLED) {
		begun = boesfs_recall_begin(bpf_get_current_task_btf(), &caller);
		if (begun != BOESFS_RECALL_KNOWN)
			return begun;
		held = boesfs_memo_shows(&caller, inode, BOESFS_CHECK_NOTHING);
		/* What is only compared is renewed all the same. */
		if (boesfs_check_memos)
			held &= BOESFS_MEMO_STALE;
	} else {
		held = boesfs_memo_shows_shared(bpf_get_current_task_btf(), inode);
	}
	if (held & BOESFS_MEMO_HELD)
		return BOESFS_RECALL_ALLOWS;
	return held ? BOESFS_RECALL_STALE : BOESFS_RECALL_NOTHING;
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
		recall = name##_recall_shared(ctx);                                                                    \
		if (recall <= 0)                                                                                       \
			return recall;                                                                                 \
		recall = boesfs_recall_rest(recall, name##_recall_shared(ctx), name##_recall_labelled(ctx),            \
					    name##_recall_untouched(ctx), name##_recall_derived(ctx),                  \
					    name##_recall_named(ctx));                                                \
		return recall <= 0 ? recall : name##_inside(ctx, recall);                                              \
	}                                                                                                              \
	static __always_inline int ____##name(unsigned long long *ctx, ##args, int recall)

/* Begins what looks for a memo before the program @name: @part of it, as boesfs_recall(). */
#define BOESFS_RECALL(name, args...)                                                                                   \
	static __always_inline int ____##name##_recall(unsigned long long *ctx, ##args, enum boesfs_part part);        \
	static __attribute__((noinline)) int name##_recall_shared(unsigned long long *ctx)                             \
	{                                                                                                              \
		BOESFS_CAST(____##name##_recall, ___bpf_ctx_cast(args), BOESFS_PART_SHARED)                            \
	}                                                                                                              \
	static __attribute__((noinline)) int name##_recall_labelled(unsigned long long *ctx)                           \
	{                                                                                                              \
		BOESFS_CAST(____##name##_recall, ___bpf_ctx_cast(args), BOESFS_PART_LABELLED)                          \
	}                                                                                                              \
	static __attribute__((noinline)) int name##_recall_untouched(unsigned long long *ctx)                          \
	{                                                                                                              \
		BOESFS_CAST(____##name##_recall, ___bpf_ctx_cast(args), BOESFS_PART_UNTOUCHED)                         \
	}                                                                                                              \
	static __attribute__((noinline)) int name##_recall_derived(unsigned long long *ctx)                            \
	{                                                                                                              \
		BOESFS_CAST(____##name##_recall, ___bpf_ctx_cast(args), BOESFS_PART_DERIVED)                           \
	}                                                                                                              \
	static __attribute__((noinline)) int name##_recall_named(unsigned long long *ctx)                             \
	{                                                                                                              \
		BOESFS_CAST(____##name##_recall, ___bpf_ctx_cast(args), BOESFS_PART_NAMED)                            \
	}                                                                                                              \
	static __always_inline int ____##name##_recall(unsigned long long *ctx, ##args, enum boesfs_part part)

/* What a memo says, into the work buffer: half of the times by its namespaces, as far as they tell, else by its label. */
static __always_inline void boesfs_memo_note_way(struct boesfs_caller *caller, const struct vfsmount *mnt,
						 struct dentry *dentry, __u32 scope)
{
	__u32 held = 0;

	if (bpf_get_prandom_u32() & 1)
		held = boesfs_memo_shared(bpf_get_current_task_btf(), mnt, dentry, &caller->scratch->known, boesfs_check_memos,
					  scope, 0);
	if (!(held & BOESFS_MEMO_HELD))
		held = boesfs_memo_known(caller, mnt, dentry, &caller->scratch->known, boesfs_check_memos, scope);
	caller->scratch->is_known = !!(held & BOESFS_MEMO_HELD);
}

/*
 * For tests: notes what a memo says of @dentry on @mnt, to be compared with what will be found. VERIFIER: in a frame of
 * its own, which is gone before the deeper calls: 6.1 adds up the stack of all that are open.
 */
static __attribute__((noinline)) int boesfs_memo_note(struct boesfs_caller *caller, const struct vfsmount *mnt,
						      struct dentry *dentry)
{
	caller->scratch->known_sequence = boesfs_rename_sequence();
	boesfs_memo_note_way(caller, mnt, dentry, 0);
	return 0;
}

/* The same of @dentry by every name that it has. */
static __attribute__((noinline)) int boesfs_memo_note_everywhere(struct boesfs_caller *caller, struct dentry *dentry)
{
	caller->scratch->known_sequence = boesfs_rename_sequence();
	boesfs_memo_note_way(caller, 0, dentry, BOESFS_SCOPE_NAMES);
	return 0;
}

/* As BOESFS_BEGIN, for a call that a memo has not allowed. @note notes what it says. */
#define BOESFS_BEGIN_AND(caller, ret, note)                                                                            \
	do {                                                                                                           \
		BOESFS_KNOW(caller, ret);                                                                              \
		BOESFS_TAKE(caller);                                                                                   \
		if (boesfs_check_memos)                                                                                \
			(note);                                                                                        \
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
