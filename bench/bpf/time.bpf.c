// SPDX-License-Identifier: GPL-2.0
/*
 * How long decisions take in the kernel: requests are laid out in work buffers as a hook would, a group at a time, and then
 * decided between two readings of the clock. What is read besides, and the loop, are timed alone by BOESFS_TIME_NOTHING.
 *
 * BOESFS_PACKING says how the automaton is packed: as the product has it, or in one of two forms it is compared with.
 */
#include "../../ebpf/bpf/engine.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define BOESFS_TIME_GROUP 32
#define BOESFS_TIME_PATH 4096
#define BOESFS_TIME_REQUESTS 4096

enum boesfs_time_what {
	BOESFS_TIME_NOTHING,
	BOESFS_TIME_WALK,
	BOESFS_TIME_DECISION,
};

struct boesfs_time_request {
	__u32 op;
	__u32 class;
	/* Where the walk begins. */
	__u32 node;
	__u32 inside;
	__u32 path_len;
	__u32 reserved;
	__u8 path[BOESFS_TIME_PATH];
};

struct boesfs_time_ctx {
	/* How many groups of requests there are, and how often each is decided. */
	__u32 groups;
	__u32 rounds;
	/* enum boesfs_time_what. */
	__u32 what;
	__u32 reserved;
	/* The answer: nanoseconds, and of all requests how many were denied and how many could not be decided. */
	__u64 ns;
	__u64 denied;
	__u64 failed;
	/* The labels of all, added up. */
	__u64 labels;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BOESFS_TIME_GROUP);
	__type(key, __u32);
	__type(value, struct boesfs_work);
} works SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BOESFS_TIME_REQUESTS);
	__type(key, __u32);
	__type(value, struct boesfs_time_request);
} requests SEC(".maps");

struct boesfs_time {
	__u64 ns;
	__u64 denied;
	__u64 failed;
	__u64 labels;
	__u32 first;
	__u32 groups;
	__u32 what;
	__u32 reserved;
};

#if BOESFS_PACKING != 0

/* Both forms begin with this, and then the bytes' classes. References count words. */
struct boesfs_packed {
	__u32 start;
	__u32 reserved[3];
	__u8 classes[256];
};

static __always_inline const __u32 *boesfs_packed_at(const __u8 *base, __u32 word)
{
	__u64 off = word * 4ull;

	asm volatile("" : "+r"(off));
	if (off >= BOESFS_BLOB_SIZE)
		return 0;
	asm volatile("" : "+r"(off));
	return (const __u32 *)(base + off);
}

/* Up to 16 bytes of the input. */
static long boesfs_packed_body(__u32 i, void *ctx)
{
	struct boesfs_work *w = ((struct boesfs_loop *)ctx)->work;
	struct boesfs_blob b = boesfs_blob_get(w);
	__u32 state = w->walk.node;

	if (!b.base)
		return 1;
#pragma clang loop unroll(disable)
	for (int k = 0; k < 16; k++) {
		__u32 at = w->walk.at;
		const __u32 *row = boesfs_packed_at(b.base, state);
		__u32 class;

		if (!row)
			return 1;
		if (at >= w->walk.end) {
			w->walk.label = row[0];
			w->walk.status = BOESFS_WALK_DONE;
			return 1;
		}
		class = ((const struct boesfs_packed *)b.base)->classes[w->path[0][at & (BOESFS_PATH_END - 1)]];
#if BOESFS_PACKING == 1
		/* Dense: a label, and a reference for each class. */
		state = row[1 + class];
#else
		/* Comb: a label, the default, and where the row's teeth begin: whose row a tooth is, and its reference. */
		{
			const __u32 *tooth = boesfs_packed_at(b.base, row[2] + 2 * class);

			if (!tooth)
				return 1;
			state = tooth[0] == state ? tooth[1] : row[1];
		}
#endif
		w->walk.at = at + 1;
		boesfs_forget();
	}
	w->walk.node = state;
	return 0;
}

__attribute__((noinline)) int boesfs_packed_call(struct boesfs_work *w)
{
	struct boesfs_loop loop = { .work = w };

	if (!w)
		return 0;
	bpf_loop(BOESFS_PATH_END / 16 + 1, boesfs_packed_body, &loop, 0);
	return 0;
}

#endif

static long boesfs_time_lay_out(__u32 i, void *ctx)
{
	struct boesfs_time *t = ctx;
	__u32 which = i & (BOESFS_TIME_GROUP - 1), index = t->first + i, len;
	struct boesfs_work *w = bpf_map_lookup_elem(&works, &which);
	struct boesfs_time_request *r = bpf_map_lookup_elem(&requests, &index);

	if (!w || !r)
		return 1;
	len = r->path_len;
	if (len > BOESFS_TIME_PATH)
		return 1;
	bpf_probe_read_kernel(w->path[0], len, r->path);
	w->text_len = len;
	w->dir_node = r->node;
	w->dir_inside = r->inside;
	w->request.op = r->op;
	w->request.class = r->class;
	w->request.known = 0;
	w->request.absent = 0;
	w->request.access = BOESFS_ACCESS_ANY;
	return 0;
}

static long boesfs_time_one(__u32 i, void *ctx)
{
	struct boesfs_time *t = ctx;
	__u32 which = i & (BOESFS_TIME_GROUP - 1);
	struct boesfs_work *w = bpf_map_lookup_elem(&works, &which);

	if (!w)
		return 1;
	if (t->what == BOESFS_TIME_NOTHING) {
		t->labels += w->text_len;
		return 0;
	}
	boesfs_walk_begin(&w->walk, 0, 0, w->text_len, w->dir_node, w->dir_inside);
#if BOESFS_PACKING == 0
	boesfs_walk_run(w);
#else
	boesfs_packed_call(w);
#endif
	if (w->walk.status != BOESFS_WALK_DONE) {
		t->failed++;
		return 0;
	}
	t->labels += w->walk.label;
	if (t->what == BOESFS_TIME_WALK)
		return 0;
	w->request.label = w->walk.label;
	boesfs_decide_run(w);
	t->denied += w->decision.deny;
	return 0;
}

static long boesfs_time_group(__u32 i, void *ctx)
{
	struct boesfs_time *t = ctx;
	__u64 begun;

	t->first = i % t->groups * BOESFS_TIME_GROUP;
	bpf_loop(BOESFS_TIME_GROUP, boesfs_time_lay_out, ctx, 0);
	begun = bpf_ktime_get_ns();
	bpf_loop(BOESFS_TIME_GROUP, boesfs_time_one, ctx, 0);
	t->ns += bpf_ktime_get_ns() - begun;
	return 0;
}

SEC("classifier")
int boesfs_time_prog(struct boesfs_time_ctx *ctx)
{
	struct boesfs_time t = { .groups = ctx->groups, .what = ctx->what };

	if (!t.groups)
		return 1;
	bpf_loop(t.groups * ctx->rounds, boesfs_time_group, &t, 0);
	ctx->ns = t.ns;
	ctx->denied = t.denied;
	ctx->failed = t.failed;
	ctx->labels = t.labels;
	return 0;
}
