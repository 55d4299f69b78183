/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Contents, read or changed by other calls than read() and write(). */
#include "scene.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static int truncated_by_name(struct scene *s)
{
	TRY(truncate(at(s, "file"), 0));
	return GAINED;
}

static int truncated_by_reader(struct scene *s)
{
	TRY(open(at(s, "file"), O_RDONLY | O_TRUNC));
	return GAINED;
}

static int truncated_by_writer(struct scene *s)
{
	TRY(open(at(s, "file"), O_WRONLY | O_TRUNC));
	return GAINED;
}

static int truncated_by_creat(struct scene *s)
{
	TRY(creat(at(s, "file"), 0644));
	return GAINED;
}

static int truncated_by_descriptor(struct scene *s)
{
	int fd = STEP(open(at(s, "file"), s->control ? O_RDWR : O_RDONLY));

	TRY(ftruncate(fd, 0));
	return GAINED;
}

static int appended(struct scene *s)
{
	int fd = TRY(open(at(s, "file"), O_WRONLY | O_APPEND));

	TRY(write(fd, "more", 4));
	return GAINED;
}

static int opened_for_both(struct scene *s)
{
	int fd = TRY(open(at(s, "file"), O_RDWR));

	return scribble(fd);
}

static int allocated(struct scene *s, int mode)
{
	int fd = STEP(open(at(s, "file"), s->control ? O_RDWR : O_RDONLY));

	if (fallocate(fd, mode, 0, 4096) == 0)
		return GAINED;
	return errno == EOPNOTSUPP && s->control ? UNAVAILABLE : -errno;
}

static int punched(struct scene *s)
{
	return allocated(s, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

static int zeroed(struct scene *s)
{
	return allocated(s, FALLOC_FL_ZERO_RANGE);
}

static int collapsed(struct scene *s)
{
	return allocated(s, FALLOC_FL_COLLAPSE_RANGE);
}

static int copied_into(struct scene *s)
{
	int from = STEP(open(aside(s, "mine"), O_RDONLY));
	int to = STEP(open(at(s, "file"), s->control ? O_RDWR : O_RDONLY));
	loff_t start = 0;

	TRY(syscall(SYS_copy_file_range, from, &start, to, &start, 8, 0));
	return GAINED;
}

static int copied_out(struct scene *s)
{
	int from = TRY(open(at(s, "file"), O_RDONLY));
	int to = STEP(open(aside(s, "out"), O_RDWR | O_CREAT, 0644));

	TRY(syscall(SYS_copy_file_range, from, (void *)0, to, (void *)0, 4096, 0));
	return read_secret(to);
}

static int sent_into(struct scene *s)
{
	int from = STEP(open(aside(s, "mine"), O_RDONLY));
	int to = STEP(open(at(s, "file"), s->control ? O_RDWR : O_RDONLY));

	TRY(sendfile(to, from, 0, 8));
	return GAINED;
}

static int spliced_into(struct scene *s)
{
	int ends[2], to = STEP(open(at(s, "file"), s->control ? O_RDWR : O_RDONLY));

	STEP(pipe(ends));
	STEP(write(ends[1], "scribbled", 9));
	TRY(splice(ends[0], 0, to, 0, 9, 0));
	return GAINED;
}

/* A page of the file's in a pipe, and the pipe written to: nothing must reach the file. */
static int merged_in_pipe(struct scene *s)
{
	int ends[2], fd = STEP(open(at(s, "file"), O_RDONLY)), again;
	char bytes[4096], buffer[64];
	loff_t start = 0;

	STEP(pipe2(ends, O_NONBLOCK));
	/* Fill and drain, so that all slots have been used for writing. */
	memset(bytes, 'x', sizeof(bytes));
	while (write(ends[1], bytes, sizeof(bytes)) > 0)
		;
	while (read(ends[0], bytes, sizeof(bytes)) > 0)
		;
	TRY(splice(fd, &start, ends[1], 0, 1, 0));
	TRY(write(ends[1], "scribbled", 9));
	again = STEP(open(at(s, "file"), O_RDONLY));
	STEP(read(again, buffer, sizeof(buffer)));
	return is_secret(buffer, sizeof(buffer)) ? NOTHING : GAINED;
}

static int cloned_into(struct scene *s)
{
	int from = STEP(open(aside(s, "mine"), O_RDONLY));
	int to = STEP(open(at(s, "file"), s->control ? O_RDWR : O_RDONLY));

	if (ioctl(to, FICLONE, from) == 0)
		return GAINED;
	return s->control ? UNAVAILABLE : -errno;
}

static int deduplicated_into(struct scene *s)
{
	struct {
		struct file_dedupe_range head;
		struct file_dedupe_range_info info;
	} range = { .head = { .src_length = 4096, .dest_count = 1 } };
	int from = STEP(open(at(s, "file"), O_RDONLY));

	range.info.dest_fd = STEP(open(at(s, "dir/inner"), s->control ? O_RDWR : O_RDONLY));
	if (ioctl(from, FIDEDUPERANGE, &range))
		return s->control && errno == EOPNOTSUPP ? UNAVAILABLE : -errno;
	if (range.info.status == 0 && range.info.bytes_deduped)
		return GAINED;
	return s->control ? UNAVAILABLE : NOTHING;
}

static int mapped(struct scene *s, int open_flags, int protection, int map_flags, void **map)
{
	int fd = TRY(open(at(s, "file"), open_flags));

	*map = mmap(0, 4096, protection, map_flags, fd, 0);
	close(fd);
	return *map == MAP_FAILED ? -errno : 0;
}

static int mapped_to_read(struct scene *s)
{
	void *map;
	int got = mapped(s, O_RDONLY, PROT_READ, MAP_SHARED, &map);

	return got ? got : is_secret(map, 4096) ? GAINED : NOTHING;
}

static int mapped_privately(struct scene *s)
{
	void *map;
	int got = mapped(s, O_RDONLY, PROT_READ | PROT_WRITE, MAP_PRIVATE, &map);

	return got ? got : is_secret(map, 4096) ? GAINED : NOTHING;
}

static int mapped_to_write(struct scene *s)
{
	void *map;
	int got = mapped(s, s->control ? O_RDWR : O_RDONLY, PROT_READ | PROT_WRITE, MAP_SHARED, &map);

	if (got)
		return got;
	memcpy(map, "scribbled", 9);
	return GAINED;
}

static int made_writable(struct scene *s)
{
	void *map;
	int got = mapped(s, s->control ? O_RDWR : O_RDONLY, PROT_READ, MAP_SHARED, &map);

	if (got)
		return BROKEN;
	TRY(mprotect(map, 4096, PROT_READ | PROT_WRITE));
	memcpy(map, "scribbled", 9);
	TRY(msync(map, 4096, MS_SYNC));
	return GAINED;
}

/* Whether the file still is what it was. */
static int changed(struct scene *s)
{
	char buffer[64] = {};
	int fd = STEP(open(at(s, "file"), O_RDONLY));

	STEP(read(fd, buffer, sizeof(buffer)));
	return is_secret(buffer, sizeof(buffer)) ? NOTHING : GAINED;
}

static int written_through_proc_mem(struct scene *s)
{
	void *map;
	int memory;

	if (mapped(s, s->control ? O_RDWR : O_RDONLY, PROT_READ | (s->control ? PROT_WRITE : 0), MAP_SHARED, &map))
		return BROKEN;
	memory = TRY(open("/proc/self/mem", O_RDWR));
	TRY(pwrite(memory, "scribbled", 9, (off_t)(uintptr_t)map));
	return changed(s);
}

static int written_by_process_vm(struct scene *s)
{
	char bytes[] = "scribbled";
	struct iovec local = { bytes, 9 }, remote;
	void *map;

	if (mapped(s, s->control ? O_RDWR : O_RDONLY, PROT_READ | (s->control ? PROT_WRITE : 0), MAP_SHARED, &map))
		return BROKEN;
	remote = (struct iovec){ map, 9 };
	TRY(process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	return changed(s);
}

static int remapped_pages(struct scene *s)
{
	void *map;
	int got = mapped(s, O_RDWR, PROT_READ, MAP_SHARED, &map);

	if (got)
		return got;
	TRY(syscall(SYS_remap_file_pages, map, 4096, 0, 0, 0));
	return is_secret(map, 4096) ? GAINED : NOTHING;
}

static int populated_for_writing(struct scene *s)
{
	void *map;
	int protection = PROT_READ | (s->control ? PROT_WRITE : 0);

	if (mapped(s, s->control ? O_RDWR : O_RDONLY, protection, MAP_SHARED, &map))
		return BROKEN;
	TRY(madvise(map, 4096, 23 /* MADV_POPULATE_WRITE */));
	memcpy(map, "scribbled", 9);
	return GAINED;
}

static int read_by_vector(struct scene *s)
{
	char buffer[64];
	struct iovec part = { buffer, sizeof(buffer) };
	int fd = TRY(open(at(s, "file"), O_RDONLY));

	TRY(preadv2(fd, &part, 1, 0, RWF_HIPRI));
	return is_secret(buffer, sizeof(buffer)) ? GAINED : NOTHING;
}

static int readahead_told(struct scene *s)
{
	unsigned char resident[2] = {};
	void *map;
	int got, fd = TRY(open(at(s, "file"), O_RDONLY));

	TRY(readahead(fd, 0, 4096));
	got = mapped(s, O_RDONLY, PROT_READ, MAP_SHARED, &map);
	if (got)
		return got;
	TRY(mincore(map, 4096, resident));
	return GAINED;
}

static int locked(struct scene *s)
{
	int fd = TRY(open(at(s, "file"), O_RDONLY));

	TRY(syscall(SYS_flock, fd, 2 | 4));
	return GAINED;
}

static int leased(struct scene *s)
{
	int fd = TRY(open(at(s, "file"), O_RDONLY));

	if (fcntl(fd, F_SETLEASE, F_RDLCK) && !(s->control && errno == EINVAL))
		return -errno;
	return GAINED;
}

static int listed(struct scene *s)
{
	char entries[1024];
	int fd = TRY(open(at(s, "dir"), O_RDONLY | O_DIRECTORY));

	return TRY(syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0 ? GAINED : NOTHING;
}

static int dumped_core(struct scene *s)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char pattern[64] = {};
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY), status;
	struct stat st;
	pid_t child;

	if (fd < 0 || read(fd, pattern, sizeof(pattern) - 1) < 0)
		return BROKEN;
	if (strcmp(pattern, "core\n") != 0 || setrlimit(RLIMIT_CORE, &unlimited))
		return UNAVAILABLE;
	child = STEP(fork());
	if (child == 0) {
		prctl(PR_SET_DUMPABLE, 1);
		if (chdir(at(s, "dir")))
			_exit(1);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	STEP(waitpid(child, &status, 0));
	if (!WIFSIGNALED(status))
		return BROKEN;
	if (!WCOREDUMP(status))
		return -EACCES;
	return stat(at(s, "dir/core"), &st) == 0 ? GAINED : NOTHING;
}

const struct attempt content_attempts[] = {
	{ "truncate", 29, FROZEN, truncated_by_name, "`truncate`", "`path_truncate`" },
	{ "truncate-reader", 29, FROZEN, truncated_by_reader, "`open` with `O_RDONLY` and `O_TRUNC`", "`file_open`" },
	{ "truncate-writer", 29, FROZEN, truncated_by_writer, "`open` with `O_WRONLY` and `O_TRUNC`", "`file_open`" },
	{ "truncate-creat", 29, FROZEN, truncated_by_creat, "`creat` of what is there", "`file_open`" },
	{ "ftruncate-reader", 29, FROZEN, truncated_by_descriptor, "`ftruncate` of a read-only descriptor", "the descriptor's mode",
	  .also = -EINVAL, .untold = BY_MODE },
	{ "append", 29, FROZEN, appended, "`O_APPEND`", "`file_open`" },
	{ "open-read-write", 29, FROZEN, opened_for_both, "`O_RDWR`", "`file_open`" },
	{ "punch-hole", 29, FROZEN, punched, "`fallocate` that punches a hole, read-only descriptor", "the descriptor's mode",
	  .also = -EBADF, .may_lack = true, .untold = BY_MODE },
	{ "zero-range", 29, FROZEN, zeroed, "`fallocate` that zeroes", "the descriptor's mode", .also = -EBADF, .may_lack = true },
	{ "collapse-range", 29, FROZEN, collapsed, "`fallocate` that collapses", "the descriptor's mode", .also = -EBADF,
	  .may_lack = true },
	{ "copy-range-in", 29, FROZEN, copied_into, "`copy_file_range` into a read-only descriptor", "the descriptor's mode",
	  .also = -EBADF, .untold = BY_MODE },
	{ "copy-range-out", 29, SEALED, copied_out, "`copy_file_range` out of the file", "`file_open`" },
	{ "sendfile-in", 29, FROZEN, sent_into, "`sendfile` into a read-only descriptor", "the descriptor's mode", .also = -EBADF,
	  .untold = BY_MODE },
	{ "splice-in", 29, FROZEN, spliced_into, "`splice` into a read-only descriptor", "the descriptor's mode", .also = -EBADF,
	  .untold = BY_MODE },
	{ "splice-merge", 0, FROZEN, merged_in_pipe, "a page of the file in a pipe, and the pipe written to",
	  "the kernel's pipes", .closed = true, .uncontrolled = true, .also = NOTHING,
	  .untold = "the page of a pipe is never the file's to write" },
	{ "clone-in", 29, FROZEN, cloned_into, "`FICLONE` into a read-only descriptor", "the descriptor's mode", .also = -EBADF,
	  .may_lack = true },
	{ "dedupe-in", 29, FROZEN, deduplicated_into, "`FIDEDUPERANGE` into a read-only descriptor", "the descriptor's mode",
	  .also = -EOPNOTSUPP, .may_lack = true },
	{ "map-to-read", 25, SEALED, mapped_to_read, "`mmap`, shared", "`file_open`" },
	{ "map-private", 0, SEALED, mapped_privately, "`mmap`, private and writable", "`file_open`" },
	{ "map-to-write", 25, FROZEN, mapped_to_write, "`mmap`, shared and writable, of a read-only descriptor",
	  "the descriptor's mode" },
	{ "mprotect-to-write", 25, FROZEN, made_writable, "`mprotect` to writable", "the descriptor's mode",
	  .untold = BY_MODE },
	{ "proc-mem-write", 14, FROZEN, written_through_proc_mem, "`/proc/self/mem` over a read-only mapping", "the mapping's mode",
	  .also = -EIO, .untold = BY_MODE },
	{ "process-vm-write", 14, FROZEN, written_by_process_vm, "`process_vm_writev` over a read-only mapping",
	  "the mapping's mode", .also = -EFAULT, .untold = BY_MODE },
	{ "remap-pages", 0, SEALED, remapped_pages, "`remap_file_pages`", "`file_open`; seccomp", .closed = true },
	{ "populate-write", 0, FROZEN, populated_for_writing, "`MADV_POPULATE_WRITE` of a read-only mapping",
	  "the mapping's mode", .also = -EINVAL, .untold = BY_MODE },
	{ "read-vectored", 29, SEALED, read_by_vector, "`preadv2`", "`file_open`" },
	{ "mincore", 0, SEALED, readahead_told, "`readahead`, `mincore`", "`file_open`" },
	{ "flock", 0, SEALED, locked, "`flock`", "`file_open`" },
	{ "lease", 0, SEALED, leased, "`F_SETLEASE`", "`file_open`" },
	{ "list", 0, SEALED, listed, "`getdents64`", "`file_open`: `iterate`" },
	{ "core-dump", 35, FROZEN, dumped_core, "a core dump into the folder",
	  "none is made where programs have different rights; `path_mknod`, with the task as caller", .closed = true,
	  .may_lack = true, .untold = BY_LIMIT },
	{},
};
