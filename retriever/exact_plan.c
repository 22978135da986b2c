#include "retriever/exact_plan.h"

#include <string.h>
#include <strings.h>

enum op { ALL_OF, ANY_OF };

struct plan {
    enum op op;
    uint32_t ngrams, nkids;
    uint32_t *gram; /* with ALL_OF */
    struct plan **kid;
};

/* Alternatives, folded. */
struct set {
    struct str v[PLAN_STRINGS];
    unsigned n;
};

/* What is known of the texts that a part of an expression matches: all of them (exact), or how they begin, how they end, and
 * what else they hold. */
struct info {
    bool exact;
    struct set all, front, back;
    struct plan *must;
};

struct reader {
    const char *p, *end;
    struct arena *a;
    size_t work;
    int depth;
    bool caseless, lost; /* lost: something that is not understood */
};

/* -- plans ---------------------------------------------------------------------------------------------------------- */

static struct plan *join(enum op op, struct plan *x, struct plan *y, struct arena *a)
{
    if (!x || !y)
        return op == ANY_OF ? NULL : x ? x : y;
    struct plan *p = arena_zero(a, 1, sizeof *p);
    p->op = op;
    p->nkids = 2;
    p->kid = arena_alloc(a, 2 * sizeof *p->kid);
    p->kid[0] = x;
    p->kid[1] = y;
    return p;
}

struct plan *plan_and(struct plan *x, struct plan *y, struct arena *a)
{
    return join(ALL_OF, x, y, a);
}

static struct plan *grams_of(struct str s, struct arena *a)
{
    if (s.n < GRAM_LEAST)
        return NULL;
    struct plan *p = arena_zero(a, 1, sizeof *p);
    p->gram = arena_alloc(a, s.n * (GRAM_MOST - GRAM_LEAST + 1) * sizeof *p->gram);
    for (unsigned n = GRAM_MOST; n >= GRAM_LEAST; n--) /* what fewer contents hold first */
        for (size_t i = 0; i + n <= s.n; i++)
            if (!memchr(s.p + i, '\n', n))
                p->gram[p->ngrams++] = gram_hash(s.p + i, n);
    return p->ngrams ? p : NULL;
}

/* One of these stands in the text. */
static struct plan *grams_of_set(const struct set *s, struct arena *a)
{
    struct plan *p = s->n ? grams_of(s->v[0], a) : NULL;
    for (unsigned i = 1; i < s->n && p; i++)
        p = join(ANY_OF, p, grams_of(s->v[i], a), a);
    return p;
}

bool plan_passes(const struct plan *p, struct grams g)
{
    if (!p)
        return true;
    for (uint32_t i = 0; i < p->ngrams; i++)
        if (!grams_hold(g, p->gram[i]))
            return false;
    bool any = p->op == ALL_OF;
    for (uint32_t i = 0; i < p->nkids; i++) {
        bool yes = plan_passes(p->kid[i], g);
        if (yes != (p->op == ALL_OF))
            return yes;
    }
    return any;
}

struct plan *plan_literal(struct str text, struct arena *a)
{
    char *folded = arena_alloc(a, text.n + 1);
    return grams_of((struct str){folded, grams_fold(folded, text.p, text.n)}, a);
}

/* -- sets ----------------------------------------------------------------------------------------------------------- */

static void set_add(struct set *s, struct str x)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->v[i].n == x.n && !memcmp(s->v[i].p, x.p, x.n))
            return;
    if (s->n < PLAN_STRINGS) /* the callers see to it */
        s->v[s->n++] = x;
}

static const struct set anything = {.v = {{"", 0}}, .n = 1};

static struct set set_union(const struct set *x, const struct set *y)
{
    struct set s = *x;
    if (x->n + y->n > PLAN_STRINGS)
        return anything;
    for (unsigned i = 0; i < y->n; i++)
        set_add(&s, y->v[i]);
    return s;
}

static struct set set_cross(struct reader *r, const struct set *x, const struct set *y)
{
    struct set s = {.n = 0};
    for (unsigned i = 0; i < x->n; i++)
        for (unsigned k = 0; k < y->n; k++) {
            struct str a = x->v[i], b = y->v[k];
            char *to = arena_alloc(r->a, a.n + b.n + 1);
            memcpy(to, a.p, a.n);
            memcpy(to + a.n, b.p, b.n);
            r->work += a.n + b.n + 32;
            set_add(&s, (struct str){to, a.n + b.n});
        }
    r->lost |= r->work > PLAN_WORK;
    return s;
}

static bool crossable(const struct set *x, const struct set *y)
{
    return x->n * y->n <= PLAN_STRINGS;
}

/* The first or last bytes that can still be part of a gram with what comes before or after. */
static struct set set_trim(const struct set *s, bool front)
{
    struct set t = {.n = 0};
    for (unsigned i = 0; i < s->n; i++) {
        struct str x = s->v[i];
        size_t n = x.n < GRAM_MOST - 1 ? x.n : GRAM_MOST - 1;
        set_add(&t, (struct str){front ? x.p : x.p + x.n - n, n});
    }
    return t;
}

/* -- infos ---------------------------------------------------------------------------------------------------------- */

static struct info unknown(void)
{
    return (struct info){.front = anything, .back = anything};
}

static struct info exactly(struct str s)
{
    return (struct info){.exact = true, .all = {.v = {s}, .n = 1}};
}

static void loosen(struct reader *r, struct info *x)
{
    if (!x->exact)
        return;
    x->exact = false;
    x->must = join(ALL_OF, x->must, grams_of_set(&x->all, r->a), r->a);
    x->front = set_trim(&x->all, true);
    x->back = set_trim(&x->all, false);
}

static size_t longest(const struct set *s)
{
    size_t n = 0;
    for (unsigned i = 0; i < s->n; i++)
        n = s->v[i].n > n ? s->v[i].n : n;
    return n;
}

static struct info concat(struct reader *r, struct info *x, struct info *y)
{
    struct info z = {.must = join(ALL_OF, x->must, y->must, r->a)};
    if (r->lost)
        return unknown();
    if (x->exact && y->exact && crossable(&x->all, &y->all) && longest(&x->all) + longest(&y->all) <= PLAN_LENGTH) {
        z.exact = true;
        z.all = set_cross(r, &x->all, &y->all);
        return z;
    }
    /* the grams over the seam, with as much of an exact side as there is */
    const struct set *left = x->exact ? &x->all : &x->back, *right = y->exact ? &y->all : &y->front;
    struct set seam = {.n = 0};
    if (crossable(left, right)) {
        seam = set_cross(r, left, right);
        z.must = join(ALL_OF, z.must, grams_of_set(&seam, r->a), r->a);
    } else {
        z.must = join(ALL_OF, z.must, grams_of_set(left, r->a), r->a);
        z.must = join(ALL_OF, z.must, grams_of_set(right, r->a), r->a);
    }
    struct set sides[2] = {x->exact ? set_trim(&x->all, true) : x->front, y->exact ? set_trim(&y->all, false) : y->back};
    z.front = x->exact && seam.n ? set_trim(&seam, true) : sides[0];
    z.back = y->exact && seam.n ? set_trim(&seam, false) : sides[1];
    return z;
}

static struct info either(struct reader *r, struct info *x, struct info *y)
{
    if (x->exact && y->exact && x->all.n + y->all.n <= PLAN_STRINGS) {
        struct info z = {.exact = true, .all = set_union(&x->all, &y->all), .must = join(ANY_OF, x->must, y->must, r->a)};
        return z;
    }
    loosen(r, x);
    loosen(r, y);
    return (struct info){.front = set_union(&x->front, &y->front), .back = set_union(&x->back, &y->back),
                         .must = join(ANY_OF, x->must, y->must, r->a)};
}

/* -- reading -------------------------------------------------------------------------------------------------------- */

static struct info alternatives(struct reader *r);

static struct info character(struct reader *r, uint32_t c)
{
    char *to = arena_alloc(r->a, 8), raw[4];
    size_t n = 0;
    r->work += 8;
    if (r->caseless && c >= 0x80 && c != 0x17f && c != 0x212a)
        return unknown(); /* its other cases have other bytes */
    if (c < 0x80) {
        raw[n++] = (char)c;
    } else if (c < 0x800) {
        raw[n++] = (char)(0xc0 | c >> 6);
        raw[n++] = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        raw[n++] = (char)(0xe0 | c >> 12);
        raw[n++] = (char)(0x80 | (c >> 6 & 63));
        raw[n++] = (char)(0x80 | (c & 63));
    } else {
        raw[n++] = (char)(0xf0 | c >> 18);
        raw[n++] = (char)(0x80 | (c >> 12 & 63));
        raw[n++] = (char)(0x80 | (c >> 6 & 63));
        raw[n++] = (char)(0x80 | (c & 63));
    }
    return exactly((struct str){to, grams_fold(to, raw, n)});
}

static uint32_t utf8(struct reader *r)
{
    unsigned char c = (unsigned char)*r->p++;
    unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    uint32_t v = more ? c & (0x3fu >> more) : c;
    for (; more && r->p < r->end; more--)
        v = v << 6 | ((unsigned char)*r->p++ & 63);
    return v;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

#define NOT_ONE UINT32_MAX /* the escape stands for more than one character, or for none */

/* After a backslash; r->p at its letter. Sets *empty for what has no width. */
static uint32_t escape(struct reader *r, bool *empty)
{
    *empty = false;
    if (r->p == r->end) {
        r->lost = true;
        return NOT_ONE;
    }
    char c = *r->p;
    if ((unsigned char)c >= 0x80)
        return utf8(r);
    r->p++;
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'f': return '\f';
    case 'e': return 27;
    case 'a': return 7;
    case 'b': case 'B': case 'A': case 'z': case 'Z': case 'G': case 'K':
        *empty = true;
        return NOT_ONE;
    case 'd': case 'D': case 'w': case 'W': case 's': case 'S': case 'h': case 'H': case 'v': case 'V': case 'R': case 'X':
        return NOT_ONE;
    case 'p': case 'P':
        if (r->p < r->end && *r->p == '{')
            while (r->p < r->end && *r->p++ != '}')
                ;
        else if (r->p < r->end)
            r->p++;
        return NOT_ONE;
    case 'x': {
        uint32_t v = 0;
        if (r->p < r->end && *r->p == '{') {
            for (r->p++; r->p < r->end && hex(*r->p) >= 0; r->p++)
                v = v << 4 | (uint32_t)hex(*r->p);
            if (r->p == r->end || *r->p++ != '}')
                r->lost = true;
        } else {
            for (int i = 0; i < 2 && r->p < r->end && hex(*r->p) >= 0; i++)
                v = v << 4 | (uint32_t)hex(*r->p++);
        }
        return v;
    }
    default:
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            r->lost = true; /* back references, octal, \N, \Q inside, \c, \g, \k … */
        return (unsigned char)c;
    }
}

/* A class, after its '['. Only a few single characters are followed; anything else is one unknown character. */
static struct info class(struct reader *r)
{
    bool wide = false, first = true;
    struct info x = {.exact = true};
    if (r->p < r->end && *r->p == '^') {
        wide = true;
        r->p++;
    }
    for (;; first = false) {
        bool empty;
        if (r->p >= r->end) {
            r->lost = true;
            return unknown();
        }
        if (*r->p == ']' && !first)
            break;
        if (*r->p == '[' && r->p + 1 < r->end && (r->p[1] == ':' || r->p[1] == '.' || r->p[1] == '=')) {
            const char *q = r->p + 2;
            while (q < r->end && ((*q >= 'a' && *q <= 'z') || *q == '^'))
                q++;
            if (q + 1 < r->end && q[0] == ':' && q[1] == ']') {
                wide = true;
                r->p = q + 2;
                continue;
            }
            r->lost = true;
            return unknown();
        }
        uint32_t c;
        if (*r->p == '\\') {
            r->p++;
            bool b = r->p < r->end && *r->p == 'b';
            c = escape(r, &empty);
            if (b)
                c = 8;
            wide |= c == NOT_ONE;
        } else {
            c = utf8(r);
        }
        if (r->lost)
            return unknown();
        if (r->p + 1 < r->end && *r->p == '-' && r->p[1] != ']')
            wide = true; /* a range: its end is read as the next character */
        if (wide)
            continue;
        struct info one = character(r, c);
        if (!one.exact || x.all.n == PLAN_STRINGS / 3)
            wide = true;
        else
            set_add(&x.all, one.all.v[0]);
    }
    r->p++;
    return wide ? unknown() : x;
}

/* Option letters of (?i) and (?i:; false for those that change how the rest is read. */
static bool options(struct reader *r)
{
    bool on = true;
    for (; r->p < r->end && *r->p != ')' && *r->p != ':'; r->p++)
        switch (*r->p) {
        case '^': r->caseless = false; break;
        case '-': on = false; break;
        case 'i': r->caseless = on; break;
        case 's': case 'm': case 'U': case 'J': case 'n': break;
        default: return false;
        }
    return r->p < r->end;
}

static struct info group_end(struct reader *r, struct info x)
{
    if (r->p >= r->end || *r->p++ != ')')
        r->lost = true;
    return r->lost ? unknown() : x;
}

/* After '('. */
static struct info group(struct reader *r)
{
    bool caseless = r->caseless, ahead = false, not = false;
    struct info x = unknown();
    if (++r->depth > PLAN_DEPTH || (r->p < r->end && *r->p == '*'))
        r->lost = true;
    if (!r->lost && r->p + 1 < r->end && *r->p == '?') {
        char c = *++r->p, next = r->p + 1 < r->end ? r->p[1] : 0;
        if (c == '#') {
            r->lost = true; /* a quantifier after it counts for what stands before it */
            return x;
        }
        if (c == '>' || c == '|') {
            r->p++;
        } else if (c == '=' || c == '!') {
            ahead = true;
            not = c == '!';
            r->p++;
        } else if (c == '<' && (next == '=' || next == '!')) {
            ahead = true;
            not = next == '!';
            r->p += 2;
        } else if (c == '<' || c == '\'' || (c == 'P' && next == '<')) {
            char close = c == '\'' ? '\'' : '>';
            for (r->p += c == 'P' ? 2 : 1; r->p < r->end && *r->p != close; r->p++)
                ;
            r->p += r->p < r->end;
        } else if (!options(r)) {
            r->lost = true;
        } else if (*r->p == ')') { /* to the end of the group around it */
            r->p++;
            r->depth--;
            return exactly(STR(""));
        } else {
            r->p++;
        }
    }
    if (!r->lost)
        x = alternatives(r);
    r->caseless = caseless;
    r->depth--;
    x = group_end(r, x);
    if (!ahead || r->lost)
        return x;
    struct info y = exactly(STR(""));
    loosen(r, &x);
    y.must = not ? NULL : x.must; /* it stands somewhere in the text, though not here */
    return y;
}

/* How often: false when there is no quantifier at r->p. */
static bool quantifier(struct reader *r, unsigned *least, unsigned *most)
{
    const char *p = r->p;
    if (p == r->end)
        return false;
    *least = *p == '+' ? 1 : 0;
    *most = *p == '?' ? 1 : 1000;
    if (*p == '{') {
        unsigned n[2] = {0, 1000};
        int k = 0;
        bool digits = false, comma = false;
        for (p++; p < r->end && *p != '}'; p++) {
            if (*p == ' ' || *p == '\t') {
                r->lost = true; /* a quantifier in some versions, text in others */
                return false;
            }
            if (*p == ',' && !comma) {
                comma = true;
                k = 1;
                if (!digits)
                    r->lost = true; /* {,n}: likewise */
            } else if (*p >= '0' && *p <= '9') {
                if (comma && n[1] == 1000)
                    n[1] = 0;
                n[k] = n[k] < 100000 ? n[k] * 10 + (unsigned)(*p - '0') : n[k];
                digits = true;
            } else {
                return false;
            }
        }
        if (p == r->end || !digits)
            return false;
        *least = n[0];
        *most = comma ? n[1] : n[0];
    } else if (*p != '*' && *p != '+' && *p != '?') {
        return false;
    }
    r->p = p + 1;
    if (r->p < r->end && (*r->p == '?' || *r->p == '+'))
        r->p++;
    return true;
}

static struct info repeated(struct reader *r, struct info x, unsigned least, unsigned most)
{
    if (!least) {
        struct info none = exactly(STR(""));
        return most == 1 ? either(r, &x, &none) : unknown();
    }
    struct info y = x;
    unsigned n = least < 4 ? least : 4;
    for (unsigned i = 1; i < n; i++)
        y = concat(r, &y, &x);
    if (most == n)
        return y;
    loosen(r, &y); /* begins and ends as it does, with more between */
    return y;
}

static struct info atom(struct reader *r, bool *quantifiable)
{
    char c = *r->p;
    bool empty;
    *quantifiable = true;
    if (c == '(') {
        r->p++;
        return group(r);
    }
    if (c == '[') {
        r->p++;
        if (r->end - r->p >= 6 && (!memcmp(r->p, "[:<:]]", 6) || !memcmp(r->p, "[:>:]]", 6))) {
            r->lost = true;
            return unknown();
        }
        return class(r);
    }
    if (c == '.') {
        r->p++;
        return unknown();
    }
    if (c == '^' || c == '$') {
        r->p++;
        return exactly(STR(""));
    }
    if (c != '\\')
        return character(r, utf8(r));
    r->p++;
    if (r->p < r->end && *r->p == 'Q') {
        r->lost = true; /* \Q…\E: rare by hand */
        return unknown();
    }
    uint32_t one = escape(r, &empty);
    if (r->lost || one == NOT_ONE)
        return empty && !r->lost ? exactly(STR("")) : unknown();
    return character(r, one);
}

static struct info sequence(struct reader *r)
{
    struct info x = exactly(STR(""));
    while (r->p < r->end && *r->p != '|' && *r->p != ')' && !r->lost) {
        bool may;
        unsigned least, most;
        struct info y = atom(r, &may);
        while (!r->lost && quantifier(r, &least, &most))
            y = repeated(r, y, least, most);
        x = concat(r, &x, &y);
    }
    return r->lost ? unknown() : x;
}

static struct info alternatives(struct reader *r)
{
    struct info x = sequence(r);
    while (!r->lost && r->p < r->end && *r->p == '|') {
        r->p++;
        struct info y = sequence(r);
        x = either(r, &x, &y);
    }
    return x;
}

struct plan *plan_regex(struct str pattern, struct arena *a)
{
    struct reader r = {.p = pattern.p, .end = pattern.p + pattern.n, .a = a};
    struct info x = alternatives(&r);
    if (r.lost || r.p != r.end)
        return NULL;
    loosen(&r, &x);
    return x.must;
}

bool plan_spans_lines(struct str p)
{
    for (size_t i = 0; i < p.n; i++) {
        if (p.p[i] == '\n')
            return true;
        if (p.p[i] == '\\' && i + 1 < p.n) {
            char c = p.p[++i];
            struct str rest = {p.p + i, p.n - i};
            if (c == 'n' || c == 'R' || (rest.n >= 3 && !strncasecmp(rest.p, "x0a", 3)) ||
                (rest.n >= 3 && !memcmp(rest.p, "012", 3)) || (rest.n >= 3 && !strncasecmp(rest.p, "x{a", 3)))
                return true;
        } else if (p.p[i] == '(' && i + 2 < p.n && p.p[i + 1] == '?') {
            for (size_t k = i + 2; k < p.n && ((p.p[k] >= 'a' && p.p[k] <= 'z') || p.p[k] == '^'); k++)
                if (p.p[k] == 's')
                    return true;
        }
    }
    return false;
}
