/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a system call may do, composed from decisions; the twin of abi/src/judge. Every question is asked in this
 * order, and the first denial is the outcome: is the object hidden; may the operation be done; is the open() it needs
 * there; may what else it does be done; does the move give a right.
 *
 * A function that returns __u32 returns 1 if the call is denied; then the work's outcome says why.
 */
#ifndef BOESFS_JUDGE_H
#define BOESFS_JUDGE_H

#include "moves.h"

#define BOESFS_EXDEV_NUMBER 18

/* Provided by who includes this header: the long loops, and one copy of what is called often. */
static __always_inline void boesfs_decide_run(struct boesfs_work *w);
static __always_inline __u32 boesfs_never_run(struct boesfs_work *w);
static __always_inline __u32 boesfs_locate_run(struct boesfs_work *w, __u32 which);
static __always_inline void boesfs_spelling_run(struct boesfs_work *w);

static __always_inline __u32 boesfs_errno_number(__u32 code)
{
	switch (code & 3) {
	case BOESFS_EPERM:
		return BOESFS_EPERM_NUMBER;
	case BOESFS_ENOENT:
		return BOESFS_ENOENT_NUMBER;
	case BOESFS_EROFS:
		return BOESFS_EROFS_NUMBER;
	default:
		return BOESFS_EACCES_NUMBER;
	}
}

/* Denies without a rule. */
static __always_inline __u32 boesfs_deny(struct boesfs_work *w, __u32 reason, __u32 error, __u32 op, __u32 which)
{
	w->outcome.deny = 1;
	w->outcome.error = error;
	w->outcome.reason = reason;
	w->outcome.op = op;
	w->outcome.which = which;
	w->outcome.end = BOESFS_PATH_END;
	w->outcome.cell = BOESFS_NO_RULE;
	w->outcome.entry = BOESFS_NO_RULE;
	w->outcome.report = 1;
	return 1;
}

/* Makes the work's decision about @op on object @which its outcome. */
static __always_inline __u32 boesfs_conclude(struct boesfs_work *w, __u32 op, __u32 which)
{
	w->outcome.deny = w->decision.deny;
	w->outcome.error = w->decision.deny ? boesfs_errno_number(w->decision.error) : 0;
	w->outcome.reason = w->decision.reason;
	w->outcome.op = op;
	w->outcome.which = which;
	w->outcome.end = BOESFS_PATH_END;
	w->outcome.cell = w->decision.cell;
	w->outcome.entry = w->decision.entry;
	w->outcome.report = w->decision.report;
	return w->decision.deny;
}

/* Sets the request's kind field. */
static __always_inline void boesfs_set_kind(struct boesfs_work *w, __u32 kind)
{
	if (kind == BOESFS_KIND_UNKNOWN) {
		w->request.known &= ~BOESFS_BIT(BOESFS_FIELD_KIND);
	} else {
		w->request.known |= BOESFS_BIT(BOESFS_FIELD_KIND);
		w->request.value[BOESFS_FIELD_KIND] = kind;
	}
}

/* No argument is known. */
static __always_inline void boesfs_no_args(struct boesfs_work *w)
{
	w->request.known &= ~BOESFS_ARGS_MASK;
	w->request.absent = 0;
}

/* Argument @place is @value. */
static __always_inline void boesfs_set_arg(struct boesfs_work *w, __u32 place, __u64 value)
{
	w->request.known |= 1u << place;
	w->request.value[place & 3] = value;
}

/* The call does not carry argument @place. */
static __always_inline void boesfs_set_absent(struct boesfs_work *w, __u32 place)
{
	w->request.absent |= 1u << place;
}

/* The decision about one operation alone, on an object that is not hidden. The arguments are in the request. */
static __always_inline __u32 boesfs_plain(struct boesfs_work *w, __u32 which, __u32 op, __u32 kind)
{
	const struct boesfs_object *o = &w->object[which & 1];

	if (o->place != BOESFS_INSIDE)
		return 0;
	boesfs_set_kind(w, kind);
	w->request.label = o->label;
	w->request.op = op;
	boesfs_decide_run(w);
	return boesfs_conclude(w, op, which);
}

/* What the descriptor must be open for that @op goes through. */
static __always_inline __u32 boesfs_access(__u32 op)
{
	switch (op) {
	case BOESFS_OP_READ:
	case BOESFS_OP_ITERATE:
	case BOESFS_OP_MMAP:
		return BOESFS_ACCESS_READ;
	case BOESFS_OP_WRITE:
		return BOESFS_ACCESS_WRITE;
	case BOESFS_OP_LLSEEK:
	case BOESFS_OP_FSYNC:
	case BOESFS_OP_IOCTL:
		return BOESFS_ACCESS_USE;
	default:
		return BOESFS_ACCESS_ANY;
	}
}

/* Whether @op is denied whatever its arguments; of an open, each that gives w->request.access. */
static __always_inline __u32 boesfs_never(struct boesfs_work *w, __u32 which, __u32 op)
{
	const struct boesfs_object *o = &w->object[which & 1];

	if (o->place != BOESFS_INSIDE)
		return 0;
	boesfs_set_kind(w, o->kind);
	w->request.label = o->label;
	w->request.op = op;
	if (!boesfs_never_run(w))
		return 0;
	boesfs_no_args(w);
	boesfs_decide_run(w);
	boesfs_conclude(w, op, which);
	if (!w->outcome.deny)
		return boesfs_deny(w, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, op, which);
	return 1;
}

/* Judges the name that is read so far: may it be looked up? @kind is what it names. */
static __always_inline __u32 boesfs_hidden_here(struct boesfs_work *w, __u32 which, __u32 kind)
{
	boesfs_no_args(w);
	boesfs_set_kind(w, kind);
	w->request.label = w->walk.label;
	w->request.op = BOESFS_OP_LOOKUP;
	boesfs_decide_run(w);
	if (!w->decision.deny)
		return 0;
	boesfs_conclude(w, BOESFS_OP_LOOKUP, which);
	w->outcome.error = BOESFS_ENOENT_NUMBER;
	w->outcome.reason = BOESFS_REASON_HIDDEN;
	w->outcome.end = w->walk.at;
	return 1;
}

/*
 * Goes on with the walk down to object @which. Returns 0 if there is more to walk, else 1: then the
 * outcome says whether the object is hidden, and the object knows its state.
 */
static __always_inline __u32 boesfs_locate_step(struct boesfs_work *w, __u32 which)
{
	struct boesfs_object *o = &w->object[which & 1];

	boesfs_walk_run(w);
	if (w->walk.status == BOESFS_WALK_COMPONENT) {
		if (boesfs_hidden_here(w, which, BOESFS_KIND_DIR))
			return 1;
		w->walk.status = BOESFS_WALK_GOING;
		return 0;
	}
	if (w->walk.status != BOESFS_WALK_DONE) {
		boesfs_deny(w, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, BOESFS_OP_LOOKUP, which);
		return 1;
	}
	o->label = w->walk.label;
	o->node = w->walk.node;
	o->inside = w->walk.inside;
	if (w->walk.by_component)
		boesfs_hidden_here(w, which, o->kind);
	return 1;
}

/* Begins the walk to object @which, which is inside. Returns 1 if there is nothing to walk. */
static __always_inline __u32 boesfs_locate_begin(struct boesfs_blob b, struct boesfs_work *w, __u32 which)
{
	const struct boesfs_policy_header *h = boesfs_header(b);
	struct boesfs_object *o = &w->object[which & 1];

	w->outcome.deny = 0;
	if (!h || h->magic != BOESFS_BLOB_MAGIC) {
		boesfs_deny(w, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, BOESFS_OP_LOOKUP, which);
		return 1;
	}
	if (o->start == BOESFS_PATH_END) {
		o->label = w->dir_label;
		o->node = w->dir_node;
		o->inside = w->dir_inside;
		return 1;
	}
	boesfs_walk_begin(&w->walk, which & 1, o->start, BOESFS_PATH_END, w->dir_node, w->dir_inside);
	w->walk.by_component = !!(h->flags & BOESFS_FLAG_HIDES);
	return 0;
}

/* The text class of object @which's path, into the object. A policy that looks at no text has one class. */
static __always_inline void boesfs_locate_text(struct boesfs_blob b, struct boesfs_work *w, __u32 which)
{
	const struct boesfs_policy_header *h = boesfs_header(b);
	struct boesfs_object *o = &w->object[which & 1];
	__u32 below = o->place == BOESFS_INSIDE;

	o->text = 0;
	if (!h || !h->text_start)
		return;
	boesfs_walk_begin(&w->walk, which & 1, o->start, BOESFS_PATH_END, below ? w->dir_text_node : h->text_start,
			  below ? w->dir_text_inside : 0);
	boesfs_walk_run(w);
	o->text = w->walk.label;
}

/* Whether moving object @from to @to gives somebody a right. */
static __always_inline __u32 boesfs_no_gain(struct boesfs_blob b, struct boesfs_work *w, __u32 from, __u32 to,
					    __u32 deep, __u32 op)
{
	const struct boesfs_policy_header *h = boesfs_header(b);

	if (h && h->flags & BOESFS_FLAG_MOVES_JUDGED)
		return 0;
	w->gain.from = from;
	w->gain.to = to;
	w->gain.class = 0;
	w->gain.deep = deep;
	w->gain.phase = BOESFS_GAIN_BEGIN;
	w->gain.status = BOESFS_GAIN_GOING;
	boesfs_gain_run(w);
	if (w->gain.status == BOESFS_GAIN_NONE)
		return 0;
	return boesfs_deny(w, BOESFS_REASON_GAINS_RIGHT, BOESFS_EXDEV_NUMBER, op, from);
}

/* The operation that makes an object of @kind. */
static __always_inline __u32 boesfs_making(__u32 kind, __u32 op)
{
	if (op == BOESFS_OP_LINK || kind == BOESFS_KIND_FILE)
		return BOESFS_OP_CREATE;
	if (kind == BOESFS_KIND_DIR)
		return BOESFS_OP_MKDIR;
	if (kind == BOESFS_KIND_SYMLINK)
		return BOESFS_OP_SYMLINK;
	return BOESFS_OP_MKNOD;
}

/* Whether the policy tests an argument of @op. */
static __always_inline __u32 boesfs_tests_args(struct boesfs_blob b, __u32 op)
{
	const struct boesfs_policy_header *h = boesfs_header(b);

	return !h || h->tests_args & BOESFS_BIT(op);
}

/* The call's own tuple, after names on the way were judged without one. */
static __always_inline void boesfs_load_args(struct boesfs_work *w)
{
	w->request.known = (w->request.known & ~BOESFS_ARGS_MASK) | (w->args.known & BOESFS_ARGS_MASK);
	w->request.absent = w->args.absent & BOESFS_ARGS_MASK;
	w->request.value[0] = w->args.value[0];
	w->request.value[1] = w->args.value[1];
	w->request.value[2] = w->args.value[2];
	w->request.value[3] = w->args.value[3];
}

/* A name is read: keeps it, or leaves it out. Its bytes stand below what is spelt so far. */
static __always_inline void boesfs_spelling_name(struct boesfs_spelling *s, const __u8 *source, __u8 *out)
{
	__u32 len = s->end - s->at, at = s->at & (BOESFS_PATH_END - 1);

	s->end = 0;
	if (len == 1 && source[at] == '.')
		return;
	if (len == 2 && source[at] == '.' && source[at + 1] == '.') {
		s->up++;
		return;
	}
	if (s->up) {
		s->up--;
		return;
	}
	s->out -= len + 1;
	out[s->out & (BOESFS_PATH_END - 1)] = '/';
}

/* One byte of the spelling. @source is the room that is read, @link the one with the link's absolute path. */
static __always_inline void boesfs_spelling_step(struct boesfs_spelling *s, const __u8 *source, const __u8 *link,
						 __u8 *out, __u32 dir_len)
{
	if (s->phase == 2) {
		__u32 i = s->at, have = s->out + i;

		if (i >= dir_len) {
			s->status = have == BOESFS_PATH_END || out[have & (BOESFS_PATH_END - 1)] == '/' ?
					    BOESFS_SPELLING_INSIDE :
					    BOESFS_SPELLING_OUTSIDE;
			return;
		}
		if (have >= BOESFS_PATH_END || out[have & (BOESFS_PATH_END - 1)] !=
							 link[(s->link_start + i) & (BOESFS_PATH_END - 1)])
			s->status = BOESFS_SPELLING_OUTSIDE;
		s->at = i + 1;
		return;
	}
	if (s->at > s->begin) {
		__u8 byte = source[(s->at - 1) & (BOESFS_PATH_END - 1)];

		if (byte != '/') {
			if (!s->end)
				s->end = s->at;
			s->at--;
			if (s->out < s->end - s->at + 2) {
				s->status = BOESFS_SPELLING_TOO_LONG;
				return;
			}
			out[(s->out - (s->end - s->at)) & (BOESFS_PATH_END - 1)] = byte;
			return;
		}
	}
	if (s->end)
		boesfs_spelling_name(s, source, out);
	if (s->at > s->begin) {
		s->at--;
		return;
	}
	if (s->phase == 0 && source[0] != '/') {
		s->phase = 1;
		s->at = s->link_parent;
		s->begin = s->link_start;
		return;
	}
	if (s->out == BOESFS_PATH_END)
		out[--s->out & (BOESFS_PATH_END - 1)] = '/';
	s->phase = 2;
	s->at = 0;
	if (!dir_len)
		s->status = BOESFS_SPELLING_INSIDE;
}

/*
 * The other reading of a symbolic link in BoesFS shape: object the target, made absolute lexically, argument the link.
 * The link's own name has been judged; its absolute path begins at the spelling's link_start in the first room.
 */
static __always_inline __u32 boesfs_judge_target(struct boesfs_blob b, struct boesfs_work *w)
{
	const struct boesfs_policy_header *h = boesfs_header(b);

	w->spelling.phase = 0;
	w->spelling.at = w->text_len;
	w->spelling.begin = 0;
	w->spelling.end = 0;
	w->spelling.up = 0;
	w->spelling.out = BOESFS_PATH_END;
	w->spelling.status = BOESFS_SPELLING_GOING;
	boesfs_spelling_run(w);
	if (w->spelling.status == BOESFS_SPELLING_OUTSIDE)
		return 0;
	if (!h || w->spelling.status != BOESFS_SPELLING_INSIDE)
		return boesfs_deny(w, BOESFS_REASON_TOO_DEEP, BOESFS_EACCES_NUMBER, BOESFS_OP_SYMLINK, 0);
	boesfs_walk_begin(&w->walk, 1, w->spelling.out, BOESFS_PATH_END, h->path_start, 0);
	boesfs_walk_run(w);
	if (w->walk.status != BOESFS_WALK_DONE)
		return boesfs_deny(w, BOESFS_REASON_CORRUPT, BOESFS_EACCES_NUMBER, BOESFS_OP_SYMLINK, 0);
	w->object[1].place = BOESFS_INSIDE;
	w->object[1].label = w->walk.label;
	/* In an event the whole path is told as it stands here. */
	w->object[1].start = w->spelling.out + w->dir_len;
	boesfs_locate_text(b, w, 0);
	boesfs_no_args(w);
	boesfs_set_arg(w, 0, w->object[0].text);
	return boesfs_plain(w, 1, BOESFS_OP_SYMLINK, BOESFS_KIND_UNKNOWN);
}

/*
 * @op on object 0 with the work's tuple, and whatever @uses says, a set of operations, if that is denied whatever its
 * arguments. A tuple that is a text is in the third path's room.
 */
static __always_inline __u32 boesfs_judge_simple(struct boesfs_blob b, struct boesfs_work *w, __u32 op, __u32 uses)
{
	if (boesfs_locate_run(w, 0))
		return 1;
	if (w->object[0].place != BOESFS_INSIDE)
		return 0;
	if (op == BOESFS_OP_SYMLINK && boesfs_tests_args(b, op)) {
		const struct boesfs_policy_header *h = boesfs_header(b);

		w->args.known = 1;
		w->args.value[0] = 0;
		if (h && h->text_start) {
			boesfs_walk_begin(&w->walk, 2, 0, w->text_len, h->text_start, 0);
			boesfs_walk_run(w);
			w->args.value[0] = w->walk.label;
			if (w->walk.status != BOESFS_WALK_DONE)
				w->args.known = 0;
		}
	}
	boesfs_load_args(w);
	/* The protected directory itself is not looked up by this policy. */
	if (op == BOESFS_OP_LOOKUP && w->object[0].start == BOESFS_PATH_END)
		return 0;
	if (boesfs_plain(w, 0, op, w->object[0].kind))
		return 1;
	w->request.access = boesfs_access(op);
	if (BOESFS_BIT(op) & BOESFS_OPS_THROUGH_OPEN && boesfs_never(w, 0, BOESFS_OP_OPEN))
		return 1;
	if (uses & BOESFS_BIT(BOESFS_OP_READ) && boesfs_never(w, 0, BOESFS_OP_READ))
		return 1;
	if (uses & BOESFS_BIT(BOESFS_OP_WRITE) && boesfs_never(w, 0, BOESFS_OP_WRITE))
		return 1;
	return uses & BOESFS_BIT(BOESFS_OP_EXEC) && boesfs_never(w, 0, BOESFS_OP_EXEC);
}

/* What an open() is. */
struct boesfs_open {
	/* Flags, if they are known, and those of their bits that are not. */
	__u64 flags;
	__u64 unknown_flags;
	__u32 flags_known;
	/* Operations among read, write, iterate and exec that it is for. */
	__u32 uses;
	/* Whether it makes the name, with which mode. */
	__u32 creates;
	__u32 mode;
	/* Whether this is the kernel's own open of a program. */
	__u32 by_kernel;
};

/* Opening object 0. A flag that is not known is judged for both values. */
static __always_inline __u32 boesfs_judge_open(struct boesfs_blob b, struct boesfs_work *w, const struct boesfs_open *open)
{
	if (boesfs_locate_run(w, 0))
		return 1;
	boesfs_no_args(w);
	if (open->by_kernel)
		return boesfs_plain(w, 0, BOESFS_OP_EXEC, w->object[0].kind);
	if (open->flags_known)
		boesfs_set_arg(w, 0, open->flags);
	if (boesfs_plain(w, 0, BOESFS_OP_OPEN, w->object[0].kind))
		return 1;
	if (open->flags_known && open->unknown_flags && boesfs_tests_args(b, BOESFS_OP_OPEN)) {
		boesfs_set_arg(w, 0, open->flags | open->unknown_flags);
		if (boesfs_plain(w, 0, BOESFS_OP_OPEN, w->object[0].kind))
			return 1;
	}
	if (open->creates) {
		boesfs_set_arg(w, 0, open->mode);
		if (boesfs_plain(w, 0, BOESFS_OP_CREATE, BOESFS_KIND_FILE))
			return 1;
	}
	if (open->uses & BOESFS_BIT(BOESFS_OP_READ) && boesfs_never(w, 0, BOESFS_OP_READ))
		return 1;
	if (open->uses & BOESFS_BIT(BOESFS_OP_WRITE) && boesfs_never(w, 0, BOESFS_OP_WRITE))
		return 1;
	if (open->uses & BOESFS_BIT(BOESFS_OP_ITERATE) && boesfs_never(w, 0, BOESFS_OP_ITERATE))
		return 1;
	if (open->uses & BOESFS_BIT(BOESFS_OP_EXEC) && boesfs_never(w, 0, BOESFS_OP_EXEC))
		return 1;
	return 0;
}

/* The operation on the old name and the making of the new one. */
static __always_inline __u32 boesfs_judge_moved(struct boesfs_blob b, struct boesfs_work *w, __u32 from, __u32 to,
						__u32 op)
{
	const struct boesfs_object *old = &w->object[from & 1], *new = &w->object[to & 1];

	if (old->place == BOESFS_OUTSIDE && new->place == BOESFS_OUTSIDE)
		return 0;
	if (boesfs_locate_run(w, from))
		return 1;
	boesfs_no_args(w);
	if (boesfs_tests_args(b, op)) {
		boesfs_locate_text(b, w, to);
		boesfs_set_arg(w, 0, new->text);
	}
	if (boesfs_plain(w, from, op, old->kind))
		return 1;
	if (old->place != new->place)
		return boesfs_deny(w, BOESFS_REASON_CROSSES_EDGE, BOESFS_EXDEV_NUMBER, op, from);
	if (boesfs_locate_run(w, to))
		return 1;
	boesfs_no_args(w);
	return boesfs_plain(w, to, boesfs_making(old->kind, op), old->kind);
}

/* Making object 1 a hard link of object 0. */
static __always_inline __u32 boesfs_judge_link(struct boesfs_blob b, struct boesfs_work *w)
{
	if (boesfs_judge_moved(b, w, 0, 1, BOESFS_OP_LINK))
		return 1;
	if (w->object[0].place == BOESFS_OUTSIDE)
		return 0;
	return boesfs_no_gain(b, w, 0, 1, w->object[0].kind == BOESFS_KIND_DIR, BOESFS_OP_LINK);
}

/*
 * Moving object 0 to the name of object 1, which is of kind @replaced if it is there. @exchange moves that one to the
 * name of object 0.
 */
static __always_inline __u32 boesfs_judge_rename(struct boesfs_blob b, struct boesfs_work *w, __u32 replaced,
						 __u32 is_replacing, __u32 exchange)
{
	__u32 kind = w->object[0].kind;

	/* The new name, where a lookup is judged on the way to it, is judged as what it is going to be. */
	w->object[1].kind = kind;
	if (boesfs_judge_moved(b, w, 0, 1, BOESFS_OP_RENAME))
		return 1;
	if (w->object[0].place == BOESFS_OUTSIDE)
		return 0;
	w->object[1].kind = replaced;
	if (exchange) {
		w->object[0].kind = replaced;
		if (boesfs_judge_moved(b, w, 1, 0, BOESFS_OP_RENAME))
			return 1;
		w->object[0].kind = kind;
	} else if (is_replacing) {
		__u32 removal = replaced == BOESFS_KIND_DIR ? BOESFS_OP_RMDIR : BOESFS_OP_UNLINK;

		if (boesfs_locate_run(w, 1))
			return 1;
		boesfs_no_args(w);
		if (boesfs_plain(w, 1, removal, replaced))
			return 1;
	}
	if (boesfs_no_gain(b, w, 0, 1, kind == BOESFS_KIND_DIR, BOESFS_OP_RENAME))
		return 1;
	return exchange && boesfs_no_gain(b, w, 1, 0, replaced == BOESFS_KIND_DIR, BOESFS_OP_RENAME);
}

#endif
