/* States of fixed size: two slots a sequence, so that a step reads one and writes the other, and the last step can be undone. */
#include "engine/run/store.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int states_fixed_open(struct store *s, uint32_t slots, struct err *e)
{
    s->kind = &states_fixed;
    s->pages = s->free_count = slots;
    size_t one = s->size * slots * sizeof(float);
    s->bytes = one * s->layers;
    int rc = s->backend->memory(s->device, &s->memory, s->bytes, e);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < s->layers; i++)
        s->layer[i].base = (float *)s->memory + i * s->size * slots;
    s->free_page = mem_alloc(slots * sizeof *s->free_page);
    for (uint32_t i = 0; i < slots; i++)
        s->free_page[i] = slots - 1 - i;
    return 0;
}

static uint32_t fixed_short_of(const struct store *s, const struct held *h, uint32_t length, uint32_t n)
{
    return 0; /* two slots for each sequence there may be */
}

/* slot 0 is read, slot 1 written; length[0] PAGE_NONE: the empty state is read. */
static void fixed_append(struct store *s, struct held *h, uint32_t length, uint32_t n)
{
    if (h->cap == 0) {
        h->cap = 2;
        for (int i = 0; i < 2; i++) {
            h->slot[i] = s->free_page[--s->free_count];
            h->length[i] = PAGE_NONE;
        }
    }
    h->length[1] = PAGE_NONE; /* overwritten by this step */
}

static void swap(struct held *h)
{
    uint32_t slot = h->slot[0], length = h->length[0];
    h->slot[0] = h->slot[1];
    h->length[0] = h->length[1];
    h->slot[1] = slot;
    h->length[1] = length;
}

static void fixed_settle(struct store *s, struct held *h, uint32_t length)
{
    swap(h);
    h->length[0] = length;
}

static int fixed_fork(struct store *s, struct held *to, const struct held *from, struct err *e)
{
    if (from->cap == 0)
        return 0;
    fixed_append(s, to, 0, 0);
    if (from->length[0] == PAGE_NONE)
        return 0;
    size_t bytes = s->size * sizeof(float);
    for (uint32_t i = 0; i < s->layers; i++)
        s->backend->copy(s->queue, s->layer[i].base + to->slot[0] * s->size, s->layer[i].base + from->slot[0] * s->size, bytes);
    to->length[0] = from->length[0];
    return 0;
}

static uint32_t fixed_reach(const struct store *s, const struct held *h, uint32_t target)
{
    for (int i = 0; i < 2 && h->cap; i++)
        if (h->length[i] != PAGE_NONE && h->length[i] <= target)
            return h->length[i];
    return 0;
}

static void fixed_back(struct store *s, struct held *h, uint32_t length)
{
    if (h->cap == 0 || h->length[0] == length)
        return;
    if (h->length[1] == length)
        swap(h);
    else
        h->length[0] = PAGE_NONE; /* to the beginning */
    h->length[1] = PAGE_NONE;
}

static void fixed_clear(struct store *s, struct held *h)
{
    for (int i = 0; i < 2 && h->cap; i++)
        s->free_page[s->free_count++] = h->slot[i];
    memset(h, 0, sizeof *h);
}

static int fixed_save(struct store *s, const struct held *h, uint32_t length, struct buf *out, struct err *e)
{
    size_t bytes = s->size * sizeof(float);
    uint32_t slot = h->slot[h->length[0] == length ? 0 : 1];
    char *host = mem_alloc(bytes * s->layers);
    for (uint32_t i = 0; i < s->layers; i++)
        s->backend->get(s->queue, host + i * bytes, s->layer[i].base + slot * s->size, bytes);
    int rc = s->backend->sync(s->queue, e);
    if (!rc)
        buf_add(out, host, bytes * s->layers);
    free(host);
    return rc;
}

static int fixed_load(struct store *s, struct held *h, uint32_t length, const uint8_t **p, size_t *n, struct err *e)
{
    size_t bytes = s->size * sizeof(float);
    if (*n < bytes * s->layers)
        return err_set(e, ERR_FORMAT, "a saved sequence ends in the middle of its state");
    fixed_append(s, h, 0, 0);
    for (uint32_t i = 0; i < s->layers; i++, *p += bytes)
        s->backend->put(s->queue, s->layer[i].base + h->slot[0] * s->size, *p, bytes);
    h->length[0] = length;
    *n -= bytes * s->layers;
    return 0;
}

const struct store_kind states_fixed = {
    "fixed", fixed_short_of, fixed_append, fixed_settle, fixed_fork, fixed_reach, fixed_back, fixed_clear, fixed_save, fixed_load,
};
