/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Attempts to get around a policy, and the scene they are made in.
 *
 * An attempt is a function that gets one folder of objects and tries to do with them what a policy forbids. It is made
 * three times: outside any sandbox, where it must succeed; in the sandbox on objects that no rule is about, where it
 * must succeed as well unless the sandbox closes the way for everybody; and in the sandbox on objects that are denied.
 */
#ifndef ESCAPE_SCENE_H
#define ESCAPE_SCENE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the objects of an attempt stand, and so what the policy denies there. */
enum tree {
	/* Everything but lookup. */
	SEALED,
	/* Everything that changes. */
	FROZEN,
	/* Lookup, and so everything. */
	HIDDEN,
	/* exec */
	NOEXEC,
	/* Everything that opens, to any program but /keeper. */
	VAULT,
	/* Nothing: the attempt is about the sandbox, not about objects. */
	NOWHERE,
};

/* What comes of an attempt on a plane. */
enum fate {
	/* It fails on what is denied. */
	BLOCKED,
	/* It succeeds, by a promise that is not made; the reason is in the table, and the test pins it. */
	PINNED,
	/* The plane has nothing that it could be made on. */
	ABSENT,
};

/* What an attempt gives. An errno, negated, if a call was refused. */
enum {
	GAINED = 0,
	/* The call went through and nothing came of it: no secret read, nothing changed. */
	NOTHING = -4001,
	/* What it needs is not there. */
	UNAVAILABLE = -4002,
	/* A step that no policy speaks of failed: the attempt says nothing. */
	BROKEN = -4003,
	/* It was ended by the signal that is subtracted from this. */
	BY_SIGNAL = -5000,
};

struct scene {
	/* The folder with the objects that are attacked. */
	char base[256];
	/* A folder in which everything is allowed. */
	char side[256];
	const char *tree;
	const char *name;
	/* A socket on which an accomplice outside hands out descriptors, or -1. */
	int accomplice;
	/* No sandbox around. */
	bool outside;
	/* On the objects that no rule is about. */
	bool control;
};

struct attempt {
	const char *name;
	/* Its row in the list, 0 for those of our own. */
	int row;
	enum tree tree;
	int (*run)(struct scene *s);
	/* What it is, in a few words. */
	const char *what;
	/* What catches it. */
	const char *caught;
	/* No sandbox lets this through, whatever the policy: there is no control inside. */
	bool closed;
	/* The fuse plane closes it for everybody where a policy denies it to somebody. */
	bool closed_on_fuse;
	/* Succeeds nowhere that a test could prepare: there is no control outside. */
	bool uncontrolled;
	/* Another result than EACCES, EPERM, ENOENT, EXDEV or EROFS that is a denial. */
	int also;
	enum fate lsm, fuse;
	/* Why it is pinned or absent. */
	const char *why;
	/* Prepares more objects in the folder, outside. */
	int (*lay)(const char *folder, const char *tree);
	/* May lack a kernel feature: skipped if the control finds it missing. */
	bool may_lack;
	/* What the lsm plane's event of the denial says where it is not the folder's rule: another rule, or a reason. */
	const char *told;
	/* Why there is no such event: it is not a rule that denies it. With the one before too, on some kernels there is one. */
	const char *untold;
};

/* Reasons why a denial is not told. */
#define BY_SECCOMP "the system call is refused to everybody, before any hook"
#define BY_LIMIT "nothing is tried: the limit for it is too small"
#define BY_CAPABILITY "the kernel asks for a capability before it asks a hook"
#define BY_MODE "what was opened, or mapped, is not for writing: the kernel asks no hook"
#define BY_CLASS "no operation of a policy's: a process of another program is shut, whatever the rules say"

/* The tables, one for each file of attempts. */
extern const struct attempt reach_attempts[], spelling_attempts[], names_attempts[], content_attempts[], meta_attempts[],
	exec_attempts[], mounts_attempts[], ring_attempts[], kernel_attempts[], given_attempts[], class_attempts[],
	race_attempts[];

/* Names below the folders; each result stays valid for some calls. */
const char *at(const struct scene *s, const char *name);
const char *aside(const struct scene *s, const char *name);
const char *below(const char *folder, const char *name);

/* A step that belongs to the attempt: its error is the attempt's. */
#define TRY(call)                                                                                                      \
	({                                                                                                             \
		long try_ = (long)(call);                                                                              \
		if (try_ < 0)                                                                                          \
			return -errno;                                                                                 \
		try_;                                                                                                  \
	})
/* A step that no policy speaks of. */
#define STEP(call)                                                                                                     \
	({                                                                                                             \
		long step_ = (long)(call);                                                                             \
		if (step_ < 0) {                                                                                       \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, strerror(errno));                \
			return BROKEN;                                                                                 \
		}                                                                                                      \
		step_;                                                                                                 \
	})
/* A step after which there is nothing to attempt if the kernel does not know it. */
#define KNOWN(call)                                                                                                    \
	({                                                                                                             \
		long known_ = (long)(call);                                                                            \
		if (known_ < 0 && (errno == ENOSYS || errno == EOPNOTSUPP || errno == EINVAL))                         \
			return UNAVAILABLE;                                                                            \
		if (known_ < 0)                                                                                        \
			return -errno;                                                                                 \
		known_;                                                                                                \
	})

/* Whether @buffer begins as what an attempt is not to read begins. */
bool is_secret(const void *buffer, ssize_t length);
/* GAINED if the descriptor gives the secret. */
int read_secret(int fd);
/* GAINED if the file does. */
int open_secret(int dirfd, const char *path, int flags);
/* Writes over the beginning of the file. */
int scribble(int fd);
/* Makes a file with these bytes. */
int put(const char *path, const void *bytes, size_t length, mode_t mode);
int put_text(const char *path, const char *text);
/* A program of 160 bytes that reads a byte and exits with RAN. */
#define RAN 42
int put_program(const char *path);
/* GAINED if the child that called @run(argument) exited with RAN; its errno if it exited with less. */
int await_run(pid_t child);
/* The open of /proc/self/fd/@fd. */
int reopen(int fd, int flags);
const char *proc_fd(int fd);
/* Descriptor that the accomplice hands over for @request and @path, or -1. */
int ask_accomplice(const struct scene *s, char request, const char *path);
int send_fd(int socket, int fd);
int receive_fd(int socket);
int serve_accomplice(int socket, const char *root);
/* This program, as it is called in the sandbox or outside. */
extern const char *self_path;

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#define CONTENT_LENGTH 8192

#endif
