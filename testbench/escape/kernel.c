/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The kernel's insides, other ABIs and devices, which a sandbox closes for everybody. */
#include "scene.h"

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static int bpf_command(int command)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	if (command != BPF_MAP_CREATE)
		memset(&attr, 0, sizeof(attr));
	if (syscall(SYS_bpf, command, &attr, sizeof(attr)) >= 0 || errno == ENOENT)
		return GAINED;
	return -errno;
}

static int bpf_map_made(struct scene *s)
{
	(void)s;
	return bpf_command(BPF_MAP_CREATE);
}

static int bpf_programs_found(struct scene *s)
{
	(void)s;
	return bpf_command(BPF_PROG_GET_NEXT_ID);
}

static int bpf_links_found(struct scene *s)
{
	(void)s;
	return bpf_command(BPF_LINK_GET_NEXT_ID);
}

static int pin_folder_changed(struct scene *s)
{
	(void)s;
	if (mkdir("/sys/fs/bpf/boesfs-escape", 0700)) {
		if (s->outside && errno != EEXIST)
			return UNAVAILABLE;
		return -errno;
	}
	rmdir("/sys/fs/bpf/boesfs-escape");
	return GAINED;
}

static int key_added(struct scene *s)
{
	(void)s;
	if (syscall(SYS_add_key, "user", "boesfs-escape", "x", 1, -1 /* the thread's */) >= 0)
		return GAINED;
	return s->outside ? UNAVAILABLE : -errno;
}

static int keys_asked(struct scene *s)
{
	(void)s;
	if (syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* the session's */, 1) >= 0)
		return GAINED;
	return s->outside ? UNAVAILABLE : -errno;
}

static int performance_watched(struct scene *s)
{
	/* A software clock of one's own process. */
	uint32_t attr[32] = { 1, 128 };

	(void)s;
	if (syscall(SYS_perf_event_open, attr, 0, -1, -1, 0) >= 0)
		return GAINED;
	return s->outside ? UNAVAILABLE : -errno;
}

static int faults_handled(struct scene *s)
{
	(void)s;
	if (syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */) >= 0)
		return GAINED;
	return s->outside ? UNAVAILABLE : -errno;
}

#define REFUSED(name, ...)                                                                                             \
	static int name(struct scene *s)                                                                               \
	{                                                                                                              \
		(void)s;                                                                                               \
		TRY(syscall(__VA_ARGS__));                                                                             \
		return GAINED;                                                                                         \
	}

REFUSED(swapped, SYS_swapon, aside(s, "mine"), 0)
REFUSED(accounted, SYS_acct, aside(s, "mine"))
REFUSED(quota_told, SYS_quotactl, 0x80000700 /* Q_GETFMT */, s->base, 0, 0)
REFUSED(quota_told_by_descriptor, SYS_quotactl_fd, open(s->side, O_RDONLY), 0x80000700, 0, 0)
REFUSED(kernel_loaded, SYS_kexec_file_load, open(aside(s, "prog"), O_RDONLY), -1, 0, "", 4)
REFUSED(kernel_loaded_from_memory, SYS_kexec_load, 0, 0, 0, 0)
REFUSED(module_loaded, SYS_finit_module, open(aside(s, "prog"), O_RDONLY), "", 0)
REFUSED(module_loaded_from_memory, SYS_init_module, "", 0, "")
REFUSED(machine_stopped, SYS_reboot, 0xfee1dead, 0x28121969, 0 /* CAD off */, 0)
REFUSED(log_read, SYS_syslog, 10 /* size */, 0, 0)
REFUSED(ports_opened, SYS_iopl, 3)

/* A terminal of one's own, into which input is put. */
static int input_put(struct scene *s)
{
	int master = STEP(open("/dev/ptmx", O_RDWR | O_NOCTTY)), number, slave, unlock = 0;
	char name[64];

	STEP(ioctl(master, 0x40045431 /* TIOCSPTLCK */, &unlock));
	STEP(ioctl(master, 0x80045430 /* TIOCGPTN */, &number));
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	setsid();
	slave = STEP(open(name, O_RDWR));
	if (ioctl(slave, 0x5412 /* TIOCSTI */, "x") == 0)
		return GAINED;
	return s->outside ? UNAVAILABLE : -errno;
}

static int console_driven(struct scene *s)
{
	char paste = 3;

	(void)s;
	TRY(ioctl(0, 0x541C /* TIOCLINUX */, &paste));
	return GAINED;
}

/* Snapshots and subvolumes of btrfs and bcachefs, and files of XFS by their handles: no hook is told their names. */
static int made_unnamed(struct scene *s)
{
	static const unsigned int requests[] = {
		0x50009401, 0x5000940e, 0x5000940f, 0x50009417, 0x50009418, 0x5000943f, 0x40489426, 0x4020bc10,
		0x4020bc11, 0x8008bc40, 0x40186f04, 0xd0009411, 0xc0709411, 0xc038586b, 0xc038586c, 0x4058587a, 0x4048587b,
		0xc0189436, 0xc0406618, 0xc0406619,
	};
	static char arguments[4096];
	int directory = STEP(open("/", O_RDONLY | O_DIRECTORY));

	(void)s;
	for (unsigned int i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (ioctl(directory, requests[i], arguments) == 0)
			return GAINED;
		if (errno != EPERM)
			return -errno;
	}
	return -EPERM;
}

/* A 32-bit system call from a 64-bit program. */
static int called_as_32_bit(struct scene *s)
{
	char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long got;

	if (low == MAP_FAILED)
		return BROKEN;
	strcpy(low, at(s, "file"));
	__asm__ volatile("int $0x80" : "=a"(got) : "a"(5 /* open */), "b"(low), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
	if (got < 0)
		return (int)got;
	return read_secret((int)got);
}

static int called_as_x32(struct scene *s)
{
	long got = syscall(0x40000000 | SYS_open, at(s, "file"), O_RDONLY);

	if (got < 0)
		return s->outside && errno == ENOSYS ? UNAVAILABLE : -errno;
	return read_secret((int)got);
}

/* A filter of one's own whose listener lets a refused call go on. */
static int call_continued(struct scene *s)
{
	struct sock_filter code[] = {
		{ 0x20 /* load the number */, 0, 0, 0 },
		{ 0x15 /* equal? */, 0, 1, SYS_umount2 },
		{ 0x06 /* return */, 0, 0, SECCOMP_RET_USER_NOTIF },
		{ 0x06, 0, 0, SECCOMP_RET_ALLOW },
	};
	struct sock_fprog program = { 4, code };
	struct seccomp_notif request = {};
	struct seccomp_notif_resp answer = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	int listener, status;
	pid_t child;

	STEP(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	listener = STEP(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
	child = STEP(fork());
	if (child == 0) {
		/* Nothing is mounted there, which is what a call that goes through finds out. */
		umount2(s->base, 0);
		_exit(errno == EINVAL ? RAN : errno);
	}
	if (s->outside) {
		STEP(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request));
		answer.id = request.id;
		STEP(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer));
	}
	STEP(waitpid(child, &status, 0));
	return WEXITSTATUS(status) == RAN ? GAINED : -WEXITSTATUS(status);
}

#define OPENED(name, path, flags)                                                                                      \
	static int name(struct scene *s)                                                                               \
	{                                                                                                              \
		int fd = open(path, flags);                                                                            \
		char byte;                                                                                             \
                                                                                                                       \
		if (fd < 0)                                                                                            \
			return s->outside && (errno == ENOENT || errno == EROFS || errno == EPERM) ? UNAVAILABLE       \
												  : -errno;    \
		if ((flags) == O_RDONLY && read(fd, &byte, 1) < 1)                                                     \
			return NOTHING;                                                                                \
		return GAINED;                                                                                         \
	}

OPENED(memory_opened, "/dev/mem", O_RDONLY)
OPENED(core_read, "/proc/kcore", O_RDONLY)
OPENED(fuse_opened, "/dev/fuse", O_RDWR)
OPENED(disk_opened, "/dev/vda", O_RDONLY)
OPENED(log_opened, "/dev/kmsg", O_RDWR)
OPENED(pattern_changed, "/proc/sys/kernel/core_pattern", O_WRONLY)
OPENED(helper_changed, "/proc/sys/kernel/modprobe", O_WRONLY)
OPENED(formats_changed, "/proc/sys/fs/binfmt_misc/register", O_WRONLY)
OPENED(keys_pressed, "/proc/sysrq-trigger", O_WRONLY)
OPENED(group_changed, "/sys/fs/cgroup/cgroup.procs", O_WRONLY)
OPENED(kernel_told, "/sys/kernel/uevent_helper", O_WRONLY)

static int ids_changed(struct scene *s)
{
	int fd = STEP(open("/proc/self/uid_map", O_WRONLY));

	(void)s;
	TRY(write(fd, "0 0 1", 5));
	return GAINED;
}

static int exe_replaced(struct scene *s)
{
	int fd = STEP(open(aside(s, "prog"), O_RDONLY));

	/* It has to be given up by the mappings first, which the right to do so comes before. */
	if (prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, fd, 0, 0) == 0 || (s->outside && errno == EBUSY))
		return GAINED;
	return s->outside ? UNAVAILABLE : -errno;
}

const struct attempt kernel_attempts[] = {
	{ "cgroup-procs", 45, NOWHERE, group_changed, "writing `cgroup.procs`", "`/sys` is read-only", .may_lack = true },
	{ "bpf-map", 50, NOWHERE, bpf_map_made, "`bpf`: a map", "seccomp; `bpf`" },
	{ "bpf-programs", 50, NOWHERE, bpf_programs_found, "`bpf`: the programs", "seccomp; `bpf`" },
	{ "bpf-links", 50, NOWHERE, bpf_links_found, "`bpf`: the links", "seccomp; `bpf`" },
	{ "bpf-pins", 51, NOWHERE, pin_folder_changed, "making a name among the pins", "`/sys` is read-only", .may_lack = true },
	{ "add-key", 0, NOWHERE, key_added, "`add_key`", "seccomp", .may_lack = true },
	{ "keyctl", 0, NOWHERE, keys_asked, "`keyctl`", "seccomp", .may_lack = true },
	{ "perf-event", 0, NOWHERE, performance_watched, "`perf_event_open`", "seccomp", .may_lack = true },
	{ "userfaultfd", 0, NOWHERE, faults_handled, "`userfaultfd`, to hold the kernel at a page", "seccomp", .may_lack = true },
	{ "swapon", 35, NOWHERE, swapped, "`swapon`", "seccomp", .uncontrolled = true },
	{ "acct", 35, NOWHERE, accounted, "`acct`", "seccomp", .uncontrolled = true },
	{ "quotactl", 35, NOWHERE, quota_told, "`quotactl`", "seccomp", .uncontrolled = true },
	{ "quotactl-fd", 0, NOWHERE, quota_told_by_descriptor, "`quotactl_fd`", "seccomp", .uncontrolled = true },
	{ "kexec-file", 35, NOWHERE, kernel_loaded, "`kexec_file_load`", "seccomp", .uncontrolled = true },
	{ "kexec", 35, NOWHERE, kernel_loaded_from_memory, "`kexec_load`", "seccomp", .uncontrolled = true },
	{ "module-file", 0, NOWHERE, module_loaded, "`finit_module`", "seccomp", .uncontrolled = true },
	{ "module", 0, NOWHERE, module_loaded_from_memory, "`init_module`", "seccomp", .uncontrolled = true },
	{ "reboot", 0, NOWHERE, machine_stopped, "`reboot`", "seccomp", .uncontrolled = true },
	{ "syslog", 0, NOWHERE, log_read, "`syslog`", "seccomp", .uncontrolled = true },
	{ "iopl", 0, NOWHERE, ports_opened, "`iopl`", "seccomp", .uncontrolled = true },
	{ "tiocsti", 30, NOWHERE, input_put, "`TIOCSTI`", "seccomp", .may_lack = true },
	{ "tioclinux", 0, NOWHERE, console_driven, "`TIOCLINUX`", "seccomp", .uncontrolled = true },
	{ "snapshot", 30, NOWHERE, made_unnamed, "`ioctl`s that make snapshots, or open by handles, without a hook", "seccomp",
	  .uncontrolled = true },
	{ "int80", 58, SEALED, called_as_32_bit, "32-bit calls by `int 0x80`", "seccomp kills", .closed = true,
	  .also = BY_SIGNAL - SIGSYS, .may_lack = true, .untold = BY_SECCOMP },
	{ "x32", 58, SEALED, called_as_x32, "x32 calls", "seccomp kills", .closed = true, .also = BY_SIGNAL - SIGSYS,
	  .may_lack = true },
	{ "seccomp-continue", 0, NOWHERE, call_continued, "a listener of one's own that lets a refused call go on",
	  "a filter's error goes before" },
	{ "dev-mem", 34, NOWHERE, memory_opened, "`/dev/mem`", "not in `/dev`", .may_lack = true },
	{ "proc-kcore", 34, NOWHERE, core_read, "`/proc/kcore`", "masked", .may_lack = true, .also = NOTHING },
	{ "dev-fuse", 42, NOWHERE, fuse_opened, "`/dev/fuse`, to serve a file system", "not in `/dev`", .may_lack = true },
	{ "dev-disk", 34, NOWHERE, disk_opened, "the disk itself", "not in `/dev`", .may_lack = true },
	{ "dev-kmsg", 0, NOWHERE, log_opened, "`/dev/kmsg`", "not in `/dev`", .may_lack = true },
	{ "core-pattern", 56, NOWHERE, pattern_changed, "a program for core dumps", "`/proc/sys` is read-only", .may_lack = true },
	{ "modprobe-path", 56, NOWHERE, helper_changed, "a program for loading modules", "`/proc/sys` is read-only",
	  .may_lack = true },
	{ "binfmt-register", 56, NOWHERE, formats_changed, "a program for a format of one's own", "`/proc/sys` is read-only",
	  .may_lack = true },
	{ "uevent-helper", 56, NOWHERE, kernel_told, "a program for events of devices", "`/sys` is read-only", .may_lack = true },
	{ "sysrq", 0, NOWHERE, keys_pressed, "`/proc/sysrq-trigger`", "read-only", .may_lack = true },
	{ "uid-map", 0, NOWHERE, ids_changed, "writing `uid_map` again", "the kernel: once", .uncontrolled = true },
	{ "exe-replaced", 48, NOWHERE, exe_replaced, "`PR_SET_MM_EXE_FILE`", "capabilities", .may_lack = true },
	{},
};
