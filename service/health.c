/* Looks after the endpoints beside everybody's questions, so that nobody waits for one that is away to say so. */
#include "service/models.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

struct health {
    struct service *s;
    int64_t every_ns;
    pthread_t thread;
    bool runs;
    pthread_mutex_t mu;
    pthread_cond_t quit;
    bool quits; /* [mu] */
};

static void *health_main(void *arg)
{
    struct health *h = arg;
    int64_t next = clock_ns() + h->every_ns;
    pthread_mutex_lock(&h->mu);
    while (!h->quits) {
        if (clock_cond_wait(&h->quit, &h->mu, next))
            continue;
        pthread_mutex_unlock(&h->mu);
        for (enum model_role role = ROLES_HERE; role < ROLES; role++)
            models_look(h->s, role, &h->quits);
        next = clock_ns() + h->every_ns;
        pthread_mutex_lock(&h->mu);
    }
    pthread_mutex_unlock(&h->mu);
    return NULL;
}

int health_open(struct health **out, struct service *s, struct err *e)
{
    const struct config *c = s->o.config;
    *out = NULL;
    if (s->o.brief || !c->endpoint_look_seconds || (!*c->answer_endpoint && !*c->embed_endpoint))
        return 0;
    struct health *h = mem_zero(1, sizeof *h);
    h->s = s;
    h->every_ns = c->endpoint_look_seconds * 1000000000LL;
    pthread_mutex_init(&h->mu, NULL);
    clock_cond_init(&h->quit);
    h->runs = !pthread_create(&h->thread, NULL, health_main, h);
    *out = h;
    return h->runs ? 0 : err_set(e, ERR_LIMIT, "cannot start a thread");
}

void health_close(struct health *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->mu);
    __atomic_store_n(&h->quits, true, __ATOMIC_RELAXED);
    pthread_cond_signal(&h->quit);
    pthread_mutex_unlock(&h->mu);
    if (h->runs)
        pthread_join(h->thread, NULL);
    pthread_cond_destroy(&h->quit);
    pthread_mutex_destroy(&h->mu);
    free(h);
}
