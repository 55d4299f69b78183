/* SPDX-License-Identifier: GPL-2.0 */
/* Metadata. Hooks that are told only a dentry are judged under every name the sandbox's mounts give it. */
#ifndef BOESFS_META_BPF_H
#define BOESFS_META_BPF_H

#include "learn.bpf.h"

#define BOESFS_S_IALLUGO 07777u
#define BOESFS_ATTR_MODE (1u << 0)
#define BOESFS_ATTR_UID (1u << 1)
#define BOESFS_ATTR_GID (1u << 2)
#define BOESFS_ATTR_SIZE (1u << 3)
#define BOESFS_ATTR_ATIME (1u << 4)
#define BOESFS_ATTR_MTIME (1u << 5)
#define BOESFS_MAY_EXEC 1
#define BOESFS_MAY_ACCESS 0x10
/* Names are being looked up without anything being held. */
#define BOESFS_MAY_NOT_BLOCK 0x80
/* An inode's names that are looked at; with more, access(2) on it is denied. */
#define BOESFS_ALIASES 8

/* Whether inode_setattr is told the mount's id map before the dentry, as it is since 6.9. */
const volatile __u32 boesfs_setattr_has_idmap = 0;

/* The tuple of a setattr that carries none of mode, uid and gid. */
static __always_inline void boesfs_setattr_nothing(struct boesfs_work *w)
{
	w->args.known = 0;
	w->args.absent = 7;
}

BOESFS_RECALL(boesfs_path_chmod, const struct path *path)
{
	return boesfs_recall(part, path->mnt, path->dentry, BOESFS_BIT(BOESFS_OP_SETATTR), BOESFS_BIT(BOESFS_OP_SETATTR), 0);
}

SEC("lsm/path_chmod")
int BOESFS_MEMO_PROG(boesfs_path_chmod, const struct path *path, umode_t mode, int ret)
{
	struct boesfs_caller caller;
	struct boesfs_work *w;
	umode_t old;

	BOESFS_BEGIN_NOTED(caller, ret, path->mnt, path->dentry);
	w = &caller.scratch->work;
	old = path->dentry->d_inode->i_mode;
	w->args.known = 0;
	w->args.absent = 6;
	boesfs_args_number(w, 0, (mode & BOESFS_S_IALLUGO) | (old & ~BOESFS_S_IALLUGO));
	return boesfs_ask_and_learn(&caller, path->mnt, path->dentry, boesfs_kind_of(old), BOESFS_OP_SETATTR,
				    BOESFS_STRAY_ALLOW, boesfs_is_news(&caller, recall));
}

/* The ids are structures of one number; the context has the numbers. */
static __attribute__((noinline)) int boesfs_path_chown_inside(unsigned long long *ctx, int recall)
{
	const struct path *path = (void *)ctx[0];
	__u32 uid = ctx[1], gid = ctx[2];
	int ret = ctx[3];
	struct boesfs_caller caller;
	struct boesfs_work *w;

	BOESFS_BEGIN_NOTED(caller, ret, path->mnt, path->dentry);
	w = &caller.scratch->work;
	w->args.known = 0;
	w->args.absent = 1;
	if (uid == (__u32)-1)
		boesfs_args_absent(w, 1);
	else
		boesfs_args_number(w, 1, uid);
	if (gid == (__u32)-1)
		boesfs_args_absent(w, 2);
	else
		boesfs_args_number(w, 2, gid);
	return boesfs_ask_and_learn(&caller, path->mnt, path->dentry, boesfs_dentry_kind(path->dentry), BOESFS_OP_SETATTR,
				    BOESFS_STRAY_ALLOW, boesfs_is_news(&caller, recall));
}

BOESFS_RECALL(boesfs_path_chown, const struct path *path)
{
	return boesfs_recall(part, path->mnt, path->dentry, BOESFS_BIT(BOESFS_OP_SETATTR), BOESFS_BIT(BOESFS_OP_SETATTR), 0);
}

SEC("lsm/path_chown")
int boesfs_path_chown(unsigned long long *ctx)
{
	int recall;

	if (boesfs_is_elsewhere())
		return 0;
	recall = boesfs_recall_rest(boesfs_path_chown_recall_shared(ctx), boesfs_path_chown_recall_shared(ctx),
				    boesfs_path_chown_recall_labelled(ctx), boesfs_path_chown_recall_untouched(ctx),
				    boesfs_path_chown_recall_derived(ctx), boesfs_path_chown_recall_named(ctx));
	return recall <= 0 ? recall : boesfs_path_chown_inside(ctx, recall);
}

/* As BOESFS_BEGIN_NOTED, at a hook that is told @dentry and no mount. */
#define BOESFS_BEGIN_EVERYWHERE(caller, ret, dentry)                                                                   \
	BOESFS_BEGIN_AND(caller, ret, boesfs_memo_note_everywhere(&(caller), dentry))

static __attribute__((noinline)) int boesfs_recall_everywhere_shared(struct dentry *dentry, __u32 op)
{
	__u32 ops = BOESFS_BIT(op & 31);

	return boesfs_recall(BOESFS_PART_SHARED, (struct vfsmount *)0, dentry, ops, ops, BOESFS_HOW_EVERYWHERE);
}

static __attribute__((noinline)) int boesfs_recall_everywhere_labelled(struct dentry *dentry, __u32 op)
{
	__u32 ops = BOESFS_BIT(op & 31);

	return boesfs_recall(BOESFS_PART_LABELLED, (struct vfsmount *)0, dentry, ops, ops, BOESFS_HOW_EVERYWHERE);
}

static __attribute__((noinline)) int boesfs_recall_everywhere_untouched(struct dentry *dentry)
{
	return boesfs_recall_anew(BOESFS_PART_UNTOUCHED, 0, dentry, BOESFS_HOW_EVERYWHERE);
}

static __attribute__((noinline)) int boesfs_recall_everywhere_derived(struct dentry *dentry)
{
	return boesfs_recall_anew(BOESFS_PART_DERIVED, 0, dentry, BOESFS_HOW_EVERYWHERE);
}

static __attribute__((noinline)) int boesfs_recall_everywhere_called(struct dentry *dentry)
{
	return boesfs_recall_anew(BOESFS_PART_NAMED, 0, dentry, BOESFS_HOW_EVERYWHERE);
}

/* boesfs_recall() for @op on @dentry by every name it has; makes no memo unless it is @held. */
static __always_inline int boesfs_recall_everywhere(struct dentry *dentry, __u32 op, __u32 held)
{
	return boesfs_recall_rest(boesfs_recall_everywhere_shared(dentry, op),
				  boesfs_recall_everywhere_shared(dentry, op),
				  boesfs_recall_everywhere_labelled(dentry, op),
				  boesfs_recall_everywhere_untouched(dentry),
				  held && boesfs_recall_everywhere_derived(dentry),
				  boesfs_recall_everywhere_called(dentry));
}

static __always_inline int boesfs_setattr(struct dentry *dentry, int ret)
{
	struct boesfs_caller caller;
	int recall = boesfs_recall_everywhere(dentry, BOESFS_OP_SETATTR, 1);

	if (recall <= 0)
		return recall;
	BOESFS_BEGIN_EVERYWHERE(caller, ret, dentry);
	boesfs_setattr_nothing(&caller.scratch->work);
	return boesfs_end_everywhere(&caller, dentry, BOESFS_OP_SETATTR, boesfs_is_news(&caller, recall), 1);
}

/* Times. Mode, owner and size are judged where the path is told. */
static __always_inline int boesfs_times(struct dentry *dentry, const struct iattr *attr, int ret)
{
	__u32 valid = attr->ia_valid;

	if (!(valid & (BOESFS_ATTR_ATIME | BOESFS_ATTR_MTIME)) ||
	    valid & (BOESFS_ATTR_MODE | BOESFS_ATTR_UID | BOESFS_ATTR_GID | BOESFS_ATTR_SIZE))
		return ret;
	return boesfs_setattr(dentry, ret);
}

SEC("lsm/inode_setattr")
int boesfs_inode_setattr(unsigned long long *ctx)
{
	if (boesfs_is_elsewhere())
		return 0;
	if (boesfs_setattr_has_idmap)
		return boesfs_times((void *)ctx[1], (void *)ctx[2], ctx[3]);
	return boesfs_times((void *)ctx[0], (void *)ctx[1], ctx[2]);
}

SEC("lsm/inode_setxattr")
int BOESFS_DEEP_PROG(boesfs_inode_setxattr, void *idmap, struct dentry *dentry, const char *name, const void *value,
	     unsigned long size, int flags, int ret)
{
	return boesfs_setattr(dentry, ret);
}

SEC("lsm/inode_removexattr")
int BOESFS_DEEP_PROG(boesfs_inode_removexattr, void *idmap, struct dentry *dentry, const char *name, int ret)
{
	return boesfs_setattr(dentry, ret);
}

SEC("lsm/inode_set_acl")
int BOESFS_DEEP_PROG(boesfs_inode_set_acl, void *idmap, struct dentry *dentry, const char *name, void *acl, int ret)
{
	return boesfs_setattr(dentry, ret);
}

SEC("lsm/inode_remove_acl")
int BOESFS_DEEP_PROG(boesfs_inode_remove_acl, void *idmap, struct dentry *dentry, const char *name, int ret)
{
	return boesfs_setattr(dentry, ret);
}

BOESFS_RECALL(boesfs_inode_getattr, const struct path *path)
{
	return boesfs_recall(part, path->mnt, path->dentry, BOESFS_BIT(BOESFS_OP_GETATTR), BOESFS_BIT(BOESFS_OP_GETATTR), 0);
}

SEC("lsm/inode_getattr")
int BOESFS_MEMO_PROG(boesfs_inode_getattr, const struct path *path, int ret)
{
	struct boesfs_caller caller;

	BOESFS_BEGIN_NOTED(caller, ret, path->mnt, path->dentry);
	boesfs_args_unknown(&caller.scratch->work);
	return boesfs_ask_and_learn(&caller, path->mnt, path->dentry, boesfs_dentry_kind(path->dentry), BOESFS_OP_GETATTR,
				    BOESFS_STRAY_ALLOW, boesfs_is_news(&caller, recall));
}

static __always_inline int boesfs_look(struct dentry *dentry, __u32 op, __u32 held, int ret)
{
	struct boesfs_caller caller;
	int recall = boesfs_recall_everywhere(dentry, op, held);

	if (recall <= 0)
		return recall;
	BOESFS_BEGIN_EVERYWHERE(caller, ret, dentry);
	boesfs_args_unknown(&caller.scratch->work);
	return boesfs_end_everywhere(&caller, dentry, op, boesfs_is_news(&caller, recall), held);
}

SEC("lsm/inode_readlink")
int BOESFS_DEEP_PROG(boesfs_inode_readlink, struct dentry *dentry, int ret)
{
	return boesfs_look(dentry, BOESFS_OP_GETATTR, 1, ret);
}

SEC("lsm/inode_getxattr")
int BOESFS_DEEP_PROG(boesfs_inode_getxattr, struct dentry *dentry, const char *name, int ret)
{
	return boesfs_look(dentry, BOESFS_OP_GETATTR, 1, ret);
}

SEC("lsm/inode_get_acl")
int BOESFS_DEEP_PROG(boesfs_inode_get_acl, void *idmap, struct dentry *dentry, const char *name, int ret)
{
	return boesfs_look(dentry, BOESFS_OP_GETATTR, 1, ret);
}

SEC("lsm/inode_listxattr")
int BOESFS_DEEP_PROG(boesfs_inode_listxattr, struct dentry *dentry, int ret)
{
	return boesfs_look(dentry, BOESFS_OP_GETATTR, 1, ret);
}

SEC("lsm/sb_statfs")
int BOESFS_DEEP_PROG(boesfs_sb_statfs, struct dentry *dentry, int ret)
{
	return boesfs_look(dentry, BOESFS_OP_STATFS, 1, ret);
}

/* Following a link asks lookup on it; attached only if names can be hidden. */
SEC("lsm/inode_follow_link")
int BOESFS_DEEP_PROG(boesfs_inode_follow_link, struct dentry *dentry, struct inode *inode, bool rcu, int ret)
{
	return boesfs_look(dentry, BOESFS_OP_LOOKUP, !rcu, ret);
}

SEC("lsm/path_notify")
int BOESFS_PROG(boesfs_path_notify, const struct path *path, __u64 mask, unsigned int obj_type, int ret)
{
	struct boesfs_caller caller;
	__u32 kind;

	BOESFS_BEGIN(caller, ret);
	boesfs_args_unknown(&caller.scratch->work);
	kind = boesfs_dentry_kind(path->dentry);
	return boesfs_ask(&caller, path->mnt, path->dentry, kind,
			  kind == BOESFS_KIND_DIR ? BOESFS_OP_ITERATE : BOESFS_OP_GETATTR, 0, BOESFS_STRAY_DENY);
}

/*
 * access(2), and directories on the way to what O_PATH, chdir(2) and the like reach. The hook is told an inode: every
 * name of it counts. Attached only if the policy denies getattr or lookup.
 */
static __attribute__((noinline)) int boesfs_permission_shared(struct inode *inode)
{
	return boesfs_recall_shown(BOESFS_PART_SHARED, inode);
}

static __attribute__((noinline)) int boesfs_permission_labelled(struct inode *inode)
{
	return boesfs_recall_shown(BOESFS_PART_LABELLED, inode);
}

static __attribute__((noinline)) int boesfs_permission_untouched(struct inode *inode)
{
	return boesfs_recall_shown(BOESFS_PART_UNTOUCHED, inode);
}

static __attribute__((noinline)) int boesfs_permission_called(struct inode *inode)
{
	return boesfs_recall_shown(BOESFS_PART_NAMED, inode);
}

static __attribute__((noinline)) int boesfs_permission_note(struct boesfs_caller *caller, struct inode *inode)
{
	caller->scratch->known_sequence = boesfs_rename_sequence();
	caller->scratch->is_known = !!(boesfs_memo_shows(caller, inode, boesfs_check_memos) & BOESFS_MEMO_HELD);
	return 0;
}

SEC("lsm/inode_permission")
int BOESFS_DEEP_PROG(boesfs_inode_permission, struct inode *inode, int mask, int ret)
{
	struct boesfs_caller caller;
	struct hlist_node *alias;
	__u32 kind, op, denied = 0;
	int recall = BOESFS_RECALL_KNOWN, error;

	if (ret)
		return ret;
	kind = boesfs_kind_of(inode->i_mode);
	if (mask & BOESFS_MAY_ACCESS) {
		op = BOESFS_OP_GETATTR;
	} else if (kind == BOESFS_KIND_DIR && mask & BOESFS_MAY_EXEC) {
		op = BOESFS_OP_LOOKUP;
		recall = boesfs_recall_rest(boesfs_permission_shared(inode), boesfs_permission_shared(inode),
					    boesfs_permission_labelled(inode), boesfs_permission_untouched(inode), 0,
					    boesfs_permission_called(inode));
		if (recall <= 0)
			return recall;
	} else {
		return 0;
	}
	BOESFS_BEGIN_AND(caller, ret, op == BOESFS_OP_LOOKUP && boesfs_permission_note(&caller, inode));
	boesfs_args_unknown(&caller.scratch->work);
	boesfs_memo_begin(&caller);
	alias = inode->i_dentry.first;
	for (int i = 0; i < BOESFS_ALIASES && alias && !denied; i++) {
		struct dentry *dentry = (void *)alias - bpf_core_field_offset(struct dentry, d_u.d_alias);
		struct hlist_node *next = 0;

		denied = boesfs_ask_everywhere(&caller, dentry, kind, op);
		boesfs_read(next, hlist_node, (__u64)alias, next);
		alias = next;
	}
	if (alias && !denied)
		denied = boesfs_deny(&caller.scratch->work, BOESFS_REASON_UNRESOLVED, BOESFS_EACCES_NUMBER, op, 0);
	boesfs_memo_compare_allowed(caller.scratch, denied);
	error = boesfs_report(&caller, denied);
	/* A directory has one dentry. */
	if (boesfs_is_news(&caller, recall) && !denied)
		error = boesfs_memo_learn_self(&caller, inode, !(mask & BOESFS_MAY_NOT_BLOCK));
	boesfs_scratch_give(&caller);
	return error;
}

#endif
