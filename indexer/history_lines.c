#define _GNU_SOURCE /* memrchr */
/* Two contents compared line by line, as `git blame -w -M` does. */
#include "indexer/history_inside.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MOVE_SCORE 20      /* letters and digits that a moved piece needs, as in git */
#define MOVE_PIECES 5000   /* pieces looked at for moves in one pair of contents: past it lines count as new */

struct hunks {
    struct touch_hunk *v;
    size_t n, cap;
};

static int on_hunk(const git_diff_delta *delta, const git_diff_hunk *h, void *arg)
{
    struct hunks *l = arg;
    VEC_ROOM(l->v, l->n, l->cap);
    /* a side without lines is named by the line before it */
    l->v[l->n++] = (struct touch_hunk){.at = (uint32_t)(h->new_start - (h->new_lines > 0)), .n = (uint32_t)h->new_lines,
                                       .old_at = (uint32_t)(h->old_start - (h->old_lines > 0)), .old_n = (uint32_t)h->old_lines};
    return 0;
}

/* git drops equal ends in blocks before it compares; where a repeated piece is matched depends on it. */
static void trim_tail(struct str *a, struct str *b)
{
    enum { BLOCK = 1024 };
    size_t least = a->n < b->n ? a->n : b->n, trimmed = 0, back = 0;
    while (BLOCK + trimmed <= least && !memcmp(a->p + a->n - trimmed - BLOCK, b->p + b->n - trimmed - BLOCK, BLOCK))
        trimmed += BLOCK;
    while (back < trimmed)
        if (a->p[a->n - trimmed + back++] == '\n')
            break;
    a->n -= trimmed - back;
    b->n -= trimmed - back;
}

#define MOVE_DIFFS 100     /* pieces aligned in one pair of contents: past it the best run will do */
#define HEAD_LINES 64 /* of the equal beginning that stay: a hunk may be slid up into it */

/* Equal beginnings, but for some lines, need no hashing: returns the lines that are left out. */
static uint32_t trim_head(struct str *a, struct str *b)
{
    size_t least = a->n < b->n ? a->n : b->n, n = 0;
    while (n + 256 <= least && !memcmp(a->p + n, b->p + n, 256))
        n += 256;
    for (unsigned back = 0; n && back <= HEAD_LINES; back++) {
        const char *nl = memrchr(a->p, '\n', n);
        n = nl ? (size_t)(nl - a->p) : 0;
    }
    if (!n)
        return 0;
    struct str head = {a->p, ++n};
    a->p += n, a->n -= n;
    b->p += n, b->n -= n;
    return lines_count(head);
}

int lines_hunks(struct touch_hunk **hunk, uint32_t *n, struct str old, struct str new, bool spaces, struct err *e)
{
    struct hunks l = {0};
    git_diff_options o = GIT_DIFF_OPTIONS_INIT;
    o.flags = GIT_DIFF_FORCE_TEXT | GIT_DIFF_INDENT_HEURISTIC | (spaces ? 0 : (uint32_t)GIT_DIFF_IGNORE_WHITESPACE);
    o.context_lines = 0;
    o.interhunk_lines = 0;
    uint32_t head = trim_head(&old, &new);
    trim_tail(&old, &new);
    int code = git_diff_buffers(old.p, old.n, NULL, new.p, new.n, NULL, &o, NULL, NULL, on_hunk, NULL, &l);
    for (size_t i = 0; i < l.n; i++) {
        l.v[i].at += head;
        l.v[i].old_at += head;
    }
    *hunk = l.v;
    *n = (uint32_t)l.n;
    return code ? git_fail(e, code, "comparing two contents") : 0;
}

uint32_t lines_count(struct str s)
{
    uint32_t n = 0;
    for (const char *p = s.p, *end = s.p + s.n; p < end; n++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        p = nl ? nl + 1 : end;
    }
    return n;
}

bool looks_binary(struct str s)
{
    return s.n && memchr(s.p, 0, s.n < 8000 ? s.n : 8000); /* as git decides */
}

/* -- moves ------------------------------------------------------------------------------------------------------------------ */

static bool is_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static uint32_t score(const char *p, size_t n)
{
    uint32_t s = 1;
    for (size_t i = 0; i < n; i++)
        s += is_word((unsigned char)p[i]);
    return s;
}

static uint64_t line_hash(const char *p, size_t n)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && (p[i] < '\t' || p[i] > '\r'))
            h = (h ^ (unsigned char)p[i]) * 1099511628211u;
    return h ^ h >> 29;
}

/* Where lines begin: [n + 1]. */
static uint32_t *starts(struct str s, uint32_t n)
{
    uint32_t *at = mem_alloc((n + 1) * sizeof *at);
    const char *p = s.p;
    for (uint32_t i = 0; i < n; i++) {
        at[i] = (uint32_t)(p - s.p);
        const char *nl = memchr(p, '\n', (size_t)(s.p + s.n - p));
        p = nl ? nl + 1 : s.p + s.n;
    }
    at[n] = (uint32_t)s.n;
    return at;
}

#define CHAIN_MAX 100 /* equal lines of old that a new one is compared with: past it they are braces and blanks */

struct moving {
    struct str old, new;
    uint32_t nold, nnew, diffs;
    uint32_t *start;             /* of new's lines */
    uint64_t *old_hash, *hash;   /* [nold], [nnew]: of lines without whitespace */
    uint32_t *head, *next, mask; /* old's lines by hash, ascending */
    uint32_t *score;             /* [nnew + 1]: letters and digits of new before the line */
    struct touch_side *out;
    uint32_t cap, pieces;
};

static void index_old(struct moving *m, struct str old)
{
    uint32_t slots = 64, i = 0;
    while (slots < m->nold)
        slots *= 2;
    m->mask = slots - 1;
    m->head = mem_alloc(slots * sizeof *m->head);
    memset(m->head, 0xff, slots * sizeof *m->head);
    m->next = mem_alloc((m->nold + 1) * sizeof *m->next);
    m->old_hash = mem_alloc((m->nold + 1) * sizeof *m->old_hash);
    for (const char *p = old.p, *end = p + old.n; p < end; i++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *to = nl ? nl + 1 : end;
        m->old_hash[i] = line_hash(p, (size_t)(to - p));
        p = to;
    }
    for (; i-- > 0;) {
        uint32_t *at = &m->head[m->old_hash[i] & m->mask];
        m->next[i] = *at;
        *at = i;
    }
}

static void index_new(struct moving *m, struct str new)
{
    m->start = starts(new, m->nnew);
    m->hash = mem_zero(m->nnew + 1, sizeof *m->hash);
    m->score = mem_zero(m->nnew + 1, sizeof *m->score);
    for (uint32_t h = 0; h < m->out->nhunks; h++)
        for (uint32_t i = m->out->hunk[h].at, to = i + m->out->hunk[h].n; i < to && i < m->nnew; i++)
            m->hash[i] = line_hash(new.p + m->start[i], m->start[i + 1] - m->start[i]);
    for (uint32_t i = 0; i < m->nnew; i++)
        m->score[i + 1] = m->score[i] + score(new.p + m->start[i], m->start[i + 1] - m->start[i]) - 1;
}

struct run {
    uint32_t at, n, old, score;
};

/* The run of equal lines of new[at, end) and old with most letters and digits; n 0: none has enough. */
static struct run best_run(const struct moving *m, uint32_t at, uint32_t end)
{
    struct run best = {.score = MOVE_SCORE - 1};
    for (uint32_t i = at; i < end; i++) {
        unsigned chain = 0;
        if (m->score[i + 1] == m->score[i])
            continue; /* no run worth it begins with a brace; it is taken in from behind */
        for (uint32_t j = m->head[m->hash[i] & m->mask]; j != UINT32_MAX && chain < CHAIN_MAX; j = m->next[j], chain++) {
            uint32_t from = i, old = j, to = i;
            if (m->old_hash[j] != m->hash[i])
                continue;
            while (from > at && old && m->hash[from - 1] == m->old_hash[old - 1])
                from--, old--;
            if (from < i && m->score[i] > m->score[from])
                continue; /* seen from its beginning */
            for (uint32_t k = j; to < end && k < m->nold && m->hash[to] == m->old_hash[k]; k++)
                to++;
            if (m->score[to] - m->score[from] > best.score)
                best = (struct run){from, to - from, old, m->score[to] - m->score[from]};
        }
    }
    return best;
}

/* The same among the runs of one alignment of the piece with all of old: what git looks at. */
static int aligned_run(struct run *out, struct moving *m, uint32_t at, uint32_t end, struct err *e)
{
    struct touch_hunk *h = NULL;
    uint32_t nh = 0, line = 0, old = 0;
    struct str piece = {m->new.p + m->start[at], m->start[end] - m->start[at]};
    int rc = lines_hunks(&h, &nh, m->old, piece, false, e);
    *out = (struct run){.score = MOVE_SCORE - 1};
    for (uint32_t i = 0; i <= nh && !rc; i++) {
        uint32_t upto = i < nh ? h[i].at : end - at;
        upto = upto < end - at ? upto : end - at;
        if (upto > line) {
            uint32_t score = m->score[at + upto] - m->score[at + line];
            if (score >= MOVE_SCORE && score >= out->score && old + (upto - line) <= m->nold)
                *out = (struct run){at + line, upto - line, old, score};
        }
        if (i < nh) {
            line = h[i].at + h[i].n;
            old = h[i].old_at + h[i].old_n;
        }
    }
    free(h);
    return rc;
}

/* The best run of the piece that stands in old, then what is before and behind it. Most pieces have nothing there, which the index of old's
 * lines tells at once; only for the others is the piece aligned. */
static int find_moves(struct moving *m, uint32_t at, uint32_t n, struct err *e)
{
    uint32_t end = at + n;
    if (!n || m->pieces++ >= MOVE_PIECES || m->score[end] - m->score[at] < MOVE_SCORE)
        return 0;
    struct run best = best_run(m, at, end);
    int rc = best.n && m->diffs++ < MOVE_DIFFS ? aligned_run(&best, m, at, end, e) : 0;
    if (rc || !best.n || (rc = find_moves(m, at, best.at - at, e)))
        return rc;
    VEC_ROOM(m->out->move, m->out->nmoves, m->cap);
    m->out->move[m->out->nmoves++] = (struct touch_move){best.at, best.n, best.old};
    return find_moves(m, best.at + best.n, end - best.at - best.n, e);
}

int lines_compare(struct touch_side *out, struct str old, struct str new, struct err *e)
{
    out->move = NULL;
    out->nmoves = 0;
    int rc = lines_hunks(&out->hunk, &out->nhunks, old, new, false, e);
    if (rc || !out->nhunks || !old.n)
        return rc;
    struct moving m = {.nold = lines_count(old), .nnew = lines_count(new), .old = old, .new = new, .out = out};
    index_new(&m, new);
    uint32_t most = 0;
    for (uint32_t i = 0; i < out->nhunks; i++)
        if (out->hunk[i].at + out->hunk[i].n <= m.nnew && m.score[out->hunk[i].at + out->hunk[i].n] - m.score[out->hunk[i].at] > most)
            most = m.score[out->hunk[i].at + out->hunk[i].n] - m.score[out->hunk[i].at];
    if (most < MOVE_SCORE) {
        free(m.start);
        free(m.score);
        free(m.hash);
        return 0;
    }
    index_old(&m, old);
    for (uint32_t i = 0; i < out->nhunks && !rc; i++)
        if (out->hunk[i].at + out->hunk[i].n <= m.nnew)
            rc = find_moves(&m, out->hunk[i].at, out->hunk[i].n, e);
    free(m.start);
    free(m.score);
    free(m.hash);
    free(m.old_hash);
    free(m.head);
    free(m.next);
    return rc;
}
