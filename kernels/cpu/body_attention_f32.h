/* Body for every instruction set: attention in fp32 over one head of one sequence at a time, whose K (transposed) and V are
 * packed into the queue's scratch. Scores of HEAD_ROWS rows at a time stay in L1. Include body_finish.h first. */

#define HEAD_ROWS (F32_ROWS >= 12 ? 8 : 4) /* × 2 sums: as many as registers allow */

struct head {
    float *kt;    /* [d][keys_padded] */
    float *v;     /* [keys_padded][d_padded], zero past keys */
    float *p;     /* [HEAD_ROWS][keys_padded] */
    float *out;   /* [HEAD_ROWS][d_padded] */
    uint32_t d, d_padded, keys, keys_padded;
};

static void pack_head(struct head *h, const struct mat *qkv, uint32_t from, uint32_t k_at, uint32_t v_at)
{
    for (uint32_t j = 0; j < h->keys; j++) {
        const float *row = (const float *)qkv->data + (size_t)(from + j) * qkv->stride;
        float *v = h->v + (size_t)j * h->d_padded, *to = h->kt + j;
        for (uint32_t c = 0; c < h->d; c++, to += h->keys_padded)
            *to = row[k_at + c];
        memcpy(v, row + v_at, h->d * sizeof *v);
        memset(v + h->d, 0, (h->d_padded - h->d) * sizeof *v);
    }
    uint32_t past = h->keys_padded - h->keys;
    for (uint32_t c = 0; c < h->d; c++)
        memset(h->kt + (size_t)c * h->keys_padded + h->keys, 0, past * sizeof *h->kt);
    memset(h->v + (size_t)h->keys * h->d_padded, 0, (size_t)past * h->d_padded * sizeof *h->v);
}

/* p[i][j] = q_i·k_j, unscaled */
static inline __attribute__((always_inline)) void head_scores(const struct head *h, const int rows, const float *x,
                                                              size_t stride)
{
    for (uint32_t j = 0; j < h->keys_padded; j += 2 * VL) {
        vf sum[HEAD_ROWS][2];
        for (int i = 0; i < rows; i++)
            sum[i][0] = sum[i][1] = v_set(0);
        for (uint32_t c = 0; c < h->d; c++) {
            const float *k = h->kt + (size_t)c * h->keys_padded + j;
            vf k0 = v_load(k), k1 = v_load(k + VL);
            for (int i = 0; i < rows; i++) {
                vf a = v_set(x[(size_t)i * stride + c]);
                sum[i][0] = v_fma(a, k0, sum[i][0]);
                sum[i][1] = v_fma(a, k1, sum[i][1]);
            }
        }
        for (int i = 0; i < rows; i++) {
            v_store(h->p + (size_t)i * h->keys_padded + j, sum[i][0]);
            v_store(h->p + (size_t)i * h->keys_padded + j + VL, sum[i][1]);
        }
    }
}

/* p[first..keys) → 2^(scale·(p - max)), 0 elsewhere; returns 1 / their sum */
static inline float head_softmax(float *p, uint32_t first, uint32_t keys, uint32_t padded, float scale)
{
    for (uint32_t j = 0; j < first; j++)
        p[j] = -INFINITY;
    for (uint32_t j = keys; j < padded; j++)
        p[j] = -INFINITY;
    vf top = v_load(p), sum = v_set(0);
    for (uint32_t j = VL; j < padded; j += VL)
        top = v_max(top, v_load(p + j));
    vf max = v_set(v_top(top));
    for (uint32_t j = 0; j < padded; j += VL) {
        vf x = v_exp2((v_load(p + j) - max) * v_set(scale));
        v_store(p + j, x);
        sum += x;
    }
    for (uint32_t j = 0; j < first; j++)
        p[j] = 0;
    for (uint32_t j = keys; j < padded; j++)
        p[j] = 0;
    return 1 / v_sum(sum);
}

static inline __attribute__((always_inline)) void head_mix(const struct head *h, const int rows, const float *inverse)
{
    for (uint32_t c = 0; c < h->d_padded; c += VL) {
        vf sum[HEAD_ROWS][2];
        for (int i = 0; i < rows; i++)
            sum[i][0] = sum[i][1] = v_set(0);
        for (uint32_t j = 0; j < h->keys_padded; j += 2) { /* two chains a row hide the latency */
            vf v0 = v_load(h->v + (size_t)j * h->d_padded + c), v1 = v_load(h->v + (size_t)(j + 1) * h->d_padded + c);
            for (int i = 0; i < rows; i++) {
                const float *p = h->p + (size_t)i * h->keys_padded + j;
                sum[i][0] = v_fma(v_set(p[0]), v0, sum[i][0]);
                sum[i][1] = v_fma(v_set(p[1]), v1, sum[i][1]);
            }
        }
        for (int i = 0; i < rows; i++)
            v_store(h->out + (size_t)i * h->d_padded + c, (sum[i][0] + sum[i][1]) * v_set(inverse[i]));
    }
}

static inline __attribute__((always_inline)) void head_rows(const struct head *h, const int rows, const float *x,
                                                            size_t stride, float scale, const struct attention *how,
                                                            uint32_t first)
{
    float inverse[HEAD_ROWS];
    head_scores(h, rows, x, stride);
    for (int i = 0; i < rows; i++) {
        uint32_t at = first + (uint32_t)i, from = 0, end = how->causal ? at + 1 : h->keys;
        if (how->window) {
            from = at > how->window ? at - how->window : 0;
            end = at + how->window + 1 < end ? at + how->window + 1 : end;
        }
        inverse[i] = head_softmax(h->p + (size_t)i * h->keys_padded, from, end, h->keys_padded, scale);
    }
    head_mix(h, rows, inverse);
}

static void simd_attention_f32(struct cpu_queue *q, struct mat *y, const struct mat *qkv, const struct attention *how,
                               const struct rows *r)
{
    uint32_t d = how->head_dim, hidden = how->heads * d;
    float scale = how->scale * 1.4426950408889634f; /* e^x = 2^(x·log2 e) */
    for (uint32_t s = 0; s < r->used[1]; s++) {
        uint32_t from = r->offset[s], keys = r->offset[s + 1] - from;
        struct head h = {.d = d, .d_padded = round_up(d, VL), .keys = keys, .keys_padded = round_up(keys, 2 * VL)};
        h.kt = q->scratch;
        h.v = h.kt + (size_t)d * h.keys_padded;
        h.p = h.v + (size_t)h.d_padded * h.keys_padded;
        h.out = h.p + (size_t)HEAD_ROWS * h.keys_padded;
        for (uint32_t head = 0; head < how->heads; head++) {
            pack_head(&h, qkv, from, hidden + head * d, 2 * hidden + head * d);
            for (uint32_t i = 0, rows; i < keys; i += rows) {
                const float *x = (const float *)qkv->data + (size_t)(from + i) * qkv->stride + head * d;
                rows = keys - i >= HEAD_ROWS ? HEAD_ROWS : keys - i >= 4 ? 4 : keys - i >= 2 ? 2 : 1;
                if (rows == HEAD_ROWS)
                    head_rows(&h, HEAD_ROWS, x, qkv->stride, scale, how, i);
                else if (rows == 4)
                    head_rows(&h, 4, x, qkv->stride, scale, how, i);
                else if (rows == 2)
                    head_rows(&h, 2, x, qkv->stride, scale, how, i);
                else
                    head_rows(&h, 1, x, qkv->stride, scale, how, i);
                for (uint32_t one = 0; one < rows; one++)
                    store_part(y, from + i + one, head * d, h.out + (size_t)one * h.d_padded, d);
            }
        }
    }
}
