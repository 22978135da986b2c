/* From the text of an expression to a program. Recursive descent, straight to instructions: an atom's are written first and
 * moved or copied where its quantifier needs that. */
#include "base/mem.h"
#include "engine/tokenizer/expression_data.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define DEPTH_MAX 32
#define REPEAT_MAX 1000

struct parser {
    struct program *p;
    const uint8_t *at, *end;
    struct err *e;
    bool fold;
    int depth;
};

static int no(struct parser *r, const char *what)
{
    return err_set(r->e, ERR_UNSUPPORTED, "%s in an expression", what);
}

static int emit(struct parser *r, enum op op, uint32_t a, uint32_t b)
{
    if (r->p->n == PROGRAM_MAX)
        return no(r, "too many repeats");
    VEC_ROOM(r->p->inst, r->p->n, r->p->cap);
    r->p->inst[r->p->n++] = (struct inst){op, a, b};
    return 0;
}

/* Takes the set; equal ones are one. */
static int emit_set(struct parser *r, enum op op, struct charset *s)
{
    size_t i = 0;
    if (r->fold)
        charset_fold(s);
    while (i < r->p->nsets && !charset_same(&r->p->set[i], s))
        i++;
    if (i < r->p->nsets) {
        charset_release(s);
    } else if (i == SETS_MAX) {
        charset_release(s);
        return no(r, "too many sets");
    } else {
        r->p->set[r->p->nsets++] = *s;
    }
    return emit(r, op, (uint32_t)i, 0);
}

/* One more instruction at `at`: jumps of those behind move along. */
static int insert(struct parser *r, size_t at, enum op op, uint32_t a, uint32_t b)
{
    int rc = emit(r, OP_JUMP, 0, 0);
    if (rc)
        return rc;
    struct inst *i = r->p->inst;
    memmove(i + at + 1, i + at, (r->p->n - 1 - at) * sizeof *i);
    for (size_t k = at + 1; k < r->p->n; k++) {
        if ((i[k].op == OP_SPLIT || i[k].op == OP_JUMP) && i[k].a >= at)
            i[k].a++;
        if (i[k].op == OP_SPLIT && i[k].b >= at)
            i[k].b++;
    }
    i[at] = (struct inst){op, a, b};
    return 0;
}

static int copy(struct parser *r, size_t from, size_t to)
{
    size_t by = r->p->n - from;
    for (size_t k = from; k < to; k++) {
        struct inst i = r->p->inst[k];
        bool jumps = i.op == OP_SPLIT || i.op == OP_JUMP;
        int rc = emit(r, i.op, jumps ? i.a + (uint32_t)by : i.a, i.op == OP_SPLIT ? i.b + (uint32_t)by : i.b);
        if (rc)
            return rc;
    }
    return 0;
}

static int number(struct parser *r, int *out)
{
    int v = 0, digits = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && digits < 5)
        v = v * 10 + *r->at++ - '0', digits++;
    *out = v;
    return digits && v <= REPEAT_MAX ? 0 : no(r, "a count");
}

static int code_point(struct parser *r, uint32_t *c)
{
    utf8proc_int32_t v;
    utf8proc_ssize_t k = utf8proc_iterate(r->at, r->end - r->at, &v);
    if (k <= 0)
        return err_set(r->e, ERR_FORMAT, "an expression that is not UTF-8");
    r->at += k;
    *c = (uint32_t)v;
    return 0;
}

/* What follows a backslash: a set, or one code point (*one, else a set). */
static int escape(struct parser *r, struct charset *s, uint32_t *c, bool *one)
{
    if (r->at == r->end)
        return err_set(r->e, ERR_FORMAT, "an expression that ends in a backslash");
    uint8_t k = *r->at;
    *one = false;
    switch (k) {
    case 's':
    case 'S':
        charset_space(s);
        break;
    case 'd':
    case 'D':
        charset_property(s, "Nd", 2);
        break;
    case 'w':
    case 'W':
        charset_word(s);
        break;
    case 'p':
    case 'P': {
        const uint8_t *close = r->at + 1 < r->end && r->at[1] == '{' ? memchr(r->at, '}', (size_t)(r->end - r->at)) : NULL;
        if (!close)
            return no(r, "a property without braces");
        bool negated = r->at[2] == '^';
        if (r->fold)
            return no(r, "a property without case");
        if (!charset_property(s, (const char *)r->at + 2 + negated, (size_t)(close - r->at) - 2 - negated))
            return no(r, "a property");
        r->at = close;
        if (negated != (k == 'P'))
            charset_negate(s);
        break;
    }
    default:
        *one = true;
        if (k == 'n' || k == 'r' || k == 't' || k == 'f' || k == 'v')
            *c = k == 'n' ? '\n' : k == 'r' ? '\r' : k == 't' ? '\t' : k == 'f' ? '\f' : '\v';
        else if (k < 128 && !(k >= '0' && k <= '9') && !((k | 32) >= 'a' && (k | 32) <= 'z'))
            *c = k;
        else
            return no(r, "an escape");
    }
    r->at++;
    if (k == 'S' || k == 'D' || k == 'W')
        charset_negate(s);
    return 0;
}

/* Behind '[' up to and with ']'. */
static int bracket(struct parser *r, struct charset *s)
{
    struct charset sub = {0}, meet = {0};
    bool negated = r->at < r->end && *r->at == '^', first = true, met = false;
    int rc = ++r->depth > DEPTH_MAX ? no(r, "depth") : negated && r->fold ? no(r, "a negated set without case") : 0;
    r->at += negated;
    for (; !rc && r->at < r->end && (*r->at != ']' || first); first = false) {
        uint32_t lo = 0, hi;
        bool one = true;
        if (*r->at == '[') {
            if (r->at + 1 < r->end && r->at[1] == ':') {
                rc = no(r, "a POSIX class");
                break;
            }
            r->at++;
            rc = bracket(r, &sub);
            one = false;
        } else if (r->end - r->at > 1 && r->at[0] == '&' && r->at[1] == '&') {
            r->at += 2;
            charset_settle(s);
            if (met)
                charset_intersect(s, &meet);
            charset_release(&meet);
            meet = *s;
            *s = (struct charset){0};
            met = true;
            continue;
        } else if (*r->at == '\\') {
            r->at++;
            rc = escape(r, &sub, &lo, &one);
        } else {
            rc = code_point(r, &lo);
        }
        if (!rc && !one) {
            charset_unite(s, &sub);
            charset_release(&sub);
            continue;
        }
        hi = lo;
        if (!rc && r->end - r->at > 1 && *r->at == '-' && r->at[1] != ']') {
            r->at++;
            if (*r->at == '[')
                rc = no(r, "a set behind a dash");
            else if (*r->at == '\\' && ++r->at)
                rc = escape(r, &sub, &hi, &one);
            else
                rc = code_point(r, &hi);
            if (!rc && (!one || hi < lo))
                rc = err_set(r->e, ERR_FORMAT, "a range upside down in an expression");
        }
        if (!rc)
            charset_add(s, lo, hi);
    }
    if (!rc && r->at >= r->end)
        rc = err_set(r->e, ERR_FORMAT, "a set without end in an expression");
    r->at += !rc;
    charset_settle(s);
    if (met)
        charset_intersect(s, &meet);
    if (negated)
        charset_negate(s);
    charset_release(&sub);
    charset_release(&meet);
    r->depth--;
    return rc;
}

/* One character of the text or one set, into *s; *is: false where there is none here. */
static int single(struct parser *r, struct charset *s, bool *is)
{
    uint32_t c = 0;
    bool one = true;
    int rc = 0;
    *is = r->at < r->end && !strchr("()|?*+{}^$", *r->at);
    if (r->at < r->end && *r->at == '}')
        *is = true;
    if (!*is)
        return 0;
    if (*r->at == '[') {
        r->at++;
        return bracket(r, s);
    }
    if (*r->at == '.') {
        r->at++;
        charset_add(s, '\n', '\n');
        charset_negate(s);
        return 0;
    }
    if (*r->at == '\\') {
        r->at++;
        rc = escape(r, s, &c, &one);
    } else {
        rc = code_point(r, &c);
    }
    if (!rc && one)
        charset_add(s, c, c);
    return rc;
}

static int alternatives(struct parser *r);

/* Behind "(?=" or "(?!": one character. */
static int look(struct parser *r, enum op op)
{
    struct charset s = {0};
    bool is;
    int rc = single(r, &s, &is);
    if (!rc && (!is || r->at == r->end || *r->at != ')'))
        rc = no(r, "a look ahead over more than a character");
    if (rc) {
        charset_release(&s);
        return rc;
    }
    r->at++;
    return emit_set(r, op, &s);
}

static int group(struct parser *r)
{
    bool fold = r->fold;
    size_t left = (size_t)(r->end - r->at);
    if (left > 2 && r->at[0] == '?' && (r->at[1] == '=' || r->at[1] == '!')) {
        enum op op = r->at[1] == '=' ? OP_NEXT_IN : OP_NEXT_NOT;
        r->at += 2;
        return look(r, op);
    }
    if (left > 2 && !memcmp(r->at, "?i:", 3)) {
        r->fold = true;
        r->at += 3;
    } else if (left > 1 && r->at[0] == '?' && r->at[1] == ':') {
        r->at += 2;
    } else if (left && r->at[0] == '?') {
        return no(r, "a group of another kind");
    }
    if (++r->depth > DEPTH_MAX)
        return no(r, "depth");
    int rc = alternatives(r);
    if (!rc && (r->at == r->end || *r->at != ')'))
        rc = err_set(r->e, ERR_FORMAT, "a group without end in an expression");
    r->at += !rc;
    r->depth--;
    r->fold = fold;
    return rc;
}

/* x{least, most} of the instructions from `from` to the end; most < 0: without bound. */
static int repeat(struct parser *r, size_t from, int least, int most)
{
    size_t to = r->p->n, size = to - from;
    int rc = 0;
    if (!least && !most) {
        r->p->n = from;
        return 0;
    }
    for (int i = 1; i < least && !rc; i++)
        rc = copy(r, from, to);
    if (rc)
        return rc;
    if (most < 0 && least) /* x{n,}: the last goes round */
        return emit(r, OP_SPLIT, (uint32_t)(r->p->n - size), (uint32_t)r->p->n + 1);
    if (most < 0) {
        rc = insert(r, from, OP_SPLIT, (uint32_t)from + 1, (uint32_t)(to + 2));
        return rc ? rc : emit(r, OP_JUMP, (uint32_t)from, 0);
    }
    if (!least) { /* x{0,n}: the first copy becomes optional where it stands */
        rc = insert(r, from, OP_SPLIT, (uint32_t)from + 1, UINT32_MAX);
        from++, to++;
        least = 1;
    }
    for (int i = least; i < most && !rc; i++) {
        rc = emit(r, OP_SPLIT, (uint32_t)r->p->n + 1, UINT32_MAX);
        if (!rc)
            rc = copy(r, from, to);
    }
    for (size_t k = from ? from - 1 : 0; k < r->p->n; k++) /* leaving any of them leaves all */
        if (r->p->inst[k].op == OP_SPLIT && r->p->inst[k].b == UINT32_MAX)
            r->p->inst[k].b = (uint32_t)r->p->n;
    return rc;
}

static int quantifier(struct parser *r, size_t from)
{
    int least, most, rc = 0;
    if (r->at == r->end || !strchr("?*+{", *r->at))
        return 0;
    uint8_t c = *r->at++;
    least = c == '+';
    most = c == '?' ? 1 : -1;
    if (c == '{') {
        rc = number(r, &least);
        most = least;
        if (!rc && r->at < r->end && *r->at == ',') {
            r->at++;
            most = -1;
            if (r->at < r->end && *r->at != '}')
                rc = number(r, &most);
        }
        if (!rc && (r->at == r->end || *r->at++ != '}' || (most >= 0 && most < least)))
            rc = no(r, "a count");
    }
    if (!rc && r->at < r->end && strchr("?*+{", *r->at))
        rc = no(r, "a lazy or possessive quantifier");
    return rc ? rc : repeat(r, from, least, most);
}

static int sequence(struct parser *r)
{
    int rc = 0;
    while (!rc && r->at < r->end && *r->at != '|' && *r->at != ')') {
        size_t from = r->p->n;
        struct charset s = {0};
        bool is;
        if (*r->at == '(') {
            r->at++;
            rc = group(r);
        } else if (*r->at == '$') { /* before a line's end or the text's */
            r->at++;
            charset_add(&s, '\n', '\n');
            charset_negate(&s);
            rc = emit_set(r, OP_NEXT_NOT, &s);
        } else {
            rc = single(r, &s, &is);
            if (!rc && !is)
                rc = no(r, "a sign");
            if (rc)
                charset_release(&s);
            else
                rc = emit_set(r, OP_CHAR, &s);
        }
        if (!rc)
            rc = quantifier(r, from);
    }
    return rc;
}

static int alternatives(struct parser *r)
{
    size_t jump[64], n = 0, from = r->p->n;
    int rc = sequence(r);
    while (!rc && r->at < r->end && *r->at == '|') {
        r->at++;
        if (n == sizeof jump / sizeof *jump)
            return no(r, "too many alternatives");
        rc = insert(r, from, OP_SPLIT, (uint32_t)from + 1, 0);
        if (rc)
            return rc;
        jump[n++] = r->p->n;
        rc = emit(r, OP_JUMP, UINT32_MAX, 0);
        if (rc)
            return rc;
        r->p->inst[from].b = (uint32_t)r->p->n;
        from = r->p->n;
        rc = sequence(r);
    }
    for (size_t i = 0; i < n && !rc; i++)
        r->p->inst[jump[i]].a = (uint32_t)r->p->n;
    return rc;
}

int program_parse(struct program *p, const char *text, size_t n, struct err *e)
{
    struct parser r = {p, (const uint8_t *)text, (const uint8_t *)text + n, e, false, 0};
    int rc = alternatives(&r);
    if (!rc && r.at < r.end)
        rc = err_set(e, ERR_FORMAT, "a group's end without its begin in an expression");
    return rc ? rc : emit(&r, OP_MATCH, 0, 0);
}

void program_release(struct program *p)
{
    for (size_t i = 0; i < p->nsets; i++)
        charset_release(&p->set[i]);
    free(p->inst);
    *p = (struct program){0};
}
