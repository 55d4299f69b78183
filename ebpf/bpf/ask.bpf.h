/* SPDX-License-Identifier: GPL-2.0 */
/* What most hooks do: find the object, judge one operation on it, report. */
#ifndef BOESFS_ASK_BPF_H
#define BOESFS_ASK_BPF_H

#include "recall.bpf.h"

/* What comes of a place where names are not the sandbox's. */
enum boesfs_stray {
	/* It is the sandbox's: judge. */
	BOESFS_STRAY_JUDGE,
	BOESFS_STRAY_ALLOW,
	BOESFS_STRAY_DENY,
};

/* @given: what comes of an object on a mount of the namespace the sandbox was started from. */
static __always_inline __u32 boesfs_stray(struct boesfs_work *w, __u32 found, __u32 given, __u32 op, __u32 which)
{
	switch (found) {
	case BOESFS_FOUND_INSIDE:
	case BOESFS_FOUND_OUTSIDE:
		return BOESFS_STRAY_JUDGE;
	case BOESFS_FOUND_ANONYMOUS:
	case BOESFS_FOUND_LAYER:
		return BOESFS_STRAY_ALLOW;
	case BOESFS_FOUND_GIVEN:
		if (given == BOESFS_STRAY_ALLOW)
			return BOESFS_STRAY_ALLOW;
		break;
	case BOESFS_FOUND_TOO_DEEP:
		boesfs_deny(w, BOESFS_REASON_TOO_DEEP, BOESFS_EACCES_NUMBER, op, which);
		return BOESFS_STRAY_DENY;
	case BOESFS_FOUND_FOLDS:
		boesfs_deny(w, BOESFS_REASON_FOLDS_CASE, BOESFS_EACCES_NUMBER, op, which);
		return BOESFS_STRAY_DENY;
	}
	boesfs_deny(w, BOESFS_REASON_UNRESOLVED, BOESFS_EACCES_NUMBER, op, which);
	return BOESFS_STRAY_DENY;
}

/* Whether the policy lets a file without a name be run. */
static __always_inline __u32 boesfs_policy_flags(struct boesfs_work *w)
{
	struct boesfs_blob b = boesfs_blob_get(w);
	const struct boesfs_policy_header *h = b.base ? boesfs_header(b) : 0;

	return h ? h->flags : 0;
}

/* @op on object 0 with the work's tuple; @uses as in boesfs_judge_simple(). */
__attribute__((noinline)) int boesfs_judge_simple_call(struct boesfs_work *w, __u32 op, __u32 uses)
{
	struct boesfs_blob b = boesfs_blob_get(w);

	if (!w)
		return 1;
	if (!b.base)
		return boesfs_deny(w, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, op, 0);
	return boesfs_judge_simple(b, w, op, uses);
}

/* The tuple of a call that carries none, or whose tuple is not known. */
static __always_inline void boesfs_args_unknown(struct boesfs_work *w)
{
	w->args.known = 0;
	w->args.absent = 0;
}

static __always_inline void boesfs_args_number(struct boesfs_work *w, __u32 place, __u64 value)
{
	w->args.value[place & 3] = value;
	w->args.known |= 1u << place;
}

static __always_inline void boesfs_args_absent(struct boesfs_work *w, __u32 place)
{
	w->args.absent |= 1u << place;
}

/* Judges @op on @dentry of @mnt and ends the call. The tuple is in the work. */
static __always_inline int boesfs_ask(struct boesfs_caller *caller, const struct vfsmount *mnt,
				      const struct dentry *dentry, __u32 kind, __u32 op, __u32 uses, __u32 given)
{
	struct boesfs_work *w = &caller->scratch->work;
	__u32 found = boesfs_place(caller, 0, mnt, dentry, kind);
	__u32 stray = boesfs_stray(w, found, given, op, 0), denied;

	if (stray == BOESFS_STRAY_JUDGE)
		denied = boesfs_judge_simple_call(w, op, uses) != 0;
	else
		denied = stray == BOESFS_STRAY_DENY;
	boesfs_memo_compare(caller->scratch);
	return boesfs_end(caller, denied);
}

/*
 * Whether the current task acts with somebody else's rights, as it does when an overlay passes on to its layers what has been
 * judged above. All but statfs: that is passed on with the caller's own.
 */
static __always_inline __u32 boesfs_acts_for_another(void)
{
	__u64 task = (__u64)bpf_get_current_task_btf(), own = 0, used = 0;

	boesfs_read(own, task_struct, task, real_cred);
	boesfs_read(used, task_struct, task, cred);
	return own != used;
}

/*
 * Judges @op on the climb's from_dentry under every name that a recorded mount gives it: one denied name denies. For
 * hooks that are not told the mount: mounts cannot change inside a sandbox. @superblock is the object's.
 */
__attribute__((noinline)) int boesfs_everywhere_call(struct boesfs_scratch *s, __u32 op, __u64 superblock)
{
	struct boesfs_sandbox *sandbox;
	struct boesfs_mounts *piece = 0;
	__u32 key, denied;
	unsigned long flags = 0;

	if (!s)
		return 1;
	sandbox = boesfs_sandbox_get(s->slot);
	s->chosen = 0;
	if (!sandbox || !sandbox->mount_count)
		return boesfs_deny(&s->work, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, op, 0);
	s->shown = 0;
	s->named = 0;
	s->insides = 0;
	s->candidate = 0;
	s->chosen_sequence = boesfs_rename_sequence();
	for (__u32 i = 0; i < BOESFS_MAX_MOUNTS; i++) {
		struct boesfs_mount *mount;

		if (i >= sandbox->mount_count)
			break;
		if (!(i % BOESFS_MOUNTS_PIECE)) {
			key = boesfs_mounts_key(s->slot, i);
			piece = bpf_map_lookup_elem(&mounts, &key);
		}
		if (!piece)
			return boesfs_deny(&s->work, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, op, 0);
		mount = &piece->mount[i % BOESFS_MOUNTS_PIECE];
		if (mount->superblock != superblock)
			continue;
		s->shown = 1;
		s->climb.from_mount = mount->mount;
		boesfs_climb_call(s);
		if (s->climb.found == BOESFS_FOUND_UNRESOLVED)
			continue;
		s->named = 1;
		s->work.object[0].place = s->climb.found;
		s->work.object[0].start = s->climb.at;
		if (boesfs_found(&s->climb) == BOESFS_FOUND_FOLDS)
			return boesfs_deny(&s->work, BOESFS_REASON_FOLDS_CASE, BOESFS_EACCES_NUMBER, op, 0);
		if (s->climb.found == BOESFS_FOUND_TOO_DEEP)
			return boesfs_deny(&s->work, BOESFS_REASON_TOO_DEEP, BOESFS_EACCES_NUMBER, op, 0);
		if (s->climb.found > BOESFS_FOUND_OUTSIDE)
			return boesfs_deny(&s->work, BOESFS_REASON_UNRESOLVED, BOESFS_EACCES_NUMBER, op, 0);
		if (s->climb.found == BOESFS_FOUND_INSIDE || !s->insides)
			s->candidate = mount->mount;
		denied = boesfs_judge_simple_call(&s->work, op, 0);
		if (s->climb.found == BOESFS_FOUND_INSIDE) {
			s->insides++;
			s->inside_label = s->work.object[0].label;
		}
		if (denied)
			return 1;
	}
	if (s->named && !(sandbox->flags & BOESFS_SANDBOX_MOUNTS_FULL)) {
		if (s->insides < 2)
			s->chosen = s->candidate;
		return 0;
	}
	boesfs_read(flags, super_block, superblock, s_flags);
	if (!s->shown && flags & BOESFS_SB_KERNMOUNT)
		return 0;
	if (!s->shown && sandbox->flags & BOESFS_SANDBOX_OVERLAY && (op == BOESFS_OP_STATFS || boesfs_acts_for_another()))
		return 0;
	s->work.object[0].place = BOESFS_FOUND_UNRESOLVED;
	s->work.object[0].start = BOESFS_PATH_END;
	return boesfs_deny(&s->work, BOESFS_REASON_UNRESOLVED, BOESFS_EACCES_NUMBER, op, 0);
}

/* Judges @op on @dentry, whose mount is not told. Does not end the call. */
static __always_inline __u32 boesfs_ask_everywhere(struct boesfs_caller *caller, const struct dentry *dentry,
						   __u32 kind, __u32 op)
{
	struct boesfs_scratch *s = caller->scratch;
	__u64 superblock = 0;

	s->climb.from_dentry = (__u64)dentry;
	s->climb.anchor_mount = caller->sandbox->anchor_mount;
	s->climb.anchor_dentry = caller->sandbox->anchor_dentry;
	s->climb.mount_namespace = caller->sandbox->mount_namespace;
	s->climb.which = 0;
	s->work.object[0].kind = kind;
	boesfs_read(superblock, dentry, (__u64)dentry, d_sb);
	return boesfs_everywhere_call(s, op, superblock) != 0;
}

#endif
