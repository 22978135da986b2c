/* Body for every instruction set: attention of many rows of one sequence (a prompt that is read), as two products over keys and
 * values that are unpacked once for ATTEND_PANELS panels of queries. Include body_attend.h and body_matmul_f32.h first.
 *
 * A panel is 2·VL queries side by side: heads that share a head of keys, of rows one after the other. All is laid by query in the
 * innermost place: scores [key][query], values [column][query], so that a softmax has no sums across vectors. A query's numbers
 * depend on its own keys alone, in groups of ATTENTION_KEYS from the beginning of the sequence; not on who shares its panel. */
#include "kernels/cpu/attend_tile.h"

#define QUERIES (2 * VL)
#define NEVER (-1e30f) /* below every score; finite, so that differences are numbers */

INLINE void tile_rows(uint32_t rows, float *tile, const float *x, size_t stride, const size_t step, const float *w, uint32_t k)
{
    switch (rows) {
#define ROWS(n)                                                                                                        \
    case n:                                                                                                            \
        f32_tile(n, tile, QUERIES, x, stride, step, w, QUERIES, k);                                                    \
        break;
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#if F32_ROWS > 6
        ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
#endif
#undef ROWS
    }
}

/* scores [keys][QUERIES] = K·Qᵀ; K: [keys][wide], q: [d][QUERIES]. */
static void tile_scores(float *scores, const float *keys, const float *q, uint32_t n, uint32_t wide, uint32_t d)
{
    memset(scores, 0, (size_t)n * QUERIES * sizeof *scores);
    for (uint32_t t = 0; t < n; t += F32_ROWS)
        tile_rows(n - t < F32_ROWS ? n - t : F32_ROWS, scores + (size_t)t * QUERIES, keys + (size_t)t * wide, wide, 1, q, d);
}

/* out [d][QUERIES] += Vᵀ·P; V: [keys][VALUES_WIDE…]. */
static void tile_values(float *out, const float *values, const float *p, uint32_t n, uint32_t wide, uint32_t d)
{
    for (uint32_t c = 0; c < d; c += F32_ROWS)
        tile_rows(d - c < F32_ROWS ? d - c : F32_ROWS, out + (size_t)c * QUERIES, values + c, 1, wide, p, n);
}

/* Keys or values from .. to-1 as fp32: to [keys][wide]. */
static void tile_unpack(float *out, uint32_t wide, const struct lines *l, enum cache_type type, uint32_t d, uint32_t from, uint32_t to)
{
    for (uint32_t t = from; t < to; t++, out += wide) {
        const float *scale;
        const char *row = line(l, t, &scale);
        uint32_t c = 0;
        for (; c + VL <= d; c += VL)
            v_store(out + c, type == CACHE_F16 ? cached(row, scale, CACHE_F16, c) : type == CACHE_Q8 ? cached(row, scale, CACHE_Q8, c)
                                                                                                    : cached(row, scale, CACHE_F32, c));
        if (c < d)
            cache_load(out + c, row + c * cache_width(type), scale ? scale + c / QUANT_BLOCK : NULL, type, 0, d - c, d - c);
    }
}

struct tile_panel { /* softmaxes that are not finished, in powers of two */
    float top[QUERIES], weight[QUERIES];
    float first[QUERIES], last[QUERIES]; /* keys that a query sees, as numbers; none: last < first */
};

/* Scores of keys `from` and on become weights; out [d][QUERIES] and the sums so far are brought to the new greatest score. */
static void tile_softmax(struct tile_panel *s, float *scores, float *out, uint32_t d, uint32_t from, uint32_t n, bool all,
                         const struct attend *how)
{
    for (int j = 0; j < QUERIES; j += VL) {
        vf top = v_load(s->top + j), was = top, sum = v_set(0), first = v_load(s->first + j), last = v_load(s->last + j);
        for (uint32_t i = 0; i < n; i++) {
            float *at = scores + (size_t)i * QUERIES + j, t = (float)(from + i);
            vf x = v_load(at) * v_set(how->scale);
            if (how->softcap > 0)
                x = v_set(how->softcap) * (v_set(1) - v_set(2) / (v_exp2(x * v_set(2 * LOG2E / how->softcap)) + v_set(1)));
            x = x * v_set(LOG2E);
            if (!all) /* how far a key is out of sight */
                x = v_fma(v_max(v_max(v_set(t) - last, first - v_set(t)), v_set(0)), v_set(NEVER), x);
            v_store(at, x);
            top = v_max(top, x);
        }
        for (uint32_t i = 0; i < n; i++) {
            float *at = scores + (size_t)i * QUERIES + j, t = (float)(from + i);
            vf p = v_exp2(v_load(at) - top);
            if (!all) /* 1 or 0 */
                p = p * v_max(v_set(1) - v_max(v_max(v_set(t) - last, first - v_set(t)), v_set(0)), v_set(0));
            v_store(at, p);
            sum += p;
        }
        vf less = v_exp2(was - top) / v_exp2(v_set(0)); /* 1 where keys out of sight changed nothing: v_exp2(0) is not quite */
        v_store(s->top + j, top);
        v_store(s->weight + j, v_fma(v_load(s->weight + j), less, sum));
        for (uint32_t c = 0; c < d; c++)
            v_store(out + (size_t)c * QUERIES + j, v_load(out + (size_t)c * QUERIES + j) * less);
    }
}

struct tile { /* rows `row` .. row+rows-1, of one sequence, and the heads that share key head `head` */
    struct mat *y;
    const struct mat *query;
    const struct attend *how;
    const struct cache *c;
    const struct pages *p;
    const struct rows *r;
    uint32_t row, rows, head, share;
};

static uint32_t tile_queries(const struct tile *t)
{
    return t->rows * t->share;
}

/* Queries of a panel: q [d][QUERIES], what they see into s; zeros where there is none. */
static void tile_begin(struct tile_panel *s, float *q, const struct tile *t, uint32_t panel)
{
    uint32_t d = t->c->k_dim;
    for (uint32_t j = 0; j < QUERIES; j++) {
        uint32_t at = panel * QUERIES + j, i = t->row + at / t->share;
        bool there = at < tile_queries(t);
        uint32_t position = there ? t->r->position[i] : 0, window = t->how->window;
        const float *from = there ? mat_row(t->query, i) + (size_t)(t->head * t->share + at % t->share) * d : NULL;
        for (uint32_t c = 0; c < d; c++)
            q[(size_t)c * QUERIES + j] = there ? from[c] : 0;
        s->top[j] = NEVER;
        s->weight[j] = 0;
        s->last[j] = (float)position;
        s->first[j] = (float)(window && position >= window ? position + 1 - window : 0);
    }
}

static void tile_end(const struct tile_panel *s, const float *out, const struct tile *t, uint32_t panel)
{
    uint32_t d = t->c->v_dim;
    for (uint32_t j = 0; j < QUERIES && panel * QUERIES + j < tile_queries(t); j++) {
        uint32_t at = panel * QUERIES + j, head = t->head * t->share + at % t->share;
        float *to = mat_row(t->y, t->row + at / t->share) + (size_t)head * d;
        float weight = s->weight[j] + (t->how->sinks ? exp2f(t->how->sinks[head] * LOG2E - s->top[j]) : 0);
        for (uint32_t c = 0; c < d; c++)
            to[c] = out[(size_t)c * QUERIES + j] / weight;
    }
}

static void simd_attend_tile(struct cpu_queue *q, struct mat *y, const struct mat *query, const struct attend *how,
                             const struct cache *c, const struct pages *p, const struct rows *r, uint32_t row, uint32_t rows,
                             uint32_t head)
{
    struct tile t = {y, query, how, c, p, r, row, rows, head, how->heads / c->heads};
    uint32_t panels = (tile_queries(&t) + QUERIES - 1) / QUERIES, wide = attend_wide(q), end = r->position[row + rows - 1] + 1;
    uint32_t low = r->position[row], at = how->window && low >= how->window ? low + 1 - how->window : 0;
    uint32_t last_first = how->window && end > how->window ? end - how->window : 0; /* of what the last row sees */
    float *rowed = q->tile, *queries = rowed + (size_t)ATTENTION_KEYS * wide, *out = queries + (size_t)ATTEND_PANELS * QUERIES * wide;
    float *scores = out + (size_t)ATTEND_PANELS * QUERIES * wide;
    struct tile_panel s[ATTEND_PANELS];
    for (uint32_t i = 0; i < panels; i++)
        tile_begin(&s[i], queries + (size_t)i * QUERIES * wide, &t, i);
    memset(out, 0, (size_t)panels * QUERIES * wide * sizeof *out);
    for (uint32_t next; at < end; at = next) {
        struct lines keys, values;
        next = (at / ATTENTION_KEYS + 1) * ATTENTION_KEYS;
        next = next < end ? next : end;
        bool all = next - 1 <= low && at >= last_first;
        find_lines(&keys, c, false, p, r->sequence[row], head, at, next);
        find_lines(&values, c, c->v != NULL, p, r->sequence[row], head, at, next);
        tile_unpack(rowed, wide, &keys, c->type, c->k_dim, at, next);
        for (uint32_t i = 0; i < panels; i++) {
            float *some = scores + (size_t)i * ATTENTION_KEYS * QUERIES;
            tile_scores(some, rowed, queries + (size_t)i * QUERIES * wide, next - at, wide, c->k_dim);
            tile_softmax(&s[i], some, out + (size_t)i * QUERIES * wide, c->v_dim, at, next - at, all, how);
        }
        if (c->v) /* else values are the beginning of the keys */
            tile_unpack(rowed, wide, &values, c->type, c->v_dim, at, next);
        for (uint32_t i = 0; i < panels; i++)
            tile_values(out + (size_t)i * QUERIES * wide, rowed, scores + (size_t)i * ATTENTION_KEYS * QUERIES, next - at, wide, c->v_dim);
    }
    for (uint32_t i = 0; i < panels; i++)
        tile_end(&s[i], out + (size_t)i * QUERIES * wide, &t, i);
}
