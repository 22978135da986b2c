/* Source to tokens. What jinja's lexer does with blanks (trim_blocks, lstrip_blocks, `-` and `+` signs) happens here:
 * - a block or comment that stands first in its line loses the blanks before it, unless its sign is `+`;
 * - the newline after a block or comment goes, unless its closing sign is `+`;
 * - `-` takes all blanks on its side;
 * - the last newline of the template goes. */
#define _GNU_SOURCE /* memmem */
#include "base/mem.h"
#include "engine/chat/template_text.h"
#include "engine/chat/template_tree.h"
#include "engine/tokenizer/unicode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX TEMPLATE_NODES_MAX

struct lex {
    struct parse *p;
    const char *s, *end;
    uint32_t line;
    bool line_start; /* the last thing taken ended with a newline */
};

static struct token *add(struct lex *l, enum token_kind kind)
{
    struct parse *p = l->p;
    if (p->ntokens >= TOKENS_MAX)
        parse_fail(p, ERR_LIMIT, l->line, "more than %u tokens", TOKENS_MAX);
    VEC_ROOM(p->token, p->ntokens, p->tokens_cap);
    struct token *t = &p->token[p->ntokens++];
    *t = (struct token){.kind = kind, .line = l->line};
    return t;
}

static bool at(const struct lex *l, const char *what)
{
    size_t n = strlen(what);
    return (size_t)(l->end - l->s) >= n && !memcmp(l->s, what, n);
}

static void take(struct lex *l, size_t n)
{
    for (size_t i = 0; i < n; i++)
        l->line += l->s[i] == '\n';
    if (n)
        l->line_start = l->s[n - 1] == '\n';
    l->s += n;
}

static void take_blanks(struct lex *l)
{
    take(l, text_blanks(l->s, l->end));
}

static size_t newlines_to_n(char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\r') {
            s[n++] = '\n';
            i += i + 1 < len && s[i + 1] == '\n';
        } else {
            s[n++] = s[i];
        }
    }
    return n - (n && s[n - 1] == '\n');
}

/* The closing end of a block, a comment or a raw block at l->s, without its sign: "%}", "#}". Takes it and returns true. */
static bool take_close(struct lex *l, const char *close, bool trim, bool plus)
{
    char with[4] = {'-', close[0], close[1], 0};
    if (at(l, with)) {
        take(l, 3);
        take_blanks(l);
        return true;
    }
    with[0] = '+';
    if (plus && at(l, with)) {
        take(l, 3);
        return true;
    }
    if (!at(l, close))
        return false;
    take(l, 2);
    if (trim && at(l, "\n"))
        take(l, 1);
    return true;
}

/* Text up to l->s + n as data, cut at its right end by the sign of the tag that follows. start: the text began a line. */
static void data(struct lex *l, size_t n, char sign, bool variable, bool start)
{
    size_t keep = n;
    if (sign == '-') {
        keep = text_rstrip(l->s, n);
    } else if (sign != '+' && !variable) {
        size_t line = n;
        while (line && l->s[line - 1] != '\n')
            line--;
        if ((line || start) && text_blanks(l->s + line, l->s + n) == n - line)
            keep = line;
    }
    if (keep)
        add(l, T_DATA)->s = (struct str){l->s, keep};
    take(l, n);
}

static int digit(char c, int base)
{
    int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
    return d < base ? d : -1;
}

/* Python's escapes, in place. */
static struct str unescape(struct lex *l, char *s, size_t n)
{
    size_t w = 0;
    for (size_t i = 0; i < n;) {
        if (s[i] != '\\' || i + 1 >= n) {
            s[w++] = s[i++];
            continue;
        }
        char c = s[i + 1];
        static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
        const char *found = strchr(from, c);
        i += 2;
        if (c == '\n')
            continue;
        if (found && c) {
            s[w++] = to[found - from];
        } else if (c == 'x' || c == 'u' || c == 'U') {
            size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
            uint32_t code = 0;
            for (size_t k = 0; k < digits; k++, i++) {
                int d = i < n ? digit(s[i], 16) : -1;
                if (d < 0)
                    parse_fail(l->p, ERR_FORMAT, l->line, "a \\%c escape needs %zu hexadecimal digits", c, digits);
                code = code * 16 + (uint32_t)d;
            }
            if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
                parse_fail(l->p, ERR_FORMAT, l->line, "an escape that names no character");
            w += (size_t)unicode_encode(s + w, code);
        } else if (digit(c, 8) >= 0) {
            uint32_t code = (uint32_t)digit(c, 8);
            for (int k = 0; k < 2 && i < n && digit(s[i], 8) >= 0; k++, i++)
                code = code * 8 + (uint32_t)digit(s[i], 8);
            w += (size_t)unicode_encode(s + w, code); /* at most two bytes, and the escape had as many */
        } else if (c == 'N') {
            parse_fail(l->p, ERR_UNSUPPORTED, l->line, "\\N escapes are not supported");
        } else {
            s[w++] = '\\';
            s[w++] = c;
        }
    }
    return (struct str){s, w};
}

static void text_literal(struct lex *l)
{
    char quote = *l->s;
    const char *s = l->s + 1;
    while (s < l->end && *s != quote)
        s += *s == '\\' && s + 1 < l->end ? 2 : 1;
    if (s >= l->end)
        parse_fail(l->p, ERR_FORMAT, l->line, "a text that does not end");
    size_t n = (size_t)(s - l->s - 1);
    struct token *t = add(l, T_STR);
    char *copy = arena_strn(&l->p->t->arena, l->s + 1, n);
    t->s = unescape(l, copy, n);
    take(l, n + 2);
}

static bool is_digit(const char *s, const char *end)
{
    return s < end && *s >= '0' && *s <= '9';
}

/* Digits with single underscores between; returns the end. */
static const char *digits(const char *s, const char *end)
{
    while (is_digit(s, end) || (s < end && *s == '_' && is_digit(s + 1, end)))
        s++;
    return s;
}

static void number(struct lex *l)
{
    const char *s = digits(l->s, l->end), *end = l->end;
    bool real = false;
    int base = 10, skip = 0;
    if (*l->s == '0' && end - l->s > 2 && strchr("bBoOxX", l->s[1])) {
        base = strchr("bB", l->s[1]) ? 2 : strchr("oO", l->s[1]) ? 8 : 16;
        skip = 2;
        for (s = l->s + 2; s < end && (digit(*s, base) >= 0 || (*s == '_' && s + 1 < end && digit(s[1], base) >= 0));)
            s++;
    } else {
        if (s < end && *s == '.' && is_digit(s + 1, end)) {
            real = true;
            s = digits(s + 1, end);
        }
        const char *power = s;
        if (s < end && (*s == 'e' || *s == 'E')) {
            power++;
            power += power < end && (*power == '+' || *power == '-');
            if (is_digit(power, end)) {
                real = true;
                s = digits(power, end);
            }
        }
    }
    char plain[64];
    size_t n = 0;
    for (const char *c = l->s + skip; c < s; c++) {
        if (*c == '_')
            continue;
        if (n + 1 >= sizeof plain)
            parse_fail(l->p, ERR_UNSUPPORTED, l->line, "a number of more than %zu digits", sizeof plain - 1);
        plain[n++] = *c;
    }
    plain[n] = 0;
    if (!n || (!real && base == 10 && n > 1 && plain[0] == '0' && strspn(plain, "0") != n))
        parse_fail(l->p, ERR_FORMAT, l->line, "a number was expected at %.20s", l->s);
    struct token *t = add(l, real ? T_FLOAT : T_INT);
    errno = 0;
    if (real)
        t->f = strtod(plain, NULL);
    else
        t->i = strtoll(plain, NULL, base);
    if (errno == ERANGE && !real)
        parse_fail(l->p, ERR_UNSUPPORTED, l->line, "a whole number past 64 bits");
    take(l, (size_t)(s - l->s));
}

static bool name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80 || (!first && c >= '0' && c <= '9');
}

static void operation(struct lex *l, char *open, int *nopen)
{
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (at(l, two[i])) {
            add(l, T_OP)->op = OP2(two[i][0], two[i][1]);
            take(l, 2);
            return;
        }
    char c = *l->s;
    if (!c || !strchr("+-/*%~[](){}><=.:|,;", c))
        parse_fail(l->p, ERR_FORMAT, l->line, "unexpected character 0x%02x", (unsigned char)c);
    if (strchr("([{", c)) {
        if (*nopen >= TEMPLATE_NEST_MAX)
            parse_fail(l->p, ERR_LIMIT, l->line, "more than %d open brackets", TEMPLATE_NEST_MAX);
        open[(*nopen)++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (strchr(")]}", c)) {
        if (!*nopen || open[*nopen - 1] != c)
            parse_fail(l->p, ERR_FORMAT, l->line, "unexpected '%c'", c);
        (*nopen)--;
    }
    add(l, T_OP)->op = c;
    take(l, 1);
}

/* The inside of {{ }} or {% %}, its end included. */
static void inside(struct lex *l, bool variable)
{
    char open[TEMPLATE_NEST_MAX];
    int nopen = 0;
    for (;;) {
        if (l->s >= l->end)
            parse_fail(l->p, ERR_FORMAT, l->line, "the template ends inside of %s", variable ? "{{ }}" : "{% %}");
        if (!nopen && take_close(l, variable ? "}}" : "%}", !variable, !variable)) {
            add(l, variable ? T_VAR_END : T_BLOCK_END);
            return;
        }
        size_t blanks = text_blanks(l->s, l->end);
        if (blanks) {
            take(l, blanks);
        } else if (is_digit(l->s, l->end)) {
            number(l);
        } else if (name_char(*l->s, true)) {
            size_t n = 1;
            while (l->s + n < l->end && name_char(l->s[n], false))
                n++;
            add(l, T_NAME)->s = (struct str){l->s, n};
            take(l, n);
        } else if (*l->s == '"' || *l->s == '\'') {
            text_literal(l);
        } else {
            operation(l, open, &nopen);
        }
    }
}

static const char *find(const struct lex *l, const char *s, const char *what)
{
    return s < l->end ? memmem(s, (size_t)(l->end - s), what, strlen(what)) : NULL;
}

static void comment(struct lex *l)
{
    const char *close = find(l, l->s, "#}");
    if (l->s >= l->end)
        return; /* the reference does not mind it there */
    if (!close)
        parse_fail(l->p, ERR_FORMAT, l->line, "a comment that does not end");
    if (close > l->s && (close[-1] == '-' || close[-1] == '+'))
        close--;
    take(l, (size_t)(close - l->s));
    take_close(l, "#}", true, true);
}

/* `raw %}` at s, blanks before it taken: its length, or 0. */
static size_t raw_tag(const struct lex *l, const char *s, const char *word)
{
    const char *from = s;
    s += text_blanks(s, l->end);
    size_t n = strlen(word);
    if ((size_t)(l->end - s) < n || memcmp(s, word, n))
        return 0;
    s += n;
    s += text_blanks(s, l->end);
    size_t left = (size_t)(l->end - s);
    bool closes = (left >= 2 && !memcmp(s, "%}", 2)) || (left >= 3 && !memcmp(s, "-%}", 3)) ||
                  (word[0] == 'e' && left >= 3 && !memcmp(s, "+%}", 3));
    return closes ? (size_t)(s - from) : 0;
}

static void raw(struct lex *l)
{
    bool start = l->line_start;
    for (const char *tag = l->s; (tag = find(l, tag, "{%")) != NULL; tag += 2) {
        char sign = tag + 2 < l->end && (tag[2] == '-' || tag[2] == '+') ? tag[2] : 0;
        size_t n = raw_tag(l, tag + 2 + (sign != 0), "endraw");
        if (!n)
            continue;
        data(l, (size_t)(tag - l->s), sign, false, start);
        take(l, 2 + (sign != 0) + n);
        take_close(l, "%}", true, true);
        return;
    }
    if (l->s < l->end)
        parse_fail(l->p, ERR_FORMAT, l->line, "{%% raw %%} that does not end");
}

void template_lex(struct parse *p, char *text, size_t len)
{
    len = newlines_to_n(text, len);
    struct lex l = {p, text, text + len, 1, true};
    while (l.s < l.end) {
        const char *tag = l.s;
        while ((tag = memchr(tag, '{', (size_t)(l.end - tag))) != NULL &&
               !(tag + 1 < l.end && (tag[1] == '{' || tag[1] == '%' || tag[1] == '#')))
            tag++;
        if (!tag) {
            add(&l, T_DATA)->s = (struct str){l.s, (size_t)(l.end - l.s)};
            break;
        }
        char kind = tag[1], sign = tag + 2 < l.end && (tag[2] == '-' || tag[2] == '+') ? tag[2] : 0;
        size_t word = kind == '%' ? raw_tag(&l, tag + 2 + (sign != 0), "raw") : 0;
        data(&l, (size_t)(tag - l.s), sign, kind == '{', l.line_start);
        take(&l, 2 + (sign != 0));
        if (kind == '#') {
            comment(&l);
        } else if (word) {
            take(&l, word);
            take_close(&l, "%}", false, false);
            raw(&l);
        } else {
            add(&l, kind == '{' ? T_VAR_BEGIN : T_BLOCK_BEGIN);
            inside(&l, kind == '{');
        }
    }
    add(&l, T_END);
}
