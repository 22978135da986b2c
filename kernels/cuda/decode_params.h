/* What the kernels of decoders are given; see params.h. Matrices are fp32; strides in floats. */
#ifndef CODEASK_KERNELS_CUDA_DECODE_PARAMS_H
#define CODEASK_KERNELS_CUDA_DECODE_PARAMS_H

#include "kernels/cuda/params.h"
#include "kernels/draw.h"

#define AT_THREADS 128  /* of a block of attend: four warps */
#define AT_QUERIES 8    /* that read the same keys together: heads that share them, and rows of one sequence */
#define AT_TILE 64      /* the same on tensor cores: 16 a warp */
#define AT_GROUP 256    /* ATTENTION_KEYS of decode.h */
#define AT_PAGE 32      /* CACHE_PAGE */
#define AT_CHUNK 128    /* columns of values that a block sums at a time: four a lane */
/* Partial sums of a queue: enough for one row of 32 heads of 128 over 131,072 keys, or 32 such rows over 8,192. Where they do not
 * fit, a block takes the groups of its rows one after the other, which gives the same bytes. */
#define AT_SCRATCH ((size_t)16 << 20)
#define EL_THREADS 256  /* of the small ops between products */
#define RT_EXPERTS 1024 /* EXPERTS_MAX: threads of the block that sorts */
#define RT_USED 32      /* EXPERTS_USED_MAX */
#define DL_THREADS 128
#define DRAW_THREADS 1024 /* a warp for each of the 32 sums that a warp adds up */
#define DL_KERNEL 8     /* DELTA_KERNEL_MAX */

struct cache_view { /* struct cache and struct pages of decode.h */
    void *k, *v;
    float *k_scale, *v_scale;
    const uint32_t *table;
    uint32_t stride;
    int32_t type; /* enum cache_type */
    uint32_t heads, k_dim, v_dim;
};

struct draw_params { /* draw.h */
    float *logits; /* [rows, stride]; those of tokens said are changed */
    const struct draw_row *row; /* [rows] */
    const struct draw_said *said;
    struct draw_out *out;          /* [rows] */
    const uint32_t *used;
    uint32_t stride;
};

struct attend_params {
    float *y;           /* [rows, y_stride] */
    const float *query; /* [rows, query_stride] */
    struct cache_view cache;
    const float *sinks; /* [heads] or NULL */
    const uint32_t *used, *offset, *position;
    float *part;        /* NULL: a block takes all groups; else [heads, rows, groups, v_dim + 2]: values, max, weight */
    uint32_t y_stride, query_stride, heads, window, rows /* of part */, groups;
    uint32_t tile_rows, tile_heads; /* rows · heads of a block <= AT_QUERIES, or AT_TILE */
    float scale, softcap;
};

struct prepare_params {
    float *x; /* [rows, stride]: heads·k_dim | kv_heads·k_dim | kv_heads·v_dim */
    struct cache_view cache; /* k NULL: none */
    const float *q_gain, *k_gain, *frequency;
    const uint32_t *used, *position, *sequence;
    uint32_t stride, heads, kv_heads, k_dim, v_dim, first, dims;
    float eps, magnitude;
    int32_t interleaved;
};

struct glu_params {
    float *y;
    const float *gate, *up;
    const uint32_t *used;
    uint32_t cols, y_stride, gate_stride, up_stride;
    int32_t kind;
    float limit, alpha;
};

struct add_params { /* y += x, or x·sigmoid(gate[i, 0]) */
    float *y;
    const float *x, *gate;
    const uint32_t *used;
    uint32_t cols, y_stride, x_stride, gate_stride;
};

struct columns_params {
    float *y;
    const float *x;
    const uint32_t *used;
    uint32_t y_stride, x_stride, to, to_step, from, from_step, heads, n;
};

struct softcap_params {
    float *y;
    const uint32_t *used;
    uint32_t cols, y_stride;
    float cap;
};

struct combine_params {
    float *y;
    const float *x, *weight;
    const uint32_t *of_row, *used;
    uint32_t cols, y_stride, x_stride, slots;
};

struct gather_params { /* rows of whole words */
    uint32_t *y;
    const uint32_t *x;
    const uint32_t *from, *used;
    uint32_t words;
};

struct route_params {
    const float *logits;
    const float *bias;
    const uint32_t *used;
    uint32_t *group, *from, *of_row;
    float *weight;
    uint32_t stride, experts, slots, groups, top_groups;
    int32_t kind, group_max, normalise;
    float scale;
};

struct delta_params {
    float *y;
    float *x; /* queries, keys and values become the convolution's output */
    float *base;
    const uint32_t *from, *to, *used, *offset;
    const float *conv, *decay, *dt_bias, *gain;
    uint64_t size;
    uint32_t y_stride, x_stride, k_heads, v_heads, k_dim, v_dim, kernel;
    float eps;
};

#endif
