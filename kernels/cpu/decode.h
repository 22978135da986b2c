/* The reference of each op of decoders (kernels/decode.h), in its own file, and how the cache is read and written. */
#ifndef CODEASK_KERNELS_CPU_DECODE_H
#define CODEASK_KERNELS_CPU_DECODE_H

#include "kernels/cpu/cpu.h"

void scalar_prepare(struct cpu_queue *, struct mat *, const struct prepare *, const struct cache *, const struct pages *, const struct rows *);
void scalar_attend(struct cpu_queue *, struct mat *, const struct mat *, const struct attend *, const struct cache *, const struct pages *, const struct rows *, uint32_t, uint32_t);
void scalar_glu(struct cpu_queue *, struct mat *, const struct mat *, const struct mat *, const struct glu *, const struct rows *);
/* Each row's experts into of_row and their weights; then those become slots. */
void scalar_choose(uint32_t *of_row, float *weight, const struct mat *logits, const struct route *how, const struct rows *r);
void scalar_sort(struct slots *s, const struct route *how, uint32_t rows);
void scalar_combine(struct cpu_queue *, struct mat *, const struct mat *, const struct slots *, const struct rows *);
/* In this order: columns [from, to) of the convolution, then heads [from, to) of values, of all sequences. */
void scalar_delta_begin(const struct states *s, const struct rows *r);
void scalar_convolve(const struct mat *x, const struct delta *how, const struct states *s, const struct rows *r, uint32_t from, uint32_t to);
void scalar_delta(struct mat *y, const struct mat *x, const struct delta *how, const struct states *s, const struct rows *r, uint32_t from, uint32_t to);
void scalar_add(struct cpu_queue *, struct mat *, const struct mat *, const struct mat *, const struct rows *);
void scalar_columns(struct cpu_queue *, struct mat *, uint32_t, uint32_t, const struct mat *, uint32_t, uint32_t, uint32_t, uint32_t, const struct rows *);
void scalar_softcap(struct cpu_queue *, struct mat *, float, const struct rows *);

/* Rows of the backend table, in device_decode.c. */
void cpu_prepare(void *, struct mat *, const struct prepare *, const struct cache *, const struct pages *, const struct rows *);
void cpu_attend(void *, struct mat *, const struct mat *, const struct attend *, const struct cache *, const struct pages *, const struct rows *);
void cpu_glu(void *, struct mat *, const struct mat *, const struct mat *, const struct glu *, const struct rows *);
void cpu_route(void *, struct slots *, const struct mat *, const struct route *, const struct rows *);
void cpu_combine(void *, struct mat *, const struct mat *, const struct slots *, const struct rows *);
void cpu_delta(void *, struct mat *, const struct mat *, const struct delta *, const struct states *, const struct rows *);
void cpu_add(void *, struct mat *, const struct mat *, const struct mat *, const struct rows *);
void cpu_columns(void *, struct mat *, uint32_t, uint32_t, const struct mat *, uint32_t, uint32_t, uint32_t, uint32_t, const struct rows *);
void cpu_softcap(void *, struct mat *, float, const struct rows *);
void cpu_copy(void *, void *, const void *, size_t);
#define CPU_DECODE_OPS                                                                                                 \
    .prepare = cpu_prepare, .attend = cpu_attend, .glu = cpu_glu, .route = cpu_route, .combine = cpu_combine,          \
    .delta = cpu_delta, .add = cpu_add, .columns = cpu_columns, .softcap = cpu_softcap, .copy = cpu_copy

static inline float *mat_row(const struct mat *m, uint32_t row)
{
    return (float *)m->data + (size_t)row * m->stride;
}

/* Rows of the cache: head h of token t, in the page that the sequence's table names. */
static inline size_t cache_row(const struct cache *c, const struct pages *p, uint32_t sequence, uint32_t t, uint32_t h)
{
    size_t page = p->table[(size_t)sequence * p->stride + t / CACHE_PAGE];
    return (page * c->heads + h) * CACHE_PAGE + t % CACHE_PAGE;
}

void cache_store(void *base, float *scale, enum cache_type type, size_t row, uint32_t dim, const float *x);
void cache_load(float *x, const void *base, const float *scale, enum cache_type type, size_t row, uint32_t dim, uint32_t n);

#endif
