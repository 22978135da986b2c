/* purge: a content goes out of the home for good (purge.h). Over the network for administrators, and there only what a repository that they may read
 * has. */
#include "service/method.h"

#include "base/hash.h"
#include "base/mem.h"
#include "service/holders.h"
#include "service/jobs.h"
#include "service/permission.h"
#include "service/scope.h"
#include "store/purge.h"

#include <stdlib.h>
#include <string.h>

#define PLACES_SHOWN 100
#define HASH_DIGITS 40

/* -- where it stands ---------------------------------------------------------------------------------------------------------- */

struct search {
    struct txn *t;
    const struct oid *oid;
    const struct repo_row *repo; /* those that the asker may read */
    size_t n;
    const struct repo_row *at;   /* of the view that is looked at */
    json_t *places, *seen;
    struct err *e;
};

static int add_place(void *arg, const struct occ *o)
{
    struct search *x = arg;
    if (o->flags & OCC_DELETED || memcmp(&o->oid, x->oid, sizeof o->oid))
        return 0;
    json_t *row = json_pack("{so, so}", "repo", json_cstr(x->at->name), "path", json_text(o->path.p, o->path.n));
    char *key = json_dumps(row, JSON_COMPACT);
    if (!json_object_get(x->seen, key) && json_array_size(x->places) < PLACES_SHOWN)
        json_array_append(x->places, row);
    json_object_set_new(x->seen, key, json_true());
    free(key);
    json_decref(row);
    return 0;
}

static int look_in_view(void *arg, const struct view_head *h)
{
    struct search *x = arg;
    for (size_t i = 0; i < x->n; i++)
        if (x->repo[i].id == h->repo) {
            x->at = &x->repo[i];
            return occ_rows(x->t, h->id, add_place, x, x->e);
        }
    return 0;
}

/* Every path of it in any view of these repositories, the first PLACES_SHOWN of them. */
static int places(json_t **out, struct service *s, const struct repo_row *repo, size_t n, const struct oid *oid, struct err *e)
{
    struct search x = {.oid = oid, .repo = repo, .n = n, .places = json_array(), .seen = json_object(), .e = e};
    int rc = store_read(&x.t, s->store, e);
    if (!rc) {
        rc = views_each(x.t, look_in_view, &x, e);
        txn_end(x.t);
    }
    json_decref(x.seen);
    *out = x.places;
    return rc;
}

/* -- which content is meant ----------------------------------------------------------------------------------------------------- */

static bool hash_of(struct oid *out, const char *text)
{
    *out = (struct oid){{0}};
    return strlen(text) == HASH_DIGITS && hex_to(out->byte, text, HASH_DIGITS / 2) == HASH_DIGITS / 2;
}

/* The content that the file has now, saved or not committed. RUN_PARKED while the repository is compared. */
static int content_of(struct oid *out, struct request *rq, const char *path, struct err *e)
{
    struct scope sc;
    struct txn *t;
    struct search_hit h;
    if (!rq->who.local)
        return err_set(e, ERR_USAGE, "over the network a content is named by its git hash, in %d hexadecimal digits", HASH_DIGITS);
    int rc = scope_open_one(&sc, rq, e);
    if (!rc && !rq->purge_looked && !repo_bundled(&sc.repo[0])) { /* a look that is seconds old is no good: the wrong content would go */
        rq->purge_looked = true;
        return jobs_index(rq->s, &(struct job_order){.repo = &sc.repo[0], .anew = true}, rq, MILESTONE_INDEXED, 0, e);
    }
    if (!rc && rq->wait_err.code) {
        *e = rq->wait_err;
        return e->code;
    }
    if (rc || (rc = store_read(&t, rq->s->store, e)))
        return rc;
    rc = scope_file(&h, t, &sc, &rq->arena, param_str(rq, "dir"), path, e);
    txn_end(t);
    if (!rc)
        *out = h.oid;
    if (rc == ERR_NOT_FOUND) {
        err_set(e, rc, "%.300s: %s has no such file", path, sc.n ? sc.repo[0].name : "this repository");
        err_hint(e, "a file of the repository around the directory, or the git hash of a content: git hash-object FILE");
    }
    return rc;
}

static int resolve(struct oid *out, bool *ask, struct request *rq, struct err *e)
{
    const char *blob = param_str(rq, "blob");
    char hex[HASH_DIGITS + 1];
    *ask = false;
    if (!blob)
        return err_set(e, ERR_USAGE, "the content is missing: its git hash, or a file that has it");
    if (hash_of(out, blob))
        return 0;
    int rc = content_of(out, rq, blob, e);
    if (rc)
        return rc;
    hex_of(hex, out->byte, HASH_DIGITS / 2);
    *ask = !param_bool(rq, "yes");
    json_object_set_new(rq->params, "blob", json_string(hex)); /* the file may be another one when the request goes on */
    return 0;
}

/* -- what came of it -------------------------------------------------------------------------------------------------------------- */

static int answer(json_t **result, struct request *rq, const struct oid *oid, bool done, struct err *e)
{
    struct service *s = rq->s;
    struct repo_row *repo = NULL;
    struct purge_row row = {0};
    json_t *at = NULL, *list = json_array();
    size_t n = 0;
    char hex[HASH_DIGITS + 1];
    hex_of(hex, oid->byte, HASH_DIGITS / 2);
    int rc = readable_repos(&repo, &n, rq, e);
    if (!rc)
        rc = places(&at, s, repo, n, oid, e);
    if (!rc && !done && !rq->who.local && !json_array_size(at))
        rc = err_set(e, ERR_NOT_FOUND, "no repository that you may read has a content %s", hex);
    if (!rc && done)
        rc = purge_get(s->store, oid, &row, e);
    if (!rc)
        rc = holders_list(list, s, repo, n, oid, e);
    if (!rc)
        *result = json_pack("{ss, sb, sO, sO}", "blob", hex, "purged", done, "places", at, "holders", list);
    if (!rc && done && rq->who.local) /* the same counts would tell others of repositories that they may not read */
        json_object_update_new(*result, json_pack("{sI, sI, sI}", "contents", (json_int_t)row.contents, "paths", (json_int_t)row.places, "quotes",
                                                  (json_int_t)row.quotes));
    json_decref(at);
    json_decref(list);
    state_repos_free(repo, n);
    return rc;
}

int method_purge(struct request *rq, json_t **result, struct err *e)
{
    struct oid oid;
    struct purge_row row;
    bool ask;
    int rc = resolve(&oid, &ask, rq, e);
    if (rc)
        return rc;
    if (!rq->purge_waited) {
        if ((rc = answer(result, rq, &oid, false, e)) || ask)
            return rc;
        json_decref(*result);
        *result = NULL;
        if ((rc = purge_add(rq->s->store, &oid, e)))
            return rc;
        rq->purge_waited = true;
        return jobs_purge(rq->s, rq, e);
    }
    if (rq->wait_err.code) {
        *e = rq->wait_err;
        err_hint(e, "it is begun again by itself, and at the next start; nothing is made of that content any more");
        return e->code;
    }
    if ((rc = purge_get(rq->s->store, &oid, &row, e)))
        return rc;
    /* one that came while another was on its way */
    return row.done_ns ? answer(result, rq, &oid, true, e) : jobs_purge(rq->s, rq, e);
}
