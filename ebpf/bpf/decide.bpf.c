// SPDX-License-Identifier: GPL-2.0
/*
 * The `bpf` engine: the decision headers as a program that is run with BPF_PROG_RUN on one request at a time.
 * It is of type `syscall` and loads wherever root may load one; the loader knows it by its section, which is named
 * for a type that its library knows.
 */
#include "engine.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct boesfs_call_ctx {
	struct boesfs_call call;
	__u8 path[BOESFS_CALL_PATH];
};

/* One call at a time: the engine has the program for itself. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct boesfs_work);
} work SEC(".maps");

SEC("classifier")
int boesfs_decide_prog(struct boesfs_call_ctx *ctx)
{
	struct boesfs_blob b = boesfs_blob_get(0);
	const struct boesfs_policy_header *h;
	__u32 zero = 0, len = ctx->call.path_len;
	struct boesfs_work *w = bpf_map_lookup_elem(&work, &zero);

	if (!w || !b.base || len > BOESFS_CALL_PATH)
		return 1;
	h = boesfs_header(b);
	if (!h)
		return 1;
	bpf_probe_read_kernel(w->path[0], BOESFS_CALL_PATH, ctx->path);
	if (ctx->call.never == BOESFS_CALL_TEXT && !h->text_start) {
		ctx->call.label = 0;
		return 0;
	}
	boesfs_walk_begin(&w->walk, 0, 0, len, ctx->call.never == BOESFS_CALL_TEXT ? h->text_start : h->path_start, 0);
	boesfs_walk_run(w);
	if (w->walk.status != BOESFS_WALK_DONE)
		return 1;
#pragma unroll
	for (int i = 0; i < 8; i++)
		w->request.value[i] = ctx->call.value[i];
	w->request.known = ctx->call.known;
	w->request.absent = ctx->call.absent;
	w->request.op = ctx->call.op;
	w->request.class = ctx->call.class;
	w->request.access = BOESFS_ACCESS_ANY;
	w->request.label = w->walk.label;
	ctx->call.label = w->walk.label;
	if (ctx->call.never == BOESFS_CALL_TEXT)
		return 0;
	if (ctx->call.never) {
		ctx->call.deny = boesfs_never_run(w);
		return 0;
	}
	boesfs_decide_run(w);
	ctx->call.deny = w->decision.deny;
	ctx->call.cell = w->decision.cell;
	ctx->call.entry = w->decision.entry;
	ctx->call.reason = w->decision.reason;
	ctx->call.error = w->decision.error;
	ctx->call.report = w->decision.report;
	return 0;
}
