/* feedback: what the asker thinks of an answer, and where the right place is; kept for evaluation and tuning.
 *
 * A row of state.mdb's table feedback is what answers_find gives, and: "ts" ms of the wall clock, "verdict" "good" or "bad",
 * "asker" uid of the owner or name of a user, "expected" null or {"repo","commit","blob","path","start_line","end_line"}. Rows name their contents by
 * blob, so that a purge finds them. */
#include "service/method.h"

#include "base/clock.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "indexer/language.h"
#include "service/answers.h"
#include "service/permission.h"
#include "service/place.h"
#include "service/rows.h"
#include "store/feedback.h"

#include <stdlib.h>
#include <string.h>

static int one_line(struct place_asked *out, struct arena *arena, const char *text, struct err *e)
{
    if (!place_parse(out, arena, text, NULL) && out->first && out->first == out->last && out->path[0])
        return 0;
    err_set(e, ERR_USAGE, "expected: PATH:LINE is wanted, not %.200s", text);
    err_hint(e, "for example --expected src/retry.c:120");
    return ERR_USAGE;
}

/* The place as a row of the contract; the path as from dir, else as from the repository's root. */
static int look_up(json_t **row, const struct place_asked *want, struct request *rq, const struct repo_row *repo, const char *branch,
                   struct err *e)
{
    struct seen seen;
    struct txn *t;
    struct search_hit hit;
    struct buf text = BUF_INIT;
    int rc = view_lookup(&seen, rq->s, repo, branch, e);
    if (rc || (rc = store_read(&t, rq->s->store, e)))
        return rc;
    struct search_target target = {.repo = repo, .view = seen.view, .commit = seen.commit, .oid_len = seen.oid_len};
    const struct scope sc = {.target = &target, .seen = &seen, .n = 1};
    rc = scope_file(&hit, t, &sc, &rq->arena, param_str(rq, "dir"), want->path, NULL);
    if (!rc && hit.cut != CUT_NONE)
        cut_text(t, hit.cut, &text, NULL);
    uint32_t lines = line_count((struct str){text.data ? text.data : "", text.len});
    if (!rc && want->first > lines)
        rc = err_set(e, ERR_USAGE, "%s has %u lines", want->path, lines);
    else if (!rc)
        *row = place_json(&sc, &hit, want->first, want->first);
    buf_release(&text);
    txn_end(t);
    return rc;
}

static int expected_place(json_t **row, struct request *rq, json_t *answer, struct err *e)
{
    const char *text = param_str(rq, "expected"), *branch = json_string_value(json_object_get(answer, "branch"));
    struct repo_row *rows = NULL;
    struct place_asked want;
    size_t n = 0, i;
    json_t *id;
    *row = json_null();
    if (!text)
        return 0;
    int rc = one_line(&want, &rq->arena, text, e);
    if (rc || (rc = readable_repos(&rows, &n, rq, e)))
        return rc;
    rc = ERR_NOT_FOUND;
    json_array_foreach(json_object_get(answer, "repos"), i, id)
        for (size_t k = 0; k < n && rc == ERR_NOT_FOUND; k++)
            if (rows[k].id == (uint32_t)json_integer_value(id))
                rc = look_up(row, &want, rq, &rows[k], branch, e);
    state_repos_free(rows, n);
    if (rc == ERR_NOT_FOUND) {
        err_set(e, rc, "no file %s where that question was asked", want.path);
        err_hint(e, "name it as from the repository's root");
    }
    return rc;
}

int method_feedback(struct request *rq, json_t **result, struct err *e)
{
    const char *id = param_str(rq, "id"), *verdict = param_str(rq, "verdict");
    json_t *place = NULL;
    if (!id || !verdict || (strcmp(verdict, "good") && strcmp(verdict, "bad")))
        return err_set(e, ERR_USAGE, "an answer's id and good or bad are wanted");
    json_t *answer = answers_find(rq->s->answers, &rq->who, id);
    if (!answer) {
        err_set(e, ERR_NOT_FOUND, "no answer %.40s of yours is remembered", id);
        err_hint(e, "the last %d are, while the daemon runs; ask again and use the id that is shown", ANSWERS_KEPT);
        return ERR_NOT_FOUND;
    }
    int rc = expected_place(&place, rq, answer, e);
    if (!rc) {
        json_object_set_new(answer, "question", text_masked(json_string_value(json_object_get(answer, "question"))));
        json_object_set_new(answer, "ts", json_integer(clock_wall_ns() / 1000000));
        json_object_set_new(answer, "verdict", json_string(verdict));
        json_object_set_new(answer, "asker", rq->who.local ? json_integer(rq->who.uid) : json_string(rq->who.name));
        json_object_set_new(answer, "expected", place);
        char *text = json_dumps(answer, JSON_COMPACT);
        rc = text ? feedback_add(NULL, rq->s->store, text, strlen(text), e) : err_set(e, ERR_INTERNAL, "feedback");
        free(text);
    }
    if (!rc)
        *result = json_pack("{ss, ss, sO, so}", "answer", id, "verdict", verdict, "expected", place, "question",
                            json_incref(json_object_get(answer, "question")));
    json_decref(answer);
    return rc;
}
