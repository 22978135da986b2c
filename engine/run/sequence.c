/* The life of a sequence: forks, steps back, and its way into bytes and out of them. */
#include "engine/run/decoder_inside.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* What sequence_save writes: this head, the tokens, then each store's bytes. Native byte order: it is read where it was made. */
struct saved {
    char magic[8];
    uint32_t length, layers, stores, kv;
    uint64_t page_bytes;
};
#define MAGIC "caseq01"

int sequence_new(struct sequence **out, struct decoder *d, struct err *e)
{
    if (d->alive == d->o.max_sequences)
        return err_set(e, ERR_BUSY, "%u sequences are alive", d->alive);
    struct sequence *s = mem_zero(1, sizeof *s);
    s->d = d;
    d->alive++;
    *out = s;
    return 0;
}

void sequence_free(struct sequence *s)
{
    if (s == NULL)
        return;
    struct decoder *d = s->d;
    for (int i = 0; i < d->stores; i++)
        d->store[i].kind->clear(&d->store[i], &s->held[i]);
    d->alive--;
    free(s->token);
    free(s);
}

static void set_tokens(struct sequence *s, const uint32_t *token, uint32_t n)
{
    s->token = mem_grow(s->token, n + 1, sizeof *s->token);
    memcpy(s->token, token, n * sizeof *token);
    s->length = n;
    s->cap = n + 1;
}

int sequence_fork(struct sequence **out, const struct sequence *from, struct err *e)
{
    struct sequence *s = NULL;
    int rc = sequence_new(&s, from->d, e);
    if (rc)
        return rc;
    set_tokens(s, from->token, from->length);
    s->state = from->state;
    s->adapt = from->adapt;
    for (int i = 0; i < s->d->stores && !rc; i++)
        rc = s->d->store[i].kind->fork(&s->d->store[i], &s->held[i], &from->held[i], e);
    if (rc)
        sequence_free(s);
    else
        *out = s;
    return rc;
}

int sequence_adapt(struct sequence *s, const struct pass_adapt *adapt, struct err *e)
{
    if (s->length)
        return err_set(e, ERR_USAGE, "a sequence of %u tokens was read without that adapter", s->length);
    s->adapt = adapt;
    return 0;
}

uint32_t sequence_length(const struct sequence *s)
{
    return s->length;
}

const uint32_t *sequence_tokens(const struct sequence *s)
{
    return s->token;
}

/* The latest length ≤ target that every store can go to. */
static uint32_t reach(const struct sequence *s, uint32_t target)
{
    for (int i = 0; i < s->d->stores;) {
        uint32_t to = s->d->store[i].kind->reach(&s->d->store[i], &s->held[i], target);
        i = to < target ? 0 : i + 1; /* the others are asked again */
        target = to;
    }
    return target;
}

int sequence_roll_back(struct sequence *s, uint32_t n, struct err *e)
{
    if (n > s->length)
        return err_set(e, ERR_USAGE, "%u tokens taken back of %u", n, s->length);
    s->length -= n;
    if (s->length >= s->state)
        return 0;
    s->state = reach(s, s->length);
    for (int i = 0; i < s->d->stores; i++)
        s->d->store[i].kind->back(&s->d->store[i], &s->held[i], s->state);
    return 0;
}

static uint64_t page_bytes(const struct decoder *d)
{
    struct decoder_info info;
    decoder_info(d, &info);
    return info.page_bytes + info.state_bytes;
}

int sequence_save(const struct sequence *s, uint32_t n, struct buf *out, struct err *e)
{
    const struct decoder *d = s->d;
    struct saved head = {MAGIC, n, d->w.k.layers, (uint32_t)d->stores, (uint32_t)d->o.kv, page_bytes(d)};
    if (n > s->length)
        return err_set(e, ERR_USAGE, "%u tokens to save of %u", n, s->length);
    if (n > s->state || reach(s, n) != n)
        return err_set(e, ERR_UNSUPPORTED, "the state at %u tokens of %u is gone", n, s->length);
    size_t start = out->len;
    buf_add(out, (const char *)&head, sizeof head);
    buf_add(out, (const char *)s->token, n * sizeof *s->token);
    int rc = 0;
    for (int i = 0; i < d->stores && n && !rc; i++)
        rc = d->store[i].kind->save(&s->d->store[i], &s->held[i], n, out, e);
    if (rc)
        out->len = start;
    return rc;
}

int sequence_load(struct sequence *s, const void *bytes, size_t n, struct err *e)
{
    struct decoder *d = s->d;
    struct saved head;
    const uint8_t *p = bytes;
    int rc = 0;
    if (s->length)
        return err_set(e, ERR_USAGE, "a saved sequence is loaded into one of %u tokens", s->length);
    if (n < sizeof head)
        return err_set(e, ERR_FORMAT, "a saved sequence of %zu bytes", n);
    memcpy(&head, p, sizeof head);
    if (memcmp(head.magic, MAGIC, sizeof MAGIC) != 0 || head.layers != d->w.k.layers || head.stores != (uint32_t)d->stores ||
        head.kv != (uint32_t)d->o.kv || head.page_bytes != page_bytes(d))
        return err_set(e, ERR_FORMAT, "a saved sequence of another model or of other settings");
    if (head.length > d->o.context || (n - sizeof head) / sizeof(uint32_t) < head.length)
        return err_set(e, ERR_FORMAT, "a saved sequence of %u tokens", head.length);
    p += sizeof head;
    n -= sizeof head + head.length * sizeof(uint32_t);
    uint32_t *token = mem_alloc(head.length * sizeof *token + 1);
    memcpy(token, p, head.length * sizeof *token);
    p += head.length * sizeof *token;
    for (uint32_t i = 0; i < head.length && !rc; i++)
        if (token[i] >= d->w.k.vocab)
            rc = err_set(e, ERR_FORMAT, "a saved sequence has a token %u of %u", token[i], d->w.k.vocab);
    for (int i = 0; i < d->stores && head.length && !rc; i++)
        rc = d->store[i].kind->load(&d->store[i], &s->held[i], head.length, &p, &n, e);
    if (!rc && n)
        rc = err_set(e, ERR_FORMAT, "%zu bytes follow a saved sequence", n);
    if (!rc)
        rc = d->w.backend->sync(d->queue, e);
    if (rc) {
        for (int i = 0; i < d->stores; i++)
            d->store[i].kind->clear(&d->store[i], &s->held[i]);
    } else {
        set_tokens(s, token, head.length);
        s->state = head.length;
    }
    free(token);
    return rc;
}
