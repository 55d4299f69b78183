/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Races between what is checked and what is used, and trees that are too deep. */
#include "scene.h"

#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

/* How long a race is run, and how long a control waits until it is won. */
#define ATTACK_MS 400
#define CONTROL_MS 10000

static volatile bool over;

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the race that began at @began goes on. */
static bool on(const struct scene *s, long began)
{
	return milliseconds() - began < (s->control ? CONTROL_MS : ATTACK_MS);
}

struct swap {
	const char *one, *other;
	char *buffer;
};

/* Exchanges two names again and again. */
static void *swap_names(void *argument)
{
	struct swap *swap = argument;

	while (!over)
		renameat2(AT_FDCWD, swap->one, AT_FDCWD, swap->other, RENAME_EXCHANGE);
	return 0;
}

/* Puts the one path and the other into a buffer again and again. */
static void *swap_bytes(void *argument)
{
	struct swap *swap = argument;

	while (!over) {
		memcpy(swap->buffer, swap->one, strlen(swap->one) + 1);
		for (volatile int i = 0; i < 1000; i++)
			;
		memcpy(swap->buffer, swap->other, strlen(swap->other) + 1);
		for (volatile int i = 0; i < 1000; i++)
			;
	}
	return 0;
}

/* Opens @path until it gives the secret. */
static int race(const struct scene *s, void *(*swapper)(void *), struct swap *swap, const char *path)
{
	long began = milliseconds();
	pthread_t thread;
	int got = -EACCES;

	over = false;
	if (pthread_create(&thread, 0, swapper, swap))
		return BROKEN;
	while (on(s, began) && got != GAINED)
		if (open_secret(AT_FDCWD, path, O_RDONLY) == GAINED)
			got = GAINED;
	over = true;
	pthread_join(thread, 0);
	return got;
}

static int link_swapped(struct scene *s)
{
	struct swap swap = { aside(s, "a"), aside(s, "b"), 0 };

	STEP(symlink(aside(s, "mine"), aside(s, "a")));
	STEP(symlink(at(s, "file"), aside(s, "b")));
	return race(s, swap_names, &swap, aside(s, "a"));
}

static int directory_swapped(struct scene *s)
{
	struct swap swap = { aside(s, "a"), aside(s, "b"), 0 };

	STEP(mkdir(aside(s, "a"), 0755));
	STEP(put_text(aside(s, "a/inner"), "nothing of interest\n"));
	STEP(symlink(at(s, "dir"), aside(s, "b")));
	return race(s, swap_names, &swap, aside(s, "a/inner"));
}

static int parent_swapped(struct scene *s)
{
	/* `..` leads to one folder or another. */
	struct swap swap = { aside(s, "a/deep"), aside(s, "b"), 0 };
	char path[PATH_MAX];

	STEP(mkdir(aside(s, "a"), 0755));
	STEP(mkdir(aside(s, "a/deep"), 0755));
	STEP(mkdir(aside(s, "b"), 0755));
	snprintf(path, sizeof(path), "%s/../../../%s/%s/file", aside(s, "b"), s->tree, s->name);
	return race(s, swap_names, &swap, path);
}

static int path_swapped(struct scene *s)
{
	char mine[PATH_MAX], theirs[PATH_MAX], buffer[PATH_MAX];
	struct swap swap = { mine, theirs, buffer };

	snprintf(mine, sizeof(mine), "%s", aside(s, "mine"));
	snprintf(theirs, sizeof(theirs), "%s", at(s, "file"));
	strcpy(buffer, mine);
	return race(s, swap_bytes, &swap, buffer);
}

static int file_swapped_under_program(struct scene *s)
{
	/* The `#!` line is read from one file, and the name then is another's. */
	struct swap swap = { strdup(aside(s, "a")), strdup(aside(s, "b")), 0 };
	pthread_t thread;
	char line[PATH_MAX];
	long began = milliseconds();
	int got = -EACCES;

	snprintf(line, sizeof(line), "#!%s\n", at(s, "prog"));
	STEP(put(aside(s, "a"), line, strlen(line), 0755));
	STEP(put(aside(s, "b"), "#!/nowhere\n", 11, 0755));
	over = false;
	if (pthread_create(&thread, 0, swap_names, &swap))
		return BROKEN;
	while (on(s, began) && got != GAINED) {
		pid_t child = fork();

		if (child == 0) {
			int ends[2];

			if (pipe(ends) == 0) {
				dup2(ends[0], 0);
				close(ends[1]);
			}
			execl(aside(s, "a"), "a", NULL);
			_exit(1);
		}
		if (await_run(child) == GAINED)
			got = GAINED;
	}
	over = true;
	pthread_join(thread, 0);
	return got;
}

static int created_while_swapped(struct scene *s)
{
	/* The folder in which a name is made is one or another. */
	struct swap swap = { strdup(aside(s, "a")), strdup(aside(s, "b")), 0 };
	struct stat st;
	pthread_t thread;
	long began = milliseconds();

	STEP(mkdir(aside(s, "a"), 0755));
	STEP(symlink(s->base, aside(s, "b")));
	over = false;
	if (pthread_create(&thread, 0, swap_names, &swap))
		return BROKEN;
	while (on(s, began) && (!s->control || stat(at(s, "new"), &st))) {
		int fd = open(aside(s, "a/new"), O_WRONLY | O_CREAT, 0644);

		if (fd >= 0)
			close(fd);
	}
	over = true;
	pthread_join(thread, 0);
	return stat(at(s, "new"), &st) == 0 ? GAINED : -EACCES;
}

static int forked_meanwhile(struct scene *s)
{
	/* Every task that is made begins with its label. */
	int got = -EACCES;

	for (int i = 0; i < 200 && got != GAINED; i++) {
		pid_t child = (pid_t)syscall(SYS_clone, (i % 2 ? CLONE_VFORK : 0) | SIGCHLD, 0, 0, 0, 0);

		if (child == 0)
			_exit(open(at(s, "file"), O_RDONLY) >= 0 ? RAN : errno);
		if (child > 0 && await_run(child) == GAINED)
			got = GAINED;
	}
	return got;
}

static void *open_again(void *argument)
{
	return (void *)(intptr_t)open_secret(AT_FDCWD, argument, O_RDONLY);
}

static int by_threads(struct scene *s)
{
	pthread_t threads[16];
	void *gave;
	int got = -EACCES;

	for (int i = 0; i < 16; i++)
		if (pthread_create(&threads[i], 0, open_again, (void *)at(s, "file")))
			return BROKEN;
	for (int i = 0; i < 16; i++) {
		pthread_join(threads[i], &gave);
		if ((intptr_t)gave == GAINED)
			got = GAINED;
	}
	return got;
}

/* Processes that are denied as fast as they can be, while one tries what it is after. */
static int flooded(struct scene *s)
{
	long began = milliseconds();
	pid_t children[4];
	int got = -EACCES;

	for (int i = 0; i < 4; i++) {
		children[i] = STEP(fork());
		if (children[i] == 0) {
			for (;;)
				open(at(s, "other"), O_RDONLY);
		}
	}
	while (on(s, began) && got != GAINED)
		got = open_secret(AT_FDCWD, at(s, "file"), O_RDONLY) == GAINED ? GAINED : got;
	for (int i = 0; i < 4; i++)
		kill(children[i], SIGKILL);
	return got;
}

static int out_of_descriptors(struct scene *s)
{
	int last = -1, fd;

	while ((fd = dup(1)) >= 0)
		last = fd;
	close(last);
	return open_secret(AT_FDCWD, at(s, "file"), O_RDONLY);
}

static int out_of_processes(struct scene *s)
{
	int got = -EACCES, made = 0;
	pid_t children[256];

	/* As many as there can be here, each of which tries. */
	for (; made < 256; made++) {
		children[made] = fork();
		if (children[made] < 0)
			break;
		if (children[made] == 0) {
			int now = open_secret(AT_FDCWD, at(s, "file"), O_RDONLY);

			_exit(now == GAINED ? RAN : 1);
		}
	}
	for (int i = 0; i < made; i++)
		if (await_run(children[i]) == GAINED)
			got = GAINED;
	return got;
}

/* Twenty-five of these names together are longer than PATH_MAX. */
#define LONG                                                                                                           \
	"llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll" \
	"llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll"
#define LONG_LEVELS 25

static int step_down(int dir, const char *name)
{
	int next = openat(dir, name, O_PATH | O_DIRECTORY), error = errno;

	close(dir);
	errno = error;
	return next;
}

static int descend(const char *from, const char *name, int levels)
{
	int dir = TRY(open(from, O_PATH | O_DIRECTORY));

	for (int i = 0; i < levels; i++)
		dir = TRY(step_down(dir, name));
	return dir;
}

static int lay_down(const char *folder, const char *name, int levels)
{
	int dir = STEP(open(folder, O_PATH | O_DIRECTORY)), fd;

	for (int i = 0; i < levels; i++) {
		STEP(mkdirat(dir, name, 0755));
		dir = STEP(step_down(dir, name));
	}
	fd = STEP(openat(dir, "file", O_WRONLY | O_CREAT, 0644));
	STEP(write(fd, "a secret of the depths\n", 23));
	close(fd);
	close(dir);
	return 0;
}

static int lay_200(const char *folder, const char *tree)
{
	(void)tree;
	return lay_down(folder, "d", 200);
}

static int lay_1000(const char *folder, const char *tree)
{
	(void)tree;
	return lay_down(folder, "d", 1000);
}

static int lay_10000(const char *folder, const char *tree)
{
	(void)tree;
	return lay_down(folder, "d", 10000);
}

static int lay_long(const char *folder, const char *tree)
{
	(void)tree;
	return lay_down(folder, LONG, LONG_LEVELS);
}

static int read_down(struct scene *s, const char *name, int levels)
{
	int dir = descend(s->base, name, levels);

	return dir < 0 ? dir : open_secret(dir, "file", O_RDONLY);
}

static int read_200_down(struct scene *s)
{
	return read_down(s, "d", 200);
}

static int read_1000_down(struct scene *s)
{
	return read_down(s, "d", 1000);
}

static int read_10000_down(struct scene *s)
{
	return read_down(s, "d", 10000);
}

static int read_beyond_path(struct scene *s)
{
	return read_down(s, LONG, LONG_LEVELS);
}

static int made_deeper(struct scene *s)
{
	/* Where names cannot be told any more nothing may be done, whatever is allowed there. */
	int dir = STEP(open(s->side, O_PATH | O_DIRECTORY));

	for (int i = 0; i < LONG_LEVELS; i++) {
		TRY(mkdirat(dir, LONG, 0755));
		dir = TRY(step_down(dir, LONG));
	}
	TRY(openat(dir, "file", O_RDWR | O_CREAT, 0644));
	return GAINED;
}

/* Half as many levels as are too deep, and some. */
#define HALF_LEVELS 12

/* Makes that many levels in the folder aside called @name, and gives the last of them. */
static int half_down(const struct scene *s, const char *name)
{
	int dir;

	STEP(mkdir(aside(s, name), 0755));
	dir = STEP(open(aside(s, name), O_PATH | O_DIRECTORY));
	for (int i = 0; i < HALF_LEVELS; i++) {
		STEP(mkdirat(dir, LONG, 0755));
		dir = STEP(step_down(dir, LONG));
	}
	return dir;
}

static int deepened_by_move(struct scene *s)
{
	/* A directory is held where names can be told, and is then carried to where they cannot. */
	int held = half_down(s, "carried"), below, fd;

	if (held < 0)
		return held;
	fd = STEP(openat(held, "file", O_WRONLY | O_CREAT, 0644));
	STEP(write(fd, "a secret of the depths\n", 23));
	close(fd);
	below = half_down(s, "below");
	if (below < 0)
		return below;
	STEP(renameat(AT_FDCWD, aside(s, "carried"), below, "carried"));
	return open_secret(held, "file", O_RDONLY);
}

const struct attempt race_attempts[] = {
	{ "race-link", 0, SEALED, link_swapped, "a symbolic link that changes while it is followed", "`file_open`" },
	{ "race-directory", 0, SEALED, directory_swapped, "a directory that becomes a link and back", "`file_open`" },
	{ "race-parent", 0, SEALED, parent_swapped, "directories that change places under `..`", "`file_open`" },
	{ "race-path", 0, SEALED, path_swapped, "a path whose bytes change during the call", "`file_open`: objects, no strings" },
	{ "race-interpreter", 24, NOEXEC, file_swapped_under_program, "a script exchanged while its `#!` line is read",
	  "`file_open`: `exec`" },
	{ "race-create", 0, FROZEN, created_while_swapped, "a folder exchanged while a name is made in it", "`path_mknod`" },
	{ "race-fork", 45, SEALED, forked_meanwhile, "`clone` with and without `CLONE_VFORK`, and the call at once", "`task_alloc`" },
	{ "threads", 45, SEALED, by_threads, "16 threads at once", "`task_alloc`" },
	{ "flood", 49, SEALED, flooded, "denials from four processes as fast as they go", "denied before it is told" },
	{ "no-descriptors", 55, SEALED, out_of_descriptors, "all descriptors used up", "`file_open`" },
	{ "many-processes", 55, SEALED, out_of_processes, "256 processes at once", "`task_alloc`; a full map denies" },
	{ "deep-200", 38, SEALED, read_200_down, "200 directories deep", "`file_open`", .lay = lay_200 },
	{ "deep-1000", 38, SEALED, read_1000_down, "1000 directories deep", "`file_open`", .lay = lay_1000, .fuse = ABSENT,
	  .why = "the server walks every name from the root, which takes minutes at this depth" },
	{ "deep-10000", 38, SEALED, read_10000_down, "10 000 directories deep, reached step by step",
	  "what is too deep is denied", .lay = lay_10000, .closed = true, .fuse = ABSENT,
	  .why = "the server walks every name from the root, which takes minutes at this depth", .told = "too-deep" },
	{ "deep-10000-free", 38, NOWHERE, read_10000_down, "the same where no rule is about anything",
	  "what is too deep is denied", .lay = lay_10000, .fuse = ABSENT,
	  .why = "the server walks every name from the root, which takes minutes at this depth", .told = "too-deep" },
	{ "deep-beyond-path", 38, SEALED, read_beyond_path, "deeper than `PATH_MAX`, reached step by step",
	  "what is too deep is denied", .lay = lay_long, .closed = true, .also = -ENAMETOOLONG, .told = "too-deep" },
	{ "made-deeper", 38, NOWHERE, made_deeper, "a tree of one's own deeper than `PATH_MAX`",
	  "what is too deep is denied", .also = -ENAMETOOLONG, .fuse = PINNED,
	  .why = "the server judges names of any length, and nothing is denied there", .told = "too-deep" },
	{ "moved-deeper", 38, NOWHERE, deepened_by_move, "a directory that is held while it is moved deeper than `PATH_MAX`",
	  "what is too deep is denied", .fuse = PINNED,
	  .why = "the server judges names of any length, and nothing is denied there", .told = "too-deep" },
	{},
};
