#include "engine/run/importance.h"

#include "base/mem.h"
#include "engine/run/decoder_inside.h"
#include "engine/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#define PIECE 256   /* tokens of a sequence */
#define LEAST 1e-3f /* of the mean: a column that was silent here may speak elsewhere */

struct seen {
    const char *tensor; /* the file's: while it is measured */
    char *name;         /* then its own */
    uint32_t experts, k;
    double *sum;        /* [experts, k] */
    uint64_t *rows;     /* [experts] */
    float *weight;      /* [experts, k], once measured */
};

struct importance {
    struct seen *v; /* in order of name once measured */
    size_t n, cap;
    uint64_t tokens;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->name, ((const struct seen *)b)->name);
}

static struct seen *seen_of(struct importance *im, const char *tensor, uint32_t experts, uint32_t k)
{
    for (size_t i = im->n; i-- > 0;) /* layers come in turn: the last ones are asked about first only in the first step */
        if (im->v[i].tensor == tensor)
            return &im->v[i];
    VEC_ROOM(im->v, im->n, im->cap);
    struct seen *s = &im->v[im->n++];
    *s = (struct seen){.tensor = tensor, .experts = experts, .k = k};
    s->sum = mem_zero((size_t)experts * k, sizeof *s->sum);
    s->rows = mem_zero(experts, sizeof *s->rows);
    return s;
}

static void add_rows(struct seen *s, uint32_t expert, const struct mat *x, uint32_t from, uint32_t to)
{
    double *sum = s->sum + (size_t)expert * s->k;
    for (uint32_t r = from; r < to; r++) {
        const float *row = (const float *)x->data + (size_t)r * x->stride;
        for (uint32_t c = 0; c < s->k; c++)
            sum[c] += (double)row[c] * row[c];
    }
    s->rows[expert] += to - from;
}

/* The CPU's queue has done what came before, and device memory is host memory. */
static void saw(void *arg, const struct pass_op *op)
{
    const struct linear *w = op->w;
    const struct mat *x = &op->x;
    const uint32_t *groups = op->groups;
    if (op->kind != OP_LINEAR)
        return;
    for (int i = 0; i < w->sources; i++) {
        struct seen *s = seen_of(arg, w->source[i]->name, w->experts, w->k);
        for (uint32_t e = 0; e < w->experts && groups; e++)
            add_rows(s, e, x, groups[e], groups[e + 1]);
        if (!groups)
            add_rows(s, 0, x, 0, op->r->used[0]);
    }
}

static void finish(struct importance *im)
{
    for (size_t i = 0; i < im->n; i++) {
        struct seen *s = &im->v[i];
        s->name = mem_str(s->tensor);
        s->weight = mem_zero((size_t)s->experts * s->k, sizeof *s->weight);
        for (uint32_t e = 0; e < s->experts; e++) {
            const double *sum = s->sum + (size_t)e * s->k;
            double all = 0;
            for (uint32_t c = 0; c < s->k; c++)
                all += sum[c];
            for (uint32_t c = 0; c < s->k && all > 0; c++)
                s->weight[(size_t)e * s->k + c] = (float)(sum[c] * s->k / all) + LEAST;
            if (!(all > 0))
                s->rows[e] = 0;
        }
        free(s->sum);
        s->sum = NULL;
    }
    if (im->n)
        qsort(im->v, im->n, sizeof *im->v, by_name);
}

static int read_piece(struct decoder *d, const uint32_t *token, uint32_t n, struct err *e)
{
    struct sequence *s = NULL;
    float *logits = mem_alloc(d->w.k.vocab * sizeof *logits); /* so that the output's input is seen too */
    int rc = sequence_new(&s, d, e);
    if (!rc)
        rc = decoder_step(d, &(struct step_part){s, token, n, 1}, 1, logits, e);
    sequence_free(s);
    free(logits);
    return rc;
}

int importance_measure(struct importance **out, const struct model_file *f, const char *text, size_t len, int threads,
                       bool (*progress)(void *arg, uint64_t tokens, uint64_t all), void *arg, struct err *e)
{
    struct importance *im = mem_zero(1, sizeof *im);
    struct pass_watch watch = {saw, im};
    struct decoder_options o = {.threads = threads, .context = PIECE, .max_rows = PIECE, .max_sequences = 2, .kv = KV_F16};
    struct tokenizer *t = NULL;
    struct tokenizer_memory *memory = tokenizer_memory_new();
    struct decoder *d = NULL;
    void *dev = NULL;
    uint32_t *token = NULL;
    size_t n = 0, cap = 0;
    int rc = tokenizer_open(&t, f, e);
    if (!rc)
        rc = backend_cpu.open(&dev, &(struct device_options){0}, e);
    if (!rc)
        rc = decoder_new(&d, f, &backend_cpu, dev, &o, e);
    if (rc)
        goto out;
    d->pass.watch = &watch;
    tokenizer_encode(t, memory, text, len, NULL, &token, &n, &cap);
    n = n < IMPORTANCE_TOKENS ? n : IMPORTANCE_TOKENS;
    if (!n)
        rc = err_set(e, ERR_USAGE, "the text has no token");
    for (size_t at = 0; at < n && !rc; at += PIECE) {
        uint32_t k = (uint32_t)(n - at < PIECE ? n - at : PIECE);
        for (uint32_t i = 0; i < k && !rc; i++)
            if (token[at + i] >= d->w.k.vocab)
                rc = err_set(e, ERR_FORMAT, "the tokenizer knows more tokens than the model");
        if (!rc)
            rc = read_piece(d, token + at, k, e);
        if (!rc && progress && progress(arg, at + k, n))
            rc = err_set(e, ERR_CANCELED, "interrupted");
    }
    im->tokens = n;
    finish(im);
out:
    decoder_free(d);
    if (dev)
        backend_cpu.close(dev);
    tokenizer_close(t);
    tokenizer_memory_free(memory);
    free(token);
    if (rc)
        importance_free(im);
    else
        *out = im;
    return rc;
}

void importance_free(struct importance *im)
{
    if (!im)
        return;
    for (size_t i = 0; i < im->n; i++) {
        free(im->v[i].name);
        free(im->v[i].sum);
        free(im->v[i].rows);
        free(im->v[i].weight);
    }
    free(im->v);
    free(im);
}

uint64_t importance_tokens(const struct importance *im)
{
    return im->tokens;
}

const float *importance_of(const struct importance *im, const char *tensor, uint64_t expert, uint64_t k)
{
    struct seen key = {.name = (char *)tensor}, *s = im->n ? bsearch(&key, im->v, im->n, sizeof key, by_name) : NULL;
    return s && k == s->k && expert < s->experts && s->rows[expert] ? s->weight + expert * s->k : NULL;
}
