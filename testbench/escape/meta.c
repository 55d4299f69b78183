/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Attributes, and being told of what happens to an object. */
#include "scene.h"

#include <linux/fs.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

static int mode_by_name(struct scene *s)
{
	TRY(chmod(at(s, "file"), 0600));
	return GAINED;
}

static int mode_by_descriptor(struct scene *s)
{
	TRY(fchmod(STEP(open(at(s, "file"), O_RDONLY)), 0600));
	return GAINED;
}

static int mode_by_reached(struct scene *s)
{
	int fd = STEP(open(at(s, "file"), O_PATH));

	TRY(chmod(proc_fd(fd), 0600));
	return GAINED;
}

static int mode_without_following(struct scene *s)
{
	/* fchmodat2(2), of 6.6 */
	KNOWN(syscall(452, AT_FDCWD, at(s, "file"), 0600, AT_SYMLINK_NOFOLLOW));
	return GAINED;
}

static int owner_by_name(struct scene *s)
{
	TRY(chown(at(s, "file"), getuid(), getgid()));
	return GAINED;
}

static int owner_by_descriptor(struct scene *s)
{
	TRY(fchown(STEP(open(at(s, "file"), O_RDONLY)), getuid(), getgid()));
	return GAINED;
}

static int owner_by_reached(struct scene *s)
{
	int fd = STEP(open(at(s, "file"), O_PATH));

	TRY(fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH));
	return GAINED;
}

static int owner_of_link(struct scene *s)
{
	TRY(lchown(at(s, "link"), getuid(), getgid()));
	return GAINED;
}

static int times_by_name(struct scene *s)
{
	struct utimbuf times = { 1, 1 };

	TRY(utime(at(s, "file"), &times));
	return GAINED;
}

static int times_to_now(struct scene *s)
{
	TRY(utimensat(AT_FDCWD, at(s, "file"), 0, 0));
	return GAINED;
}

static int times_by_descriptor(struct scene *s)
{
	struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	TRY(futimens(STEP(open(at(s, "file"), O_RDONLY)), times));
	return GAINED;
}

static int times_of_link(struct scene *s)
{
	struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	TRY(utimensat(AT_FDCWD, at(s, "link"), times, AT_SYMLINK_NOFOLLOW));
	return GAINED;
}

static int times_of_reached(struct scene *s)
{
	struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
	int fd = STEP(open(at(s, "file"), O_PATH));

	TRY(utimensat(AT_FDCWD, proc_fd(fd), times, 0));
	return GAINED;
}

static int access_time_by_noatime(struct scene *s)
{
	struct timespec times[2] = { { 1, 0 }, { 0, UTIME_OMIT } };

	TRY(utimensat(AT_FDCWD, at(s, "file"), times, 0));
	return GAINED;
}

static int attribute_set(struct scene *s)
{
	KNOWN(setxattr(at(s, "file"), "user.mine", "x", 1, 0));
	return GAINED;
}

static int attribute_set_by_descriptor(struct scene *s)
{
	KNOWN(fsetxattr(STEP(open(at(s, "file"), O_RDONLY)), "user.mine", "x", 1, 0));
	return GAINED;
}

static int attribute_of_bpf(struct scene *s)
{
	KNOWN(setxattr(at(s, "file"), "security.bpf.mine", "x", 1, 0));
	return GAINED;
}

static int capability_set(struct scene *s)
{
	/* VFS_CAP_REVISION_2 with CAP_SYS_ADMIN. */
	uint32_t data[5] = { 0x02000001, 1 << 21 };

	TRY(setxattr(at(s, "prog"), "security.capability", data, sizeof(data), 0));
	return GAINED;
}

static int attribute_removed(struct scene *s)
{
	KNOWN(removexattr(at(s, "file"), "user.laid"));
	return GAINED;
}

static int lay_attribute(const char *folder, const char *tree)
{
	(void)tree;
	/* Not every file system has them, which the controls find out. */
	if (setxattr(below(folder, "file"), "user.laid", "x", 1, 0) && errno != EOPNOTSUPP)
		return BROKEN;
	return 0;
}

/* user::rw-, group::r--, other::r-- and a user's entry with its mask. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[5];
} list = { 2, { { 1, 6, -1 }, { 2, 7, 1 }, { 4, 4, -1 }, { 0x10, 7, -1 }, { 0x20, 4, -1 } } };

static int lay_list(const char *folder, const char *tree)
{
	(void)tree;
	if (setxattr(below(folder, "file"), "system.posix_acl_access", &list, sizeof(list), 0) && errno != EOPNOTSUPP)
		return BROKEN;
	return 0;
}

static int list_got(struct scene *s)
{
	char value[64];

	KNOWN(getxattr(at(s, "file"), "system.posix_acl_access", value, sizeof(value)));
	return GAINED;
}

static int list_set(struct scene *s)
{
	KNOWN(setxattr(at(s, "file"), "system.posix_acl_access", &list, sizeof(list), 0));
	return GAINED;
}

static int list_removed(struct scene *s)
{
	if (removexattr(at(s, "file"), "system.posix_acl_access") == 0)
		return GAINED;
	/* There is none; most file systems do not mind. */
	return s->control && (errno == ENODATA || errno == EOPNOTSUPP) ? UNAVAILABLE : -errno;
}

static int flags_set(struct scene *s)
{
	int fd = STEP(open(at(s, "file"), O_RDONLY)), flags = 0x80 /* FS_NOATIME_FL */;

	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0)
		return GAINED;
	return s->control && errno == ENOTTY ? UNAVAILABLE : -errno;
}

static int extended_flags_set(struct scene *s)
{
	struct fsxattr flags = { .fsx_xflags = 0x40 /* FS_XFLAG_NOATIME */ };
	int fd = STEP(open(at(s, "file"), O_RDONLY));

	if (ioctl(fd, FS_IOC_FSSETXATTR, &flags) == 0)
		return GAINED;
	return s->control && (errno == ENOTTY || errno == EOPNOTSUPP) ? UNAVAILABLE : -errno;
}

static int flags_set_by_name(struct scene *s)
{
	/* file_setattr(2), of 6.17 */
	uint64_t attr[3] = { 0x40 };

	KNOWN(syscall(469, AT_FDCWD, at(s, "file"), attr, sizeof(attr), 0));
	return GAINED;
}

static int stat_by_name(struct scene *s)
{
	struct stat st;

	TRY(stat(at(s, "file"), &st));
	return GAINED;
}

static int statx_by_name(struct scene *s)
{
	struct statx st;

	TRY(statx(AT_FDCWD, at(s, "file"), AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_ALL, &st));
	return st.stx_size || st.stx_mtime.tv_sec ? GAINED : NOTHING;
}

static int statx_of_reached(struct scene *s)
{
	struct statx st;
	int fd = TRY(open(at(s, "file"), O_PATH));

	TRY(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &st));
	return GAINED;
}

static int access_by_name(struct scene *s)
{
	TRY(access(at(s, "file"), R_OK));
	return GAINED;
}

static int access_effective(struct scene *s)
{
	TRY(syscall(SYS_faccessat2, AT_FDCWD, at(s, "file"), R_OK, AT_EACCESS));
	return GAINED;
}

static int access_of_reached(struct scene *s)
{
	int fd = TRY(open(at(s, "file"), O_PATH));

	TRY(syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH));
	return GAINED;
}

static int attribute_got(struct scene *s)
{
	char value[16];

	KNOWN(getxattr(at(s, "file"), "user.laid", value, sizeof(value)));
	return GAINED;
}

static int attributes_listed(struct scene *s)
{
	char list[256];

	TRY(listxattr(at(s, "file"), list, sizeof(list)));
	return GAINED;
}

static int file_system_told(struct scene *s)
{
	struct statfs st;

	TRY(statfs(at(s, "file"), &st));
	return GAINED;
}

static int file_system_told_of_reached(struct scene *s)
{
	struct statfs st;
	int fd = TRY(open(at(s, "file"), O_PATH));

	TRY(fstatfs(fd, &st));
	return GAINED;
}

static int handle_told(struct scene *s)
{
	struct {
		unsigned int bytes;
		int type;
		unsigned char data[128];
	} handle = { .bytes = 128 };
	int mount;

	KNOWN(syscall(SYS_name_to_handle_at, AT_FDCWD, at(s, "file"), &handle, &mount, 0));
	return GAINED;
}

static int watched_directory(struct scene *s)
{
	int fd = STEP(inotify_init1(IN_NONBLOCK));

	TRY(inotify_add_watch(fd, at(s, "dir"), IN_ALL_EVENTS));
	return GAINED;
}

static int watched_file(struct scene *s)
{
	int fd = STEP(inotify_init1(IN_NONBLOCK));

	TRY(inotify_add_watch(fd, at(s, "file"), IN_ALL_EVENTS));
	return GAINED;
}

static int watched_reached(struct scene *s)
{
	int fd = STEP(inotify_init1(IN_NONBLOCK)), dir = TRY(open(at(s, "dir"), O_PATH));

	TRY(inotify_add_watch(fd, proc_fd(dir), IN_ALL_EVENTS));
	return GAINED;
}

static int watched_by_fanotify(struct scene *s)
{
	int fd = TRY(syscall(SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY));

	/* Not every file system tells files apart by handles. */
	KNOWN(syscall(SYS_fanotify_mark, fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, at(s, "file")));
	return GAINED;
}

static int noticed_by_signal(struct scene *s)
{
	int fd = TRY(open(at(s, "dir"), O_RDONLY | O_DIRECTORY));

	TRY(fcntl(fd, F_NOTIFY, DN_CREATE));
	return GAINED;
}

/* The accomplice listens there. */
static int connected(struct scene *s)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "stream" };
	int fd = STEP(socket(AF_UNIX, SOCK_STREAM, 0));

	STEP(chdir(s->base));
	TRY(connect(fd, (struct sockaddr *)&name, sizeof(name)));
	return GAINED;
}

static int sent_to(struct scene *s)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "packets" };
	int fd = STEP(socket(AF_UNIX, SOCK_DGRAM, 0));

	STEP(chdir(s->base));
	TRY(sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&name, sizeof(name)));
	return GAINED;
}

#define SERVED_SOCKET "a socket file of the mount that is served leads to nobody outside"

const struct attempt meta_attempts[] = {
	{ "chmod", 32, FROZEN, mode_by_name, "`chmod`", "`path_chmod`" },
	{ "fchmod", 32, FROZEN, mode_by_descriptor, "`fchmod` of a read-only descriptor", "`path_chmod`" },
	{ "chmod-proc-fd", 32, FROZEN, mode_by_reached, "`chmod` of `/proc/self/fd/N`", "`path_chmod`" },
	{ "fchmodat2", 0, FROZEN, mode_without_following, "`fchmodat2`", "`path_chmod`", .may_lack = true },
	{ "chown", 32, FROZEN, owner_by_name, "`chown`", "`path_chown`" },
	{ "fchown", 32, FROZEN, owner_by_descriptor, "`fchown` of a read-only descriptor", "`path_chown`" },
	{ "chown-reached", 32, FROZEN, owner_by_reached, "`fchownat` of an `O_PATH` descriptor", "`path_chown`" },
	{ "lchown", 32, FROZEN, owner_of_link, "`lchown` of a symbolic link", "`path_chown`" },
	{ "utime", 32, FROZEN, times_by_name, "`utime`", "`inode_setattr`" },
	{ "utime-now", 32, FROZEN, times_to_now, "`utimensat` to now", "`inode_setattr`" },
	{ "futimens", 32, FROZEN, times_by_descriptor, "`futimens` of a read-only descriptor", "`inode_setattr`" },
	{ "utime-link", 32, FROZEN, times_of_link, "`utimensat` of a symbolic link", "`inode_setattr`" },
	{ "utime-proc-fd", 32, FROZEN, times_of_reached, "`utimensat` of `/proc/self/fd/N`", "`inode_setattr`" },
	{ "utime-access-only", 32, FROZEN, access_time_by_noatime, "`utimensat` of the access time alone", "`inode_setattr`" },
	{ "setxattr", 31, FROZEN, attribute_set, "`setxattr`", "`inode_setxattr`", .may_lack = true },
	{ "fsetxattr", 31, FROZEN, attribute_set_by_descriptor, "`fsetxattr` of a read-only descriptor", "`inode_setxattr`",
	  .may_lack = true },
	{ "setxattr-bpf", 31, FROZEN, attribute_of_bpf, "`security.bpf.*`", "capabilities; `inode_setxattr`", .closed = true,
	  .may_lack = true,
	  .told = "frozen", .untold = BY_CAPABILITY },
	{ "setxattr-capability", 31, FROZEN, capability_set, "`security.capability` on a program",
	  "capabilities; `inode_setxattr`", .closed = true, .untold = BY_CAPABILITY },
	{ "removexattr", 31, FROZEN, attribute_removed, "`removexattr`", "`inode_removexattr`", .may_lack = true,
	  .lay = lay_attribute },
	{ "set-acl", 31, FROZEN, list_set, "setting an access control list", "`inode_set_acl`, `inode_setxattr` on 6.1",
	  .may_lack = true },
	{ "remove-acl", 31, FROZEN, list_removed, "removing one", "`inode_remove_acl`, `inode_removexattr` on 6.1",
	  .may_lack = true },
	{ "set-flags", 30, FROZEN, flags_set, "`FS_IOC_SETFLAGS` on a read-only descriptor", "`file_ioctl`", .may_lack = true },
	{ "set-xflags", 30, FROZEN, extended_flags_set, "`FS_IOC_FSSETXATTR` on a read-only descriptor", "`file_ioctl`",
	  .may_lack = true },
	{ "file-setattr", 30, FROZEN, flags_set_by_name, "`file_setattr`", "no kernel of the guests has it", .may_lack = true },
	{ "stat", 16, SEALED, stat_by_name, "`stat`", "`inode_getattr`" },
	{ "statx", 16, SEALED, statx_by_name, "`statx` without asking the file system", "`inode_getattr`; the server tells the kernel nothing to keep",
	  .also = NOTHING },
	{ "statx-reached", 16, SEALED, statx_of_reached, "`statx` of an `O_PATH` descriptor", "`inode_getattr`" },
	{ "access", 16, SEALED, access_by_name, "`access`", "`inode_permission`" },
	{ "access-effective", 16, SEALED, access_effective, "`faccessat2` with `AT_EACCESS`", "`inode_permission`" },
	{ "access-reached", 16, SEALED, access_of_reached, "`faccessat2` of an `O_PATH` descriptor", "`inode_permission`" },
	{ "getxattr", 16, SEALED, attribute_got, "`getxattr`", "`inode_getxattr`", .may_lack = true, .lay = lay_attribute },
	{ "get-acl", 16, SEALED, list_got, "reading an access control list", "`inode_get_acl`, `inode_getxattr` on 6.1",
	  .may_lack = true, .lay = lay_list },
	{ "listxattr", 16, SEALED, attributes_listed, "`listxattr`", "`inode_listxattr`" },
	{ "statfs", 16, SEALED, file_system_told, "`statfs`", "`sb_statfs`" },
	{ "statfs-reached", 16, SEALED, file_system_told_of_reached, "`fstatfs` of an `O_PATH` descriptor", "`sb_statfs`" },
	{ "handle-told", 21, SEALED, handle_told, "`name_to_handle_at`: the number of the object", "no hook", .may_lack = true,
	  .lsm = PINNED, .fuse = PINNED, .why = "it tells a number that opens nothing in a sandbox" },
	{ "inotify-dir", 33, SEALED, watched_directory, "`inotify_add_watch` of a directory", "`path_notify`; seccomp on fuse", .closed_on_fuse = true },
	{ "inotify-file", 33, SEALED, watched_file, "`inotify_add_watch` of a file", "`path_notify`; seccomp on fuse", .closed_on_fuse = true },
	{ "inotify-reached", 33, SEALED, watched_reached, "`inotify_add_watch` of `/proc/self/fd/N`", "`path_notify`; seccomp on fuse", .closed_on_fuse = true },
	{ "fanotify", 33, SEALED, watched_by_fanotify, "`fanotify_init`, `fanotify_mark`", "seccomp", .closed = true,
	  .may_lack = true, .untold = BY_SECCOMP },
	{ "dnotify", 33, SEALED, noticed_by_signal, "`F_NOTIFY`", "`file_open`" },
	{ "connect-socket", 0, FROZEN, connected, "`connect` to a socket file", "`unix_stream_connect`", .fuse = ABSENT,
	  .why = SERVED_SOCKET },
	{ "connect-alias", 0, FROZEN, connected, "`connect` to a second name of a socket file that was bound to an allowed one",
	  "the name that it was bound to is allowed", .lsm = PINNED, .fuse = ABSENT,
	  .why = SERVED_SOCKET "; elsewhere the kernel keeps the name that a socket was bound to and no other: deny that one" },
	{ "send-socket", 0, FROZEN, sent_to, "`sendto` to a socket file", "`unix_may_send`", .fuse = ABSENT,
	  .why = SERVED_SOCKET },
	{},
};
