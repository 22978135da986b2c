/* Records of commits: what changed and why. The last tenth by time is held out. */
#include "retriever/corpus/inside.h"

#include "base/mem.h"
#include "store/history.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_LEAST 12   /* bytes of the first line: "fix", "wip" teach nothing */
#define MESSAGE_MOST 1500
#define PATHS_MOST 12      /* a change of more is no one thing */

struct old {
    uint32_t time, commit;
};

static int by_time(const void *a, const void *b)
{
    const struct old *x = a, *y = b;
    return x->time != y->time ? (x->time > y->time) - (x->time < y->time) : (x->commit > y->commit) - (x->commit < y->commit);
}

/* Every read commit with one parent behind the target's, oldest first. */
static int list(struct old **out, size_t *n, struct maker *m, const struct oid *tip, struct err *e)
{
    struct history_graph g;
    struct history_reach reach;
    size_t cap = 0;
    uint32_t from = commit_find(m->l.t, tip);
    if (from == COMMIT_NONE)
        return 0;
    int rc = history_graph_open(&g, m->l.t, e);
    if (rc)
        return rc;
    history_reach_init(&reach, &g);
    history_reach_add(&reach, &g, from);
    for (uint32_t i = 1; i < history_most(&g); i++) {
        struct history_node node = history_node(&g, i);
        if (!history_reaches(&reach, i) || node.state != HISTORY_IN || node.parent[1] != COMMIT_NONE || node.parent[0] == COMMIT_NONE ||
            node.flags & (HISTORY_PARTIAL | HISTORY_MANY))
            continue;
        VEC_ROOM(*out, *n, cap);
        (*out)[(*n)++] = (struct old){node.time, i};
    }
    history_reach_release(&reach);
    history_graph_close(&g);
    if (*n)
        qsort(*out, *n, sizeof **out, by_time);
    return 0;
}

/* The paths, a line each, and the contents that they have now. false: too many. */
static bool paths(struct maker *m, struct buf *out, struct contents *c, const struct commit_row *row, struct err *e)
{
    if (row->npaths != row->ntouched || row->npaths == 0 || row->npaths > PATHS_MOST)
        return false;
    for (uint32_t i = 0; i < row->npaths; i++) {
        struct str p;
        if (path_get(m->l.t, commit_path(row, i), &p, e))
            return false;
        buf_addf(out, "%s%.*s", i ? "\n" : "", (int)p.n, p.p);
        uint32_t f = snapshot_file(m->l.snap[m->target], p);
        if (f != FILE_NONE)
            contents_file(c, m, m->target, f);
    }
    c->held &= !m->o->commits_by_time;
    return true;
}

static int one(struct maker *m, uint32_t commit, bool held, struct err *e)
{
    struct commit_row row;
    struct buf prompt = BUF_INIT, files = BUF_INIT, said = BUF_INIT;
    struct corpus_patch patch = {BUF_INIT, BUF_INIT};
    struct contents c = {0};
    const struct search_target *t = &m->o->target[m->target];
    int rc = commit_get(m->l.t, commit, &row, e);
    if (rc)
        return rc == ERR_NOT_FOUND ? 0 : rc;
    struct str text = trimmed(row.message);
    const char *nl = memchr(text.p, '\n', text.n);
    if ((nl ? (size_t)(nl - text.p) : text.n) < MESSAGE_LEAST || text.n > MESSAGE_MOST || !paths(m, &files, &c, &row, e) || (!held && c.held))
        goto out;
    buf_add(&said, text.p, text.n);
    if ((rc = m->o->mask(m->o->arg, said.data, said.len, e)))
        goto out;
    struct draft d = {.repo = t->repo->id, .time = row.time, .texts = 1};
    buf_addf(&prompt, "Which files does this change concern?\n\n%s", said.data);
    d.kind = CORPUS_CHANGE;
    d.prompt = (struct str){prompt.data, prompt.len};
    d.text[0] = (struct str){files.data, files.len};
    lesson_add(m, held, &d, &c);
    if (!lesson_wanted(m, CORPUS_COMMIT, held) || !m->o->patch)
        goto out;
    if ((rc = m->o->patch(m->o->arg, &patch, t->repo, &row.oid, e))) { /* objects may be missing: the rest goes on */
        rc = rc == ERR_CANCELED ? rc : 0;
        goto out;
    }
    for (size_t i = 0; i + BLOB <= patch.blobs.len; i += BLOB)
        contents_add(&c, m, (const uint8_t *)patch.blobs.data + i, false);
    buf_clear(&prompt);
    buf_addf(&prompt, "Write the commit message of this change.\n\n%s", patch.text.data ? patch.text.data : "");
    d.kind = CORPUS_COMMIT;
    d.prompt = (struct str){prompt.data, prompt.len};
    d.text[0] = (struct str){said.data, said.len};
    if (patch.text.len)
        lesson_add(m, held, &d, &c);
out:
    m->told->commits++;
    buf_release(&prompt);
    buf_release(&files);
    buf_release(&said);
    buf_release(&patch.text);
    buf_release(&patch.blobs);
    return rc;
}

int lessons_of_commits(struct maker *m, uint32_t target, struct err *e)
{
    struct old *v = NULL;
    size_t n = 0;
    m->target = target;
    int rc = list(&v, &n, m, &m->o->target[target].commit, e);
    size_t held = (n * CORPUS_HELD_PERCENT + 99) / 100, learned = n > held ? n - held : 0;
    if (n < 2) /* nothing to hold out */
        learned = n;
    /* the newest first, of both: they say how people work now */
    for (size_t i = n; i > learned && !rc && lesson_wanted(m, CORPUS_CHANGE, true); i--)
        rc = one(m, v[i - 1].commit, true, e);
    for (size_t i = learned; i > 0 && !rc && lesson_wanted(m, CORPUS_CHANGE, false); i--) {
        if (m->o->go_on && i % 64 == 0 && !m->o->go_on(m->o->arg, "commits", learned - i, learned))
            rc = err_set(e, ERR_CANCELED, "canceled");
        else
            rc = one(m, v[i - 1].commit, false, e);
    }
    free(v);
    return rc;
}
