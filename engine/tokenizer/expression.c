#include "engine/tokenizer/expression.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/tokenizer/expression_data.h"
#include "engine/tokenizer/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define STATES_MAX 4096
#define CLASSES_MAX 250
#define WORK_MAX 20000000 /* steps of building one table; the largest in use takes 2,000,000 */
#define MATCH_LIMIT 1000000 /* PCRE2's steps for one match; what needs more counts as no match */

/* A cell: the state behind this character << 1, and whether a match ends before it. State 0: no more matches. */
struct table {
    uint32_t *cell; /* [states][width] */
    uint32_t width; /* classes and one more: the text's end */
    uint32_t start;
    uint8_t of_byte[256];    /* class of ASCII, or of every byte where they are read as letters; WIDE: look further */
    uint16_t page[0x1100];
    uint8_t (*of_code)[256]; /* class of a code point */
    uint8_t of_bad;          /* class of a byte that is part of no character */
};
#define WIDE 255

struct expression {
    enum expression_text how;
    struct table t; /* no cells: PCRE2 */
    pcre2_code *code;
};

uint32_t expression_letter(uint8_t b)
{
    uint32_t before = 0; /* bytes that are no letters to be seen are moved behind U+0100, in order */
    if ((b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE)
        return b;
    if (b <= 0x20)
        before = b;
    else if (b >= 0x7F && b <= 0xA0)
        before = 0x21 + (b - 0x7Fu);
    else
        before = 0x43; /* U+00AD, the soft hyphen */
    return 0x100 + before;
}

/* Classes */

struct classes {
    uint64_t member[CLASSES_MAX]; /* bit i: inside of set i */
    uint32_t n;
};

static int class_of(struct classes *k, uint64_t member)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->member[i] == member)
            return (int)i;
    if (k->n == CLASSES_MAX)
        return -1;
    k->member[k->n] = member;
    return (int)k->n++;
}

static int order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Every code point's class: between two bounds of sets all have the same. */
static bool classify(struct table *t, struct classes *k, const struct program *p)
{
    uint32_t *bound = NULL;
    size_t n = 0, cap = 0, npages = 0, pages_cap = 0, at[SETS_MAX] = {0};
    uint8_t *of = mem_zero(CODE_POINTS, 1);
    bool ok = true;
    for (size_t i = 0; i < p->nsets; i++)
        for (size_t j = 0; j < p->set[i].n; j++)
            for (int side = 0; side < 2; side++) {
                VEC_ROOM(bound, n, cap);
                bound[n++] = side ? p->set[i].range[j].hi + 1 : p->set[i].range[j].lo;
            }
    VEC_ROOM(bound, n, cap);
    bound[n++] = 0;
    qsort(bound, n, sizeof *bound, order);
    for (size_t b = 0; b < n && ok; b++) {
        uint32_t lo = bound[b], hi = b + 1 < n ? bound[b + 1] : CODE_POINTS;
        uint64_t member = 0;
        if (lo >= hi)
            continue;
        for (size_t i = 0; i < p->nsets; i++) {
            while (at[i] < p->set[i].n && p->set[i].range[at[i]].hi < lo)
                at[i]++;
            if (at[i] < p->set[i].n && p->set[i].range[at[i]].lo <= lo)
                member |= (uint64_t)1 << i;
        }
        int c = class_of(k, member);
        ok = c >= 0;
        if (ok)
            memset(of + lo, c, hi - lo);
    }
    for (uint32_t page = 0; page < 0x1100 && ok; page++) {
        size_t same = npages;
        while (same > 0 && memcmp(t->of_code[same - 1], of + (page << 8), 256))
            same--;
        if (!same) {
            VEC_ROOM(t->of_code, npages, pages_cap);
            memcpy(t->of_code[npages], of + (page << 8), 256);
            same = ++npages;
        }
        t->page[page] = (uint16_t)(same - 1);
    }
    t->of_bad = of[0xFFFD];
    free(of);
    free(bound);
    return ok;
}

static uint32_t class_at(const struct table *t, uint32_t c)
{
    return t->of_code[t->page[c >> 8]][c & 255];
}

/* States */

struct list { /* places in the program, most wanted first */
    uint32_t *pc, n;
};

struct build {
    const struct program *p;
    const struct classes *k;
    struct table *t;
    struct list *state;
    uint32_t n;
    size_t cap, cells_cap;
    uint64_t work;
    uint32_t *mark, stamp; /* [program]: seen in this closure */
    uint32_t *stack;       /* [2 · program] */
    uint32_t *slot;        /* [2 · STATES_MAX] state + 1 by the hash of its list */
};

/* Appends what can be reached from pc without a character, in order. */
static void reach(struct build *b, struct list *to, uint32_t pc)
{
    uint32_t n = 0;
    b->stack[n++] = pc;
    while (n) {
        pc = b->stack[--n];
        b->work++;
        if (b->mark[pc] == b->stamp)
            continue;
        b->mark[pc] = b->stamp;
        const struct inst *i = &b->p->inst[pc];
        if (i->op == OP_SPLIT) {
            b->stack[n++] = i->b;
            b->stack[n++] = i->a;
        } else if (i->op == OP_JUMP) {
            b->stack[n++] = i->a;
        } else {
            to->pc[to->n++] = pc;
        }
    }
}

/* The number of a list, made a state where it is none; UINT32_MAX: too many. */
static uint32_t number_of(struct build *b, const struct list *l)
{
    uint64_t h = hash64(l->pc, l->n * sizeof *l->pc);
    uint32_t i = (uint32_t)h & (2 * STATES_MAX - 1);
    if (!l->n)
        return 0;
    for (; b->slot[i]; i = (i + 1) & (2 * STATES_MAX - 1)) {
        const struct list *s = &b->state[b->slot[i] - 1];
        if (s->n == l->n && !memcmp(s->pc, l->pc, l->n * sizeof *l->pc))
            return b->slot[i] - 1;
    }
    if (b->n == STATES_MAX)
        return UINT32_MAX;
    VEC_ROOM(b->state, b->n, b->cap);
    b->slot[i] = b->n + 1;
    b->state[b->n] = (struct list){mem_alloc(l->n * sizeof *l->pc), l->n};
    memcpy(b->state[b->n].pc, l->pc, l->n * sizeof *l->pc);
    return b->n++;
}

/* The cell of a state and the class that comes next (k->n: nothing does). Assertions are settled now, in their place of the
 * order: what one lets through stands before what is wanted less. */
static uint32_t step(struct build *b, uint32_t state, uint32_t class, uint32_t *now, struct list *next)
{
    bool end = class == b->k->n;
    uint64_t member = end ? 0 : b->k->member[class];
    uint32_t n = 0, size = (uint32_t)b->p->n;
    uint32_t *seen = now + size; /* assertions passed in this step, against going round */
    next->n = 0;
    b->stamp++;
    for (uint32_t i = b->state[state].n; i-- > 0;)
        now[n++] = b->state[state].pc[i];
    memset(seen, 0, size * sizeof *seen);
    while (n) {
        uint32_t pc = now[--n];
        const struct inst *i = &b->p->inst[pc];
        bool in = member >> i->a & 1;
        b->work++;
        if (i->op == OP_MATCH)
            return 1;
        if (i->op == OP_CHAR) {
            if (in && !end)
                reach(b, next, pc + 1);
        } else if ((i->op == OP_NEXT_IN ? in && !end : !in || end) && !seen[pc]) {
            /* rare: at most one look ahead stands between two characters of an expression in use */
            struct list after = {b->stack + 2 * size, 0};
            uint32_t stamp = b->stamp;
            uint32_t *mark = b->mark;
            seen[pc] = 1;
            b->mark = b->stack + 3 * size;
            memset(b->mark, 0, size * sizeof *b->mark);
            b->stamp = 1;
            reach(b, &after, pc + 1);
            b->mark = mark;
            b->stamp = stamp;
            if (n + after.n > size)
                return UINT32_MAX;
            while (after.n)
                now[n++] = after.pc[--after.n];
        }
    }
    return 0;
}

/* A match ends the scan of a step: what is wanted less is gone, what is wanted more goes on in *next. */
static bool build(struct build *b)
{
    size_t size = b->p->n;
    uint32_t *now = mem_alloc(2 * size * sizeof *now);
    struct list next = {mem_alloc(size * sizeof *next.pc), 0};
    bool ok = true;
    b->mark = mem_zero(size, sizeof *b->mark);
    b->stack = mem_alloc(4 * size * sizeof *b->stack);
    b->slot = mem_zero(2 * STATES_MAX, sizeof *b->slot);
    VEC_ROOM(b->state, b->n, b->cap);
    b->state[b->n++] = (struct list){0}; /* 0: dead */
    b->stamp = 1;
    reach(b, &next, 0);
    b->t->start = number_of(b, &next);
    b->t->width = b->k->n + 1;
    for (uint32_t s = 0; s < b->n && ok; s++) {
        size_t need = (size_t)(s + 1) * b->t->width;
        if (need > b->cells_cap) {
            b->cells_cap = need * 2;
            b->t->cell = mem_grow(b->t->cell, b->cells_cap, sizeof *b->t->cell);
        }
        for (uint32_t c = 0; c < b->t->width && ok; c++) {
            uint32_t matched = step(b, s, c, now, &next);
            uint32_t to = matched == UINT32_MAX ? UINT32_MAX : number_of(b, &next);
            ok = to != UINT32_MAX && b->work < WORK_MAX;
            b->t->cell[(size_t)s * b->t->width + c] = to << 1 | matched;
        }
    }
    for (uint32_t s = 0; s < b->n; s++)
        free(b->state[s].pc);
    free(b->state);
    free(b->slot);
    free(b->stack);
    free(b->mark);
    free(next.pc);
    free(now);
    return ok;
}

static bool make_table(struct table *t, const struct program *p, enum expression_text how)
{
    struct classes k = {.n = 0};
    bool ok = classify(t, &k, p);
    if (ok) {
        struct build b = {.p = p, .k = &k, .t = t};
        for (uint32_t c = 0; c < 256; c++)
            t->of_byte[c] = (uint8_t)(how == EXPRESSION_LETTERS ? class_at(t, expression_letter((uint8_t)c))
                                      : c < 128                 ? class_at(t, c)
                                                                : WIDE);
        ok = build(&b);
    }
    if (!ok) {
        free(t->cell);
        free(t->of_code);
        *t = (struct table){0};
    }
    return ok;
}

/* \b as Oniguruma has it: marks belong to words, which PCRE2 leaves out. */
static void with_bounds(struct buf *to, const char *text, size_t n)
{
#define WORD "[\\p{L}\\p{M}\\p{N}\\p{Pc}]"
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\' && i + 1 < n && text[i + 1] == 'b') {
            buf_adds(to, "(?:(?<=" WORD ")(?!" WORD ")|(?<!" WORD ")(?=" WORD "))");
            i++;
            continue;
        }
        buf_addc(to, text[i]);
        if (text[i] == '\\' && i + 1 < n)
            buf_addc(to, text[++i]);
    }
}

static int compile_slow(struct expression *x, const char *text, size_t n, struct err *e)
{
    struct buf b = BUF_INIT;
    int code;
    PCRE2_SIZE at;
    with_bounds(&b, text, n);
    x->code = pcre2_compile((PCRE2_SPTR)b.data, b.len, PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE, &code, &at, NULL);
    buf_release(&b);
    if (!x->code || x->how == EXPRESSION_LETTERS)
        return err_set(e, ERR_UNSUPPORTED, "the expression %.*s", (int)(n < 300 ? n : 300), text);
    pcre2_jit_compile(x->code, PCRE2_JIT_COMPLETE); /* where there is none, it is interpreted */
    return 0;
}

int expression_compile(struct expression **out, const char *text, size_t n, enum expression_text how, struct err *e)
{
    struct program p = {.nsets = 0};
    struct expression *x = mem_zero(1, sizeof *x);
    int rc = n > EXPRESSION_MAX ? err_set(e, ERR_LIMIT, "an expression of %zu bytes", n) : program_parse(&p, text, n, e);
    x->how = how;
    if (rc == ERR_FORMAT || rc == ERR_LIMIT)
        goto out;
    if (!rc && make_table(&x->t, &p, how))
        goto out;
    rc = compile_slow(x, text, n, e);
out:
    program_release(&p);
    if (rc)
        expression_free(x);
    else
        *out = x;
    return rc;
}

void expression_free(struct expression *x)
{
    if (!x)
        return;
    free(x->t.cell);
    free(x->t.of_code);
    pcre2_code_free(x->code);
    free(x);
}

bool expression_is_table(const struct expression *x)
{
    return x->t.cell;
}

/* The class of what stands at p + at, and its bytes. */
static inline uint32_t next_class(const struct table *t, const uint8_t *p, size_t n, size_t at, size_t *len)
{
    uint32_t c = t->of_byte[p[at]];
    *len = 1;
    if (c != WIDE)
        return c;
    int k;
    uint32_t code = unicode_decode(p + at, p + n, &k);
    *len = (size_t)k;
    return k == 1 ? t->of_bad : class_at(t, code);
}

/* The end of the match that begins at `at`, 0: there is none. *skip, where it is asked for: beginning anywhere up to there
 * finds none either. */
static inline __attribute__((always_inline)) size_t run(const struct table *t, const uint8_t *p, size_t n, size_t at, size_t *skip)
{
    const uint32_t *cell = t->cell;
    uint32_t state = t->start, width = t->width;
    size_t found = 0, i = at, len;
    bool same = true;
    while (i < n) {
        uint32_t class = next_class(t, p, n, i, &len), next = cell[(size_t)state * width + class];
        if (next & 1)
            found = i;
        state = next >> 1;
        if (!state)
            break;
        /* where a new start would have come to the same state, it would fail as this one does */
        same = same && skip && (i == at || state == cell[(size_t)t->start * width + class] >> 1);
        i += len;
        if (same)
            *skip = i;
    }
    if (i >= n && cell[(size_t)state * width + width - 1] & 1)
        found = n;
    return found > at ? found : 0;
}

static bool find_slow(const struct expression *x, const char *p, size_t n, size_t at, size_t *from, size_t *to)
{
    pcre2_match_data *m = pcre2_match_data_create(1, NULL);
    pcre2_match_context *c = pcre2_match_context_create(NULL);
    bool found = false;
    pcre2_set_match_limit(c, MATCH_LIMIT);
    while (at < n && pcre2_match(x->code, (PCRE2_SPTR)p, n, at, 0, m, c) >= 0) {
        const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m);
        if (v[1] > v[0]) {
            *from = v[0];
            *to = v[1];
            found = true;
            break;
        }
        int k; /* empty: from the next character */
        unicode_decode((const uint8_t *)p + v[0], (const uint8_t *)p + n, &k);
        at = v[0] + (size_t)k;
    }
    pcre2_match_context_free(c);
    pcre2_match_data_free(m);
    return found;
}

bool expression_find(const struct expression *x, const char *p, size_t n, size_t at, size_t *from, size_t *to)
{
    const uint8_t *s = (const uint8_t *)p;
    if (!x->t.cell)
        return find_slow(x, p, n, at, from, to);
    const uint32_t *first = x->t.cell + (size_t)x->t.start * x->t.width;
    while (at < n) {
        size_t len, skip = 0, end;
        while (first[next_class(&x->t, s, n, at, &len)] >> 1 == 0) { /* no match begins so */
            at += len;
            if (at >= n)
                return false;
        }
        end = run(&x->t, s, n, at, NULL);
        if (end) {
            *from = at;
            *to = end;
            return true;
        }
        run(&x->t, s, n, at, &skip);
        at = skip > at + len ? skip : at + len;
    }
    return false;
}
