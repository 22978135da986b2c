/* Texts within JSON: characters and their escapes, patterns, ranges of whole numbers. */
#include "engine/sample/grammar_schema.h"

#include "engine/tokenizer/unicode.h"

#include <stdio.h>
#include <string.h>

#define PATTERN_NEST_MAX 50

static void both(struct build *b, struct ranges in, uint32_t c, uint32_t rule, char letter)
{
    for (uint32_t i = 0; i < in.n; i++)
        if (c >= in.v[i].from && c <= in.v[i].to) {
            struct row alt = {0};
            row_text(b, &alt, (char[]){'\\', letter}, 2);
            build_alt(b, rule, alt);
            return;
        }
}

struct element json_char(struct build *b, struct ranges r)
{
    static const uint32_t must[] = {'"', '\\', '\n', '\t', '\r', '\b', '\f'};
    static const char letter[] = "\"\\ntrbf";
    struct ranges bare = {0};
    uint32_t rule = build_rule(b);
    /* bare: r without controls, quote and backslash */
    for (uint32_t i = 0; i < r.n; i++) {
        static const struct range plain[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};
        for (int k = 0; k < 3; k++) {
            uint32_t from = r.v[i].from > plain[k].from ? r.v[i].from : plain[k].from;
            uint32_t to = r.v[i].to < plain[k].to ? r.v[i].to : plain[k].to;
            if (from <= to)
                ranges_add(b, &bare, from, to);
        }
    }
    if (bare.n) {
        struct row alt = {0};
        row_add(b, &alt, build_class(b, bare));
        build_alt(b, rule, alt);
    }
    for (size_t i = 0; i < sizeof must / sizeof *must; i++)
        both(b, r, must[i], rule, letter[i]);
    return build_ref(rule);
}

struct pattern {
    struct build *b;
    const char *s, *where;
    int depth;
};

static _Noreturn void odd(struct pattern *p, const char *what)
{
    build_fail(p->b, ERR_UNSUPPORTED, "%s: pattern: %s is not supported", p->where, what);
}

/* The class of an escape's letter; false: it stands for itself. */
static bool escape_class(struct pattern *p, char c, struct ranges *out)
{
    static const char *const of[] = {"d09", "w09AZaz__", "s\t\r  "};
    for (int i = 0; i < 3; i++)
        if ((c | 32) == of[i][0]) {
            struct ranges r = {0};
            for (const char *s = of[i] + 1; *s; s += 2)
                ranges_add(p->b, &r, (uint8_t)s[0], (uint8_t)s[1]);
            if (c != of[i][0])
                r = ranges_not(p->b, r);
            for (uint32_t k = 0; k < r.n; k++)
                ranges_add(p->b, out, r.v[k].from, r.v[k].to);
            return true;
        }
    return false;
}

static uint32_t one_char(struct pattern *p)
{
    int n;
    uint32_t c = unicode_decode((const uint8_t *)p->s, (const uint8_t *)p->s + strlen(p->s), &n);
    p->s += n;
    return c;
}

static uint32_t escaped(struct pattern *p)
{
    static const char from[] = "nrtf", to[] = "\n\r\t\f";
    char c = *p->s;
    const char *found = c ? strchr(from, c) : NULL;
    if (!c || (!found && ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))))
        odd(p, "an escape");
    uint32_t code = one_char(p);
    return found ? (uint8_t)to[found - from] : code;
}

static uint32_t class_member(struct pattern *p)
{
    if (*p->s != '\\')
        return one_char(p);
    p->s++;
    return escaped(p);
}

static struct element read_set(struct pattern *p)
{
    struct ranges r = {0};
    bool not = *p->s == '^';
    p->s += not;
    for (bool first = true; *p->s != ']' || first; first = false) {
        if (!*p->s || (first && *p->s == ']'))
            odd(p, "a class that is empty or does not end");
        if (*p->s == '\\' && escape_class(p, p->s[1], &r)) {
            p->s += 2;
            continue;
        }
        uint32_t from = class_member(p), to = from;
        if (*p->s == '-' && p->s[1] && p->s[1] != ']') {
            p->s++;
            to = class_member(p);
        }
        if (to < from)
            odd(p, "a range that ends before it begins");
        ranges_add(p->b, &r, from, to);
    }
    p->s++;
    return json_char(p->b, not ? ranges_not(p->b, r) : r);
}

static void read_branches(struct pattern *p, uint32_t rule);

static struct element read_atom(struct pattern *p)
{
    struct ranges r = {0};
    char c = *p->s;
    if (c == '(') {
        uint32_t rule = build_rule(p->b);
        p->s++;
        if (*p->s == '?' && p->s[1] != ':')
            odd(p, "a group with (?");
        p->s += *p->s == '?' ? 2 : 0;
        read_branches(p, rule);
        if (*p->s++ != ')')
            odd(p, "a group that does not end");
        return build_ref(rule);
    }
    if (c == '[') {
        p->s++;
        return read_set(p);
    }
    if (c == '.') {
        p->s++;
        ranges_add(p->b, &r, '\n', '\n');
        return json_char(p->b, ranges_not(p->b, r));
    }
    if (c == '\\') {
        p->s++;
        if (escape_class(p, *p->s, &r)) {
            p->s++;
            return json_char(p->b, r);
        }
        uint32_t code = escaped(p);
        ranges_add(p->b, &r, code, code);
        return json_char(p->b, r);
    }
    if (strchr("*+?{}^$", c))
        odd(p, "a sign in this place");
    uint32_t code = one_char(p);
    ranges_add(p->b, &r, code, code);
    return json_char(p->b, r);
}

static bool read_bounds(struct pattern *p, uint32_t *least, uint32_t *most)
{
    unsigned a, z;
    int n = 0;
    if (*p->s == '*' || *p->s == '+' || *p->s == '?') {
        *least = *p->s == '+';
        *most = *p->s == '?' ? 1 : REPEAT_ANY;
        p->s++;
    } else if (*p->s == '{') {
        if (sscanf(p->s, "{%5u}%n", &a, &n) == 1 && n) {
            *least = *most = a;
        } else if (sscanf(p->s, "{%5u,%5u}%n", &a, &z, &n) == 2 && n) {
            *least = a;
            *most = z;
        } else if (sscanf(p->s, "{%5u,}%n", &a, &n) == 1 && n) {
            *least = a;
            *most = REPEAT_ANY;
        } else {
            odd(p, "such a repetition");
        }
        p->s += n;
    } else {
        return false;
    }
    if (*p->s == '?' || *p->s == '+')
        odd(p, "a lazy or possessive repetition");
    if (*most < *least)
        odd(p, "such a repetition");
    return true;
}

static void read_branches(struct pattern *p, uint32_t rule)
{
    if (++p->depth > PATTERN_NEST_MAX)
        odd(p, "such depth");
    do {
        struct row all = {0};
        while (*p->s && *p->s != '|' && *p->s != ')' && !(*p->s == '$' && !p->s[1])) {
            uint32_t least, most;
            struct element x = read_atom(p);
            struct row one = {0};
            row_add(p->b, &one, x);
            if (read_bounds(p, &least, &most))
                x = build_repeat(p->b, one, least, most);
            row_add(p->b, &all, x);
        }
        build_alt(p->b, rule, all);
    } while (*p->s == '|' && p->s++);
    p->depth--;
}

struct element json_pattern(struct build *b, const char *pattern, const char *where)
{
    struct pattern p = {b, pattern, where, 0};
    struct row all = {0}, any = {0};
    uint32_t rule = build_rule(b);
    row_add(b, &any, json_char(b, ranges_not(b, (struct ranges){0})));
    bool from = *p.s == '^', to;
    p.s += from;
    read_branches(&p, rule);
    to = *p.s == '$';
    if (*(p.s + to))
        odd(&p, "a bracket in this place");
    if ((from || to) && b->rule[rule].n > 1)
        odd(&p, "^ or $ beside |"); /* ^a|b$ anchors its branches, not the whole */
    if (!from)
        row_add(b, &all, build_repeat(b, any, 0, REPEAT_ANY));
    row_add(b, &all, build_ref(rule));
    if (!to)
        row_add(b, &all, build_repeat(b, any, 0, REPEAT_ANY));
    return build_group(b, all);
}

static void digits(struct build *b, struct row *to, char from, char most)
{
    char set[11] = {0};
    for (char c = from; c <= most; c++)
        set[c - from] = c;
    row_bytes(b, to, set);
}

static bool all_are(const char *s, size_t n, char c)
{
    size_t i = 0;
    while (i < n && s[i] == c)
        i++;
    return i == n;
}

/* Numbers of exactly n digits within [low, high], both of n digits. */
static void same_length(struct build *b, uint32_t rule, const char *low, const char *high, size_t n)
{
    struct row alt = {0};
    size_t same = 0;
    if (all_are(low, n, '0') && all_are(high, n, '9')) { /* all: without this, each digit would double the rules */
        for (size_t i = 0; i < n; i++)
            digits(b, &alt, '0', '9');
        build_alt(b, rule, alt);
        return;
    }
    while (same < n && low[same] == high[same])
        same++;
    row_text(b, &alt, low, same);
    if (same == n) {
        build_alt(b, rule, alt);
        return;
    }
    /* the first digit that differs: at low's, between, at high's */
    size_t rest = n - same - 1;
    for (int edge = 0; edge < 2; edge++) {
        struct row at = {0};
        uint32_t inner = build_rule(b);
        static const char zeros[] = "00000000000000000000", nines[] = "99999999999999999999";
        row_add_row(b, &at, &alt);
        row_text(b, &at, edge ? high + same : low + same, 1);
        if (rest)
            same_length(b, inner, edge ? zeros : low + same + 1, edge ? high + same + 1 : nines, rest);
        else
            build_alt(b, inner, (struct row){0});
        row_add(b, &at, build_ref(inner));
        build_alt(b, rule, at);
    }
    if (low[same] + 1 < high[same]) {
        digits(b, &alt, (char)(low[same] + 1), (char)(high[same] - 1));
        for (size_t i = 0; i < rest; i++)
            digits(b, &alt, '0', '9');
        build_alt(b, rule, alt);
    }
}

/* Not negative: of [low, high]. */
static void unsigned_range(struct build *b, uint32_t rule, uint64_t low, uint64_t high, const char *sign)
{
    char a[24], z[24];
    int n = snprintf(a, sizeof a, "%llu", (unsigned long long)low), m = snprintf(z, sizeof z, "%llu", (unsigned long long)high);
    uint32_t inner = build_rule(b);
    for (int len = n; len <= m; len++) {
        char from[24], to[24];
        memset(from, '0', sizeof from);
        from[0] = '1';
        memset(to, '9', sizeof to);
        same_length(b, inner, len == n ? a : from, len == m ? z : to, (size_t)len);
    }
    struct row alt = {0};
    row_text(b, &alt, sign, strlen(sign));
    row_add(b, &alt, build_ref(inner));
    build_alt(b, rule, alt);
}

#define WHOLE_MOST 999999999999999ll /* 15 digits: exact in a double too */

struct element json_whole(struct build *b, const int64_t *least, const int64_t *most)
{
    uint32_t rule = build_rule(b);
    int64_t low = least ? *least : -WHOLE_MOST, high = most ? *most : WHOLE_MOST;
    if (low > high)
        build_fail(b, ERR_UNSUPPORTED, "a range of whole numbers that is empty, or ends past 15 digits");
    if (high >= 0)
        unsigned_range(b, rule, low > 0 ? (uint64_t)low : 0, (uint64_t)high, "");
    if (low < 0)
        unsigned_range(b, rule, high < 0 ? (uint64_t)-high : 1, 0 - (uint64_t)low, "-");
    return build_ref(rule);
}
