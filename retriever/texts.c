#include "retriever/texts.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void texts_init(struct texts *c, size_t most)
{
    memset(c, 0, sizeof *c);
    c->most = most;
    pthread_mutex_init(&c->lock, NULL);
}

void texts_clear(struct texts *c)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n; i++)
        text_drop(c->text[i]);
    c->n = c->bytes = 0;
    pthread_mutex_unlock(&c->lock);
}

void texts_release(struct texts *c)
{
    texts_clear(c);
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
            c->used[i] = clock_ns();
            __atomic_add_fetch(&c->text[i]->refs, 1, __ATOMIC_RELAXED);
            return c->text[i];
        }
    return NULL;
}

static void remove_at(struct texts *c, size_t at)
{
    c->bytes -= c->text[at]->len;
    text_drop(c->text[at]);
    c->n--;
    c->text[at] = c->text[c->n];
    c->cut[at] = c->cut[c->n];
    c->used[at] = c->used[c->n];
}

static void remove_oldest(struct texts *c)
{
    size_t at = 0;
    for (size_t i = 1; i < c->n; i++)
        at = c->used[i] < c->used[at] ? i : at;
    remove_at(c, at);
}

void texts_rest(struct texts *c, int64_t since_ns)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = c->n; i-- > 0;)
        if (c->used[i] < since_ns)
            remove_at(c, i);
    pthread_mutex_unlock(&c->lock);
}

struct text *texts_find(struct texts *c, uint32_t cut)
{
    pthread_mutex_lock(&c->lock);
    struct text *x = find(c, cut);
    pthread_mutex_unlock(&c->lock);
    return x;
}

struct text *texts_keep(struct texts *c, uint32_t cut, struct str bytes)
{
    struct text *x = mem_alloc(sizeof *x + bytes.n + 1);
    *x = (struct text){.refs = 1, .cut = cut, .len = bytes.n};
    memcpy(x->bytes, bytes.n ? bytes.p : "", bytes.n);
    if (x->len > c->most / 8 || cut_is_unsaved(cut)) /* of its client alone, and gone with it */
        return x;
    pthread_mutex_lock(&c->lock);
    struct text *other = find(c, cut);
    if (other) {
        text_drop(other);
    } else {
        while (c->n && (c->n == TEXTS_MAX || c->bytes + x->len > c->most))
            remove_oldest(c);
        __atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
        c->bytes += x->len;
        c->text[c->n] = x;
        c->cut[c->n] = cut;
        c->used[c->n++] = clock_ns();
    }
    pthread_mutex_unlock(&c->lock);
    return x;
}

int texts_get(struct text **out, struct texts *c, struct txn *t, uint32_t cut, struct err *e)
{
    struct buf b = BUF_INIT;
    *out = texts_find(c, cut);
    if (*out)
        return 0;
    int rc = cut_text(t, cut, &b, e); /* without the lock: two searches may both take it out */
    if (!rc)
        *out = texts_keep(c, cut, (struct str){b.data, b.len});
    buf_release(&b);
    return rc;
}
