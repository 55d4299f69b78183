/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Running what may not be run. */
#include "scene.h"

#include <linux/memfd.h>
#include <sys/prctl.h>

/* Runs in a child, whose standard input is at its end. */
static int ran(int (*exec)(const void *), const void *argument)
{
	pid_t child = fork();

	if (child < 0)
		return BROKEN;
	if (child == 0) {
		int null[2];

		if (pipe(null) == 0) {
			dup2(null[0], 0);
			close(null[0]);
			close(null[1]);
		}
		exec(argument);
		_exit(errno);
	}
	return await_run(child);
}

static char *const words[] = { "prog", NULL }, *const no_environment[] = { NULL };

static int exec_path(const void *path)
{
	return execve(path, words, no_environment);
}

static int exec_fd(const void *fd)
{
	return (int)syscall(SYS_execveat, *(const int *)fd, "", words, no_environment, AT_EMPTY_PATH);
}

static int directly(struct scene *s)
{
	return ran(exec_path, at(s, "prog"));
}

static int by_descriptor(struct scene *s)
{
	int fd = STEP(open(at(s, "prog"), O_RDONLY));

	return ran(exec_fd, &fd);
}

static int by_reached(struct scene *s)
{
	int fd = STEP(open(at(s, "prog"), O_PATH));

	return ran(exec_fd, &fd);
}

static int by_proc_fd(struct scene *s)
{
	int fd = STEP(open(at(s, "prog"), O_RDONLY));

	return ran(exec_path, proc_fd(fd));
}

static int by_link(struct scene *s)
{
	STEP(symlink(at(s, "prog"), aside(s, "way")));
	return ran(exec_path, aside(s, "way"));
}

static int lay_script(const char *folder, const char *tree)
{
	char line[PATH_MAX];
	const char *inside = strstr(folder, strcmp(tree, "control") ? "/open/" : "/control/");

	/* In the sandbox the root is another one. */
	if (strcmp(tree, "control") == 0)
		inside = folder;
	else if (!inside)
		inside = strstr(folder, "/noexec/");
	snprintf(line, sizeof(line), "#!%s/prog\n", inside);
	STEP(put(below(folder, "script"), line, strlen(line), 0755));
	return 0;
}

static int as_interpreter(struct scene *s)
{
	return ran(exec_path, at(s, "script"));
}

/* A script that may be run, of an interpreter that may not. */
static int as_interpreter_of_own(struct scene *s)
{
	char line[PATH_MAX];

	snprintf(line, sizeof(line), "#!%s\n", at(s, "prog"));
	STEP(put(aside(s, "script"), line, strlen(line), 0755));
	return ran(exec_path, aside(s, "script"));
}

/* The program as the interpreter that an ELF file names. */
static int as_loader(struct scene *s)
{
	unsigned char file[512] = {
		0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 2, [18] = 0x3e, [20] = 1, [24] = 0x78, 0x00, 0x50, [32] = 64,
		[52] = 64, [54] = 56, [56] = 2,
		[64] = 1, [68] = 5, [80] = 0x00, 0x00, 0x50, [88] = 0x00, 0x00, 0x50, [97] = 2, [105] = 2, [113] = 0x10,
		/* PT_INTERP, of the bytes from 256 on */
		[120] = 3, [124] = 4, [128] = 0, 1, [144] = 0, 1, 0x50, [160] = 200,
	};

	snprintf((char *)file + 256, 200, "%s", at(s, "prog"));
	file[120 + 32] = strlen(at(s, "prog")) + 1;
	file[120 + 40] = file[120 + 32];
	STEP(put(aside(s, "loaded"), file, sizeof(file), 0755));
	return ran(exec_path, aside(s, "loaded"));
}

static int copied_to_memory(struct scene *s, unsigned int flags)
{
	char bytes[512];
	int from = STEP(open(at(s, "prog"), O_RDONLY));
	int to = (int)syscall(SYS_memfd_create, "prog", flags);

	if (to < 0)
		return errno == EINVAL ? UNAVAILABLE : BROKEN;
	STEP(write(to, bytes, STEP(read(from, bytes, sizeof(bytes)))));
	STEP(fchmod(to, 0755));
	return to;
}

static int from_memory(struct scene *s)
{
	int fd = copied_to_memory(s, MFD_CLOEXEC);

	return fd < 0 ? fd : ran(exec_fd, &fd);
}

static int from_memory_by_name(struct scene *s)
{
	int fd = copied_to_memory(s, 0);

	return fd < 0 ? fd : ran(exec_path, proc_fd(fd));
}

static int from_memory_made_executable(struct scene *s)
{
	int fd = copied_to_memory(s, 0x10 /* MFD_EXEC */ | MFD_ALLOW_SEALING);

	return fd < 0 ? fd : ran(exec_fd, &fd);
}

static int from_shared_memory(struct scene *s)
{
	char bytes[512];
	int from = STEP(open(at(s, "prog"), O_RDONLY));
	void *map;
	int fd = copied_to_memory(s, 0);

	(void)bytes;
	close(from);
	if (fd < 0)
		return fd;
	map = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? -errno : GAINED;
}

static int from_nameless_file(struct scene *s)
{
	char bytes[512];
	int from = STEP(open(at(s, "prog"), O_RDONLY)), to, reader;

	to = open(s->base, O_TMPFILE | O_RDWR, 0755);
	if (to < 0)
		return errno == EOPNOTSUPP || errno == EISDIR ? UNAVAILABLE : BROKEN;
	STEP(write(to, bytes, STEP(read(from, bytes, sizeof(bytes)))));
	reader = STEP(reopen(to, O_RDONLY));
	close(to);
	return ran(exec_fd, &reader);
}

/* A plane that is not asked of mappings is asked of their pages. */
static int touched(const volatile char *map)
{
	return map[0] == 0x7f ? GAINED : NOTHING;
}

static int mapped(struct scene *s, int first, int then)
{
	int fd = STEP(open(at(s, "prog"), O_RDONLY));
	void *map = mmap(0, 4096, first, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	if (then)
		TRY(mprotect(map, 4096, then));
	return touched(map);
}

static int mapped_as_code(struct scene *s)
{
	return mapped(s, PROT_READ | PROT_EXEC, 0);
}

static int made_code(struct scene *s)
{
	return mapped(s, PROT_READ, PROT_READ | PROT_EXEC);
}

static int made_code_after_writing(struct scene *s)
{
	int fd = STEP(open(at(s, "prog"), O_RDONLY));
	char *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		return BROKEN;
	map[4000] = 1;
	TRY(mprotect(map, 4096, PROT_READ | PROT_EXEC));
	return GAINED;
}

static int made_code_by_key(struct scene *s)
{
	int fd = STEP(open(at(s, "prog"), O_RDONLY));
	char *map = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		return BROKEN;
	TRY(syscall(SYS_pkey_mprotect, map, 4096, PROT_READ | PROT_EXEC, -1));
	return touched(map);
}

static int implied_code(struct scene *s)
{
	/* With this personality whatever is readable is executable. */
	int fd = STEP(open(at(s, "prog"), O_RDONLY));
	char *map, line[256];
	FILE *maps;
	unsigned long start;

	STEP(syscall(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */));
	map = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(line, sizeof(line), maps)) {
		char bits[8];

		if (sscanf(line, "%lx-%*x %7s", &start, bits) == 2 && start == (unsigned long)map)
			return bits[2] == 'x' ? touched(map) : NOTHING;
	}
	return BROKEN;
}

static int as_library(struct scene *s)
{
	/* uselib(2) */
	TRY(syscall(134, at(s, "prog")));
	return GAINED;
}

/* What no plane can tell: the bytes, read and run as bytes of one's own. */
static int read_and_run(struct scene *s)
{
	int fd = STEP(open(at(s, "prog"), O_RDONLY));
	char *map = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	if (map == MAP_FAILED)
		return -errno;
	STEP(read(fd, map, 4096));
	child = STEP(fork());
	if (child == 0) {
		int null[2];

		if (pipe(null) == 0) {
			dup2(null[0], 0);
			close(null[1]);
		}
		((void (*)(void))(map + 120))();
		_exit(1);
	}
	return await_run(child);
}

static int copied(struct scene *s)
{
	char bytes[512];
	int from = STEP(open(at(s, "prog"), O_RDONLY));
	ssize_t length = STEP(read(from, bytes, sizeof(bytes)));

	STEP(put(aside(s, "copy"), bytes, length, 0755));
	return ran(exec_path, aside(s, "copy"));
}

static int with_set_user(struct scene *s)
{
	int status;
	pid_t child;

	/* A program of another owner that is set-user-ID: no exec may change who runs. */
	STEP(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	child = STEP(fork());
	if (child == 0) {
		_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 0 ? 0 : 1);
	}
	STEP(waitpid(child, &status, 0));
	(void)s;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? NOTHING : GAINED;
}

#define NAMELESS "a file without a name is not on the mount that is served; deny `exec` by other means there, or use the lsm plane"

const struct attempt exec_attempts[] = {
	{ "exec", 22, NOEXEC, directly, "`execve`", "`file_open`: `exec`" },
	{ "exec-descriptor", 22, NOEXEC, by_descriptor, "`execveat` of a descriptor", "`file_open`: `exec`" },
	{ "exec-reached", 22, NOEXEC, by_reached, "`execveat` of an `O_PATH` descriptor", "`file_open`: `exec`" },
	{ "exec-proc-fd", 22, NOEXEC, by_proc_fd, "`execve` of `/proc/self/fd/N`", "`file_open`: `exec`" },
	{ "exec-link", 22, NOEXEC, by_link, "`execve` of a symbolic link", "`file_open`: `exec`" },
	{ "exec-memory", 22, NOEXEC, from_memory, "a copy in a memfd, `execveat`", "`anonymous_exec`", .closed = true, .fuse = PINNED,
	  .why = NAMELESS, .told = "anonymous" },
	{ "exec-memory-by-name", 22, NOEXEC, from_memory_by_name, "a copy in a memfd, `/proc/self/fd/N`", "`anonymous_exec`",
	  .closed = true, .fuse = PINNED,
	  .why = NAMELESS, .told = "anonymous" },
	{ "exec-memory-sealable", 22, NOEXEC, from_memory_made_executable, "a memfd with `MFD_EXEC`", "`anonymous_exec`",
	  .closed = true, .may_lack = true, .fuse = PINNED,
	  .why = NAMELESS,
	  .told = "anonymous" },
	{ "map-memory-as-code", 22, NOEXEC, from_shared_memory, "a memfd mapped executable", "`mmap_file`", .closed = true, .fuse = PINNED,
	  .why = NAMELESS, .told = "anonymous" },
	{ "exec-nameless", 0, NOEXEC, from_nameless_file, "a copy in an `O_TMPFILE` there", "`file_open`: `exec`", .may_lack = true },
	{ "script-beside", 24, NOEXEC, as_interpreter, "a script and its interpreter", "`file_open`: `exec`", .lay = lay_script },
	{ "interpreter", 24, NOEXEC, as_interpreter_of_own, "as interpreter of one's own script", "`file_open`: `exec`" },
	{ "elf-interpreter", 23, NOEXEC, as_loader, "as ELF interpreter of one's own program", "`file_open`: `exec`" },
	{ "map-as-code", 23, NOEXEC, mapped_as_code, "`mmap` with `PROT_EXEC`, as loaders and `dlopen` do", "`mmap_file`", .also = BY_SIGNAL - SIGBUS },
	{ "mprotect-to-code", 23, NOEXEC, made_code, "`mprotect` to `PROT_EXEC`", "`file_mprotect`", .also = BY_SIGNAL - SIGBUS },
	{ "mprotect-written", 23, NOEXEC, made_code_after_writing, "`mprotect` of a private copy", "`file_mprotect`", .also = BY_SIGNAL - SIGBUS },
	{ "pkey-mprotect", 23, NOEXEC, made_code_by_key, "`pkey_mprotect` to `PROT_EXEC`", "`file_mprotect`", .also = BY_SIGNAL - SIGBUS },
	{ "read-implies-exec", 0, NOEXEC, implied_code, "the personality by which reading is executing", "`mmap_file`", .also = BY_SIGNAL - SIGBUS },
	{ "uselib", 0, NOWHERE, as_library, "`uselib`", "seccomp", .uncontrolled = true, .also = -ENOSYS },
	{ "copied-program", 24, NOEXEC, copied, "a copy where `exec` is allowed", "no name is denied that is used",
	  .lsm = PINNED, .fuse = PINNED, .why = "deny `exec` where the sandbox can write, and `read` of what may not be copied" },
	{ "read-and-run", 24, NOEXEC, read_and_run, "the bytes, read and jumped to", "no file is executed",
	  .lsm = PINNED, .fuse = PINNED, .why = "whoever reads code can do what it does: deny `read` as well" },
	{ "set-user-id", 47, NOWHERE, with_set_user, "set-user-ID, file capabilities", "`no_new_privs`, empty bounding set",
	  .uncontrolled = true, .also = NOTHING },
	{},
};
