/* history: the commits behind a file or some of its lines, and who knows them. */
#include "service/method.h"

#include "base/clock.h"
#include "base/hash.h"
#include "indexer/history.h"
#include "service/history_view.h"
#include "service/jobs.h"
#include "service/place.h"
#include "service/rows.h"

#include <string.h>

#define DEFAULT_LIMIT 10

/* Waits for the history of what is asked about; once. */
static int wait_for_history(struct request *rq, const struct scope *sc, const char *ref, const char **note, struct err *e)
{
    struct txn *t;
    int rc = store_read(&t, rq->s->store, e);
    if (rc)
        return rc;
    bool whole = history_whole(t, &sc->seen[0].commit);
    txn_end(t);
    if (whole)
        return 0;
    if (repo_bundled(&sc->repo[0])) {
        *note = "the bundle has not the whole history";
        return 0;
    }
    if (!rq->s->o.config->history) {
        *note = "histories are not read (history = no): commits may be missing";
        return 0;
    }
    if (rq->history_waited || param_bool(rq, "no_wait")) {
        if (rq->wait_err.code) {
            *note = arena_fmt(&rq->arena, "the history is not complete: %s", rq->wait_err.message);
            return 0;
        }
        *note = "the history is still being read";
        return 0;
    }
    rq->history_waited = true;
    return jobs_index(rq->s, &(struct job_order){.repo = &sc->repo[0], .ref = ref}, rq, MILESTONE_HISTORY, 0, e);
}

int method_history(struct request *rq, json_t **result, struct err *e)
{
    struct scope sc;
    struct place_asked a;
    struct history_answer h;
    const char *file = param_str(rq, "place"), *ref = param_str(rq, "branch"), *note = NULL;
    if (!file)
        return err_set(e, ERR_USAGE, "the file is missing");
    int rc = scope_open_one(&sc, rq, e);
    if (rc)
        return rc;
    if (sc.repo[0].plain) {
        err_set(e, ERR_UNSUPPORTED, "%s is no git repository: it has no history", sc.repo[0].path);
        return ERR_UNSUPPORTED;
    }
    if (!sc.seen[0].oid_len)
        return err_set(e, ERR_NOT_FOUND, "%s has no commit yet", sc.repo[0].name);
    if ((rc = place_parse(&a, &rq->arena, file, e)) || (rc = wait_for_history(rq, &sc, ref, &note, e)))
        return rc;
    struct history_question q = {
        .repo = &sc.repo[0], .tip = sc.seen[0].commit, .view = sc.seen[0].view, .base = sc.seen[0].overlay ? sc.seen[0].base : VIEW_NONE,
        .path = scope_path(&rq->arena, &sc.repo[0], param_str(rq, "repo") ? NULL : param_str(rq, "dir"), a.path), .first = a.first, .last = a.last,
        .limit = (size_t)param_int(rq, "limit", DEFAULT_LIMIT), .people = rq->s->o.config->history_people};
    if ((rc = history_answer(&h, rq->s->store, &q, &rq->arena, e)))
        return rc;
    *result = history_json(&h, &sc, &q);
    if (note && !sc.note)
        sc.note = note;
    answer_stamp(*result, rq, &sc);
    return 0;
}
