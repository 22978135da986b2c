/* Attention of many rows at once: what body_attend_tile.h, the queue and device_decode.c agree on. */
#ifndef CODEASK_KERNELS_CPU_ATTEND_TILE_H
#define CODEASK_KERNELS_CPU_ATTEND_TILE_H

#include "kernels/cpu/decode.h"

#define ATTEND_PANELS 4      /* panels of queries that share unpacked keys: 1/4 of a key's cost is left, and scores are 128 KB */
#define ATTEND_QUERIES_MAX 32 /* of a panel, on any instruction set */

/* Columns of a head that the queue's memory is for. */
static inline uint32_t attend_wide(const struct cpu_queue *q)
{
    return q->bounds.heads ? round_up(q->bounds.hidden / q->bounds.heads, ATTEND_QUERIES_MAX) : 0;
}

/* Floats: a group of keys, then of values; queries and what becomes of them; scores. */
static inline size_t attend_tile_floats(uint32_t wide)
{
    return (size_t)ATTENTION_KEYS * wide + ATTEND_PANELS * ATTEND_QUERIES_MAX * ((size_t)2 * wide + ATTENTION_KEYS);
}

#endif
