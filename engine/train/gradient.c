#include "engine/train/gradient.h"

#include "base/mem.h"
#include "engine/run/decoder_inside.h"
#include "engine/train/tape.h"
#include "kernels/backward.h"

#include <stdlib.h>
#include <string.h>

struct gradient {
    struct decoder *d;
    struct lora *l; /* one of the two */
    struct full *f;
    enum activations policy;
    struct tape tape;
    void *memory;      /* device: layer inputs, then targets and losses of a chunk of logits */
    float *input;      /* [layers][max_rows, stride of h]; ACTIVATIONS_RECOMPUTE only */
    double *loss;      /* [PASS_LOGIT_ROWS] */
    uint32_t *target;  /* [PASS_LOGIT_ROWS] */
    struct held *held; /* [max_sequences][stores]: of the texts of a call */
    struct pass_part *part;
    size_t bytes;
};

static size_t input_floats(const struct gradient *g)
{
    return (size_t)g->d->o.max_rows * g->d->pass.h.stride;
}

static int open_gradient(struct gradient **out, struct decoder *d, struct lora *l, struct full *f, enum activations policy, struct err *e)
{
    if (d->o.kv != KV_F32)
        return err_set(e, ERR_USAGE, "training keeps keys and values in fp32");
    struct gradient *g = mem_zero(1, sizeof *g);
    g->d = d;
    g->l = l;
    g->f = f;
    g->policy = policy;
    size_t inputs = policy == ACTIVATIONS_RECOMPUTE ? d->w.k.layers * input_floats(g) : 0;
    g->bytes = inputs * sizeof *g->input + PASS_LOGIT_ROWS * (sizeof *g->loss + sizeof *g->target);
    int rc = l ? lora_learn(l, e) : 0;
    if (!rc)
        rc = tape_open(&g->tape, &d->pass, l, f, e);
    if (!rc)
        rc = d->w.backend->memory(d->w.device, &g->memory, g->bytes, e);
    if (rc) {
        gradient_free(g);
        return rc;
    }
    g->loss = g->memory;
    g->target = (uint32_t *)(g->loss + PASS_LOGIT_ROWS);
    g->input = (float *)(g->target + PASS_LOGIT_ROWS);
    g->held = mem_zero((size_t)d->o.max_sequences * (size_t)d->stores, sizeof *g->held);
    g->part = mem_zero(d->o.max_sequences, sizeof *g->part);
    *out = g;
    return 0;
}

int gradient_new(struct gradient **out, struct decoder *d, struct lora *l, enum activations policy, struct err *e)
{
    return open_gradient(out, d, l, NULL, policy, e);
}

int gradient_new_full(struct gradient **out, struct decoder *d, struct full *f, enum activations policy, struct err *e)
{
    return open_gradient(out, d, NULL, f, policy, e);
}

void gradient_free(struct gradient *g)
{
    if (g == NULL)
        return;
    tape_close(&g->tape);
    g->d->w.backend->release(g->d->w.device, g->memory);
    free(g->held);
    free(g->part);
    free(g);
}

size_t gradient_bytes(const struct gradient *g)
{
    return g->bytes + g->d->pass.bytes + g->tape.bytes;
}

static int check(const struct gradient *g, const struct example *x, size_t n, struct err *e)
{
    const struct decoder *d = g->d;
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i].n < 2 || x[i].learn < 1 || x[i].learn >= x[i].n || x[i].n - 1 > d->o.context)
            return err_set(e, ERR_USAGE, "a text of %u tokens that is learned from token %u on; the context holds %u", x[i].n, x[i].learn, d->o.context);
        for (uint32_t t = 0; t < x[i].n; t++)
            if (x[i].token[t] >= d->w.k.vocab)
                return err_set(e, ERR_USAGE, "token %u of a vocabulary of %u", x[i].token[t], d->w.k.vocab);
        rows += x[i].n - 1;
    }
    if (n == 0 || n > d->o.max_sequences || rows > d->o.max_rows)
        return err_set(e, ERR_USAGE, "a pack of %zu texts in %zu rows; at most %u in %u", n, rows, d->o.max_sequences, d->o.max_rows);
    if (d->alive)
        return err_set(e, ERR_USAGE, "sequences of the decoder are alive");
    for (int s = 0; s < d->stores; s++) {
        uint32_t need = 0;
        for (size_t i = 0; i < n; i++)
            need += d->store[s].kind->short_of(&d->store[s], &g->held[s], 0, x[i].n - 1);
        if (need > d->store[s].free_count)
            return err_set(e, ERR_BUSY, "the keys and values of a pack take %u pages of %u", need, d->store[s].free_count);
    }
    return 0;
}

static void begin(struct gradient *g, const struct example *x, size_t n)
{
    struct decoder *d = g->d;
    for (size_t i = 0; i < n; i++) {
        struct held *held = g->held + i * (size_t)d->stores;
        for (int s = 0; s < d->stores; s++)
            d->store[s].kind->append(&d->store[s], &held[s], 0, x[i].n - 1);
        g->part[i] = (struct pass_part){.token = x[i].token, .n = x[i].n - 1, .held = held};
    }
    d->pass.plain = true;
    d->pass.adapt = g->l ? &g->l->adapt : NULL;
    pass_begin(&d->pass, g->part, (uint32_t)n);
}

static void end(struct gradient *g, size_t n)
{
    struct decoder *d = g->d;
    d->pass.plain = false;
    d->pass.watch = NULL;
    d->pass.adapt = NULL;
    for (size_t i = 0; i < n; i++)
        for (int s = 0; s < d->stores; s++)
            d->store[s].kind->clear(&d->store[s], &g->held[i * (size_t)d->stores + (size_t)s]);
}

static void layers(struct gradient *g, bool learns)
{
    struct pass *p = &g->d->pass;
    size_t floats = input_floats(g);
    p->watch = learns && g->policy == ACTIVATIONS_SAVE ? &g->tape.watch : NULL;
    for (uint32_t i = 0; i < g->d->w.k.layers; i++) {
        if (learns && g->policy == ACTIVATIONS_RECOMPUTE)
            g->d->w.backend->copy(p->queue, g->input + i * floats, p->h.data, floats * sizeof(float));
        pass_layer(p, i);
    }
}

static void layers_back(struct gradient *g)
{
    struct pass *p = &g->d->pass;
    size_t floats = input_floats(g);
    p->watch = &g->tape.watch;
    for (uint32_t i = g->d->w.k.layers; i-- > 0 && g->policy == ACTIVATIONS_RECOMPUTE;) {
        g->d->w.backend->copy(p->queue, p->h.data, g->input + i * floats, floats * sizeof(float));
        pass_layer(p, i);
        tape_back(&g->tape, 0);
    }
    tape_back(&g->tape, 0);
    struct mat dh = tape_gradient(&g->tape, &p->h); /* of the embeddings, which an adapter leaves alone */
    if (g->f)
        full_embed_back(g->f, &dh, &p->rows);
    g->d->w.backend->backward->clear(p->queue, &dh, &p->rows);
}

/* Logits of some rows, their loss, and with a scale that is not 0 their gradient back to the last hidden states. */
static int chunk(struct gradient *g, const uint32_t *row, const uint32_t *target, uint32_t n, double scale, double *loss, struct err *e)
{
    const struct backend *b = g->d->w.backend;
    struct pass *p = &g->d->pass;
    struct mat d = tape_gradient(&g->tape, &p->logits);
    size_t before = g->tape.n;
    double host[PASS_LOGIT_ROWS];
    p->watch = scale != 0 ? &g->tape.watch : NULL;
    pass_head(p, row, n);
    b->put(p->queue, g->target, target, n * sizeof *target);
    b->backward->cross_entropy(p->queue, &d, g->loss, &p->logits, g->target, (float)scale, &p->wanted);
    tape_back(&g->tape, before);
    if (scale == 0)
        b->backward->clear(p->queue, &d, &p->wanted);
    b->get(p->queue, host, g->loss, n * sizeof *host);
    int rc = b->sync(p->queue, e);
    for (uint32_t i = 0; i < n && !rc; i++)
        *loss += host[i];
    return rc;
}

static int head(struct gradient *g, const struct example *x, size_t n, double scale, double *loss, struct err *e)
{
    uint32_t row[PASS_LOGIT_ROWS], target[PASS_LOGIT_ROWS], count = 0, at = 0;
    int rc = 0;
    for (size_t i = 0; i < n; at += x[i++].n - 1)
        for (uint32_t t = x[i].learn; t < x[i].n && !rc; t++) {
            row[count] = at + t - 1;
            target[count++] = x[i].token[t];
            if (count == PASS_LOGIT_ROWS || (i + 1 == n && t + 1 == x[i].n)) {
                rc = chunk(g, row, target, count, scale, loss, e);
                count = 0;
            }
        }
    return rc;
}

static int run(struct gradient *g, const struct example *x, size_t n, double scale, double *loss, struct err *e)
{
    int rc = check(g, x, n, e);
    if (rc)
        return rc;
    begin(g, x, n);
    layers(g, scale != 0);
    rc = head(g, x, n, scale, loss, e);
    if (!rc && scale != 0)
        layers_back(g);
    end(g, n);
    if (!rc)
        rc = g->d->w.backend->sync(g->d->queue, e);
    if (rc || g->tape.rc) {
        int kept = tape_reset(&g->tape, rc ? NULL : e);
        rc = rc ? rc : kept;
    }
    return rc;
}

int gradient_add(struct gradient *g, const struct example *x, size_t n, double scale, double *loss, struct err *e)
{
    return run(g, x, n, scale, loss, e);
}

int gradient_loss(struct gradient *g, const struct example *x, size_t n, double *loss, struct err *e)
{
    return run(g, x, n, 0, loss, e);
}
