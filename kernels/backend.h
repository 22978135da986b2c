/* The numeric ops of the forward pass behind one table: a CPU and a CUDA set of the same coarse ops.
 *
 * A device owns weights and memory. A queue is one ordered stream of ops with its scratch and its first error: after an
 * error its ops do nothing and sync() reports it. Ops never allocate and never wait. What a device cannot do is refused
 * by weight() or plan(), never by an op. What changes between two steps of one plan (rows in use, tokens, positions,
 * offsets) reaches ops only through device buffers (struct rows); host scalars are bounds, so that a recorded graph of ops
 * may be replayed.
 *
 * Threads: a device may be shared by threads; a queue and the buffers it writes belong to one thread at a time. Ops of the
 * CPU run in the calling thread: whoever wants parallelism uses several queues on disjoint rows (no barriers).
 *
 * To add an op: a slot here, cpu/<op>.c (reference first), a row in cpu/device.c, cuda/<op>.c and .cu, a row in
 * cuda/device.c, a case in tests/unit/kernels and one in tests/ptx. */
#ifndef CODEASK_KERNELS_BACKEND_H
#define CODEASK_KERNELS_BACKEND_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How numbers lie in memory: the types of weights, of rows, and of operands (rows that matmul reads). */
enum type {
    TYPE_F32,
    TYPE_F16,  /* in files only */
    TYPE_BF16,
    TYPE_Q8,   /* bytes with one fp32 scale for each QUANT_BLOCK consecutive columns of a row */
};
#define QUANT_BLOCK 32

enum activation { ACT_NONE, ACT_GELU /* x/2·(1+erf(x/√2)) */, ACT_GELU_TANH, ACT_RELU, ACT_SILU };

/* A matrix in device memory, row-major; borrowed by whoever holds it.
 * TYPE_Q8: data is uint8 [rows, stride] and scale fp32 [rows, stride/QUANT_BLOCK], x = (data - 128)·scale; the bias of
 * 128 is what VNNI's unsigned × signed dot product wants. Columns past cols are zero (scale 0) in every operand. */
struct mat {
    void *data;
    float *scale;     /* TYPE_Q8 only */
    uint32_t rows;    /* bound: rows that have memory */
    uint32_t cols;
    uint32_t stride;  /* elements from one row to the next; a multiple of 64 for operands of matmul */
    enum type type;
};

/* What changes between steps: unpadded rows of several sequences, one after the other. All pointers are device memory. */
struct rows {
    const uint32_t *used;     /* [2]: rows in use, sequences in use */
    const uint32_t *token;    /* [rows] */
    const uint32_t *position; /* [rows] */
    const uint32_t *offset;   /* [sequences + 1]: sequence s is rows offset[s] .. offset[s+1]-1 */
    uint32_t max_rows, max_sequences, longest; /* host bounds */
};

/* Weights of one linear map y = x·wᵀ + bias, repacked once by weight(); opaque, owned by the device. */
struct weight;

/* Where weight() reads from: fills row[0..cols) with fp32 of the row (an output feature). Called from one thread, in order. */
typedef void (*read_row)(void *arg, uint32_t row, float *to);

struct matmul {
    const float *bias;          /* [n] or NULL */
    enum activation activation; /* after the bias */
    const struct mat *residual; /* fp32 [rows, n], added after the activation; may be y itself; NULL: none */
};

struct embedding { /* tables fp32 in device memory, row-major; type may be NULL */
    const float *word;     /* [vocab, hidden] */
    const float *position; /* [max_position, hidden] */
    const float *type;     /* [hidden]: the row of token type 0 */
    uint32_t vocab, max_position;
};

struct norm { /* y = (x - mean) / √(variance + eps) · gain + bias over a row (layernorm) */
    const float *gain, *bias; /* [cols] */
    float eps;
};

struct attention {
    uint32_t heads, head_dim;
    float scale;  /* of q·k, 1/√head_dim */
    bool causal;
};

enum pooling { POOL_MEAN, POOL_FIRST };

struct bounds { /* of one queue: the largest shapes its ops will see */
    uint32_t rows, sequences, longest; /* longest: rows of one sequence */
    uint32_t hidden, intermediate, heads;
};

struct device_options {
    int index;       /* which device of its kind */
    const char *isa; /* CPU: "scalar", "avx2", "avx512", "amx", "neon"; NULL: the best there is */
};

struct device_info {
    char provider[64];     /* "cpu avx512-vnni" */
    enum type fast, exact; /* what weights and operands are best held in, where speed or agreement with fp32 matters */
    enum type fast_qkv;    /* what attention reads best beside `fast`: TYPE_F32 or TYPE_BF16 */
    uint32_t batch_rows;   /* rows of a micro-batch that keep it busy; 0: whatever suits the caller's caches */
};

struct backend {
    const char *name;
    int (*open)(void **dev, const struct device_options *o, struct err *e); /* ERR_UNSUPPORTED: not on this machine */
    void (*close)(void *dev);                                              /* frees weights and memory too */
    const struct device_info *(*info)(void *dev);

    int (*memory)(void *dev, void **p, size_t bytes, struct err *e); /* zeroed, 64-byte aligned; ERR_MEMORY */
    void (*release)(void *dev, void *p);                             /* accepts NULL */
    /* w: [n, k] (outputs, inputs), k and n any size: padded with zeros inside. type: how it is to be held. */
    int (*weight)(void *dev, struct weight **w, enum type type, uint32_t n, uint32_t k, read_row from, void *arg,
                  struct err *e);
    void (*weight_release)(void *dev, struct weight *w);
    size_t (*weight_bytes)(const struct weight *w);

    int (*plan)(void *dev, const struct bounds *b, size_t *scratch, struct err *e); /* bytes a queue of these bounds needs */
    int (*queue)(void *dev, const struct bounds *b, void **q, struct err *e);
    void (*queue_close)(void *q); /* accepts NULL */

    void (*put)(void *q, void *to, const void *host, size_t bytes);   /* host → device; host bytes are read before it returns */
    void (*get)(void *q, void *host, const void *from, size_t bytes); /* device → host, there after sync() */

    /* Ops. [r] is rows in use; y and x are borrowed until sync(). yq may be NULL; else y again as a matmul operand. */
    void (*embed)(void *q, struct mat *y, struct mat *yq, const struct rows *r, const struct embedding *t,
                  const struct norm *n);                                             /* y: fp32 [r, hidden] */
    void (*quantize)(void *q, struct mat *xq, const struct mat *x, const struct rows *r); /* fp32 → xq->type, once per input */
    void (*matmul)(void *q, struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                   const struct rows *r);  /* y: [r, n] fp32, bf16 or w's type; x: [r, k] of w's type */
    void (*attention)(void *q, struct mat *y, const struct mat *qkv, const struct attention *how,
                      const struct rows *r); /* qkv: fp32 or bf16 [r, 3·hidden]; y: [r, hidden] fp32, or the operand type
                                                where head_dim is a multiple of QUANT_BLOCK */
    void (*norm)(void *q, struct mat *y, struct mat *yq, const struct mat *x, const struct norm *n,
                 const struct rows *r);    /* y may be x */
    void (*pool)(void *q, struct mat *y, const struct mat *x, enum pooling how, const struct rows *r);
                                           /* y: fp32 [sequences, hidden], unit length; an empty sequence gives zeros */
    int (*sync)(void *q, struct err *e);   /* waits; the queue's first error, which it clears */
};

extern const struct backend backend_cpu;
/* By name ("cpu", "cuda" where it is built in); NULL: the best one built in. Returns NULL for an unknown name. */
const struct backend *backend_find(const char *name);

#endif
