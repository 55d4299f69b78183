/* SPDX-License-Identifier: GPL-2.0 */
/* Deciding one operation on one object; the twin of abi/src/decide.rs, function by function. */
#ifndef BOESFS_DECIDE_H
#define BOESFS_DECIDE_H

#include "work.h"

#define BOESFS_BIT(op) (1u << ((op) & 31))
/* The fields that are arguments. */
#define BOESFS_ARGS_MASK ((1u << BOESFS_MAX_ARGS) - 1)

/*
 * Runs the work's scan to its end. Provided by who includes this header, because how a long loop is
 * written differs: boesfs_scan_step() until its status is not BOESFS_SCAN_GOING.
 */
static __always_inline void boesfs_scan_run(struct boesfs_work *w);

/* The operation that is asked in the place of @op, and whether its arguments count. */
static __always_inline __u32 boesfs_asked_as(__u32 flags, __u32 op, __u32 *keeps_args)
{
	*keeps_args = 1;
	if (op == BOESFS_OP_LOOKUP2)
		return BOESFS_OP_LOOKUP;
	if (flags & BOESFS_FLAG_BOESFS) {
		if (op == BOESFS_OP_EXEC) {
			*keeps_args = 0;
			return BOESFS_OP_OPEN;
		}
		if (op == BOESFS_OP_IOCTL) {
			*keeps_args = 0;
			return BOESFS_OP_SETATTR;
		}
	}
	return op;
}

/* The number of the cell of @class in row @label; BOESFS_NO_RULE if there is none. */
static __always_inline __u32 boesfs_cell_number(struct boesfs_blob b, const struct boesfs_policy_header *h, __u32 label,
						__u32 class)
{
	const __u32 *cell;

	if (class >= h->class_count || label >= h->row_count)
		return BOESFS_NO_RULE;
	cell = boesfs_u32_at(b, h->rows_off + 4 * ((__u64)label * h->class_count + class));
	return cell ? *cell : BOESFS_NO_RULE;
}

static __always_inline const struct boesfs_cell *boesfs_cell_at(struct boesfs_blob b,
								const struct boesfs_policy_header *h, __u32 number)
{
	if (number >= h->cell_count)
		return 0;
	return boesfs_struct_at(b, boesfs_cell, h->cells_off + number * (__u64)sizeof(struct boesfs_cell));
}

/* The truth of @t for the value of its field. */
static __always_inline __u32 boesfs_test(struct boesfs_blob b, const struct boesfs_policy_header *h,
					 const struct boesfs_scan *s, const struct boesfs_request *r,
					 const struct boesfs_test *t)
{
	__u32 field = t->field & 7; /* VERIFIER: bounds it; no effect, since field < BOESFS_FIELD_COUNT. */
	__u32 bit = 1u << field;
	__u64 value = r->value[field];
	__u32 condition;

	if (s->absent & bit) {
		condition = 0;
	} else if (!(s->known & bit)) {
		return BOESFS_UNKNOWN;
	} else if (t->condition == BOESFS_CONDITION_BETWEEN) {
		condition = t->a <= value && value <= t->b;
	} else if (t->condition == BOESFS_CONDITION_ANY_BIT) {
		condition = (value & t->a) != 0;
	} else if (t->condition == BOESFS_CONDITION_KIND) {
		condition = (t->a >> (value & 63)) & 1;
	} else {
		__u64 words = (h->text_count + 31ull) / 32;
		const __u32 *bits = boesfs_u32_at(b, h->sets_off + 4 * (t->set * words + (value & 0xffffffff) / 32));

		/* VERIFIER: a table that is inconsistent makes the test unknown, which never weakens a rule. */
		if (!bits)
			return BOESFS_UNKNOWN;
		condition = *bits >> (value & 31) & 1;
	}
	return condition == t->holds ? BOESFS_YES : BOESFS_NO;
}

/* One step of a scan: begins an entry, or looks at one of its tests, or ends it. */
static __always_inline void boesfs_scan_step(struct boesfs_blob b, struct boesfs_scan *s,
					     const struct boesfs_request *r)
{
	const struct boesfs_policy_header *h = boesfs_header(b);
	const struct boesfs_test *t;
	__u32 truth;

	if (!h) {
		s->status = BOESFS_SCAN_CORRUPT;
		return;
	}
	if (!s->begun) {
		const struct boesfs_entry *e;

		if (s->entry >= s->end) {
			s->status = BOESFS_SCAN_NONE;
			return;
		}
		e = boesfs_struct_at(b, boesfs_entry, h->entries_off + s->entry * (__u64)sizeof(*e));
		if (!e) {
			s->status = BOESFS_SCAN_CORRUPT;
			return;
		}
		if (!(e->ops & BOESFS_BIT(s->op)) || (s->goal == BOESFS_SCAN_ALLOWING && e->deny) ||
		    (s->goal == BOESFS_SCAN_DENYING && !e->deny) || (s->access && !(e->gives & s->access))) {
			s->entry++;
			return;
		}
		s->found = *e;
		s->test = e->tests;
		s->test_end = e->tests + e->test_count;
		s->truth = BOESFS_YES;
		s->begun = 1;
	}
	if (s->test >= s->test_end) {
		s->status = BOESFS_SCAN_FOUND;
		return;
	}
	t = boesfs_struct_at(b, boesfs_test, h->tests_off + s->test * (__u64)sizeof(*t));
	if (!t) {
		s->status = BOESFS_SCAN_CORRUPT;
		return;
	}
	truth = boesfs_test(b, h, s, r, t);
	s->test++;
	if (truth == BOESFS_NO) {
		s->entry++;
		s->begun = 0;
	} else if (truth == BOESFS_UNKNOWN) {
		s->truth = BOESFS_UNKNOWN;
	}
}

static __always_inline void boesfs_scan_begin(struct boesfs_work *w, __u32 goal, __u32 first, __u32 count)
{
	w->scan.entry = first;
	w->scan.end = first + count;
	w->scan.begun = 0;
	w->scan.goal = goal;
	w->scan.access = 0;
	w->scan.status = BOESFS_SCAN_GOING;
}

static __always_inline void boesfs_set_decision(struct boesfs_work *w, __u32 deny, __u32 reason, __u32 error,
						__u32 report)
{
	w->decision.deny = deny;
	w->decision.reason = reason;
	w->decision.error = error;
	w->decision.report = report;
}

/* Denies @w's request because the plane's own state is inconsistent. */
static __always_inline void boesfs_corrupt(struct boesfs_work *w)
{
	w->decision.cell = BOESFS_NO_RULE;
	w->decision.entry = BOESFS_NO_RULE;
	boesfs_set_decision(w, 1, BOESFS_REASON_CORRUPT, BOESFS_EACCES, 1);
}

/* Decides by the cell's lists: the first entry that holds, or, if it may hold, by the boxes. */
static __always_inline void boesfs_decide_list(struct boesfs_work *w, const struct boesfs_cell *c)
{
	__u32 denied;

	boesfs_scan_begin(w, BOESFS_SCAN_DECIDE, c->first, c->first_count);
	boesfs_scan_run(w);
	if (w->scan.status != BOESFS_SCAN_FOUND) {
		boesfs_corrupt(w);
		return;
	}
	if (w->scan.truth == BOESFS_YES) {
		w->decision.entry = w->scan.entry;
		boesfs_set_decision(w, w->scan.found.deny,
				    w->scan.found.by_default ? BOESFS_REASON_DEFAULT : BOESFS_REASON_RULE,
				    w->scan.found.errno, w->scan.found.report);
		return;
	}
	boesfs_scan_begin(w, BOESFS_SCAN_BOX, c->denies, c->denies_count);
	boesfs_scan_run(w);
	if (w->scan.status == BOESFS_SCAN_CORRUPT || w->scan.status == BOESFS_SCAN_GOING) {
		boesfs_corrupt(w);
		return;
	}
	denied = w->scan.status == BOESFS_SCAN_FOUND;
	/* The first box that is possible names the rule: the first that decides so for some completion. */
	boesfs_scan_begin(w, BOESFS_SCAN_BOX, denied ? c->denies : c->allows, denied ? c->denies_count : c->allows_count);
	boesfs_scan_run(w);
	if (w->scan.status == BOESFS_SCAN_FOUND) {
		w->decision.entry = w->scan.entry;
		boesfs_set_decision(w, denied, denied ? BOESFS_REASON_UNKNOWN_ARGS : BOESFS_REASON_RULE,
				    w->scan.found.errno, w->scan.found.report);
	} else {
		w->decision.cell = BOESFS_NO_RULE;
		boesfs_set_decision(w, denied, denied ? BOESFS_REASON_UNKNOWN_ARGS : BOESFS_REASON_RULE, BOESFS_EACCES,
				    denied);
	}
}

/* Decides @w's request into its decision. */
static __always_inline void boesfs_decide(struct boesfs_blob b, struct boesfs_work *w)
{
	const struct boesfs_policy_header *h = boesfs_header(b);
	const struct boesfs_cell *c;
	__u32 op, bit, keeps_args;

	w->decision.entry = BOESFS_NO_RULE;
	if (!h) {
		boesfs_corrupt(w);
		return;
	}
	op = boesfs_asked_as(h->flags, w->request.op, &keeps_args);
	bit = BOESFS_BIT(op);
	w->decision.op = op;
	w->decision.cell = boesfs_cell_number(b, h, w->request.label, w->request.class);
	c = boesfs_cell_at(b, h, w->decision.cell);
	if (!c) {
		boesfs_corrupt(w);
		if (w->request.class >= h->class_count)
			w->decision.reason = BOESFS_REASON_UNRESOLVED;
		return;
	}
	if (!(c->depend & bit)) {
		boesfs_set_decision(w, !!(c->deny & bit), c->by_default & bit ? BOESFS_REASON_DEFAULT : BOESFS_REASON_RULE,
				    (c->errno_low & bit ? 1 : 0) + (c->errno_high & bit ? 2 : 0), !!(c->report & bit));
		return;
	}
	w->scan.op = op;
	w->scan.known = keeps_args ? w->request.known : w->request.known & ~BOESFS_ARGS_MASK;
	w->scan.absent = keeps_args ? w->request.absent : 0;
	boesfs_decide_list(w, c);
}

/*
 * Whether @w's request is denied whatever its arguments; uid, gid and kind as given. Of an open only what gives
 * w->request.access counts.
 */
static __always_inline __u32 boesfs_never_allowed(struct boesfs_blob b, struct boesfs_work *w)
{
	const struct boesfs_policy_header *h = boesfs_header(b);
	const struct boesfs_cell *c;
	__u32 op, keeps_args;

	if (!h)
		return 1;
	op = boesfs_asked_as(h->flags, w->request.op, &keeps_args);
	c = boesfs_cell_at(b, h, boesfs_cell_number(b, h, w->request.label, w->request.class));
	if (!c)
		return 1;
	if (!(c->depend & BOESFS_BIT(op)))
		return !!(c->deny & BOESFS_BIT(op));
	w->scan.op = op;
	w->scan.known = w->request.known & ~BOESFS_ARGS_MASK;
	w->scan.absent = 0;
	boesfs_scan_begin(w, BOESFS_SCAN_BOX, c->allows, c->allows_count);
	if (op == BOESFS_OP_OPEN)
		w->scan.access = w->request.access;
	boesfs_scan_run(w);
	return w->scan.status != BOESFS_SCAN_FOUND;
}

#endif
