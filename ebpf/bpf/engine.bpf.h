/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The decision headers driven in the kernel.
 *
 * Long loops are bpf_loop() calls whose state lies in the work buffer, so that the verifier looks at each body once.
 * What is called from many places is a global function: verified once, on its own, whoever calls it.
 */
#ifndef BOESFS_ENGINE_BPF_H
#define BOESFS_ENGINE_BPF_H

#include "kernel_types.h"
#include <bpf/bpf_helpers.h>

#include "judge.h"

#ifdef BOESFS_BLOB_SIZE
#include "blob.bpf.h"
#else
#include "policies.bpf.h"
#endif

/* The value of a loop's context: a pointer on the stack is all bpf_loop() passes on. */
struct boesfs_loop {
	struct boesfs_work *work;
	__u32 which;
	__u32 done;
};

/* Enough for any loop: the longest list has BOESFS_MAX_ITEMS entries, the longest path MAX_PATH bytes. */
#define BOESFS_LOOPS (1u << 23)

static long boesfs_walk_body(__u32 i, void *ctx)
{
	struct boesfs_work *w = ((struct boesfs_loop *)ctx)->work;
	struct boesfs_blob b = boesfs_blob_get(w);
	__u32 which = w->walk.which;

	/* VERIFIER: keeps the bound with the register; else it is read from memory again. */
	asm volatile("" : "+r"(which));
	if (!b.base || which > 2)
		return 1;
	boesfs_walk_some(b, &w->walk, w->path[which]);
	return w->walk.status != BOESFS_WALK_GOING;
}

__attribute__((noinline)) int boesfs_walk_call(struct boesfs_work *w)
{
	struct boesfs_loop loop = { .work = w };

	if (!w)
		return 0;
	bpf_loop(BOESFS_WALK_TURNS, boesfs_walk_body, &loop, 0);
	if (w->walk.status == BOESFS_WALK_GOING)
		w->walk.status = BOESFS_WALK_CORRUPT;
	return 0;
}

static __always_inline void boesfs_walk_run(struct boesfs_work *w)
{
	boesfs_walk_call(w);
}

static long boesfs_scan_body(__u32 i, void *ctx)
{
	struct boesfs_work *w = ((struct boesfs_loop *)ctx)->work;
	struct boesfs_blob b = boesfs_blob_get(w);

	if (!b.base)
		return 1;
	boesfs_scan_step(b, &w->scan, &w->request);
	return w->scan.status != BOESFS_SCAN_GOING;
}

__attribute__((noinline)) int boesfs_scan_call(struct boesfs_work *w)
{
	struct boesfs_loop loop = { .work = w };

	if (!w)
		return 0;
	bpf_loop(BOESFS_LOOPS, boesfs_scan_body, &loop, 0);
	if (w->scan.status == BOESFS_SCAN_GOING)
		w->scan.status = BOESFS_SCAN_CORRUPT;
	return 0;
}

static __always_inline void boesfs_scan_run(struct boesfs_work *w)
{
	boesfs_scan_call(w);
}

__attribute__((noinline)) int boesfs_decide_call(struct boesfs_work *w)
{
	struct boesfs_blob b = boesfs_blob_get(w);

	if (!w)
		return 0;
	if (b.base)
		boesfs_decide(b, w);
	else
		boesfs_corrupt(w);
	return 0;
}

static __always_inline void boesfs_decide_run(struct boesfs_work *w)
{
	boesfs_decide_call(w);
}

__attribute__((noinline)) int boesfs_never_call(struct boesfs_work *w)
{
	struct boesfs_blob b = boesfs_blob_get(w);

	return !w || !b.base || boesfs_never_allowed(b, w);
}

static __always_inline __u32 boesfs_never_run(struct boesfs_work *w)
{
	return boesfs_never_call(w);
}

static long boesfs_gain_body(__u32 i, void *ctx)
{
	struct boesfs_work *w = ((struct boesfs_loop *)ctx)->work;
	struct boesfs_blob b = boesfs_blob_get(w);

	if (!b.base)
		return 1;
	boesfs_gain_step(b, w);
	return w->gain.status != BOESFS_GAIN_GOING;
}

__attribute__((noinline)) int boesfs_gain_call(struct boesfs_work *w)
{
	struct boesfs_loop loop = { .work = w };

	if (!w)
		return 0;
	bpf_loop(BOESFS_LOOPS, boesfs_gain_body, &loop, 0);
	return 0;
}

static __always_inline void boesfs_gain_run(struct boesfs_work *w)
{
	boesfs_gain_call(w);
}

static long boesfs_spelling_body(__u32 i, void *ctx)
{
	struct boesfs_work *w = ((struct boesfs_loop *)ctx)->work;

	boesfs_spelling_step(&w->spelling, w->path[w->spelling.phase == 0 ? 2 : 0], w->path[0], w->path[1], w->dir_len);
	return w->spelling.status != BOESFS_SPELLING_GOING;
}

__attribute__((noinline)) int boesfs_spelling_call(struct boesfs_work *w)
{
	struct boesfs_loop loop = { .work = w };

	if (!w)
		return 0;
	bpf_loop(4 * BOESFS_PATH_END, boesfs_spelling_body, &loop, 0);
	return 0;
}

static __always_inline void boesfs_spelling_run(struct boesfs_work *w)
{
	boesfs_spelling_call(w);
}

static long boesfs_locate_body(__u32 i, void *ctx)
{
	struct boesfs_loop *loop = ctx;

	return boesfs_locate_step(loop->work, loop->which);
}

/* Walks down to object @which. Returns 1 if it is hidden, or cannot be found. */
__attribute__((noinline)) int boesfs_locate_call(struct boesfs_work *w, __u32 which)
{
	struct boesfs_blob b = boesfs_blob_get(w);
	struct boesfs_loop loop = { .work = w, .which = which & 1 };
	long rounds;

	if (!w)
		return 1;
	which &= 1;
	w->outcome.deny = 0;
	if (w->object[which].place != BOESFS_INSIDE)
		return 0;
	if (!b.base)
		return boesfs_deny(w, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, BOESFS_OP_LOOKUP, which);
	if (boesfs_locate_begin(b, w, which))
		return w->outcome.deny != 0;
	rounds = bpf_loop(BOESFS_PATH_END, boesfs_locate_body, &loop, 0);
	if (rounds <= 0 || rounds >= BOESFS_PATH_END)
		return boesfs_deny(w, BOESFS_REASON_TOO_DEEP, BOESFS_EACCES_NUMBER, BOESFS_OP_LOOKUP, which);
	return w->outcome.deny != 0;
}

static __always_inline __u32 boesfs_locate_run(struct boesfs_work *w, __u32 which)
{
	return boesfs_locate_call(w, which);
}

#endif
