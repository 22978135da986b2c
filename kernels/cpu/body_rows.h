/* Body for every instruction set: ops that go row by row. Include body_store.h first. */

static inline void norm_row(float *y, const float *x, uint32_t n, const struct norm *how)
{
    vf sum = v_set(0), square = v_set(0);
    float tail = 0;
    uint32_t c = 0;
    for (; c + VL <= n && !how->rms; c += VL)
        sum += v_load(x + c);
    for (uint32_t t = c; t < n && !how->rms; t++)
        tail += x[t];
    float mean = (v_sum(sum) + tail) / (float)n;
    tail = 0;
    for (c = 0; c + VL <= n; c += VL) { /* two passes: E[x²] - mean² cancels in fp32 */
        vf d = v_load(x + c) - v_set(mean);
        square = v_fma(d, d, square);
    }
    for (uint32_t t = c; t < n; t++)
        tail += (x[t] - mean) * (x[t] - mean);
    float scale = 1 / sqrtf((v_sum(square) + tail) / (float)n + how->eps);
    for (c = 0; c + VL <= n; c += VL)
        v_store(y + c, v_fma((v_load(x + c) - v_set(mean)) * v_set(scale), v_load(how->gain + c),
                             how->bias ? v_load(how->bias + c) : v_set(0)));
    for (; c < n; c++)
        y[c] = (x[c] - mean) * scale * how->gain[c] + (how->bias ? how->bias[c] : 0);
}

static void simd_norm(struct cpu_queue *q, struct mat *y, struct mat *yq, const struct mat *x, const struct norm *n,
                      const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++) {
        float *to = (float *)y->data + (size_t)i * y->stride;
        norm_row(to, (const float *)x->data + (size_t)i * x->stride, x->cols, n);
        if (yq)
            store_part(yq, i, 0, to, y->cols);
    }
}

static void simd_embed(struct cpu_queue *q, struct mat *y, struct mat *yq, const struct rows *r,
                       const struct embedding *t, const struct norm *n)
{
    for (uint32_t i = 0; i < r->used[0]; i++) {
        float *to = (float *)y->data + (size_t)i * y->stride;
        const float *word = t->word + (size_t)r->token[i] * y->cols;
        const float *position = t->position ? t->position + (size_t)r->position[i] * y->cols : NULL;
        const float *type = t->type ? t->type + (r->type ? (size_t)r->type[i] * y->cols : 0) : NULL;
        for (uint32_t c = 0; c < y->cols; c++)
            to[c] = word[c] + (position ? position[c] : 0) + (type ? type[c] : 0);
        norm_row(to, to, y->cols, n);
        if (yq)
            store_part(yq, i, 0, to, y->cols);
    }
}

static void simd_quantize(struct cpu_queue *q, struct mat *xq, const struct mat *x, const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++)
        store_part(xq, i, 0, (const float *)x->data + (size_t)i * x->stride, x->cols);
}

static void simd_pool(struct cpu_queue *q, struct mat *y, const struct mat *x, enum pooling how, const struct rows *r)
{
    for (uint32_t s = 0; s < r->used[1]; s++) {
        uint32_t from = r->offset[s], to = r->offset[s + 1];
        float *out = (float *)y->data + (size_t)s * y->stride;
        if (pool_first(how) && to > from)
            to = from + 1;
        if (pool_last(how) && to > from)
            from = to - 1;
        memset(out, 0, y->cols * sizeof *out);
        for (uint32_t i = from; i < to; i++) {
            const float *row = (const float *)x->data + (size_t)i * x->stride;
            for (uint32_t c = 0; c < y->cols; c++)
                out[c] += row[c];
        }
        double square = 0;
        for (uint32_t c = 0; c < y->cols; c++)
            square += (double)out[c] * out[c];
        float scale = pool_as_is(how) ? 1 : square > 0 ? (float)(1 / sqrt(square)) : 0;
        for (uint32_t c = 0; c < y->cols; c++)
            out[c] *= scale;
    }
}
