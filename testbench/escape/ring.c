/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* io_uring, whose operations pass no filter of system calls. */
#include "scene.h"

#include <linux/io_uring.h>
#include <sched.h>

/* A ring of io_uring's, as far as one operation needs it. */
struct ring {
	int fd;
	struct io_uring_params params;
	unsigned int *tail, *mask, *array, *completed, *completed_mask;
	struct io_uring_sqe *entries;
	struct io_uring_cqe *completions;
};

static int make_ring(struct ring *ring, unsigned int flags)
{
	char *submissions, *completions;

	memset(ring, 0, sizeof(*ring));
	ring->params.flags = flags;
	ring->fd = (int)syscall(SYS_io_uring_setup, 4, &ring->params);
	if (ring->fd < 0)
		return -errno;
	submissions = mmap(0, ring->params.sq_off.array + 4 * 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			   IORING_OFF_SQ_RING);
	completions = mmap(0, ring->params.cq_off.cqes + 8 * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
			   MAP_SHARED, ring->fd, IORING_OFF_CQ_RING);
	ring->entries = mmap(0, 4 * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			     IORING_OFF_SQES);
	if (submissions == MAP_FAILED || completions == MAP_FAILED || ring->entries == MAP_FAILED)
		return -errno;
	ring->tail = (void *)(submissions + ring->params.sq_off.tail);
	ring->mask = (void *)(submissions + ring->params.sq_off.ring_mask);
	ring->array = (void *)(submissions + ring->params.sq_off.array);
	ring->completed = (void *)(completions + ring->params.cq_off.tail);
	ring->completed_mask = (void *)(completions + ring->params.cq_off.ring_mask);
	ring->completions = (void *)(completions + ring->params.cq_off.cqes);
	return 0;
}

/* Has @entry done and gives its result. */
static int done_by_ring(struct ring *ring, const struct io_uring_sqe *entry)
{
	unsigned int tail = *ring->tail, index = tail & *ring->mask, before = *ring->completed;

	ring->entries[index] = *entry;
	ring->array[index] = index;
	__atomic_store_n(ring->tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1,
		    IORING_ENTER_GETEVENTS | (ring->params.flags & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0), 0,
		    0) < 0)
		return -errno;
	while (__atomic_load_n(ring->completed, __ATOMIC_ACQUIRE) == before)
		sched_yield();
	return ring->completions[before & *ring->completed_mask].res;
}

static int opened_by_ring(struct scene *s, unsigned int setup, unsigned char flags)
{
	struct ring ring;
	struct io_uring_sqe entry = { .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .flags = flags, .open_flags = O_RDONLY };
	int got = make_ring(&ring, setup);

	if (got)
		return s->outside && (got == -EPERM || got == -ENOSYS) ? UNAVAILABLE : got;
	entry.addr = (uintptr_t)at(s, "file");
	got = done_by_ring(&ring, &entry);
	return got < 0 ? got : read_secret(got);
}

static int opened_by_ring_directly(struct scene *s)
{
	return opened_by_ring(s, 0, 0);
}

static int opened_by_worker(struct scene *s)
{
	return opened_by_ring(s, 0, IOSQE_ASYNC);
}

static int opened_by_polling_thread(struct scene *s)
{
	return opened_by_ring(s, IORING_SETUP_SQPOLL, 0);
}

static int removed_by_ring(struct scene *s)
{
	struct ring ring;
	struct io_uring_sqe entry = { .opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD };
	int got = make_ring(&ring, 0);

	if (got)
		return s->outside && (got == -EPERM || got == -ENOSYS) ? UNAVAILABLE : got;
	entry.addr = (uintptr_t)at(s, "file");
	return done_by_ring(&ring, &entry);
}

static int personality_registered(struct scene *s)
{
	struct ring ring;
	int got = make_ring(&ring, 0);

	if (got)
		return s->outside && (got == -EPERM || got == -ENOSYS) ? UNAVAILABLE : got;
	TRY(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_PERSONALITY, 0, 0));
	return GAINED;
}

const struct attempt ring_attempts[] = {
	{ "uring-open", 18, SEALED, opened_by_ring_directly, "io_uring's `OPENAT`", "seccomp; `file_open`", .closed = true,
	  .may_lack = true, .untold = BY_SECCOMP },
	{ "uring-unlink", 18, FROZEN, removed_by_ring, "io_uring's `UNLINKAT`", "seccomp; `path_unlink`", .closed = true,
	  .may_lack = true, .untold = BY_SECCOMP },
	{ "uring-worker", 19, SEALED, opened_by_worker, "io_uring's `OPENAT` by a worker", "seccomp; `task_alloc`", .closed = true,
	  .may_lack = true, .untold = BY_SECCOMP },
	{ "uring-sqpoll", 19, SEALED, opened_by_polling_thread, "io_uring's polling thread", "seccomp; `task_alloc`",
	  .closed = true, .may_lack = true, .untold = BY_SECCOMP },
	{ "uring-personality", 0, NOWHERE, personality_registered, "io_uring's registered personality", "seccomp",
	  .may_lack = true },
	{},
};
