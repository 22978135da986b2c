/* Private to engine/run: what encoder.c (weights) and lane.c (buffers and the pass) and forward.c (threads) share. */
#ifndef CODEASK_ENGINE_RUN_ENCODER_H
#define CODEASK_ENGINE_RUN_ENCODER_H

#include "engine/run/forward.h"

/* Rows of a micro-batch. Measured with MiniLM over chunks of 207 tokens on 1 MiB of L2, in CPU time: 64 to 512 are within 3%
 * of each other, 512 the slowest (its activations leave L2). With more rows a query on a busy core waits longer, with fewer
 * the weights are read more often for short texts. */
#define LANE_ROWS 256
#define LANE_SEQUENCES 64 /* where the device has no wish: sequences of 4 tokens; else one for each 16 rows of its wish */

struct layer {
    struct weight *qkv;          /* [3·hidden, hidden] */
    struct weight *out;          /* [hidden, hidden] */
    struct weight *up;           /* [intermediate, hidden] */
    struct weight *down;         /* [hidden, intermediate] */
    float *qkv_bias, *out_bias, *up_bias, *down_bias;
    struct norm attention_norm, output_norm; /* pre_norm: before attention (gain NULL: none), before the feed-forward */
};

struct model_weights {
    struct bert_config config;
    const struct backend *backend; /* borrowed */
    void *device;                  /* borrowed */
    enum type operand, qkv;
    uint32_t lane_rows, lane_sequences; /* of a micro-batch */
    struct embedding embedding;
    struct norm embedding_norm, last_norm; /* last: of pre_norm */
    float *frequency[2];         /* rope, [head_dim / 2] */
    struct score_head {          /* scores; host memory: one row is computed there */
        float *dense, *bias;     /* [hidden, hidden], [hidden] or NULL */
        float *gain;             /* [hidden] of a norm behind the activation; NULL: none */
        float *classify;         /* [hidden + 1], its bias last */
    } head;
    struct layer *layer; /* [layers] */
    void **memory;       /* every device buffer, to release */
    size_t memory_count, memory_cap, bytes;
};

int weights_load(struct model_weights *m, const struct tensor_source *from, struct err *e); /* config, backend… set */
void weights_release(struct model_weights *m);

/* One queue and the buffers of one micro-batch. One thread at a time. */
struct lane {
    const struct model_weights *m;
    void *queue;
    void *memory;          /* all buffers below */
    struct rows rows;
    uint32_t *used, *token, *position, *offset, *type; /* device */
    uint32_t *host;        /* staging: used, offset, position */
    float *result;         /* staging: [sequences, stride of out] */
    struct mat h, hq;      /* hidden state, fp32 and as operand (the same memory where operands are fp32) */
    struct mat qkv, mix, mixq, mid, t, out;
    struct mat gates, midf;  /* gated: [rows, 2·intermediate] and its result, fp32 */
    struct mat x, xq;        /* pre_norm: what a norm gives, fp32 and as operand */
    struct lane *next;
};

int lane_new(struct lane **out, const struct model_weights *m, struct err *e);
void lane_free(struct lane *l); /* accepts NULL */
size_t lane_bytes(const struct model_weights *m); /* of the device, its queue's included */
/* n ≤ LANE_SEQUENCES sequences of together at most the lane's rows; out: host fp32 [n, hidden]. type: NULL: all 0. */
int lane_run(struct lane *l, const uint32_t *token, const uint32_t *type, const uint32_t *offset, size_t n, float *out, struct err *e);
uint32_t lane_max_rows(const struct model_weights *m);

#endif
