#include "service/answers.h"

#include "service/permission.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct answers {
    pthread_mutex_t mu; /* of all that follows; taken last */
    struct {
        uint64_t asker; /* caller_key */
        char *id;
        char *record; /* JSON: as a tree it takes five times the room; NULL: free */
    } kept[ANSWERS_KEPT];
    size_t next;
};

struct answers *answers_new(void)
{
    struct answers *a = mem_zero(1, sizeof *a);
    pthread_mutex_init(&a->mu, NULL);
    return a;
}

void answers_free(struct answers *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < ANSWERS_KEPT; i++) {
        free(a->kept[i].id);
        free(a->kept[i].record);
    }
    pthread_mutex_destroy(&a->mu);
    free(a);
}

void answers_keep(struct answers *a, const struct request *rq, const struct scope *sc, json_t *result)
{
    const char *question = param_str(rq, "query"), *branch = param_str(rq, "branch");
    json_t *repos = json_array();
    for (size_t i = 0; i < sc->n; i++)
        json_array_append_new(repos, json_integer(sc->repo[i].id));
    json_t *record = json_pack("{sO, so, sO, sO, sO, sO, so, so}", "answer", json_object_get(result, "id"), "question",
                               json_string(question ? question : ""), "mode", json_object_get(result, "mode"), "model",
                               json_object_get(result, "model"), "freshness", json_object_get(result, "freshness"), "shown",
                               json_object_get(result, "citations"), "repos", repos, "branch", json_cstr(branch));
    size_t len;
    char *line = json_line(record, &len), *own = mem_str(line); /* without the room that it grew with */
    char *id = mem_str(json_string_value(json_object_get(result, "id")));
    free(line);
    pthread_mutex_lock(&a->mu);
    char *old = a->kept[a->next].record, *old_id = a->kept[a->next].id;
    a->kept[a->next].asker = caller_key(&rq->who);
    a->kept[a->next].id = id;
    a->kept[a->next].record = own;
    a->next = (a->next + 1) % ANSWERS_KEPT;
    pthread_mutex_unlock(&a->mu);
    free(old);
    free(old_id);
}

json_t *answers_find(struct answers *a, const struct caller *who, const char *id)
{
    char *record = NULL;
    pthread_mutex_lock(&a->mu);
    for (size_t i = 0; i < ANSWERS_KEPT && !record; i++)
        if (a->kept[i].record && a->kept[i].asker == caller_key(who) && !strcmp(a->kept[i].id, id))
            record = mem_str(a->kept[i].record);
    pthread_mutex_unlock(&a->mu);
    json_t *found = record ? json_loads(record, JSON_ALLOW_NUL, NULL) : NULL;
    free(record);
    return found;
}

static bool shows(const char *record, bool (*is)(void *arg, const struct oid *oid), void *arg)
{
    json_t *o = json_loads(record, JSON_ALLOW_NUL, NULL), *row;
    bool yes = false;
    size_t i;
    json_array_foreach(json_object_get(o, "shown"), i, row) {
        struct oid oid = {{0}};
        const char *hex = json_string_value(json_object_get(row, "blob"));
        yes |= hex && strlen(hex) <= 2 * OID_MAX && hex_to(oid.byte, hex, strlen(hex) / 2) > 0 && is(arg, &oid);
    }
    json_decref(o);
    return yes;
}

void answers_forget(struct answers *a, bool (*is)(void *arg, const struct oid *oid), void *arg)
{
    pthread_mutex_lock(&a->mu);
    for (size_t i = 0; i < ANSWERS_KEPT; i++)
        if (a->kept[i].record && shows(a->kept[i].record, is, arg)) {
            free(a->kept[i].id);
            free(a->kept[i].record);
            a->kept[i].id = a->kept[i].record = NULL;
        }
    pthread_mutex_unlock(&a->mu);
}
