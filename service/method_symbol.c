/* symbol: where a name is defined, who uses it. */
#include "service/method.h"

#include "service/rows.h"

#include <string.h>

#define DEFAULT_LIMIT 50

static const struct {
    const char *param, *key;
    unsigned want;
} lists[4] = {
    {NULL, "definitions", WANT_DEFINITIONS},
    {"callers", "callers", WANT_CALLERS},
    {"callees", "callees", WANT_CALLEES},
    {"references", "references", WANT_REFERENCES},
};

int method_symbol(struct request *rq, json_t **result, struct err *e)
{
    struct scope sc;
    struct symbol_result r = {0};
    const char *name = param_str(rq, "name");
    unsigned want = 0;
    if (!name)
        return err_set(e, ERR_USAGE, "the name is missing");
    for (int i = 1; i < 4; i++)
        if (param_bool(rq, lists[i].param))
            want |= lists[i].want;
    if (!want || param_bool(rq, "definitions"))
        want |= WANT_DEFINITIONS;
    if (param_bool(rq, "exact"))
        want |= WANT_EXACT;
    if (param_bool(rq, "count"))
        want |= WANT_COUNTS;
    int rc = scope_open(&sc, rq, e);
    if (rc)
        return rc;
    rc = symbol_lookup(&r, rq->s->retriever, name, want, sc.target, sc.n, (uint32_t)param_int(rq, "limit", DEFAULT_LIMIT),
                       &rq->arena, e);
    if (rc)
        return rc;
    *result = json_pack("{so}", "symbol", json_cstr(r.matched ? r.matched : name));
    if (r.matched && strcmp(r.matched, name))
        json_object_set_new(*result, "asked", json_cstr(name));
    json_t *found = json_object();
    for (int i = 0; i < 4; i++)
        if (want & lists[i].want) {
            json_object_set_new(*result, lists[i].key, hits_json(&sc, r.list[i], r.n[i]));
            json_object_set_new(found, lists[i].key, json_integer((json_int_t)r.found[i]));
        }
    json_object_set_new(*result, "found", found);
    answer_stamp(*result, rq, &sc);
    return 0;
}
