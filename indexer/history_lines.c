#define _GNU_SOURCE /* memrchr */
/* Two contents compared line by line, as `git blame -w -M` does. */
#include "indexer/history_inside.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 100 /* equal lines of old that a new one is compared with: past it the contents are asked when it matters */

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

static bool is_letter(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

uint32_t lines_letters(struct str s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += is_letter((unsigned char)s.p[i]);
    return n;
}

static uint64_t line_hash(struct str line)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && (line.p[i] < '\t' || line.p[i] > '\r'))
            h = (h ^ (unsigned char)line.p[i]) * 1099511628211u;
    return h ^ h >> 29;
}

/* The next line with its end, off the front of *rest; false when there is none. */
static bool next_line(struct str *line, struct str *rest)
{
    if (!rest->n)
        return false;
    const char *nl = memchr(rest->p, '\n', rest->n);
    *line = (struct str){rest->p, nl ? (size_t)(nl + 1 - rest->p) : rest->n};
    *rest = (struct str){rest->p + line->n, rest->n - line->n};
    return true;
}

struct line_index {
    uint64_t *hash;              /* [n] of lines without whitespace */
    uint32_t *head, *next, mask; /* lines by hash, ascending */
    uint32_t n;
};

struct line_index *line_index_new(struct str old)
{
    struct line_index *x = mem_zero(1, sizeof *x);
    uint32_t slots = 64, n = lines_count(old), i = 0;
    struct str line;
    while (slots < n)
        slots *= 2;
    x->n = n;
    x->mask = slots - 1;
    x->head = mem_alloc(slots * sizeof *x->head);
    memset(x->head, 0xff, slots * sizeof *x->head);
    x->next = mem_alloc((n + 1) * sizeof *x->next);
    x->hash = mem_alloc((n + 1) * sizeof *x->hash);
    while (next_line(&line, &old))
        x->hash[i++] = line_hash(line);
    while (i-- > 0) {
        uint32_t *at = &x->head[x->hash[i] & x->mask];
        x->next[i] = *at;
        *at = i;
    }
    return x;
}

void line_index_free(struct line_index *x)
{
    if (!x)
        return;
    free(x->hash);
    free(x->head);
    free(x->next);
    free(x);
}

struct new_line {
    uint64_t hash;
    uint32_t letters;
};

/* Whether the lines from new[i] on stand in old from line j on, up to enough letters. */
static bool long_enough(const struct line_index *x, uint32_t j, const struct new_line *new, uint32_t i, uint32_t n)
{
    for (uint32_t letters = 0; i < n && j < x->n && new[i].hash == x->hash[j]; i++, j++)
        if ((letters += new[i].letters) >= MOVE_LETTERS)
            return true;
    return false;
}

bool line_index_holds(const struct line_index *x, struct str piece)
{
    uint32_t n = 0, count = lines_count(piece);
    struct new_line *new = mem_alloc((count + 1) * sizeof *new);
    struct str line;
    bool found = false;
    for (; next_line(&line, &piece); n++)
        new[n] = (struct new_line){line_hash(line), lines_letters(line)};
    for (uint32_t i = 0; i < n && !found; i++) {
        unsigned chain = 0;
        if (!new[i].letters)
            continue; /* a run that is worth it has a line with letters, and is found from there */
        for (uint32_t j = x->head[new[i].hash & x->mask]; j != UINT32_MAX && !found; j = x->next[j]) {
            bool seen = i && j && new[i - 1].letters && new[i - 1].hash == x->hash[j - 1]; /* from the line before */
            found = ++chain > CHAIN_MAX || (!seen && long_enough(x, j, new, i, n));
        }
    }
    free(new);
    return found;
}

int lines_moved(struct moved *out, struct str old, struct str piece, struct err *e)
{
    struct touch_hunk *h = NULL;
    uint32_t nh = 0, line = 0, from = 0, best = MOVE_LETTERS, n = lines_count(piece);
    struct str rest = piece, one;
    int rc = lines_hunks(&h, &nh, old, piece, false, e);
    *out = (struct moved){0};
    for (uint32_t i = 0; i <= nh && !rc; i++) {
        uint32_t upto = i < nh ? h[i].at : n, letters = 0, at = line;
        for (; line < upto && next_line(&one, &rest); line++)
            letters += lines_letters(one);
        if (line > at && letters >= best) { /* git takes the last one of the best */
            *out = (struct moved){at, line - at, from};
            best = letters;
        }
        if (i == nh)
            break;
        for (uint32_t end = h[i].at + h[i].n; line < end && next_line(&one, &rest); line++)
            ;
        from = h[i].old_at + h[i].old_n;
    }
    free(h);
    return rc;
}

int lines_compare(struct touch_side *out, struct str old, struct str new, struct err *e)
{
    struct line_index *x = NULL;
    struct str rest = new, line;
    uint32_t at = 0;
    int rc = lines_hunks(&out->hunk, &out->nhunks, old, new, false, e);
    for (uint32_t i = 0; i < out->nhunks && old.n && !rc; i++) {
        struct touch_hunk *h = &out->hunk[i];
        for (; at < h->at && next_line(&line, &rest); at++)
            ;
        struct str piece = {rest.p, 0};
        for (; at < h->at + h->n && next_line(&line, &rest); at++)
            piece.n += line.n;
        if (lines_letters(piece) < MOVE_LETTERS)
            continue;
        x = x ? x : line_index_new(old);
        h->elsewhere = line_index_holds(x, piece);
    }
    line_index_free(x);
    return rc;
}
