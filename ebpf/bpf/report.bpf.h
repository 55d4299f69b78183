/* SPDX-License-Identifier: GPL-2.0 */
/* How a call ends: its event, the count of denials, the end of the sandbox, and the error it returns. */
#ifndef BOESFS_REPORT_BPF_H
#define BOESFS_REPORT_BPF_H

#include "place.bpf.h"
#include <bpf/bpf_tracing.h>

#define BOESFS_SIGKILL 9

/* Appends @len bytes at @from, of at most a path, to the event. */
static __always_inline void boesfs_event_append(struct boesfs_event *e, __u32 *at, const void *from, __u32 len)
{
	__u32 to = *at & (2 * BOESFS_PATH_END - 1); /* VERIFIER: bounds it; two paths never reach that far. */

	len &= BOESFS_PATH_END - 1;
	if (bpf_probe_read_kernel(&e->bytes[to], len, from))
		return;
	*at = to + len;
}

/*
 * Appends the path of object @which up to @end, with the protected directory's before it. Of an object that is at no known
 * place that is what is known of its path's end, or nothing.
 */
static __always_inline void boesfs_event_path(struct boesfs_scratch *s, struct boesfs_sandbox *sandbox, __u32 *at,
					      __u32 which, __u32 end)
{
	const struct boesfs_object *o = &s->work.object[which & 1];
	__u32 begin = *at, start = o->start;
	const void *dir = boesfs_dir_path(s->slot, sandbox->dir_len);

	if (o->place == BOESFS_INSIDE && dir && sandbox->dir_len) {
		boesfs_event_append(&s->event, at, dir, sandbox->dir_len);
		if (begin + sandbox->dir_len + (end - start) > BOESFS_MAX_PATH) {
			/* Keep the end of the name away from the next argument's room. */
			end = start + (BOESFS_MAX_PATH - sandbox->dir_len);
			s->event.record.flags |= BOESFS_EVENT_PATH_TRUNCATED;
		}
	}
	if (end > start && end <= BOESFS_PATH_END)
		boesfs_event_append(&s->event, at, &s->work.path[which & 1][start & (BOESFS_PATH_END - 1)], end - start);
	if (o->place == BOESFS_INSIDE || o->place == BOESFS_OUTSIDE) {
		if (*at == begin)
			boesfs_event_append(&s->event, at, "/", 1);
	} else if (*at != begin) {
		s->event.record.flags |= BOESFS_EVENT_PATH_TRUNCATED;
	}
}

/* Whether an event has to go without: the last quarter of a ring buffer is for denials. */
static __always_inline __u32 boesfs_is_crowded(void *ring, __u32 deny)
{
	return !deny && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) * 4 > bpf_ringbuf_query(ring, BPF_RB_RING_SIZE) * 3;
}

struct boesfs_fold_loop {
	struct boesfs_scratch *scratch;
	__u64 hash;
};

static long boesfs_fold_word(__u32 i, void *ctx)
{
	struct boesfs_fold_loop *loop = ctx;
	__u32 at = (i * 8) & (2 * BOESFS_PATH_END - 8); /* VERIFIER: bounds it; two paths never reach that far. */

	loop->hash = (loop->hash ^ *(__u64 *)&loop->scratch->event.bytes[at]) * 0x9e3779b97f4a7c15ull;
	loop->hash ^= loop->hash >> 29;
	return 0;
}

/*
 * Whether the event, with @len bytes of names, is one too many of its kind at this time, and then counts it. If not, the
 * event says how many of its kind were since the last that was told.
 */
static __always_inline __u32 boesfs_is_folded(struct boesfs_scratch *s, struct boesfs_sandbox *sandbox, __u32 len)
{
	struct boesfs_event_record *r = &s->event.record;
	struct boesfs_fold_loop loop = { .scratch = s, .hash = boesfs_fold_seed ^ len };
	struct boesfs_fold_key key = {
		.sandbox = r->sandbox,
		.generation = r->generation,
		.class = r->class,
		.cell = r->cell,
		.entry = r->entry,
		.what = r->op | r->deny << 8 | r->reason << 16,
	};
	struct boesfs_fold fresh = { .window = r->time >> BOESFS_FOLD_WINDOW, .told = 1 };
	struct boesfs_fold *fold;

	/* The last word's other bytes are an earlier event's. */
	*(__u64 *)&s->event.bytes[len & (2 * BOESFS_PATH_END - 1)] = 0;
	bpf_loop((len + 7) / 8, boesfs_fold_word, &loop, 0);
	key.names = loop.hash;
	fold = bpf_map_lookup_elem(&folds, &key);
	if (!fold) {
		bpf_map_update_elem(&folds, &key, &fresh, 0);
		return 0;
	}
	if (fold->window != fresh.window) {
		fold->window = fresh.window;
		fold->told = 0;
	}
	if (fold->told >= sandbox->event_rate) {
		__sync_fetch_and_add(&fold->folded, 1);
		__sync_fetch_and_add(&sandbox->folded, 1);
		return 1;
	}
	__sync_fetch_and_add(&fold->told, 1);
	r->reserved2[0] = __sync_lock_test_and_set(&fold->folded, 0);
	return 0;
}

/* Fills the event from the outcome and hands it over; a full ring buffer is counted. */
static __always_inline void boesfs_event_send(struct boesfs_scratch *s, struct boesfs_sandbox *sandbox, __u32 flags,
					      __u64 denials)
{
	struct boesfs_event_record *r = &s->event.record;
	const struct boesfs_outcome *o = &s->work.outcome;
	__u32 at = 0, op = o->op, size, index = sandbox->ring;
	void *ring = bpf_map_lookup_elem(&rings, &index);

	r->time = bpf_ktime_get_boot_ns();
	r->sandbox = sandbox->id;
	r->generation = s->generation;
#pragma unroll
	for (__u32 i = 0; i < BOESFS_MAX_ARGS; i++)
		r->args[i] = s->work.request.known >> i & 1 ? s->work.request.value[i] : 0;
	r->pid = bpf_get_current_pid_tgid() >> 32;
	r->uid = s->work.request.value[BOESFS_FIELD_UID];
	r->class = s->class;
	r->cell = o->cell;
	r->entry = o->entry;
	r->errno = o->deny ? o->error : 0;
	r->op = op;
	r->deny = o->deny;
	r->reason = o->reason;
	r->flags = flags;
	r->args_known = s->work.request.known & BOESFS_ARGS_MASK;
	r->args_absent = s->work.request.absent & BOESFS_ARGS_MASK;
	r->reserved = 0;
	r->denials = denials;
	r->reserved2[0] = 0;
	boesfs_event_path(s, sandbox, &at, o->which, o->end);
	r->path_len = at;
	if (op == BOESFS_OP_RENAME || op == BOESFS_OP_LINK)
		boesfs_event_path(s, sandbox, &at, !(o->which & 1), BOESFS_PATH_END);
	else if (op == BOESFS_OP_SYMLINK)
		boesfs_event_append(&s->event, &at, s->work.path[2], s->work.text_len);
	r->arg_len = at - r->path_len;
	if (sandbox->event_rate && !(flags & BOESFS_EVENT_KILLED) && boesfs_is_folded(s, sandbox, at))
		return;
	size = sizeof(*r) + at;
	if (size > sizeof(s->event))
		size = sizeof(s->event);
	if (!ring || boesfs_is_crowded(ring, o->deny) || bpf_ringbuf_output(ring, &s->event, size, 0))
		__sync_fetch_and_add(&sandbox->dropped, 1);
}

/* Whether a denial for @reason counts towards the sandbox's end: what a rule or a default decided. */
static __always_inline __u32 boesfs_counts(__u32 reason)
{
	return reason == BOESFS_REASON_RULE || reason == BOESFS_REASON_DEFAULT || reason == BOESFS_REASON_UNKNOWN_ARGS;
}

/* Reports the outcome and counts it; kills the sandbox at its last denial. */
__attribute__((noinline)) int boesfs_report_call(struct boesfs_scratch *s)
{
	struct boesfs_sandbox *sandbox;
	__u32 flags = 0, report;
	__u64 denials = 0;

	if (!s)
		return 0;
	sandbox = boesfs_sandbox_get(s->slot);
	if (!sandbox)
		return 0;
	report = s->work.outcome.report;
	if (sandbox->flags & BOESFS_SANDBOX_PERMISSIVE)
		flags |= BOESFS_EVENT_PERMISSIVE;
	if (s->work.outcome.deny && boesfs_counts(s->work.outcome.reason)) {
		denials = __sync_fetch_and_add(&sandbox->denials, 1) + 1;
		if (flags & BOESFS_EVENT_PERMISSIVE || !sandbox->kill_after) {
			/* Nobody is killed. */
		} else if (denials > sandbox->kill_after) {
			return 0;
		} else if (denials == sandbox->kill_after) {
			__sync_fetch_and_or(&sandbox->flags, BOESFS_SANDBOX_KILLED);
			flags |= BOESFS_EVENT_KILLED;
			report = 1;
		}
	}
	if (report && !(sandbox->flags & BOESFS_SANDBOX_UNTOLD))
		boesfs_event_send(s, sandbox, flags, denials);
	if (flags & BOESFS_EVENT_KILLED) {
		bpf_send_signal(BOESFS_SIGKILL);
		/* A full one has woken everybody already. */
		bpf_ringbuf_output(&limits, &denials, sizeof(denials), BPF_RB_FORCE_WAKEUP);
	}
	return 0;
}

/* The negative error number, one constant each: a hook's program may return only known errors. */
static __always_inline int boesfs_error(__u32 number)
{
	switch (number) {
	case BOESFS_EPERM_NUMBER:
		return -BOESFS_EPERM_NUMBER;
	case BOESFS_ENOENT_NUMBER:
		return -BOESFS_ENOENT_NUMBER;
	case BOESFS_EROFS_NUMBER:
		return -BOESFS_EROFS_NUMBER;
	case BOESFS_EXDEV_NUMBER:
		return -BOESFS_EXDEV_NUMBER;
	default:
		return -BOESFS_EACCES_NUMBER;
	}
}

/* Tells what the outcome has to tell, and gives what the hook returns. */
static __always_inline int boesfs_report(struct boesfs_caller *caller, __u32 denied)
{
	struct boesfs_outcome *o = &caller->scratch->work.outcome;
	__u32 error = o->error;

	if (denied || o->report)
		boesfs_report_call(caller->scratch);
	if (caller->sandbox->flags & BOESFS_SANDBOX_PERMISSIVE)
		return 0;
	return denied ? boesfs_error(error) : 0;
}

/* Ends a call that has taken a work buffer. */
static __always_inline int boesfs_end(struct boesfs_caller *caller, __u32 denied)
{
	int error = boesfs_report(caller, denied);

	boesfs_scratch_give(caller);
	return error;
}

/* Finds out who calls: returns from a hook's program unless the current task is to be judged. */
#define BOESFS_KNOW(caller, ret)                                                                                       \
	do {                                                                                                           \
		__u32 confinement_;                                                                                    \
                                                                                                                       \
		if (ret)                                                                                               \
			return ret;                                                                                    \
		confinement_ = boesfs_confinement(bpf_get_current_task_btf(), &(caller));                              \
		if (confinement_ == BOESFS_FREE)                                                                       \
			return 0;                                                                                      \
		if (confinement_ != BOESFS_CONFINED || !boesfs_bind(&(caller)))                                        \
			return -BOESFS_EACCES_NUMBER;                                                                  \
	} while (0)

/* Begins the judging of a call whose caller is known. */
#define BOESFS_TAKE(caller)												\
	do {														\
		if (!boesfs_scratch_take_or_lose(&(caller)))								\
			return -BOESFS_EACCES_NUMBER;									\
		boesfs_work_begin(&(caller));										\
	} while (0)

/* Begins a call in a hook's program: returns from it unless the current task is to be judged. */
#define BOESFS_BEGIN(caller, ret)                                                                                      \
	do {                                                                                                           \
		BOESFS_KNOW(caller, ret);                                                                              \
		BOESFS_TAKE(caller);                                                                                   \
	} while (0)

#define BOESFS_CAST(function, args...)                                                                                 \
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wint-conversion\"") return function(args);   \
	_Pragma("GCC diagnostic pop")

/*
 * A program at a hook that takes @args and what programs before it returned. That is 0: the kernel calls no further one
 * after a denial. A task that cannot be in a sandbox is let go before anything is set up for the rest.
 */
#define BOESFS_PROG(name, args...)                                                                                     \
	name(unsigned long long *ctx);                                                                                 \
	static __always_inline int ____##name(unsigned long long *ctx, ##args);                                        \
	static __attribute__((noinline)) int name##_inside(unsigned long long *ctx)                                    \
	{                                                                                                              \
		BOESFS_CAST(____##name, ___bpf_ctx_cast(args))                                                         \
	}                                                                                                              \
	int name(unsigned long long *ctx)                                                                              \
	{                                                                                                              \
		return boesfs_is_elsewhere() ? 0 : name##_inside(ctx);                                                 \
	}                                                                                                              \
	static __always_inline int ____##name(unsigned long long *ctx, ##args)

/* The same in one frame. VERIFIER: of those it allows eight, which judging a name that is to be found takes but for this. */
#define BOESFS_DEEP_PROG(name, args...)                                                                                \
	name(unsigned long long *ctx);                                                                                 \
	static __always_inline int ____##name(unsigned long long *ctx, ##args);                                        \
	int name(unsigned long long *ctx)                                                                              \
	{                                                                                                              \
		if (boesfs_is_elsewhere())                                                                             \
			return 0;                                                                                      \
		BOESFS_CAST(____##name, ___bpf_ctx_cast(args))                                                         \
	}                                                                                                              \
	static __always_inline int ____##name(unsigned long long *ctx, ##args)

#endif
