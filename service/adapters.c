#include "service/adapters.h"

#include "base/clock.h"
#include "base/mem.h"
#include "service/holders.h"
#include "service/models.h"
#include "service/permission.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define STATE_KEY "adapters"
#define LINEAGE_KEY "adapter/"

bool adapter_name_good(const char *name)
{
    size_t n = strlen(name);
    bool good = n > 0 && n <= ADAPTER_NAME_MAX && *name != '.';
    for (size_t i = 0; i < n; i++)
        good &= isalnum((unsigned char)name[i]) || strchr("-_.", name[i]) != NULL;
    return good;
}

char *adapter_folder(const struct service *s, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/adapters/%s", s->o.paths->home, name);
    return buf_take(&b);
}

/* -- state.mdb ------------------------------------------------------------------------------------------------------------------ */

static json_t *get(struct service *s, const char *key)
{
    struct buf b = BUF_INIT;
    struct err e;
    json_t *o = state_get(s->store, key, &b, &e) ? NULL : json_loadb(b.data ? b.data : "", b.len, 0, NULL);
    buf_release(&b);
    return o;
}

static int put(struct service *s, const char *key, json_t *o /* stolen */, struct err *e)
{
    size_t len;
    char *text = json_line(o, &len);
    int rc = state_put(s->store, key, text, len, e);
    free(text);
    return rc;
}

static json_t *use(struct service *s)
{
    json_t *o = get(s, STATE_KEY);
    if (!json_is_array(json_object_get(o, "before"))) {
        json_decref(o);
        o = json_pack("{sn, s[]}", "now", "before");
    }
    return o;
}

int adapter_note(struct service *s, const char *name, const uint32_t *repo, size_t repos, enum model_role role, const char *model, uint32_t context,
                 struct err *e)
{
    struct buf key = BUF_INIT;
    json_t *ids = json_array();
    for (size_t i = 0; i < repos; i++)
        json_array_append_new(ids, json_integer(repo[i]));
    buf_addf(&key, LINEAGE_KEY "%s", name);
    int rc = put(s, key.data, json_pack("{so, ss, so, sI, sI}", "repos", ids, "role", models_role(role), "model", json_cstr(model),
                                      "context", (json_int_t)context, "made", (json_int_t)(clock_wall_ns() / 1000000000)), e);
    buf_release(&key);
    return rc;
}

json_t *adapter_lineage(struct service *s, const char *name)
{
    struct buf key = BUF_INIT;
    buf_addf(&key, LINEAGE_KEY "%s", name);
    json_t *o = get(s, key.data);
    buf_release(&key);
    return o;
}

char *adapter_now(struct service *s)
{
    json_t *o = use(s);
    const char *now = json_string_value(json_object_get(o, "now"));
    char *name = mem_str(now && adapter_name_good(now) ? now : "");
    json_decref(o);
    return name;
}

int adapter_promote(struct service *s, const char *name, struct err *e)
{
    if (adapter_blocked(s, name))
        return err_set(e, ERR_UNSUPPORTED, "the adapter %s has learned a content that was purged since: no model writes with it", name);
    json_t *o = use(s), *before = json_object_get(o, "before"), *now = json_object_get(o, "now");
    if (json_is_string(now) && !strcmp(json_string_value(now), name)) {
        json_decref(o);
        return 0;
    }
    json_array_insert(before, 0, now ? now : json_null());
    while (json_array_size(before) > ADAPTERS_BEFORE)
        json_array_remove(before, json_array_size(before) - 1);
    json_object_set_new(o, "now", json_string(name));
    return put(s, STATE_KEY, o, e);
}

int adapter_revert(char **now, struct service *s, struct err *e)
{
    json_t *o = use(s), *before = json_object_get(o, "before"), *last = json_array_get(before, 0);
    if (!json_is_string(json_object_get(o, "now"))) {
        json_decref(o);
        return err_set(e, ERR_NOT_FOUND, "answers are written without an adapter");
    }
    *now = mem_str(json_is_string(last) ? json_string_value(last) : "");
    json_object_set(o, "now", last ? last : json_null());
    json_array_remove(before, 0);
    int rc = put(s, STATE_KEY, o, e);
    if (rc) {
        free(*now);
        *now = NULL;
    }
    return rc;
}

/* -- permission ------------------------------------------------------------------------------------------------------------------- */

bool adapter_may_serve(const struct request *rq, const char *name, enum model_role role)
{
    struct service *s = rq->s;
    json_t *lineage = adapter_lineage(s, name), *id;
    struct repo_row *rows = NULL;
    size_t n = 0, i;
    char *model = models_name(s, role);
    const char *of = json_string_value(json_object_get(lineage, "model"));
    bool may = of && !strcmp(of, model) && !adapter_blocked(s, name) && (rq->who.local || !readable_repos(&rows, &n, rq, NULL));
    json_array_foreach(json_object_get(lineage, "repos"), i, id) {
        bool reads = rq->who.local;
        for (size_t k = 0; k < n && !reads; k++)
            reads = rows[k].id == (uint32_t)json_integer_value(id);
        may &= reads;
    }
    state_repos_free(rows, n);
    json_decref(lineage);
    free(model);
    return may;
}

char *adapter_for(const struct request *rq)
{
    char *name = adapter_now(rq->s);
    char *folder = *name && adapter_may_serve(rq, name, ROLE_ANSWER) ? adapter_folder(rq->s, name) : NULL;
    free(name);
    return folder;
}

int adapter_forget(struct service *s, const char *name, struct err *e)
{
    json_t *o = use(s), *before = json_object_get(o, "before"), *now = json_object_get(o, "now");
    for (size_t i = json_array_size(before); i-- > 0;) {
        const char *old = json_string_value(json_array_get(before, i));
        if (old && !strcmp(old, name))
            json_array_remove(before, i);
    }
    if (json_is_string(now) && !strcmp(json_string_value(now), name))
        json_object_set_new(o, "now", json_null());
    return put(s, STATE_KEY, o, e);
}
