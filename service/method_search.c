/* search: the places that fit best. */
#include "service/method.h"

#include "service/models.h"
#include "service/rows.h"

/* What an exact search did not look into and a person would expect it to; NULL when there is nothing. */
static const char *left_out(struct request *rq, const struct search_unsearched *l)
{
    if (l->blind)
        return arena_fmt(&rq->arena, "quoted text of less than three bytes is looked for file by file: %u files were left out. Quote more of it, "
                         "or name a --path", l->blind);
    const char *unread = l->unread ? arena_fmt(&rq->arena, "%u files are too large or cannot be read and were not searched", l->unread) : NULL;
    if (!l->given_up)
        return unread;
    return arena_fmt(&rq->arena, "%s%sthe expression backtracks too much in %u files, which were not searched", unread ? unread : "",
                     unread ? "; " : "", l->given_up);
}

int method_search(struct request *rq, json_t **result, struct err *e)
{
    struct scope sc;
    struct search_request q;
    struct search_result r;
    struct query_models m = {0};
    int rc = scope_open(&sc, rq, e);
    if (rc)
        return rc;
    if ((rc = query_params(&q, &m, rq, &sc, e)))
        goto out;
    q.lines = true;
    if ((rc = search(&r, rq->s->retriever, &q, &rq->arena, e)))
        goto out;
    if (!sc.note)
        sc.note = r.exact || r.left_out.blind ? left_out(rq, &r.left_out) : query_note(rq, &q, &sc);
    *result = json_pack("{so, sf}", "query", json_cstr(q.text), "took_ms", r.ms_total);
    answer_stamp(*result, rq, &sc);
    json_object_set_new(*result, "results", hits_json(&sc, r.hit, r.n));
    json_object_set_new(*result, "timings", json_pack("{sf, sf, sf, sf}", "embed", r.ms_embed, "lexical", r.ms_lexical,
                                                      "dense", r.ms_dense, "rank", r.ms_rank));
    if (r.reranked) {
        json_object_set_new(*result, "reranked", json_integer(r.reranked));
        json_object_set_new(json_object_get(*result, "timings"), "rerank", json_real(r.ms_rerank));
    }
    if (r.exact) {
        json_object_set_new(*result, "truncated", json_boolean(r.truncated));
        json_object_set_new(*result, "unsearched", json_pack("{si, si, si, si}", "binary", r.left_out.binary, "unread", r.left_out.unread,
                                                             "given_up", r.left_out.given_up, "blind", r.left_out.blind));
    }
    json_object_set_new(*result, "vectors", json_boolean(r.dense_used));
out:
    query_models_drop(rq->s, &m);
    return rc;
}
