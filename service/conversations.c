#include "service/conversations.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct conversations {
    pthread_mutex_t mu;         /* of all that follows; taken last */
    struct conversation *first; /* the one used last */
    size_t n, most, bytes, most_bytes;
    int64_t age_ns;
    long long minutes;
};

struct conversations *conversations_new(const struct config *c)
{
    struct conversations *v = mem_zero(1, sizeof *v);
    pthread_mutex_init(&v->mu, NULL);
    v->most = (size_t)c->conversations;
    v->most_bytes = (size_t)c->conversation_bytes;
    v->minutes = c->conversation_minutes;
    v->age_ns = c->conversation_minutes * 60 * 1000000000LL;
    return v;
}

static void release(struct conversation *c)
{
    pack_release(&c->pack);
    free(c->searched);
    free(c);
}

void conversations_free(struct conversations *v)
{
    if (!v)
        return;
    for (struct conversation *c = v->first, *next; c; c = next) {
        next = c->next;
        release(c);
    }
    pthread_mutex_destroy(&v->mu);
    free(v);
}

/* -- with the lock --------------------------------------------------------------------------------------------------------- */

static void unlink_locked(struct conversations *v, struct conversation *c)
{
    for (struct conversation **at = &v->first; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            v->n--;
            v->bytes -= c->bytes;
            return;
        }
}

static void link_locked(struct conversations *v, struct conversation *c)
{
    c->next = v->first;
    v->first = c;
    v->n++;
    v->bytes += c->bytes;
}

/* Drops what is too old, and the oldest past the caps. What a question works on stays. */
static void sweep_locked(struct conversations *v, int64_t now)
{
    for (;;) {
        struct conversation *oldest = NULL;
        for (struct conversation *c = v->first; c; c = c->next)
            oldest = c->busy ? oldest : c; /* the list is by use: the last one that is free */
        if (!oldest || (v->n <= v->most && v->bytes <= v->most_bytes && now - oldest->used_ns < v->age_ns))
            return;
        unlink_locked(v, oldest);
        release(oldest);
    }
}

static struct conversation *find_locked(struct conversations *v, const char *id, uint64_t asker, uint64_t about)
{
    for (struct conversation *c = v->first; c; c = c->next)
        if (c->asker == asker && (*id ? !strcmp(c->id, id) : c->about == about))
            return c;
    return NULL;
}

static void name(char id[CONVERSATION_ID])
{
    uint8_t r[16];
    if (getrandom(r, sizeof r, 0) != sizeof r)
        abort(); /* does not fail for so few bytes once the system is up */
    id[0] = 'c';
    hex_of(id + 1, r, sizeof r);
}

/* -------------------------------------------------------------------------------------------------------------------------- */

static int not_there(const struct conversations *v, const char *id, struct err *e)
{
    err_set(e, ERR_NOT_FOUND, *id ? "no conversation %.40s of yours is remembered" : "%sno conversation about this is remembered", id);
    err_hint(e, "they are kept for %lld minutes after their last question, in the daemon's memory; ask without --continue", v->minutes);
    return ERR_NOT_FOUND;
}

int conversation_take(struct conversation **out, struct conversations *v, const char *id, uint64_t asker, uint64_t about, int64_t now, struct err *e)
{
    int rc = 0;
    struct conversation *c;
    pthread_mutex_lock(&v->mu);
    sweep_locked(v, now);
    if (!id) {
        c = mem_zero(1, sizeof *c);
        name(c->id);
        pack_init(&c->pack);
        c->asker = asker;
        c->about = about;
        c->used_ns = now;
        c->bytes = sizeof *c;
        c->busy = true;
        link_locked(v, c);
    } else if (!(c = find_locked(v, id, asker, about))) {
        rc = not_there(v, id, e);
    } else if (c->busy) {
        rc = err_set(e, ERR_BUSY, "a question of conversation %s is being answered", c->id);
        c = NULL;
    } else {
        c->busy = true;
    }
    pthread_mutex_unlock(&v->mu);
    *out = rc ? NULL : c;
    return rc;
}

void conversation_give(struct conversations *v, struct conversation *c, bool keep, int64_t now)
{
    if (!c)
        return;
    pack_undo(&c->pack); /* a turn that was not answered */
    pthread_mutex_lock(&v->mu);
    unlink_locked(v, c);
    if (c->forget || (!keep && !c->searched)) {
        release(c);
    } else {
        if (keep)
            c->used_ns = now;
        c->bytes = sizeof *c + pack_bytes(&c->pack) + (c->searched ? strlen(c->searched) : 0);
        c->busy = false;
        link_locked(v, c);
        sweep_locked(v, now);
    }
    pthread_mutex_unlock(&v->mu);
}

void conversations_forget(struct conversations *v, bool (*is)(void *arg, const struct oid *oid), void *arg)
{
    pthread_mutex_lock(&v->mu);
    for (struct conversation *c = v->first, *next; c; c = next) {
        next = c->next;
        c->forget |= c->busy; /* its pack is its taker's: what it holds is not known */
        if (c->busy)
            continue;
        bool goes = c->pack.past;
        for (size_t i = 0; i < c->pack.nsources && !goes; i++)
            goes = is(arg, &c->pack.source[i].s.hit.oid);
        if (goes) {
            unlink_locked(v, c);
            release(c);
        }
    }
    pthread_mutex_unlock(&v->mu);
}
