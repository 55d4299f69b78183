/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Mounts, roots and namespaces, which a sandbox closes for everybody. */
#include "scene.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

static int mounted_elsewhere(struct scene *s)
{
	STEP(mkdir(aside(s, "mnt"), 0755));
	TRY(mount(s->base, aside(s, "mnt"), 0, MS_BIND, 0));
	return open_secret(AT_FDCWD, aside(s, "mnt/file"), O_RDONLY);
}

static int mounted_over_program(struct scene *s)
{
	TRY(mount(aside(s, "prog"), at(s, "prog"), 0, MS_BIND, 0));
	return GAINED;
}

static int mounted_new(struct scene *s)
{
	STEP(mkdir(aside(s, "mnt"), 0755));
	TRY(mount("none", aside(s, "mnt"), "tmpfs", 0, 0));
	return GAINED;
}

static int mounted_overlay(struct scene *s)
{
	char options[3 * PATH_MAX];

	STEP(mkdir(aside(s, "mnt"), 0755));
	STEP(mkdir(aside(s, "upper"), 0755));
	STEP(mkdir(aside(s, "work"), 0755));
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", s->base, aside(s, "upper"), aside(s, "work"));
	if (mount("overlay", aside(s, "mnt"), "overlay", 0, options))
		return s->outside && (errno == ENODEV || errno == EINVAL) ? UNAVAILABLE : -errno;
	return open_secret(AT_FDCWD, aside(s, "mnt/file"), O_RDONLY);
}

static int mounted_image(struct scene *s)
{
	int fd = TRY(open("/dev/loop-control", O_RDWR));

	TRY(ioctl(fd, 0x4C82 /* LOOP_CTL_GET_FREE */));
	(void)s;
	return GAINED;
}

static int unmounted(struct scene *s)
{
	if (s->outside)
		STEP(mount("none", at(s, "dir"), "tmpfs", 0, 0));
	TRY(umount2(s->outside ? at(s, "dir") : "/dev/shm", MNT_DETACH));
	return GAINED;
}

static int unmounted_mask(struct scene *s)
{
	/* What hides parts of /proc. */
	TRY(umount2("/proc/sys", MNT_DETACH));
	(void)s;
	return GAINED;
}

static int remounted(struct scene *s)
{
	if (s->outside) {
		STEP(mount(s->base, at(s, "dir"), 0, MS_BIND, 0));
		STEP(mount(0, at(s, "dir"), 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
	}
	TRY(mount(0, s->outside ? at(s, "dir") : "/proc/sys", 0, MS_REMOUNT | MS_BIND, 0));
	return GAINED;
}

static int attributes_changed(struct scene *s)
{
	struct {
		uint64_t set, clear, propagation, userns;
	} attr = { .clear = 1 /* MOUNT_ATTR_RDONLY */ };

	if (s->outside)
		STEP(mount(s->base, at(s, "dir"), 0, MS_BIND, 0));
	TRY(syscall(SYS_mount_setattr, AT_FDCWD, s->outside ? at(s, "dir") : "/proc/sys", 0, &attr, sizeof(attr)));
	return GAINED;
}

static int tree_opened(struct scene *s)
{
	int fd = TRY(syscall(SYS_open_tree, AT_FDCWD, s->base, 1 /* OPEN_TREE_CLONE */));

	return open_secret(fd, "file", O_RDONLY);
}

static int file_system_opened(struct scene *s)
{
	TRY(syscall(SYS_fsopen, "tmpfs", 0));
	(void)s;
	return GAINED;
}

static int file_system_picked(struct scene *s)
{
	STEP(mkdir(aside(s, "mnt"), 0755));
	if (s->outside)
		STEP(mount("none", aside(s, "mnt"), "tmpfs", 0, 0));
	TRY(syscall(SYS_fspick, AT_FDCWD, s->outside ? aside(s, "mnt") : "/dev/shm", 0));
	return GAINED;
}

static int mount_moved(struct scene *s)
{
	STEP(mkdir(aside(s, "mnt"), 0755));
	if (s->outside)
		STEP(mount("none", at(s, "dir"), "tmpfs", 0, 0));
	TRY(syscall(SYS_move_mount, AT_FDCWD, s->outside ? at(s, "dir") : "/dev/shm", AT_FDCWD, aside(s, "mnt"), 0));
	return GAINED;
}

static int root_pivoted(struct scene *s)
{
	if (s->outside) {
		STEP(mount("none", at(s, "dir"), "tmpfs", 0, 0));
		STEP(mkdir(at(s, "dir/old"), 0755));
	}
	if (syscall(SYS_pivot_root, at(s, "dir"), at(s, s->outside ? "dir/old" : "empty")) == 0)
		return GAINED;
	/* The root may be the one mount that cannot be put away. */
	return s->outside && errno == EINVAL ? UNAVAILABLE : -errno;
}

static int root_changed(struct scene *s)
{
	/* A path below another root would be another path. */
	TRY(chroot(s->base));
	return open_secret(AT_FDCWD, "/file", O_RDONLY);
}

static int namespace_joined(struct scene *s)
{
	int fd = STEP(open("/proc/self/ns/uts", O_RDONLY));

	TRY(setns(fd, 0));
	(void)s;
	return GAINED;
}

#define UNSHARES(name, flag)                                                                                           \
	static int unshared_##name(struct scene *s)                                                                    \
	{                                                                                                              \
		(void)s;                                                                                               \
		TRY(unshare(flag));                                                                                    \
		return GAINED;                                                                                         \
	}                                                                                                              \
	static int cloned_##name(struct scene *s)                                                                      \
	{                                                                                                              \
		pid_t child = TRY(syscall(SYS_clone, (flag) | SIGCHLD, 0, 0, 0, 0));                                   \
                                                                                                                       \
		(void)s;                                                                                               \
		if (child == 0)                                                                                        \
			_exit(0);                                                                                      \
		return GAINED;                                                                                         \
	}

UNSHARES(user, CLONE_NEWUSER)
UNSHARES(mount, CLONE_NEWNS)
UNSHARES(pid, CLONE_NEWPID)
UNSHARES(net, CLONE_NEWNET)
UNSHARES(ipc, CLONE_NEWIPC)
UNSHARES(uts, CLONE_NEWUTS)
UNSHARES(cgroup, CLONE_NEWCGROUP)

static int unshared_time(struct scene *s)
{
	TRY(unshare(0x80 /* CLONE_NEWTIME */));
	(void)s;
	return GAINED;
}

static int cloned_by_structure(struct scene *s)
{
	/* The flags lie in memory, where a filter of system calls does not see them. */
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
			cgroup;
	} arguments = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t child = TRY(syscall(SYS_clone3, &arguments, sizeof(arguments)));

	(void)s;
	if (child == 0)
		_exit(0);
	return GAINED;
}

static int cloned_into_cgroup(struct scene *s)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
			cgroup;
	} arguments = { .flags = 0x200000000 /* CLONE_INTO_CGROUP */, .exit_signal = SIGCHLD };
	int fd = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY);
	pid_t child;

	arguments.cgroup = fd;
	child = syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (child < 0)
		/* The cgroups at that place may be of the first version. */
		return s->outside && errno == EBADF ? UNAVAILABLE : -errno;
	if (child == 0)
		_exit(0);
	return GAINED;
}

/* Makes the layers of an overlay in @folder, and mounts it at @merged; where it cannot be mounted, that stays empty. */
static int lay_overlay(const char *folder, const char *merged)
{
	char options[4 * PATH_MAX];
	const char *lower = below(folder, "lower"), *upper = below(folder, "upper"), *work = below(folder, "work");

	STEP(mkdir(lower, 0755));
	STEP(mkdir(upper, 0755));
	STEP(mkdir(work, 0755));
	STEP(mkdir(merged, 0755));
	STEP(put_text(below(lower, "beneath"), "a secret of the lower layer\n"));
	STEP(put_text(below(upper, "above"), "a secret of the upper layer\n"));
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);
	mount("overlay", merged, "overlay", 0, options);
	return 0;
}

static int lay_layers(const char *folder, const char *tree)
{
	(void)tree;
	return lay_overlay(folder, below(folder, "merged"));
}

static int lay_layers_apart(const char *folder, const char *tree)
{
	/* ROOT/TREE/ATTEMPT is denied, ROOT/attack/ATTEMPT.side is not. */
	const char *name = strrchr(folder, '/') + 1, *side = strcmp(tree, "sealed") ? tree : "attack";
	char merged[PATH_MAX];

	snprintf(merged, sizeof(merged), "%.*s%s/%s.side/merged", (int)(name - folder - strlen(tree) - 1), folder, side,
		 name);
	return lay_overlay(folder, merged);
}

/* Lays an overlay at @folder/outer over one at @folder/inner that has a program; where they cannot be mounted, those stay empty. */
static int lay_nested(const char *folder, const char *tree)
{
	static const char *const names[] = { "lower", "inner", "inner-upper", "inner-work", "outer", "outer-upper", "outer-work" };
	char options[4 * PATH_MAX];

	(void)tree;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		STEP(mkdir(below(folder, names[i]), 0755));
	STEP(put_program(below(folder, "lower/prog")));
	snprintf(options, sizeof(options), "lowerdir=%s/lower,upperdir=%s/inner-upper,workdir=%s/inner-work", folder, folder,
		 folder);
	if (mount("overlay", below(folder, "inner"), "overlay", 0, options))
		return 0;
	snprintf(options, sizeof(options), "lowerdir=%s/inner,upperdir=%s/outer-upper,workdir=%s/outer-work", folder, folder,
		 folder);
	mount("overlay", below(folder, "outer"), "overlay", 0, options);
	return 0;
}

static int nested_made_code(struct scene *s)
{
	int fd = open(at(s, "outer/prog"), O_RDONLY);
	void *map;

	if (fd < 0)
		return (s->outside || s->control) && errno == ENOENT ? UNAVAILABLE : -errno;
	map = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return BROKEN;
	TRY(mprotect(map, 4096, PROT_READ | PROT_EXEC));
	return *(volatile char *)map == 0x7f ? GAINED : NOTHING;
}

static int layers_opened(struct scene *s)
{
	static const char *const names[] = { "lower/beneath", "upper/above", "merged/beneath", "merged/above" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int got = open_secret(AT_FDCWD, at(s, names[i]), O_RDONLY);

		if (s->control && got == -ENOENT)
			return UNAVAILABLE;
		if (got != (s->control ? GAINED : -EACCES))
			return got;
	}
	return s->control ? GAINED : -EACCES;
}

static int layers_opened_apart(struct scene *s)
{
	int got = open_secret(AT_FDCWD, aside(s, "merged/beneath"), O_RDONLY);

	return s->control && got == -ENOENT ? UNAVAILABLE : got;
}

#define CLOSED_NAMESPACE(word, name)                                                                                   \
	{ "unshare-" word, 11, NOWHERE, unshared_##name, "`unshare` of the " word " namespace", "seccomp" },          \
	{ "clone-" word, 11, NOWHERE, cloned_##name, "`clone` into a new " word " namespace", "seccomp" }

const struct attempt mounts_attempts[] = {
	{ "bind-mount", 4, SEALED, mounted_elsewhere, "a bind mount elsewhere", "seccomp; `sb_mount`", .closed = true,
	  .untold = BY_SECCOMP },
	{ "mount-over-program", 7, FROZEN, mounted_over_program, "a file of one's own mounted over a trusted path",
	  "seccomp; `sb_mount`", .closed = true, .untold = BY_SECCOMP },
	{ "mount", 4, NOWHERE, mounted_new, "a new mount", "seccomp; `sb_mount`" },
	{ "mount-overlay", 9, SEALED, mounted_overlay, "an overlay above the folder", "seccomp; `sb_mount`", .closed = true,
	  .may_lack = true, .untold = BY_SECCOMP },
	{ "layers-opened", 10, SEALED, layers_opened, "the layers of an overlay, and the overlay, each by its name",
	  "`file_open`", .lay = lay_layers, .may_lack = true },
	{ "layers-apart", 10, SEALED, layers_opened_apart, "an overlay elsewhere, mounted before the sandbox, whose layers are denied",
	  "objects are names: the allowed name is allowed", .lay = lay_layers_apart, .may_lack = true, .lsm = PINNED,
	  .fuse = PINNED, .why = "a file is judged under the name that is used; find such mounts with `findmnt -t overlay` first" },
	{ "layers-nested", 0, NOEXEC, nested_made_code, "`mprotect` to `PROT_EXEC` on an overlay of an overlay", "`file_mprotect`",
	  .lay = lay_nested, .may_lack = true, .also = BY_SIGNAL - SIGBUS },
	{ "loop-device", 44, NOWHERE, mounted_image, "a loop device", "no such device in `/dev`", .uncontrolled = true },
	{ "umount", 6, NOWHERE, unmounted, "`umount2`", "seccomp; `sb_umount`" },
	{ "umount-mask", 6, NOWHERE, unmounted_mask, "`umount2` of what hides parts of `/proc`", "seccomp; `sb_umount`",
	  .uncontrolled = true },
	{ "remount", 5, NOWHERE, remounted, "remounting writable", "seccomp; `sb_remount`" },
	{ "mount-setattr", 5, NOWHERE, attributes_changed, "`mount_setattr`", "seccomp" },
	{ "open-tree", 0, SEALED, tree_opened, "`open_tree` with `OPEN_TREE_CLONE`", "seccomp", .closed = true,
	  .untold = BY_SECCOMP },
	{ "fsopen", 0, NOWHERE, file_system_opened, "`fsopen`", "seccomp" },
	{ "fspick", 0, NOWHERE, file_system_picked, "`fspick`", "seccomp" },
	{ "move-mount", 0, NOWHERE, mount_moved, "`move_mount`", "seccomp; `move_mount`" },
	{ "pivot-root", 11, NOWHERE, root_pivoted, "`pivot_root`", "seccomp; `sb_pivotroot`", .may_lack = true },
	{ "chroot", 11, SEALED, root_changed, "`chroot`", "seccomp; `path_chroot`", .closed = true,
	  .untold = BY_SECCOMP },
	{ "setns", 11, NOWHERE, namespace_joined, "`setns`", "seccomp" },
	CLOSED_NAMESPACE("user", user),
	CLOSED_NAMESPACE("mount", mount),
	CLOSED_NAMESPACE("pid", pid),
	CLOSED_NAMESPACE("network", net),
	CLOSED_NAMESPACE("ipc", ipc),
	CLOSED_NAMESPACE("uts", uts),
	CLOSED_NAMESPACE("cgroup", cgroup),
	{ "unshare-time", 11, NOWHERE, unshared_time, "`unshare` of the time namespace", "seccomp" },
	{ "clone3-user", 11, NOWHERE, cloned_by_structure, "`clone3`, whose flags no filter sees", "seccomp; `userns_create`",
	  .also = -ENOSYS },
	{ "clone-into-cgroup", 45, NOWHERE, cloned_into_cgroup, "`CLONE_INTO_CGROUP`", "seccomp", .also = -ENOSYS,
	  .may_lack = true },
	{},
};
