/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Descriptors from outside: an accomplice there hands over what the sandbox may not open. */
#include "scene.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int received_file(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 'r', at(s, "file")));

	return read_secret(fd);
}

static int received_writer(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 'w', at(s, "file")));

	return scribble(fd);
}

static int received_reached(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 'p', at(s, "file")));

	return open_secret(AT_FDCWD, proc_fd(fd), O_RDONLY);
}

static int received_folder(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 'd', s->base));

	return open_secret(fd, "dir/inner", O_RDONLY);
}

static int received_folder_entered(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 'p', s->base));

	TRY(fchdir(fd));
	return open_secret(AT_FDCWD, "dir/../file", O_RDONLY);
}

static int received_tree(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 't', s->base));

	return open_secret(fd, "file", O_RDONLY);
}

static int received_layer(struct scene *s)
{
	/* Where the root is an overlay, its lower layer lies beside it. */
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/../../../lower/%s/%s", s->base, s->tree, s->name);
	fd = ask_accomplice(s, 'd', path);
	if (fd < 0)
		return s->outside ? UNAVAILABLE : -errno;
	return open_secret(fd, "file", O_RDONLY);
}

static int received_in_a_socket(struct scene *s)
{
	int carrier = TRY(ask_accomplice(s, 's', at(s, "file")));
	int fd = TRY(receive_fd(carrier));

	return read_secret(fd);
}

static int received_namespace(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 'n', ""));

	TRY(syscall(SYS_setns, fd, 0));
	return GAINED;
}

static int received_process_robbed(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 'i', ""));

	TRY(syscall(SYS_pidfd_getfd, fd, 0, 0));
	return GAINED;
}

static int received_process_joined(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 'i', ""));

	TRY(syscall(SYS_setns, fd, 0x20000 /* CLONE_NEWNS */));
	return GAINED;
}

static int received_process_signalled(struct scene *s)
{
	int fd = TRY(ask_accomplice(s, 'i', ""));

	TRY(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0));
	return GAINED;
}

static int received_process_advised(struct scene *s)
{
	struct iovec part = { (void *)0x400000, 4096 };
	int fd = TRY(ask_accomplice(s, 'i', ""));

	TRY(syscall(SYS_process_madvise, fd, &part, 1, 20 /* MADV_COLD */, 0));
	return GAINED;
}

static int peer_robbed(struct scene *s)
{
	int fd = -1;
	socklen_t length = sizeof(fd);

	/* SO_PEERPIDFD, of 6.5: no help of the peer's is needed. */
	if (getsockopt(s->accomplice, SOL_SOCKET, 77, &fd, &length)) {
		/* Known to the kernel, and the peer gone, or unknown to it. */
		return errno == ENOPROTOOPT || errno == ESRCH ? UNAVAILABLE : -errno;
	}
	TRY(syscall(SYS_pidfd_getfd, fd, 0, 0));
	return GAINED;
}

static int received_ring(struct scene *s)
{
	int fd = ask_accomplice(s, 'u', "");

	if (fd < 0)
		return s->outside ? UNAVAILABLE : -errno;
	TRY(syscall(SYS_io_uring_enter, fd, 0, 0, 0, 0, 0));
	return GAINED;
}

static int received_ring_mapped(struct scene *s)
{
	int fd = ask_accomplice(s, 'u', "");
	void *map;

	if (fd < 0)
		return s->outside ? UNAVAILABLE : -errno;
	map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	/* A thread of the kernel's may read it without any call being made. */
	return map == MAP_FAILED ? -errno : GAINED;
}

static int sent_away(struct scene *s)
{
	int fd = TRY(open(at(s, "dir"), O_PATH | O_DIRECTORY));

	TRY(send_fd(s->accomplice, fd));
	/* Its answer: it knows no such request. */
	receive_fd(s->accomplice);
	return GAINED;
}

static int strays(struct scene *s)
{
	(void)s;
	/* Above the standard three, and the pipe that carries the result. */
	for (int fd = 3; fd < 1024; fd++) {
		struct stat st;

		if (fcntl(fd, F_GETFD) >= 0 && fstat(fd, &st) == 0 && !S_ISFIFO(st.st_mode))
			return GAINED;
	}
	return NOTHING;
}

static int passed_within(struct scene *s)
{
	int ends[2], fd = TRY(open(at(s, "file"), O_PATH));

	STEP(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	STEP(send_fd(ends[0], fd));
	fd = TRY(receive_fd(ends[1]));
	return open_secret(AT_FDCWD, proc_fd(fd), O_RDONLY);
}

static int mounted_outside(struct scene *s)
{
	int got;

	/* The answer carries nothing; that it has come is enough. */
	ask_accomplice(s, 'm', s->side);
	got = open_secret(AT_FDCWD, aside(s, "file"), O_RDONLY);
	ask_accomplice(s, 'M', s->side);
	return got;
}

#define HANDED_OVER "on fuse what somebody outside hands over lies beneath the mount that is served; give a sandbox no sockets to outside"

const struct attempt given_attempts[] = {
	{ "received-file", 27, SEALED, received_file, "an open file received", "`file_receive`", .closed = true, .fuse = PINNED,
	  .why = HANDED_OVER, .told = "unresolved" },
	{ "received-writer", 27, SEALED, received_writer, "a file open for writing received", "`file_receive`", .closed = true,
	  .fuse = PINNED, .why = HANDED_OVER, .told = "unresolved" },
	{ "received-reached", 27, SEALED, received_reached, "an `O_PATH` descriptor received", "`file_receive`", .closed = true,
	  .fuse = PINNED, .why = HANDED_OVER, .told = "unresolved" },
	{ "received-folder", 27, SEALED, received_folder, "a directory received", "`file_receive`", .closed = true,
	  .fuse = PINNED, .why = HANDED_OVER, .told = "unresolved" },
	{ "received-folder-entered", 27, SEALED, received_folder_entered, "a directory received and entered", "`file_receive`",
	  .closed = true, .fuse = PINNED, .why = HANDED_OVER, .told = "unresolved" },
	{ "received-tree", 43, SEALED, received_tree, "a detached mount received, as a disconnected export",
	  "`file_receive`; what is connected to no root is denied", .closed = true, .fuse = PINNED, .why = HANDED_OVER,
	  .may_lack = true, .told = "unresolved" },
	{ "received-layer", 10, SEALED, received_layer, "a directory of the layer beneath the root received",
	  "`file_receive`", .closed = true, .fuse = PINNED, .why = HANDED_OVER, .may_lack = true, .told = "unresolved" },
	{ "received-in-socket", 27, SEALED, received_in_a_socket, "a socket received with a file on its way through it",
	  "`file_receive`", .closed = true, .fuse = PINNED, .why = HANDED_OVER, .told = "unresolved" },
	{ "received-namespace", 27, NOWHERE, received_namespace, "a mount namespace received, `setns`", "seccomp" },
	{ "received-pidfd-getfd", 27, NOWHERE, received_process_robbed, "a pidfd received, `pidfd_getfd`",
	  "`ptrace_access_check`" },
	{ "received-pidfd-setns", 0, NOWHERE, received_process_joined, "a pidfd received, `setns`", "seccomp" },
	{ "received-pidfd-signal", 52, NOWHERE, received_process_signalled, "a pidfd received, a signal sent",
	  "pid namespace", .also = -EINVAL },
	{ "received-pidfd-madvise", 0, NOWHERE, received_process_advised, "a pidfd received, `process_madvise`",
	  "`ptrace_access_check`" },
	{ "peer-pidfd", 0, NOWHERE, peer_robbed, "`SO_PEERPIDFD`, `pidfd_getfd`", "`ptrace_access_check`", .may_lack = true },
	{ "received-ring", 20, NOWHERE, received_ring, "a ring of io_uring's received, entered", "the kernel lets no ring travel; seccomp",
	  .may_lack = true },
	{ "received-ring-mapped", 20, NOWHERE, received_ring_mapped, "a ring of io_uring's received, mapped", "the kernel lets no ring travel",
	  .may_lack = true },
	{ "spread-mount", 8, SEALED, mounted_outside, "a mount made outside, over an allowed folder", "private propagation",
	  .closed = true, .uncontrolled = true, .untold = "the mount is not there in the sandbox" },
	{ "sent-away", 28, SEALED, sent_away, "a descriptor sent to somebody outside", "outside the sandbox",
	  .lsm = PINNED, .fuse = PINNED, .why = "what somebody outside does with it is by their own rights" },
	{ "passed-within", 27, SEALED, passed_within, "an `O_PATH` descriptor passed on and opened", "`file_receive`, `file_open`" },
	{ "stray-descriptors", 26, NOWHERE, strays, "descriptors of the caller's beyond the standard three", "closed at set-up",
	  .uncontrolled = true, .also = NOTHING },
	{},
};
