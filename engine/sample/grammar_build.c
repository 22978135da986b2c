#include "engine/sample/grammar_build.h"

#include "base/mem.h"
#include "engine/tokenizer/unicode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void build_fail(struct build *b, int code, const char *fmt, ...)
{
    char why[500];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    b->rc = err_set(b->e, code, "%s", why);
    longjmp(b->out, 1);
}

void build_release(struct build *b)
{
    arena_release(&b->arena);
    free(b->rule);
    free(b->set);
}

static void charge(struct build *b, uint32_t n)
{
    if (n > GRAMMAR_ELEMENTS_MAX - b->elements)
        build_fail(b, ERR_LIMIT, "a grammar of more than %u elements", GRAMMAR_ELEMENTS_MAX);
    b->elements += n;
}

uint32_t build_rule(struct build *b)
{
    charge(b, 1);
    if (b->rules == b->rules_cap) {
        b->rules_cap = b->rules_cap ? b->rules_cap * 2 : 64;
        b->rule = mem_grow(b->rule, b->rules_cap, sizeof *b->rule);
    }
    b->rule[b->rules] = (struct build_rule){0};
    return b->rules++;
}

struct element build_ref(uint32_t rule)
{
    return (struct element){E_RULE, rule};
}

void build_alt(struct build *b, uint32_t rule, struct row alt)
{
    struct build_rule *r = &b->rule[rule];
    charge(b, alt.n + 1);
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 2;
        struct row *grown = arena_alloc(&b->arena, cap * sizeof *grown);
        if (r->n)
            memcpy(grown, r->alt, r->n * sizeof *grown);
        r->alt = grown;
        r->cap = cap;
    }
    struct row copy = {arena_alloc(&b->arena, (alt.n + 1) * sizeof *copy.v), alt.n, alt.n};
    if (alt.n)
        memcpy(copy.v, alt.v, alt.n * sizeof *copy.v);
    r->alt[r->n++] = copy;
}

void row_add(struct build *b, struct row *r, struct element x)
{
    charge(b, 1);
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 8;
        struct element *grown = arena_alloc(&b->arena, cap * sizeof *grown);
        if (r->n)
            memcpy(grown, r->v, r->n * sizeof *grown);
        r->v = grown;
        r->cap = cap;
    }
    r->v[r->n++] = x;
}

void row_add_row(struct build *b, struct row *r, const struct row *more)
{
    for (uint32_t i = 0; i < more->n; i++)
        row_add(b, r, more->v[i]);
}

static struct element set_element(struct build *b, const struct byte_set *s)
{
    for (uint32_t i = 0; i < b->sets; i++)
        if (!memcmp(&b->set[i], s, sizeof *s))
            return (struct element){E_BYTES, i};
    if (b->sets == b->sets_cap) {
        b->sets_cap = b->sets_cap ? b->sets_cap * 2 : 64;
        b->set = mem_grow(b->set, b->sets_cap, sizeof *b->set);
    }
    b->set[b->sets] = *s;
    return (struct element){E_BYTES, b->sets++};
}

static struct element byte_range(struct build *b, uint8_t from, uint8_t to)
{
    struct byte_set s = {{0}};
    for (int c = from; c <= to; c++)
        s.bit[c / 64] |= 1ull << (c % 64);
    return set_element(b, &s);
}

void row_text(struct build *b, struct row *r, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        row_add(b, r, byte_range(b, (uint8_t)s[i], (uint8_t)s[i]));
}

void row_bytes(struct build *b, struct row *r, const char *set)
{
    struct byte_set s = {{0}};
    for (; *set; set++)
        s.bit[(uint8_t)*set / 64] |= 1ull << ((uint8_t)*set % 64);
    row_add(b, r, set_element(b, &s));
}

void ranges_add(struct build *b, struct ranges *r, uint32_t from, uint32_t to)
{
    charge(b, 1);
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 8;
        struct range *grown = arena_alloc(&b->arena, cap * sizeof *grown);
        if (r->n)
            memcpy(grown, r->v, r->n * sizeof *grown);
        r->v = grown;
        r->cap = cap;
    }
    r->v[r->n++] = (struct range){from, to};
}

static int by_from(const void *a, const void *b)
{
    uint32_t x = ((const struct range *)a)->from, y = ((const struct range *)b)->from;
    return x < y ? -1 : x > y;
}

/* Sorted, joined, without surrogates. */
static struct ranges tidy(struct build *b, struct ranges r)
{
    struct ranges out = {0};
    if (r.n)
        qsort(r.v, r.n, sizeof *r.v, by_from);
    for (uint32_t i = 0; i < r.n; i++) {
        struct range x = r.v[i];
        if (x.to < x.from)
            continue;
        if (out.n && x.from <= out.v[out.n - 1].to + 1) {
            if (x.to > out.v[out.n - 1].to)
                out.v[out.n - 1].to = x.to;
        } else {
            ranges_add(b, &out, x.from, x.to);
        }
    }
    return out;
}

struct ranges ranges_not(struct build *b, struct ranges r)
{
    struct ranges out = {0};
    uint32_t next = 0;
    r = tidy(b, r);
    for (uint32_t i = 0; i < r.n; i++) {
        if (r.v[i].from > next)
            ranges_add(b, &out, next, r.v[i].from - 1);
        next = r.v[i].to + 1;
    }
    if (next <= 0x10FFFF)
        ranges_add(b, &out, next, 0x10FFFF);
    return out;
}

/* UTF-8 of a range whose ends have equally many bytes, as rows of byte ranges: cut where a continuation byte wraps. */
static void utf8_alts(struct build *b, uint32_t rule, uint32_t from, uint32_t to)
{
    static const uint32_t last[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    for (int i = 0; i < 3; i++)
        if (from <= last[i] && to > last[i]) {
            utf8_alts(b, rule, from, last[i]);
            utf8_alts(b, rule, last[i] + 1, to);
            return;
        }
    if (from < 0xE000 && to >= 0xD800) { /* surrogates are no characters */
        if (from < 0xD800)
            utf8_alts(b, rule, from, 0xD7FF);
        if (to >= 0xE000)
            utf8_alts(b, rule, 0xE000, to);
        return;
    }
    for (int i = 1; i < 4; i++) {
        uint32_t low = (1u << (6 * i)) - 1;
        if ((from & ~low) == (to & ~low) || to <= 0x7F)
            continue;
        if (from & low) {
            utf8_alts(b, rule, from, from | low);
            utf8_alts(b, rule, (from | low) + 1, to);
            return;
        }
        if ((to & low) != low) {
            utf8_alts(b, rule, from, (to & ~low) - 1);
            utf8_alts(b, rule, to & ~low, to);
            return;
        }
    }
    char a[4], z[4];
    int n = unicode_encode(a, from);
    unicode_encode(z, to);
    struct row alt = {0};
    for (int i = 0; i < n; i++)
        row_add(b, &alt, byte_range(b, (uint8_t)a[i], (uint8_t)z[i]));
    build_alt(b, rule, alt);
}

struct element build_class(struct build *b, struct ranges r)
{
    struct byte_set ascii = {{0}};
    bool some = false, more = false;
    r = tidy(b, r);
    for (uint32_t i = 0; i < r.n; i++) {
        for (uint32_t c = r.v[i].from; c <= r.v[i].to && c < 0x80; c++, some = true)
            ascii.bit[c / 64] |= 1ull << (c % 64);
        more |= r.v[i].to >= 0x80;
    }
    if (!more)
        return set_element(b, &ascii); /* an empty class fits nothing */
    uint32_t rule = build_rule(b);
    if (some) {
        struct row alt = {0};
        row_add(b, &alt, set_element(b, &ascii));
        build_alt(b, rule, alt);
    }
    for (uint32_t i = 0; i < r.n; i++)
        if (r.v[i].to >= 0x80)
            utf8_alts(b, rule, r.v[i].from < 0x80 ? 0x80 : r.v[i].from, r.v[i].to);
    return build_ref(rule);
}

struct element build_group(struct build *b, struct row x)
{
    if (x.n == 1)
        return x.v[0];
    uint32_t rule = build_rule(b);
    build_alt(b, rule, x);
    return build_ref(rule);
}

struct element build_repeat(struct build *b, struct row x, uint32_t least, uint32_t most)
{
    struct element one = build_group(b, x);
    struct row all = {0};
    if (least > GRAMMAR_REPEAT_MAX || (most != REPEAT_ANY && most > GRAMMAR_REPEAT_MAX))
        build_fail(b, ERR_LIMIT, "a repetition of more than %d times", GRAMMAR_REPEAT_MAX);
    for (uint32_t i = 0; i < least; i++)
        row_add(b, &all, one);
    if (most == REPEAT_ANY) {
        uint32_t rule = build_rule(b);
        struct row again = {0};
        row_add(b, &again, one);
        row_add(b, &again, build_ref(rule));
        build_alt(b, rule, again);
        build_alt(b, rule, (struct row){0});
        row_add(b, &all, build_ref(rule));
        return build_group(b, all);
    }
    struct row tail = {0}; /* (one (one …)?)?, from the inside out */
    for (uint32_t i = least; i < most; i++) {
        uint32_t rule = build_rule(b);
        struct row more = {0};
        row_add(b, &more, one);
        row_add_row(b, &more, &tail);
        build_alt(b, rule, more);
        build_alt(b, rule, (struct row){0});
        tail = (struct row){0};
        row_add(b, &tail, build_ref(rule));
    }
    row_add_row(b, &all, &tail);
    return build_group(b, all);
}

/* May each rule be empty? Grows until nothing changes. */
static void find_nullable(const struct build *b, bool *nullable)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t r = 0; r < b->rules; r++)
            for (uint32_t a = 0; a < b->rule[r].n && !nullable[r]; a++) {
                const struct row *alt = &b->rule[r].alt[a];
                uint32_t i = 0;
                while (i < alt->n && alt->v[i].kind == E_RULE && nullable[alt->v[i].ref])
                    i++;
                nullable[r] = i == alt->n;
                changed |= nullable[r];
            }
    }
}

/* Can a rule begin with itself? Then recognition would never end. Depth first: 1 on the way, 2 done. */
static bool begins_with_itself(const struct build *b, uint32_t root, const bool *nullable, uint8_t *seen)
{
    struct {
        uint32_t rule, alt, at;
    } *way = mem_alloc((b->rules + 1) * sizeof *way);
    uint32_t n = 0;
    bool found = false;
    way[n++].rule = root;
    way[0].alt = way[0].at = 0;
    seen[root] = 1;
    while (n && !found) {
        uint32_t r = way[n - 1].rule;
        if (way[n - 1].alt >= b->rule[r].n) {
            seen[r] = 2;
            n--;
            continue;
        }
        const struct row *alt = &b->rule[r].alt[way[n - 1].alt];
        uint32_t at = way[n - 1].at++;
        if (at >= alt->n || alt->v[at].kind != E_RULE) {
            way[n - 1].alt++;
            way[n - 1].at = 0;
            continue;
        }
        uint32_t next = alt->v[at].ref;
        if (!nullable[next]) { /* nothing behind it comes first */
            way[n - 1].alt++;
            way[n - 1].at = 0;
        }
        if (seen[next] == 1)
            found = true;
        else if (!seen[next]) {
            seen[next] = 1;
            way[n].rule = next;
            way[n].alt = way[n].at = 0;
            n++;
        }
    }
    free(way);
    return found;
}

static struct grammar *lay_out(const struct build *b, uint32_t root)
{
    struct grammar *g = mem_zero(1, sizeof *g);
    uint32_t alts = 0, elements = 0;
    for (uint32_t r = 0; r < b->rules; r++)
        for (uint32_t a = 0; a < b->rule[r].n; a++, alts++)
            elements += b->rule[r].alt[a].n + 1;
    g->element = mem_zero(elements + 1, sizeof *g->element);
    g->first = mem_zero(b->rules + 1, sizeof *g->first);
    g->start = mem_zero(alts + 1, sizeof *g->start);
    g->set = mem_zero(b->sets + 1, sizeof *g->set);
    if (b->sets)
        memcpy(g->set, b->set, b->sets * sizeof *g->set);
    g->sets = b->sets;
    g->rules = b->rules;
    g->root = root;
    alts = 0;
    for (uint32_t r = 0; r < b->rules; r++) {
        g->first[r] = alts;
        for (uint32_t a = 0; a < b->rule[r].n; a++) {
            const struct row *alt = &b->rule[r].alt[a];
            g->start[alts++] = g->elements;
            if (alt->n)
                memcpy(g->element + g->elements, alt->v, alt->n * sizeof *alt->v);
            g->elements += alt->n;
            g->element[g->elements++] = (struct element){E_END, 0};
        }
    }
    g->first[b->rules] = alts;
    return g;
}

int build_finish(struct grammar **out, struct build *b, uint32_t root, struct err *e)
{
    bool *nullable = mem_zero(b->rules + 1, sizeof *nullable);
    uint8_t *seen = mem_zero(b->rules + 1, 1);
    find_nullable(b, nullable);
    int rc = 0;
    if (begins_with_itself(b, root, nullable, seen))
        rc = err_set(e, ERR_UNSUPPORTED, "the grammar has a rule that can begin with itself");
    else
        *out = lay_out(b, root);
    free(nullable);
    free(seen);
    return rc;
}

void grammar_free(struct grammar *g)
{
    if (!g)
        return;
    free(g->element);
    free(g->first);
    free(g->start);
    free(g->set);
    free(g);
}
