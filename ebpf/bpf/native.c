// SPDX-License-Identifier: GPL-2.0
/* The decision headers for the host: the `native` engine. Each long loop is a for loop here. */
#include "judge.h"

static __always_inline struct boesfs_blob boesfs_blob_of(const struct boesfs_work *w)
{
	struct boesfs_blob b = { .base = w->blob, .len = w->blob_len };

	return b;
}

static __always_inline void boesfs_walk_run(struct boesfs_work *w)
{
	if (w->walk.which > 2) {
		w->walk.status = BOESFS_WALK_CORRUPT;
		return;
	}
	while (w->walk.status == BOESFS_WALK_GOING)
		boesfs_walk_some(boesfs_blob_of(w), &w->walk, w->path[w->walk.which]);
}

static __always_inline void boesfs_scan_run(struct boesfs_work *w)
{
	/* As many steps as in the kernel: a list that is inconsistent may be very long. */
	for (__u32 i = 0; i < 1u << 23 && w->scan.status == BOESFS_SCAN_GOING; i++)
		boesfs_scan_step(boesfs_blob_of(w), &w->scan, &w->request);
	if (w->scan.status == BOESFS_SCAN_GOING)
		w->scan.status = BOESFS_SCAN_CORRUPT;
}

static __always_inline void boesfs_decide_run(struct boesfs_work *w)
{
	boesfs_decide(boesfs_blob_of(w), w);
}

static __always_inline __u32 boesfs_never_run(struct boesfs_work *w)
{
	return boesfs_never_allowed(boesfs_blob_of(w), w);
}

static __always_inline void boesfs_gain_run(struct boesfs_work *w)
{
	while (w->gain.status == BOESFS_GAIN_GOING)
		boesfs_gain_step(boesfs_blob_of(w), w);
}

static __always_inline void boesfs_spelling_run(struct boesfs_work *w)
{
	while (w->spelling.status == BOESFS_SPELLING_GOING)
		boesfs_spelling_step(&w->spelling, w->path[w->spelling.phase == 0 ? 2 : 0], w->path[0], w->path[1],
				     w->dir_len);
}

static __always_inline __u32 boesfs_locate_run(struct boesfs_work *w, __u32 which)
{
	w->outcome.deny = 0;
	if (w->object[which & 1].place != BOESFS_INSIDE)
		return 0;
	if (!boesfs_locate_begin(boesfs_blob_of(w), w, which))
		while (!boesfs_locate_step(w, which))
			;
	return w->outcome.deny != 0;
}

/*
 * Decides @call, whose path is the @path_len bytes at @path, on the @blob_len bytes at @blob, which are aligned to 8. Returns 0,
 * or 1 if the request or the policy cannot be used.
 */
int boesfs_native_decide(const __u8 *blob, __u64 blob_len, struct boesfs_call *call, const __u8 *path)
{
	static _Thread_local struct boesfs_work work;
	struct boesfs_work *w = &work;
	const struct boesfs_policy_header *h;

	w->blob = blob;
	w->blob_len = blob_len;
	h = boesfs_header(boesfs_blob_of(w));
	if (!h || call->path_len > BOESFS_PATH_END)
		return 1;
	memcpy(w->path[0], path, call->path_len);
	boesfs_walk_begin(&w->walk, 0, 0, call->path_len, h->path_start, 0);
	boesfs_walk_run(w);
	if (w->walk.status != BOESFS_WALK_DONE)
		return 1;
	memcpy(w->request.value, call->value, sizeof(call->value));
	w->request.known = call->known;
	w->request.absent = call->absent;
	w->request.op = call->op;
	w->request.class = call->class;
	w->request.access = BOESFS_ACCESS_ANY;
	w->request.label = call->label = w->walk.label;
	if (call->never) {
		call->deny = boesfs_never_run(w);
		return 0;
	}
	boesfs_decide_run(w);
	call->deny = w->decision.deny;
	call->cell = w->decision.cell;
	call->entry = w->decision.entry;
	call->reason = w->decision.reason;
	call->error = w->decision.error;
	call->report = w->decision.report;
	return 0;
}

/* The text class of the @len bytes at @text, or BOESFS_NO_RULE if the policy cannot be used. */
__u32 boesfs_native_text_class(const __u8 *blob, __u64 blob_len, const __u8 *text, __u32 len)
{
	static _Thread_local struct boesfs_work work;
	struct boesfs_work *w = &work;
	const struct boesfs_policy_header *h;

	w->blob = blob;
	w->blob_len = blob_len;
	h = boesfs_header(boesfs_blob_of(w));
	if (!h || len > BOESFS_PATH_END)
		return BOESFS_NO_RULE;
	if (!h->text_start)
		return 0;
	memcpy(w->path[2], text, len);
	boesfs_walk_begin(&w->walk, 2, 0, len, h->text_start, 0);
	boesfs_walk_run(w);
	return w->walk.status == BOESFS_WALK_DONE ? w->walk.label : BOESFS_NO_RULE;
}

/*
 * Walks over the @len bytes at @path name by name, each from the state that the one before led to: what a call does whose names
 * may be hidden, or that goes on from a directory. Writes one past the last byte of each name and its label to @names, for
 * @room of them at most. Returns how many names there are, or BOESFS_NO_RULE if the policy cannot be used.
 */
__u32 boesfs_native_names(const __u8 *blob, __u64 blob_len, const __u8 *path, __u32 len, __u32 (*names)[2], __u32 room)
{
	static _Thread_local struct boesfs_work work;
	struct boesfs_work *w = &work;
	const struct boesfs_policy_header *h;
	__u32 count = 0;

	w->blob = blob;
	w->blob_len = blob_len;
	h = boesfs_header(boesfs_blob_of(w));
	if (!h || len > BOESFS_PATH_END)
		return BOESFS_NO_RULE;
	memcpy(w->path[1], path, len);
	boesfs_walk_begin(&w->walk, 1, 0, len, h->path_start, 0);
	for (;;) {
		w->walk.by_component = 1;
		boesfs_walk_run(w);
		if (w->walk.status == BOESFS_WALK_CORRUPT)
			return BOESFS_NO_RULE;
		if (count < room) {
			names[count][0] = w->walk.at;
			names[count][1] = w->walk.label;
		}
		count++;
		if (w->walk.status == BOESFS_WALK_DONE)
			return count;
		boesfs_walk_begin(&w->walk, 1, w->walk.at, len, w->walk.node, w->walk.inside);
	}
}
