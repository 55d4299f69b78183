/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether a directory is still where it was, though some directory was renamed since its memo was made.
 *
 * It is if none of those that were renamed since is on the way up from it. They are known by the inodes' numbers. Of the
 * last renames each is looked for in a Bloom filter (1970) that a memo has for its way. Else there is a way up, on which
 * each directory is asked when it was renamed: if that of the name was not, the one above is the one that was above; and
 * so on.
 *
 * Where a directory's number may change, or says nothing, there is a way up that finds no rename under way, and a hash of
 * the names on it. The state of the automaton follows from the names alone: the memo holds again if the hash is the same,
 * and nobody has to walk over the names. The hash is the value of a polynomial that has the names for coefficients, modulo
 * 2^61 - 1, where only the kernel knows (Carter, Wegman 1979): of two ways at most one in 2^49 pairs has the same one, and
 * which cannot be looked for.
 */
#ifndef BOESFS_RENEW_BPF_H
#define BOESFS_RENEW_BPF_H

#include "memo.bpf.h"

#define BOESFS_DCACHE_OP_REVALIDATE (1u << 2)
#define BOESFS_RWSEM_WRITER_LOCKED 1

/* Where the polynomials of names are evaluated: 2 to 2^61 - 2. */
const volatile __u64 boesfs_path_key = 0;
#define BOESFS_PATH_PRIME ((1ull << 61) - 1)
/* Bytes of a name in one coefficient. Above them are how many there are, and whether the name ends with them. */
#define BOESFS_PATH_BYTES 7
#define BOESFS_PATH_LAST 8

/* A way of which nothing is left out: any rename may be of it. */
#define BOESFS_CHAIN_ANY (~0ull)

/* What moves a file system's directories, and what they are known by. */
enum boesfs_stillness {
	/* Not inode_rename alone, or that is not known. */
	BOESFS_MOVES,
	/* inode_rename alone; a directory's number may be another when it comes back into memory. */
	BOESFS_KEEPS_STILL,
	/* And its number stays. */
	BOESFS_KEEPS_NUMBERS,
};

static __always_inline __u32 boesfs_stillness(unsigned long magic)
{
	switch (magic) {
	case 0xef53: /* ext4 */
	case 0x58465342: /* xfs */
	case 0x9123683e: /* btrfs */
	case 0xf2f52010: /* f2fs */
	case 0x01021994: /* tmpfs */
	case 0x858458f6: /* ramfs */
	case 0x73717368: /* squashfs */
	case 0xe0f5e1e2: /* erofs */
	case 0x9660: /* iso9660 */
		return BOESFS_KEEPS_NUMBERS;
	case 0xca451a4e: /* bcachefs */
	case 0x794c7630: /* overlay */
		return BOESFS_KEEPS_STILL;
	default:
		return BOESFS_MOVES;
	}
}

static __always_inline __u32 boesfs_mount_stillness(__u64 mount)
{
	__u64 superblock = 0;
	unsigned long magic = 0;

	boesfs_read(superblock, vfsmount, boesfs_vfsmount_of(mount), mnt_sb);
	boesfs_read(magic, super_block, superblock, s_magic);
	return boesfs_stillness(magic);
}

/* A way up from a directory. */
struct boesfs_up {
	/* Where it stands, as long as it is on the mount where it began; NULL looks at all by address. */
	struct dentry *at;
	/* Dentry, mount and that mount's root: where it stands. */
	__u64 dentry;
	__u64 mount;
	__u64 mount_root;
	/* The protected directory. */
	__u64 anchor_mount;
	__u64 anchor_dentry;
	/* enum boesfs_place_found; BOESFS_FOUND_UNRESOLVED where a rename may be under way, or was. */
	__u32 found;
	__u32 reserved;
};

/* A way up that finds no rename under way, and the names on it. */
struct boesfs_settle {
	struct boesfs_up up;
	/* The bits of all directories that were passed. */
	__u64 chain;
	/* The names' hash so far, and what a name below would be multiplied by. */
	__u64 hash;
	__u64 power;
	/* A name was too long to be hashed. */
	__u64 unhashed;
};

/* Whether @dentry, where the way stands, is the protected directory: there it ends. */
static __always_inline __u32 boesfs_up_is_in(const struct boesfs_up *up, __u64 dentry)
{
	return dentry == up->anchor_dentry && up->mount == up->anchor_mount;
}

/* Goes on from the root of a mount at the place where that is mounted. Returns 0 if it is mounted nowhere. */
static __always_inline __u32 boesfs_up_mount(struct boesfs_up *up)
{
	__u64 parent = 0;

	boesfs_read(parent, mount, up->mount, mnt_parent);
	if (parent == up->mount)
		return 0;
	boesfs_read(up->dentry, mount, up->mount, mnt_mountpoint);
	up->mount = parent;
	up->mount_root = 0;
	boesfs_read(up->mount_root, vfsmount, boesfs_vfsmount_of(parent), mnt_root);
	return 1;
}

/* Notes that the directory of the inode at @inode is on the way. */
static __always_inline void boesfs_chain_add(struct boesfs_settle *s, __u64 inode)
{
	unsigned long number = 0;

	boesfs_read(number, inode, inode, i_ino);
	s->chain |= 1ull << boesfs_chain_bit(number);
}

/* @a times @b modulo the prime, or as much as the prime and 4 more. @a is less than 2^62, @b less than 2^61 and 4 more. */
static __always_inline __u64 boesfs_path_times(__u64 a, __u64 b)
{
	__u64 a_high = a >> 32, a_low = (__u32)a, b_high = b >> 32, b_low = (__u32)b;
	__u64 middle = a_high * b_low + a_low * b_high, low = a_low * b_low;
	/* 2^61 is 1 more than the prime: what is above counts from there again. */
	__u64 sum = (a_high * b_high << 3) + (middle >> 29) + ((middle & ((1ull << 29) - 1)) << 32) +
		    (low & BOESFS_PATH_PRIME) + (low >> 61);

	return (sum & BOESFS_PATH_PRIME) + (sum >> 61);
}

/* @value, less than 2^62, as the one number below the prime. */
static __always_inline __u64 boesfs_path_number(__u64 value)
{
	value = (value & BOESFS_PATH_PRIME) + (value >> 61);
	return value >= BOESFS_PATH_PRIME ? value - BOESFS_PATH_PRIME : value;
}

/*
 * Takes a name of @len bytes, less than BOESFS_NAME_ROOM, into @hash. @word are its bytes with any others behind them.
 * @power, if it is not NULL, is multiplied by what the hash is.
 */
static __always_inline void boesfs_hash_name(__u64 *hash, __u64 *power, const __u64 *word, __u32 len)
{
	__u64 sum = *hash, chunk;

#pragma unroll
	for (__u32 i = 0; i * BOESFS_PATH_BYTES < BOESFS_NAME_ROOM - 1; i++) {
		__u32 from = i * BOESFS_PATH_BYTES, at = from / 8, shift = from % 8 * 8;

		chunk = word[at] >> shift;
		if (shift > 8 && at + 1 < BOESFS_NAME_WORDS)
			chunk |= word[at + 1] << (64 - shift);
		sum = boesfs_path_times(sum, boesfs_path_key);
		if (power)
			*power = boesfs_path_times(*power, boesfs_path_key);
		if (len <= from + BOESFS_PATH_BYTES) {
			sum += chunk << (64 - 8 * (len - from)) >> (64 - 8 * (len - from));
			sum += (__u64)(BOESFS_PATH_LAST | (len - from)) << 56;
			break;
		}
		sum += (chunk & ((1ull << 56) - 1)) | (__u64)BOESFS_PATH_BYTES << 56;
	}
	*hash = sum;
}

/* The hash of all names and of where they end; 0 if there is none. */
static __always_inline __u64 boesfs_hash_end(struct boesfs_settle *s)
{
	__u64 sum = boesfs_path_times(s->hash, boesfs_path_key) + s->up.found + 1;

	return s->unhashed ? 0 : boesfs_path_number(sum);
}

/* One step up on the mount where the way began. Ends at its root, and where something is not settled. */
static long boesfs_settle_near_body(__u32 i, void *ctx)
{
	struct boesfs_settle *s = ctx;
	struct dentry *dentry = s->up.at, *parent;
	struct inode *inode;
	__u32 len;

	if ((__u64)dentry == s->up.mount_root || boesfs_up_is_in(&s->up, (__u64)dentry))
		return 1;
	s->up.found = BOESFS_FOUND_UNRESOLVED;
	len = dentry->d_name.len;
	if (len - 1 >= BOESFS_NAME_ROOM - 1 || dentry->d_flags & (BOESFS_DCACHE_OP_REVALIDATE | BOESFS_DCACHE_OP_NAMES))
		return 1;
	boesfs_hash_name(&s->hash, 0, (const __u64 *)&dentry->d_iname[0], len);
	parent = dentry->d_parent;
	inode = parent->d_inode;
	s->chain |= 1ull << boesfs_chain_bit(inode->i_ino);
	if (inode->i_rwsem.count.counter & BOESFS_RWSEM_WRITER_LOCKED)
		return 1;
	s->up.at = parent;
	s->up.found = BOESFS_FOUND_GOING;
	return 0;
}

/* One step up from a directory; fails where a rename may be under way. */
static long boesfs_settle_body(__u32 i, void *ctx)
{
	struct boesfs_settle *s = ctx;
	__u64 name[BOESFS_NAME_WORDS];
	__u64 parent = 0, inode = 0, dentry = s->up.dentry;
	__u32 flags = 0, len = 0, stillness;
	long count = BOESFS_RWSEM_WRITER_LOCKED;

	if (boesfs_up_is_in(&s->up, dentry)) {
		s->up.found = BOESFS_FOUND_INSIDE;
		return 1;
	}
	s->up.found = BOESFS_FOUND_UNRESOLVED;
	boesfs_read(flags, dentry, dentry, d_flags);
	if (flags & (BOESFS_DCACHE_OP_REVALIDATE | BOESFS_DCACHE_OP_NAMES))
		return 1;
	if (dentry == s->up.mount_root) {
		if (!boesfs_up_mount(&s->up)) {
			s->up.found = BOESFS_FOUND_OUTSIDE;
			return 1;
		}
		stillness = boesfs_mount_stillness(s->up.mount);
		if (stillness == BOESFS_KEEPS_STILL)
			s->chain = BOESFS_CHAIN_ANY;
		boesfs_read(inode, dentry, s->up.dentry, d_inode);
		boesfs_chain_add(s, inode);
		return stillness == BOESFS_MOVES;
	}
	boesfs_read(len, dentry, dentry, d_name.len);
	if (len - 1 >= BOESFS_NAME_ROOM - 1 || !bpf_core_field_exists(((struct dentry *)0)->d_iname) ||
	    bpf_core_read(name, sizeof(name), &((struct dentry *)dentry)->d_iname[0]))
		s->unhashed = 1;
	else
		boesfs_hash_name(&s->hash, &s->power, name, len);
	boesfs_read(parent, dentry, dentry, d_parent);
	boesfs_read(inode, dentry, parent, d_inode);
	boesfs_chain_add(s, inode);
	boesfs_read(count, inode, inode, i_rwsem.count.counter);
	s->up.dentry = parent;
	return count & BOESFS_RWSEM_WRITER_LOCKED;
}

/*
 * Goes up from the directory @s stands at, on its mount, whose root is known, as is the chain's beginning. Its found says
 * how that ended.
 */
static __always_inline void boesfs_settle(struct boesfs_settle *s)
{
	/* VERIFIER: it does not know these numbers. */
	s->hash = *(volatile __u64 *)&boesfs_tally.zero;
	s->power = boesfs_path_key ^ *(volatile __u64 *)&boesfs_tally.zero;
	s->unhashed = 0;
	s->up.found = BOESFS_FOUND_UNRESOLVED;
	if (!bpf_core_field_exists(((struct rw_semaphore *)0)->count))
		return;
	s->up.found = BOESFS_FOUND_GOING;
	if (s->up.at && bpf_core_field_exists(((struct dentry *)0)->d_iname)) {
		bpf_loop(BOESFS_CLIMB_STEPS, boesfs_settle_near_body, s, 0);
		s->up.dentry = (__u64)s->up.at;
	}
	if (s->up.found == BOESFS_FOUND_GOING)
		bpf_loop(BOESFS_CLIMB_STEPS, boesfs_settle_body, s, 0);
}

/* A way up on which no directory was renamed after the rename @since. */
struct boesfs_unmoved {
	struct boesfs_up up;
	__u64 since;
};

/* One step up on the mount where the way began. Ends at its root, and below a directory that was renamed. */
static long boesfs_unmoved_near_body(__u32 i, void *ctx)
{
	struct boesfs_unmoved *u = ctx;
	struct dentry *dentry = u->up.at;

	if ((__u64)dentry == u->up.mount_root || boesfs_up_is_in(&u->up, (__u64)dentry))
		return 1;
	if (boesfs_moved_since(dentry->d_inode->i_ino, u->since)) {
		u->up.found = BOESFS_FOUND_UNRESOLVED;
		return 1;
	}
	u->up.at = dentry->d_parent;
	return 0;
}

/* One step up from a directory; ends below one that was renamed. */
static long boesfs_unmoved_body(__u32 i, void *ctx)
{
	struct boesfs_unmoved *u = ctx;
	__u64 inode = 0, dentry = u->up.dentry;
	unsigned long number = 0;

	if (boesfs_up_is_in(&u->up, dentry)) {
		u->up.found = BOESFS_FOUND_INSIDE;
		return 1;
	}
	u->up.found = BOESFS_FOUND_UNRESOLVED;
	if (dentry == u->up.mount_root) {
		if (boesfs_up_mount(&u->up))
			return 0;
		u->up.found = BOESFS_FOUND_OUTSIDE;
		return 1;
	}
	boesfs_read(inode, dentry, dentry, d_inode);
	boesfs_read(number, inode, inode, i_ino);
	boesfs_read(u->up.dentry, dentry, dentry, d_parent);
	return boesfs_moved_since(number, u->since);
}

/* What renewing looks for in a memo: the way of a task with the key's nsproxy, or the way of its label. */
struct boesfs_renewal {
	struct boesfs_memo_key key;
	__u64 nsproxy;
	__u32 scope;
	__u32 labelled;
};

/* Which way of @memo that is; BOESFS_MEMO_WAYS if there is none. VERIFIER: global, so that any is as good as another. */
__attribute__((noinline)) int boesfs_memo_which_call(struct boesfs_memo *memo, struct boesfs_renewal *renewal)
{
	struct boesfs_memo_way *way;

	if (!memo || !renewal)
		return BOESFS_MEMO_WAYS;
	if (renewal->labelled)
		way = boesfs_memo_way_of(memo, &renewal->key, renewal->scope);
	else
		way = boesfs_memo_shared_way(memo, renewal->nsproxy, renewal->key.mount, renewal->key.mounts,
					     boesfs_check_memos, renewal->scope);
	return way ? ((void *)way - (void *)&memo->way[0]) / sizeof(*way) : BOESFS_MEMO_WAYS;
}

/* Finds that way: of the current task's namespaces, or else of its label. Returns BOESFS_MEMO_WAYS if there is none. */
static __attribute__((noinline)) int boesfs_memo_which(struct boesfs_memo *memo, const struct vfsmount *mnt, __u32 scope)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct boesfs_renewal renewal = { .scope = scope };
	struct boesfs_caller caller;
	int which;

	renewal.nsproxy = (__u64)task->nsproxy;
	renewal.key.mount = (__u64)mnt;
	renewal.key.mounts = task->nsproxy->mnt_ns->event;
	which = boesfs_memo_which_call(memo, &renewal);
	if (which < BOESFS_MEMO_WAYS)
		return which;
	/* A label that cannot be had renews nothing. VERIFIER: here is no room on the stack to seek it. */
	caller.label = bpf_task_storage_get(&labels, task, 0, 0);
	if (!caller.label || boesfs_label_says(task, caller.label, &caller) != BOESFS_CONFINED)
		return BOESFS_MEMO_WAYS;
	boesfs_generation_read(&caller);
	if (!boesfs_memo_serves(&caller))
		return BOESFS_MEMO_WAYS;
	boesfs_memo_key(&caller, mnt, &renewal.key, BOESFS_CHECK_NOTHING);
	renewal.labelled = 1;
	return boesfs_memo_which_call(memo, &renewal);
}

/* Whether the protected directory of @anchor is not in the directory of @inode, and no rename of it is under way. */
static __always_inline __u32 boesfs_anchor_rests(__u64 anchor, __u64 inode)
{
	__u64 parent = 0, above = 0;
	long count = BOESFS_RWSEM_WRITER_LOCKED;

	boesfs_read(parent, dentry, anchor, d_parent);
	boesfs_read(above, dentry, parent, d_inode);
	boesfs_read(count, inode, above, i_rwsem.count.counter);
	return above != inode && !(count & BOESFS_RWSEM_WRITER_LOCKED);
}

/* The root of the mount that @way is of, which is @mnt where names of one mount are asked for, without @scope. */
static __always_inline __u64 boesfs_way_root(const struct boesfs_memo_way *way, const struct vfsmount *mnt, __u32 scope)
{
	__u64 root = 0;

	if (!scope)
		return (__u64)mnt->mnt_root;
	boesfs_read(root, vfsmount, way->key.mount, mnt_root);
	return root;
}

/* Begins at the directory of @at, or of @address if that is NULL, on the mount of @way, which has the root @root. */
static __always_inline __u32 boesfs_up_begin(struct boesfs_up *up, const struct boesfs_memo_way *way, __u64 root,
					     struct dentry *at, __u64 address)
{
	const struct boesfs_sandbox *sandbox = boesfs_sandbox_get(way->slot);

	if (!sandbox)
		return 0;
	up->at = at;
	up->dentry = address;
	up->mount = way->key.mount - bpf_core_field_offset(struct mount, mnt);
	up->mount_root = root;
	up->anchor_mount = sandbox->anchor_mount;
	up->anchor_dentry = sandbox->anchor_dentry;
	up->found = BOESFS_FOUND_GOING;
	return 1;
}

/* Whether the directory @s begins with is where @way knew it, by its names. Its chain is the way up from there. */
static __always_inline __u32 boesfs_is_named_so(struct boesfs_settle *s, const struct boesfs_memo_way *way)
{
	__u32 sequence = boesfs_rename_sequence();

	if (!way->path || sequence & 1 || boesfs_check_without(BOESFS_CHECK_BAD_PATHS))
		return 0;
	boesfs_settle(s);
	return s->up.found <= BOESFS_FOUND_OUTSIDE &&
	       (boesfs_hash_end(s) == way->path || boesfs_check_memos == BOESFS_CHECK_BAD_PATHS) &&
	       boesfs_rename_sequence() == sequence;
}

/*
 * Whether no directory on the way up from that of @at, or of @address if that is NULL, was renamed since @way was known to
 * hold. @root is of its mount; @renames is how many there were, before anything else was looked at.
 */
static __attribute__((noinline)) int boesfs_is_unmoved(const struct boesfs_memo_way *way, __u64 root, struct dentry *at,
						       __u64 address, __u64 renames)
{
	struct boesfs_unmoved u = { .since = way->key.renames };

	if (way->chain == BOESFS_CHAIN_ANY || *(volatile __u64 *)&boesfs_tally.noted != renames ||
	    boesfs_check_without(BOESFS_CHECK_BAD_NUMBERS))
		return 0;
	boesfs_barrier();
	/* Else some may not be noted, for all that as many are. */
	if (boesfs_renames_now(BOESFS_CHECK_NOTHING) != renames)
		return 0;
	if (!boesfs_up_begin(&u.up, way, root, at, address))
		return 0;
	if (at) {
		bpf_loop(BOESFS_CLIMB_STEPS, boesfs_unmoved_near_body, &u, 0);
		u.up.dentry = (__u64)u.up.at;
	}
	if (u.up.found == BOESFS_FOUND_GOING)
		bpf_loop(BOESFS_CLIMB_STEPS, boesfs_unmoved_body, &u, 0);
	if (u.up.found > BOESFS_FOUND_OUTSIDE)
		return 0;
	if (boesfs_check_memos)
		__sync_fetch_and_add(&boesfs_tally.unmoved, 1);
	return 1;
}

/* Whether the memo that @way is of can be made to hold without a look at names that other mounts show. */
static __always_inline __u32 boesfs_memo_lasts(const struct boesfs_memo_way *way, __u32 scope)
{
	return way->key.mount && (!scope || way->scope & BOESFS_SCOPE_ALONE);
}

/*
 * The way of @memo that boesfs_memo_shared() or else boesfs_memo_known() would ask for with @mnt and @scope, if it can be
 * made to hold, and its @sandbox; else NULL. @written is the memo's sequence, which must still be so afterwards.
 */
static __always_inline struct boesfs_memo_way *boesfs_memo_find(struct boesfs_memo *memo, const struct vfsmount *mnt,
								 __u32 scope, const struct boesfs_sandbox **sandbox,
								 __u32 *written)
{
	struct nsproxy *nsproxy = bpf_get_current_task_btf()->nsproxy;
	struct boesfs_memo_way *way;
	__u32 which;

	*written = *(volatile __u32 *)&memo->sequence;
	boesfs_barrier();
	which = boesfs_memo_which(memo, mnt, scope);
	if (*written & 1 || which >= BOESFS_MEMO_WAYS)
		return 0;
	way = &memo->way[which];
	*sandbox = boesfs_memo_sandbox(way, way->slot, (__u64)nsproxy->mnt_ns);
	return *sandbox && boesfs_memo_lasts(way, scope) ? way : 0;
}

/* How a memo is renewed. */
enum boesfs_renewing {
	/* If no directory on the way was renamed, as far as their numbers tell. */
	BOESFS_RENEW_UNTOUCHED,
	/* If the names on the way are the same. */
	BOESFS_RENEW_NAMED,
};

/*
 * Makes the memo of the directory of @inode hold again that boesfs_memo_shared() or else boesfs_memo_known() would ask for
 * with @mnt and @scope, if directories were renamed since, and that one is where it was; @how: enum boesfs_renewing. @at
 * is the directory's dentry, or NULL where only its @address is known. Returns 1 if so. What other mounts show may have
 * changed: of a directory that they show, only names on its own mount are known afterwards.
 */
static __always_inline int boesfs_memo_renew(const struct vfsmount *mnt, struct inode *inode, struct dentry *at,
					     __u64 address, __u32 scope, enum boesfs_renewing how)
{
	struct boesfs_memo *memo = bpf_inode_storage_get(&memos, inode, 0, 0);
	__u64 renames = boesfs_renames_now(BOESFS_CHECK_NOTHING);
	const struct boesfs_sandbox *sandbox;
	struct boesfs_memo_way *way;
	struct boesfs_settle s;
	__u32 written, untouched = 0;

	if (!memo)
		return 0;
	way = boesfs_memo_find(memo, mnt, scope, &sandbox, &written);
	if (!way)
		return 0;
	/* Into a directory outside the protected one itself may have come; not into one that is in it. */
	if (way->node == BOESFS_NO_NODE && sandbox->dir_len &&
	    !boesfs_anchor_rests(sandbox->anchor_dentry, (__u64)inode))
		return 0;
	s.chain = way->chain;
	if (how == BOESFS_RENEW_UNTOUCHED) {
		if (boesfs_untouched_call(s.chain, way->key.renames, renames))
			untouched = 1;
		else if (!boesfs_is_unmoved(way, boesfs_way_root(way, mnt, scope), at, address, renames))
			return 0;
	} else {
		if (!boesfs_up_begin(&s.up, way, boesfs_way_root(way, mnt, scope), at, address))
			return 0;
		if (s.chain != BOESFS_CHAIN_ANY)
			s.chain = 1ull << boesfs_chain_bit(inode->i_ino);
		if (!boesfs_is_named_so(&s, way))
			return 0;
	}
	if (boesfs_renames_now(BOESFS_CHECK_NOTHING) != renames ||
	    __sync_val_compare_and_swap(&memo->sequence, written, written + 1) != written)
		return 0;
	boesfs_barrier();
	way->key.renames = renames;
	way->chain = s.chain;
	if (!(way->scope & BOESFS_SCOPE_ALONE))
		way->scope &= BOESFS_SCOPE_ROWS;
	boesfs_memo_share(way, (way->nsproxy & 1) == BOESFS_NO_NSPROXY);
	boesfs_barrier();
	*(volatile __u32 *)&memo->sequence = written + 2;
	if (boesfs_check_memos && how == BOESFS_RENEW_NAMED)
		__sync_fetch_and_add(&boesfs_tally.named, 1);
	else if (boesfs_check_memos && untouched)
		__sync_fetch_and_add(&boesfs_tally.untouched, 1);
	return 1;
}

/* The same of the directory that @dentry is in. */
static __always_inline int boesfs_memo_renew_above(const struct vfsmount *mnt, struct dentry *dentry, __u32 scope,
						   enum boesfs_renewing how)
{
	struct dentry *parent = dentry->d_parent;

	return boesfs_memo_renew(mnt, parent->d_inode, parent, (__u64)parent, scope, how);
}

#endif
