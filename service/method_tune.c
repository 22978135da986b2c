/* tune: makes an adapter out of what is indexed, measures it, and uses it where it is better. eval: measures one that is there. */
#include "service/method.h"

#include "base/file.h"
#include "base/mem.h"
#include "service/adapters.h"
#include "service/jobs.h"
#include "service/permission.h"
#include "service/query_maps.h"
#include "service/scope.h"
#include "service/tuning.h"

#include <stdlib.h>
#include <string.h>

/* The repositories of the request, indexed with their history, for an embedder with their vectors; RUN_PARKED while they are not. */
static int scope(struct repo_row **rows, size_t *n, struct request *rq, bool embedder, struct err *e)
{
    int rc = scope_repos(rows, n, rq, &(struct scope_rules){.add = true}, e);
    size_t most = sizeof rq->waited / sizeof *rq->waited - 1; /* one is for the adapter itself */
    for (size_t i = 0; i < *n && i < most && !rc; i++) {
        if (i < rq->nwaited) {
            if (i + 1 == rq->nwaited && rq->wait_err.code) {
                *e = rq->wait_err;
                return e->code;
            }
            continue;
        }
        struct job_order o = {.repo = &(*rows)[i], .durable = true};
        rq->waited[rq->nwaited++] = (*rows)[i].id;
        return jobs_index(rq->s, &o, rq, embedder ? MILESTONE_EMBEDDED : MILESTONE_HISTORY, 0, e);
    }
    return rc;
}

static size_t waits(size_t repos)
{
    const struct request *rq = NULL;
    size_t most = sizeof rq->waited / sizeof *rq->waited - 1;
    return repos < most ? repos : most;
}

static int begin(struct request *rq, const struct tuning_wish *w, json_t **result, struct err *e)
{
    bool wait = !param_bool(rq, "no_wait");
    if (wait)
        rq->waited[rq->nwaited++] = 0;
    int rc = tunings_start(rq->s, w, wait ? rq : NULL, e);
    if (!rc)
        *result = tunings_json(rq->s);
    return rc;
}

/* Back from waiting: what it ended with is told by the job itself, a failure as such. */
static int ended(struct request *rq, json_t **result, struct err *e)
{
    if (rq->wait_err.code && rq->wait_err.code != ERR_CANCELED) {
        *e = rq->wait_err;
        return e->code;
    }
    *result = tunings_json(rq->s);
    return 0;
}

static int control(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    char *now = NULL;
    int rc = 0;
    if (param_bool(rq, "stop") && (rc = tunings_stop(s, e)))
        return rc;
    if (param_bool(rq, "revert")) {
        if (param_bool(rq, "embedder")) {
            if (!(rc = query_map_revert(s, e)))
                *result = json_pack("{ss, ss}", "state", "reverted", "role", models_role(ROLE_EMBED));
            return rc;
        }
        if ((rc = adapter_revert(&now, s, e)))
            return rc;
        *result = json_pack("{ss, so}", "state", "reverted", "adapter", *now ? json_cstr(now) : json_null());
        free(now);
        return 0;
    }
    if (param_bool(rq, "stop") && rq->nwaited == 0 && !param_bool(rq, "no_wait")) {
        rq->waited[rq->nwaited++] = 0;
        if (tunings_wait(s, rq))
            return RUN_PARKED;
    }
    *result = tunings_json(s);
    now = adapter_now(s);
    json_object_set_new(*result, "in_use", *now ? json_cstr(now) : json_null());
    free(now);
    struct repo_row *rows = NULL;
    size_t n = 0;
    if (!readable_repos(&rows, &n, rq, NULL))
        json_object_set_new(*result, "in_use_embedder", query_maps_now(s, rows, n));
    state_repos_free(rows, n);
    return 0;
}

int method_tune(struct request *rq, json_t **result, struct err *e)
{
    struct repo_row *rows;
    size_t n = 0;
    int controls = param_bool(rq, "status") + param_bool(rq, "stop") + param_bool(rq, "revert") + param_bool(rq, "resume");
    const char *name = param_str(rq, "name");
    if (controls > 1)
        return err_set(e, ERR_USAGE, "--status, --stop, --revert and --resume exclude each other");
    if (param_bool(rq, "resume")) {
        if (rq->nwaited)
            return ended(rq, result, e);
        bool wait = !param_bool(rq, "no_wait");
        rq->nwaited += wait;
        int rc = tunings_continue(rq->s, wait ? rq : NULL, e);
        if (!rc)
            *result = tunings_json(rq->s);
        return rc;
    }
    if (controls && rq->nwaited) { /* the stop is done */
        *result = tunings_json(rq->s);
        return 0;
    }
    if (controls)
        return control(rq, result, e);
    if (name && !adapter_name_good(name))
        return err_set(e, ERR_USAGE, "%.100s: a name is at most %d letters, digits, '-', '_' and '.'", name, ADAPTER_NAME_MAX);
    int rc = scope(&rows, &n, rq, param_bool(rq, "embedder"), e);
    if (rc)
        return rc;
    if (rq->nwaited > waits(n))
        return ended(rq, result, e);
    if (name) {
        char *folder = adapter_folder(rq->s, name);
        if (dir_exists(folder)) {
            rc = err_set(e, ERR_USAGE, "an adapter called %s is there already", name);
            err_hint(e, "codeask tune --resume goes on with one that was stopped; --name gives another name");
        }
        free(folder);
        if (rc)
            return rc;
    }
    struct tuning_wish w = {.name = name, .repo = rows, .repos = n, .rank = (uint32_t)param_int(rq, "rank", 0), .steps = (uint32_t)param_int(rq, "steps", 0),
                            .epochs = (double)param_int(rq, "epochs", 1), .records = (uint32_t)param_int(rq, "records", 0),
                            .context = (uint32_t)param_int(rq, "context", 0), .seed = (uint64_t)param_int(rq, "seed", 1),
                            .promote = !param_bool(rq, "no_use"), .embedder = param_bool(rq, "embedder")};
    return begin(rq, &w, result, e);
}

static bool embeds(const char *folder)
{
    struct buf path = BUF_INIT;
    buf_addf(&path, "%s/" QUERY_MAP_FILE, folder);
    bool yes = file_exists(path.data);
    buf_release(&path);
    return yes;
}

int method_eval(struct request *rq, json_t **result, struct err *e)
{
    struct repo_row *rows;
    size_t n = 0;
    const char *name = param_str(rq, "name");
    char *now = name ? NULL : adapter_now(rq->s);
    name = name ? name : arena_str(&rq->arena, now);
    free(now);
    if (!*name) {
        err_set(e, ERR_NOT_FOUND, "answers are written without an adapter: there is nothing to measure");
        err_hint(e, "codeask eval NAME measures one in adapters/ of the home; codeask tune makes one");
        return ERR_NOT_FOUND;
    }
    if (!adapter_name_good(name))
        return err_set(e, ERR_USAGE, "%.100s: a name of a folder in adapters/ of the home is wanted", name);
    json_t *lineage = adapter_lineage(rq->s, name); /* as it was measured when it was made */
    int64_t context = json_integer_value(json_object_get(lineage, "context"));
    json_decref(lineage);
    char *folder = adapter_folder(rq->s, name);
    int rc = dir_exists(folder) ? scope(&rows, &n, rq, embeds(folder), e) : err_set(e, ERR_NOT_FOUND, "no adapter is called %s", name);
    if (!rc && rq->nwaited > waits(n))
        rc = ended(rq, result, e);
    else if (!rc) {
        struct tuning_wish w = {.name = name, .repo = rows, .repos = n, .seed = (uint64_t)param_int(rq, "seed", 1), .records = (uint32_t)param_int(rq, "records", 0),
                                .context = (uint32_t)param_int(rq, "context", context), .adapter = folder, .promote = param_bool(rq, "use"), .embedder = embeds(folder)};
        rc = begin(rq, &w, result, e);
    }
    free(folder);
    return rc;
}
