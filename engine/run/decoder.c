/* A decoder is opened: knobs from the file, weights on the device, memory for what sequences remember, buffers of a step. */
#include "engine/run/decoder_inside.h"
#include "engine/format/model_inside.h"
#include "base/mem.h"
#include "kernels/team.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT_DEFAULT 131072 /* of files that offer more: a table of pages is kept for each sequence of a step */
#define ROWS_DEFAULT 512
#define ROWS_MAX (1u << 16) /* of a step: more only takes memory */
#define SEQUENCES_DEFAULT 64
#define KV_DEFAULT ((size_t)1 << 30) /* who knows what memory there is says so */

static void fill_options(struct decoder_options *to, const struct decoder_options *o, const struct knobs *k)
{
    *to = o ? *o : (struct decoder_options){0};
    if (to->threads <= 0)
        to->threads = 1;
    if (to->context == 0)
        to->context = k->context < CONTEXT_DEFAULT ? k->context : CONTEXT_DEFAULT;
    if (to->max_rows == 0)
        to->max_rows = ROWS_DEFAULT;
    if (to->max_sequences == 0)
        to->max_sequences = SEQUENCES_DEFAULT;
}

static enum cache_type cache_type(enum kv_type t)
{
    return t == KV_F16 ? CACHE_F16 : t == KV_Q8 ? CACHE_Q8 : CACHE_F32;
}

/* The store of the layer's kind and window, made where it is the first. */
static int store_for(struct decoder *d, const struct layer_knobs *what, struct err *e)
{
    const struct store_kind *kind = what->mixer == MIX_DELTA ? &states_fixed : &states_paged;
    for (int i = 0; i < d->stores; i++)
        if (d->store[i].kind == kind && d->store[i].window == what->window)
            return i;
    if (d->stores == STORES_MAX)
        return err_set(e, ERR_UNSUPPORTED, "a model of more than %d kinds of windows", STORES_MAX);
    struct store *s = &d->store[d->stores];
    s->kind = kind;
    s->window = what->window;
    s->backend = d->w.backend;
    s->device = d->w.device;
    s->queue = d->queue;
    s->layer = mem_zero(d->w.k.layers, sizeof *s->layer);
    return d->stores++;
}

static int place_layers(struct decoder *d, struct err *e)
{
    const struct knobs *k = &d->w.k;
    for (uint32_t i = 0; i < k->layers; i++) {
        const struct layer_knobs *what = &k->layer[i];
        int at = store_for(d, what, e);
        if (at < 0)
            return at;
        struct store *s = &d->store[at];
        struct store_layer *y = &s->layer[s->layers];
        d->store_of[i] = at;
        d->place_of[i] = s->layers++;
        if (what->mixer == MIX_DELTA)
            s->size = delta_state(&k->delta);
        else if (what->mixer == MIX_LATENT)
            y->cache = (struct cache){.type = cache_type(d->o.kv), .heads = 1, .k_dim = k->kv_rank + k->turned, .v_dim = k->kv_rank};
        else /* v: set, so that the store gives the layer values of its own */
            y->cache = (struct cache){.type = cache_type(d->o.kv), .heads = k->kv_heads, .k_dim = k->head_dim, .v_dim = k->v_dim, .v = y};
    }
    return 0;
}

static size_t bytes_of_page(const struct store *s)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < s->layers && s->kind == &states_paged; i++)
        bytes += states_page_bytes(&s->layer[i].cache);
    return bytes;
}

/* Pages that one sequence can hold of a store at most, while it takes a step of max_rows. */
static uint32_t most_pages(const struct decoder *d, const struct store *s)
{
    uint32_t all = (d->o.context + CACHE_PAGE - 1) / CACHE_PAGE;
    uint32_t within = (s->window + WINDOW_SLACK + d->o.max_rows) / CACHE_PAGE + 2;
    return s->window && within < all ? within : all;
}

/* Of one sequence of the whole context, and of what has a fixed size. */
static void sizes(const struct decoder *d, size_t *one, size_t *fixed)
{
    *one = *fixed = 0;
    for (int i = 0; i < d->stores; i++) {
        *one += bytes_of_page(&d->store[i]) * most_pages(d, &d->store[i]);
        *fixed += d->store[i].kind == &states_fixed ? d->store[i].size * sizeof(float) * d->store[i].layers * 2 * d->o.max_sequences : 0;
    }
}

/* As many sequences of the whole context as the budget holds, in fractions of one: every store gets its share. */
static int plan(struct decoder *d, struct err *e)
{
    size_t one, fixed;
    sizes(d, &one, &fixed);
    size_t budget = d->o.kv_bytes ? d->o.kv_bytes : (2 * one < KV_DEFAULT ? 2 * one : KV_DEFAULT) + fixed;
    if (budget < fixed)
        return err_set(e, ERR_MEMORY, "the states of %u sequences need %zu MB, and the budget is %zu MB", d->o.max_sequences,
                       fixed >> 20, budget >> 20);
    double share = one ? (double)(budget - fixed) / (double)one : 0;
    for (int i = 0; i < d->stores; i++) {
        struct store *s = &d->store[i];
        double pages = share * most_pages(d, s), cap = (double)d->o.max_sequences * most_pages(d, s);
        s->pages = (uint32_t)(pages < cap ? pages : cap);
        if (s->kind == &states_paged && s->pages == 0)
            return err_set(e, ERR_MEMORY, "a budget of %zu KB holds no page of this model's %zu KB", budget >> 10, bytes_of_page(s) >> 10);
        int rc = s->kind == &states_paged ? states_paged_open(s, e) : states_fixed_open(s, 2 * d->o.max_sequences, e);
        if (rc)
            return rc;
    }
    return 0;
}

static int check_backend(const struct backend *b, struct err *e)
{
    if (!b->attend || !b->prepare || !b->embed_rows || !b->gather)
        return err_set(e, ERR_UNSUPPORTED, "the backend \"%s\" runs no decoders yet", b->name);
    return 0;
}

static int read_knobs(struct decoder *d, const struct model_file *file, uint32_t context, struct err *e)
{
    struct settings s;
    int rc = settings_open(&s, file, e);
    s.context = context;
    if (!rc && !(d->w.arch = arch_of(&s, e)))
        rc = ERR_UNSUPPORTED;
    if (!rc)
        rc = d->w.arch->knobs(&d->w.k, &s, e);
    if (!rc)
        rc = knobs_check(&d->w.k, e);
    settings_release(&s);
    return rc;
}

/* By a team of its own: the queue's belongs to ops. */
static int load(struct decoder *d, const struct model_file *file, struct err *e)
{
    int rc = team_open(&d->w.team, (uint32_t)d->o.threads, e);
    if (!rc)
        rc = decoder_weights_load(&d->w, file, e);
    team_close(d->w.team);
    d->w.team = NULL;
    return rc;
}

static void place(struct decoder *d)
{
    d->pass.store = d->store;
    d->pass.stores = d->stores;
    d->pass.store_of = d->store_of;
    d->pass.place_of = d->place_of;
}

static uint32_t widest_head(const struct knobs *k)
{
    uint32_t latent = k->kv_rank + k->turned, own = k->head_dim > k->v_dim ? k->head_dim : k->v_dim;
    return latent > own ? latent : own;
}

/* Of the queue. */
static struct bounds bounds_of(const struct decoder *d)
{
    return (struct bounds){.rows = d->o.max_rows, .sequences = d->o.max_sequences, .longest = 1, .hidden = widest_head(&d->w.k),
                           .intermediate = 1, .heads = 1, .threads = (uint32_t)d->o.threads};
}

int decoder_new_tweaked(struct decoder **out, const struct model_file *file, const struct backend *b, void *device,
                        const struct decoder_options *o, void (*tweak)(struct knobs *k, void *arg), void *arg, struct err *e)
{
    int rc = check_backend(b, e);
    if (rc)
        return rc;
    struct decoder *d = mem_zero(1, sizeof *d);
    struct knobs *k = &d->w.k;
    d->w.backend = b;
    d->w.device = device;
    d->w.exact = o && o->exact;
    rc = read_knobs(d, file, o ? o->context : 0, e);
    if (rc)
        goto out;
    if (tweak)
        tweak(k, arg);
    fill_options(&d->o, o, k);
    if (d->o.context > k->context || d->o.max_rows > ROWS_MAX || d->o.max_sequences > ROWS_MAX) {
        rc = err_set(e, ERR_USAGE, "a context of %u of %u, steps of %u rows, %u sequences", d->o.context, k->context, d->o.max_rows,
                     d->o.max_sequences);
        goto out;
    }
    k->context = d->o.context; /* tables of pages are as long */
    struct bounds bounds = bounds_of(d);
    rc = b->queue(device, &bounds, &d->queue, e);
    if (!rc)
        rc = load(d, file, e);
    if (!rc)
        rc = place_layers(d, e);
    if (!rc)
        rc = plan(d, e);
    place(d);
    if (!rc)
        rc = pass_open(&d->pass, &d->w, d->queue, d->o.max_rows, d->o.max_sequences, e);
    if (!rc && !d->o.op_by_op)
        pass_record(&d->pass);
    d->span = mem_zero(d->o.max_sequences, sizeof *d->span);
out:
    if (rc)
        decoder_free(d);
    else
        *out = d;
    return rc;
}

int decoder_needs(struct decoder_needs *out, const struct model_file *file, const struct backend *b, void *device,
                  const struct decoder_options *o, uint32_t tokens, struct err *e)
{
    struct decoder *d = mem_zero(1, sizeof *d);
    size_t one, fixed, scratch = 0;
    d->w.backend = b; /* what it can do is part of the room that a step takes */
    int rc = read_knobs(d, file, o ? o->context : 0, e);
    if (!rc) {
        fill_options(&d->o, o, &d->w.k);
        d->w.k.context = d->o.context;
        rc = place_layers(d, e);
    }
    struct bounds bounds = bounds_of(d);
    if (!rc)
        rc = b->plan(device, &bounds, &scratch, e);
    if (!rc) {
        sizes(d, &one, &fixed);
        place(d);
        double part = tokens < d->o.context ? (double)tokens / d->o.context : 1;
        *out = (struct decoder_needs){.weights = model_file_bytes(file), .work = scratch + pass_bytes(&d->pass, &d->w, d->o.max_rows, d->o.max_sequences),
                                      .kv_least = fixed + (uint64_t)(part * (double)one), .kv_most = fixed + one * d->o.max_sequences};
    }
    for (int i = 0; i < d->stores; i++)
        states_close(&d->store[i]);
    free(d);
    return rc;
}

int decoder_new(struct decoder **out, const struct model_file *file, const struct backend *b, void *device,
                const struct decoder_options *o, struct err *e)
{
    return decoder_new_tweaked(out, file, b, device, o, NULL, NULL, e);
}

void decoder_free(struct decoder *d)
{
    if (d == NULL)
        return;
    pass_close(&d->pass);
    for (int i = 0; i < d->stores; i++)
        states_close(&d->store[i]);
    d->w.backend->queue_close(d->queue);
    decoder_weights_release(&d->w);
    free(d->span);
    free(d);
}

void decoder_info(const struct decoder *d, struct decoder_info *out)
{
    *out = (struct decoder_info){.vocab = d->w.k.vocab, .hidden = d->w.k.hidden, .context = d->o.context, .max_rows = d->o.max_rows,
                                 .max_sequences = d->o.max_sequences, .exact_rows = d->w.backend->exact_rows,
                                 .write_rows = d->w.backend->write_rows, .draws = d->w.backend->draw != NULL,
                                 .weight_bytes = d->w.bytes, .pages = UINT32_MAX, .pages_free = UINT32_MAX};
    snprintf(out->family, sizeof out->family, "%s", d->w.arch->family);
    for (int i = 0; i < d->stores; i++) {
        const struct store *s = &d->store[i];
        out->kv_bytes += s->bytes;
        out->page_bytes += bytes_of_page(s);
        if (s->kind == &states_fixed)
            out->state_bytes += 2 * s->size * sizeof(float) * s->layers;
        else if (s->window == 0 || out->pages == UINT32_MAX) {
            out->pages = s->pages;
            out->pages_free = s->free_count;
        }
    }
}
