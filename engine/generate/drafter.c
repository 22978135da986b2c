#include "engine/generate/drafter.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define READ_MOST 256      /* tokens read in one call: as long as a chunk of a prompt, of a model many times smaller */
#define SEQUENCES 16       /* requests that are drafted for at once; the others write without */
#define KV_BYTES ((size_t)256 << 20)
#define SURE .5f           /* a guess less likely is wrong too often to pay for its row */
#define GUESSES_MAX 16
#define WRONG .4f          /* where fewer than so many of the last guesses held, */
#define PAUSE 16           /* so many calls go without */

struct drafter {
    struct decoder *decoder;
    uint32_t vocab, context;
    float *logits; /* [vocab] */
};

struct draft {
    struct drafter *d;
    struct sequence *s;    /* NULL: none was free */
    uint32_t guess[GUESSES_MAX], guesses, at; /* the last ones, which began at token `at` */
    float held;            /* share that held, lately */
    uint32_t pause;
};

static int same_tokens(const struct tokenizer *a, const struct tokenizer *b, const char *path, struct err *e)
{
    uint32_t n = tokenizer_info(a)->vocab;
    bool same = n == tokenizer_info(b)->vocab;
    for (uint32_t id = 0; id < n && same; id++) {
        size_t la, lb;
        const char *x = tokenizer_bytes(a, id, true, &la), *y = tokenizer_bytes(b, id, true, &lb);
        same = la == lb && !memcmp(x, y, la);
    }
    return same ? 0 : err_set(e, ERR_UNSUPPORTED, "%s: its vocabulary is another than the model's that it is to draft for", path);
}

int drafter_open(struct drafter **out, const struct backend *b, void *device, const char *path, const struct tokenizer *same, int threads,
                 uint32_t context, struct err *e)
{
    struct drafter *d = mem_zero(1, sizeof *d);
    struct model_file *f = NULL;
    struct tokenizer *own = NULL;
    struct decoder_options o = {.threads = threads, .kv = KV_F16, .max_rows = READ_MOST, .max_sequences = SEQUENCES, .kv_bytes = KV_BYTES};
    struct decoder_info info;
    int rc = model_file_open(&f, path, e);
    if (!rc)
        rc = model_file_finite(f, e);
    if (!rc)
        rc = tokenizer_open(&own, f, e);
    if (!rc)
        rc = same_tokens(own, same, path, e);
    if (!rc)
        rc = decoder_new(&d->decoder, f, b, device, &o, e);
    tokenizer_close(own);
    model_file_close(f);
    if (rc) {
        drafter_close(d);
        return rc;
    }
    decoder_info(d->decoder, &info);
    d->vocab = info.vocab;
    d->context = info.context < context ? info.context : context;
    d->logits = mem_alloc(d->vocab * sizeof *d->logits);
    *out = d;
    return 0;
}

void drafter_close(struct drafter *d)
{
    if (!d)
        return;
    decoder_free(d->decoder);
    free(d->logits);
    free(d);
}

struct draft *draft_new(struct drafter *d)
{
    struct draft *g = mem_zero(1, sizeof *g);
    *g = (struct draft){.d = d, .held = 1};
    sequence_new(&g->s, d->decoder, NULL);
    return g;
}

void draft_free(struct draft *g)
{
    if (!g)
        return;
    sequence_free(g->s);
    free(g);
}

/* How the last guesses did, now that it is known what came. */
static void learn(struct draft *g, const uint32_t *token, uint32_t n)
{
    for (uint32_t i = 0; i < g->guesses && g->at + i < n; i++) {
        bool right = token[g->at + i] == g->guess[i];
        g->held += ((right ? 1.f : 0.f) - g->held) / 16;
        if (!right)
            break;
    }
    g->guesses = 0;
    if (g->held < WRONG) {
        g->pause = PAUSE;
        g->held = (WRONG + 1) / 2; /* then it has another chance */
    }
}

/* Reads tokens; the most likely one after the last, and whether it is sure of it. */
static bool read_on(struct drafter *d, struct sequence *s, const uint32_t *token, uint32_t n, uint32_t *next)
{
    double sum = 0;
    uint32_t best = 0;
    if (decoder_step(d->decoder, &(struct step_part){s, token, n, 1}, 1, d->logits, NULL))
        return false;
    for (uint32_t i = 1; i < d->vocab; i++)
        if (d->logits[i] > d->logits[best])
            best = i;
    for (uint32_t i = 0; i < d->vocab; i++)
        sum += exp((double)d->logits[i] - d->logits[best]);
    *next = best;
    return 1 / sum >= SURE;
}

uint32_t draft_next(struct draft *g, const uint32_t *token, uint32_t n, uint32_t *out, uint32_t most)
{
    struct drafter *d = g->d;
    uint32_t common = 0, k = 0;
    learn(g, token, n);
    if (g->pause) {
        g->pause--;
        return 0;
    }
    if (!g->s || n + most >= d->context)
        return 0;
    const uint32_t *have = sequence_tokens(g->s);
    uint32_t length = sequence_length(g->s);
    while (common < length && common + 1 < n && have[common] == token[common])
        common++;
    if (sequence_roll_back(g->s, length - common, NULL))
        return 0;
    if (n - common > READ_MOST) {
        decoder_step(d->decoder, &(struct step_part){g->s, token + common, READ_MOST, 0}, 1, NULL, NULL);
        return 0;
    }
    most = most < GUESSES_MAX ? most : GUESSES_MAX;
    const uint32_t *from = token + common;
    for (uint32_t rows = n - common; k < most && read_on(d, g->s, from, rows, &out[k]); rows = 1) {
        g->guess[k] = out[k];
        from = &g->guess[k++];
    }
    g->guesses = k;
    g->at = n;
    return k;
}
