/* search: the places that fit best. */
#include "service/method.h"

#include "service/models.h"
#include "service/rows.h"

int method_search(struct request *rq, json_t **result, struct err *e)
{
    struct scope sc;
    struct search_request q;
    struct search_result r;
    struct embedder *m = NULL;
    int rc = scope_open(&sc, rq, e);
    if (rc)
        return rc;
    if ((rc = query_params(&q, &m, rq, &sc, e)) || (rc = search(&r, rq->s->retriever, &q, &rq->arena, e)))
        goto out;
    if (!sc.note)
        sc.note = query_note(rq, &q, &sc);
    *result = json_pack("{so, sf}", "query", json_cstr(q.text), "took_ms", r.ms_total);
    answer_stamp(*result, rq, &sc);
    json_object_set_new(*result, "results", hits_json(&sc, r.hit, r.n));
    json_object_set_new(*result, "timings", json_pack("{sf, sf, sf, sf}", "embed", r.ms_embed, "lexical", r.ms_lexical,
                                                      "dense", r.ms_dense, "rank", r.ms_rank));
    json_object_set_new(*result, "vectors", json_boolean(r.dense_used));
out:
    models_drop(rq->s, m);
    return rc;
}
