/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Other ways to the same object: spellings, descriptors, /proc, handles. */
#include "scene.h"

#include <linux/openat2.h>
#include <sched.h>
#include <sys/ioctl.h>

static int directly(struct scene *s)
{
	return open_secret(AT_FDCWD, at(s, "file"), O_RDONLY);
}

static int by_dots(struct scene *s)
{
	static const char *const spellings[] = { "dir/../file", "./file", "/file", "dir/.././/file", "dir/../dir/./inner" };

	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		int got = open_secret(AT_FDCWD, at(s, spellings[i]), O_RDONLY);

		if (got != (s->control ? GAINED : -EACCES))
			return got;
	}
	return s->control ? GAINED : -EACCES;
}

static int by_trailing_slash(struct scene *s)
{
	TRY(open(at(s, "dir/"), O_RDONLY));
	TRY(open(at(s, "dir//."), O_RDONLY | O_DIRECTORY));
	return GAINED;
}

static int by_parent_of_link(struct scene *s)
{
	STEP(symlink(at(s, "dir"), aside(s, "way")));
	return open_secret(AT_FDCWD, aside(s, "way/../file"), O_RDONLY);
}

static int by_symlink(struct scene *s)
{
	STEP(symlink(at(s, "file"), aside(s, "way")));
	return open_secret(AT_FDCWD, aside(s, "way"), O_RDONLY);
}

static int by_link_inside(struct scene *s)
{
	return open_secret(AT_FDCWD, at(s, "link"), O_RDONLY);
}

static int by_chain_of_links(struct scene *s)
{
	char from[16], to[16];

	STEP(symlink(at(s, "file"), aside(s, "0")));
	for (int i = 1; i < 38; i++) {
		snprintf(from, sizeof(from), "%d", i);
		snprintf(to, sizeof(to), "%d", i - 1);
		STEP(symlink(to, aside(s, from)));
	}
	return open_secret(AT_FDCWD, aside(s, "37"), O_RDONLY);
}

static int by_proc_self_fd(struct scene *s)
{
	int fd = TRY(open(at(s, "file"), O_PATH));
	int again = TRY(reopen(fd, O_RDONLY));

	return read_secret(again);
}

static int by_dev_fd(struct scene *s)
{
	char path[64];
	int fd = TRY(open(at(s, "file"), O_PATH));

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	return open_secret(AT_FDCWD, path, O_RDONLY);
}

static int reopen_as_writer(struct scene *s)
{
	int fd = STEP(open(at(s, "file"), O_RDONLY));
	int again = TRY(reopen(fd, O_RDWR));

	return scribble(again);
}

static int reopen_reached_as_writer(struct scene *s)
{
	int fd = STEP(open(at(s, "file"), O_PATH));
	int again = TRY(reopen(fd, O_WRONLY));

	return scribble(again);
}

static int reopen_truncating(struct scene *s)
{
	int fd = STEP(open(at(s, "file"), O_RDONLY));

	TRY(reopen(fd, O_RDONLY | O_TRUNC));
	return GAINED;
}

static int by_own_root(struct scene *s)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/self/root%s", at(s, "file"));
	return open_secret(AT_FDCWD, path, O_RDONLY);
}

static int by_threads_root(struct scene *s)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/self/task/%d/root%s", getpid(), at(s, "file"));
	return open_secret(AT_FDCWD, path, O_RDONLY);
}

static int by_own_cwd(struct scene *s)
{
	TRY(chdir(at(s, "dir")));
	return open_secret(AT_FDCWD, "/proc/self/cwd/inner", O_RDONLY);
}

static int by_cwd_of_child(struct scene *s)
{
	char path[64];
	int ends[2];
	pid_t child;

	STEP(pipe(ends));
	child = STEP(fork());
	if (child == 0) {
		int got = chdir(at(s, "dir"));

		if (write(ends[1], &got, sizeof(got)) > 0)
			pause();
		_exit(1);
	}
	if (read(ends[0], path, sizeof(int)) != sizeof(int))
		return BROKEN;
	snprintf(path, sizeof(path), "/proc/%d/cwd/inner", child);
	return open_secret(AT_FDCWD, path, O_RDONLY);
}

static int by_fchdir(struct scene *s)
{
	int dir = TRY(open(at(s, "dir"), O_PATH | O_DIRECTORY));

	TRY(fchdir(dir));
	return open_secret(AT_FDCWD, "inner", O_RDONLY);
}

static int by_chdir(struct scene *s)
{
	TRY(chdir(at(s, "dir")));
	return open_secret(AT_FDCWD, "../file", O_RDONLY);
}

static int by_directory_descriptor(struct scene *s)
{
	int dir = TRY(open(at(s, "dir"), O_PATH | O_DIRECTORY));

	return open_secret(dir, "../dir/inner", O_RDONLY);
}

static int resolving(struct scene *s, const char *from, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = flags };
	int dir = TRY(open(from, O_PATH | O_DIRECTORY));
	int fd = TRY(syscall(SYS_openat2, dir, path, &how, sizeof(how)));

	(void)s;
	return read_secret(fd);
}

static int by_resolve_beneath(struct scene *s)
{
	return resolving(s, s->base, "dir/../file", RESOLVE_BENEATH);
}

static int by_resolve_in_root(struct scene *s)
{
	return resolving(s, s->base, "/../../file", RESOLVE_IN_ROOT);
}

static int by_resolve_without_links(struct scene *s)
{
	return resolving(s, s->base, "file", RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

static int by_resolve_cached(struct scene *s)
{
	struct stat st;
	int got = -EAGAIN;

	for (int i = 0; i < 100 && got == -EAGAIN; i++) {
		/* So that the names are in the cache, and known; what it gives does not matter. */
		stat(at(s, "file"), &st);
		got = resolving(s, s->base, "file", RESOLVE_CACHED);
	}
	return got;
}

static int by_longest_path(struct scene *s)
{
	char path[PATH_MAX];
	size_t length = strlen(s->base), end = PATH_MAX - 1 - strlen("/file");

	memcpy(path, s->base, length);
	while (length + 2 <= end) {
		memcpy(path + length, "/.", 2);
		length += 2;
	}
	if (length < end)
		path[length++] = '/';
	memcpy(path + length, "/file", 6);
	return open_secret(AT_FDCWD, path, O_RDONLY);
}

static int for_executing(struct scene *s)
{
	/* Every bit of an open's flags that this kernel may know: none may lead past the judging. */
	for (int bit = 2; bit < 31; bit++) {
		int flag = 1 << bit, fd;

		if (flag & (O_CREAT | O_EXCL | O_TRUNC | O_PATH | O_DIRECTORY | __O_TMPFILE))
			continue;
		fd = open(at(s, "file"), O_RDONLY | flag);
		if (fd >= 0 && read_secret(fd) == GAINED && !s->control)
			return GAINED;
	}
	return s->control ? GAINED : -EACCES;
}

static int access_mode_three(struct scene *s)
{
	/* Neither for reading nor for writing, as for ioctl() alone. */
	int fd = TRY(open(at(s, "file"), 3));
	int flags;

	TRY(ioctl(fd, 0x80086601 /* FS_IOC_GETFLAGS */, &flags));
	return GAINED;
}

static int reading_link(struct scene *s)
{
	char text[64];

	return TRY(readlink(at(s, "link"), text, sizeof(text))) > 0 ? GAINED : NOTHING;
}

static int reading_link_of_descriptor(struct scene *s)
{
	char text[64];
	int fd = TRY(open(at(s, "link"), O_PATH | O_NOFOLLOW));

	return TRY(readlinkat(fd, "", text, sizeof(text))) > 0 ? GAINED : NOTHING;
}

static int stat_of_reached(struct scene *s)
{
	struct stat st;
	int fd = TRY(open(at(s, "file"), O_PATH));

	TRY(fstat(fd, &st));
	return st.st_size == CONTENT_LENGTH ? GAINED : NOTHING;
}

static int stat_of_proc_fd(struct scene *s)
{
	struct stat st;
	int fd = TRY(open(at(s, "file"), O_PATH));

	TRY(stat(proc_fd(fd), &st));
	return st.st_size == CONTENT_LENGTH ? GAINED : NOTHING;
}

static int length_told_by_proc(struct scene *s)
{
	/* fdinfo tells position, flags and mount of a descriptor, and nothing of its file. */
	char path[64], text[512] = {};
	int fd = TRY(open(at(s, "file"), O_PATH)), info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = STEP(open(path, O_RDONLY));
	STEP(read(info, text, sizeof(text) - 1));
	return strstr(text, "8192") ? GAINED : NOTHING;
}

struct handle {
	unsigned int bytes;
	int type;
	unsigned char data[128];
};

static int by_handle(struct scene *s)
{
	struct handle handle = { .bytes = sizeof(handle.data) };
	int mount, fd, got;

	got = syscall(SYS_name_to_handle_at, AT_FDCWD, at(s, "file"), &handle, &mount, 0);
	if (got < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == EOVERFLOW) && s->outside)
		return UNAVAILABLE;
	fd = STEP(open(s->side, O_RDONLY | O_DIRECTORY));
	got = TRY(syscall(SYS_open_by_handle_at, fd, &handle, O_RDONLY));
	return read_secret(got);
}

static int by_map_files(struct scene *s)
{
	char path[128];
	int fd = STEP(open(at(s, "file"), O_RDONLY));
	char *map = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return BROKEN;
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (long)map, (long)map + 4096);
	fd = TRY(open(path, O_RDWR));
	return scribble(fd);
}

static int by_exe_when_it_has_ended(struct scene *s)
{
	char path[64], byte = 0;
	int input[2], exe, again;
	pid_t child;

	STEP(pipe(input));
	child = STEP(fork());
	if (child == 0) {
		dup2(input[0], 0);
		close(input[1]);
		execl(at(s, "prog"), "prog", NULL);
		_exit(errno);
	}
	snprintf(path, sizeof(path), "/proc/%d/exe", child);
	for (;;) {
		char target[PATH_MAX];
		ssize_t length = STEP(readlink(path, target, sizeof(target) - 1));

		target[length] = 0;
		if (strstr(target, "/prog"))
			break;
		sched_yield();
	}
	exe = STEP(open(path, O_RDONLY));
	STEP(write(input[1], &byte, 1));
	if (await_run(child) != GAINED)
		return BROKEN;
	again = TRY(reopen(exe, O_WRONLY));
	return scribble(again);
}

static int by_init(struct scene *s)
{
	static const char *const doors[] = { "root", "cwd", "exe", "environ", "maps", "fd/0", "ns/mnt", "auxv",
					     "syscall", "stack" };
	char path[PATH_MAX];
	int found = 0;

	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/1/%s", doors[i]);
		fd = open(path, O_RDONLY | O_NONBLOCK);
		/* Some of them open for everybody, and then give nothing. */
		errno = 0;
		if (fd < 0 || (read(fd, path, 1) < 1 && errno != EISDIR && errno != EINVAL))
			continue;
		if (!s->outside)
			return GAINED;
		found++;
	}
	if (s->outside)
		return found ? GAINED : UNAVAILABLE;
	return -EACCES;
}

static int by_roots_of_all(struct scene *s)
{
	char path[PATH_MAX];
	struct stat own, other;

	STEP(stat("/", &own));
	/* The pids of a sandbox are small. */
	for (int pid = 1; pid < 4096; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/root/.", pid);
		if (stat(path, &other) == 0 && (other.st_ino != own.st_ino || other.st_dev != own.st_dev))
			return GAINED;
	}
	(void)s;
	return -ENOENT;
}

const struct attempt reach_attempts[] = {
	{ "open-directly", 1, SEALED, directly, "open the file", "`file_open`" },
	{ "open-by-dots", 1, SEALED, by_dots, "`dir/../file`, `./file`, `//file`", "names are walked from the object up" },
	{ "open-trailing-slash", 1, SEALED, by_trailing_slash, "`dir/`, `dir//.`", "names are walked from the object up" },
	{ "open-dots-behind-link", 1, SEALED, by_parent_of_link, "`link/../file`, where the link leads elsewhere",
	  "names are walked from the object up" },
	{ "open-by-symlink", 0, SEALED, by_symlink, "a symbolic link from an allowed folder", "`file_open`" },
	{ "open-by-link-beside", 0, SEALED, by_link_inside, "a symbolic link that is denied itself", "`file_open`" },
	{ "open-by-link-chain", 0, SEALED, by_chain_of_links, "38 symbolic links, one behind the other", "`file_open`" },
	{ "reopen-reached-file", 12, SEALED, by_proc_self_fd, "`O_PATH`, then `/proc/self/fd/N`", "`file_open`" },
	{ "reopen-by-thread", 12, SEALED, by_dev_fd, "`O_PATH`, then `/proc/thread-self/fd/N`", "`file_open`" },
	{ "reopen-as-writer", 12, FROZEN, reopen_as_writer, "a read-only descriptor opened again for writing", "`file_open`" },
	{ "reopen-reached-as-writer", 12, FROZEN, reopen_reached_as_writer, "an `O_PATH` descriptor opened for writing",
	  "`file_open`" },
	{ "reopen-truncating", 12, FROZEN, reopen_truncating, "a read-only descriptor opened again with `O_TRUNC`",
	  "`file_open`" },
	{ "proc-self-root", 13, SEALED, by_own_root, "`/proc/self/root/…`", "`file_open`" },
	{ "proc-task-root", 13, SEALED, by_threads_root, "`/proc/self/task/TID/root/…`", "`file_open`" },
	{ "proc-self-cwd", 13, SEALED, by_own_cwd, "`/proc/self/cwd/…`", "`file_open`" },
	{ "proc-child-cwd", 13, SEALED, by_cwd_of_child, "`/proc/PID/cwd/…` of a child", "`file_open`" },
	{ "proc-init-doors", 13, NOWHERE, by_init, "`/proc/1/root`, `cwd`, `mem`, `environ`, `fd`, `ns`",
	  "`ptrace_access_check`, undumpable", .may_lack = true },
	{ "proc-all-roots", 13, NOWHERE, by_roots_of_all, "the root of any visible process is another one",
	  "pid namespace", .uncontrolled = true },
	{ "map-files", 15, FROZEN, by_map_files, "`/proc/self/map_files/…` opened for writing", "capabilities of the machine's",
	  .closed = true, .untold = BY_CAPABILITY },
	{ "exe-after-exit", 15, FROZEN, by_exe_when_it_has_ended, "`/proc/PID/exe`, opened for writing when nothing runs it",
	  "`file_open`" },
	{ "stat-reached", 16, SEALED, stat_of_reached, "`fstat` of an `O_PATH` descriptor", "`inode_getattr`" },
	{ "stat-proc-fd", 16, SEALED, stat_of_proc_fd, "`stat` of `/proc/self/fd/N`", "`inode_getattr`" },
	{ "readlink", 16, SEALED, reading_link, "`readlink`", "`inode_readlink`" },
	{ "readlink-reached", 16, SEALED, reading_link_of_descriptor, "`readlinkat` of an `O_PATH` descriptor",
	  "`inode_readlink`" },
	{ "fdinfo-of-reached", 16, NOWHERE, length_told_by_proc, "the length in `/proc/self/fdinfo`", "not told there",
	  .uncontrolled = true, .also = NOTHING },
	{ "fchdir-then-relative", 17, SEALED, by_fchdir, "`fchdir`, then a relative name", "`file_open`" },
	{ "chdir-then-relative", 17, SEALED, by_chdir, "`chdir`, then `../file`", "`file_open`" },
	{ "openat-of-reached", 17, SEALED, by_directory_descriptor, "`openat` of an `O_PATH` directory", "`file_open`" },
	{ "openat2-beneath", 0, SEALED, by_resolve_beneath, "`openat2` with `RESOLVE_BENEATH`", "`file_open`" },
	{ "openat2-in-root", 0, SEALED, by_resolve_in_root, "`openat2` with `RESOLVE_IN_ROOT`", "`file_open`" },
	{ "openat2-no-links", 0, SEALED, by_resolve_without_links, "`openat2` without links of any kind", "`file_open`" },
	{ "openat2-cached", 0, SEALED, by_resolve_cached, "`openat2` with `RESOLVE_CACHED`", "`file_open`",
	  .also = -EAGAIN, .fuse = ABSENT, .why = "the server wants every name asked, so none is cached" },
	{ "open-longest-path", 0, SEALED, by_longest_path, "a path of 4095 bytes", "`file_open`" },
	{ "open-any-flag", 0, SEALED, for_executing, "every flag of `open`, also unknown ones", "`file_open`" },
	{ "open-mode-three", 0, SEALED, access_mode_three, "access mode 3, for `ioctl` alone", "`file_open`", .also = -ENOTTY },
	{ "handle", 21, SEALED, by_handle, "`name_to_handle_at`, `open_by_handle_at`", "seccomp", .closed = true,
	  .may_lack = true, .untold = BY_SECCOMP },
	{},
};
