/* What each kernel is given: one struct by value, read by the launcher (C) and the kernel (CUDA) alike. Pointers are device
 * memory. used: struct rows' [rows in use, sequences in use]. bf16 flags: 0 the matrix is fp32, 1 bf16. */
#ifndef CODEASK_KERNELS_CUDA_PARAMS_H
#define CODEASK_KERNELS_CUDA_PARAMS_H

#include <stdint.h>

/* Tiles, for both sides: the grid is computed from them. */
#define MM_LARGE 128     /* rows and columns of a block of the large matmul: 8 warps */
#define MM_SMALL 64      /* of the small one: 4 warps */
#define MM_K 32          /* columns of a stage: 64 bytes a row */
#define MM_STAGES 3      /* 48 KiB for the large tile: two blocks share the 100 KiB of sm_86, 89 and 120 */
#define MM_F32 64        /* rows and columns of a block of the fp32 matmul */
#define FA_ROWS 64       /* queries of a block of the flash attention, 16 a warp */
#define FA_KEYS 64       /* keys of a step */
#define ROW_WARPS 8      /* rows of a block of norm, embed and quantize, one a warp */
#define SCAN_THREADS 256
#define SCAN_PASS 256    /* rows of a block between two looks at the candidates: 32 a warp */
#define SCAN_POOL 512    /* candidates of a query that a block holds: a pass adds at most SCAN_PASS to at most SCAN_POOL/2 */
#define SCAN_K_MAX (SCAN_POOL - SCAN_PASS)
#define SCAN_Q 8         /* queries: the columns of one mma */

struct matmul_params { /* y = activation(x·wᵀ + bias) + residual */
    void *y;               /* [rows, y_stride] */
    const void *x;         /* [rows, x_stride], x_stride >= k */
    const void *w;         /* [n, k] */
    const float *bias;     /* [n] or NULL */
    const float *residual; /* [rows, residual_stride] or NULL */
    const uint32_t *used;
    uint32_t n, k;         /* k: a multiple of 64, zeros past the weight's own */
    uint32_t y_stride, x_stride, residual_stride;
    int32_t activation, y_bf16;
};

struct attention_params {
    void *y;         /* [rows, y_stride] */
    const void *qkv; /* [rows, qkv_stride]: heads of q, then of k, then of v */
    const uint32_t *used, *offset;
    uint32_t heads, head_dim, y_stride, qkv_stride;
    float scale;
    int32_t causal, y_bf16;
};

struct norm_params {
    float *y;
    void *yq;       /* operand, or NULL */
    const float *x; /* may be y */
    const float *gain, *bias;
    const uint32_t *used;
    uint32_t cols, y_stride, yq_stride, x_stride;
    float eps;
    int32_t yq_bf16;
};

struct embed_params {
    struct norm_params norm; /* x is not read */
    const float *word, *position, *type; /* type may be NULL */
    const uint32_t *token, *place;
};

struct quantize_params {
    void *y;
    const float *x;
    const uint32_t *used;
    uint32_t cols, y_stride, x_stride;
    int32_t y_bf16;
};

struct pool_params {
    float *y;       /* [sequences, y_stride] */
    const float *x; /* [rows, x_stride] */
    const uint32_t *used, *offset;
    uint32_t cols, y_stride, x_stride;
    int32_t first;  /* the first row of a sequence alone */
};

struct hit { /* struct scan_hit of kernels/scan.h */
    float score;
    uint32_t number;
};

struct scan_params {
    const int8_t *rows;         /* [n, stride] */
    const float *scale;         /* [n] */
    const uint64_t *candidates; /* a bit for each number, or NULL */
    const int8_t *query;        /* [queries, stride] */
    const float *query_scale;   /* [queries] */
    struct hit *out;            /* [gridDim.x, queries, k], -INFINITY past the last */
    uint64_t n;
    uint32_t stride;            /* a multiple of 64, zeros past the dimension */
    uint32_t queries, k, first; /* queries <= SCAN_Q, k <= SCAN_K_MAX; first: number of row 0 */
};

struct merge_params { /* the lists of all blocks into one for each query (a block each) */
    const struct hit *in; /* [lists, queries, k] */
    struct hit *out;      /* [queries, k] */
    uint32_t lists, queries, k;
};

#endif
