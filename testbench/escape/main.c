/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The prober of `boesfs-testbench escape`:
 *
 *   prober table                 the attempts, a line each, fields separated by tabs
 *   prober lay ROOT              the objects, in ROOT/TREE/ATTEMPT
 *   prober outside ROOT          every attempt without a sandbox, in ROOT/control
 *   prober inside PLANE          every attempt in a sandbox whose root is ROOT
 *   prober limit                 eight processes that are denied until they are killed
 *   prober serve ROOT            the accomplice outside, on descriptor 0
 *
 * A result is a line: attempt, control or attack, result, errno's name.
 */
#include "scene.h"

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

/* Under other names this program is what the attempts are about. */
int keeper(int count, char **words);
int holding(void);

static const struct attempt *const tables[] = {
	reach_attempts,	spelling_attempts, names_attempts, content_attempts, meta_attempts,
	exec_attempts,	mounts_attempts, ring_attempts, kernel_attempts, given_attempts,
	race_attempts,	class_attempts,
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))
#define PATIENCE_MS 30000

static const char *const tree_names[] = { "sealed", "frozen", "hidden", "noexec", "vault", "open" };
static const char *const fates[] = { "blocked", "pinned", "absent" };

#define EACH(a)                                                                                                        \
	for (size_t table_ = 0; table_ < TABLES; table_++)                                                             \
		for (const struct attempt *a = tables[table_]; a->name; a++)

/* How a result is called. */
static const char *result_name(int result)
{
	static char signal_name[32];

	switch (result) {
	case GAINED:
		return "gained";
	case NOTHING:
		return "nothing";
	case UNAVAILABLE:
		return "unavailable";
	case BROKEN:
		return "broken";
	}
	if (result > BY_SIGNAL)
		return strerrorname_np(-result) ?: "an unknown error";
	snprintf(signal_name, sizeof(signal_name), "SIG%s", sigabbrev_np(BY_SIGNAL - result));
	return signal_name;
}

static int print_table(void)
{
	EACH (a)
		printf("%s\t%d\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", a->name, a->row, tree_names[a->tree],
		       fates[a->lsm], fates[a->fuse], a->closed ? "closed" : a->closed_on_fuse ? "fuse" : "open", !a->uncontrolled,
		       a->also ? result_name(a->also) : "", a->may_lack, a->tree == NOWHERE, a->told ?: "",
		       a->untold ?: "", a->what, a->caught, a->why ?: "");
	return 0;
}

static int lay_folder(const struct attempt *a, const char *folder, const char *tree)
{
	char bytes[CONTENT_LENGTH], line[128];
	size_t filled = 0;
	int length = snprintf(line, sizeof(line), "a secret of %s/%s\n", tree, a->name);

	while (filled + length <= sizeof(bytes)) {
		memcpy(bytes + filled, line, length);
		filled += length;
	}
	memset(bytes + filled, '.', sizeof(bytes) - filled);
	STEP(mkdir(folder, 0755));
	STEP(put(below(folder, "file"), bytes, sizeof(bytes), 0666));
	STEP(put_text(below(folder, "other"), "nothing of interest\n"));
	STEP(mkdir(below(folder, "dir"), 0755));
	STEP(put(below(folder, "dir/inner"), bytes, sizeof(bytes), 0666));
	STEP(mkdir(below(folder, "empty"), 0755));
	STEP(symlink("file", below(folder, "link")));
	STEP(mkfifo(below(folder, "fifo"), 0666));
	STEP(put_program(below(folder, "prog")));
	return a->lay ? a->lay(folder, tree) : 0;
}

static int lay_side(const char *folder)
{
	STEP(mkdir(folder, 0777));
	STEP(put_text(below(folder, "mine"), "nothing of interest\n"));
	STEP(put_program(below(folder, "prog")));
	return 0;
}

static int lay(const char *root)
{
	char folder[PATH_MAX], side[PATH_MAX];
	static const char *const places[] = { "control", "open" }, *const sides[] = { "control", "open", "attack" };

	umask(0);
	for (size_t i = 0; i < sizeof(tree_names) / sizeof(tree_names[0]); i++)
		STEP(mkdir(below(root, tree_names[i]), 0755));
	STEP(mkdir(below(root, "control"), 0755));
	STEP(mkdir(below(root, "attack"), 0755));
	STEP(mkdir(below(root, "tmp"), 0777));
	EACH (a) {
		for (size_t i = 0; i < 3; i++) {
			snprintf(side, sizeof(side), "%s/%s/%s.side", root, sides[i], a->name);
			if (lay_side(side))
				return 1;
		}
		for (size_t i = 0; i < 2; i++) {
			snprintf(folder, sizeof(folder), "%s/%s/%s", root, places[i], a->name);
			if (lay_folder(a, folder, places[i]))
				return 1;
		}
		if (a->tree == NOWHERE)
			continue;
		snprintf(folder, sizeof(folder), "%s/%s/%s", root, tree_names[a->tree], a->name);
		if (lay_folder(a, folder, tree_names[a->tree]))
			return 1;
	}
	return 0;
}

/* Runs the attempt in a process of its own. */
static int run_apart(const struct attempt *a, struct scene *s)
{
	int ends[2], result = BROKEN, status;
	struct pollfd ready;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return BROKEN;
	fflush(stdout);
	child = fork();
	if (child < 0)
		return BROKEN;
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);

		setpgid(0, 0);
		/* What the keeper says where nobody asked goes nowhere: it may be let go before it is killed. */
		dup2(null, 1);
		close(null);
		/* What an attempt does to mounts stays with it. */
		result = s->outside && unshare(CLONE_NEWNS) ? BROKEN : a->run(s);
		if (write(ends[1], &result, sizeof(result)) != sizeof(result))
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	ready = (struct pollfd){ ends[0], POLLIN, 0 };
	if (poll(&ready, 1, PATIENCE_MS) == 0) {
		fprintf(stderr, "%s: stuck\n", a->name);
		result = BROKEN;
	} else if (read(ends[0], &result, sizeof(result)) != sizeof(result)) {
		result = 1;
	}
	kill(-child, SIGKILL);
	waitpid(child, &status, 0);
	if (result == 1)
		result = WIFSIGNALED(status) ? BY_SIGNAL - WTERMSIG(status) : BROKEN;
	close(ends[0]);
	return result;
}

static void print_result(const struct attempt *a, const char *when, int result)
{
	printf("%s\t%s\t%s\n", a->name, when, result_name(result));
	fflush(stdout);
}

static struct scene scene_at(const struct attempt *a, const char *root, const char *tree, int accomplice)
{
	struct scene s = { .tree = tree, .name = a->name, .accomplice = accomplice };

	snprintf(s.base, sizeof(s.base), "%s/%s/%s", root, tree, a->name);
	s.outside = strcmp(tree, "control") == 0;
	s.control = s.outside || strcmp(tree, "open") == 0;
	snprintf(s.side, sizeof(s.side), "%s/%s/%s.side", root, s.control ? tree : "attack", a->name);
	return s;
}

static int outside(const char *root)
{
	/* Nothing of it is to be seen anywhere else. */
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) ||
	    mount("none", "/", 0, MS_REC | MS_PRIVATE, 0)) {
		perror("a mount namespace for the control");
		return 1;
	}
	EACH (a) {
		struct scene s = scene_at(a, root, "control", 0);

		if (!a->uncontrolled)
			print_result(a, "outside", run_apart(a, &s));
	}
	return 0;
}

static int inside(bool fuse)
{
	char mark[PATH_MAX];

	EACH (a) {
		struct scene control = scene_at(a, "", "open", 0);
		struct scene s = scene_at(a, "", tree_names[a->tree], 0);
		bool closed = a->closed || (fuse && a->closed_on_fuse) || a->tree == NOWHERE;

		if ((fuse ? a->fuse : a->lsm) == ABSENT)
			continue;
		if (!closed)
			print_result(a, "control", run_apart(a, &control));
		s.control = false;
		/* Denied, and so told: what is told from here on is of this attack. */
		snprintf(mark, sizeof(mark), "/frozen/began-%s", a->name);
		mkdir(mark, 0755);
		print_result(a, "attack", run_apart(a, &s));
	}
	return 0;
}

static int limit(void)
{
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			break;
	for (;;)
		open("/sealed/open-directly/file", O_RDONLY);
}

int main(int count, char **words)
{
	const char *command = count > 1 ? words[1] : "", *root = count > 2 ? words[2] : "";

	self_path = words[0];
	umask(0);
	if (count && strcmp(words[0], "keeper") == 0)
		return keeper(count, words);
	if (strcmp(command, "holding") == 0)
		return holding();
	if (strcmp(command, "table") == 0)
		return print_table();
	if (strcmp(command, "lay") == 0 && count == 3)
		return lay(root);
	if (strcmp(command, "outside") == 0 && count == 3)
		return outside(root);
	if (strcmp(command, "inside") == 0)
		return inside(strcmp(root, "fuse") == 0);
	if (strcmp(command, "limit") == 0)
		return limit();
	if (strcmp(command, "serve") == 0 && count == 3)
		return serve_accomplice(0, root);
	fprintf(stderr, "usage: prober table|lay ROOT|outside ROOT|inside PLANE|limit|serve ROOT\n");
	return 2;
}
