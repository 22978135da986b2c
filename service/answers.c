#include "service/answers.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct answers {
    pthread_mutex_t mu; /* of all that follows; taken last */
    struct {
        uid_t uid;
        json_t *record; /* immutable once it is here; NULL: free */
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
    for (size_t i = 0; i < ANSWERS_KEPT; i++)
        json_decref(a->kept[i].record);
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
    json_t *own = json_deep_copy(record); /* the request's thread goes on writing to result */
    json_decref(record);
    pthread_mutex_lock(&a->mu);
    json_t *old = a->kept[a->next].record;
    a->kept[a->next].uid = rq->who.uid;
    a->kept[a->next].record = own;
    a->next = (a->next + 1) % ANSWERS_KEPT;
    pthread_mutex_unlock(&a->mu);
    json_decref(old);
}

json_t *answers_find(struct answers *a, const struct caller *who, const char *id)
{
    json_t *found = NULL;
    pthread_mutex_lock(&a->mu);
    for (size_t i = 0; i < ANSWERS_KEPT && !found; i++) {
        const char *kept = json_string_value(json_object_get(a->kept[i].record, "answer"));
        if (kept && a->kept[i].uid == who->uid && !strcmp(kept, id))
            found = json_deep_copy(a->kept[i].record); /* jansson's counts are not for several threads */
    }
    pthread_mutex_unlock(&a->mu);
    return found;
}
