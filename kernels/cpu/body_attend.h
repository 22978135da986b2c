/* Body for every instruction set: attention over the cache's pages, for one row and one head of keys at a time, whose keys and
 * values are read once for up to ATTEND_HEADS heads of queries. Include body_finish.h first.
 *
 * A head's sums depend on its own query and keys alone: groups of ATTENTION_KEYS from the beginning of the sequence, in order. */
#include "kernels/cpu/decode.h"

#define ATTEND_HEADS 4 /* 4 heads × 2 vectors of values accumulate in registers */
#define LOG2E 1.4426950408889634f

typedef int8_t v_byte __attribute__((vector_size(VL)));

/* VL columns of a cached row from column c on (a multiple of VL; blocks of scales are longer than vectors). */
static inline __attribute__((always_inline)) vf cached(const char *row, const float *scale, enum cache_type type, uint32_t c)
{
    if (type == CACHE_F32)
        return v_load((const float *)(const void *)row + c);
    if (type == CACHE_F16)
        return v_load_f16(row + 2 * (size_t)c);
    v_byte b;
    memcpy(&b, row + c, sizeof b);
    return (vf)__builtin_convertvector(b, vf) * v_set(scale[c / QUANT_BLOCK]);
}

struct lines { /* rows of one head in the pages of one group */
    const char *row[ATTENTION_KEYS / CACHE_PAGE + 1];
    const float *scale[ATTENTION_KEYS / CACHE_PAGE + 1];
    size_t step, scale_step; /* bytes, floats of a row */
    uint32_t base;           /* the token of row[0] */
};

static inline size_t cache_width(enum cache_type t)
{
    return t == CACHE_F32 ? 4 : t == CACHE_F16 ? 2 : 1;
}

static void find_lines(struct lines *l, const struct cache *c, bool values, const struct pages *p, uint32_t sequence, uint32_t head,
                       uint32_t from, uint32_t to)
{
    const char *base = values ? c->v : c->k;
    const float *scale = values ? c->v_scale : c->k_scale;
    uint32_t dim = values ? c->v_dim : c->k_dim;
    l->base = from / CACHE_PAGE * CACHE_PAGE;
    l->step = dim * cache_width(c->type);
    l->scale_step = (dim + QUANT_BLOCK - 1) / QUANT_BLOCK;
    for (uint32_t t = l->base, i = 0; t < to; t += CACHE_PAGE, i++) {
        size_t row = cache_row(c, p, sequence, t, head);
        l->row[i] = base + row * l->step;
        l->scale[i] = c->type == CACHE_Q8 ? scale + row * l->scale_step : NULL;
    }
}

static inline const char *line(const struct lines *l, uint32_t t, const float **scale)
{
    uint32_t at = t - l->base, page = at / CACHE_PAGE, i = at % CACHE_PAGE;
    *scale = l->scale[page] ? l->scale[page] + i * l->scale_step : NULL;
    return l->row[page] + i * l->step;
}

struct part { /* of up to ATTEND_HEADS heads: softmaxes that are not finished */
    float max[ATTEND_HEADS], weight[ATTEND_HEADS], value[ATTEND_HEADS][HEAD_MAX];
};

#ifdef V_SUMS
/* The same for heads of whole vectors: VL sums of keys and heads at a time, added up together. Behind the last key it is passed again. */
static inline __attribute__((always_inline)) void attend_scores_whole(float s[ATTEND_HEADS][ATTENTION_KEYS], const float *query,
                                                                      const int heads, const struct lines *l, enum cache_type type,
                                                                      uint32_t d, uint32_t from, uint32_t to)
{
    const int keys = VL / heads;
    for (uint32_t t = from; t < to; t += (uint32_t)keys) {
        const float *scale[VL];
        const char *row[VL];
        vf acc[VL];
        float sums[VL];
#pragma GCC unroll 16
        for (int k = 0; k < keys; k++)
            row[k] = line(l, t + (uint32_t)k < to ? t + (uint32_t)k : to - 1, &scale[k]);
#pragma GCC unroll 16
        for (int i = 0; i < VL; i++)
            acc[i] = v_set(0);
        for (uint32_t c = 0; c < d; c += VL)
#pragma GCC unroll 16
            for (int k = 0; k < keys; k++) {
                vf x = cached(row[k], scale[k], type, c);
#pragma GCC unroll 4
                for (int m = 0; m < heads; m++)
                    acc[m * keys + k] = v_fma(v_load(query + (size_t)m * d + c), x, acc[m * keys + k]);
            }
        v_store(sums, v_sums(acc));
#pragma GCC unroll 4
        for (int m = 0; m < heads; m++)
            memcpy(&s[m][t - from], sums + m * keys, (size_t)keys * sizeof *sums);
    }
}
_Static_assert(ATTENTION_KEYS % VL == 0, "what is passed again has room");
#endif

/* s[m][i] = q_m·k of keys from .. to-1, with the rest of the last vector at -∞. */
static inline __attribute__((always_inline)) void attend_scores(float s[ATTEND_HEADS][ATTENTION_KEYS], const float *query,
                                                                const int heads, const struct lines *l, enum cache_type type,
                                                                uint32_t d, uint32_t from, uint32_t to)
{
    uint32_t whole = d / VL * VL;
#ifdef V_SUMS
    if (whole == d) {
        attend_scores_whole(s, query, heads, l, type, d, from, to);
        return;
    }
#endif
    for (uint32_t t = from; t < to; t++) {
        const float *scale;
        const char *row = line(l, t, &scale);
        float sum[ATTEND_HEADS], tail[VL] = {0};
        vf acc[ATTEND_HEADS];
        for (int m = 0; m < heads; m++)
            acc[m] = v_set(0);
        for (uint32_t c = 0; c < whole; c += VL) {
            vf k = cached(row, scale, type, c);
            for (int m = 0; m < heads; m++)
                acc[m] = v_fma(v_load(query + (size_t)m * d + c), k, acc[m]);
        }
        if (whole < d)
            cache_load(tail, row + whole * cache_width(type), scale ? scale + whole / QUANT_BLOCK : NULL, type, 0, d - whole, d - whole);
        for (int m = 0; m < heads; m++) {
            sum[m] = v_sum(acc[m]);
            for (uint32_t c = whole; c < d; c++)
                sum[m] += query[(size_t)m * d + c] * tail[c - whole];
            s[m][t - from] = sum[m];
        }
    }
}

static inline void attend_weights(float *s, float *max, float *weight, uint32_t n, const struct attend *how)
{
    uint32_t padded = (n + VL - 1) / VL * VL;
    vf top = v_set(-INFINITY), sum = v_set(0);
    for (uint32_t i = n; i < padded; i++)
        s[i] = -INFINITY;
    for (uint32_t i = 0; i < padded; i += VL) {
        vf x = v_load(s + i) * v_set(how->scale);
        if (how->softcap > 0) { /* c·tanh(x/c), tanh by an exponential; -∞ becomes -c there, so the rest is set again below */
            vf e = v_exp2(x * v_set(2 * LOG2E / how->softcap));
            x = v_set(how->softcap) * (v_set(1) - v_set(2) / (e + v_set(1)));
        }
        v_store(s + i, x);
    }
    for (uint32_t i = n; i < padded; i++)
        s[i] = -INFINITY;
    for (uint32_t i = 0; i < padded; i += VL)
        top = v_max(top, v_load(s + i));
    *max = v_top(top);
    for (uint32_t i = 0; i < padded; i += VL)
        v_store(s + i, v_exp2((v_load(s + i) - v_set(*max)) * v_set(LOG2E)));
    for (uint32_t i = n; i < padded; i++)
        s[i] = 0;
    for (uint32_t i = 0; i < padded; i += VL)
        sum += v_load(s + i);
    *weight = v_sum(sum);
}

static inline __attribute__((always_inline)) void attend_values(struct part *one, float s[ATTEND_HEADS][ATTENTION_KEYS],
                                                                const int heads, const struct lines *l, enum cache_type type,
                                                                uint32_t d, uint32_t from, uint32_t to)
{
    uint32_t c = 0;
    for (; c + 2 * VL <= d; c += 2 * VL) {
        vf acc[ATTEND_HEADS][2];
        for (int m = 0; m < heads; m++)
            acc[m][0] = acc[m][1] = v_set(0);
        for (uint32_t t = from; t < to; t++) {
            const float *scale;
            const char *row = line(l, t, &scale);
            vf a = cached(row, scale, type, c), b = cached(row, scale, type, c + VL);
            for (int m = 0; m < heads; m++) {
                vf w = v_set(s[m][t - from]);
                acc[m][0] = v_fma(w, a, acc[m][0]);
                acc[m][1] = v_fma(w, b, acc[m][1]);
            }
        }
        for (int m = 0; m < heads; m++) {
            v_store(one->value[m] + c, acc[m][0]);
            v_store(one->value[m] + c + VL, acc[m][1]);
        }
    }
    if (c == d)
        return;
    for (int m = 0; m < heads; m++)
        memset(one->value[m] + c, 0, (d - c) * sizeof(float));
    for (uint32_t t = from; t < to; t++) { /* what is left of a head: fewer than two vectors */
        const float *scale;
        const char *row = line(l, t, &scale);
        float tail[2 * VL];
        cache_load(tail, row + c * cache_width(type), scale ? scale + c / QUANT_BLOCK : NULL, type, 0, d - c, d - c);
        for (int m = 0; m < heads; m++)
            for (uint32_t i = c; i < d; i++)
                one->value[m][i] += s[m][t - from] * tail[i - c];
    }
}

static void attend_join(struct part *all, const struct part *one, int heads, uint32_t d)
{
    for (int m = 0; m < heads; m++) {
        float max = all->max[m] > one->max[m] ? all->max[m] : one->max[m];
        float a = all->weight[m] > 0 ? expf(all->max[m] - max) : 0, b = expf(one->max[m] - max);
        all->weight[m] = all->weight[m] * a + one->weight[m] * b;
        for (uint32_t c = 0; c < d; c++)
            all->value[m][c] = all->value[m][c] * a + one->value[m][c] * b;
        all->max[m] = max;
    }
}

struct attend_row {
    const struct attend *how;
    const struct cache *c;
    const struct pages *p;
    uint32_t sequence, position, head; /* head: of keys */
};

static inline __attribute__((always_inline)) void attend_heads(float *y, const float *query, const int heads, const enum cache_type type,
                                                               const struct attend_row *r, const float *sinks)
{
    const struct cache *c = r->c;
    uint32_t end = r->position + 1, window = r->how->window, at = window && end > window ? end - window : 0;
    struct part all, one;
    float s[ATTEND_HEADS][ATTENTION_KEYS];
    for (int m = 0; m < heads; m++) {
        all.max[m] = -INFINITY;
        all.weight[m] = 0;
        memset(all.value[m], 0, c->v_dim * sizeof(float));
    }
    while (at < end) {
        uint32_t next = (at / ATTENTION_KEYS + 1) * ATTENTION_KEYS;
        struct lines keys, values;
        next = next < end ? next : end;
        find_lines(&keys, c, false, r->p, r->sequence, r->head, at, next);
        find_lines(&values, c, c->v != NULL, r->p, r->sequence, r->head, at, next);
        attend_scores(s, query, heads, &keys, type, c->k_dim, at, next);
        for (int m = 0; m < heads; m++)
            attend_weights(s[m], &one.max[m], &one.weight[m], next - at, r->how);
        attend_values(&one, s, heads, &values, type, c->v_dim, at, next);
        attend_join(&all, &one, heads, c->v_dim);
        at = next;
    }
    for (int m = 0; m < heads; m++) {
        float weight = all.weight[m] + (sinks ? expf(sinks[m] - all.max[m]) : 0), *to = y + (size_t)m * c->v_dim;
        for (uint32_t i = 0; i < c->v_dim; i++)
            to[i] = all.value[m][i] / weight;
    }
}

static inline __attribute__((always_inline)) void attend_typed(float *y, const float *query, uint32_t share, const enum cache_type type,
                                                               const struct attend_row *r, const float *sinks)
{
    for (uint32_t h = 0, n; h < share; h += n) {
        float *to = y + (size_t)h * r->c->v_dim;
        const float *from = query + (size_t)h * r->c->k_dim, *sink = sinks ? sinks + h : NULL;
        n = share - h >= ATTEND_HEADS ? ATTEND_HEADS : share - h >= 2 ? 2 : 1;
        if (n == ATTEND_HEADS)
            attend_heads(to, from, ATTEND_HEADS, type, r, sink);
        else if (n == 2)
            attend_heads(to, from, 2, type, r, sink);
        else
            attend_heads(to, from, 1, type, r, sink);
    }
}

static void attend_f32(float *y, const float *query, uint32_t share, const struct attend_row *r, const float *sinks)
{
    attend_typed(y, query, share, CACHE_F32, r, sinks);
}

static void attend_f16(float *y, const float *query, uint32_t share, const struct attend_row *r, const float *sinks)
{
    attend_typed(y, query, share, CACHE_F16, r, sinks);
}

static void attend_q8(float *y, const float *query, uint32_t share, const struct attend_row *r, const float *sinks)
{
    attend_typed(y, query, share, CACHE_Q8, r, sinks);
}

static void simd_attend(struct cpu_queue *q, struct mat *y, const struct mat *query, const struct attend *how, const struct cache *c,
                        const struct pages *p, const struct rows *r, uint32_t from, uint32_t to)
{
    uint32_t share = how->heads / c->heads;
    for (uint32_t i = 0; i < r->used[0]; i++)
        for (uint32_t h = from, n; h < to; h += n) {
            n = to - h < share - h % share ? to - h : share - h % share;
            struct attend_row row = {how, c, p, r->sequence[i], r->position[i], h / share};
            float *out = mat_row(y, i) + (size_t)h * c->v_dim;
            const float *in = mat_row(query, i) + (size_t)h * c->k_dim, *sinks = how->sinks ? how->sinks + h : NULL;
            (c->type == CACHE_F32 ? attend_f32 : c->type == CACHE_F16 ? attend_f16 : attend_q8)(out, in, n, &row, sinks);
        }
}

static inline __attribute__((always_inline)) vf v_glu(vf g, vf u, const struct glu *how, const enum glu_kind kind)
{
    if (kind == GLU_CLAMPED) {
        g = v_min(g, v_set(how->limit));
        u = v_max(v_min(u, v_set(how->limit)), v_set(-how->limit)) + v_set(1);
        return g * v_sigmoid(g * v_set(how->alpha)) * u;
    }
    if (kind == GLU_SIGMOID)
        return v_sigmoid(g) * u;
    return u * v_activate(g, kind == GLU_SILU        ? ACT_SILU
                             : kind == GLU_GELU_TANH ? ACT_GELU_TANH
                             : kind == GLU_GELU      ? ACT_GELU
                                                     : ACT_RELU);
}

static inline __attribute__((always_inline)) void glu_row(float *y, const float *gate, const float *up, uint32_t n,
                                                          const struct glu *how, const enum glu_kind kind)
{
    uint32_t c = 0;
    for (; c + VL <= n; c += VL)
        v_store(y + c, v_glu(v_load(gate + c), v_load(up + c), how, kind));
    if (c == n)
        return;
    float g[VL] = {0}, u[VL] = {0}, out[VL];
    memcpy(g, gate + c, (n - c) * sizeof *g);
    memcpy(u, up + c, (n - c) * sizeof *u);
    v_store(out, v_glu(v_load(g), v_load(u), how, kind));
    memcpy(y + c, out, (n - c) * sizeof *y);
}

static void simd_glu(struct cpu_queue *q, struct mat *y, const struct mat *gate, const struct mat *up, const struct glu *how,
                     const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++) {
        float *to = mat_row(y, i);
        const float *g = mat_row(gate, i), *u = mat_row(up, i);
        switch (how->kind) { /* a loop for each, so that none asks inside */
        case GLU_SILU:
            glu_row(to, g, u, y->cols, how, GLU_SILU);
            break;
        case GLU_GELU_TANH:
            glu_row(to, g, u, y->cols, how, GLU_GELU_TANH);
            break;
        case GLU_GELU:
            glu_row(to, g, u, y->cols, how, GLU_GELU);
            break;
        case GLU_SIGMOID:
            glu_row(to, g, u, y->cols, how, GLU_SIGMOID);
            break;
        case GLU_RELU:
            glu_row(to, g, u, y->cols, how, GLU_RELU);
            break;
        case GLU_CLAMPED:
            glu_row(to, g, u, y->cols, how, GLU_CLAMPED);
            break;
        }
    }
}
