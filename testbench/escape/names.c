/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Names that are made, moved and removed, so that an object gets another one or a name another object. */
#include "scene.h"

#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/un.h>

static int linked_out(struct scene *s)
{
	TRY(link(at(s, "file"), aside(s, "out")));
	return open_secret(AT_FDCWD, aside(s, "out"), O_RDONLY);
}

static int linked_out_from_frozen(struct scene *s)
{
	int fd;

	TRY(link(at(s, "file"), aside(s, "out")));
	fd = TRY(open(aside(s, "out"), O_WRONLY));
	return scribble(fd);
}

static int linked_by_descriptor(struct scene *s)
{
	int fd = TRY(open(at(s, "file"), O_PATH));

	TRY(linkat(AT_FDCWD, proc_fd(fd), AT_FDCWD, aside(s, "out"), AT_SYMLINK_FOLLOW));
	return open_secret(AT_FDCWD, aside(s, "out"), O_RDONLY);
}

static int linked_by_empty_path(struct scene *s)
{
	int fd = TRY(open(at(s, "file"), O_PATH));

	TRY(linkat(fd, "", AT_FDCWD, aside(s, "out"), AT_EMPTY_PATH));
	return open_secret(AT_FDCWD, aside(s, "out"), O_RDONLY);
}

static int linked_symlink(struct scene *s)
{
	TRY(link(at(s, "link"), aside(s, "out")));
	return GAINED;
}

static int linked_in(struct scene *s)
{
	TRY(link(aside(s, "mine"), at(s, "in")));
	return GAINED;
}

static int lay_alias(const char *folder, const char *tree)
{
	char alias[PATH_MAX];

	(void)tree;
	/* Where everything is allowed, beside the folder's namesake. */
	snprintf(alias, sizeof(alias), "%s/../../attack/hard-link-before.side/alias-of-%s", folder, tree);
	STEP(link(below(folder, "file"), alias));
	return 0;
}

static int linked_before(struct scene *s)
{
	char name[64];

	snprintf(name, sizeof(name), "alias-of-%s", s->tree);
	if (s->outside)
		return open_secret(AT_FDCWD, at(s, "../../attack/hard-link-before.side/alias-of-control"), O_RDONLY);
	return open_secret(AT_FDCWD, below("/attack/hard-link-before.side", name), O_RDONLY);
}

static int renamed(struct scene *s, const char *what, unsigned int flags, bool there)
{
	if (there)
		STEP(put_text(aside(s, "out"), "mine\n"));
	TRY(renameat2(AT_FDCWD, at(s, what), AT_FDCWD, aside(s, "out"), flags));
	return GAINED;
}

static int renamed_out(struct scene *s)
{
	return renamed(s, "file", 0, false);
}

static int renamed_over(struct scene *s)
{
	return renamed(s, "file", 0, true);
}

static int renamed_noreplace(struct scene *s)
{
	return renamed(s, "file", RENAME_NOREPLACE, false);
}

static int renamed_exchange(struct scene *s)
{
	return renamed(s, "file", RENAME_EXCHANGE, true);
}

/* An overlay lets no directory of a lower layer be renamed. */
static int of_directory(const struct scene *s, int got)
{
	return s->outside && got == -EXDEV ? UNAVAILABLE : got;
}

static int renamed_directory(struct scene *s)
{
	return of_directory(s, renamed(s, "dir", 0, false));
}

static int renamed_symlink(struct scene *s)
{
	return renamed(s, "link", 0, false);
}

static int renamed_whiteout(struct scene *s)
{
	int got = renamed(s, "other", RENAME_WHITEOUT, false);

	return s->outside && got == -EINVAL ? UNAVAILABLE : got;
}

static int exchanged_from_the_side(struct scene *s)
{
	TRY(renameat2(AT_FDCWD, aside(s, "mine"), AT_FDCWD, at(s, "file"), RENAME_EXCHANGE));
	return open_secret(AT_FDCWD, aside(s, "mine"), O_RDONLY);
}

static int exchanged_directories(struct scene *s)
{
	STEP(mkdir(aside(s, "dir"), 0755));
	if (renameat2(AT_FDCWD, aside(s, "dir"), AT_FDCWD, at(s, "dir"), RENAME_EXCHANGE))
		return of_directory(s, -errno);
	return open_secret(AT_FDCWD, aside(s, "dir/inner"), O_RDONLY);
}

static int renamed_in_over(struct scene *s)
{
	TRY(rename(aside(s, "mine"), at(s, "file")));
	return GAINED;
}

static int renamed_in_beside(struct scene *s)
{
	TRY(rename(aside(s, "mine"), at(s, "new")));
	return GAINED;
}

static int renamed_within(struct scene *s)
{
	TRY(rename(at(s, "other"), at(s, "file")));
	return GAINED;
}

static int exchanged_within(struct scene *s)
{
	TRY(renameat2(AT_FDCWD, at(s, "other"), AT_FDCWD, at(s, "file"), RENAME_EXCHANGE));
	return GAINED;
}

static int prepared_directory_moved_in(struct scene *s)
{
	/* Forbidden names are made elsewhere and moved to where they are forbidden. */
	STEP(mkdir(aside(s, "new"), 0755));
	STEP(put_text(aside(s, "new/forbidden"), "mine\n"));
	TRY(rename(aside(s, "new"), at(s, "new")));
	return GAINED;
}

static int removed_and_made_again(struct scene *s)
{
	TRY(unlink(at(s, "file")));
	TRY(put_text(at(s, "file"), "mine\n"));
	return GAINED;
}

static int removed_directory(struct scene *s)
{
	TRY(rmdir(at(s, "empty")));
	return GAINED;
}

static int removed_by_rmdir_at(struct scene *s)
{
	int dir = TRY(open(s->base, O_PATH));

	TRY(unlinkat(dir, "empty", AT_REMOVEDIR));
	return GAINED;
}

static int removed_at_descriptor(struct scene *s)
{
	int dir = TRY(open(at(s, "dir"), O_PATH));

	TRY(unlinkat(dir, "../file", 0));
	return GAINED;
}

static int made_file(struct scene *s)
{
	TRY(open(at(s, "new"), O_RDONLY | O_CREAT, 0644));
	return GAINED;
}

static int made_by_creat(struct scene *s)
{
	TRY(creat(at(s, "new"), 0644));
	return GAINED;
}

static int made_through_dangling_link(struct scene *s)
{
	STEP(symlink(at(s, "new"), aside(s, "way")));
	TRY(open(aside(s, "way"), O_WRONLY | O_CREAT, 0644));
	return GAINED;
}

static int made_directory(struct scene *s)
{
	TRY(mkdir(at(s, "new"), 0755));
	return GAINED;
}

static int made_symlink(struct scene *s)
{
	TRY(symlink("anywhere", at(s, "new")));
	return GAINED;
}

static int made_fifo(struct scene *s)
{
	TRY(mkfifo(at(s, "new"), 0644));
	return GAINED;
}

static int made_by_mknod(struct scene *s)
{
	TRY(mknod(at(s, "new"), S_IFREG | 0644, 0));
	return GAINED;
}

static int made_whiteout(struct scene *s)
{
	/* A character device 0:0 takes no privilege, but on an overlay, which it would confuse. */
	if (mknod(at(s, "new"), S_IFCHR | 0644, 0))
		return s->outside && errno == EPERM ? UNAVAILABLE : -errno;
	return GAINED;
}

static int made_device(struct scene *s)
{
	TRY(mknod(aside(s, "new"), S_IFCHR | 0666, (1 << 8) | 1 /* /dev/mem */));
	return GAINED;
}

static int made_disk(struct scene *s)
{
	TRY(mknod(aside(s, "new"), S_IFBLK | 0666, (7 << 8) /* /dev/loop0 */));
	return GAINED;
}

static int made_socket(struct scene *s)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = STEP(socket(AF_UNIX, SOCK_STREAM, 0));

	snprintf(name.sun_path, sizeof(name.sun_path), "%.100s", at(s, "new"));
	TRY(bind(fd, (struct sockaddr *)&name, sizeof(name)));
	return GAINED;
}

static int nameless_linked_in(struct scene *s)
{
	int fd = open(s->side, O_TMPFILE | O_RDWR, 0644);

	if (fd < 0)
		return errno == EOPNOTSUPP || errno == EISDIR ? UNAVAILABLE : BROKEN;
	STEP(write(fd, "mine\n", 5));
	TRY(linkat(AT_FDCWD, proc_fd(fd), AT_FDCWD, at(s, "new"), AT_SYMLINK_FOLLOW));
	return GAINED;
}

static int nameless_made(struct scene *s)
{
	int fd = open(s->base, O_TMPFILE | O_RDWR, 0644);

	if (fd < 0 && s->control && (errno == EOPNOTSUPP || errno == EISDIR))
		return UNAVAILABLE;
	TRY(fd);
	TRY(linkat(AT_FDCWD, proc_fd(fd), AT_FDCWD, aside(s, "new"), AT_SYMLINK_FOLLOW));
	return GAINED;
}

const struct attempt names_attempts[] = {
	{ "hard-link-before", 2, SEALED, linked_before, "a second name that was there before the sandbox",
	  "objects are names: the allowed name is allowed", .lsm = PINNED, .fuse = PINNED, .lay = lay_alias,
	  .why = "a file is judged under the name that is used; find such names with `find -links +1` first" },
	{ "link-out", 3, SEALED, linked_out, "`link` of the file into an allowed folder", "`path_link`, no gain by moves" },
	{ "link-out-to-write", 3, FROZEN, linked_out_from_frozen, "the same, to write through the new name",
	  "`path_link`, no gain by moves" },
	{ "link-out-proc-fd", 3, SEALED, linked_by_descriptor, "`linkat` of `/proc/self/fd/N`", "`path_link`, no gain by moves" },
	{ "link-out-empty-path", 0, SEALED, linked_by_empty_path, "`linkat` of an `O_PATH` descriptor, `AT_EMPTY_PATH`",
	  "capabilities; `path_link`", .closed = true, .told = "sealed", .untold = BY_CAPABILITY },
	{ "link-out-symlink", 3, SEALED, linked_symlink, "`link` of a symbolic link", "`path_link`, no gain by moves" },
	{ "link-in", 3, FROZEN, linked_in, "`link` of another file into the folder", "`path_link`: `create` there" },
	{ "rename-out", 3, SEALED, renamed_out, "`rename` of the file into an allowed folder", "`path_rename`, no gain by moves" },
	{ "rename-out-over", 3, SEALED, renamed_over, "`rename` over a file there", "`path_rename`, no gain by moves" },
	{ "rename-noreplace", 0, SEALED, renamed_noreplace, "`RENAME_NOREPLACE`", "`path_rename`, no gain by moves" },
	{ "rename-exchange", 0, SEALED, renamed_exchange, "`RENAME_EXCHANGE` with a file of one's own",
	  "`path_rename`, both ways" },
	{ "rename-exchange-back", 0, SEALED, exchanged_from_the_side, "`RENAME_EXCHANGE` from the other end",
	  "`path_rename`, both ways" },
	{ "rename-exchange-dirs", 0, SEALED, exchanged_directories, "`RENAME_EXCHANGE` of directories",
	  "`path_rename`, both ways", .may_lack = true },
	{ "rename-whiteout", 0, NOWHERE, renamed_whiteout, "`RENAME_WHITEOUT`, where every rename is allowed", "seccomp",
	  .may_lack = true },
	{ "rename-dir-out", 3, SEALED, renamed_directory, "`rename` of a directory into an allowed one",
	  "`path_rename`, subtree facts", .may_lack = true },
	{ "rename-symlink-out", 3, SEALED, renamed_symlink, "`rename` of a symbolic link", "`path_rename`, no gain by moves" },
	{ "rename-in-over", 36, FROZEN, renamed_in_over, "a file of one's own moved over a protected one",
	  "`path_rename`: `unlink` and `create` there" },
	{ "rename-in-beside", 36, FROZEN, renamed_in_beside, "a file of one's own moved in", "`path_rename`: `create` there" },
	{ "rename-within", 36, FROZEN, renamed_within, "`rename` within the folder", "`path_rename`" },
	{ "exchange-within", 0, FROZEN, exchanged_within, "`RENAME_EXCHANGE` within the folder", "`path_rename`" },
	{ "dir-prepared", 0, FROZEN, prepared_directory_moved_in, "forbidden names prepared elsewhere and moved in",
	  "`path_rename`, subtree facts" },
	{ "unlink-and-create", 36, FROZEN, removed_and_made_again, "`unlink`, then a new file of that name", "`path_unlink`" },
	{ "rmdir", 36, FROZEN, removed_directory, "`rmdir`", "`path_rmdir`" },
	{ "rmdir-at", 36, FROZEN, removed_by_rmdir_at, "`unlinkat` with `AT_REMOVEDIR` at an `O_PATH` directory", "`path_rmdir`" },
	{ "unlink-at", 36, FROZEN, removed_at_descriptor, "`unlinkat` of `../file`", "`path_unlink`" },
	{ "create", 37, FROZEN, made_file, "`open` with `O_CREAT`", "`path_mknod`" },
	{ "creat", 37, FROZEN, made_by_creat, "`creat`", "`path_mknod`" },
	{ "create-through-link", 37, FROZEN, made_through_dangling_link, "`O_CREAT` through a link that leads nowhere yet",
	  "`path_mknod`" },
	{ "mkdir", 37, FROZEN, made_directory, "`mkdir`", "`path_mkdir`" },
	{ "symlink", 37, FROZEN, made_symlink, "`symlink`", "`path_symlink`" },
	{ "mkfifo", 37, FROZEN, made_fifo, "`mkfifo`", "`path_mknod`" },
	{ "mknod-file", 37, FROZEN, made_by_mknod, "`mknod` of a regular file", "`path_mknod`" },
	{ "mknod-whiteout", 0, FROZEN, made_whiteout, "`mknod` of the character device 0:0", "`path_mknod`",
	  .may_lack = true },
	{ "mknod-memory", 34, NOWHERE, made_device, "`mknod` of `/dev/mem`", "capabilities" },
	{ "mknod-disk", 34, NOWHERE, made_disk, "`mknod` of a disk", "capabilities" },
	{ "bind-socket", 37, FROZEN, made_socket, "`bind` of a Unix socket", "`path_mknod`" },
	{ "tmpfile-linked-in", 0, FROZEN, nameless_linked_in, "`O_TMPFILE`, linked to a forbidden name", "`path_link`",
	  .may_lack = true },
	{ "tmpfile-linked-out", 0, FROZEN, nameless_made, "`O_TMPFILE` in a forbidden folder", "`file_open`: `create`",
	  .may_lack = true },
	{},
};
