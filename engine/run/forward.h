/* The forward pass of encoders over kernels/backend.h: BERT, NomicBERT (rotation, gated) and ModernBERT (windows, norms before).
 *
 * Rows are unpadded: a batch is one array of tokens with offsets. encoder_run may be called from several threads at once:
 * the caller works itself on its own lane (queue and buffers), and idle threads of the encoder's pool help with large
 * batches, micro-batch by micro-batch. So a query that arrives while documents run starts at once and shares the cores. */
#ifndef CODEASK_ENGINE_RUN_FORWARD_H
#define CODEASK_ENGINE_RUN_FORWARD_H

#include "kernels/backend.h"

enum encoder_names { NAMES_BERT, NAMES_NOMIC, NAMES_MODERN, NAMES_BERT_GGUF, NAMES_NOMIC_GGUF, NAMES_MODERN_GGUF }; /* of tensors: encoder.c */

struct bert_config {
    uint32_t hidden, layers, heads, intermediate;
    uint32_t vocab, max_position, type_vocab;
    float norm_eps;
    enum activation activation; /* of the feed-forward: ACT_GELU for "gelu" */
    enum pooling pooling;
    enum encoder_names names;
    bool scores;            /* a cross-encoder: a classifier of one label behind the pooling (BERT: the first token, ModernBERT: it or the mean) */
    enum activation head;   /* before that classifier; ACT_NONE: tanh, BERT's pooler */
    bool pre_norm;          /* norms before, and one at the end; else after (BERT) */
    bool gated;             /* feed-forward: act(gate)·up */
    float rope_base[2];     /* of layers that see everything, of those within a window; 0: learned positions */
    uint32_t window;        /* such a layer sees keys at most so many rows away; 0: there are none */
    uint32_t global_every;  /* layers 0, n, 2n … see everything; 0: all */
};

/* A tensor as it lies in the file, borrowed from the source until encoder_new returns. */
struct tensor_view {
    const void *data; /* little-endian; any alignment */
    enum type type;   /* TYPE_F32, TYPE_F16 or TYPE_BF16 */
    int rank;
    int64_t shape[4];
};

struct tensor_source {
    bool (*find)(void *self, const char *name, struct tensor_view *out); /* false: no such tensor */
    void *self;
};

struct encoder_options {
    int threads;   /* that compute one large batch, the caller's included; 0: 1 */
    bool exact;    /* fp32 weights and operands instead of the device's fast type */
};

struct encoder;

/* Reads "embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight" … (also below "bert."), or GGUF's. Checks
 * names, types and shapes: ERR_FORMAT names the tensor; ERR_UNSUPPORTED for what no op can do. The device is borrowed and
 * must outlive the encoder. */
int encoder_new(struct encoder **out, const struct backend *backend, void *device, const struct bert_config *config,
                const struct tensor_source *from, const struct encoder_options *o, struct err *e);
void encoder_free(struct encoder *en); /* accepts NULL; no encoder_run may be in flight */

/* token: [offset[n]] ids with the special tokens in place; offset: [n + 1], offset[0] = 0, each sequence 1..max_position
 * long (ERR_USAGE otherwise, and for ids ≥ vocab); out: fp32 [n, hidden], unit length. Blocks. Any n: it is cut into
 * micro-batches inside. */
int encoder_run(struct encoder *en, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e);

/* Of a cross-encoder: one score for each sequence, which is a question and a document with the special tokens between; type:
 * [offset[n]] 0 for the question's tokens, 1 for the document's (of a model without types: not looked at). Rules as of encoder_run; ERR_UNSUPPORTED: no cross-encoder. The
 * score is the classifier's logit, higher is better. */
int encoder_score(struct encoder *en, const uint32_t *token, const uint32_t *type, const uint32_t *offset, size_t n, float *score,
                  struct err *e);

/* Bytes of the device that its buffers take beside the weights, while a question and documents are computed at once. */
uint64_t encoder_work(const struct backend *backend, void *device, const struct bert_config *config, const struct encoder_options *o);
size_t encoder_bytes(const struct encoder *en); /* resident weights and tables */

#endif
