/* Gradients of the ops of decoders (decode.h), and the plain products of what is trained: a second table that a backend may have.
 *
 * Every dx is added to, unless it is said to be turned in place; dy is left as it is (clear() empties it once it was read). All matrices
 * are fp32 rows in device memory, struct rows counts those in use. No atomics: an element's terms are added in one order, which neither
 * the number of threads nor how they share the work changes, so the same build on the same kind of processor gives the same bytes.
 *
 * Queues, errors and borrowing are backend.h's. Unlike the ops of the forward pass these may take small scratch from the host. */
#ifndef CODEASK_KERNELS_BACKWARD_H
#define CODEASK_KERNELS_BACKWARD_H

#include "kernels/backend.h"

struct backward_ops {
    /* Products with plain fp32 rows w [n, k] that are trained. [r] rows of y and x. */
    void (*product)(void *q, struct mat *y, const struct mat *x, const struct mat *w, float scale,
                    const struct rows *r); /* y [r, n] += scale·x·wᵀ */
    void (*product_dx)(void *q, struct mat *dx, const struct mat *dy, const struct mat *w, float scale,
                       const struct rows *r); /* dx [r, k] += scale·dy·w */
    void (*product_dw)(void *q, struct mat *dw, const struct mat *dy, const struct mat *x, float scale,
                       const struct rows *r); /* dw [n, k] += scale·dyᵀ·x, rows in their order */
    /* dx [r, k] += dy·w for held weights of any type, of one expert: the transposed product, values as the file's blocks decode. */
    void (*matmul_dx)(void *q, struct mat *dx, const struct mat *dy, const struct weight *w, const struct rows *r);

    /* y = x·s·g, s = 1/√(mean x² + eps) (rms norm): dx += s·g·dy - x·s³/n·Σ g·dy·x. dx may be dy: turned in place then. */
    void (*norm)(void *q, struct mat *dx, const struct mat *dy, const struct mat *x, const struct norm *n, const struct rows *r);
    /* dqkv, in place: what prepare() turned is turned back, then the norms of heads; qkv: the rows before it, read only with gains. */
    void (*prepare)(void *q, struct mat *dqkv, const struct mat *qkv, const struct prepare *how, const struct rows *r);
    /* Of rows that are whole sequences from position 0 on. qkv: rows of heads·k_dim | kv_heads·k_dim | kv_heads·v_dim after prepare(),
     * dqkv alike, c gives heads and dims of keys alone. With p = softmax(s): dv_j += Σ_i p_ij·dy_i, ds_ij = p_ij·(dy_i·v_j - Σ_k p_ik·dy_i·v_k). */
    void (*attend)(void *q, struct mat *dqkv, const struct mat *dy, const struct mat *qkv, const struct attend *how, const struct cache *c,
                   const struct rows *r);
    /* dgate += dy·up·act'(gate), dup += dy·act(gate). GLU_SILU, GLU_GELU_TANH, GLU_GELU, GLU_RELU. */
    void (*glu)(void *q, struct mat *dgate, struct mat *dup, const struct mat *dy, const struct mat *gate, const struct mat *up,
                const struct glu *how, const struct rows *r);
    /* y = c·tanh(x/c), in place: dy·(1 - tanh²(x/c)). */
    void (*softcap)(void *q, struct mat *dy, const struct mat *x, float cap, const struct rows *r);
    /* dx[from[i]] += dy[i] for i < used[0]; no row twice in from. */
    void (*scatter)(void *q, struct mat *dx, const struct mat *dy, const uint32_t *from, const uint32_t *used);
    /* loss[i] = -ln softmax(logits[i])[target[i]], dlogits[i] = scale·(softmax(logits[i]) - 1 at target[i]). [r] */
    void (*cross_entropy)(void *q, struct mat *dlogits, double *loss, const struct mat *logits, const uint32_t *target, float scale,
                          const struct rows *r);
    void (*clear)(void *q, struct mat *m, const struct rows *r); /* zeros */

    /* Of a model's own weights, fp32 in plain rows. Sums over rows are made in double, in the order of the rows. */
    void (*gain)(void *q, float *dgain, const struct mat *dy, const struct mat *x, const struct norm *n,
                 const struct rows *r); /* of norm(): dgain [cols] += Σ s·x·dy; before norm(), which may turn dy in place */
    void (*head_gains)(void *q, float *dq, float *dk, const struct mat *dqkv, const struct mat *qkv, const struct prepare *how,
                       const struct rows *r); /* the same of the norms of heads, [k_dim]; before prepare(). NULL: has none */
    void (*bias)(void *q, float *db, const struct mat *dy, const struct rows *r); /* db [cols] += Σ dy */
    void (*embed)(void *q, struct mat *dw, const struct mat *dy, float scale, const struct rows *r); /* dw[token[i]] += scale·dy[i] */
    /* What a held weight of fp32 and one expert multiplies with from now on: values [n, k]. */
    void (*weight_put)(void *q, struct weight *w, const struct mat *values);
};

#endif
