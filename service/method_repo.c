/* repo add, remove, list: what is known. */
#include "service/method.h"

#include "base/uri.h"
#include "service/jobs.h"
#include "service/mirrors.h"
#include "service/models.h"
#include "service/permission.h"
#include "service/pins.h"
#include "service/scope.h"

#include <stdlib.h>
#include <string.h>

static json_t *row_json(struct request *rq, const struct repo_row *r)
{
    struct service *s = rq->s;
    struct seen seen;
    json_t *row = json_pack("{so, so, sb}", "repo", json_cstr(r->name), "path", json_cstr(r->path), "plain", r->plain);
    json_t *mirror = mirror_json(s, r->id, rq->who.local);
    if (mirror)
        json_object_set_new(row, "mirror", mirror);
    if (rq->who.local)
        json_object_set_new(row, "pinned", json_boolean(repo_pinned(s, r->id)));
    bool in = !view_lookup(&seen, s, r, NULL, NULL);
    json_object_set_new(row, "freshness", in ? freshness_json(rq, r, &seen) : json_null());
    if (in) {
        json_object_set_new(row, "files", json_integer(seen.files));
        json_object_set_new(row, "bytes", json_integer((json_int_t)seen.bytes));
    }
    return row;
}

/* By URL: parked until it was fetched for the first time. */
static int add_url(struct request *rq, json_t **result, const char *url, struct err *e)
{
    struct repo_row row;
    bool wait = !param_bool(rq, "no_wait");
    if (rq->nwaited && rq->wait_err.code) {
        *e = rq->wait_err;
        if (!e->hint[0])
            err_hint(e, "it stays in the list and is tried again (codeask status); codeask repo remove takes it out");
        return e->code;
    }
    int rc = mirrors_add(&row, rq->s, url, param_str(rq, "credentials"), param_str(rq, "branches"), param_bool(rq, "local_only"), wait ? rq : NULL, e);
    if (rc)
        return rc;
    *result = row_json(rq, &row);
    repo_row_release(&row);
    return 0;
}

int method_repo_add(struct request *rq, json_t **result, struct err *e)
{
    struct repo_row *row;
    size_t n;
    json_t *dir = json_object_get(rq->params, "dir");
    if (!dir)
        return err_set(e, ERR_USAGE, "dir is missing");
    if (uri_remote(json_string_value(dir)))
        return add_url(rq, result, json_string_value(dir), e);
    if (param_str(rq, "credentials") || param_str(rq, "branches"))
        return err_set(e, ERR_USAGE, "--credentials and --branches belong to a URL");
    int rc = scope_repos(&row, &n, rq, &(struct scope_rules){.add = true, .add_plain = true, .any_owner = true}, e);
    if (rc)
        return rc;
    struct job_order o = {.repo = row, .durable = true};
    if (param_bool(rq, "local_only") && (rc = repo_pin(rq->s, row->id, true, e)))
        return rc;
    if ((rc = jobs_index(rq->s, &o, NULL, MILESTONE_INDEXED, 0, e)))
        return rc;
    *result = row_json(rq, row);
    return 0;
}

int method_repo_remove(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    struct repo_row *rows = NULL;
    size_t n = 0, i = 0;
    const char *name = param_str(rq, "name");
    if (!name)
        return err_set(e, ERR_USAGE, "the name is missing");
    int rc = state_repos(s->store, &rows, &n, e);
    if (rc)
        return rc;
    while (i < n && strcmp(rows[i].name, name) && strcmp(rows[i].path, name))
        i++;
    if (i == n) {
        rc = err_set(e, ERR_NOT_FOUND, "no repository is called %.200s", name);
        err_hint(e, "`codeask repo list` shows the names");
    } else {
        rc = mirrors_forget(s, &rows[i], e);
        jobs_forget(s, rows[i].id);
        if (!rc && !(rc = index_remove(s->indexer, rows[i].id, e)) && !(rc = state_repo_remove(s->store, rows[i].id, e)))
            *result = json_pack("{so, so}", "repo", json_cstr(rows[i].name), "path", json_cstr(rows[i].path));
        models_forget(s, NULL);
        jobs_sweep_soon(s);
    }
    state_repos_free(rows, n);
    return rc;
}

int method_repo_pin(struct request *rq, json_t **result, struct err *e)
{
    struct repo_row *rows = NULL;
    size_t n = 0, i = 0;
    const char *name = param_str(rq, "name"), *where = param_str(rq, "where");
    if (!name || !where || (strcmp(where, "local") && strcmp(where, "anywhere")))
        return err_set(e, ERR_USAGE, "a name, then local or anywhere");
    int rc = state_repos(rq->s->store, &rows, &n, e);
    while (!rc && i < n && strcmp(rows[i].name, name))
        i++;
    if (!rc && i == n) {
        rc = err_set(e, ERR_NOT_FOUND, "no repository is called %.200s", name);
        err_hint(e, "`codeask repo list` shows the names");
    }
    if (!rc && !(rc = repo_pin(rq->s, rows[i].id, !strcmp(where, "local"), e))) {
        jobs_embed(rq->s, &rows[i], NULL); /* another model embeds it from now on */
        *result = json_pack("{so, ss}", "repo", json_cstr(rows[i].name), "where", where);
    }
    state_repos_free(rows, n);
    return rc;
}

int method_repo_list(struct request *rq, json_t **result, struct err *e)
{
    struct repo_row *rows = NULL;
    size_t n = 0;
    int rc = readable_repos(&rows, &n, rq, e);
    if (rc)
        return rc;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, row_json(rq, &rows[i]));
    state_repos_free(rows, n);
    *result = json_pack("{so}", "repos", list);
    return 0;
}
