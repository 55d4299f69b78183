/* SPDX-License-Identifier: GPL-2.0 */
/* Whether a move gives somebody a right, or a way to prepare what he has none to; the twin of abi/src/judge/moves.rs. */
#ifndef BOESFS_MOVES_H
#define BOESFS_MOVES_H

#include "decide.h"
#include "walk.h"

/* Provided by who includes this header. */
static __always_inline void boesfs_walk_run(struct boesfs_work *w);
static __always_inline void boesfs_gain_run(struct boesfs_work *w);

/* The list of cells that depend on nothing: in the gain table, what denies or allows everything. */
#define BOESFS_NO_LIST 0

enum boesfs_gain_phase {
	BOESFS_GAIN_BEGIN,
	BOESFS_GAIN_FROM,
	BOESFS_GAIN_TO,
	BOESFS_GAIN_COMPARE,
};

enum boesfs_gain_status {
	BOESFS_GAIN_GOING,
	BOESFS_GAIN_NONE,
	BOESFS_GAIN_FOUND,
};

/* Operations that ask about names, or write: prepared elsewhere and moved in, they would evade a denial. */
#define BOESFS_OPS_PREPARED (BOESFS_OPS_MAKING | BOESFS_BIT(BOESFS_OP_WRITE))

/* The rights of a class at one side of a move: @always denied, and @some request is denied. */
static __always_inline void boesfs_side_masks(const struct boesfs_side *side, const struct boesfs_cell *c,
					      __u32 *always, __u32 *some)
{
	const __u32 decided = BOESFS_OPS_ALL & ~BOESFS_BIT(BOESFS_OP_LOOKUP2);

	*always = c->deny;
	if (*always & BOESFS_BIT(BOESFS_OP_OPEN))
		*always |= BOESFS_OPS_THROUGH_OPEN;
	*some = side->may_hide ? decided : *always | c->depend;
	if (side->hides)
		*always = *some = decided;
}

/* Those of @ops that no request is denied under list @from and allowed under list @to. */
static __always_inline __u32 boesfs_untold(struct boesfs_blob b, const struct boesfs_policy_header *h, __u32 from,
					   __u32 to, __u32 ops)
{
	const __u32 *gains = 0;

	if (!ops || from == to)
		return ops;
	if (from < h->list_count && to < h->list_count)
		gains = boesfs_u32_at(b, h->gains_off + 4 * ((__u64)from * h->list_count + to));
	return gains ? ops & ~*gains : 0;
}

/* Operations that some request of @class is denied at object @from and allowed at object @to. */
static __always_inline __u32 boesfs_gained(struct boesfs_blob b, const struct boesfs_policy_header *h,
					   struct boesfs_work *w, __u32 class, __u32 from, __u32 to)
{
	const struct boesfs_side *a = &w->gain.side[from & 1], *z = &w->gain.side[to & 1];
	__u32 cell_a = boesfs_cell_number(b, h, w->object[from & 1].label, class);
	__u32 cell_z = boesfs_cell_number(b, h, w->object[to & 1].label, class);
	const struct boesfs_cell *ca = boesfs_cell_at(b, h, cell_a), *cz = boesfs_cell_at(b, h, cell_z);
	__u32 always_a, some_a, always_z, some_z, on_a, found;

	if (!ca || !cz)
		return BOESFS_OPS_ALL;
	if (cell_a == cell_z && a->hides == z->hides && a->may_hide == z->may_hide && !a->may_hide)
		return 0;
	boesfs_side_masks(a, ca, &always_a, &some_a);
	boesfs_side_masks(z, cz, &always_z, &some_z);
	found = some_a & ~always_z;
	if (a->may_hide && !a->hides)
		return found;
	on_a = ca->depend & ~always_a;
	found &= ~boesfs_untold(b, h, ca->list, cz->list, on_a & cz->depend);
	found &= ~boesfs_untold(b, h, ca->list, BOESFS_NO_LIST, on_a & ~cz->depend);
	return found & ~boesfs_untold(b, h, BOESFS_NO_LIST, cz->list, cz->depend & always_a);
}

/* Notes at side @which whether the walk's name is hidden from the class. */
static __always_inline void boesfs_gain_hide(struct boesfs_blob b, const struct boesfs_policy_header *h,
					     struct boesfs_work *w, __u32 which)
{
	__u32 number = boesfs_cell_number(b, h, w->walk.label, w->gain.class);
	const struct boesfs_cell *c = boesfs_cell_at(b, h, number);
	struct boesfs_side *side = &w->gain.side[which & 1];

	if (!c)
		return;
	side->hides |= !!(c->deny & BOESFS_BIT(BOESFS_OP_LOOKUP));
	side->may_hide |= !!((c->deny | c->depend) & BOESFS_BIT(BOESFS_OP_LOOKUP));
}

/* Begins the walk that finds what is hidden on the way to object @which. */
static __always_inline void boesfs_gain_walk(struct boesfs_work *w, __u32 which)
{
	boesfs_walk_begin(&w->walk, which & 1, w->object[which & 1].start, BOESFS_PATH_END, w->dir_node, w->dir_inside);
	w->walk.by_component = 1;
}

/* Walks to the next name on the way to object @which. Returns 1 when the object is reached. */
static __always_inline __u32 boesfs_gain_name(struct boesfs_blob b, const struct boesfs_policy_header *h,
					      struct boesfs_work *w, __u32 which)
{
	if (w->object[which & 1].start == BOESFS_PATH_END)
		return 1;
	boesfs_walk_run(w);
	if (w->walk.status == BOESFS_WALK_CORRUPT)
		w->gain.status = BOESFS_GAIN_FOUND;
	boesfs_gain_hide(b, h, w, which);
	if (w->walk.status != BOESFS_WALK_COMPONENT)
		return 1;
	w->walk.status = BOESFS_WALK_GOING;
	return 0;
}

/* Whether the state of object @which is one that nothing leaves. */
static __always_inline __u32 boesfs_is_sink(struct boesfs_blob b, const struct boesfs_object *o)
{
	const struct boesfs_node *n = boesfs_struct_at(b, boesfs_node, o->node * 8ull);

	return n && n->kind == BOESFS_NODE_SINK;
}

/*
 * Whether the class gains on the object, or on a name below it, or finds a place below the old name to prepare what
 * is denied below the new one. A directory's subtrees are compared where that needs no search: equal states, or states
 * that nothing leaves; others count as gaining.
 */
static __always_inline __u32 boesfs_class_gains(struct boesfs_blob b, const struct boesfs_policy_header *h,
						struct boesfs_work *w)
{
	const struct boesfs_object *old = &w->object[w->gain.from & 1], *new = &w->object[w->gain.to & 1];
	const struct boesfs_side *a = &w->gain.side[w->gain.from & 1], *z = &w->gain.side[w->gain.to & 1];

	if (boesfs_gained(b, h, w, w->gain.class, w->gain.from, w->gain.to) & ~BOESFS_OPS_MAKING)
		return 1;
	if (!w->gain.deep)
		return 0;
	if (old->node == new->node && old->inside == new->inside && a->hides == z->hides &&
	    a->may_hide == z->may_hide && !a->may_hide)
		return 0;
	if (!boesfs_is_sink(b, old) || !boesfs_is_sink(b, new))
		return 1;
	return !!(boesfs_gained(b, h, w, w->gain.class, w->gain.to, w->gain.from) & BOESFS_OPS_PREPARED);
}

/* One step of the search. */
static __always_inline void boesfs_gain_step(struct boesfs_blob b, struct boesfs_work *w)
{
	const struct boesfs_policy_header *h = boesfs_header(b);

	if (!h) {
		w->gain.status = BOESFS_GAIN_FOUND;
		return;
	}
	switch (w->gain.phase) {
	case BOESFS_GAIN_BEGIN:
		if (w->gain.class >= h->class_count) {
			w->gain.status = BOESFS_GAIN_NONE;
			return;
		}
		w->gain.side[0].hides = w->gain.side[0].may_hide = 0;
		w->gain.side[1].hides = w->gain.side[1].may_hide = 0;
		w->gain.phase = BOESFS_GAIN_COMPARE;
		if (h->flags & BOESFS_FLAG_HIDES) {
			boesfs_gain_walk(w, w->gain.from);
			w->gain.phase = BOESFS_GAIN_FROM;
		}
		return;
	case BOESFS_GAIN_FROM:
		if (boesfs_gain_name(b, h, w, w->gain.from)) {
			boesfs_gain_walk(w, w->gain.to);
			w->gain.phase = BOESFS_GAIN_TO;
		}
		return;
	case BOESFS_GAIN_TO:
		if (boesfs_gain_name(b, h, w, w->gain.to))
			w->gain.phase = BOESFS_GAIN_COMPARE;
		return;
	default:
		if (boesfs_class_gains(b, h, w)) {
			w->gain.status = BOESFS_GAIN_FOUND;
			return;
		}
		w->gain.class++;
		w->gain.phase = BOESFS_GAIN_BEGIN;
		return;
	}
}

#endif
