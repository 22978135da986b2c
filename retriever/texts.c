#include "retriever/texts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void texts_init(struct texts *c)
{
    memset(c, 0, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
}

void texts_release(struct texts *c)
{
    for (size_t i = 0; i < c->n; i++)
        text_drop(c->text[i]);
    pthread_mutex_destroy(&c->lock);
}

void text_drop(struct text *t)
{
    if (t && !__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
        free(t);
}

static struct text *find(struct texts *c, uint32_t cut)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->cut[i] == cut) {
            c->used[i] = ++c->clock;
            __atomic_add_fetch(&c->text[i]->refs, 1, __ATOMIC_RELAXED);
            return c->text[i];
        }
    return NULL;
}

static void remove_oldest(struct texts *c)
{
    size_t at = 0;
    for (size_t i = 1; i < c->n; i++)
        at = c->used[i] < c->used[at] ? i : at;
    c->bytes -= c->text[at]->len;
    text_drop(c->text[at]);
    c->n--;
    c->text[at] = c->text[c->n];
    c->cut[at] = c->cut[c->n];
    c->used[at] = c->used[c->n];
}

int texts_get(struct text **out, struct texts *c, struct txn *t, uint32_t cut, struct err *e)
{
    struct buf b = BUF_INIT;
    pthread_mutex_lock(&c->lock);
    *out = find(c, cut);
    pthread_mutex_unlock(&c->lock);
    if (*out)
        return 0;
    int rc = cut_text(t, cut, &b, e); /* without the lock: two searches may both take it out */
    if (rc) {
        buf_release(&b);
        return rc;
    }
    struct text *x = mem_alloc(sizeof *x + b.len + 1);
    *x = (struct text){.refs = 1, .cut = cut, .len = b.len};
    memcpy(x->bytes, b.data ? b.data : "", b.len);
    buf_release(&b);
    *out = x;
    if (x->len > TEXTS_BYTES / 8 || cut_is_unsaved(cut)) /* of its client alone, and gone with it */
        return 0;
    pthread_mutex_lock(&c->lock);
    struct text *other = find(c, cut);
    if (other) {
        text_drop(other);
    } else {
        while (c->n && (c->n == TEXTS_MAX || c->bytes + x->len > TEXTS_BYTES))
            remove_oldest(c);
        __atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
        c->bytes += x->len;
        c->text[c->n] = x;
        c->cut[c->n] = cut;
        c->used[c->n++] = ++c->clock;
    }
    pthread_mutex_unlock(&c->lock);
    return 0;
}
