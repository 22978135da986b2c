#include "service/why.h"

#include "base/hash.h"
#include "base/mem.h"
#include "indexer/history.h"
#include "retriever/commits.h"
#include "retriever/markdown.h"
#include "retriever/str.h"
#include "service/rows.h"
#include "service/writing.h"
#include "store/view.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define COMMITS 3           /* of an answer */
#define LOOKED_AT 12        /* commits whose paths are looked up: those of the answer's files come first */
#define PATHS 12            /* of one commit that are tried for a citation */
#define CITED_LINES 20      /* of one citation */
#define BODY_BYTES 600      /* of a message that is quoted */
#define COVERAGE_ALONE 0.75 /* of the question's words that a message needs where the code gave no answer */
#define NEAR_ALONE 0.55     /* or the cosine: questions that no repository answers stayed under .5 */
#define SAME_FILE_GAIN 0.15 /* a commit of a file that the answer cites anyway */

struct cited {
    struct occ occ;         /* its path in the arena */
    uint32_t first, last;
    bool found;
};

static bool is_cited(const struct answer *a, size_t target, struct str path)
{
    for (size_t i = 0; i < a->ncitations; i++) {
        const struct search_hit *h = a->citation[i].hit;
        if (h->target == target && h->path.n == path.n && !memcmp(h->path.p, path.p, path.n))
            return true;
    }
    return false;
}

/* The commit's file that is shown: one that the answer cites, else the first that is still there. */
static int cite(struct cited *c, struct request *rq, const struct scope *sc, size_t target, const struct commit_hit *h, const struct answer *a,
                struct err *e)
{
    struct arena *arena = &rq->arena;
    uint32_t view = sc->seen[target].overlay ? sc->seen[target].base : sc->seen[target].view;
    struct {
        struct occ occ;
        bool cited;
    } v[PATHS];
    size_t n = 0;
    struct txn *t;
    *c = (struct cited){0};
    int rc = store_read(&t, rq->s->store, e);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < h->npaths && n < PATHS && view; i++) {
        struct str path;
        struct occ o;
        if (path_get(t, h->path[i], &path, NULL) || occ_get(t, view, path, &o, NULL) || o.flags & OCC_SKIPPED)
            continue;
        o.path = (struct str){arena_strn(arena, path.p, path.n), path.n};
        v[n].occ = o;
        v[n++].cited = is_cited(a, target, o.path);
    }
    txn_end(t);
    for (int pass = 0; pass < 2 && !c->found; pass++)
        for (size_t i = 0; i < n && !c->found; i++) {
            struct trace_request q = {.repo = &sc->repo[target], .tip = sc->seen[target].commit, .path = v[i].occ.path.p};
            if (v[i].cited == !pass && !history_lines_of(&c->first, &c->last, rq->s->store, &q, h->commit, NULL)) {
                c->occ = v[i].occ;
                c->found = true;
            }
        }
    if (c->found && c->last - c->first >= CITED_LINES)
        c->last = c->first + CITED_LINES - 1;
    return 0;
}

/* The cited lines must be there: the content is read again. */
static bool holds(struct cited *c, struct store *s, const struct repo_row *repo)
{
    struct buf b = BUF_INIT;
    uint32_t lines = 0;
    if (!source_read(s, repo, c->occ.path, &c->occ.oid, false, &b, NULL)) {
        for (size_t i = 0; i < b.len; i++)
            lines += b.data[i] == '\n';
        lines += b.len && b.data[b.len - 1] != '\n';
    }
    buf_release(&b);
    if (c->last > lines)
        c->last = lines;
    return c->first >= 1 && c->first <= c->last;
}

/* "Signed-off-by: …" and the like tell who, not why. */
static bool is_trailer(struct str line)
{
    size_t i = 0;
    while (i < line.n && (isalpha((unsigned char)line.p[i]) || line.p[i] == '-'))
        i++;
    return i > 3 && i < line.n && line.p[i] == ':' && !strncasecmp(line.p + i - 3, "-by", 3);
}

/* The message as it is laid out, paragraphs and items, up to a block of code. */
static void put_body(struct buf *out, struct str body)
{
    size_t end = body.n < BODY_BYTES ? body.n : BODY_BYTES;
    while (end < body.n && end && ((unsigned char)body.p[end] & 0xc0) == 0x80)
        end--;
    bool more = end < body.n, apart = true;
    for (size_t at = 0; at < end;) {
        const char *stop = memchr(body.p + at, '\n', end - at);
        struct str line = str_trim((struct str){body.p + at, (stop ? (size_t)(stop - body.p) : end) - at});
        at = stop ? (size_t)(stop - body.p) + 1 : end;
        if (line.n >= 3 && (!memcmp(line.p, "```", 3) || !memcmp(line.p, "~~~", 3))) {
            more = true;
            break;
        }
        if (!line.n || is_trailer(line)) {
            apart |= !line.n;
            continue;
        }
        bool item = line.n > 2 && strchr("*-+", line.p[0]) && line.p[1] == ' ';
        buf_adds(out, apart ? "\n  " : "  ");
        if (item)
            buf_adds(out, "- ");
        md_text(out, item ? (struct str){line.p + 2, line.n - 2} : line);
        buf_addc(out, '\n');
        apart = false;
    }
    buf_adds(out, more ? "\n  …\n\n" : "\n");
}

static void put_commit(struct buf *out, const struct commit_hit *h, uint32_t n)
{
    char date[32], hex[2 * OID_MAX + 1];
    time_t at = (time_t)(h->time + (int64_t)h->offset * 60);
    struct tm tm;
    if (!gmtime_r(&at, &tm) || !strftime(date, sizeof date, "%Y-%m-%d", &tm))
        date[0] = 0;
    hex_of(hex, h->oid.byte, 5);
    buf_adds(out, "- **");
    md_text(out, h->subject);
    buf_adds(out, "** (");
    md_text(out, h->author);
    buf_addf(out, ", %s, %s)", date, hex);
    if (n)
        buf_addf(out, " [%u]", n);
    buf_addc(out, '\n');
    if (h->body.n)
        put_body(out, h->body);
}

static json_t *citation(const struct scope *sc, size_t target, const struct cited *c, const struct commit_hit *h, uint32_t n)
{
    char hex[2 * OID_MAX + 1];
    struct search_hit place = {.target = (uint32_t)target, .path = c->occ.path, .oid = c->occ.oid, .oid_len = 20};
    json_t *row = place_json(sc, &place, c->first, c->last);
    hex_of(hex, h->oid.byte, 20);
    json_object_set_new(row, "n", json_integer(n));
    json_object_set_new(row, "symbol", json_null());
    json_object_set_new(row, "language", json_null());
    json_object_set_new(row, "reason_commit", json_string(hex));
    json_object_set_new(row, "commit_subject", json_text(h->subject.p, h->subject.n));
    return row;
}

struct found {
    struct commit_hit h;
    struct cited at;
    size_t target;
};

static int by_score(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return x->h.score > y->h.score ? -1 : x->h.score < y->h.score;
}

static int gather(struct found *v, size_t *n, struct request *rq, const struct scope *sc, const struct answer *a, const char *question,
                  struct model *embedder, struct err *e)
{
    const float *vector = commits_vector(embedder, question, &rq->arena);
    *n = 0;
    for (size_t k = 0; k < sc->n; k++) {
        struct commit_hit *hit;
        size_t nhits;
        if (!sc->seen[k].oid_len)
            continue;
        struct commits_query q = {question, &sc->seen[k].commit, LOOKED_AT, vector ? model_info(embedder) : NULL, vector};
        int rc = commits_search(&hit, &nhits, rq->s->store, &q, &rq->arena, e);
        for (size_t i = 0; i < nhits && !rc; i++) {
            struct found *f = &v[(*n)++];
            *f = (struct found){.h = hit[i], .target = k};
            rc = cite(&f->at, rq, sc, k, &hit[i], a, e);
            if (f->at.found && is_cited(a, k, f->at.occ.path))
                f->h.score += SAME_FILE_GAIN;
        }
        if (rc)
            return rc;
    }
    qsort(v, *n, sizeof *v, by_score);
    return 0;
}

/* Why commits may be missing; NULL: they are all there. */
static const char *unread(struct store *s, const struct scope *sc)
{
    const char *why = NULL;
    struct txn *t;
    if (store_read(&t, s, NULL))
        return NULL;
    for (size_t k = 0; k < sc->n && !why; k++)
        if (sc->seen[k].oid_len && !history_whole(t, &sc->seen[k].commit))
            why = repo_bundled(&sc->repo[k]) ? "the bundle has not the whole history" : "the history is still being read: commits may be missing";
    txn_end(t);
    return why;
}

int why_add(json_t *result, struct request *rq, const struct scope *sc, const struct answer *a, const char *question, struct model *embedder,
            struct err *e)
{
    struct buf b = BUF_INIT;
    size_t n = 0, shown = 0;
    if (!question || !commits_wanted(question))
        return 0;
    struct found *v = arena_zero(&rq->arena, sc->n * LOOKED_AT + 1, sizeof *v);
    bool enough = a->mode != ANSWER_INSUFFICIENT;
    json_t *cites = enough ? json_incref(json_object_get(result, "citations")) : json_array();
    uint32_t number = (uint32_t)json_array_size(cites);
    int rc = gather(v, &n, rq, sc, a, question, embedder, e);
    for (size_t i = 0; i < n && shown < COMMITS && !rc; i++) {
        if (!enough && v[i].h.coverage < COVERAGE_ALONE && v[i].h.near < NEAR_ALONE)
            continue;
        bool there = v[i].at.found && holds(&v[i].at, rq->s->store, &sc->repo[v[i].target]);
        if (!shown++)
            buf_adds(&b, "## History\n\n");
        put_commit(&b, &v[i].h, there ? ++number : 0);
        if (there)
            json_array_append_new(cites, citation(sc, v[i].target, &v[i].at, &v[i].h, number));
    }
    if (!rc && shown && (enough || number)) {
        if (enough)
            buf_addf(&b, "\n%s", json_string_value(json_object_get(result, "answer")));
        json_object_set_new(result, "answer", json_text(b.data, b.len));
        json_object_set(result, "citations", cites);
        json_object_set_new(result, "mode", json_string("extractive"));
    }
    const char *why = rc ? NULL : unread(rq->s->store, sc);
    if (why)
        note_add(result, "%s", why);
    json_decref(cites);
    buf_release(&b);
    return rc;
}
