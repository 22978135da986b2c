/* The CPU set of ops: one row of functions for each instruction set, chosen once when the device is opened.
 *
 * scalar is the readable oracle (one file an op). The SIMD rows share one body (body_*.h over simd_<isa>.h), compiled once
 * for each instruction set in isa_<isa>.c; what needs an instruction of its own is in <op>_<isa>.c. */
#ifndef CODEASK_KERNELS_CPU_CPU_H
#define CODEASK_KERNELS_CPU_CPU_H

#include "kernels/backend.h"
#include "kernels/team.h"

#define CPU_EXACT_ROWS 16 /* backend.exact_rows: attention goes row by row, and products have one operand type and order of sums */
#define PANEL 32 /* outputs of a panel of weights that are not fp32: one QUANT_BLOCK, two vectors of AVX-512, two tiles of AMX */
#define ALIGN 64

/* Repacked weights in panels of consecutive outputs, zero-padded:
 * F32   float [n/panel][k][panel]           (panel 1 for scalar: plain rows)
 * F16   uint16 [n/PANEL][k][PANEL]
 * BF16  uint16 [n/PANEL][k/2][PANEL][2]     k padded to a multiple of 32
 * else  held.h
 * An op sees one expert and the columns that it is to compute: product.c cuts them out. */
struct weight {
    enum type type;
    uint32_t n, k, experts, panel;
    uint32_t k_padded;
    float scale;          /* of the whole matrix; of what an op sees */
    size_t panel_bytes;
    size_t bytes;
    void *data;           /* [experts][panels of n] */
    float *expert_scale;  /* [experts] */
};

struct cpu_queue;

struct cpu_isa {
    const char *name;     /* what options call it; several rows may share it: the first that is there is taken */
    const char *provider;
    bool (*there)(void);
    enum type fast, fast_qkv;
    size_t sums;        /* bytes of a queue's sums */
    uint32_t panel_f32;
    uint32_t bf16_rows; /* from so many rows on bf16 is the best operand of every weight but fp32 (> CPU_EXACT_ROWS); 0: never */
    void (*embed)(struct cpu_queue *q, struct mat *y, struct mat *yq, const struct rows *r, const struct embedding *t,
                  const struct norm *n);
    void (*quantize)(struct cpu_queue *q, struct mat *xq, const struct mat *x, const struct rows *r);
    /* by the type of x: fp32 and any weight; bf16 and bf16, or any where bf16_rows; Q8 and any that is quantised */
    void (*matmul_f32)(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                       const struct matmul *how, const struct rows *r);
    void (*matmul_bf16)(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                        const struct matmul *how, const struct rows *r);
    void (*matmul_q8)(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                      const struct matmul *how, const struct rows *r);
    void (*attention_f32)(struct cpu_queue *q, struct mat *y, const struct mat *qkv, const struct attention *how,
                          const struct rows *r);
    void (*attention_bf16)(struct cpu_queue *q, struct mat *y, const struct mat *qkv, const struct attention *how,
                           const struct rows *r);
    void (*norm)(struct cpu_queue *q, struct mat *y, struct mat *yq, const struct mat *x, const struct norm *n,
                 const struct rows *r);
    void (*pool)(struct cpu_queue *q, struct mat *y, const struct mat *x, enum pooling how, const struct rows *r);
    /* of the heads [from, to) of queries, which share whole heads of keys or are within one */
    void (*attend)(struct cpu_queue *q, struct mat *y, const struct mat *query, const struct attend *how, const struct cache *c,
                   const struct pages *p, const struct rows *r, uint32_t from, uint32_t to);
    /* of `rows` rows from `row` on, of one sequence, and all heads of queries that share a head of keys (attend_tile.h); NULL: none */
    void (*attend_tile)(struct cpu_queue *q, struct mat *y, const struct mat *query, const struct attend *how, const struct cache *c,
                        const struct pages *p, const struct rows *r, uint32_t row, uint32_t rows, uint32_t head);
    uint32_t panel_queries; /* of attend_tile */
    void (*glu)(struct cpu_queue *q, struct mat *y, const struct mat *gate, const struct mat *up, const struct glu *how,
                const struct rows *r);
};

struct cpu_device {
    const struct cpu_isa *isa;
    struct device_info info;
};

struct cpu_queue {
    struct cpu_device *dev;
    struct bounds bounds;
    struct err first; /* code 0: none */
    float *scratch;   /* attention: see attention_scratch() */
    float *sums;      /* products on AMX: [AMX_PASS_WIDTH / PANEL][AMX_PASS_ROWS][PANEL], and a chunk of x; else nothing */
    float *tile;      /* attend_tile() */
    struct team *team;        /* NULL: the caller alone */
    double part_ns;           /* what a part of an op must take at least; tests share smaller ones */
    struct cpu_queue *member; /* [threads], share.h: member 0 has the scratch above */
};

/* Rows, outputs and inputs of a block of products on AMX: sums of 1 MB and 128 KB of x, in L2. */
#define AMX_PASS_ROWS 256
#define AMX_PASS_WIDTH 1024
#define AMX_PASS_INPUTS 256
#define AMX_SUMS_BYTES (AMX_PASS_ROWS * (AMX_PASS_WIDTH * sizeof(float) + AMX_PASS_INPUTS * sizeof(uint16_t)))

/* Best first; NULL ends it. To add an instruction set: isa_<x>.c, a row in isa.c. */
extern const struct cpu_isa *const cpu_isas[];
const struct cpu_isa *cpu_isa_find(const char *name); /* NULL name: the best that is there; NULL: none */

/* Bytes of a queue's scratch for the attention of one head: K and V packed, scores of ATTENTION_ROWS rows, each padded to 64 keys. */
#define ATTENTION_ROWS 16
size_t attention_scratch(const struct bounds *b);
size_t queue_scratch(const struct cpu_device *d, const struct bounds *b); /* bytes of one thread: scratch and sums */
static inline uint32_t round_up(uint32_t n, uint32_t to) { return (n + to - 1) / to * to; }

/* bf16 as bits, round to nearest even (NaN stays NaN). */
uint16_t bf16_of(float x);
float bf16_to(uint16_t b);

void cpu_matmul(void *queue, struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                const struct rows *r); /* product.c */

/* The reference of each op, in its own file. */
void scalar_embed(struct cpu_queue *, struct mat *, struct mat *, const struct rows *, const struct embedding *, const struct norm *);
void scalar_embed_rows(struct cpu_queue *, struct mat *, const struct weight *, float, const struct rows *);
void scalar_gather(struct cpu_queue *, struct mat *, const struct mat *, const uint32_t *, const uint32_t *);
void scalar_quantize(struct cpu_queue *, struct mat *, const struct mat *, const struct rows *);
void scalar_matmul(struct cpu_queue *, struct mat *, const struct mat *, const struct weight *, const struct matmul *, const struct rows *);
void scalar_attention(struct cpu_queue *, struct mat *, const struct mat *, const struct attention *, const struct rows *);
void scalar_norm(struct cpu_queue *, struct mat *, struct mat *, const struct mat *, const struct norm *, const struct rows *);
void scalar_pool(struct cpu_queue *, struct mat *, const struct mat *, enum pooling, const struct rows *);
void scalar_norm_row(float *y, const float *x, uint32_t n, const struct norm *how);
/* x: fp32 [cols of m] → row of the operand m (any type), padding included */
void scalar_store_row(struct mat *m, uint32_t row, const float *x);
float scalar_load(const struct mat *m, uint32_t row, uint32_t col); /* any type */
float activate(float x, enum activation a);

#endif
