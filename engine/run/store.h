/* What layers remember of a sequence, behind one interface: pages of keys and values (whole, within a window, or latent), or a
 * state of fixed size. A store serves all layers that remember in the same way; a sequence has a `struct held` in each.
 *
 * Lengths are tokens. A step is append() (room for n more, nothing that was there is lost), the ops, then settle(); without
 * settle() the sequence is as before. Whoever calls checks short_of() first: append() takes what it needs. */
#ifndef CODEASK_ENGINE_RUN_STORE_H
#define CODEASK_ENGINE_RUN_STORE_H

#include "base/buf.h"
#include "engine/run/arch.h"

#define STORES_MAX 6
/* Tokens that a window keeps beyond what it needs, so that a draft can be taken back without reading again. */
#define WINDOW_SLACK 64

struct held {
    uint32_t *page;          /* paged: [count], PAGE_NONE before first */
    uint32_t count, cap, first;
    uint32_t slot[2];        /* fixed: the present state and the one before the last step */
    uint32_t length[2];      /* tokens of those; PAGE_NONE: none */
};

struct store_layer {
    struct cache cache;      /* paged */
    float *base;             /* fixed: [slots, size] */
};

struct store {
    const struct store_kind *kind;
    const struct backend *backend; /* borrowed, with device and queue */
    void *device, *queue;
    uint32_t layers;
    struct store_layer *layer;
    uint32_t window;         /* paged; 0: all */
    uint32_t pages, free_count;
    uint32_t *free_page;     /* [pages] */
    uint32_t *refs;          /* [pages] */
    size_t size;             /* fixed: floats of a slot in one layer */
    void *memory;            /* device, all layers */
    size_t bytes;
};

struct store_kind {
    const char *name;
    uint32_t (*short_of)(const struct store *s, const struct held *h, uint32_t length, uint32_t n); /* pages it would take */
    void (*append)(struct store *s, struct held *h, uint32_t length, uint32_t n);
    void (*settle)(struct store *s, struct held *h, uint32_t length);
    int (*fork)(struct store *s, struct held *to, const struct held *from, struct err *e);
    uint32_t (*reach)(const struct store *s, const struct held *h, uint32_t target); /* the latest length ≤ target it can go to */
    void (*back)(struct store *s, struct held *h, uint32_t length);                  /* one that reach() gave */
    void (*clear)(struct store *s, struct held *h);                                  /* gives everything back */
    int (*save)(struct store *s, const struct held *h, uint32_t length, struct buf *out, struct err *e);
    /* into an empty one; takes its bytes from *p; ERR_FORMAT, ERR_BUSY */
    int (*load)(struct store *s, struct held *h, uint32_t length, const uint8_t **p, size_t *n, struct err *e);
};
extern const struct store_kind states_paged, states_fixed;

/* Bytes of a page of one layer, and of it in all layers. */
size_t states_page_bytes(const struct cache *c);
/* layer[i].cache has type, heads and dims; s->pages, window, backend, device, queue are set. */
int states_paged_open(struct store *s, struct err *e);
/* s->size, layers, backend, device, queue; slots: of all sequences. */
int states_fixed_open(struct store *s, uint32_t slots, struct err *e);
void states_close(struct store *s);

#endif
