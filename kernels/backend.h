/* The numeric ops of the forward pass behind one table: a CPU and a CUDA set of the same coarse ops.
 *
 * A device owns weights and memory. A queue is one ordered stream of ops with its scratch and its first error: after an
 * error its ops do nothing and sync() reports it. Ops never allocate and never wait. What a device cannot do is refused
 * by weight() or plan(), never by an op. What changes between two steps of one plan (rows in use, tokens, positions,
 * offsets) reaches ops only through device buffers (struct rows); host scalars are bounds, so that a recorded graph of ops
 * may be replayed.
 *
 * Threads: a device may be shared by threads; a queue and the buffers it writes belong to one thread at a time. Ops of the
 * CPU run in the calling thread and those of its queue's team (bounds.threads), which share every op with the same result to the
 * bit whatever their number; or several queues work on disjoint rows, or on disjoint columns of a product (struct matmul).
 *
 * To add an op: a slot here, cpu/<op>.c (reference first), a row in cpu/device.c, cuda/<op>.c and .cu, a row in
 * cuda/device.c, a case in tests/unit/kernels and one in tests/ptx. */
#ifndef CODEASK_KERNELS_BACKEND_H
#define CODEASK_KERNELS_BACKEND_H

#include "base/err.h"
#include "kernels/block.h"
#include "kernels/decode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How numbers lie in memory: the types of weights, of rows, and of operands (rows that matmul reads). */
enum type {
    TYPE_F32,
    TYPE_F16,  /* of weights */
    TYPE_BF16,
    TYPE_Q8,   /* bytes with a scale for each QUANT_BLOCK consecutive columns of a row: of operands, and of weights (Q8_0) */
    /* of weights only: the values of the file's blocks of that name, in an order that the device reads well */
    TYPE_Q4_0,
    TYPE_Q4_1,
    TYPE_Q5_0,
    TYPE_Q5_1,
    TYPE_Q4_K,
    TYPE_Q5_K,
    TYPE_Q6_K,
    TYPE_IQ4_NL,
    TYPE_IQ4_XS,
    TYPE_MXFP4,
    TYPE_NVFP4,
    TYPE_COUNT
};
#define QUANT_BLOCK 32
struct quant { /* of QUANT_BLOCK columns of a row of TYPE_Q8 */
    float scale;
    float sum;                /* of the values: what the least value of a weight's block is multiplied with */
    int32_t start, start_low; /* -128·Σ of the bytes, of the first half of them: where products with biased bytes start */
};

enum activation { ACT_NONE, ACT_GELU /* x/2·(1+erf(x/√2)) */, ACT_GELU_TANH, ACT_RELU, ACT_SILU };

/* A matrix in device memory, row-major; borrowed by whoever holds it.
 * TYPE_Q8: data is int8 [rows, stride] in [-127, 127], x = data·scale. Columns past cols are zero in every operand. */
struct mat {
    void *data;
    struct quant *quant; /* [rows, stride/QUANT_BLOCK]; TYPE_Q8 only */
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
    const uint32_t *type;     /* [rows]: token types, of embed; NULL: all 0 */
    const uint32_t *sequence; /* [rows]: the sequence of a row; ops of decoders read it */
    const uint32_t *offset;   /* [sequences + 1]: sequence s is rows offset[s] .. offset[s+1]-1 */
    uint32_t max_rows, max_sequences, longest; /* host bounds */
};

/* Weights of one linear map y = x·wᵀ + bias, or of one map for each of several experts, repacked once by weight(); opaque,
 * owned by the device. */
struct weight;
struct team;
struct backward_ops;

/* Where weight() reads from. */
struct weight_source {
    enum block_type type;
    const void *(*row)(void *arg, uint32_t row); /* block_row_bytes(type, k) bytes of an output feature (of expert e: e·n + i),
                                                    valid until the next call. Called from one thread, in order. */
    void *arg;
    const float *scale; /* [experts]: of the whole matrix; NULL: 1 */
    bool stays;         /* rows stay valid until weight() returns, and any thread may ask for any of them */
    struct team *team;  /* that repacks, of the CPU; NULL: the calling thread alone */
};

struct weight_shape {
    uint32_t n, k;    /* outputs, inputs */
    uint32_t experts; /* 0: 1 */
};

struct matmul {
    const float *bias;          /* [experts, n] or NULL */
    enum activation activation; /* after the bias */
    const struct mat *residual; /* fp32 [rows, n], added after the activation; may be y itself; NULL: none */
    /* Weights of several experts: rows groups[e] .. groups[e+1]-1 of x and y belong to expert e; groups[experts] rows are in
     * use, whatever struct rows says (its max_rows bounds them). Device memory, [experts + 1]. See gather(). */
    const uint32_t *groups;
    /* The columns first .. first+count-1 of y alone: queues of several threads share one product so. first is a multiple of
     * MATMUL_COLUMNS; count 0: all that follow. Where ops run in the calling thread (device_info.slices). */
    uint32_t first, count;
};
#define MATMUL_COLUMNS 32

struct embedding { /* tables fp32 in device memory, row-major; type may be NULL */
    const float *word;     /* [vocab, hidden] */
    const float *position; /* [max_position, hidden]; NULL: none */
    const float *type;     /* [types, hidden] */
    uint32_t vocab, max_position;
};

struct norm { /* y = (x - mean) / √(variance + eps) · gain + bias over a row (layernorm) */
    const float *gain, *bias; /* [cols]; bias may be NULL */
    float eps;
    bool rms; /* y = x / √(mean of x² + eps) · gain */
};

struct attention {
    uint32_t heads, head_dim;
    float scale;  /* of q·k, 1/√head_dim */
    bool causal;
    uint32_t window; /* a row sees keys at most so many rows away; 0: all. qkv is fp32 then */
};

/* One vector of a sequence's rows, of unit length or (from POOL_FIRST_AS_IS on) of its own. */
enum pooling { POOL_MEAN, POOL_FIRST, POOL_LAST, POOL_FIRST_AS_IS, POOL_LAST_AS_IS, POOL_SUM_AS_IS };
static inline bool pool_first(enum pooling how)
{
    return how == POOL_FIRST || how == POOL_FIRST_AS_IS;
}

static inline bool pool_last(enum pooling how)
{
    return how == POOL_LAST || how == POOL_LAST_AS_IS;
}

static inline bool pool_as_is(enum pooling how)
{
    return how >= POOL_FIRST_AS_IS;
}


struct bounds { /* of one queue: the largest shapes its ops will see */
    uint32_t rows, sequences, longest; /* longest: rows of one sequence */
    uint32_t hidden, intermediate, heads;
    uint32_t threads; /* that compute an op together, the caller's included; 0: 1. Of the CPU */
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
    bool slices;           /* matmul computes some columns of a product, and threads may share one */
};

/* Memory that a device has apart from the address space of its process. */
struct device_room {
    uint64_t total, free; /* bytes, whoever uses the rest */
    uint64_t held;        /* by this process: memory(), weight() and queue() */
    bool unified;         /* it is the host's memory, of which /proc/meminfo says better what is free */
};

struct backend {
    const char *name;
    uint32_t exact_rows; /* up to so many rows in use, every op of decoders gives each row the same bytes whatever stands beside it */
    uint32_t write_rows; /* of a step that writes, at most: above exact_rows a row's bytes may depend on how many stand beside it */
    int (*open)(void **dev, const struct device_options *o, struct err *e); /* ERR_UNSUPPORTED: not on this machine */
    void (*close)(void *dev);                                              /* frees weights and memory too */
    const struct device_info *(*info)(void *dev);

    int (*memory)(void *dev, void **p, size_t bytes, struct err *e); /* zeroed, 64-byte aligned; ERR_MEMORY */
    void (*release)(void *dev, void *p);                             /* accepts NULL */
    int (*room)(void *dev, struct device_room *out, struct err *e);  /* of this moment; NULL: its memory is the process's */
    void (*limit)(void *dev, uint64_t bytes); /* more than that is not held from now on: ERR_MEMORY. Beside room */
    /* How weights of a file's type are best held (exact: where agreement with fp32 is all that matters), and in which type
     * matmul best reads its operand where at most that many rows are in use. Up to exact_rows one type serves all counts. */
    enum type (*held)(void *dev, enum block_type file, bool exact);
    enum type (*operand)(void *dev, enum type held, uint32_t rows);
    /* n any size, k a multiple of the file's block: padded with zeros inside. type: how it is to be held: held()'s answers,
     * and fp32, bf16 or Q8 for any file. */
    int (*weight)(void *dev, struct weight **w, enum type type, const struct weight_shape *shape,
                  const struct weight_source *from, struct err *e);
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
    void (*embed_rows)(void *q, struct mat *y, const struct weight *w, float scale,
                       const struct rows *r); /* y: fp32 [r, k], y[i] = w[token[i]]·scale; NULL: the device has none */
    void (*quantize)(void *q, struct mat *xq, const struct mat *x, const struct rows *r); /* fp32 → xq->type, once per input */
    void (*gather)(void *q, struct mat *y, const struct mat *x, const uint32_t *from,
                   const uint32_t *used); /* y[i] = x[from[i]] for i < used[0]; of one type and stride. NULL: as above */
    void (*matmul)(void *q, struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                   const struct rows *r);  /* x: [r, k] of operand()'s type, or of w's, or fp32; y: [r, n] fp32, bf16 or x's type */
    void (*attention)(void *q, struct mat *y, const struct mat *qkv, const struct attention *how,
                      const struct rows *r); /* qkv: fp32 or bf16 [r, 3·hidden]; y: [r, hidden] fp32, or the operand type
                                                where head_dim is a multiple of QUANT_BLOCK */
    void (*norm)(void *q, struct mat *y, struct mat *yq, const struct mat *x, const struct norm *n,
                 const struct rows *r);    /* y may be x */
    void (*pool)(void *q, struct mat *y, const struct mat *x, enum pooling how, const struct rows *r);
                                           /* y: fp32 [sequences, hidden], unit length; an empty sequence gives zeros */
    DECODE_OPS /* decode.h */
    const struct backward_ops *backward; /* gradients, backward.h; NULL: nothing is trained on this backend */
    int (*sync)(void *q, struct err *e);   /* waits; the queue's first error, which it clears */
};

extern const struct backend backend_cpu;
/* By name ("cpu", "cuda" where it is built in); NULL: the best one built in. Returns NULL for an unknown name. */
const struct backend *backend_find(const char *name);

#endif
