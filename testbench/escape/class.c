/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Another program's rights: /keeper may open the vault, and nobody else. */
#include "scene.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Where the keeper puts what it has read: this program is linked to fixed addresses. */
static char kept[64];

/*
 * What this program does under the keeper's name:
 *
 *   hold FILE          read it, say so by a byte on descriptor 1, and wait
 *   give FILE          send it, open, through descriptor 1
 *   pass FILE PROBER   become the prober, with it open as descriptor 5
 *   secure             exit with RAN unless the kernel has asked for a clean environment
 *   read FILE          exit with RAN if it gives the secret
 */
int keeper(int count, char **words)
{
	const char *command = count > 1 ? words[1] : "";
	int fd = count > 2 ? open(words[2], O_RDONLY) : -1;

	if (strcmp(command, "secure") == 0)
		return getauxval(AT_SECURE) ? 0 : RAN;
	if (strcmp(command, "read") == 0)
		return fd < 0 ? errno : read_secret(fd) == GAINED ? RAN : 0;
	if (fd < 0 || pread(fd, kept, sizeof(kept), 0) < 1)
		return 1;
	if (strcmp(command, "hold") == 0) {
		if (write(1, "h", 1) == 1)
			pause();
	} else if (strcmp(command, "give") == 0) {
		if (send_fd(1, fd) == 0)
			pause();
	} else if (strcmp(command, "pass") == 0 && count > 3) {
		dup2(fd, 5);
		execl(words[3], "prober", "holding", NULL);
	}
	return 1;
}

/* What this program does with what the keeper has passed it. */
int holding(void)
{
	char *map = mmap(0, 4096, PROT_READ, MAP_SHARED, 5, 0);

	if (read_secret(5) == GAINED)
		return RAN;
	/* A plane that is not asked of mappings is asked of their pages. */
	if (map != MAP_FAILED && is_secret(map, 4096))
		return RAN;
	return EACCES;
}

static const char *program(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4], *slash;

	snprintf(path, PATH_MAX - 64, "%s", self_path);
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, name);
	return path;
}

/* Starts the keeper with @command on the file; its descriptor 1 is @ends[1]. */
static pid_t keeper_started(struct scene *s, const char *command, int ends[2])
{
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return -1;
	child = fork();
	if (child == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		execl(program("keeper"), "keeper", command, at(s, "file"), program("prober"), NULL);
		_exit(1);
	}
	close(ends[1]);
	return child;
}

/* The pid of a keeper that holds the file, or -1: an attempt on it proves nothing if it could not. */
static pid_t holder(struct scene *s)
{
	int ends[2];
	char byte;
	pid_t child = keeper_started(s, "hold", ends);

	return child > 0 && read(ends[0], &byte, 1) == 1 ? child : -1;
}

static const char *proc(pid_t pid, const char *what)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	return path;
}

static int directly(struct scene *s)
{
	STEP(holder(s));
	return open_secret(AT_FDCWD, at(s, "file"), O_RDONLY);
}

static int by_its_descriptor(struct scene *s)
{
	char name[16];
	pid_t pid = STEP(holder(s));

	for (int fd = 3; fd < 16; fd++) {
		snprintf(name, sizeof(name), "fd/%d", fd);
		if (open_secret(AT_FDCWD, proc(pid, name), O_RDONLY) == GAINED)
			return GAINED;
	}
	return -EACCES;
}

static int by_copied_descriptor(struct scene *s)
{
	int pidfd = STEP(syscall(SYS_pidfd_open, STEP(holder(s)), 0));

	for (int number = 3; number < 16; number++) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);

		if (fd >= 0 && read_secret(fd) == GAINED)
			return GAINED;
	}
	return -EACCES;
}

static int by_attaching(struct scene *s)
{
	pid_t pid = STEP(holder(s));
	long word;

	TRY(ptrace(PTRACE_ATTACH, pid, 0, 0));
	STEP(waitpid(pid, 0, __WALL));
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, kept, 0);
	if (errno)
		return -errno;
	return memcmp(&word, "a secret", 8) == 0 ? GAINED : NOTHING;
}

static int by_seizing(struct scene *s)
{
	TRY(ptrace(PTRACE_SEIZE, STEP(holder(s)), 0, 0));
	return GAINED;
}

static int by_reading_memory(struct scene *s)
{
	char buffer[64];
	struct iovec local = { buffer, sizeof(buffer) }, remote = { kept, sizeof(kept) };

	TRY(process_vm_readv(STEP(holder(s)), &local, 1, &remote, 1, 0));
	return is_secret(buffer, sizeof(buffer)) ? GAINED : NOTHING;
}

static int by_memory_file(struct scene *s)
{
	char buffer[64];
	int fd = TRY(open(proc(STEP(holder(s)), "mem"), O_RDONLY));
	ssize_t got = TRY(pread(fd, buffer, sizeof(buffer), (off_t)(uintptr_t)kept));

	return is_secret(buffer, got) ? GAINED : NOTHING;
}

/* What stands where the keeper keeps its secret as long as a process has not become it. */
static const char not_yet[] = "not the keeper yet";
/* How many execs are looked into. */
#define EXECS 40

/* Bytes of what is @kept in @pid; @mem is its memory as it was opened before the exec. */
typedef ssize_t (*peek_fn)(pid_t pid, int mem, char *buffer, size_t length);

static ssize_t peek_by_call(pid_t pid, int mem, char *buffer, size_t length)
{
	struct iovec local = { buffer, length }, remote = { kept, length };

	(void)mem;
	return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

static ssize_t peek_by_file(pid_t pid, int mem, char *buffer, size_t length)
{
	int fd;
	ssize_t got = pread(mem, buffer, length, (off_t)(uintptr_t)kept);

	if (got > 0 && memcmp(buffer, not_yet, sizeof(not_yet)) != 0)
		return got;
	fd = open(proc(pid, "mem"), O_RDONLY);
	if (fd < 0)
		return -1;
	got = pread(fd, buffer, length, (off_t)(uintptr_t)kept);
	close(fd);
	return got;
}

/* Looks into a child from before its exec until it is the keeper and holds the secret. */
static int during_one_exec(struct scene *s, peek_fn peek)
{
	char buffer[sizeof(kept)], byte = 0;
	int ends[2], mem, got = -EACCES;
	ssize_t said = -1, length;
	pid_t child;

	memcpy(kept, not_yet, sizeof(not_yet));
	STEP(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	child = STEP(fork());
	if (child == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		/* So that it is looked into before. */
		if (read(1, &byte, 1) == 1)
			execl(program("keeper"), "keeper", "hold", at(s, "file"), NULL);
		_exit(1);
	}
	close(ends[1]);
	mem = STEP(open(proc(child, "mem"), O_RDONLY));
	length = STEP(peek(child, mem, buffer, sizeof(buffer)));
	if (length != sizeof(buffer) || memcmp(buffer, not_yet, sizeof(not_yet)) != 0)
		return BROKEN;
	STEP(write(ends[0], &byte, 1));
	while (said < 0 && got != GAINED) {
		/* Once more after it has said that it holds the secret. */
		said = recv(ends[0], &byte, 1, MSG_DONTWAIT);
		length = peek(child, mem, buffer, sizeof(buffer));
		if (length < 0)
			got = -errno;
		else if (length && memcmp(buffer, not_yet, sizeof(not_yet)) != 0)
			got = GAINED;
	}
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
	close(mem);
	close(ends[0]);
	return said ? got : BROKEN;
}

static int during_exec(struct scene *s, peek_fn peek)
{
	int got = -EACCES;

	for (int i = 0; i < EXECS && got != GAINED && got != BROKEN; i++)
		got = during_one_exec(s, peek);
	return got;
}

static int by_reading_memory_in_exec(struct scene *s)
{
	return during_exec(s, peek_by_call);
}

static int by_memory_file_in_exec(struct scene *s)
{
	return during_exec(s, peek_by_file);
}

static int by_environment(struct scene *s)
{
	char byte;
	int fd = TRY(open(proc(STEP(holder(s)), "environ"), O_RDONLY));

	return TRY(read(fd, &byte, 1)) == 1 ? GAINED : NOTHING;
}

static int by_map(struct scene *s)
{
	TRY(open(proc(STEP(holder(s)), "maps"), O_RDONLY));
	return GAINED;
}

static int by_comparing(struct scene *s)
{
	TRY(syscall(SYS_kcmp, getpid(), STEP(holder(s)), 0 /* KCMP_FILE */, 0, 1));
	return GAINED;
}

static int by_its_working_directory(struct scene *s)
{
	char target[64];

	return TRY(readlink(proc(STEP(holder(s)), "cwd"), target, sizeof(target))) > 0 ? GAINED : NOTHING;
}

static int passed_over_exec(struct scene *s)
{
	int ends[2];
	pid_t child = STEP(keeper_started(s, "pass", ends));
	int got = await_run(child);

	return got == BY_SIGNAL - SIGBUS ? -EACCES : got;
}

static int received(struct scene *s)
{
	int ends[2], fd;

	STEP(keeper_started(s, "give", ends));
	fd = TRY(receive_fd(ends[0]));
	return read_secret(fd);
}

/* Under a filter of its maker's, which may say that it did what was not done, the keeper would act on what is not so. */
static int under_a_filter(struct scene *s)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog filter = { 1, &allow };
	pid_t child = STEP(fork());

	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
			_exit(1);
		execl(program("keeper"), "keeper", "read", at(s, "file"), NULL);
		_exit(errno);
	}
	return await_run(child);
}

static int with_preloaded_code(struct scene *s)
{
	char *words[] = { "keeper", "secure", NULL };
	char *environment[] = { "LD_PRELOAD=/open/mine.so", "LD_AUDIT=/open/mine.so", NULL };
	pid_t child = STEP(fork());

	(void)s;
	if (child == 0) {
		execve(program("keeper"), words, environment);
		_exit(1);
	}
	return await_run(child);
}

/* A tracer that was there before the exec stays a tracer. */
static int traced_over_exec(struct scene *s)
{
	pid_t child = STEP(fork());
	int status;
	long word;

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl(program("keeper"), "keeper", "hold", at(s, "file"), NULL);
		_exit(errno);
	}
	STEP(waitpid(child, &status, 0));
	if (WIFEXITED(status))
		return -WEXITSTATUS(status);
	/* It has become the keeper, and stands still before its first instruction. */
	if (!WIFSTOPPED(status))
		return BROKEN;
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, child, kept, 0);
	if (errno)
		return -errno;
	return word == 0 ? GAINED : NOTHING;
}

static int traced_over_exec_seized(struct scene *s)
{
	pid_t child;
	int ends[2], status;
	char byte;

	STEP(pipe(ends));
	child = STEP(fork());
	if (child == 0) {
		if (read(ends[0], &byte, 1) == 1)
			execl(program("keeper"), "keeper", "hold", at(s, "file"), NULL);
		_exit(errno);
	}
	STEP(ptrace(PTRACE_SEIZE, child, 0, 16 /* PTRACE_O_TRACEEXEC */));
	STEP(write(ends[1], "x", 1));
	STEP(waitpid(child, &status, __WALL));
	return WIFEXITED(status) ? -WEXITSTATUS(status) : GAINED;
}

/* Its memory, as the kernel writes it down when it dies. */
static int by_core_dump(struct scene *s)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char pattern[64] = {}, mark[64], *core;
	int fd = STEP(open("/proc/sys/kernel/core_pattern", O_RDONLY)), status;
	struct stat st;
	pid_t pid;

	STEP(read(fd, pattern, sizeof(pattern) - 1));
	if (strcmp(pattern, "core\n") != 0 || setrlimit(RLIMIT_CORE, &unlimited))
		return UNAVAILABLE;
	STEP(chdir(s->side));
	pid = STEP(holder(s));
	STEP(kill(pid, SIGABRT));
	STEP(waitpid(pid, &status, 0));
	fd = TRY(open("core", O_RDONLY));
	STEP(fstat(fd, &st));
	core = mmap(0, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (core == MAP_FAILED)
		return NOTHING;
	/* Nothing of it is to lie around. */
	unlink("core");
	snprintf(mark, sizeof(mark), "a secret of %s/", s->tree);
	return memmem(core, st.st_size, mark, strlen(mark)) ? GAINED : NOTHING;
}

static int run_as(const char *path, const char *name, struct scene *s)
{
	pid_t child = STEP(fork());

	if (child == 0) {
		execl(path, name, "read", at(s, "file"), NULL);
		_exit(errno);
	}
	return await_run(child);
}

static int by_name_of_process(struct scene *s)
{
	STEP(prctl(PR_SET_NAME, "keeper", 0, 0, 0));
	return open_secret(AT_FDCWD, at(s, "file"), O_RDONLY);
}

static int by_first_argument(struct scene *s)
{
	return run_as(program("prober"), "keeper", s);
}

static int by_copy(struct scene *s)
{
	static char bytes[65536];
	int from = STEP(open(program("keeper"), O_RDONLY));
	int to = STEP(open(aside(s, "keeper"), O_WRONLY | O_CREAT, 0755));
	ssize_t length;

	while ((length = STEP(read(from, bytes, sizeof(bytes)))) > 0)
		STEP(write(to, bytes, length));
	close(to);
	return run_as(aside(s, "keeper"), "keeper", s);
}

static int by_link(struct scene *s)
{
	STEP(symlink(program("prober"), aside(s, "keeper")));
	return run_as(aside(s, "keeper"), "keeper", s);
}

static int by_replacing(struct scene *s)
{
	TRY(rename(aside(s, "prog"), s->outside ? at(s, "prog") : "/keeper"));
	return GAINED;
}

static int by_writing(struct scene *s)
{
	TRY(open(s->outside ? at(s, "prog") : "/keeper", O_WRONLY));
	return GAINED;
}

static volatile bool has_tried;

static void *keep_opening(void *path)
{
	for (;;) {
		if (open_secret(AT_FDCWD, path, O_RDONLY) == GAINED)
			_exit(RAN);
		has_tried = true;
	}
}

/* No thread of the old program may be there when the process has become another. */
static int by_thread_during_exec(struct scene *s)
{
	int got = -EACCES;

	for (int i = 0; i < 20 && got != GAINED; i++) {
		pid_t child = STEP(fork());

		if (child == 0) {
			pthread_t thread;

			if (pthread_create(&thread, 0, keep_opening, (void *)at(s, "file")))
				_exit(1);
			/* A control's thread ends the process. */
			while (!has_tried || s->control)
				sched_yield();
			execl(program("keeper"), "keeper", "hold", at(s, "file"), NULL);
			_exit(1);
		}
		if (!s->control) {
			usleep(20000);
			kill(child, SIGKILL);
		}
		got = await_run(child) == GAINED ? GAINED : -EACCES;
	}
	return got;
}

#define NO_EXEC                                                                                                        \
	"on fuse no step of an exec or of ptrace reaches the server: give programs of different rights different users, " \
	"or make them undumpable"

const struct attempt class_attempts[] = {
	{ "vault", 48, VAULT, directly, "what another program holds open", "`file_open`" },
	{ "vault-proc-fd", 14, VAULT, by_its_descriptor, "its descriptor, by `/proc/PID/fd`", "`ptrace_access_check`, `file_open`", .closed = true,
	  .untold = BY_CLASS },
	{ "vault-pidfd-getfd", 27, VAULT, by_copied_descriptor, "its descriptor, by `pidfd_getfd`",
	  "`ptrace_access_check`; on fuse every read is judged", .closed = true, .untold = BY_CLASS },
	{ "vault-attach", 14, VAULT, by_attaching, "`PTRACE_ATTACH`", "`ptrace_access_check`", .closed = true, .fuse = PINNED, .why = NO_EXEC,
	  .untold = BY_CLASS },
	{ "vault-seize", 0, VAULT, by_seizing, "`PTRACE_SEIZE`", "`ptrace_access_check`", .closed = true, .fuse = PINNED, .why = NO_EXEC,
	  .untold = BY_CLASS },
	{ "vault-vm-read", 14, VAULT, by_reading_memory, "`process_vm_readv`", "`ptrace_access_check`", .closed = true, .fuse = PINNED,
	  .why = NO_EXEC, .untold = BY_CLASS },
	{ "vault-proc-mem", 14, VAULT, by_memory_file, "`/proc/PID/mem`", "`ptrace_access_check`", .closed = true, .fuse = PINNED, .why = NO_EXEC,
	  .untold = BY_CLASS },
	{ "vault-read-in-exec", 46, VAULT, by_reading_memory_in_exec, "`process_vm_readv` from before its exec on",
	  "`ptrace_access_check`", .closed = true, .fuse = PINNED, .why = NO_EXEC, .untold = BY_CLASS },
	{ "vault-mem-in-exec", 46, VAULT, by_memory_file_in_exec, "`/proc/PID/mem` from before its exec on",
	  "`ptrace_access_check`", .closed = true, .fuse = PINNED, .why = NO_EXEC, .untold = BY_CLASS },
	{ "vault-environ", 0, VAULT, by_environment, "`/proc/PID/environ`", "`ptrace_access_check`", .closed = true, .fuse = PINNED,
	  .why = NO_EXEC, .untold = BY_CLASS },
	{ "vault-maps", 0, VAULT, by_map, "`/proc/PID/maps`", "`ptrace_access_check`", .closed = true, .fuse = PINNED, .why = NO_EXEC,
	  .untold = BY_CLASS },
	{ "vault-kcmp", 0, VAULT, by_comparing, "`kcmp`", "`ptrace_access_check`", .closed = true, .fuse = PINNED, .why = NO_EXEC,
	  .untold = BY_CLASS },
	{ "vault-proc-cwd", 0, VAULT, by_its_working_directory, "`/proc/PID/cwd`", "`ptrace_access_check`", .closed = true, .fuse = PINNED,
	  .why = NO_EXEC, .untold = BY_CLASS },
	{ "vault-inherited", 26, VAULT, passed_over_exec, "its descriptor, inherited over an exec", "`file_permission`, `mmap_file`" },
	{ "vault-received", 27, VAULT, received, "its descriptor, received from it", "`file_receive`" },
	{ "vault-preload", 23, VAULT, with_preloaded_code, "`LD_PRELOAD`, `LD_AUDIT` over its exec",
	  "`bprm_creds_from_file`: secure exec", .also = NOTHING, .closed = true, .fuse = PINNED, .why = NO_EXEC,
	  .untold = BY_CLASS },
	{ "vault-filtered", 0, VAULT, under_a_filter, "a system call filter of one's own over its exec", "`bprm_creds_from_file`",
	  .closed = true, .fuse = PINNED, .why = NO_EXEC, .untold = BY_CLASS },
	{ "vault-traceme", 14, VAULT, traced_over_exec, "`PTRACE_TRACEME`, then its exec", "`bprm_creds_from_file`",
	  .closed = true, .fuse = PINNED, .why = NO_EXEC, .untold = BY_CLASS },
	{ "vault-traced", 14, VAULT, traced_over_exec_seized, "`PTRACE_SEIZE`, then its exec", "`bprm_creds_from_file`",
	  .closed = true, .fuse = PINNED, .why = NO_EXEC, .untold = BY_CLASS },
	{ "vault-core", 0, VAULT, by_core_dump, "its memory, in a core dump that it is made to leave",
	  "none is made where programs have different rights", .also = NOTHING, .closed = true, .may_lack = true,
	  .fuse = PINNED, .why = NO_EXEC, .untold = BY_LIMIT },
	{ "vault-comm", 48, VAULT, by_name_of_process, "`PR_SET_NAME`", "a subject is a file" },
	{ "vault-argv", 48, VAULT, by_first_argument, "`argv[0]`", "a subject is a file" },
	{ "vault-copy", 48, VAULT, by_copy, "a copy of the program elsewhere", "a subject is a path" },
	{ "vault-symlink", 48, VAULT, by_link, "a link of its name to another program", "a subject is a file" },
	{ "vault-replaced", 7, VAULT, by_replacing, "the program replaced", "the policy: `@modify` of programs it trusts",
	  .closed = true, .told = "trusted" },
	{ "vault-rewritten", 7, VAULT, by_writing, "the program written to", "the policy: `@write` of programs it trusts",
	  .closed = true, .told = "trusted" },
	{ "vault-thread-exec", 46, VAULT, by_thread_during_exec, "a thread that goes on while another executes it",
	  "the class changes when threads are gone" },
	{},
};
