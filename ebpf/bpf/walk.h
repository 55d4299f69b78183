/* SPDX-License-Identifier: GPL-2.0 */
/* Walking an automaton of a policy over bytes; the twin of `ValidImage::walk`. */
#ifndef BOESFS_WALK_H
#define BOESFS_WALK_H

#include "work.h"

/* How many of the low bytes of @diff are zero, if not all 8. */
static __always_inline __u32 boesfs_equal_bytes(__u64 diff)
{
	__u32 n = 0;

	if (!(diff & 0xffffffffull)) {
		n += 4;
		diff >>= 32;
	}
	if (!(diff & 0xffff)) {
		n += 2;
		diff >>= 16;
	}
	return n + !(diff & 0xff);
}

/* The place of the first '/' among the low bytes of @word; 8 if there is none. */
static __always_inline __u32 boesfs_first_slash(__u64 word)
{
	__u64 x = word ^ 0x2f2f2f2f2f2f2f2full;
	/* The lowest marked byte is exact: borrows only travel upwards. */
	__u64 zero = (x - 0x0101010101010101ull) & ~x & 0x8080808080808080ull;

	return zero ? boesfs_equal_bytes(zero) : 8;
}

/* Begins a walk over bytes @start to @end of path @which, from node @node, @inside bytes into its chain. */
static __always_inline void boesfs_walk_begin(struct boesfs_walk *w, __u32 which, __u32 start, __u32 end, __u32 node,
					      __u32 inside)
{
	w->node = node;
	w->inside = inside;
	w->start = start;
	w->at = start;
	w->end = end;
	w->which = which;
	w->label = 0;
	w->by_component = 0;
	w->status = BOESFS_WALK_GOING;
}

/* 1 if @a < @b, for numbers below 2^31. VERIFIER: without a branch, each of which doubles what is to be verified. */
static __always_inline __u32 boesfs_less(__u32 a, __u32 b)
{
	return (a - b) >> 31;
}

/*
 * The node an edge of the branch @n at @off leads to on @byte. Returns 0, which is no node, if it is inconsistent.
 * The search always takes 9 rounds, enough for 256 edges.
 */
static __always_inline __u32 boesfs_branch(struct boesfs_blob b, const struct boesfs_node *n, __u64 off, __u8 byte)
{
	__u64 edges = off + sizeof(*n);
	__u32 low = 0, high = n->len, len = n->len;
	const __u32 *to;
	const __u8 *edge;

#ifdef __clang__
#pragma clang loop unroll(full)
#endif
	for (int i = 0; i < 9; i++) {
		__u32 middle = (low + high) / 2, going = boesfs_less(low, high), less;

		edge = boesfs_u8_at(b, edges + middle);
		if (!edge)
			return 0;
		less = going & boesfs_less(*edge, byte);
		low += less * (middle + 1 - low);
		high -= (going & ~less) * (high - middle);
	}
	edge = boesfs_u8_at(b, edges + low);
	if (!edge)
		return 0;
	if (low >= len || *edge != byte)
		return n->other;
	to = boesfs_u32_at(b, edges + ((len + 7u) & ~7u) + low * 4ull);
	return to ? *to : 0;
}

/*
 * Reads up to 8 bytes of @input, the room that holds the walk's path. Call it again while the status is
 * BOESFS_WALK_GOING.
 */
static __always_inline void boesfs_walk_step(struct boesfs_blob b, struct boesfs_walk *w, const __u8 *input)
{
	const struct boesfs_node *n = boesfs_struct_at(b, boesfs_node, w->node * 8ull);
	__u64 word, chain_word, diff;
	const __u64 *chain;
	__u64 chain_off;
	__u32 take, at = w->at;

	if (!n) {
		w->status = BOESFS_WALK_CORRUPT;
		return;
	}
	if (at >= w->end || at >= BOESFS_PATH_END) {
		w->label = n->label;
		w->status = at == w->end ? BOESFS_WALK_DONE : BOESFS_WALK_CORRUPT;
		return;
	}
	at &= BOESFS_PATH_END - 1; /* VERIFIER: bounds at; no effect. */
	take = w->end - at < 8 ? w->end - at : 8;
	word = boesfs_load8(input + at);
	if (w->by_component) {
		__u32 slash = boesfs_first_slash(word);

		if (slash == 0 && at != w->start && w->by_component != 2) {
			w->label = n->label;
			w->status = BOESFS_WALK_COMPONENT;
			/* The next call goes on over the '/'. */
			w->by_component = 2;
			return;
		}
		w->by_component = 1;
		if (slash == 0)
			slash = 1;
		if (slash < take)
			take = slash;
	}
	if (n->kind == BOESFS_NODE_SINK) {
		w->at = w->by_component ? at + take : w->end;
		return;
	}
	if (n->kind == BOESFS_NODE_BRANCH) {
		w->node = boesfs_branch(b, n, w->node * 8ull, word & 0xff);
		w->inside = 0;
		w->at = at + 1;
		return;
	}
	if (n->kind != BOESFS_NODE_CHAIN || w->inside >= n->len) {
		w->status = BOESFS_WALK_CORRUPT;
		return;
	}
	if (n->len - w->inside < take)
		take = n->len - w->inside;
	chain_off = w->node * 8ull + sizeof(*n) + w->inside;
	chain = boesfs_at(b, chain_off & ~7ull, 8, 8);
	if (!chain) {
		w->status = BOESFS_WALK_CORRUPT;
		return;
	}
	/* A chain is padded to 8 bytes: read it aligned, and only as far as this word goes. */
	chain_word = *chain >> 8 * (chain_off & 7);
	if (8 - (chain_off & 7) < take)
		take = 8 - (chain_off & 7);
	diff = (chain_word ^ word) & (~0ull >> 8 * (8 - take));
	if (diff) {
		w->node = n->other;
		w->inside = 0;
		w->at = at + boesfs_equal_bytes(diff) + 1;
		return;
	}
	w->at = at + take;
	w->inside += take;
	if (w->inside == n->len) {
		w->node = n->next;
		w->inside = 0;
	}
}

#endif
