/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a decision works on: one buffer for everything, because a BPF stack holds 512 bytes, and the one
 * way to read a policy. Pure C: no BPF helper is called here, in walk.h, decide.h, moves.h or judge.h, so that the host's
 * compiler builds the same code for tests.
 *
 * Long loops are cut into steps over state in this buffer. Who includes these headers drives them: with a for
 * loop on the host (native.c), with bpf_loop() in the kernel (engine.bpf.h).
 */
#ifndef BOESFS_WORK_H
#define BOESFS_WORK_H

#include "boesfs_abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* A path lies at the end of its room, which names are written into from the last to the first. */
#define BOESFS_PATH_END 4096u
/* Room for the path, for a name that is written past its bound, and for reading 8 bytes at the last one. */
#define BOESFS_PATH_ROOM 4608u

/* A walk over bytes: where it stands in the automaton and in the input. */
struct boesfs_walk {
	/* Node reference. */
	__u32 node;
	/* Bytes of its chain already read. */
	__u32 inside;
	/* Next byte of the input, and one past the last. */
	__u32 at;
	__u32 end;
	/* Where the input starts. */
	__u32 start;
	/* What the input read so far comes to; set when the walk is over. */
	__u32 label;
	/* BOESFS_WALK_*. */
	__u32 status;
	/* Which of the work's paths is the input. */
	__u32 which;
	/* Whether to stop after each component. */
	__u32 by_component;
	/* First byte of the component. */
	__u32 over;
};

enum boesfs_walk_status {
	BOESFS_WALK_GOING,
	/* The input is read. */
	BOESFS_WALK_DONE,
	/* A component is read and more follow. */
	BOESFS_WALK_COMPONENT,
	/* The automaton is inconsistent. */
	BOESFS_WALK_CORRUPT,
};

/* What is asked about one object whose path led to a row. Field numbers are BOESFS_FIELD_*. */
struct boesfs_request {
	/* Numbers as they are, paths and texts by their text class. */
	__u64 value[8];
	/* Bit per field: its value is known. */
	__u32 known;
	/* Bit per field: the call does not carry it. */
	__u32 absent;
	/* enum boesfs_op. */
	__u32 op;
	/* The subject's class. */
	__u32 class;
	/* Row. */
	__u32 label;
	/* BOESFS_ACCESS_*: what an open must give. */
	__u32 access;
};

struct boesfs_decision {
	/* The cell and entry that decided; BOESFS_NO_RULE if none did. */
	__u32 cell;
	__u32 entry;
	/* 1 denies. */
	__u32 deny;
	/* enum boesfs_reason. */
	__u32 reason;
	/* enum boesfs_errno. */
	__u32 error;
	/* Whether it is reported as an event. */
	__u32 report;
	/* The operation that was decided: after aliases. */
	__u32 op;
	__u32 reserved;
};

/* A search in a list of entries for the first one that fits. */
struct boesfs_scan {
	__u32 entry;
	__u32 end;
	/* Tests of the entry that are still to be looked at. */
	__u32 test;
	__u32 test_end;
	/* Whether an entry is begun. */
	__u32 begun;
	/* The entry's truth so far, enum boesfs_truth. */
	__u32 truth;
	/* enum boesfs_scan_goal. */
	__u32 goal;
	/* enum boesfs_scan_status. */
	__u32 status;
	/* Fields that are known or absent in this scan. */
	__u32 known;
	__u32 absent;
	__u32 op;
	/* BOESFS_ACCESS_*: what an open must give to count; 0 if that does not matter. */
	__u32 access;
	/* The entry found. */
	struct boesfs_entry found;
};

enum boesfs_truth { BOESFS_YES, BOESFS_NO, BOESFS_UNKNOWN };

enum boesfs_scan_goal {
	/* The first entry that holds or may hold. */
	BOESFS_SCAN_DECIDE,
	/* Any entry that may hold. */
	BOESFS_SCAN_BOX,
	/* The first that may hold and allows, or denies. */
	BOESFS_SCAN_ALLOWING,
	BOESFS_SCAN_DENYING,
};

enum boesfs_scan_status {
	BOESFS_SCAN_GOING,
	BOESFS_SCAN_FOUND,
	BOESFS_SCAN_NONE,
	BOESFS_SCAN_CORRUPT,
};

/* Where an object is. */
enum boesfs_place {
	/* In the protected directory, or that directory. */
	BOESFS_INSIDE,
	/* In the sandbox's view, outside it. */
	BOESFS_OUTSIDE,
};

/* Not one of enum boesfs_kind. */
#define BOESFS_KIND_UNKNOWN 0xffu

/* An object of a call, or the name one is to get. */
struct boesfs_object {
	/* enum boesfs_place; the kernel side knows more. */
	__u32 place;
	/* enum boesfs_kind or BOESFS_KIND_UNKNOWN. */
	__u32 kind;
	/* First byte of its path below the protected directory; BOESFS_PATH_END for that directory itself. */
	__u32 start;
	/* Row, and the state the path leads to. */
	__u32 label;
	__u32 node;
	__u32 inside;
	/* Its path as an argument: its text class. */
	__u32 text;
	__u32 reserved;
};

/* What stops a call. */
struct boesfs_outcome {
	/* 1 if something does. */
	__u32 deny;
	/* Error number, positive. */
	__u32 error;
	/* enum boesfs_reason. */
	__u32 reason;
	/* The operation that decided. */
	__u32 op;
	/* Its object, and one past the last byte of that object's path: a component on the way may have decided. */
	__u32 which;
	__u32 end;
	__u32 cell;
	__u32 entry;
	/* Whether it is reported as an event. */
	__u32 report;
	/* Numeric arguments of the operation that decided are in the request. */
	__u32 reserved;
};

/* Names on the way to an object that are hidden from a class. */
struct boesfs_side {
	/* For every request. */
	__u32 hides;
	/* For some request. */
	__u32 may_hide;
};

/* A search for a class to which a move gives a right. */
struct boesfs_gain {
	/* The objects: which is moved, and to where. */
	__u32 from;
	__u32 to;
	__u32 class;
	/* enum boesfs_gain_phase. */
	__u32 phase;
	/* enum boesfs_gain_status. */
	__u32 status;
	/* Whether names below are moved with it. */
	__u32 deep;
	struct boesfs_side side[2];
};

/* The tuple of a call, kept while names on the way are judged. */
struct boesfs_args {
	__u64 value[BOESFS_MAX_ARGS];
	/* Bit per argument. */
	__u32 known;
	__u32 absent;
};

/* A symbolic link's target spelt as an absolute, normal path, read from its last byte to its first. */
struct boesfs_spelling {
	/* 0 reads the target, 1 the link's directory, 2 compares with the protected directory. */
	__u32 phase;
	/* One past the next byte, and where the source begins. */
	__u32 at;
	__u32 begin;
	/* One past the last byte of the name that is being read; 0 between names. */
	__u32 end;
	/* Names still to be left out for a `..` read before. */
	__u32 up;
	/* First byte of what is spelt so far. */
	__u32 out;
	/* enum boesfs_spelling_status. */
	__u32 status;
	/* The link: first byte of its absolute path, one past its directory's. */
	__u32 link_start;
	__u32 link_parent;
	__u32 reserved;
};

enum boesfs_spelling_status {
	BOESFS_SPELLING_GOING,
	BOESFS_SPELLING_INSIDE,
	BOESFS_SPELLING_OUTSIDE,
	BOESFS_SPELLING_TOO_LONG,
};

struct boesfs_work {
	struct boesfs_walk walk;
	struct boesfs_scan scan;
	struct boesfs_request request;
	struct boesfs_decision decision;
	struct boesfs_object object[2];
	struct boesfs_outcome outcome;
	struct boesfs_gain gain;
	struct boesfs_args args;
	struct boesfs_spelling spelling;
	/* The protected directory: row, and the states walks below it start in. */
	__u32 dir_label;
	__u32 dir_node;
	__u32 dir_inside;
	__u32 dir_text_node;
	__u32 dir_text_inside;
	/* Length of the text in the third path's room. */
	__u32 text_len;
	/* Length of the protected directory's path; 0 if it is the root. */
	__u32 dir_len;
	__u32 reserved;
#ifdef __bpf__
	/* The policy that judges this call, in the kernel's maps: size class, and index in the map of that class. */
	__u32 policy_class;
	__u32 policy_slot;
#else
	const __u8 *blob;
	__u64 blob_len;
#endif
	/* The object's path, the other name's, and a text. */
	__u8 path[3][BOESFS_PATH_ROOM];
};

/* The policy, for the length of one function. */
struct boesfs_blob {
	const __u8 *base;
#ifdef __bpf__
	/* Of the map value that holds it, without the slack: a power of two, known to the verifier on each path. */
	__u64 size;
#else
	__u64 len;
#endif
};

#ifdef __bpf__

/*
 * The @size bytes at @off of the policy, or NULL if they do not lie in it or are not aligned to @align.
 * VERIFIER: the mask bounds the offset, the barrier keeps the compiler from reasoning it away, and the slack
 * holds whatever part of a structure goes past the last aligned offset.
 */
static __always_inline const void *boesfs_at(struct boesfs_blob b, __u64 off, __u32 align, __u32 size)
{
	__u64 bounded = off & (b.size - align);

	_Static_assert(sizeof(struct boesfs_policy_header) <= BOESFS_BLOB_SLACK, "slack holds any structure");
	if (bounded != off)
		return 0;
	asm volatile("%0 &= %1" : "+r"(bounded) : "r"(b.size - 1));
	return b.base + bounded;
}

#define boesfs_load8(p) (*(const __u64 *)(p))

/* VERIFIER: what was written to memory is read from there again. */
static __always_inline void boesfs_forget(void)
{
	asm volatile("" : : : "memory");
}

/*
 * The node that @reference is to, or NULL if it does not begin in the policy. VERIFIER: the barrier keeps the bound with the
 * register, and the slack holds what of the largest node goes past the last one that begins there: so what is in a node
 * needs no bound but its own.
 */
static __always_inline const struct boesfs_node *boesfs_node_at(struct boesfs_blob b, __u32 reference)
{
	__u64 off = reference * 8ull;

	_Static_assert(sizeof(struct boesfs_node) + 256 * 4 <= BOESFS_BLOB_SLACK, "slack holds any node");
	asm volatile("" : "+r"(off));
	if (off >= b.size)
		return 0;
	/* Not added before it is bounded. */
	asm volatile("" : "+r"(off));
	return (const struct boesfs_node *)(b.base + off);
}

/* The number at byte @off of node @n. */
static __always_inline const __u32 *boesfs_u32_in(struct boesfs_blob b, const struct boesfs_node *n, __u64 off)
{
	return (const __u32 *)((const __u8 *)n + off);
}

/* The 8 bytes at byte @off of node @n, where bytes of its own begin. */
static __always_inline __u64 boesfs_word_in(struct boesfs_blob b, const struct boesfs_node *n, __u64 off)
{
	return *(const __u64 *)((const __u8 *)n + off);
}

#else

#include <string.h>

static __always_inline const void *boesfs_at(struct boesfs_blob b, __u64 off, __u32 align, __u32 size)
{
	if (off % align != 0 || off > b.len || size > b.len - off)
		return 0;
	return b.base + off;
}

static __always_inline __u64 boesfs_load8(const void *p)
{
	__u64 word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static __always_inline void boesfs_forget(void)
{
}

static __always_inline const struct boesfs_node *boesfs_node_at(struct boesfs_blob b, __u32 reference)
{
	return boesfs_at(b, reference * 8ull, 8, sizeof(struct boesfs_node));
}

static __always_inline const __u32 *boesfs_u32_in(struct boesfs_blob b, const struct boesfs_node *n, __u64 off)
{
	return boesfs_at(b, (const __u8 *)n - b.base + off, 4, 4);
}

/* Past the policy's end are zeros: a node's own bytes may end there. */
static __always_inline __u64 boesfs_word_in(struct boesfs_blob b, const struct boesfs_node *n, __u64 off)
{
	__u64 word = 0, at = (const __u8 *)n - b.base + off;

	if (at <= b.len && b.len - at >= sizeof(word))
		return boesfs_load8(b.base + at);
	if (at < b.len)
		memcpy(&word, b.base + at, b.len - at);
	return word;
}

#endif

#define boesfs_header(b) ((const struct boesfs_policy_header *)boesfs_at(b, 0, 8, sizeof(struct boesfs_policy_header)))
#define boesfs_struct_at(b, type, off) ((const struct type *)boesfs_at(b, off, 8, sizeof(struct type)))
#define boesfs_u32_at(b, off) ((const __u32 *)boesfs_at(b, off, 4, 4))
#define boesfs_u8_at(b, off) ((const __u8 *)boesfs_at(b, off, 1, 1))

#endif
