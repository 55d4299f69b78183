/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Walking an automaton of a policy over bytes; the twin of `ValidImage::walk`.
 *
 * A walk begins at any state, a node and how many bytes of its chain are read (boesfs_walk_begin()), reads a stretch of
 * bytes, and says what these come to: the label, and the state they lead to. So a walk over a path may be begun
 * at the state that the path's directory led to.
 */
#ifndef BOESFS_WALK_H
#define BOESFS_WALK_H

#include "work.h"

/* How many nodes boesfs_walk_some() looks at. VERIFIER: which looks at each of them, and that costs more than a few calls. */
#define BOESFS_WALK_NODES 8
/* As often as this it reads the longest input, for every node but the last reads a byte. */
#define BOESFS_WALK_TURNS (BOESFS_PATH_END / BOESFS_WALK_NODES + 1)

/* No node. */
#define BOESFS_NO_NODE (~0u)

#define BOESFS_EACH_BYTE 0x0101010101010101ull
#define BOESFS_HIGH_BITS 0x8080808080808080ull

/* Marks the bytes of @word that are zero by their high bits. Of the marks the lowest is exact: borrows only travel upwards. */
static __always_inline __u64 boesfs_zero_bytes(__u64 word)
{
	return (word - BOESFS_EACH_BYTE) & ~word & BOESFS_HIGH_BITS;
}

/* How many bytes lie wholly below the lowest bit of @bits, of which there is one. */
static __always_inline __u32 boesfs_bytes_below(__u64 bits)
{
	/* One bit for each of them, summed up in the highest byte. */
	return (((bits - 1) & ~bits) >> 7 & BOESFS_EACH_BYTE) * BOESFS_EACH_BYTE >> 56;
}

/* The place of the first '/' among the low bytes of @word; 8 if there is none. */
static __always_inline __u32 boesfs_first_slash(__u64 word)
{
	__u64 slashes = boesfs_zero_bytes(word ^ '/' * BOESFS_EACH_BYTE);

	return slashes ? boesfs_bytes_below(slashes) : 8;
}

/*
 * How many of the first @most bytes of @word, which do not begin with the chain @n, @have its first bytes, are read at once: up
 * to the first that differs; or, where the walk stays at @n until the chain begins, all before that.
 */
static __always_inline __u32 boesfs_chain_left(const struct boesfs_node *n, __u32 node, __u64 word, __u64 have, __u32 most)
{
	__u64 begins;

	if (n->other != node || (__u8)word == (__u8)have)
		return boesfs_bytes_below(word ^ have) + 1;
	begins = boesfs_zero_bytes(word ^ (have & 0xff) * BOESFS_EACH_BYTE);
	if (!begins || boesfs_bytes_below(begins) > most)
		return most;
	return boesfs_bytes_below(begins);
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
	w->over = start;
	w->label = 0;
	w->by_component = 0;
	w->status = BOESFS_WALK_GOING;
}

/* The reference that the branch @n has for @byte; NULL if it is inconsistent. */
static __always_inline const __u32 *boesfs_branch(struct boesfs_blob b, const struct boesfs_node *n, __u8 byte)
{
	__u32 len = n->len, first = 0, place;
	__u64 pattern = byte * BOESFS_EACH_BYTE, found = boesfs_zero_bytes(boesfs_word_in(b, n, sizeof(*n)) ^ pattern);

	if (len > BOESFS_MAX_BRANCH)
		return 0;
#ifdef __clang__
#pragma clang loop unroll(full)
#endif
	for (__u32 i = 1; i < BOESFS_MAX_BRANCH / 8; i++) {
		if (found || len <= 8 * i)
			break;
		first = 8 * i;
		found = boesfs_zero_bytes(boesfs_word_in(b, n, sizeof(*n) + first) ^ pattern);
	}
	if (!found)
		return &n->other;
	place = first + boesfs_bytes_below(found);
	/* Behind the last edge lie zeros. */
	if (place >= len)
		return &n->other;
	return boesfs_u32_in(b, n, sizeof(*n) + ((len + 7) & 56) + 4 * (place & (BOESFS_MAX_BRANCH - 1)));
}

/* The reference that the table @n has for @byte; NULL if it is inconsistent. */
static __always_inline const __u32 *boesfs_table(struct boesfs_blob b, const struct boesfs_node *n, __u8 byte)
{
	__u32 place = (byte - n->low) & 0xff;

	if (place >= n->len)
		return &n->other;
	return boesfs_u32_in(b, n, sizeof(*n) + 4 * place);
}

/*
 * Reads what BOESFS_WALK_NODES nodes read of @input, the room that holds the walk's path: up to 8 bytes each. Call it again
 * while the status is BOESFS_WALK_GOING; or, if that is BOESFS_WALK_COMPONENT, to go on over the '/'.
 *
 * VERIFIER: each turn reads all it goes by from the work or the policy, of which nothing is known: so any is to it as the one
 * before. The node stays in a register, for it is what the next turn waits for.
 */
static __always_inline void boesfs_walk_some(struct boesfs_blob b, struct boesfs_walk *w, const __u8 *input)
{
	__u32 node = w->node, status = BOESFS_WALK_GOING;

#ifdef __clang__
#pragma clang loop unroll(disable)
#endif
	for (int i = 0; i < BOESFS_WALK_NODES; i++) {
		const struct boesfs_node *n = boesfs_node_at(b, node);
		__u32 at = w->at, end = w->end, take, kind;
		const __u32 *to;
		__u64 word;

		if (!n) {
			status = BOESFS_WALK_CORRUPT;
			break;
		}
		if (at >= end || at >= BOESFS_PATH_END) {
			w->label = n->label;
			status = at == end ? BOESFS_WALK_DONE : BOESFS_WALK_CORRUPT;
			break;
		}
		/* VERIFIER: bounds at; no effect. */
		word = boesfs_load8(input + (at & (BOESFS_PATH_END - 1)));
		take = end - at;
		if (__builtin_expect(w->by_component, 0)) {
			/* A '/' that is not the first byte ends the component. */
			__u32 slash = boesfs_first_slash(at == w->over ? word & ~0xffull : word);

			if (!slash) {
				w->label = n->label;
				w->over = at;
				status = BOESFS_WALK_COMPONENT;
				break;
			}
			if (slash < take)
				take = slash;
		}
		kind = n->kind;
		if (kind == BOESFS_NODE_CHAIN) {
			__u32 inside = w->inside, left = n->len - inside, most = take > 8 ? 8 : take;
			__u64 have;

			if (inside >= n->len || inside > BOESFS_MAX_CHAIN) {
				status = BOESFS_WALK_CORRUPT;
				break;
			}
			take = left < most ? left : most;
			have = boesfs_word_in(b, n, sizeof(*n) + inside);
			if ((word ^ have) << (64 - 8 * take)) {
				take = boesfs_chain_left(n, inside ? BOESFS_NO_NODE : node, word, have, most);
				node = n->other;
				w->inside = 0;
			} else if (take == left) {
				node = n->next;
				w->inside = 0;
			} else {
				w->inside = inside + take;
			}
			w->at = at + take;
		} else if (kind == BOESFS_NODE_SINK) {
			w->at = at + take;
		} else {
			if (kind == BOESFS_NODE_TABLE)
				to = boesfs_table(b, n, word);
			else
				to = kind == BOESFS_NODE_BRANCH ? boesfs_branch(b, n, word) : 0;
			if (!to) {
				status = BOESFS_WALK_CORRUPT;
				break;
			}
			node = *to;
			w->inside = 0;
			w->at = at + 1;
		}
		boesfs_forget();
	}
	w->node = node;
	w->status = status;
}

#endif
