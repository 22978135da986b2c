/* feedback: what the asker thinks of an answer, and where the right place is; kept for evaluation and tuning.
 *
 * A row of state.mdb's table feedback is what answers_find gives, and: "ts" ms of the wall clock, "verdict" "good" or "bad",
 * "asker" uid, "expected" null or {"repo","commit","blob","path","start_line","end_line"}. Rows name their contents by
 * blob, so that a purge finds them. */
#include "service/method.h"

#include "base/clock.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "indexer/language.h"
#include "service/answers.h"
#include "service/rows.h"
#include "store/feedback.h"

#include <stdlib.h>
#include <string.h>

struct place {
    struct str path;
    uint32_t line;
};

static int parse_place(struct place *out, const char *text, struct err *e)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    long line = colon && colon > text ? strtol(colon + 1, &end, 10) : 0;
    if (line < 1 || line > UINT32_MAX || *end) {
        err_set(e, ERR_USAGE, "expected: PATH:LINE is wanted, not %.200s", text);
        err_hint(e, "for example --expected src/retry.c:120");
        return ERR_USAGE;
    }
    *out = (struct place){{text, (size_t)(colon - text)}, (uint32_t)line};
    return 0;
}

static uint32_t lines_of(struct txn *t, const struct occ *o)
{
    struct buf text = BUF_INIT;
    uint32_t lines = 0;
    if (o->cut != CUT_NONE && !cut_text(t, o->cut, &text, NULL)) {
        for (size_t i = 0; i < text.len; i++)
            lines += text.data[i] == '\n';
        lines += text.len && text.data[text.len - 1] != '\n';
    }
    buf_release(&text);
    return lines;
}

/* The place as a row of the contract; the path as from dir, else as from the repository's root. */
static int look_up(json_t **row, const struct place *want, struct request *rq, const struct repo_row *repo, const char *branch,
                   struct err *e)
{
    struct seen seen;
    struct txn *t;
    struct occ o;
    const char *dir = param_str(rq, "dir");
    size_t root = strlen(repo->path);
    struct str path = want->path;
    if (path.n > root && !memcmp(path.p, repo->path, root) && path.p[root] == '/')
        path = (struct str){path.p + root + 1, path.n - root - 1};
    int rc = view_lookup(&seen, rq->s, repo, branch, e);
    if (rc || (rc = store_read(&t, rq->s->store, e)))
        return rc;
    rc = ERR_NOT_FOUND;
    if (dir && !strncmp(dir, repo->path, root) && dir[root] == '/')
        rc = occ_get(t, seen.view, str_of(arena_fmt(&rq->arena, "%s/%.*s", dir + root + 1, (int)path.n, path.p)), &o, NULL);
    if (rc)
        rc = occ_get(t, seen.view, path, &o, NULL);
    uint32_t lines = rc ? 0 : lines_of(t, &o);
    if (!rc && want->line > lines) {
        rc = err_set(e, ERR_USAGE, "%.*s has %u lines", (int)path.n, path.p, lines);
    } else if (!rc) {
        struct search_target target = {.repo = repo, .view = seen.view, .commit = seen.commit, .oid_len = seen.oid_len};
        struct scope sc = {.target = &target, .n = 1};
        struct search_hit hit = {.path = o.path, .oid = o.oid, .oid_len = seen.oid_len ? seen.oid_len : 20,
                                 .uncommitted = seen.overlay && o.mtime_ns && !(o.flags & OCC_CLEAN)};
        *row = place_json(&sc, &hit, want->line, want->line);
    }
    txn_end(t);
    return rc;
}

static int expected_place(json_t **row, struct request *rq, json_t *answer, struct err *e)
{
    const char *text = param_str(rq, "expected"), *branch = json_string_value(json_object_get(answer, "branch"));
    struct repo_row *rows = NULL;
    struct place want;
    size_t n = 0, i;
    json_t *id;
    *row = json_null();
    if (!text)
        return 0;
    int rc = parse_place(&want, text, e);
    if (rc || (rc = state_repos(rq->s->store, &rows, &n, e)))
        return rc;
    rc = ERR_NOT_FOUND;
    json_array_foreach(json_object_get(answer, "repos"), i, id)
        for (size_t k = 0; k < n && rc == ERR_NOT_FOUND; k++)
            if (rows[k].id == (uint32_t)json_integer_value(id))
                rc = look_up(row, &want, rq, &rows[k], branch, e);
    state_repos_free(rows, n);
    if (rc == ERR_NOT_FOUND) {
        err_set(e, rc, "no file %.*s where that question was asked", (int)want.path.n, want.path.p);
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
        json_object_set_new(answer, "asker", json_integer(rq->who.uid));
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
