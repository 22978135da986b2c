/* Pages of keys and values, counted by reference: forks share them, whoever writes to a shared one copies it first. */
#include "engine/run/store.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static size_t element(enum cache_type t)
{
    return t == CACHE_F32 ? 4 : t == CACHE_F16 ? 2 : 1;
}

/* The four arrays of a page: keys, values and their scales. */
static void parts_of(const struct cache *c, size_t bytes[4])
{
    size_t rows = (size_t)c->heads * CACHE_PAGE, q8 = c->type == CACHE_Q8;
    bytes[0] = rows * c->k_dim * element(c->type);
    bytes[1] = c->v ? rows * c->v_dim * element(c->type) : 0;
    bytes[2] = q8 * rows * ((c->k_dim + QUANT_BLOCK - 1) / QUANT_BLOCK) * sizeof(float);
    bytes[3] = q8 * (c->v ? rows : 0) * ((c->v_dim + QUANT_BLOCK - 1) / QUANT_BLOCK) * sizeof(float);
}

size_t states_page_bytes(const struct cache *c)
{
    size_t bytes[4];
    parts_of(c, bytes);
    return bytes[0] + bytes[1] + bytes[2] + bytes[3];
}

static size_t aligned(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

/* Lays the layers' arrays from base on (NULL: measures); cache.v says by being set that the layer has values of its own. */
static size_t lay(struct store *s, char *base)
{
    size_t at = 0;
    for (uint32_t i = 0; i < s->layers; i++) {
        struct cache *c = &s->layer[i].cache;
        size_t bytes[4];
        void **to[4] = {&c->k, &c->v, (void **)&c->k_scale, (void **)&c->v_scale};
        parts_of(c, bytes);
        for (int j = 0; j < 4; j++) {
            if (base && bytes[j])
                *to[j] = base + at;
            at += aligned(bytes[j] * s->pages);
        }
    }
    return at;
}

int states_paged_open(struct store *s, struct err *e)
{
    s->kind = &states_paged;
    s->bytes = lay(s, NULL);
    int rc = s->backend->memory(s->device, &s->memory, s->bytes, e);
    if (rc)
        return rc;
    lay(s, s->memory);
    s->refs = mem_zero(s->pages, sizeof *s->refs);
    s->free_page = mem_alloc(s->pages * sizeof *s->free_page);
    for (uint32_t i = 0; i < s->pages; i++) /* the first is taken first */
        s->free_page[i] = s->pages - 1 - i;
    s->free_count = s->pages;
    return 0;
}

void states_close(struct store *s)
{
    if (s->backend)
        s->backend->release(s->device, s->memory);
    free(s->layer);
    free(s->refs);
    free(s->free_page);
    memset(s, 0, sizeof *s);
}

static uint32_t pages_for(uint32_t tokens)
{
    return (tokens + CACHE_PAGE - 1) / CACHE_PAGE;
}

static uint32_t take(struct store *s)
{
    uint32_t page = s->free_page[--s->free_count];
    s->refs[page] = 1;
    return page;
}

static void give(struct store *s, uint32_t page)
{
    if (page != PAGE_NONE && --s->refs[page] == 0)
        s->free_page[s->free_count++] = page;
}

static void push(struct held *h, uint32_t page)
{
    VEC_ROOM(h->page, h->count, h->cap);
    h->page[h->count++] = page;
}

/* Calls with each array of a page. */
static void each_part(const struct store *s, uint32_t page, void (*with)(void *arg, char *part, size_t bytes), void *arg)
{
    for (uint32_t i = 0; i < s->layers; i++) {
        const struct cache *c = &s->layer[i].cache;
        char *base[4] = {c->k, c->v, (char *)c->k_scale, (char *)c->v_scale};
        size_t bytes[4];
        parts_of(c, bytes);
        for (int j = 0; j < 4; j++)
            if (bytes[j])
                with(arg, base[j] + page * bytes[j], bytes[j]);
    }
}

static void copy_page(struct store *s, uint32_t to, uint32_t from)
{
    for (uint32_t i = 0; i < s->layers; i++) {
        const struct cache *c = &s->layer[i].cache;
        char *base[4] = {c->k, c->v, (char *)c->k_scale, (char *)c->v_scale};
        size_t bytes[4];
        parts_of(c, bytes);
        for (int j = 0; j < 4; j++)
            if (bytes[j])
                s->backend->copy(s->queue, base[j] + to * bytes[j], base[j] + from * bytes[j], bytes[j]);
    }
}

static uint32_t paged_short_of(const struct store *s, const struct held *h, uint32_t length, uint32_t n)
{
    uint32_t first = length / CACHE_PAGE, end = pages_for(length + n), need = end > h->count ? end - h->count : 0;
    for (uint32_t i = first; i < h->count && i < end; i++)
        need += s->refs[h->page[i]] > 1;
    return need;
}

static void paged_append(struct store *s, struct held *h, uint32_t length, uint32_t n)
{
    uint32_t end = pages_for(length + n);
    for (uint32_t i = length / CACHE_PAGE; i < end; i++) {
        if (i >= h->count) {
            push(h, take(s));
        } else if (s->refs[h->page[i]] > 1) {
            uint32_t page = take(s);
            copy_page(s, page, h->page[i]);
            give(s, h->page[i]);
            h->page[i] = page;
        }
    }
}

/* The first token that a sequence of that length may still be asked for. */
static uint32_t oldest(const struct store *s, uint32_t length, uint32_t slack)
{
    uint32_t keep = s->window + slack;
    return s->window == 0 || length < keep ? 0 : length + 1 - keep;
}

static void paged_settle(struct store *s, struct held *h, uint32_t length)
{
    uint32_t first = oldest(s, length, WINDOW_SLACK) / CACHE_PAGE;
    for (; h->first < first && h->first < h->count; h->first++) {
        give(s, h->page[h->first]);
        h->page[h->first] = PAGE_NONE;
    }
}

static int paged_fork(struct store *s, struct held *to, const struct held *from, struct err *e)
{
    for (uint32_t i = 0; i < from->count; i++) {
        push(to, from->page[i]);
        if (from->page[i] != PAGE_NONE)
            s->refs[from->page[i]]++;
    }
    to->first = from->first;
    return 0;
}

static uint32_t paged_reach(const struct store *s, const struct held *h, uint32_t target)
{
    return oldest(s, target, 0) / CACHE_PAGE >= h->first && pages_for(target) <= h->count ? target : 0;
}

static void paged_back(struct store *s, struct held *h, uint32_t length)
{
    uint32_t keep = pages_for(length);
    while (h->count > keep)
        give(s, h->page[--h->count]);
    if (h->first > h->count)
        h->first = h->count;
}

static void paged_clear(struct store *s, struct held *h)
{
    paged_back(s, h, 0);
    free(h->page);
    memset(h, 0, sizeof *h);
}

struct saver {
    struct store *s;
    char *to;
};

static void save_part(void *arg, char *part, size_t bytes)
{
    struct saver *w = arg;
    w->s->backend->get(w->s->queue, w->to, part, bytes);
    w->to += bytes;
}

static size_t all_layers(const struct store *s)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < s->layers; i++)
        bytes += states_page_bytes(&s->layer[i].cache);
    return bytes;
}

/* The pages from the oldest token on that the length needs. */
static int paged_save(struct store *s, const struct held *h, uint32_t length, struct buf *out, struct err *e)
{
    uint32_t first = oldest(s, length, 0) / CACHE_PAGE, end = pages_for(length);
    size_t bytes = all_layers(s) * (end - first);
    char *host = mem_alloc(bytes);
    struct saver w = {s, host};
    for (uint32_t i = first; i < end; i++)
        each_part(s, h->page[i], save_part, &w);
    int rc = s->backend->sync(s->queue, e);
    if (!rc)
        buf_add(out, host, bytes);
    free(host);
    return rc;
}

struct reader {
    struct store *s;
    const uint8_t *from;
};

static void load_part(void *arg, char *part, size_t bytes)
{
    struct reader *r = arg;
    r->s->backend->put(r->s->queue, part, r->from, bytes);
    r->from += bytes;
}

static int paged_load(struct store *s, struct held *h, uint32_t length, const uint8_t **p, size_t *n, struct err *e)
{
    uint32_t first = oldest(s, length, 0) / CACHE_PAGE, end = pages_for(length);
    size_t bytes = all_layers(s) * (end - first);
    if (*n < bytes)
        return err_set(e, ERR_FORMAT, "a saved sequence ends in the middle of its pages");
    if (s->free_count < end - first)
        return err_set(e, ERR_BUSY, "%u pages are free, a saved sequence needs %u", s->free_count, end - first);
    struct reader r = {s, *p};
    for (uint32_t i = 0; i < end; i++)
        push(h, i < first ? PAGE_NONE : take(s));
    for (uint32_t i = first; i < end; i++)
        each_part(s, h->page[i], load_part, &r);
    h->first = first;
    *p += bytes;
    *n -= bytes;
    return 0;
}

const struct store_kind states_paged = {
    "pages", paged_short_of, paged_append, paged_settle, paged_fork, paged_reach, paged_back, paged_clear, paged_save, paged_load,
};
