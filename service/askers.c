#include "service/askers.h"

#include "base/mem.h"
#include "service/permission.h"

#include <math.h>
#include <stdlib.h>

static void fill(struct asker *a, const struct config *c, int64_t now)
{
    double most = (double)c->user_burst;
    a->tokens += (double)(now - a->filled_ns) / 60e9 * (double)c->user_rate;
    a->tokens = a->tokens < most ? a->tokens : most;
    a->filled_ns = now;
}

/* That asker; those of whom nothing is to be remembered leave meanwhile. */
static struct asker *find(struct service *s, uint64_t key, int64_t now)
{
    const struct config *c = s->o.config;
    struct asker *found = NULL;
    for (struct asker **at = &s->askers; *at;) {
        struct asker *a = *at;
        fill(a, c, now);
        if (a->key == key)
            found = a;
        if (a->key != key && !a->open && a->tokens >= (double)c->user_burst) {
            *at = a->next;
            free(a);
        } else {
            at = &a->next;
        }
    }
    if (found)
        return found;
    struct asker *a = mem_zero(1, sizeof *a);
    *a = (struct asker){.next = s->askers, .key = key, .turn = s->turn, .tokens = (double)c->user_burst, .filled_ns = now};
    return s->askers = a;
}

static int too_many(unsigned *wait_s, unsigned seconds, struct err *e, const char *what, int64_t n)
{
    *wait_s = seconds ? seconds : 1;
    err_set(e, ERR_BUSY, what, (long long)n);
    err_hint(e, "again in %u s", *wait_s);
    return ERR_BUSY;
}

int asker_enter_locked(struct asker **out, struct service *s, const struct caller *who, int64_t now, unsigned *wait_s, struct err *e)
{
    const struct config *c = s->o.config;
    struct asker *a = find(s, caller_key(who), now);
    if (!who->local && a->open >= (uint64_t)c->user_open)
        return too_many(wait_s, 1, e, "%lld requests of this user wait or run already (user_open)", c->user_open);
    if (!who->local && c->user_rate) {
        if (a->tokens < 1)
            return too_many(wait_s, (unsigned)ceil((1 - a->tokens) * 60 / (double)c->user_rate), e, "more than %lld requests a minute (user_rate)", c->user_rate);
        a->tokens -= 1;
    }
    a->open++;
    *out = a;
    return 0;
}

void asker_leave_locked(struct service *s, struct asker *a)
{
    a->open--;
}

void askers_free(struct service *s)
{
    for (struct asker *a = s->askers, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    s->askers = NULL;
}

static bool goes_first(const struct asker *a, const struct asker *b)
{
    return a->running != b->running ? a->running < b->running : a->turn < b->turn;
}

struct request *askers_next_locked(struct service *s)
{
    struct request **best = &s->queue_first;
    for (struct request **at = &s->queue_first; *at; at = &(*at)->queue_next)
        if (goes_first((*at)->asker, (*best)->asker))
            best = at;
    struct request *rq = *best;
    *best = rq->queue_next;
    if (s->queue_last == &rq->queue_next)
        s->queue_last = best;
    rq->asker->running++;
    rq->asker->turn = ++s->turn;
    return rq;
}
