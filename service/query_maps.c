#include "service/query_maps.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/train/peft.h"
#include "service/adapters.h"
#include "service/holders.h"
#include "service/permission.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STATE_KEY "adapters.embed"

/* -- state.mdb ---------------------------------------------------------------------------------------------------------------- */

static json_t *use(struct service *s)
{
    struct buf b = BUF_INIT;
    struct err e;
    json_t *o = state_get(s->store, STATE_KEY, &b, &e) ? NULL : json_loadb(b.data ? b.data : "", b.len, 0, NULL);
    buf_release(&b);
    if (!json_is_object(json_object_get(o, "now")) || !json_is_array(json_object_get(o, "before"))) {
        json_decref(o);
        o = json_pack("{s{}, s[]}", "now", "before");
    }
    return o;
}

static int put(struct service *s, json_t *o /* stolen */, struct err *e)
{
    size_t len;
    char *text = json_line(o, &len);
    int rc = state_put(s->store, STATE_KEY, text, len, e);
    free(text);
    return rc;
}

static const char *now_of(const json_t *use, uint32_t repo)
{
    char key[16];
    snprintf(key, sizeof key, "%u", repo);
    const char *name = json_string_value(json_object_get(json_object_get(use, "now"), key));
    return name && adapter_name_good(name) ? name : NULL;
}

int query_map_promote(struct service *s, const char *name, const json_t *repos, struct err *e)
{
    size_t i, changed = 0;
    json_t *id;
    if (adapter_blocked(s, name))
        return err_set(e, ERR_UNSUPPORTED, "the adapter %s has learned a content that was purged since: no question goes through it", name);
    json_t *o = use(s), *before = json_object_get(o, "before"), *now = json_deep_copy(json_object_get(o, "now"));
    json_array_foreach(repos, i, id) {
        char key[16];
        uint32_t repo = (uint32_t)json_integer_value(id);
        const char *old = now_of(o, repo);
        snprintf(key, sizeof key, "%u", repo);
        changed += !old || strcmp(old, name) != 0;
        json_object_set_new(now, key, json_string(name));
    }
    if (!changed) {
        json_decref(now);
        json_decref(o);
        return 0;
    }
    json_array_insert(before, 0, json_object_get(o, "now"));
    while (json_array_size(before) > ADAPTERS_BEFORE)
        json_array_remove(before, json_array_size(before) - 1);
    json_object_set_new(o, "now", now);
    return put(s, o, e);
}

int query_map_revert(struct service *s, struct err *e)
{
    json_t *o = use(s), *before = json_object_get(o, "before"), *last = json_array_get(before, 0);
    if (!json_object_size(json_object_get(o, "now"))) {
        json_decref(o);
        return err_set(e, ERR_NOT_FOUND, "questions go to the embedder without an adapter");
    }
    if (json_is_object(last))
        json_object_set(o, "now", last);
    else
        json_object_set_new(o, "now", json_object());
    json_array_remove(before, 0);
    return put(s, o, e);
}

static void leave_out(json_t *now, const char *name)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(now, next, key, value)
        if (json_is_string(value) && !strcmp(json_string_value(value), name))
            json_object_del(now, key);
}

int query_map_forget(struct service *s, const char *name, struct err *e)
{
    json_t *o = use(s), *one;
    size_t i;
    leave_out(json_object_get(o, "now"), name);
    json_array_foreach(json_object_get(o, "before"), i, one)
        leave_out(one, name);
    return put(s, o, e);
}

json_t *query_maps_now(struct service *s, const struct repo_row *repo, size_t n)
{
    json_t *o = use(s), *out = json_object();
    for (size_t i = 0; i < n; i++) {
        const char *name = now_of(o, repo[i].id);
        if (name && !adapter_blocked(s, name))
            json_object_set_new(out, repo[i].name, json_string(name));
    }
    json_decref(o);
    return out;
}

/* -- those that were read ----------------------------------------------------------------------------------------------------- */

struct kept {
    char name[ADAPTER_NAME_MAX + 1];
    uint8_t base[32];
    int64_t mtime_ns;     /* of the file: one that was written anew is read anew */
    struct query_map *map; /* NULL: it could not be read */
    uint64_t used;        /* when, by clock; 0: an empty place */
};
struct query_maps {
    pthread_mutex_t lock;
    struct kept kept[QUERY_MAPS_KEPT];
    uint64_t clock;
};

struct query_maps *query_maps_new(void)
{
    struct query_maps *m = mem_zero(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void query_maps_free(struct query_maps *m)
{
    if (!m)
        return;
    for (int i = 0; i < QUERY_MAPS_KEPT; i++)
        query_map_drop(m->kept[i].map);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* The place of that name, else the one that was used least lately. */
static struct kept *place_of(struct query_maps *m, const char *name)
{
    struct kept *least = &m->kept[0];
    for (int i = 0; i < QUERY_MAPS_KEPT; i++) {
        if (!strcmp(m->kept[i].name, name))
            return &m->kept[i];
        if (m->kept[i].used < least->used)
            least = &m->kept[i];
    }
    return least;
}

static void fill(struct kept *k, const char *folder, const struct model_info *info)
{
    struct peft_base base = {.name = info->name};
    struct err e = {0};
    memcpy(base.hash, info->hash, sizeof base.hash);
    int rc = query_map_read(&k->map, folder, &base, &e);
    if (!rc && k->map->dim != info->dim) {
        query_map_drop(k->map);
        k->map = NULL;
        rc = err_set(&e, ERR_FORMAT, "%s/" QUERY_MAP_FILE " is of another dimension than the embedder", folder);
    }
    if (rc)
        log_err(LOG_WARN, "questions go without their adapter", &e);
}

/* Read under the lock: a millisecond, once. NULL: it cannot be read, which the log tells once for each state of the file. */
static struct query_map *take(struct service *s, const char *name, const struct model_info *info)
{
    struct query_maps *m = s->query_maps;
    struct stat st = {0};
    struct buf path = BUF_INIT;
    char *folder = adapter_folder(s, name);
    buf_addf(&path, "%s/" QUERY_MAP_FILE, folder);
    int64_t mtime = stat(path.data, &st) ? 0 : (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    pthread_mutex_lock(&m->lock);
    struct kept *k = place_of(m, name);
    if (strcmp(k->name, name) || k->mtime_ns != mtime || memcmp(k->base, info->hash, sizeof info->hash)) {
        query_map_drop(k->map);
        *k = (struct kept){.mtime_ns = mtime};
        memcpy(k->base, info->hash, sizeof k->base);
        snprintf(k->name, sizeof k->name, "%s", name);
        fill(k, folder, info);
    }
    k->used = ++m->clock;
    struct query_map *map = k->map;
    if (map)
        query_map_hold(map);
    pthread_mutex_unlock(&m->lock);
    buf_release(&path);
    free(folder);
    return map;
}

/* -- of a request ------------------------------------------------------------------------------------------------------------- */

struct query_map *query_map_for(const struct request *rq, const struct scope *sc, const struct embedder *model)
{
    struct service *s = rq->s;
    if (model->role != ROLE_EMBED || !sc->n)
        return NULL;
    json_t *o = use(s);
    const char *name = now_of(o, sc->repo[0].id);
    for (size_t i = 1; i < sc->n && name; i++) {
        const char *other = now_of(o, sc->repo[i].id);
        name = other && !strcmp(other, name) ? name : NULL;
    }
    struct query_map *map = name && adapter_may_serve(rq, name, ROLE_EMBED) ? take(s, name, model_info(model->model)) : NULL;
    json_decref(o);
    return map;
}
