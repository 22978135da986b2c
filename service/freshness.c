/* How current an answer is: the object F of the contract. */
#include "service/scope.h"

#include "base/clock.h"
#include "base/hash.h"
#include "service/jobs.h"
#include "service/pins.h"

#define SHARE_NS 1500000000LL /* while vectors come in, the figure may be this old */

/* The view's place, or the oldest of its set. mu held. */
static struct share *share_slot(struct service *s, uint32_t view, uint16_t model)
{
    struct share *set = &s->shares[view * SHARE_SET % SERVICE_SHARES], *oldest = set;
    for (size_t i = 0; i < SHARE_SET; i++) {
        if (set[i].at_ns && set[i].view == view && set[i].model == model)
            return &set[i];
        if (set[i].at_ns < oldest->at_ns)
            oldest = &set[i];
    }
    *oldest = (struct share){.view = view, .model = model};
    return oldest;
}

double embedded_share(struct service *s, enum model_role role, uint32_t view)
{
    struct txn *t;
    struct err e;
    uint16_t model;
    double share = 0;
    if (!models_number(s, role, &model) || store_read(&t, s->store, &e))
        return 0;
    uint64_t generation = txn_generation(t);
    int64_t now = clock_ns();
    txn_end(t);
    pthread_mutex_lock(&s->mu);
    struct share *slot = share_slot(s, view, model);
    bool known = slot->at_ns && (slot->generation == generation || now - slot->at_ns < SHARE_NS);
    share = slot->share;
    if (slot->at_ns && !known)
        slot->at_ns = now; /* one asker counts anew, those beside it take the old figure meanwhile */
    pthread_mutex_unlock(&s->mu);
    if (known || index_embedded(s->store, model, view, &share, &e))
        return share;
    pthread_mutex_lock(&s->mu);
    *share_slot(s, view, model) = (struct share){view, model, generation, share, clock_ns()};
    pthread_mutex_unlock(&s->mu);
    return share;
}

/* Every write to any repository raises it: to all but the owner it would tell of those that they may not read. */
static uint64_t generation_now(struct service *s, const struct caller *who)
{
    struct txn *t;
    if (!who->local || store_read(&t, s->store, NULL))
        return 0;
    uint64_t g = txn_generation(t);
    txn_end(t);
    return g;
}

static json_t *pack(uint64_t generation, json_t *commit, bool dirty, uint64_t overlay, uint64_t pending, double embedded,
                    int64_t ago_ms)
{
    return json_pack("{sI, so, sb, sI, sI, sf, sI}", "generation", (json_int_t)generation, "commit", commit, "dirty", dirty,
                     "overlay_files", (json_int_t)overlay, "pending_files", (json_int_t)pending, "embedded", embedded,
                     "reconciled_ms_ago", (json_int_t)(ago_ms > 0 ? ago_ms : 0));
}

static json_t *commit_json(const struct seen *v)
{
    char hex[2 * OID_MAX + 1];
    if (!v->oid_len)
        return json_null();
    hex_of(hex, v->commit.byte, v->oid_len);
    return json_string(hex);
}

static int64_t ago_ms(const struct seen *v)
{
    return (clock_wall_ns() - v->reconciled_ns) / 1000000;
}

json_t *freshness_json(struct request *rq, const struct repo_row *repo, const struct seen *v)
{
    struct service *s = rq->s;
    return pack(generation_now(s, &rq->who), commit_json(v), v->overlay_files > 0, v->overlay_files,
                jobs_pending_files(s, repo->id), embedded_share(s, embed_role(s, repo->id), v->view), ago_ms(v));
}

json_t *freshness_scope(struct request *rq, const struct scope *sc)
{
    struct service *s = rq->s;
    if (sc->n == 1)
        return freshness_json(rq, &sc->repo[0], &sc->seen[0]);
    uint64_t overlay = 0, pending = 0;
    double least = 1;
    int64_t oldest = 0;
    for (size_t i = 0; i < sc->n; i++) {
        const struct seen *v = &sc->seen[i];
        double share = embedded_share(s, embed_role(s, sc->repo[i].id), v->view);
        overlay += v->overlay_files;
        pending += jobs_pending_files(s, sc->repo[i].id);
        least = share < least ? share : least;
        oldest = ago_ms(v) > oldest ? ago_ms(v) : oldest;
    }
    return pack(generation_now(s, &rq->who), json_null(), overlay > 0, overlay, pending, least, oldest);
}

static json_t *roots_json(const struct scope *sc)
{
    json_t *o = json_object();
    for (size_t i = 0; i < sc->n; i++)
        json_object_set_new(o, sc->repo[i].name, json_cstr(sc->repo[i].path));
    return o;
}

void answer_stamp(json_t *answer, struct request *rq, const struct scope *sc)
{
    json_object_set_new(answer, "freshness", freshness_scope(rq, sc));
    if (param_bool(rq, "roots"))
        json_object_set_new(answer, "roots", roots_json(sc));
    if (sc->note)
        json_object_set_new(answer, "note", json_cstr(sc->note));
}
