#include "service/cutting_apart.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/purge.h"

#include <stdlib.h>

struct cutting {
    pthread_mutex_t mu;  /* held while it cuts: a pool has one submitting thread */
    struct pool *pool;   /* NULL: none runs */
    int64_t used_ns;
};

struct cutting *cutting_new(void)
{
    struct cutting *c = mem_zero(1, sizeof *c);
    pthread_mutex_init(&c->mu, NULL);
    return c;
}

static void end(struct cutting *c)
{
    if (c->pool)
        pool_close(c->pool);
    c->pool = NULL;
}

void cutting_free(struct cutting *c)
{
    if (!c)
        return;
    end(c);
    pthread_mutex_destroy(&c->mu);
    free(c);
}

void cutting_rest(struct cutting *c, int64_t now_ns)
{
    if (pthread_mutex_trylock(&c->mu))
        return;
    if (now_ns - c->used_ns > CUTTING_REST_NS)
        end(c);
    pthread_mutex_unlock(&c->mu);
}

static int start(struct pool **out, struct service *s, struct err *e)
{
    const struct config *c = s->o.config;
    struct pool_options o = {.program = s->o.program, .workers = 1, .memory = (size_t)c->worker_memory,
                             .cpu_seconds = (int)c->worker_seconds};
    return pool_open(out, &o, e);
}

static int run(struct pool_result *out, struct pool *p, const struct language *l, struct buf *bytes, struct err *e)
{
    int rc = pool_submit(p, 0, l, bytes, e);
    if (rc)
        return rc;
    if (!pool_next(p, out))
        return err_set(e, ERR_INTERNAL, "the worker gave nothing back");
    if ((rc = out->code)) {
        *e = out->why;
        buf_release(&out->record);
        buf_release(&out->text);
    }
    return rc;
}

int cut_apart(struct pool_result *out, struct service *s, const struct language *l, struct buf *bytes, struct err *e)
{
    struct cutting *c = s->cutting;
    struct pool *own = NULL;
    struct oid oid = source_hash(bytes->data ? bytes->data : "", bytes->len);
    if (purged(s->store, &oid))
        return err_set(e, ERR_DENIED, "this content was purged: nothing is made of it any more");
    bool mine = !pthread_mutex_trylock(&c->mu); /* else another request has it: a worker of this one's own is as fast as waiting may be */
    struct pool **at = mine ? &c->pool : &own;
    int rc = *at ? 0 : start(at, s, e);
    if (!rc)
        rc = run(out, *at, l, bytes, e);
    if (mine) {
        if (rc)
            end(c); /* whatever state it is in, the next one begins anew */
        c->used_ns = clock_ns();
        pthread_mutex_unlock(&c->mu);
    } else if (own) {
        pool_close(own);
    }
    return rc;
}
