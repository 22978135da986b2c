/* The signature of a definition: its text up to the body, on one line. Found by looking at brackets and line ends, which
 * works for every language that writes the head of a definition before its body. */
#include "indexer/cutter.h"

#include <string.h>

#define SIGNATURE_MAX 200 /* bytes: enough for most heads, and all that a result row shows */
#define LOOK_MAX 1200     /* bytes looked at: comments and line breaks inside a long head count */

static bool is_space(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == '\f';
}

static bool is_name(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '.' || ch == ':';
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

static const char *skip_group(const char *p, const char *end, char open, char close)
{
    int depth = 0;
    for (; p < end; p++) {
        depth += *p == open;
        depth -= *p == close;
        if (!depth)
            return p + 1;
    }
    return end;
}

/* Decorators, annotations and attributes at the front: @Name(…), #[…], [[…]], [Name]. Stays when nothing else is left. */
static const char *skip_attributes(const char *p, const char *name)
{
    for (;;) {
        const char *at = skip_space(p, name);
        if (at < name && *at == '@' && !(name - at > 10 && !memcmp(at, "@interface", 10))) {
            at++;
            while (at < name && is_name(*at))
                at++;
            if (at < name && *at == '(')
                at = skip_group(at, name, '(', ')');
        } else if (at + 1 < name && *at == '#' && at[1] == '[') {
            at = skip_group(at + 1, name, '[', ']');
        } else if (at < name && *at == '[') {
            at = skip_group(at, name, '[', ']');
        } else {
            return at;
        }
        if (skip_space(at, name) >= name)
            return p;
        p = at;
    }
}

/* Does the head go on behind a line end? By what the next line begins with. */
static bool goes_on(const char *p, const char *end, char before)
{
    static const char *const words[] = {"throws", "extends", "implements", "where", "with", "requires", "noexcept",
                                        "override", "returns", "const", "final", "derives"};
    p = skip_space(p, end);
    if (p == end)
        return false;
    if (before == ',' || before == '(' || before == '=' || before == ':' || before == '|' || before == '&' || before == '\\')
        return before != ':' && before != '=';
    if (*p == '(' || *p == ':' || *p == ',' || *p == '.' || (*p == '-' && end - p > 1 && p[1] == '>') || *p == ')' || *p == '<')
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(end - p) > n && !memcmp(p, words[i], n) && !is_name(p[n]))
            return true;
    }
    return false;
}

void cut_signature(struct buf *out, const struct cutter *c, const struct def *d)
{
    if (d->head_end) { /* a type signature: all of it */
        for (uint32_t i = d->head; i < d->head_end && out->len < SIGNATURE_MAX; i++)
            if (!is_space(c->text[i]))
                buf_addc(out, c->text[i]);
            else if (out->len && out->data[out->len - 1] != ' ')
                buf_addc(out, ' ');
        return;
    }
    const char *name_end = c->text + d->name_end, *end = c->text + d->end, *p = c->text + d->head, *name = c->text + d->name;
    if (name < p) /* the name stands before its node, or far behind it: begin with it */
        p = name;
    if (name - p > LOOK_MAX)
        p = c->text + d->start;
    if (name - p > LOOK_MAX)
        p = name;
    p = skip_attributes(p, name);
    if (end - p > LOOK_MAX)
        end = p + LOOK_MAX;
    bool quoted = *name == '"' || *name == '\'' || (*name == '`' && d->kind == SYMBOL_TEST);
    if (quoted && name_end < end) /* named by a string: what follows is the body */
        end = name_end;
    bool code = d->kind == SYMBOL_FUNCTION || d->kind == SYMBOL_METHOD || d->kind == SYMBOL_TEST;
    size_t from = out->len;
    int depth = 0;
    char last = 0;
    for (; p < end && out->len - from < SIGNATURE_MAX; p++) {
        char ch = *p;
        bool past = p >= name_end;
        if (ch == '\n' && depth <= 0 && past && !goes_on(p + 1, end, last))
            break;
        if (is_space(ch)) {
            if (out->len > from && out->data[out->len - 1] != ' ')
                buf_addc(out, ' ');
            continue;
        }
        if (p + 1 < end && past && ch == '/' && is_space(p[-1]) && (p[1] == '*' || p[1] == '/')) { /* a comment inside the head */
            if (p[1] == '/') {
                const char *nl = memchr(p, '\n', (size_t)(end - p));
                p = nl ? nl - 1 : end;
            } else {
                const char *close = memmem(p + 2, (size_t)(end - p - 2), "*/", 2);
                p = close ? close + 1 : end;
            }
            continue;
        }
        if (past && depth <= 0 && ((ch == '{' && last != '$' && last != '#') || ch == ';' || (code && ch == '=' && p + 1 < end && p[1] == '>')))
            break;
        depth += ch == '(' || ch == '[' || ch == '{';
        depth -= ch == ')' || ch == ']' || ch == '}';
        buf_addc(out, ch);
        last = ch;
    }
    if (quoted && depth > 0)
        buf_addc(out, ')');
    if (p < end && out->len - from >= SIGNATURE_MAX) /* never half a character */
        while (out->len > from && ((unsigned char)*p & 0xc0) == 0x80)
            p--, out->len--;
    while (out->len > from && (out->data[out->len - 1] == ' ' || (out->data[out->len - 1] == ',' && depth <= 0)))
        out->len--;
    /* the sign that opens a body says nothing */
    if (out->len > from + 1 && out->data[out->len - 1] == ':' && out->data[out->len - 2] != ':')
        out->len--;
    if (out->len > from + 2 && !memcmp(out->data + out->len - 2, "=>", 2))
        out->len -= 2;
    while (out->len > from && out->data[out->len - 1] == ' ')
        out->len--;
    if (out->len > from + 6 && !memcmp(out->data + out->len - 6, " where", 6))
        out->len -= 6;
    if (out->data)
        out->data[out->len] = 0;
}
