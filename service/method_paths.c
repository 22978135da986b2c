/* paths: which of many texts name a file of the repository. For editors, who make links of them. */
#include "service/method.h"

#include "service/rows.h"

int method_paths(struct request *rq, json_t **result, struct err *e)
{
    struct scope sc;
    struct txn *t;
    json_t *asked = json_object_get(rq->params, "path"), *rows = NULL, *one;
    size_t i;
    int rc = scope_open_one(&sc, rq, e);
    if (rc)
        return rc;
    if ((rc = store_read(&t, rq->s->store, e)))
        return rc;
    rows = json_array();
    json_array_foreach(asked, i, one) {
        struct search_hit h;
        const char *path = json_string_value(one);
        bool found = *path && !scope_file(&h, t, &sc, &rq->arena, param_str(rq, "repo") ? NULL : param_str(rq, "dir"), path, NULL);
        json_t *row = found ? json_pack("{so}", "repo", json_cstr(sc.repo[0].name)) : json_null();
        if (found)
            set_path(row, h.path);
        json_array_append_new(rows, row);
    }
    txn_end(t);
    *result = json_pack("{so}", "paths", rows);
    answer_stamp(*result, rq, &sc);
    return 0;
}
