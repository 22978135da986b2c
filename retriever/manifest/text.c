#include "retriever/manifest/text.h"

#include <ctype.h>
#include <strings.h>

#define BRACKETS_MAX 64        /* open at once inside a call */
#define CALL_BYTES (64 << 10)  /* of one call; with CALLS_MAX of them a hostile file costs a quarter of a second */
#define CALLS_MAX 4000         /* of one name in one file */
#define LINE_BYTES 4096        /* looked at before a name, for a comment's mark */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

struct lines lines_of(struct str text)
{
    return (struct lines){text, 0};
}

bool lines_next(struct lines *l, struct str *line)
{
    if (!l->rest.n)
        return false;
    const char *nl = memchr(l->rest.p, '\n', l->rest.n);
    size_t n = nl ? (size_t)(nl - l->rest.p) : l->rest.n;
    *line = (struct str){l->rest.p, n};
    l->rest = str_from(l->rest, n + 1);
    l->number++;
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

uint32_t line_in(struct str text, const char *at)
{
    uint32_t line = 1;
    for (const char *p = text.p; p < at && p < text.p + text.n; p++)
        line += *p == '\n';
    return line;
}

/* -- calls ----------------------------------------------------------------------------------------------------------------- */

/* Past a comment, a quoted string or one character. A quote that is not closed in its line is none. */
static size_t skip(struct str t, size_t at, const char *comment)
{
    struct str rest = str_from(t, at);
    char q = t.p[at];
    if (str_begins(rest, comment))
        return at + str_until(rest, "\n").n;
    if (str_begins(rest, "/*") && *comment == '/') {
        for (size_t i = at + 2; i + 1 < t.n; i++)
            if (t.p[i] == '*' && t.p[i + 1] == '/')
                return i + 2;
        return t.n;
    }
    if (q != '"' && q != '\'')
        return at + 1;
    if (rest.n >= 6 && rest.p[1] == q && rest.p[2] == q) { /* """…""" */
        for (size_t i = at + 3; i + 2 < t.n; i++)
            if (t.p[i] == q && t.p[i + 1] == q && t.p[i + 2] == q)
                return i + 3;
        return t.n;
    }
    for (size_t i = at + 1; i < t.n && t.p[i] != '\n'; i++) {
        if (t.p[i] == '\\')
            i++;
        else if (t.p[i] == q)
            return i + 1;
    }
    return at + 1;
}

struct calls calls_of(struct str text, const char *comment)
{
    return (struct calls){.text = text, .comment = comment, .line = 1};
}

static uint32_t line_at(struct calls *c, size_t at)
{
    for (; c->line_at < at; c->line_at++)
        c->line += c->text.p[c->line_at] == '\n';
    return c->line;
}

/* The byte behind the bracket that closes the one at `open`; where none does, or a limit is passed, as far as was looked. */
static size_t closing(struct str t, size_t open, const char *comment)
{
    int depth = 0;
    t = str_upto(t, open + CALL_BYTES);
    for (size_t i = open; i < t.n;) {
        char ch = t.p[i];
        if (ch == '(' || ch == '[' || ch == '{') {
            if (++depth > BRACKETS_MAX)
                return i;
        } else if ((ch == ')' || ch == ']' || ch == '}') && !--depth) {
            return i + 1;
        }
        i = skip(t, i, comment);
    }
    return t.n;
}

bool calls_next(struct calls *c, const char *name, struct call *out)
{
    size_t n = strlen(name);
    struct str t = c->text;
    while (c->at < t.n && c->found < CALLS_MAX) {
        size_t at = c->at;
        if (!is_word(t.p[at])) {
            c->at = skip(t, at, c->comment);
            continue;
        }
        size_t end = at;
        while (end < t.n && is_word(t.p[end]))
            end++;
        c->at = end;
        if (end - at != n || strncasecmp(t.p + at, name, n))
            continue;
        while (end < t.n && (t.p[end] == ' ' || t.p[end] == '\t'))
            end++;
        if (end >= t.n || (t.p[end] != '(' && t.p[end] != '{'))
            continue;
        size_t close = closing(t, end, c->comment);
        out->inside = (struct str){t.p + end + 1, close > end + 1 ? close - end - 2 : 0};
        out->line = line_at(c, at);
        out->end_line = out->line;
        for (size_t i = at; i < close; i++)
            out->end_line += t.p[i] == '\n';
        c->at = end + 1; /* calls inside calls count too */
        c->found++;
        return true;
    }
    return false;
}

bool quoted_next(struct str *rest, struct str *out)
{
    for (size_t i = 0; i < rest->n; i++) {
        char q = rest->p[i];
        if (q != '"' && q != '\'')
            continue;
        struct str from = str_from(*rest, i + 1);
        for (size_t k = 0; k < from.n && from.p[k] != '\n'; k++)
            if (from.p[k] == q && (!k || from.p[k - 1] != '\\')) {
                *out = (struct str){from.p, k};
                *rest = str_from(from, k + 1);
                return true;
            }
    }
    return false;
}

/* Behind `name` and what assigns; false where it is not there from byte *at on. */
static bool behind_name(struct str t, const char *name, size_t *at)
{
    size_t n = strlen(name);
    for (size_t i = *at; i + n < t.n; i++) {
        if (memcmp(t.p + i, name, n) || (i && is_word(t.p[i - 1])) || is_word(t.p[i + n]))
            continue;
        size_t line = i;
        while (line && t.p[line - 1] != '\n' && i - line < LINE_BYTES)
            line--;
        struct str before = str_trim((struct str){t.p + line, i - line});
        if (str_begins(before, "#") || str_begins(before, "//") || str_begins(before, "--"))
            continue;
        size_t k = i + n;
        if (k < t.n && (t.p[k] == '"' || t.p[k] == '\'')) /* "name": … */
            k++;
        while (k < t.n && (t.p[k] == ' ' || t.p[k] == '\t'))
            k++;
        if (str_begins(str_from(t, k), ".set("))
            k += 5;
        else if (str_begins(str_from(t, k), "=>") || str_begins(str_from(t, k), "<<") || str_begins(str_from(t, k), "+="))
            k += 2;
        else if (k < t.n && (t.p[k] == ':' || (t.p[k] == '=' && !str_begins(str_from(t, k), "=="))))
            k++;
        else
            continue;
        while (k < t.n && is_space(t.p[k]))
            k++;
        *at = k;
        return true;
    }
    return false;
}

struct str value_of(struct str text, const char *name)
{
    size_t at = 0;
    struct str out = {"", 0}, rest;
    if (!behind_name(text, name, &at) || at >= text.n)
        return out;
    rest = str_from(text, at);
    if (*rest.p == '"' || *rest.p == '\'') {
        quoted_next(&rest, &out);
        return out;
    }
    return str_until(rest, " \t\r\n,)}];");
}

struct str list_of(struct str text, const char *name)
{
    for (size_t at = 0; behind_name(text, name, &at) && at < text.n;) {
        size_t open = at;
        if (str_begins(str_from(text, open), "%w") || str_begins(str_from(text, open), "%i"))
            open += 2;
        if (open < text.n && (text.p[open] == '[' || text.p[open] == '(' || text.p[open] == '{')) {
            size_t close = closing(text, open, "#");
            return (struct str){text.p + open + 1, close > open + 1 ? close - open - 2 : 0};
        }
    }
    return (struct str){"", 0};
}

bool word_next(struct str *rest, struct str *out)
{
    while (rest->n && (is_space(*rest->p) || *rest->p == ','))
        *rest = str_from(*rest, 1);
    *out = str_until(*rest, " \t\r\n,");
    *rest = str_from(*rest, out->n);
    return out->n > 0;
}
