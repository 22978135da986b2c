/* What each kernel is given: one struct by value, read by the launcher (C) and the kernel (CUDA) alike. Pointers are device
 * memory. used: struct rows' [rows in use, sequences in use]. bf16 flags: 0 the matrix is fp32, 1 bf16. */
#ifndef CODEASK_KERNELS_CUDA_PARAMS_H
#define CODEASK_KERNELS_CUDA_PARAMS_H

#include <stdint.h>

#ifndef __CUDACC__
typedef struct { uint32_t x, y, z, w; } uint4; /* 16 bytes; nvcc knows it */
#endif

/* Tiles, for both sides: the grid is computed from them. */
#define MM_LARGE 128     /* rows and columns of a block of the large matmul: 8 warps */
#define MM_SMALL 64      /* of the small one: 4 warps */
#define MM_K 32          /* columns of a stage: 64 bytes a row */
#define MM_STAGES 3      /* 48 KiB for the large tile: two blocks share the 100 KiB of sm_86, 89 and 120 */
#define MM_F32 64        /* rows and columns of a block of the fp32 matmul */
#define FA_ROWS 64       /* queries of a block of the flash attention, 16 a warp */
#define FA_KEYS 64       /* keys of a step */
#define FA_KEYS_WIDE 32  /* where heads have more than 64 columns: attention.cu says why */
#define ROW_WARPS 8      /* rows of a block of norm, embed and prepare, one a warp */
#define NORM_WIDE 1024   /* columns from which a row is a block's and not a warp's */
#define MV_WARPS 4       /* of a block of a matrix-vector product */
#define MV_OUTPUTS 2     /* of a warp: what is read of x serves both */
#define MV_ROWS 8        /* rows of x that are multiplied together */
#define SCAN_THREADS 256
#define SCAN_PASS 256    /* rows of a block between two looks at the candidates: 32 a warp */
#define SCAN_POOL 512    /* candidates of a query that a block holds: a pass adds at most SCAN_PASS to at most SCAN_POOL/2 */
#define SCAN_K_MAX (SCAN_POOL - SCAN_PASS)
#define SCAN_Q 8         /* queries: the columns of one mma */

/* enum type of kernels/backend.h, for both sides. */
enum held_type { HELD_F32, HELD_F16, HELD_BF16, HELD_Q8, HELD_Q4_0, HELD_Q4_1, HELD_Q5_0, HELD_Q5_1, HELD_Q4_K, HELD_Q5_K, HELD_Q6_K,
                 HELD_IQ4_NL, HELD_IQ4_XS, HELD_MXFP4, HELD_NVFP4, HELD_ANY /* of a kernel: whatever struct held_weight says */ };

/* Weights in blocks of 32 inputs of one output, the codes of the file's blocks. A plane is [experts · n, blocks]:
 *   codes  4 to 6 bits: 16 bytes, the low nibble of byte j is input j, the high one input j + 16
 *          8 bits: [experts · n, 2, blocks] of 16 signed bytes, the halves of a row's blocks apart, so that neighbouring lanes
 *          read neighbouring 16 bytes
 *   high   5 bits: 4 bytes, bit g of byte i is the fifth bit of input 4g + i; 6 bits: 8 bytes, byte 4·(g/4) + i has bits 4 and
 *          5 of input 4g + i at 2·(g%4)
 *   scale  f16 | f16 scale, f16 least value | u8 scale, u8 least | int8 of 16 inputs each | int8 | E8M0 | E4M3 of 16 each
 *   super  [experts · n, ⌈blocks/8⌉]: f16 d, and f16 dmin where there are least values
 * Blocks past k, and what is past k in a block, are zeros: they multiply to nothing. */
struct held_weight {
    const uint8_t *codes, *high, *scale, *super;
    const float *matrix;      /* [experts]: of a whole expert */
    uint32_t type, blocks, n; /* blocks: even */
};

struct matmul_params { /* y = activation(x·wᵀ + bias) + residual */
    void *y;               /* [rows, y_stride] */
    const void *x;         /* [rows, x_stride] */
    const struct quant_block *quant; /* [rows, x_stride/32]: x is int8 */
    const void *w;         /* [experts · n, k] fp32, fp16 or bf16; NULL: held */
    struct held_weight held;
    const float *bias;     /* [experts · n] or NULL */
    const float *residual; /* [rows, residual_stride] or NULL */
    const uint32_t *used;
    const uint32_t *groups; /* [experts + 1], or NULL */
    uint32_t experts;       /* of groups */
    uint32_t n, k, k_used; /* k: a multiple of 64, zeros past the weight's own k_used */
    uint32_t y_stride, x_stride, residual_stride;
    int32_t activation, y_bf16;
    int32_t x_wide, y_wide; /* x may be read by 16 bytes, y written by 8: views begin anywhere */
};

struct quant_block { /* struct quant of backend.h */
    float scale, sum;
    int32_t start, start_low;
};

struct attention_params {
    void *y;         /* [rows, y_stride] */
    const void *qkv; /* [rows, qkv_stride]: heads of q, then of k, then of v */
    const uint32_t *used, *offset;
    uint32_t heads, head_dim, y_stride, qkv_stride;
    float scale;
    uint32_t window; /* attention_rows alone: keys at most so far away; 0: all */
    int32_t causal, y_bf16;
};

struct norm_params {
    float *y;
    void *yq;       /* operand, or NULL */
    const float *x; /* may be y */
    const float *gain, *bias; /* bias may be NULL */
    const uint32_t *used;
    uint32_t cols, y_stride, yq_stride, x_stride;
    float eps;
    int32_t yq_bf16, rms;
};

struct embed_params {
    struct norm_params norm; /* x is not read */
    const float *word, *position, *type; /* position and type may be NULL */
    const uint32_t *token, *place, *kind; /* kind: rows of type; NULL: all the first */
};

struct embed_rows_params { /* y[i] = w[token[i]]·scale */
    float *y;
    const void *w; /* [tokens, k] in held.type fp32, bf16 or fp16; NULL: held */
    struct held_weight held;
    const uint32_t *token, *used;
    uint32_t cols, k, y_stride;
    float scale;
};

struct quantize_params {
    void *y;
    struct quant_block *quant; /* y is int8 */
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
    int32_t first, last; /* the first row of a sequence alone, or its last */
    int32_t as_is;       /* not brought to unit length */
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

#define PROBE_THREADS 256
#define PROBE_BLOCKS 8 /* of a processor: all the threads that it holds */
struct probe_params {
    const uint4 *from;
    uint64_t n; /* of them */
    uint32_t *out;
};

struct merge_params { /* the lists of all blocks into one for each query (a block each) */
    const struct hit *in; /* [lists, queries, k] */
    struct hit *out;      /* [queries, k] */
    uint32_t lists, queries, k;
};

#endif
