/* The forward pass of a step: buffers of one queue, and the layers one after the other. One thread at a time. */
#ifndef CODEASK_ENGINE_RUN_PASS_H
#define CODEASK_ENGINE_RUN_PASS_H

#include "engine/run/model_weights.h"
#include "engine/run/store.h"
#include "kernels/draw.h"
#include "kernels/graphs.h"

#define PASS_LOGIT_ROWS 64 /* rows of logits that are computed at once: a vocabulary is wide */
#define PASS_GRAPHS 7      /* recorded steps: of up to 1, 2, 4 … PASS_LOGIT_ROWS rows */
/* Two kinds of them: of a row of each sequence; of several rows of some (guesses that are verified), up to the backend's exact_rows. */
enum pass_graph { GRAPH_SINGLE, GRAPH_SEVERAL, GRAPH_KINDS };
#define PASS_OPERANDS 2    /* types beside fp32 that products read: Q8, bf16 */

struct pass_table { /* of one store, on the device */
    struct pages pages;
    uint32_t *table;          /* pages.table */
    uint32_t *from, *to;      /* fixed: [sequences] */
};

/* An op of a pass, told just before it is done. Mixtures, latent attention and the delta rule are not told of, their products are. */
enum pass_op_kind { OP_GATHER, OP_NORM, OP_LINEAR, OP_PREPARE, OP_ATTEND, OP_GLU, OP_ADD, OP_SOFTCAP, OP_KINDS };
struct pass_op {
    enum pass_op_kind kind;
    struct mat y, x, x2;          /* written, read; views of the pass's buffers, fp32. In place: y is x. OP_GLU: x gate, x2 up */
    const struct linear *w;       /* OP_LINEAR */
    const uint32_t *groups;       /* OP_LINEAR: rows of experts, or NULL */
    struct norm norm;             /* by kind, from here on */
    struct prepare prepare;
    struct attend attend;
    const struct cache *cache;    /* OP_ATTEND */
    struct glu glu;
    float cap;
    const uint32_t *from;         /* OP_GATHER */
    const struct rows *r;         /* the pass's, as it is now */
};

/* Who looks at the ops (importance.h, train/tape.h); on the CPU alone, in one thread. */
struct pass_watch {
    void (*saw)(void *arg, const struct pass_op *op);
    void *arg;
};

/* Who adds to products: y += what an adapter makes of x (train/lora.h). On the CPU alone. */
struct pass_adapt {
    void (*add)(void *arg, struct mat *y, const struct mat *x, const struct linear *w, const struct rows *r);
    void *arg;
};

struct pass {
    const struct decoder_weights *w;
    void *queue, *memory;
    uint32_t max_rows, max_sequences;
    struct rows rows, wanted, slot_rows; /* slot_rows: rows at experts; wanted: those with logits */
    uint32_t *used, *token, *position, *sequence, *offset, *wanted_used, *wanted_from, *slot_used; /* device */
    struct store *store;      /* [stores], borrowed */
    int stores;
    struct pass_table table[STORES_MAX];
    const int *store_of;      /* [layers] */
    const uint32_t *place_of; /* [layers]: which of the store's layers */
    struct mat h, x, qkv, latent, query, mix, t, gate_up, mid, router, gate, slot_x, slot_gate_up, slot_mid, slot_out;
    struct mat last, logits, pooled;
    struct draw_row *draw_row;   /* device, [PASS_LOGIT_ROWS]: how the rows of logits are drawn; NULL: the backend draws nothing */
    struct draw_said *draw_said; /* [DRAW_SAID_MAX] */
    struct draw_out *drawn;      /* [PASS_LOGIT_ROWS] */
    struct mat operand[PASS_OPERANDS], slot_operand; /* rows of slot_operand: of any type */
    struct slots slots;
    const struct pass_watch *watch; /* borrowed; NULL: nobody */
    const struct pass_adapt *adapt; /* borrowed; NULL: nobody */
    bool plain;               /* products read fp32 whatever the weights: their gradients are then those of the values in the file */
    size_t bytes;             /* of memory */
    uint32_t now;             /* rows of this step, which the operands' type follows */
    const struct graph_ops *graphs; /* NULL: ops are handed over one by one */
    struct graph *graph[GRAPH_KINDS][PASS_GRAPHS]; /* NULL: not recorded */
};

/* w, store, stores, store_of, place_of are borrowed. */
int pass_open(struct pass *p, const struct decoder_weights *w, void *queue, uint32_t rows, uint32_t sequences, struct err *e);
void pass_close(struct pass *p);
/* Bytes of device memory that pass_open will take; p->store, stores are set. */
size_t pass_bytes(struct pass *p, const struct decoder_weights *w, uint32_t rows, uint32_t sequences);

struct pass_part { /* of a step */
    const uint32_t *token;
    uint32_t n, position; /* of the first token */
    const struct held *held; /* [stores] */
};
/* Hands a step's parts to the device and runs all layers; p->h holds the hidden states then. The caller syncs. */
void pass_run(struct pass *p, const struct pass_part *part, uint32_t n);
/* The same in pieces, for whoever keeps something between them: the parts and the embedding, then one layer after the other. */
void pass_begin(struct pass *p, const struct pass_part *part, uint32_t n);
void pass_layer(struct pass *p, uint32_t layer);
/* p->logits of at most PASS_LOGIT_ROWS rows, which p->wanted counts. The caller syncs. */
void pass_head(struct pass *p, const uint32_t *row, uint32_t n);
/* Records the steps that pass_play plays, on a device that can; what it cannot record it is told op by op, and the log says why. After
 * pass_open; takes memory of the device. */
void pass_record(struct pass *p);
void pass_release_graphs(struct pass *p); /* before the queue is closed; pass_close does it too */
/* The graph of a step of so many rows together, `longest` of one sequence, of which all want their logits; NULL: none was recorded. */
const struct graph *pass_graph(const struct pass *p, uint32_t rows, uint32_t longest);
/* Such a step: logits host fp32 [rows, vocab]. Nobody watches or adapts. The same bytes as pass_run and pass_logits. Syncs. draw: as
 * pass_logits. */
int pass_play(struct pass *p, const struct graph *g, const struct pass_part *part, uint32_t n, struct draw_batch *draw, float *out,
              struct err *e);
/* How a layer attends. */
struct attend pass_attend_of(const struct pass *p, uint32_t layer);
/* Logits of the given rows into host memory fp32 [n, vocab]. Syncs. draw (NULL: none): those of its rows that are drawn come as tokens
 * in draw->out alone, and their place in out stays as it is; n ≤ PASS_LOGIT_ROWS then. */
int pass_logits(struct pass *p, const uint32_t *row, uint32_t n, struct draw_batch *draw, float *out, struct err *e);
/* A vector of each of the step's sequences, behind the last norm: host fp32 [sequences, hidden]. Syncs. */
int pass_pool(struct pass *p, uint32_t sequences, enum pooling how, float *out, struct err *e);

#endif
