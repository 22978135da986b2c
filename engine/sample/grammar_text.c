/* GBNF: name ::= alternatives, of "text", [class], ., names and ( ), each with * + ? {m,n} behind it; # comments. A rule goes
 * on in the next line within brackets and after |. */
#include "engine/sample/grammar_build.h"

#include "base/mem.h"
#include "engine/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

#define NEST_MAX 100
#define RULES_MAX 20000u

struct named {
    struct str name;
    uint32_t rule;
    bool defined;
};
struct reader {
    struct build *b;
    const char *s, *end;
    uint32_t line;
    int depth;
    struct named *named;
    size_t n, cap;
};

static _Noreturn void fail(struct reader *r, const char *what)
{
    build_fail(r->b, ERR_FORMAT, "grammar, line %u: %s", r->line, what);
}

static void blanks(struct reader *r, bool lines)
{
    while (r->s < r->end) {
        if (*r->s == '#')
            while (r->s < r->end && *r->s != '\n')
                r->s++;
        else if (*r->s == ' ' || *r->s == '\t' || (lines && (*r->s == '\n' || *r->s == '\r')))
            r->line += *r->s++ == '\n';
        else
            break;
    }
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static struct str read_name(struct reader *r)
{
    struct str s = {r->s, 0};
    while (r->s < r->end && name_char(*r->s))
        r->s++;
    s.n = (size_t)(r->s - s.p);
    if (!s.n)
        fail(r, "a name was expected");
    return s;
}

static struct named *named(struct reader *r, struct str name)
{
    for (size_t i = 0; i < r->n; i++)
        if (str_same(r->named[i].name, name))
            return &r->named[i];
    if (r->n >= RULES_MAX)
        build_fail(r->b, ERR_LIMIT, "a grammar of more than %u rules", RULES_MAX);
    VEC_ROOM(r->named, r->n, r->cap);
    r->named[r->n] = (struct named){name, build_rule(r->b), false};
    return &r->named[r->n++];
}

static uint32_t read_hex(struct reader *r, int digits)
{
    uint32_t c = 0;
    for (int i = 0; i < digits; i++, r->s++) {
        char d = r->s < r->end ? *r->s : 0;
        int v = d >= '0' && d <= '9' ? d - '0' : d >= 'a' && d <= 'f' ? d - 'a' + 10 : d >= 'A' && d <= 'F' ? d - 'A' + 10 : -1;
        if (v < 0)
            fail(r, "an escape has hexadecimal digits");
        c = c << 4 | (uint32_t)v;
    }
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        fail(r, "an escape that names no character");
    return c;
}

static uint32_t read_char(struct reader *r)
{
    if (r->s >= r->end || *r->s == '\n')
        fail(r, "a text or a class that does not end");
    if (*r->s != '\\') {
        int n;
        uint32_t c = unicode_decode((const uint8_t *)r->s, (const uint8_t *)r->end, &n);
        r->s += n;
        return c;
    }
    if (++r->s >= r->end)
        fail(r, "an escape that does not end");
    static const char from[] = "nrt\\\"[]-^/.'", to[] = "\n\r\t\\\"[]-^/.'";
    char c = *r->s++;
    const char *found = c ? strchr(from, c) : NULL;
    if (found)
        return (uint8_t)to[found - from];
    if (c == 'x' || c == 'u' || c == 'U')
        return read_hex(r, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    fail(r, "an unknown escape");
}

static struct element read_class(struct reader *r)
{
    struct ranges set = {0};
    bool not = r->s < r->end && *r->s == '^';
    r->s += not;
    while (r->s < r->end && *r->s != ']') {
        uint32_t from = read_char(r), to = from;
        if (r->s + 1 < r->end && *r->s == '-' && r->s[1] != ']') {
            r->s++;
            to = read_char(r);
        }
        if (to < from)
            fail(r, "a range that ends before it begins");
        ranges_add(r->b, &set, from, to);
    }
    if (r->s >= r->end)
        fail(r, "a class that does not end");
    r->s++;
    return build_class(r->b, not ? ranges_not(r->b, set) : set);
}

static uint32_t read_number(struct reader *r)
{
    uint32_t n = 0;
    if (r->s >= r->end || *r->s < '0' || *r->s > '9')
        fail(r, "a number was expected");
    for (; r->s < r->end && *r->s >= '0' && *r->s <= '9'; r->s++)
        n = n > GRAMMAR_REPEAT_MAX ? n : n * 10 + (uint32_t)(*r->s - '0');
    return n;
}

static struct element read_times(struct reader *r, struct row x)
{
    char c = r->s < r->end ? *r->s : 0;
    uint32_t least = c == '+', most = c == '?' ? 1 : REPEAT_ANY;
    r->s++;
    if (c == '{') {
        blanks(r, false);
        least = most = read_number(r);
        blanks(r, false);
        if (r->s < r->end && *r->s == ',') {
            r->s++;
            blanks(r, false);
            most = r->s < r->end && *r->s != '}' ? read_number(r) : REPEAT_ANY;
            blanks(r, false);
        }
        if (r->s >= r->end || *r->s++ != '}')
            fail(r, "'}' was expected");
        if (most < least)
            fail(r, "a repetition whose bounds are the wrong way round");
    }
    return build_repeat(r->b, x, least, most);
}

static void read_alternatives(struct reader *r, uint32_t rule, bool inside);

/* One thing, as a row: a text has several elements. false: none begins here. */
static bool read_one(struct reader *r, struct row *x)
{
    struct build *b = r->b;
    if (r->s >= r->end)
        return false;
    char c = *r->s;
    if (c == '"') {
        for (r->s++; r->s < r->end && *r->s != '"';) {
            char bytes[4];
            row_text(b, x, bytes, (size_t)unicode_encode(bytes, read_char(r)));
        }
        if (r->s >= r->end)
            fail(r, "a text that does not end");
        r->s++;
    } else if (c == '[') {
        r->s++;
        row_add(b, x, read_class(r));
    } else if (c == '.') {
        r->s++;
        row_add(b, x, build_class(b, ranges_not(b, (struct ranges){0})));
    } else if (c == '(') {
        uint32_t rule = build_rule(b);
        r->s++;
        blanks(r, true);
        read_alternatives(r, rule, true);
        if (r->s >= r->end || *r->s != ')')
            fail(r, "')' was expected");
        r->s++;
        row_add(b, x, build_ref(rule));
    } else if (name_char(c)) {
        row_add(b, x, build_ref(named(r, read_name(r))->rule));
    } else {
        return false;
    }
    return true;
}

static void read_row(struct reader *r, struct row *all, bool inside)
{
    for (;;) {
        struct row x = {0};
        if (!inside && r->s < r->end && name_char(*r->s)) { /* does the next rule begin here? */
            struct reader ahead = *r;
            read_name(&ahead);
            blanks(&ahead, false);
            if (ahead.end - ahead.s >= 3 && !memcmp(ahead.s, "::=", 3))
                return;
        }
        if (!read_one(r, &x))
            return;
        while (r->s < r->end && *r->s && strchr("*+?{", *r->s)) {
            struct element again = read_times(r, x);
            x = (struct row){0};
            row_add(r->b, &x, again);
        }
        row_add_row(r->b, all, &x);
        blanks(r, inside);
    }
}

static void read_alternatives(struct reader *r, uint32_t rule, bool inside)
{
    if (++r->depth > NEST_MAX)
        build_fail(r->b, ERR_LIMIT, "grammar, line %u: more than %d open brackets", r->line, NEST_MAX);
    for (;;) {
        struct row all = {0};
        read_row(r, &all, inside);
        build_alt(r->b, rule, all);
        const char *here = r->s;
        uint32_t line = r->line;
        blanks(r, true); /* | may stand at the beginning of the next line */
        if (r->s < r->end && *r->s == '|') {
            r->s++;
            blanks(r, true);
            continue;
        }
        if (!inside) {
            r->s = here;
            r->line = line;
        }
        break;
    }
    r->depth--;
}

static uint32_t read_all(struct reader *r)
{
    for (blanks(r, true); r->s < r->end; blanks(r, true)) {
        struct named *of = named(r, read_name(r));
        if (of->defined)
            fail(r, "a rule that was there before");
        of->defined = true;
        uint32_t rule = of->rule;
        blanks(r, false);
        if (r->end - r->s < 3 || memcmp(r->s, "::=", 3))
            fail(r, "'::=' was expected");
        r->s += 3;
        blanks(r, true);
        read_alternatives(r, rule, false);
        if (r->s < r->end && *r->s != '\n' && *r->s != '\r' && *r->s != '#')
            fail(r, "unexpected character");
    }
    for (size_t i = 0; i < r->n; i++)
        if (!r->named[i].defined)
            build_fail(r->b, ERR_FORMAT, "grammar: there is no rule %.*s", (int)(r->named[i].name.n < 100 ? r->named[i].name.n : 100),
                       r->named[i].name.p);
    for (size_t i = 0; i < r->n; i++)
        if (str_same(r->named[i].name, STR("root")))
            return r->named[i].rule;
    build_fail(r->b, ERR_FORMAT, "grammar: there is no rule root");
}

int grammar_from_text(struct grammar **out, const char *text, size_t len, struct err *e)
{
    *out = NULL;
    if (len > GRAMMAR_TEXT_MAX)
        return err_set(e, ERR_LIMIT, "a grammar of %zu bytes; %u are the most", len, GRAMMAR_TEXT_MAX);
    struct build *b = mem_zero(1, sizeof *b);
    struct reader *r = mem_zero(1, sizeof *r);
    *r = (struct reader){.b = b, .s = text, .end = text + len, .line = 1};
    b->e = e;
    int rc;
    if (!setjmp(b->out)) {
        uint32_t root = read_all(r);
        b->rc = build_finish(out, b, root, e);
    }
    rc = b->rc;
    build_release(b);
    free(r->named);
    free(r);
    free(b);
    return rc;
}
