/* SPDX-License-Identifier: GPL-2.0 */
/* Names that appear, go and move. A hook is told the directory and the name's dentry in it. */
#ifndef BOESFS_NAMES_BPF_H
#define BOESFS_NAMES_BPF_H

#include "learn.bpf.h"

#define BOESFS_S_IFMT 0170000u
#define BOESFS_S_IFREG 0100000u
#define BOESFS_RENAME_NOREPLACE 1u
#define BOESFS_RENAME_EXCHANGE 2u
#define BOESFS_SB_POSIXACL (1ul << 16)
/* A dentry whose name is being looked for. */
#define BOESFS_DCACHE_PAR_LOOKUP (1u << 28)
#define BOESFS_ESTALE_NUMBER 116
/* How long the kernel takes at most to ask again, in nanoseconds. Later it is another call. */
#define BOESFS_ASKED_AGAIN 100000000ull

/*
 * The mode of what is to be made in @dir, as its tuple's first value. File systems with ACLs take the umask off only after
 * the hook, unless the directory has a default ACL: then the mode is not known here.
 */
static __always_inline void boesfs_args_mode(struct boesfs_work *w, const struct path *dir, __u32 mode)
{
	struct inode *inode = dir->dentry->d_inode;

	if (inode->i_sb->s_flags & BOESFS_SB_POSIXACL && inode->i_default_acl)
		return;
	boesfs_args_number(w, 0, mode & ~bpf_get_current_task_btf()->fs->umask);
}

/* Whether mknod with @mode makes a file, which is asked as create. */
static __always_inline __u32 boesfs_mknod_creates(umode_t mode)
{
	__u32 type = mode & BOESFS_S_IFMT;

	return type == 0 || type == BOESFS_S_IFREG;
}

/*
 * Whether the kernel asks to make the name @dentry before it has looked whether it is there, and asks once more if that is
 * refused as stale and there is none. If there is one, it opens that, whatever was said. So who opens a file to write to it,
 * and would make it, is not told to have been denied anything.
 */
static __always_inline __u32 boesfs_asks_first(const struct dentry *dentry)
{
	struct boesfs_asked now = {}, *before;
	__u64 key = (__u64)bpf_get_current_task_btf();

	if (!(dentry->d_flags & BOESFS_DCACHE_PAR_LOOKUP))
		return 0;
	now.parent = (__u64)dentry->d_parent;
	now.name = (__u64)dentry->d_name.len << 32 | dentry->d_name.hash;
	now.time = bpf_ktime_get_ns();
	before = bpf_map_lookup_elem(&asked, &key);
	if (before && before->parent == now.parent && before->name == now.name && now.time - before->time < BOESFS_ASKED_AGAIN) {
		bpf_map_delete_elem(&asked, &key);
		return 0;
	}
	return !bpf_map_update_elem(&asked, &key, &now, 0);
}

BOESFS_RECALL(boesfs_path_mknod, const struct path *dir, struct dentry *dentry, umode_t mode)
{
	__u32 op = BOESFS_BIT(boesfs_mknod_creates(mode) ? BOESFS_OP_CREATE : BOESFS_OP_MKNOD);

	return boesfs_recall(part, dir->mnt, dentry, op, op, 0);
}

SEC("lsm/path_mknod")
int BOESFS_MEMO_PROG(boesfs_path_mknod, const struct path *dir, struct dentry *dentry, umode_t mode, unsigned int dev,
		     int ret)
{
	struct boesfs_caller caller;
	__u32 kind, op = BOESFS_OP_MKNOD, denied;

	if (boesfs_mknod_creates(mode)) {
		op = BOESFS_OP_CREATE;
		mode = (mode & ~BOESFS_S_IFMT) | BOESFS_S_IFREG;
	}
	BOESFS_BEGIN_NOTED(caller, ret, dir->mnt, dentry);
	kind = boesfs_kind_of(mode);
	boesfs_args_unknown(&caller.scratch->work);
	boesfs_args_mode(&caller.scratch->work, dir, mode);
	if (op == BOESFS_OP_MKNOD)
		boesfs_args_number(&caller.scratch->work, 1, dev);
	denied = boesfs_judge_to_learn(&caller, dir->mnt, dentry, kind, op, BOESFS_STRAY_DENY);
	if ((denied || caller.scratch->work.outcome.report) && boesfs_asks_first(dentry)) {
		boesfs_scratch_give(&caller);
		return -BOESFS_ESTALE_NUMBER;
	}
	return boesfs_end_and_learn(&caller, dentry, denied, boesfs_is_news(&caller, recall));
}

BOESFS_RECALL(boesfs_path_mkdir, const struct path *dir, struct dentry *dentry)
{
	return boesfs_recall(part, dir->mnt, dentry, BOESFS_BIT(BOESFS_OP_MKDIR), BOESFS_BIT(BOESFS_OP_MKDIR), 0);
}

SEC("lsm/path_mkdir")
int BOESFS_MEMO_PROG(boesfs_path_mkdir, const struct path *dir, struct dentry *dentry, umode_t mode, int ret)
{
	struct boesfs_caller caller;

	BOESFS_BEGIN_NOTED(caller, ret, dir->mnt, dentry);
	boesfs_args_unknown(&caller.scratch->work);
	boesfs_args_mode(&caller.scratch->work, dir, mode & 07777);
	return boesfs_ask_and_learn(&caller, dir->mnt, dentry, BOESFS_KIND_DIR, BOESFS_OP_MKDIR, BOESFS_STRAY_DENY,
				    boesfs_is_news(&caller, recall));
}

BOESFS_RECALL(boesfs_path_rmdir, const struct path *dir, struct dentry *dentry)
{
	return boesfs_recall(part, dir->mnt, dentry, BOESFS_BIT(BOESFS_OP_RMDIR), BOESFS_BIT(BOESFS_OP_RMDIR), 0);
}

SEC("lsm/path_rmdir")
int BOESFS_MEMO_PROG(boesfs_path_rmdir, const struct path *dir, struct dentry *dentry, int ret)
{
	struct boesfs_caller caller;

	BOESFS_BEGIN_NOTED(caller, ret, dir->mnt, dentry);
	boesfs_args_unknown(&caller.scratch->work);
	return boesfs_ask_and_learn(&caller, dir->mnt, dentry, BOESFS_KIND_DIR, BOESFS_OP_RMDIR, BOESFS_STRAY_DENY,
				    boesfs_is_news(&caller, recall));
}

BOESFS_RECALL(boesfs_path_unlink, const struct path *dir, struct dentry *dentry)
{
	return boesfs_recall(part, dir->mnt, dentry, BOESFS_BIT(BOESFS_OP_UNLINK), BOESFS_BIT(BOESFS_OP_UNLINK), 0);
}

SEC("lsm/path_unlink")
int BOESFS_MEMO_PROG(boesfs_path_unlink, const struct path *dir, struct dentry *dentry, int ret)
{
	struct boesfs_caller caller;

	BOESFS_BEGIN_NOTED(caller, ret, dir->mnt, dentry);
	boesfs_args_unknown(&caller.scratch->work);
	return boesfs_ask_and_learn(&caller, dir->mnt, dentry, boesfs_dentry_kind(dentry), BOESFS_OP_UNLINK,
				    BOESFS_STRAY_DENY, boesfs_is_news(&caller, recall));
}

__attribute__((noinline)) int boesfs_judge_target_call(struct boesfs_scratch *s)
{
	struct boesfs_blob b = boesfs_blob_get(s ? &s->work : 0);
	const void *dir;
	__u32 slot, len, at;

	if (!s)
		return 1;
	if (s->work.object[0].place != BOESFS_INSIDE)
		return 0;
	slot = s->slot;
	len = s->work.dir_len;
	dir = boesfs_dir_path(slot, len);
	at = s->work.object[0].start - len;
	if (!b.base || !dir || len > BOESFS_MAX_PATH || at >= BOESFS_PATH_END)
		return boesfs_deny(&s->work, BOESFS_REASON_TOO_DEEP, BOESFS_EACCES_NUMBER, BOESFS_OP_SYMLINK, 0);
	/* The protected directory's path goes before the link's. */
	at &= BOESFS_PATH_END - 1;
	len &= 511;
	if (s->work.dir_len > 511 || bpf_probe_read_kernel(&s->work.path[0][at], len, dir))
		return boesfs_deny(&s->work, BOESFS_REASON_TOO_DEEP, BOESFS_EACCES_NUMBER, BOESFS_OP_SYMLINK, 0);
	s->work.spelling.link_start = at;
	s->work.spelling.link_parent = s->climb.name_at - 1;
	return boesfs_judge_target(b, &s->work);
}

SEC("lsm/path_symlink")
int BOESFS_PROG(boesfs_path_symlink, const struct path *dir, struct dentry *dentry, const char *old_name, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_work *w;
	__u32 stray, denied;
	long len;

	BOESFS_BEGIN(caller, ret);
	w = &caller.scratch->work;
	boesfs_args_unknown(w);
	len = bpf_probe_read_kernel_str(w->path[2], BOESFS_PATH_END, old_name);
	w->text_len = len > 0 ? len - 1 : 0;
	stray = boesfs_stray(w, boesfs_place(&caller, 0, dir->mnt, dentry, BOESFS_KIND_SYMLINK), BOESFS_STRAY_DENY,
			     BOESFS_OP_SYMLINK, 0);
	denied = stray == BOESFS_STRAY_DENY;
	if (stray == BOESFS_STRAY_JUDGE) {
		denied = boesfs_judge_simple_call(w, BOESFS_OP_SYMLINK, 0) != 0;
		if (!denied && boesfs_policy_flags(w) & BOESFS_FLAG_BOESFS)
			denied = boesfs_judge_target_call(caller.scratch) != 0;
	}
	return boesfs_end(&caller, denied);
}

/*
 * Whether moving or linking @old to @new, both on @mnt, is allowed, as far as memos say so: where no names are hidden and
 * both are of one row, a move gives nobody a right. @removes: operations on what the new name has until then.
 */
static __always_inline int boesfs_memo_moves(const struct boesfs_caller *caller, const struct vfsmount *mnt,
					     struct dentry *old, struct dentry *new, __u32 op, __u32 removes, __u32 check)
{
	__u32 kind = boesfs_dentry_kind(old), scope, held, made;
	struct boesfs_known from, to;

	scope = boesfs_memo_known(caller, mnt, old, &from, check, 0);
	if (scope & BOESFS_MEMO_HELD) {
		held = boesfs_memo_known(caller, mnt, new, &to, check, 0);
		scope = held & BOESFS_MEMO_HELD ? scope & held : held;
	}
	if (!(scope & BOESFS_MEMO_HELD))
		return scope ? BOESFS_RECALL_STALE : BOESFS_RECALL_NOTHING;
	made = BOESFS_BIT(boesfs_making(kind, op)) | removes;
	/* Below a directory there may be other rows. */
	if (kind == BOESFS_KIND_DIR || !(scope & BOESFS_SCOPE_ROWS) || from.label != to.label ||
	    !boesfs_known_allows(&from, BOESFS_BIT(op), BOESFS_BIT(op)) || !boesfs_known_allows(&to, made, made))
		return BOESFS_RECALL_KNOWN;
	return BOESFS_RECALL_ALLOWS;
}

/* Of the directories of both names, as boesfs_recall_anew() of one. */
static __attribute__((noinline)) int boesfs_recall_moved(enum boesfs_part part, const struct vfsmount *mnt,
							 struct dentry *old, struct dentry *new)
{
	int renewed;

	/* VERIFIER: twice a way up would be too much to look at. */
	if (part == BOESFS_PART_NAMED)
		return 0;
	renewed = boesfs_recall_anew(part, mnt, old, 0);
	if (old->d_parent != new->d_parent)
		renewed |= boesfs_recall_anew(part, mnt, new, 0);
	return renewed;
}

/* The same for the current task, as boesfs_recall(): only a label tells. */
static __always_inline int boesfs_recall_move(enum boesfs_part part, const struct vfsmount *mnt, struct dentry *old,
					      struct dentry *new, __u32 op, __u32 removes)
{
	struct boesfs_caller caller;
	int said;

	if (part == BOESFS_PART_SHARED)
		return BOESFS_RECALL_NOTHING;
	if (part >= BOESFS_PART_UNTOUCHED)
		return boesfs_recall_moved(part, mnt, old, new);
	said = boesfs_recall_begin(bpf_get_current_task_btf(), &caller);
	if (said != BOESFS_RECALL_KNOWN)
		return said;
	said = boesfs_memo_moves(&caller, mnt, old, new, op, removes, BOESFS_CHECK_NOTHING);
	/* What is only compared is renewed all the same. */
	return boesfs_check_memos && said != BOESFS_RECALL_STALE ? BOESFS_RECALL_NOTHING : said;
}

/* For tests: notes whether a memo allows a move. VERIFIER: see boesfs_memo_note(). */
static __attribute__((noinline)) int boesfs_memo_note_move(struct boesfs_caller *caller, const struct vfsmount *mnt,
							   struct dentry *old, struct dentry *new, __u32 what)
{
	int says;

	caller->scratch->known_sequence = boesfs_rename_sequence();
	says = boesfs_memo_moves(caller, mnt, old, new, what & 31, what & ~31u, boesfs_check_memos);
	caller->scratch->is_known = says != BOESFS_RECALL_NOTHING && says != BOESFS_RECALL_STALE;
	/* Where a memo does not allow, it says nothing that could be compared. */
	if (says != BOESFS_RECALL_ALLOWS)
		caller->scratch->known_sequence = 1;
	return 0;
}

/* Ends a move to @new, which is at @to; @learn says whether its directory is remembered. */
static __always_inline int boesfs_end_move(struct boesfs_caller *caller, struct dentry *new, __u32 to, __u32 denied,
					   __u32 learn)
{
	int error;

	boesfs_memo_compare_allowed(caller->scratch, denied);
	error = boesfs_report(caller, denied);
	if (learn && to <= BOESFS_FOUND_OUTSIDE)
		boesfs_memo_learn(caller, new);
	boesfs_scratch_give(caller);
	return error;
}

__attribute__((noinline)) int boesfs_judge_link_call(struct boesfs_work *w)
{
	struct boesfs_blob b = boesfs_blob_get(w);

	if (!w)
		return 1;
	if (!b.base)
		return boesfs_deny(w, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, BOESFS_OP_LINK, 0);
	return boesfs_judge_link(b, w);
}

BOESFS_RECALL(boesfs_path_link, struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry)
{
	return boesfs_recall_move(part, new_dir->mnt, old_dentry, new_dentry, BOESFS_OP_LINK, 0);
}

SEC("lsm/path_link")
int BOESFS_MEMO_PROG(boesfs_path_link, struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry,
		     int ret)
{
	struct boesfs_caller caller;
	struct boesfs_work *w;
	__u32 kind, found, to, stray, denied;

	BOESFS_BEGIN_AND(caller, ret,
			 boesfs_memo_note_move(&caller, new_dir->mnt, old_dentry, new_dentry, BOESFS_OP_LINK));
	w = &caller.scratch->work;
	kind = boesfs_dentry_kind(old_dentry);
	boesfs_memo_begin(&caller);
	/* A link stays on one mount, so the old name is on the new one's. Both are placed: an event names both. */
	found = boesfs_place(&caller, 0, new_dir->mnt, old_dentry, kind);
	to = boesfs_place(&caller, 1, new_dir->mnt, new_dentry, kind);
	stray = boesfs_stray(w, found, BOESFS_STRAY_DENY, BOESFS_OP_LINK, 0);
	if (stray == BOESFS_STRAY_JUDGE)
		stray = boesfs_stray(w, to, BOESFS_STRAY_DENY, BOESFS_OP_LINK, 1);
	if (stray == BOESFS_STRAY_JUDGE)
		denied = boesfs_judge_link_call(w) != 0;
	else
		denied = stray == BOESFS_STRAY_DENY;
	return boesfs_end_move(&caller, new_dentry, to, denied, boesfs_is_news(&caller, recall));
}

__attribute__((noinline)) int boesfs_judge_rename_call(struct boesfs_work *w, __u32 replaced, __u32 exchange)
{
	struct boesfs_blob b = boesfs_blob_get(w);

	if (!w)
		return 1;
	if (!b.base)
		return boesfs_deny(w, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, BOESFS_OP_RENAME, 0);
	return boesfs_judge_rename(b, w, replaced, replaced != BOESFS_KIND_UNKNOWN, exchange);
}

/* What a rename asks of what the new name has until then, a bit each. */
static __always_inline __u32 boesfs_rename_removes(const struct dentry *new)
{
	switch (boesfs_dentry_kind(new)) {
	case BOESFS_KIND_UNKNOWN:
		return 0;
	case BOESFS_KIND_DIR:
		return BOESFS_BIT(BOESFS_OP_RMDIR);
	default:
		return BOESFS_BIT(BOESFS_OP_UNLINK);
	}
}

BOESFS_RECALL(boesfs_path_rename, const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir,
	      struct dentry *new_dentry, unsigned int flags)
{
	if (flags & ~BOESFS_RENAME_NOREPLACE)
		return part >= BOESFS_PART_UNTOUCHED ? 0 : BOESFS_RECALL_KNOWN;
	return boesfs_recall_move(part, new_dir->mnt, old_dentry, new_dentry, BOESFS_OP_RENAME,
				  boesfs_rename_removes(new_dentry));
}

SEC("lsm/path_rename")
int BOESFS_MEMO_PROG(boesfs_path_rename, const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir,
		     struct dentry *new_dentry, unsigned int flags, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_work *w;
	__u32 kind, replaced, found, to, stray, denied;

	BOESFS_BEGIN_AND(caller, ret,
			 flags & ~BOESFS_RENAME_NOREPLACE ||
				 boesfs_memo_note_move(&caller, new_dir->mnt, old_dentry, new_dentry,
						       BOESFS_OP_RENAME | boesfs_rename_removes(new_dentry)));
	w = &caller.scratch->work;
	boesfs_memo_begin(&caller);
	kind = boesfs_dentry_kind(old_dentry);
	replaced = boesfs_dentry_kind(new_dentry);
	found = boesfs_place(&caller, 0, old_dir->mnt, old_dentry, kind);
	to = boesfs_place(&caller, 1, new_dir->mnt, new_dentry, replaced);
	stray = boesfs_stray(w, found, BOESFS_STRAY_DENY, BOESFS_OP_RENAME, 0);
	if (stray == BOESFS_STRAY_JUDGE)
		stray = boesfs_stray(w, to, BOESFS_STRAY_DENY, BOESFS_OP_RENAME, 1);
	if (stray == BOESFS_STRAY_JUDGE)
		denied = boesfs_judge_rename_call(w, replaced, !!(flags & BOESFS_RENAME_EXCHANGE)) != 0;
	else
		denied = stray == BOESFS_STRAY_DENY;
	return boesfs_end_move(&caller, new_dentry, to, denied, boesfs_is_news(&caller, recall));
}

#endif
