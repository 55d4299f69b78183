/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where an object is: from its mount and dentry up, across mounts, to the protected directory or the root of
 * the sandbox's mount namespace. Names are written from the end of the path's room towards its beginning.
 *
 * Everything is read with bpf_probe_read_kernel(), for a pointer across a mount comes from a structure that
 * no hook hands out. A rename while names are read could mix old and new ones, so the sequence of rename_lock is
 * compared before and after.
 */
#ifndef BOESFS_PLACE_BPF_H
#define BOESFS_PLACE_BPF_H

#include "task.bpf.h"

enum boesfs_place_found {
	BOESFS_FOUND_INSIDE = BOESFS_INSIDE,
	BOESFS_FOUND_OUTSIDE = BOESFS_OUTSIDE,
	/* On a mount of the kernel's own: pipes, sockets, anonymous inodes, shared memory, memfd. */
	BOESFS_FOUND_ANONYMOUS,
	/* On a private mount of a file system with names: an overlay's layer, judged above. */
	BOESFS_FOUND_LAYER,
	/* On a mount of the namespace the sandbox was started from: a descriptor that it was given. */
	BOESFS_FOUND_GIVEN,
	/* On a mount elsewhere, detached, or disconnected. */
	BOESFS_FOUND_UNRESOLVED,
	/* Renames disturbed every try: it may well have a name. */
	BOESFS_FOUND_DISTURBED,
	BOESFS_FOUND_TOO_DEEP,
	/* Where one file answers to many spellings: the one that was asked is not what rules are about. */
	BOESFS_FOUND_FOLDS,
	BOESFS_FOUND_GOING,
};

/* How often a walk that a rename disturbed is begun again. */
#define BOESFS_CLIMB_TRIES 16
/* Components and mounts of the longest path. */
#define BOESFS_CLIMB_STEPS 4200
/* A superblock that only the kernel mounts. */
#define BOESFS_SB_KERNMOUNT (1ul << 22)
#define BOESFS_MAX_ERRNO 4095
/* A dentry whose name stands in for an encrypted one, which cannot be read without its key. */
#define BOESFS_DCACHE_NOKEY_NAME (1u << 25)
/* A dentry whose file system hashes or compares names itself, or that is not called by its own. */
#define BOESFS_DCACHE_OP_NAMES (3u | BOESFS_DCACHE_NOKEY_NAME)
/* An inode of a directory in which case does not count. */
#define BOESFS_S_CASEFOLD (1u << 15)

/* The part of @mount that file systems see. */
static __always_inline __u64 boesfs_vfsmount_of(__u64 mount)
{
	return mount + bpf_core_field_offset(struct mount, mnt);
}

static __always_inline __u64 boesfs_mount_of(const struct vfsmount *mnt)
{
	return (__u64)mnt - bpf_core_field_offset(struct mount, mnt);
}

/* What kind of mount @mount is, if names on it are not the sandbox's; else BOESFS_FOUND_GOING. */
static __always_inline __u32 boesfs_mount_kind(__u64 mount, __u64 mount_namespace)
{
	__u64 namespace = 0, superblock = 0;
	unsigned long flags = 0;
	__u32 id = 0;

	boesfs_read(namespace, mount, mount, mnt_ns);
	if (namespace == mount_namespace && namespace)
		return BOESFS_FOUND_GOING;
	if (namespace >= -(__u64)BOESFS_MAX_ERRNO) {
		boesfs_read(superblock, vfsmount, boesfs_vfsmount_of(mount), mnt_sb);
		boesfs_read(flags, super_block, superblock, s_flags);
		return flags & BOESFS_SB_KERNMOUNT ? BOESFS_FOUND_ANONYMOUS : BOESFS_FOUND_LAYER;
	}
	if (!namespace)
		return BOESFS_FOUND_UNRESOLVED;
	boesfs_read(id, mnt_namespace, namespace, ns.inum);
	return id == boesfs_host_namespace ? BOESFS_FOUND_GIVEN : BOESFS_FOUND_UNRESOLVED;
}

/* One step up: over a mount's root, or over one name. */
static __always_inline void boesfs_climb_step(struct boesfs_climb *c, struct boesfs_work *w)
{
	__u64 parent = 0;
	struct qstr name = {};
	__u32 at = c->at, len, which = c->which, flags = BOESFS_DCACHE_OP_NAMES;

	if (c->dentry == c->anchor_dentry && c->mount == c->anchor_mount) {
		c->found = BOESFS_FOUND_INSIDE;
		return;
	}
	if (c->dentry == c->mount_root) {
		boesfs_read(parent, mount, c->mount, mnt_parent);
		if (parent == c->mount) {
			c->found = BOESFS_FOUND_OUTSIDE;
			return;
		}
		boesfs_read(c->dentry, mount, c->mount, mnt_mountpoint);
		c->mount = parent;
		c->mount_root = 0;
		boesfs_read(c->mount_root, vfsmount, boesfs_vfsmount_of(parent), mnt_root);
		c->found = boesfs_mount_kind(parent, c->mount_namespace);
		return;
	}
	boesfs_read(parent, dentry, c->dentry, d_parent);
	if (parent == c->dentry || !parent) {
		c->found = BOESFS_FOUND_UNRESOLVED;
		return;
	}
	boesfs_read(flags, dentry, c->dentry, d_flags);
	c->flags |= flags;
	boesfs_read(name, dentry, c->dentry, d_name);
	len = name.len;
	if (len == 0 || len > 255) {
		c->found = BOESFS_FOUND_UNRESOLVED;
		return;
	}
	if (at < len + 2 || at > BOESFS_PATH_END) {
		c->found = BOESFS_FOUND_TOO_DEEP;
		return;
	}
	at -= len;
	at &= BOESFS_PATH_END - 1; /* VERIFIER: bounds at; no effect, since 2 <= at < BOESFS_PATH_END. */
	if (c->at == BOESFS_PATH_END)
		c->name_at = at;
	len &= 255;
	if (which > 1 || bpf_probe_read_kernel(&w->path[which][at], len, name.name)) {
		c->found = BOESFS_FOUND_UNRESOLVED;
		return;
	}
	at -= 1;
	at &= BOESFS_PATH_END - 1;
	w->path[which][at] = '/';
	c->at = at;
	c->dentry = parent;
}

struct boesfs_climb_loop {
	struct boesfs_scratch *scratch;
};

static long boesfs_climb_body(__u32 i, void *ctx)
{
	struct boesfs_scratch *s = ((struct boesfs_climb_loop *)ctx)->scratch;

	for (int k = 0; k < 2; k++) {
		boesfs_climb_step(&s->climb, &s->work);
		if (s->climb.found != BOESFS_FOUND_GOING)
			return 1;
	}
	return 0;
}

/*
 * Whether names in the directory @parent are compared by more than their bytes. File systems that compare names themselves
 * do so in every directory, but for those that mark the directories, and the kernel's own, which hide some names.
 */
static __always_inline __u32 boesfs_folds(__u64 parent)
{
	__u64 inode = 0, superblock = 0;
	unsigned long magic = 0;
	__u32 flags = BOESFS_S_CASEFOLD;

	boesfs_read(inode, dentry, parent, d_inode);
	boesfs_read(flags, inode, inode, i_flags);
	if (flags & BOESFS_S_CASEFOLD)
		return 1;
	boesfs_read(superblock, dentry, parent, d_sb);
	boesfs_read(magic, super_block, superblock, s_magic);
	switch (magic) {
	case 0xef53: /* ext4 */
	case 0xf2f52010: /* f2fs */
	case 0xca451a4e: /* bcachefs */
	case 0x01021994: /* tmpfs */
	case 0x794c7630: /* overlay */
	case 0x9fa0: /* proc */
		return 0;
	default:
		return 1;
	}
}

/* One step up again, where a name may have been compared by more than its bytes. */
static long boesfs_folds_body(__u32 i, void *ctx)
{
	struct boesfs_climb *c = &((struct boesfs_climb_loop *)ctx)->scratch->climb;
	__u64 parent = 0;

	if (c->dentry == c->anchor_dentry && c->mount == c->anchor_mount)
		return 1;
	if (c->dentry == c->mount_root) {
		boesfs_read(parent, mount, c->mount, mnt_parent);
		if (parent == c->mount)
			return 1;
		boesfs_read(c->dentry, mount, c->mount, mnt_mountpoint);
		c->mount = parent;
		boesfs_read(c->mount_root, vfsmount, boesfs_vfsmount_of(parent), mnt_root);
		return 0;
	}
	boesfs_read(parent, dentry, c->dentry, d_parent);
	c->dentry = parent;
	if (!boesfs_folds(parent))
		return 0;
	c->folds = 1;
	return 1;
}

static __always_inline __u32 boesfs_rename_sequence(void)
{
	__u32 sequence = 1;

	if (boesfs_rename_lock)
		bpf_probe_read_kernel(&sequence, sizeof(sequence), (void *)boesfs_rename_lock);
	return sequence;
}

/* Goes up once more, from where the climb began, to look for directories in which names fold. */
static __always_inline void boesfs_folds_climb(struct boesfs_climb_loop *loop)
{
	struct boesfs_climb *c = &loop->scratch->climb;

	c->dentry = c->from_dentry;
	c->mount = c->from_mount;
	c->mount_root = 0;
	boesfs_read(c->mount_root, vfsmount, boesfs_vfsmount_of(c->mount), mnt_root);
	bpf_loop(BOESFS_CLIMB_STEPS, boesfs_folds_body, loop, 0);
}

/* One undisturbed climb. Returns 1 when done. */
static long boesfs_climb_try(__u32 i, void *ctx)
{
	struct boesfs_scratch *s = ((struct boesfs_climb_loop *)ctx)->scratch;
	struct boesfs_climb *c = &s->climb;
	__u32 sequence = boesfs_rename_sequence();

	if (sequence & 1) {
		c->found = BOESFS_FOUND_GOING;
		return 0;
	}
	c->sequence = sequence;
	c->dentry = c->from_dentry;
	c->mount = c->from_mount;
	c->at = BOESFS_PATH_END;
	c->name_at = BOESFS_PATH_END;
	c->flags = 0;
	c->folds = 0;
	c->mount_root = 0;
	boesfs_read(c->mount_root, vfsmount, boesfs_vfsmount_of(c->mount), mnt_root);
	c->found = boesfs_mount_kind(c->mount, c->mount_namespace);
	if (c->found != BOESFS_FOUND_GOING)
		return 1;
	bpf_loop(BOESFS_CLIMB_STEPS, boesfs_climb_body, ctx, 0);
	if (c->found == BOESFS_FOUND_GOING)
		c->found = BOESFS_FOUND_TOO_DEEP;
	if (c->flags & BOESFS_DCACHE_NOKEY_NAME)
		c->folds = 1;
	else if (c->flags & BOESFS_DCACHE_OP_NAMES && c->found <= BOESFS_FOUND_OUTSIDE)
		boesfs_folds_climb(ctx);
	if (boesfs_rename_sequence() == sequence)
		return 1;
	c->found = BOESFS_FOUND_GOING;
	return 0;
}

/*
 * Climbs from the climb's from_mount and from_dentry. Afterwards its found says where the object is, and the path,
 * from its at on, how it is called below there.
 */
__attribute__((noinline)) int boesfs_climb_call(struct boesfs_scratch *s)
{
	struct boesfs_climb_loop loop = { .scratch = s };

	if (!s)
		return 0;
	s->climb.found = BOESFS_FOUND_GOING;
	bpf_loop(BOESFS_CLIMB_TRIES, boesfs_climb_try, &loop, 0);
	if (s->climb.found == BOESFS_FOUND_GOING)
		s->climb.found = BOESFS_FOUND_DISTURBED;
	return 0;
}

/* Where a climb ended: enum boesfs_place_found. */
static __always_inline __u32 boesfs_found(const struct boesfs_climb *c)
{
	return c->found == BOESFS_FOUND_INSIDE && c->folds ? BOESFS_FOUND_FOLDS : c->found;
}

/* enum boesfs_kind of a mode. */
static __always_inline __u32 boesfs_kind_of(umode_t mode)
{
	switch (mode & 0170000) {
	case 0100000:
		return BOESFS_KIND_FILE;
	case 0040000:
		return BOESFS_KIND_DIR;
	case 0120000:
		return BOESFS_KIND_SYMLINK;
	case 0010000:
		return BOESFS_KIND_FIFO;
	case 0140000:
		return BOESFS_KIND_SOCKET;
	case 0060000:
		return BOESFS_KIND_BLOCK;
	case 0020000:
		return BOESFS_KIND_CHAR;
	default:
		return BOESFS_KIND_UNKNOWN;
	}
}

/* The kind of what @dentry names; unknown if that is not there. */
static __always_inline __u32 boesfs_dentry_kind(const struct dentry *dentry)
{
	const struct inode *inode = dentry->d_inode;

	return inode ? boesfs_kind_of(inode->i_mode) : BOESFS_KIND_UNKNOWN;
}

/*
 * Finds where object @which is: @dentry on @mnt. Returns enum boesfs_place_found. Up to the caller what a place that is
 * neither inside nor outside comes to.
 */
static __always_inline __u32 boesfs_place(struct boesfs_caller *caller, __u32 which, const struct vfsmount *mnt,
					  const struct dentry *dentry, __u32 kind)
{
	struct boesfs_scratch *s = caller->scratch;
	struct boesfs_object *o = &s->work.object[which & 1];

	s->climb.from_mount = boesfs_mount_of(mnt);
	s->climb.from_dentry = (__u64)dentry;
	s->climb.anchor_mount = caller->sandbox->anchor_mount;
	s->climb.anchor_dentry = caller->sandbox->anchor_dentry;
	s->climb.mount_namespace = caller->sandbox->mount_namespace;
	s->climb.which = which & 1;
	boesfs_climb_call(s);
	o->place = s->climb.found;
	o->start = s->climb.at;
	o->kind = kind;
	return boesfs_found(&s->climb);
}

#endif
