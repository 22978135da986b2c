/* Caches of keys and values on both sides, for tests of what reads them. */
#ifndef CODEASK_TESTS_PTX_CACHED_H
#define CODEASK_TESTS_PTX_CACHED_H

#include "tests/ptx/pair.h"

#define KEYS 560 /* three groups of ATTENTION_KEYS */
#define PAGES 40
#define SEQUENCES 2
#define STRIDE (KEYS / CACHE_PAGE + 1)

static inline void next_seed(void)
{
    static uint64_t seed;
    if (set_seed)
        set_seed(seed++ % 8);
}

struct shape {
    uint32_t heads, kv, k_dim, v_dim;
    bool latent;
};

/* Sequences whose pages lie anywhere: the same on both sides, filled by prepare(). */
struct cached {
    struct cache here, there;
    struct pages p, pt;
    uint32_t table[SEQUENCES * STRIDE];
    size_t bytes[4];
};

static inline void cached_new(struct cached *x, enum cache_type type, const struct shape *s, uint32_t shift)
{
    size_t rows = (size_t)PAGES * s->kv * CACHE_PAGE;
    struct err e;
    void *p[4] = {0};
    x->bytes[0] = rows * s->k_dim * 4;
    x->bytes[1] = s->latent ? 0 : rows * s->v_dim * 4;
    x->bytes[2] = rows * ((s->k_dim + 31) / 32) * 4;
    x->bytes[3] = rows * ((s->v_dim + 31) / 32) * 4;
    for (int i = 0; i < 4; i++)
        if (x->bytes[i])
            assert_int_equal(cuda->memory(dev, &p[i], x->bytes[i], &e), 0);
    x->there = (struct cache){p[0], p[1], p[2], p[3], type, s->kv, s->k_dim, s->v_dim};
    x->here = (struct cache){mem_zero(x->bytes[0], 1), s->latent ? NULL : mem_zero(x->bytes[1], 1), mem_zero(x->bytes[2], 1),
                             mem_zero(x->bytes[3], 1), type, s->kv, s->k_dim, s->v_dim};
    for (uint32_t i = 0; i < SEQUENCES * STRIDE; i++)
        x->table[i] = (i * 7 + shift) % PAGES;
    x->p = (struct pages){x->table, STRIDE};
    x->pt = (struct pages){device_copy(x->table, sizeof x->table), STRIDE};
}

static inline void cached_free(struct cached *x)
{
    void *all[] = {x->here.k, x->here.v, x->here.k_scale, x->here.v_scale};
    void *there[] = {x->there.k, x->there.v, x->there.k_scale, x->there.v_scale, (void *)(uintptr_t)x->pt.table};
    for (size_t i = 0; i < COUNT(all); i++)
        free(all[i]);
    for (size_t i = 0; i < COUNT(there); i++)
        cuda->release(dev, there[i]);
}

static inline struct some_rows rows_at(const uint32_t *offset, uint32_t n, const uint32_t *position)
{
    struct some_rows r = rows_new(offset, n, 0);
    memcpy((void *)(uintptr_t)r.here.position, position, offset[n] * sizeof *position);
    cuda->put(queue, (void *)(uintptr_t)r.there.position, position, offset[n] * sizeof *position);
    return r;
}

/* Fills the caches of both sides with the same bytes: prepare() on the CPU, then what it wrote is copied. */
static inline void fill_cache(struct cached *x, const struct shape *s)
{
    struct prepare how = {.kv_heads = s->kv, .k_dim = s->k_dim, .v_dim = s->latent ? 0 : s->v_dim};
    uint32_t width = s->kv * (how.k_dim + how.v_dim), used[2] = {KEYS, 1}, *position = mem_alloc(KEYS * 4), *sequence = mem_alloc(KEYS * 4);
    struct mat kv = {.rows = KEYS, .cols = width, .stride = (width + 63) / 64 * 64, .type = TYPE_F32};
    struct rows r = {.used = used, .position = position, .sequence = sequence};
    kv.data = mem_zero((size_t)KEYS * kv.stride, sizeof(float));
    for (uint32_t i = 0; i < KEYS * kv.stride; i++)
        ((float *)kv.data)[i] = 2 * number(5, i);
    for (uint32_t q = 0; q < SEQUENCES; q++) {
        for (uint32_t i = 0; i < KEYS; i++) {
            position[i] = i;
            sequence[i] = q;
        }
        cpu->prepare(host_queue, &kv, &how, &x->here, &x->p, &r);
    }
    void *from[] = {x->here.k, x->here.v, x->here.k_scale, x->here.v_scale}, *to[] = {x->there.k, x->there.v, x->there.k_scale, x->there.v_scale};
    for (int i = 0; i < 4; i++)
        if (x->bytes[i] && from[i])
            cuda->put(queue, to[i], from[i], x->bytes[i]);
    free(kv.data);
    free(position);
    free(sequence);
}

#endif
