/* How fast a decoder reads: short steps say what a token costs, attention alone what the length of a prompt adds to it. Without the
 * second, the window of a small model looks as if it were read in a moment. */
#include "engine/run/decoder_inside.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

#define FIRST_ROWS 16    /* of a step that touches the weights for the first time, which is not counted */
#define LEAST_ROWS 64    /* of the step that counts: as many as the first one lets expect within ABOUT_S, but at least these, for fewer
                          * share what is unpacked too little, and at most LONG_ROWS */
#define LONG_ROWS 256
#define ABOUT_S .5
#define DEEP_ROWS 64     /* of attention alone: over a chunk's share of threads */
#define DEEP_KEYS 4096   /* at most: the cost of a key no longer changes */

static int step_seconds(double *seconds, struct decoder *d, uint32_t n, struct err *e)
{
    uint32_t token[LONG_ROWS];
    struct sequence *s = NULL;
    for (uint32_t i = 0; i < n; i++)
        token[i] = i * 31 % d->w.k.vocab;
    int rc = sequence_new(&s, d, e);
    int64_t began = clock_ns();
    if (!rc)
        rc = decoder_step(d, &(struct step_part){s, token, n, 0}, 1, NULL, e);
    *seconds = (double)(clock_ns() - began) / 1e9;
    sequence_free(s);
    return rc;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Rows after `keys` tokens that lie in any pages: what is in them does not change the time. */
static void put_deep(struct decoder *d, int store, uint32_t rows, uint32_t keys)
{
    const struct backend *b = d->w.backend;
    struct pass *p = &d->pass;
    uint32_t pages = (keys + rows + CACHE_PAGE - 1) / CACHE_PAGE, *n = mem_alloc((pages + 2 * (size_t)rows) * sizeof *n);
    uint32_t *position = n + pages, *sequence = position + rows;
    for (uint32_t i = 0; i < pages; i++)
        n[i] = i % p->store[store].pages;
    for (uint32_t i = 0; i < rows; i++) {
        position[i] = keys + i;
        sequence[i] = 0;
    }
    b->put(d->queue, p->table[store].table, n, pages * sizeof *n);
    b->put(d->queue, p->position, position, rows * sizeof *n);
    b->put(d->queue, p->sequence, sequence, rows * sizeof *n);
    b->put(d->queue, p->used, (uint32_t[]){rows, 1}, 2 * sizeof *n);
    b->put(d->queue, p->offset, (uint32_t[]){0, rows}, 2 * sizeof *n);
    p->rows.max_rows = p->rows.longest = rows;
    p->rows.max_sequences = 1;
    free(n);
}

/* Seconds of one layer's attention of `rows` rows after `keys` tokens. */
static int attention_seconds(double *seconds, struct decoder *d, uint32_t layer, uint32_t rows, uint32_t keys, struct err *e)
{
    struct pass *p = &d->pass;
    const struct knobs *k = &d->w.k;
    bool latent = k->layer[layer].mixer == MIX_LATENT;
    int store = d->store_of[layer];
    struct attend how = pass_attend_of(p, layer);
    struct mat mix = p->mix;
    mix.cols = k->heads * (latent ? k->kv_rank : k->v_dim);
    put_deep(d, store, rows, keys);
    int64_t began = clock_ns();
    d->w.backend->attend(d->queue, &mix, latent ? &p->query : &p->qkv, &how, &p->store[store].layer[d->place_of[layer]].cache,
                         &p->table[store].pages, &p->rows);
    int rc = d->w.backend->sync(d->queue, e);
    *seconds = (double)(clock_ns() - began) / 1e9;
    return rc;
}

/* Layers of one store attend alike: one of them is measured. What a window sees is soon constant, and counts for every token. */
static int add_attention(struct decoder_speed *out, struct decoder *d, int store, struct err *e)
{
    const struct store *s = &d->store[store];
    uint32_t rows = least(DEEP_ROWS, d->o.max_rows), layer = 0, keys = least(DEEP_KEYS, d->o.context), window = s->window;
    double seconds;
    if (s->kind != &states_paged || keys <= rows)
        return 0;
    while (d->store_of[layer] != store)
        layer++;
    keys -= rows;
    int rc = attention_seconds(&seconds, d, layer, rows, keys, e);
    seconds *= (double)s->layers / rows;
    if (window && window < keys)
        out->token_s += seconds;
    else
        out->key_s += seconds / (keys + rows / 2.0);
    return rc;
}

int decoder_measure(struct decoder *d, struct decoder_speed *out, struct err *e)
{
    uint32_t most = least(LONG_ROWS, least(d->o.max_rows, d->o.context)), n = least(FIRST_ROWS, most);
    double seconds;
    *out = (struct decoder_speed){0};
    if (d->alive)
        return err_set(e, ERR_BUSY, "%u sequences are alive", d->alive);
    int rc = step_seconds(&seconds, d, n, e);
    double expected = seconds > 0 ? ABOUT_S / seconds * n : LONG_ROWS;
    n = least(most, expected > LONG_ROWS ? LONG_ROWS : expected > LEAST_ROWS ? (uint32_t)expected : LEAST_ROWS);
    if (!rc)
        rc = step_seconds(&seconds, d, n, e);
    out->token_s = seconds / n;
    for (int i = 0; i < d->stores && !rc; i++)
        rc = add_attention(out, d, i, e);
    return rc;
}
