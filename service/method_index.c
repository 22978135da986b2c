/* index: brings what was asked for in, and returns when words, symbols and vectors are there. */
#include "service/method.h"

#include "service/jobs.h"
#include "service/scope.h"

static json_t *row_json(struct request *rq, const struct repo_row *repo, const char *ref)
{
    struct service *s = rq->s;
    struct seen seen;
    json_t *row = json_pack("{so, so}", "repo", json_cstr(repo->name), "path", json_cstr(repo->path));
    if (!view_lookup(&seen, s, repo, ref, NULL)) {
        json_object_set_new(row, "files", json_integer(seen.files));
        json_object_set_new(row, "bytes", json_integer((json_int_t)seen.bytes));
        json_object_set_new(row, "freshness", freshness_json(rq, repo, &seen));
    }
    return row;
}

int method_index(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    struct repo_row *row;
    size_t n;
    const char *ref = param_str(rq, "branch");
    bool all = param_bool(rq, "all_branches");
    if (ref && all)
        return err_set(e, ERR_USAGE, "--branch and --all-branches exclude each other");
    int rc = scope_repos(&row, &n, rq, &(struct scope_rules){.add = true, .add_plain = true}, e);
    if (rc)
        return rc;
    if (ref) { /* a wrong name is told now, not by a job */
        struct buf name = BUF_INIT;
        for (size_t i = 0; i < n && !rc; i++)
            rc = repo_ref_name(&name, &row[i], ref, e);
        buf_release(&name);
        if (rc)
            return rc;
    }
    bool wait = !param_bool(rq, "no_wait");
    const char *note = NULL;
    for (size_t i = 0; i < n; i++) {
        struct job_order o = {.repo = &row[i], .ref = ref, .all_branches = all, .anew = true, .retry = true, .durable = true};
        if (i < rq->nwaited) { /* back from waiting for it */
            if (i + 1 == rq->nwaited && rq->wait_err.code) {
                struct seen seen;
                if (view_lookup(&seen, s, &row[i], ref, NULL) || rq->wait_err.code == ERR_CANCELED || rq->wait_err.code == ERR_STOPPING) {
                    *e = rq->wait_err;
                    return e->code;
                }
                note = arena_str(&rq->arena, rq->wait_err.message);
            }
            continue;
        }
        if (wait && rq->nwaited < sizeof rq->waited / sizeof *rq->waited) {
            rq->waited[rq->nwaited++] = row[i].id;
            return jobs_index(s, &o, rq, MILESTONE_EMBEDDED, 0, e);
        }
        if ((rc = jobs_index(s, &o, NULL, MILESTONE_INDEXED, 0, e)))
            return rc;
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(rows, row_json(rq, &row[i], ref));
    *result = json_pack("{so, sb}", "repos", rows, "waited", wait);
    if (note)
        json_object_set_new(*result, "note", json_cstr(note));
    return 0;
}
