/* Gradients of the ops that go row by row, in double where the forward reference sums so, and the table of them all. */
#include "kernels/cpu/backward.h"
#include "kernels/cpu/decode.h"
#include "kernels/cpu/share.h"

#include <math.h>
#include <string.h>

#define COLUMN_NS 1.5 /* of a row: a pass in double */
#define GATED_NS 20   /* of a row: exponentials */

/* An op over rows: what one of them takes, and what they are. */
struct by_row {
    void (*one)(const struct by_row *b, uint32_t row);
    struct mat *dx, *dx2;
    const struct mat *dy, *x, *x2;
    const void *how;
    const uint32_t *index; /* from[] or target[] */
    double *loss;
    float number;          /* cap or scale */
    const struct rows *r;
};

static void some_rows(struct cpu_queue *member, void *arg, uint32_t from, uint32_t to)
{
    const struct by_row *b = arg;
    for (uint32_t i = from; i < to; i++)
        b->one(b, i);
}

static void run(void *queue, struct by_row *b, uint32_t rows, double row_ns)
{
    struct cpu_queue *q = queue;
    if (!q->first.code)
        share_spans(q, some_rows, b, rows, 1, rows * row_ns);
}

static void refuse(void *queue, const char *what)
{
    struct cpu_queue *q = queue;
    if (!q->first.code)
        err_set(&q->first, ERR_INTERNAL, "the gradient of %s is not known", what);
}

/* dx [n], added to or, where it is dy, in place. */
static void rms_back(float *dx, const float *dy, const float *x, const float *gain, uint32_t n, float eps)
{
    double square = 0, along = 0;
    for (uint32_t c = 0; c < n; c++) {
        square += (double)x[c] * x[c];
        along += (double)gain[c] * dy[c] * x[c];
    }
    double scale = 1 / sqrt(square / n + eps), back = scale * scale * scale * along / n;
    for (uint32_t c = 0; c < n; c++) {
        double d = scale * gain[c] * dy[c] - back * x[c];
        dx[c] = (float)(dx == dy ? d : dx[c] + d);
    }
}

static void norm_row(const struct by_row *b, uint32_t row)
{
    const struct norm *n = b->how;
    rms_back(mat_row(b->dx, row), mat_row(b->dy, row), mat_row(b->x, row), n->gain, b->x->cols, n->eps);
}

static void norm_back(void *q, struct mat *dx, const struct mat *dy, const struct mat *x, const struct norm *n, const struct rows *r)
{
    if (!n->rms || n->bias)
        refuse(q, "layernorm");
    run(q, &(struct by_row){.one = norm_row, .dx = dx, .dy = dy, .x = x, .how = n}, r->used[0], x->cols * COLUMN_NS);
}

void cpu_turn_back(float *x, const struct rope *how, uint32_t position)
{
    uint32_t half = how->dims / 2, step = how->interleaved ? 2 : 1, apart = how->interleaved ? 1 : half;
    x += how->first;
    for (uint32_t i = 0; i < half; i++) {
        double angle = (double)position * how->frequency[i];
        float cosine = (float)(cos(angle) * how->magnitude), sine = (float)(sin(angle) * how->magnitude);
        float *a = x + (size_t)i * step, *b = a + apart, u = *a, v = *b;
        *a = u * cosine + v * sine;
        *b = v * cosine - u * sine;
    }
}

static void heads_back(float *dx, const float *x, uint32_t n, const struct prepare *how, const float *gain, uint32_t position)
{
    for (uint32_t h = 0; h < n; h++, dx += how->k_dim, x = gain ? x + how->k_dim : x) {
        if (how->rope.frequency)
            cpu_turn_back(dx, &how->rope, position);
        if (gain)
            rms_back(dx, dx, x, gain, how->k_dim, how->eps);
    }
}

static void prepare_row(const struct by_row *b, uint32_t row)
{
    const struct prepare *how = b->how;
    size_t key = (size_t)how->heads * how->k_dim;
    float *dx = mat_row(b->dx, row);
    const float *x = b->x ? mat_row(b->x, row) : NULL;
    heads_back(dx, x, how->heads, how, how->q_gain, b->r->position[row]);
    heads_back(dx + key, x ? x + key : NULL, how->kv_heads, how, how->k_gain, b->r->position[row]);
}

static void prepare_back(void *q, struct mat *dqkv, const struct mat *qkv, const struct prepare *how, const struct rows *r)
{
    run(q, &(struct by_row){.one = prepare_row, .dx = dqkv, .x = how->q_gain || how->k_gain ? qkv : NULL, .how = how, .r = r}, r->used[0],
        (how->heads + how->kv_heads) * how->k_dim * GATED_NS);
}

/* act(x) and act'(x). */
static void act_back(enum glu_kind kind, double x, double *y, double *slope)
{
    double s, t;
    switch (kind) {
    case GLU_SILU:
        s = 1 / (1 + exp(-x));
        *y = x * s;
        *slope = s * (1 + x * (1 - s));
        break;
    case GLU_GELU_TANH:
        t = tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x));
        *y = 0.5 * x * (1 + t);
        *slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.79788456080286535588 * (1 + 3 * 0.044715 * x * x);
        break;
    case GLU_GELU:
        s = 0.5 * (1 + erf(x * 0.70710678118654752440));
        *y = x * s;
        *slope = s + x * 0.39894228040143267794 * exp(-0.5 * x * x); /* x·φ(x) */
        break;
    default: /* GLU_RELU: glu_back() */
        *y = x > 0 ? x : 0;
        *slope = x > 0;
    }
}

static void glu_row(const struct by_row *b, uint32_t row)
{
    const struct glu *how = b->how;
    float *dgate = mat_row(b->dx, row), *dup = mat_row(b->dx2, row);
    const float *dy = mat_row(b->dy, row), *gate = mat_row(b->x, row), *up = mat_row(b->x2, row);
    for (uint32_t c = 0; c < b->dy->cols; c++) {
        double y, slope;
        act_back(how->kind, gate[c], &y, &slope);
        dgate[c] += (float)(dy[c] * up[c] * slope);
        dup[c] += (float)(dy[c] * y);
    }
}

static void glu_back(void *q, struct mat *dgate, struct mat *dup, const struct mat *dy, const struct mat *gate, const struct mat *up,
                     const struct glu *how, const struct rows *r)
{
    if (how->kind == GLU_SIGMOID || how->kind == GLU_CLAMPED)
        refuse(q, "that gate");
    run(q, &(struct by_row){.one = glu_row, .dx = dgate, .dx2 = dup, .dy = dy, .x = gate, .x2 = up, .how = how}, r->used[0], dy->cols * GATED_NS);
}

static void softcap_row(const struct by_row *b, uint32_t row)
{
    float *dy = mat_row(b->dx, row);
    const float *x = mat_row(b->x, row);
    for (uint32_t c = 0; c < b->x->cols; c++) {
        float t = tanhf(x[c] / b->number);
        dy[c] *= 1 - t * t;
    }
}

static void softcap_back(void *q, struct mat *dy, const struct mat *x, float cap, const struct rows *r)
{
    run(q, &(struct by_row){.one = softcap_row, .dx = dy, .x = x, .number = cap}, r->used[0], x->cols * GATED_NS);
}

static void scatter_row(const struct by_row *b, uint32_t row)
{
    float *dx = mat_row(b->dx, b->index[row]);
    const float *dy = mat_row(b->dy, row);
    for (uint32_t c = 0; c < b->dy->cols; c++)
        dx[c] += dy[c];
}

static void scatter(void *q, struct mat *dx, const struct mat *dy, const uint32_t *from, const uint32_t *used)
{
    run(q, &(struct by_row){.one = scatter_row, .dx = dx, .dy = dy, .index = from}, used[0], dy->cols * COLUMN_NS);
}

static void cross_entropy_row(const struct by_row *b, uint32_t row)
{
    const float *x = mat_row(b->x, row);
    float *dx = mat_row(b->dx, row), top = x[0];
    uint32_t n = b->x->cols, target = b->index[row];
    double sum = 0;
    for (uint32_t c = 1; c < n; c++)
        top = x[c] > top ? x[c] : top;
    for (uint32_t c = 0; c < n; c++)
        sum += exp((double)x[c] - top);
    b->loss[row] = log(sum) + top - x[target];
    for (uint32_t c = 0; c < n; c++)
        dx[c] = (float)(b->number * (exp((double)x[c] - top) / sum - (c == target)));
}

static void cross_entropy(void *queue, struct mat *dlogits, double *loss, const struct mat *logits, const uint32_t *target, float scale,
                          const struct rows *r)
{
    struct cpu_queue *q = queue;
    for (uint32_t i = 0; i < r->used[0]; i++)
        if (target[i] >= logits->cols && !q->first.code)
            err_set(&q->first, ERR_INTERNAL, "a target of %u among %u logits", target[i], logits->cols);
    run(q, &(struct by_row){.one = cross_entropy_row, .dx = dlogits, .loss = loss, .x = logits, .index = target, .number = scale},
        r->used[0], logits->cols * GATED_NS);
}

static void clear_row(const struct by_row *b, uint32_t row)
{
    memset(mat_row(b->dx, row), 0, b->dx->cols * sizeof(float));
}

static void clear(void *q, struct mat *m, const struct rows *r)
{
    run(q, &(struct by_row){.one = clear_row, .dx = m}, r->used[0], m->cols * .1);
}

const struct backward_ops cpu_backward = {
    .product = cpu_product,
    .product_dx = cpu_product_dx,
    .product_dw = cpu_product_dw,
    .matmul_dx = cpu_matmul_dx,
    .norm = norm_back,
    .prepare = prepare_back,
    .attend = cpu_attend_back,
    .glu = glu_back,
    .softcap = softcap_back,
    .scatter = scatter,
    .cross_entropy = cross_entropy,
    .clear = clear,
    .gain = cpu_gain_back,
    .head_gains = cpu_head_gains_back,
    .bias = cpu_bias_back,
    .embed = cpu_embed_back,
    .weight_put = cpu_weight_put,
};
