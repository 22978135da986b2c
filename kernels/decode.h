/* The ops of decoders, as rows of struct backend: what a layer does between its products. See backend.h for the rules.
 *
 * Row invariance: each of these gives a row the same bytes whatever stands beside it and wherever its pages lie. Attention sums
 * over groups of ATTENTION_KEYS keys counted from the beginning of the sequence, group by group in that order, so that a device
 * that computes groups side by side adds the same partial sums. */
#ifndef CODEASK_KERNELS_DECODE_H
#define CODEASK_KERNELS_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mat;
struct rows;
struct draw_out;
struct draw_row;
struct draw_said;

#define CACHE_PAGE 32      /* tokens of a page */
#define ATTENTION_KEYS 256 /* keys of a partial sum: eight pages */
#define HEAD_MAX 1024      /* columns of a head: latent heads have 576 */
#define PAGE_NONE UINT32_MAX

enum cache_type { CACHE_F32, CACHE_F16, CACHE_Q8 /* int8 with one fp32 scale for 32 columns, the last block may be shorter */ };

/* Where the tokens of each sequence lie; changes between steps. Device memory. */
struct pages {
    const uint32_t *table; /* [sequences, stride]: the page of tokens 32·i .. 32·i+31; PAGE_NONE where a window has left them */
    uint32_t stride;
};

/* Keys and values of one layer. A page is [heads, CACHE_PAGE, dim]. v NULL: a value is the first v_dim columns of its key. */
struct cache {
    void *k, *v;               /* [pages][heads][CACHE_PAGE][k_dim or v_dim] */
    float *k_scale, *v_scale;  /* CACHE_Q8: [pages][heads][CACHE_PAGE][⌈dim/32⌉] */
    enum cache_type type;
    uint32_t heads, k_dim, v_dim;
};

struct rope {
    const float *frequency;   /* device, [dims/2]: radians a position, scaling included; NULL: no rotation */
    uint32_t first, dims;     /* columns first .. first+dims-1 of a head turn; dims is even */
    bool interleaved;         /* columns 2i and 2i+1 are a pair; else i and i + dims/2 */
    float magnitude;          /* of sine and cosine: 1 but for YaRN and longrope */
};

/* What happens to a row of queries, keys and values before attention: QK-norm, rotation, the way into the cache. */
struct prepare {
    uint32_t heads, kv_heads, k_dim, v_dim; /* a row: heads·k_dim | kv_heads·k_dim | kv_heads·v_dim; heads or kv_heads may be 0 */
    const float *q_gain, *k_gain; /* rms norm of each head, [k_dim]; NULL: none */
    float eps;
    struct rope rope;
};

struct attend {
    uint32_t heads;       /* a multiple of the cache's */
    float scale;          /* of q·k */
    float softcap;        /* c: score = c·tanh(score/c); 0: none */
    uint32_t window;      /* keys that a row sees, itself included; 0: all */
    const float *sinks;   /* [heads]: the score of a key that has no value; NULL: none */
};

/* y = act(gate)·up; limit > 0: gate ≤ limit, -limit ≤ up ≤ limit, and y = gate·sigmoid(alpha·gate)·(up + 1) (gpt-oss). */
enum glu_kind { GLU_SILU, GLU_GELU_TANH, GLU_GELU, GLU_SIGMOID, GLU_RELU, GLU_CLAMPED };
struct glu {
    enum glu_kind kind;
    float limit, alpha; /* GLU_CLAMPED only */
};

/* Which experts a row goes to. score: softmax or sigmoid of the logits over all experts, or (late) softmax over the chosen. */
enum route_kind { ROUTE_SOFTMAX, ROUTE_SIGMOID, ROUTE_LATE };
struct route {
    enum route_kind kind;
    uint32_t experts, used;
    uint32_t groups, top_groups; /* experts are chosen among the best groups alone; 0: no groups */
    bool group_max;              /* a group is as good as its best expert; else as its best two together */
    const float *bias;           /* [experts]: added for the choice, not for the weight; NULL: none */
    bool normalise;              /* the weights of a row sum to 1 */
    float scale;                 /* of the weights */
};
#define EXPERTS_MAX 1024
#define EXPERTS_USED_MAX 32

/* What route() wrote: a slot is one row at one expert; slots of an expert are consecutive, in the order of rows. Device memory. */
struct slots {
    uint32_t *group;  /* [experts + 1]: expert e has slots group[e] .. group[e+1]-1 */
    uint32_t *from;   /* [max_rows · used]: the row of a slot */
    uint32_t *of_row; /* [max_rows · used]: the slots of a row, best expert first */
    float *weight;    /* [max_rows · used]: beside of_row */
    uint32_t used;    /* of route */
};

/* Gated delta rule with its short convolution (Qwen3-Next). A row: k_heads·k_dim queries | k_heads·k_dim keys | v_heads·v_dim
 * values | v_heads·v_dim gates | v_heads of beta | v_heads of decay. State of a sequence, fp32: the convolution's last kernel-1
 * inputs [kernel-1, conv columns], then a matrix [k_dim, v_dim] a value head. */
struct delta {
    uint32_t k_heads, v_heads, k_dim, v_dim, kernel;
    const float *conv;    /* [queries + keys + values, kernel] */
    const float *decay;   /* [v_heads]: -exp(A_log) */
    const float *dt_bias; /* [v_heads] */
    const float *gain;    /* [v_dim]: rms norm of a head's output */
    float eps;
};
#define DELTA_KERNEL_MAX 8
static inline size_t delta_state(const struct delta *d) /* floats */
{
    return (size_t)(d->kernel - 1) * (2 * d->k_heads * d->k_dim + d->v_heads * d->v_dim) +
           (size_t)d->v_heads * d->k_dim * d->v_dim;
}

/* States of fixed size; changes between steps. Device memory. */
struct states {
    float *base;           /* [slots, size] */
    size_t size;           /* floats of a slot */
    const uint32_t *from;  /* [sequences]: slot that is read; PAGE_NONE: the empty state */
    const uint32_t *to;    /* [sequences]: slot that is written; may be the same */
};

/* Slots of struct backend. [r]: rows in use; NULL in a backend that runs no decoders. */
#define DECODE_OPS                                                                                                     \
    void (*prepare)(void *q, struct mat *qkv, const struct prepare *how, const struct cache *c, const struct pages *p, \
                    const struct rows *r); /* fp32, in place; c NULL: keys and values stay in the rows alone */        \
    void (*attend)(void *q, struct mat *y, const struct mat *query, const struct attend *how, const struct cache *c,   \
                   const struct pages *p, const struct rows *r); /* fp32 [r, heads·k_dim] → [r, heads·v_dim] */        \
    void (*glu)(void *q, struct mat *y, const struct mat *gate, const struct mat *up, const struct glu *how,           \
                const struct rows *r); /* fp32; rows->used[0] rows */                                                  \
    void (*route)(void *q, struct slots *s, const struct mat *logits, const struct route *how, const struct rows *r);  \
    void (*combine)(void *q, struct mat *y, const struct mat *x, const struct slots *s,                                \
                    const struct rows *r); /* y[i] += Σ_j weight[i,j]·x[of_row[i,j]], best expert first */             \
    void (*delta)(void *q, struct mat *y, const struct mat *x, const struct delta *how, const struct states *s,        \
                  const struct rows *r); /* y: fp32 [r, v_heads·v_dim] */                                              \
    void (*add)(void *q, struct mat *y, const struct mat *x, const struct mat *gate,                                   \
                const struct rows *r); /* y += x, or x·sigmoid(gate[i, 0]) */                                          \
    void (*columns)(void *q, struct mat *y, uint32_t to, uint32_t to_step, const struct mat *x, uint32_t from,         \
                    uint32_t from_step, uint32_t heads, uint32_t n, const struct rows *r);                             \
        /* y[i, to + h·to_step + c] = x[i, from + h·from_step + c] for c < n, fp32 */                                  \
    void (*softcap)(void *q, struct mat *y, float cap, const struct rows *r); /* y = cap·tanh(y/cap), fp32 */          \
    void (*draw)(void *q, struct draw_out *out, struct mat *logits, const struct draw_row *row, const struct draw_said *said, \
                 const struct rows *r); /* draw.h; logits of tokens said change. NULL: the host reads logits and draws */ \
    void (*copy)(void *q, void *to, const void *from, size_t bytes); /* device → device, not overlapping */

#endif
