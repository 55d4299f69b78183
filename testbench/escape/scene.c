/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What attempts share. */
#include "scene.h"

#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

const char *self_path;

const char *below(const char *folder, const char *name)
{
	static char ring[16][PATH_MAX];
	static unsigned int next;
	char *path = ring[next++ % 16];

	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

const char *at(const struct scene *s, const char *name)
{
	return below(s->base, name);
}

const char *aside(const struct scene *s, const char *name)
{
	return below(s->side, name);
}

bool is_secret(const void *buffer, ssize_t length)
{
	static const char mark[] = "a secret of ";

	return length >= (ssize_t)sizeof(mark) - 1 && memcmp(buffer, mark, sizeof(mark) - 1) == 0;
}

int read_secret(int fd)
{
	char buffer[64];
	ssize_t got = TRY(pread(fd, buffer, sizeof(buffer), 0));

	return is_secret(buffer, got) ? GAINED : NOTHING;
}

int open_secret(int dirfd, const char *path, int flags)
{
	int fd = TRY(openat(dirfd, path, flags));
	int got = read_secret(fd);

	close(fd);
	return got;
}

int scribble(int fd)
{
	TRY(pwrite(fd, "scribbled", 9, 0));
	return GAINED;
}

int put(const char *path, const void *bytes, size_t length, mode_t mode)
{
	int fd = TRY(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));

	TRY(write(fd, bytes, length));
	TRY(fchmod(fd, mode));
	close(fd);
	return 0;
}

int put_text(const char *path, const char *text)
{
	return put(path, text, strlen(text), 0644);
}

int put_program(const char *path)
{
	static const unsigned char code[] = {
		/* read(0, sp - 8, 1) */
		0x31, 0xc0, 0x31, 0xff, 0x48, 0x8d, 0x74, 0x24, 0xf8, 0xba, 1, 0, 0, 0, 0x0f, 0x05,
		/* exit(RAN) */
		0xb8, 60, 0, 0, 0, 0xbf, RAN, 0, 0, 0, 0x0f, 0x05,
	};
	unsigned char file[120 + sizeof(code)] = {
		0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 2, [18] = 0x3e, [20] = 1, [24] = 0x78, 0x00, 0x40, [32] = 64,
		[52] = 64, [54] = 56, [56] = 1,
		/* One segment; before 6.10 the kernel clears the rest of an interpreter's last page, so it is writable. */
		[64] = 1, [68] = 7, [80] = 0x00, 0x00, 0x40, [88] = 0x00, 0x00, 0x40, [96] = sizeof(file),
		[104] = sizeof(file), [112] = 0x00, 0x10,
	};

	memcpy(file + 120, code, sizeof(code));
	return put(path, file, sizeof(file), 0755);
}

int await_run(pid_t child)
{
	int status;

	STEP(waitpid(child, &status, 0));
	if (WIFSIGNALED(status))
		return BY_SIGNAL - WTERMSIG(status);
	if (WEXITSTATUS(status) == RAN)
		return GAINED;
	return WEXITSTATUS(status) ? -WEXITSTATUS(status) : NOTHING;
}

const char *proc_fd(int fd)
{
	static char ring[4][64];
	static unsigned int next;
	char *path = ring[next++ % 4];

	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return path;
}

int reopen(int fd, int flags)
{
	return open(proc_fd(fd), flags);
}

int send_fd(int socket, int fd)
{
	char byte = 'd', room[CMSG_SPACE(sizeof(int))] = {};
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *header;

		message.msg_control = room;
		message.msg_controllen = sizeof(room);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	return sendmsg(socket, &message, 0) < 0 ? -1 : 0;
}

int receive_fd(int socket)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room,
				  .msg_controllen = sizeof(room) };
	struct cmsghdr *header;
	int fd;

	if (recvmsg(socket, &message, 0) < 0)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS || message.msg_flags & MSG_CTRUNC) {
		/* The kernel tells of a descriptor that may not be received by leaving it out. */
		errno = EACCES;
		return -1;
	}
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

int ask_accomplice(const struct scene *s, char request, const char *path)
{
	char line[PATH_MAX + 2];

	if (s->accomplice < 0) {
		errno = ENOTCONN;
		return -1;
	}
	snprintf(line, sizeof(line), "%c%s", request, path);
	if (send(s->accomplice, line, strlen(line) + 1, 0) < 0)
		return -1;
	return receive_fd(s->accomplice);
}

/* What the accomplice hands over for @request. */
static int hand_over(char request, const char *path)
{
	char folder[PATH_MAX];
	int pair[2];

	switch (request) {
	case 'r':
		return open(path, O_RDONLY);
	case 'w':
		return open(path, O_RDWR);
	case 'p':
		return open(path, O_PATH);
	case 'd':
		return open(path, O_RDONLY | O_DIRECTORY);
	case 'i':
		/* A pidfd of the accomplice. */
		return (int)syscall(SYS_pidfd_open, getpid(), 0);
	case 'n':
		return open("/proc/self/ns/mnt", O_RDONLY);
	case 'u':
		/* A ring of io_uring's, made outside. */
		return (int)syscall(SYS_io_uring_setup, 4, (char[256]){});
	case 't':
		/* A detached copy of the mount, as open_tree() gives it. */
		return (int)syscall(SYS_open_tree, AT_FDCWD, path, 1 | O_CLOEXEC);
	case 'm':
		/* A mount outside, where the sandbox would see it if mounts spread. */
		snprintf(folder, sizeof(folder), "%s/../../sealed/spread-mount", path);
		if (mount(folder, path, 0, MS_BIND, 0) == 0)
			errno = 0;
		return -1;
	case 'M':
		umount2(path, MNT_DETACH);
		return -1;
	case 's':
		/* A socket with the descriptor already on its way through it. */
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
			return -1;
		send_fd(pair[0], open(path, O_RDONLY));
		close(pair[0]);
		return pair[1];
	default:
		errno = EINVAL;
		return -1;
	}
}

/* Listens where attempts connect to. The sockets live as long as the accomplice. */
static int listen_in(const char *folder)
{
	static const struct {
		const char *name;
		int type;
	} sockets[] = { { "stream", SOCK_STREAM }, { "packets", SOCK_DGRAM } };

	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_un name = { .sun_family = AF_UNIX };
		int fd = STEP(socket(AF_UNIX, sockets[i].type, 0));

		STEP(chdir(folder));
		strcpy(name.sun_path, sockets[i].name);
		STEP(bind(fd, (struct sockaddr *)&name, sizeof(name)));
		if (sockets[i].type == SOCK_STREAM)
			STEP(listen(fd, 100));
	}
	STEP(chdir("/"));
	return 0;
}

/* Serves until the other end is gone. @root is what the sandbox sees as /. */
int serve_accomplice(int socket, const char *root)
{
	static const char *const trees[] = { "control", "open", "frozen" };
	char line[PATH_MAX + 2], path[2 * PATH_MAX];
	ssize_t length;

	umask(0);
	for (size_t i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", root, trees[i % 3], i < 3 ? "connect-socket" : "send-socket");
		if (listen_in(path))
			return 1;
	}
	/* Sockets that are bound where everything is allowed, under a second name each. */
	snprintf(path, sizeof(path), "%s/attack/connect-alias.side", root);
	if (listen_in(path))
		return 1;
	for (size_t i = 0; i < 3; i++) {
		char alias[PATH_MAX];

		snprintf(alias, sizeof(alias), "%s/%s/connect-alias/stream", root, trees[i]);
		STEP(link(below(path, "stream"), alias));
	}
	/* From here on everything is where it is. */
	if (write(socket, "!", 1) != 1)
		return 1;
	while ((length = recv(socket, line, sizeof(line) - 1, 0)) > 0) {
		int fd;

		line[length] = 0;
		/* Outside, names begin with the root already. */
		if (strncmp(line + 1, root, strlen(root)) == 0)
			snprintf(path, sizeof(path), "%s", line + 1);
		else
			snprintf(path, sizeof(path), "%s%s", root, line + 1);
		fd = hand_over(line[0], path);
		/* Newer kernels let no ring travel. */
		if (send_fd(socket, fd) < 0 && send_fd(socket, -1) < 0)
			return 1;
		if (fd >= 0)
			close(fd);
	}
	return 0;
}
