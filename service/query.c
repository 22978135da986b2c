/* What ask and search have in common: params in, search_request out. */
#include "service/rows.h"

#include "indexer/language.h"
#include "service/jobs.h"
#include "service/pins.h"
#include "service/query_maps.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIMIT 10

void query_models_drop(struct service *s, struct query_models *m)
{
    query_map_drop(m->map);
    models_drop(s, m->embed);
    models_drop(s, m->rerank);
}

/* What is asked about a trace or by an expression has an order of its own. */
static void take_reranker(struct search_request *q, struct query_models *m, struct request *rq)
{
    if (q->regex || q->context_len || rq->first_index || models_reranker(&m->rerank, rq->s, NULL))
        return;
    q->reranker = m->rerank->model;
    q->rerank_ms = (double)rq->s->o.config->rerank_ms;
}

int query_params(struct search_request *q, struct query_models *m, struct request *rq, const struct scope *sc, struct err *e)
{
    const char *lang = param_str(rq, "lang"), *kind = param_str(rq, "kind"), *path = param_str(rq, "path");
    json_t *context = json_object_get(rq->params, "context");
    *q = (struct search_request){
        .text = param_str(rq, "query"),
        .context = json_string_value(context),
        .context_len = json_string_length(context),
        .target = sc->target,
        .ntargets = sc->n,
        .kind = -1,
        .limit = (uint32_t)param_int(rq, "limit", DEFAULT_LIMIT),
        .unique_files = param_bool(rq, "unique_files"),
        .regex = param_bool(rq, "regex"),
        .explain = param_bool(rq, "explain"),
        .stop = &rq->stop,
    };
    *m = (struct query_models){0};
    if (!q->text && !q->context_len) {
        err_set(e, ERR_USAGE, "the question is empty");
        return ERR_USAGE;
    }
    q->text = q->text ? q->text : "";
    if (lang) {
        const struct language *l = language_named(lang);
        if (!l) {
            err_set(e, ERR_USAGE, "no language is called %.80s", lang);
            struct buf names = BUF_INIT;
            for (l = languages; l->name; l++)
                buf_addf(&names, "%s%s", names.len ? " " : "", l->name);
            err_hint(e, "%s", names.data);
            buf_release(&names);
            return ERR_USAGE;
        }
        q->language = l->name;
    }
    if (kind && (q->kind = symbol_kind_of(kind)) < 0) {
        err_set(e, ERR_USAGE, "no kind of definition is called %.80s", kind);
        struct buf names = BUF_INIT;
        for (int k = 0; k < SYMBOL_KIND_COUNT; k++)
            buf_addf(&names, "%s%s", names.len ? " " : "", symbol_kind_name((enum symbol_kind)k));
        err_hint(e, "%s", names.data);
        buf_release(&names);
        return ERR_USAGE;
    }
    while (path && path[0] == '.' && path[1] == '/')
        path += 2;
    q->path_prefix = path && *path && strcmp(path, ".") ? path : NULL;
    take_reranker(q, m, rq);
    if (q->regex || !rq->s->o.config->embed)
        return 0;
    enum model_role role = *rq->s->o.config->embed_endpoint && scope_may_leave(rq->s, sc) ? ROLE_FAR_EMBED : ROLE_EMBED;
    if (rq->first_index && !models_number(rq->s, role, NULL))
        return 0; /* the first answer waits for no model: there is nothing to compare with yet */
    if (models_embedder(&m->embed, rq->s, role, NULL)) {
        /* an endpoint that is away: what was embedded here before it was set still serves */
        if (role == ROLE_EMBED || models_embedder(&m->embed, rq->s, ROLE_EMBED, NULL))
            return 0; /* query_note says why */
    }
    bool any = false;
    for (size_t i = 0; i < sc->n; i++) {
        double share = embedded_share(rq->s, m->embed->role, sc->seen[i].view);
        any |= share > 0;
        if (share < 1 && embed_role(rq->s, sc->repo[i].id) == m->embed->role)
            jobs_embed(rq->s, &sc->repo[i], param_str(rq, "branch"));
    }
    if (any) {
        q->embedder = m->embed->model;
        q->map = m->map = query_map_for(rq, sc, m->embed);
    }
    return 0;
}

const char *query_note(struct request *rq, const struct search_request *q, const struct scope *sc)
{
    if (q->embedder || q->regex)
        return NULL;
    char *trouble = models_trouble(rq->s, *rq->s->o.config->embed_endpoint && scope_may_leave(rq->s, sc) ? ROLE_FAR_EMBED : ROLE_EMBED);
    const char *note = *trouble ? arena_fmt(&rq->arena, "answered from words and symbols alone: %s", trouble) : NULL;
    free(trouble);
    return note;
}
