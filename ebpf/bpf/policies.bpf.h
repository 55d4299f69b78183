/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The policies of the lsm plane: for each size class an array of maps, and in each of those one policy. Whoever has the
 * same policy has the same map. The inner maps of a class have one size and no flags, so that the verifier knows how
 * large a policy is and puts the look-up in line.
 */
#ifndef BOESFS_POLICIES_BPF_H
#define BOESFS_POLICIES_BPF_H

#define BOESFS_POLICIES(name, size, count)                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                                              \
		__uint(max_entries, count);                                                                            \
		__type(key, __u32);                                                                                    \
		__array(                                                                                               \
			values, struct {                                                                               \
				__uint(type, BPF_MAP_TYPE_ARRAY);                                                      \
				__uint(max_entries, 1);                                                                \
				__uint(key_size, 4);                                                                   \
				__uint(value_size, (size) + BOESFS_BLOB_SLACK);                                        \
			});                                                                                            \
	} policies_##name SEC(".maps")

BOESFS_POLICIES(small, BOESFS_ROOM_SMALL, BOESFS_MAX_POLICIES_SMALL);
BOESFS_POLICIES(medium, BOESFS_ROOM_MEDIUM, BOESFS_MAX_POLICIES_MEDIUM);
BOESFS_POLICIES(large, BOESFS_ROOM_LARGE, BOESFS_MAX_POLICIES_LARGE);
BOESFS_POLICIES(huge, BOESFS_ROOM_HUGE, BOESFS_MAX_POLICIES_HUGE);

/* VERIFIER: each class has look-ups and a size of its own; the last instruction keeps them from being merged. */
#define BOESFS_POLICY_OF(b, name, room)                                                                                \
	do {                                                                                                           \
		void *inner_ = bpf_map_lookup_elem(&policies_##name, &slot);                                           \
                                                                                                                       \
		if (inner_)                                                                                            \
			(b).base = bpf_map_lookup_elem(inner_, &zero);                                                 \
		asm volatile("%0 = %1" : "=r"((b).size) : "i"(room));                                                  \
	} while (0)

/* The policy in @slot of @class; without a base if there is none. */
static __always_inline struct boesfs_blob boesfs_policy_get(__u32 class, __u32 slot)
{
	__u32 zero = 0;
	struct boesfs_blob b = { .base = 0, .size = BOESFS_ROOM_SMALL };

	if (class == 0)
		BOESFS_POLICY_OF(b, small, BOESFS_ROOM_SMALL);
	else if (class == 1)
		BOESFS_POLICY_OF(b, medium, BOESFS_ROOM_MEDIUM);
	else if (class == 2)
		BOESFS_POLICY_OF(b, large, BOESFS_ROOM_LARGE);
	else if (class == 3)
		BOESFS_POLICY_OF(b, huge, BOESFS_ROOM_HUGE);
	return b;
}

/* The policy that judges the call of @w; without a base if there is none. */
static __always_inline struct boesfs_blob boesfs_blob_get(const struct boesfs_work *w)
{
	struct boesfs_blob none = { .base = 0, .size = BOESFS_ROOM_SMALL };

	return w ? boesfs_policy_get(w->policy_class, w->policy_slot) : none;
}

#endif
