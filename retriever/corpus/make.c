#include "retriever/corpus/inside.h"

#include "base/mem.h"
#include "retriever/snapshot.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SENTENCE_LEAST 12      /* bytes: fewer say nothing that could be asked for */
#define SENTENCE_MOST 200
#define LINE_LEAST 16          /* bytes of a line that can be recognised: shorter ones (a brace, a return) are everywhere */
#define KNOWN_SHARE 2          /* a held-out text goes when more than a half of such lines is learned elsewhere */
#define TEXT_FLAGS (RECORD_GENERATED | RECORD_MINIFIED | RECORD_BINARY | RECORD_LFS)

uint32_t drawn(const struct maker *m, const void *key, size_t len, uint64_t i, uint32_t n)
{
    return n ? (uint32_t)(random_bits(hash64_seed(key, len, m->o->seed), i) % n) : 0;
}

/* -- what is held out ------------------------------------------------------------------------------------------------------- */

static uint64_t number_of(const struct maker *m, const struct oid *o)
{
    return hash64_seed(o->byte, BLOB, m->o->seed);
}

bool file_is_held(const struct maker *m, const struct oid *o)
{
    return number_of(m, o) < m->held_below;
}

static bool teaches(const struct snapshot *s, const struct snap_file *f)
{
    return f->ucut != FILE_NONE && !f->uncommitted && f->is.generated < .5f && f->is.vendored < .5f && !(s->cut[f->ucut].flags & TEXT_FLAGS);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Below which number a file is held out: a tenth of all, and at least one of two. */
static void draw_held(struct maker *m, struct snapshot *const *snap)
{
    size_t n = 0, cap = 0, kept = 0;
    uint64_t *v = NULL;
    for (size_t t = 0; t < m->o->ntargets; t++)
        for (uint32_t f = 0; f < snap[t]->nfiles; f++)
            if (teaches(snap[t], &snap[t]->file[f])) {
                VEC_ROOM(v, n, cap);
                v[n++] = number_of(m, &snap[t]->file[f].oid);
            }
    if (n)
        qsort(v, n, sizeof *v, by_number);
    for (size_t i = 0; i < n; i++)
        if (!i || v[i] != v[i - 1])
            v[kept++] = v[i];
    size_t held = (kept * CORPUS_HELD_PERCENT + 99) / 100;
    m->held_below = kept < 2 ? 0 : v[held];
    free(v);
}

void contents_add(struct contents *c, const struct maker *m, const uint8_t blob[BLOB], bool held)
{
    (void)m;
    c->held |= held;
    for (uint16_t i = 0; i < c->n; i++)
        if (!memcmp(c->v[i], blob, BLOB))
            return;
    if (c->n == CORPUS_BLOBS)
        c->full = true;
    else
        memcpy(c->v[c->n++], blob, BLOB);
}

void contents_file(struct contents *c, const struct maker *m, uint32_t target, uint32_t file)
{
    const struct oid *o = &m->l.snap[target]->file[file].oid;
    contents_add(c, m, o->byte, file_is_held(m, o));
}

/* -- records ---------------------------------------------------------------------------------------------------------------- */

bool lesson_wanted(const struct maker *m, enum corpus_kind kind, bool held)
{
    uint32_t most = held ? (m->o->most + 3) / 4 : m->o->most;
    return (!m->o->kinds || m->o->kinds >> kind & 1) && (held ? m->told->held : m->told->learned)[kind] < most && m->bytes < m->o->bytes;
}

struct str kept_text(struct maker *m, struct str s)
{
    return (struct str){arena_strn(&m->arena, s.n ? s.p : "", s.n), s.n};
}

/* What is learned is a text of the repository itself: it is learned once, whatever it was asked by. */
static bool speaks_for_itself(enum corpus_kind kind)
{
    return kind == CORPUS_DOC || kind == CORPUS_CODE || kind == CORPUS_FILL || kind == CORPUS_SECTION || kind == CORPUS_COMMIT;
}

void lesson_add(struct maker *m, bool held, const struct draft *d, const struct contents *c)
{
    struct buf b = BUF_INIT;
    if (c->full || (!held && c->held) || !lesson_wanted(m, d->kind, held))
        return;
    struct corpus_record r = {.kind = d->kind, .held = held, .repo = d->repo, .time = d->time, .blobs = c->n, .prompt = kept_text(m, d->prompt),
                              .suffix = kept_text(m, d->suffix), .texts = d->texts, .right = d->right};
    uint8_t *blob = arena_alloc(&m->arena, (size_t)c->n * BLOB + 1);
    memcpy(blob, c->v, (size_t)c->n * BLOB);
    r.blob = blob;
    m->bytes += d->prompt.n + d->suffix.n + (size_t)c->n * BLOB + 64;
    buf_addc(&b, (char)d->kind);
    for (uint8_t i = 0; i < d->texts; i++) {
        r.text[i] = kept_text(m, d->text[i]);
        m->bytes += d->text[i].n;
        buf_addc(&b, 0);
        buf_add(&b, d->text[i].p, d->text[i].n);
    }
    if (!speaks_for_itself(d->kind)) { /* the same answer to another question */
        buf_addc(&b, 0);
        buf_add(&b, d->prompt.p, d->prompt.n);
    }
    VEC_ROOM(m->v, m->n, m->cap);
    m->v[m->n++] = (struct lesson){r, hash128(b.data, b.len), false};
    (held ? m->told->held : m->told->learned)[d->kind]++;
    buf_release(&b);
}

struct str trimmed(struct str s)
{
    while (s.n && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    while (s.n && isspace((unsigned char)*s.p))
        s.p++, s.n--;
    return s;
}

struct str arena_sentence(struct arena *arena, struct str comment)
{
    struct buf b = BUF_INIT;
    bool begun = false, more = true;
    while (comment.n && more) {
        const char *nl = memchr(comment.p, '\n', comment.n);
        struct str line = trimmed((struct str){comment.p, nl ? (size_t)(nl - comment.p) : comment.n});
        size_t whole = nl ? (size_t)(nl - comment.p) + 1 : comment.n;
        comment = (struct str){comment.p + whole, comment.n - whole};
        while (line.n && strchr("/*#\"';!%-<>{}()|", *line.p))
            line.p++, line.n--;
        while (line.n && strchr("*/\"'-", line.p[line.n - 1]))
            line.n--;
        line = trimmed(line);
        if (!line.n) {
            more = !begun;
            continue;
        }
        if (begun)
            buf_addc(&b, ' ');
        begun = true;
        for (size_t i = 0; i < line.n && more; i++) {
            buf_addc(&b, line.p[i]);
            more = b.len < SENTENCE_MOST && !(line.p[i] == '.' && (i + 1 == line.n || line.p[i + 1] == ' '));
        }
    }
    while (b.len && ((unsigned char)b.data[b.len - 1] & 0xc0) == 0x80 && b.len >= SENTENCE_MOST) /* no half character at a cut */
        b.len--;
    struct str s = {"", 0};
    if (b.len >= SENTENCE_LEAST)
        s = (struct str){arena_strn(arena, b.data, b.len), b.len};
    buf_release(&b);
    return s;
}

const char *path_of(struct maker *m, uint32_t target, uint32_t file)
{
    struct str p = m->l.snap[target]->file[file].path;
    return arena_strn(&m->scratch, p.p, p.n);
}

/* -- files -------------------------------------------------------------------------------------------------------------------- */

static int of_file(struct maker *m, uint32_t file, struct err *e)
{
    const struct snap_file *f = &m->snap->file[file];
    struct record r;
    buf_clear(&m->text);
    int rc = cut_get(m->l.t, f->cut, &r, e);
    if (!rc)
        rc = cut_text(m->l.t, f->cut, &m->text, e);
    if (rc)
        return rc == ERR_NOT_FOUND ? 0 : rc; /* it went meanwhile */
    m->file = file;
    m->held = file_is_held(m, &f->oid);
    m->told->files++;
    lessons_of_code(m, &r);
    return lessons_of_graph(m, &r, e);
}

static bool go_on(struct maker *m, const char *stage, uint64_t done, uint64_t all, struct err *e)
{
    if (!m->o->go_on || m->o->go_on(m->o->arg, stage, done, all))
        return true;
    err_set(e, ERR_CANCELED, "canceled");
    return false;
}

struct turn {
    uint64_t number;
    uint32_t file;
};

static int by_turn(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    return x->number != y->number ? (x->number > y->number) - (x->number < y->number) : (x->file > y->file) - (x->file < y->file);
}

/* The files of one target in an order drawn from their contents, so that a bound leaves a sample of all of them. */
static int of_target(struct maker *m, struct retriever *r, uint32_t target, struct snapshot *snap, struct err *e)
{
    struct turn *order = mem_alloc((snap->nfiles + 1) * sizeof *order);
    uint32_t n = 0;
    int rc = 0;
    for (uint32_t f = 0; f < snap->nfiles; f++)
        if (teaches(snap, &snap->file[f]))
            order[n++] = (struct turn){number_of(m, &snap->file[f].oid), f};
    qsort(order, n, sizeof *order, by_turn);
    m->target = target;
    for (uint32_t i = 0; i < n && !rc;) {
        if (!go_on(m, "reading", i, n, e)) {
            rc = ERR_CANCELED;
            break;
        }
        uint32_t until = n - i < CORPUS_FILES_AT_ONCE ? n : i + CORPUS_FILES_AT_ONCE;
        if ((rc = lookup_open(&m->l, r, m->o->target, m->o->ntargets, &m->scratch, e)))
            break;
        m->snap = m->l.snap[target];
        for (; i < until && !rc; i++) /* by path: the view may have moved on meanwhile */
            if (m->snap == snap)
                rc = of_file(m, order[i].file, e);
            else {
                uint32_t f = snapshot_file(m->snap, snap->file[order[i].file].path);
                rc = f != FILE_NONE && teaches(m->snap, &m->snap->file[f]) ? of_file(m, f, e) : 0;
            }
        lookup_close(&m->l);
        arena_reset(&m->scratch);
    }
    free(order);
    if (!rc && m->o->mask && m->o->target[target].oid_len && !(rc = lookup_open(&m->l, r, m->o->target, m->o->ntargets, &m->scratch, e))) {
        rc = lessons_of_commits(m, target, e);
        lookup_close(&m->l);
        arena_reset(&m->scratch);
    }
    return rc;
}

/* -- what stands there twice ---------------------------------------------------------------------------------------------------- */

struct set { /* open addressing; 0 is no member */
    uint64_t *v;
    size_t n, cap;
};

static bool set_add(struct set *s, uint64_t x)
{
    x += !x;
    if (2 * s->n >= s->cap) {
        struct set big = {mem_zero(s->cap ? 2 * s->cap : 1024, sizeof *big.v), 0, s->cap ? 2 * s->cap : 1024};
        for (size_t i = 0; i < s->cap; i++)
            if (s->v[i])
                set_add(&big, s->v[i]);
        free(s->v);
        *s = big;
    }
    size_t i = x & (s->cap - 1);
    while (s->v[i] && s->v[i] != x)
        i = (i + 1) & (s->cap - 1);
    bool fresh = !s->v[i];
    s->v[i] = x;
    s->n += fresh;
    return fresh;
}

static bool set_has(const struct set *s, uint64_t x)
{
    x += !x;
    size_t i = x & (s->cap - 1);
    while (s->cap && s->v[i] && s->v[i] != x)
        i = (i + 1) & (s->cap - 1);
    return s->cap && s->v[i];
}

/* Each line that can be recognised. */
static void each_line(struct str s, void (*each)(void *arg, uint64_t line), void *arg)
{
    while (s.n) {
        const char *nl = memchr(s.p, '\n', s.n);
        size_t n = nl ? (size_t)(nl - s.p) : s.n;
        struct str line = trimmed((struct str){s.p, n});
        if (line.n >= LINE_LEAST)
            each(arg, hash64(line.p, line.n));
        n += nl != NULL;
        s = (struct str){s.p + n, s.n - n};
    }
}

static void learn_line(void *arg, uint64_t line)
{
    set_add(arg, line);
}

struct seen_lines {
    const struct set *lines;
    uint32_t n, known;
};

static void count_line(void *arg, uint64_t line)
{
    struct seen_lines *s = arg;
    s->n++;
    s->known += set_has(s->lines, line);
}

static void drop(struct maker *m, struct lesson *x, uint32_t *count)
{
    x->dropped = true;
    (*count)++;
    (x->r.held ? m->told->held : m->told->learned)[x->r.kind]--;
}

/* Learned ones first: what is learned is not measured by. */
static void drop_repeated(struct maker *m)
{
    struct set texts = {0}, lines = {0};
    for (int held = 0; held < 2; held++)
        for (size_t i = 0; i < m->n; i++) {
            struct lesson *x = &m->v[i];
            struct seen_lines seen = {&lines, 0, 0};
            if (x->r.held != held)
                continue;
            if (!set_add(&texts, x->hash.lo ^ x->hash.hi)) {
                drop(m, x, &m->told->repeated);
            } else if (!held) {
                each_line(x->r.prompt, learn_line, &lines);
                each_line(x->r.suffix, learn_line, &lines);
                each_line(x->r.text[0], learn_line, &lines);
            } else if (x->r.texts == 1 && x->r.kind != CORPUS_CHANGE) {
                each_line(x->r.text[0], count_line, &seen);
                if (KNOWN_SHARE * seen.known > seen.n)
                    drop(m, x, &m->told->known);
            }
        }
    free(texts.v);
    free(lines.v);
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void write_out(struct maker *m, struct buf *out)
{
    uint32_t *repo = mem_alloc((m->o->ntargets + 1) * sizeof *repo), n = 0;
    for (size_t t = 0; t < m->o->ntargets; t++)
        repo[n++] = m->o->target[t].repo->id;
    qsort(repo, n, sizeof *repo, by_id);
    corpus_begin(out, m->o->seed, repo, n);
    for (size_t i = 0; i < m->n; i++)
        if (!m->v[i].dropped)
            corpus_add(out, &m->v[i].r);
    corpus_end(out);
    free(repo);
}

int corpus_make(struct buf *out, struct corpus_told *told, struct retriever *r, const struct corpus_order *o, struct err *e)
{
    struct maker m = {.o = o, .told = told};
    size_t n = 0;
    int rc = 0;
    *told = (struct corpus_told){0};
    arena_init(&m.arena);
    arena_init(&m.scratch);
    struct snapshot **snap = mem_zero(o->ntargets + 1, sizeof *snap);
    for (; n < o->ntargets && !rc; n++)
        rc = retriever_snapshot(&snap[n], r, &o->target[n], e);
    if (!rc)
        draw_held(&m, snap);
    for (size_t t = 0; t < o->ntargets && !rc; t++)
        rc = of_target(&m, r, (uint32_t)t, snap[t], e);
    if (!rc) {
        lessons_of_choice(&m);
        drop_repeated(&m);
        write_out(&m, out);
    }
    for (size_t t = 0; t < n; t++)
        snapshot_drop(snap[t]);
    free(snap);
    free(m.v);
    free(m.known);
    buf_release(&m.text);
    arena_release(&m.scratch);
    arena_release(&m.arena);
    return rc;
}
