/* Source code in colour, by tokens: strings, comments, numbers, the keywords that most languages share. It is for reading a
 * few lines, not for parsing: a grammar would be exact, and the client does not carry any. */
#include "cli/text.h"

#include "base/words.h"

#include <ctype.h>
#include <string.h>

enum { CODE_PLAIN, CODE_BLOCK_COMMENT, CODE_TRIPLE };

/* To teach it a language's comments, add its row; without one, both // and # begin a comment. */
static const struct dialect {
    const char *language, *line, *line2, *open, *close;
} dialects[] = {
    {"python", "#", NULL, NULL, NULL},   {"ruby", "#", NULL, NULL, NULL},      {"bash", "#", NULL, NULL, NULL},
    {"elixir", "#", NULL, NULL, NULL},   {"yaml", "#", NULL, NULL, NULL},      {"toml", "#", NULL, NULL, NULL},
    {"make", "#", NULL, NULL, NULL},     {"lua", "--", NULL, "--[[", "]]"},    {"haskell", "--", NULL, "{-", "-}"},
    {"sql", "--", NULL, "/*", "*/"},     {"php", "//", "#", "/*", "*/"},       {"ocaml", NULL, NULL, "(*", "*)"},
    {"html", NULL, NULL, "<!--", "-->"}, {"markdown", NULL, NULL, NULL, NULL}, {"css", NULL, NULL, "/*", "*/"},
    {"json", NULL, NULL, NULL, NULL},    {"text", NULL, NULL, NULL, NULL},     {"c", "//", NULL, "/*", "*/"},
    {"", "//", NULL, "/*", "*/"},
};

/* Sorted. */
static const char *const keywords[] = {
    "False", "None", "Self", "True", "abstract", "alias", "and", "as", "assert", "async", "await", "begin", "bool", "break",
    "case", "catch", "char", "class", "const", "constexpr", "continue", "data", "def", "default", "defer", "defmodule", "defp",
    "delete", "do", "double", "dyn", "elif", "else", "elsif", "end", "ensure", "enum", "except", "export", "extends", "extern",
    "false", "final", "finally", "float", "fn", "for", "foreach", "from", "fun", "func", "function", "global", "go", "goto",
    "guard", "if", "impl", "implements", "import", "in", "inline", "instance", "int", "interface", "internal", "is", "lambda",
    "let", "local", "long", "loop", "match", "mod", "module", "mut", "namespace", "new", "nil", "not", "null", "nullptr",
    "object", "of", "operator", "or", "override", "package", "pass", "private", "protected", "protocol", "pub", "public",
    "raise", "readonly", "rec", "ref", "require", "rescue", "return", "select", "self", "short", "signed", "sizeof", "static",
    "struct", "super", "switch", "template", "then", "this", "throw", "throws", "trait", "true", "try", "type", "typedef",
    "typename", "union", "unless", "unsafe", "unsigned", "until", "use", "using", "val", "var", "virtual", "void", "volatile",
    "when", "where", "while", "with", "yield",
};

static const struct dialect *dialect_of(const char *language)
{
    const struct dialect *d = dialects;
    while (*d->language && (!language || strcmp(d->language, language)))
        d++;
    return d;
}

static bool at(const char *p, size_t n, const char *what)
{
    size_t len = what ? strlen(what) : 0;
    return len && len <= n && !memcmp(p, what, len);
}

static void put(struct buf *out, const struct look *l, enum style s, const char *p, size_t n)
{
    if (s != STYLE_NONE)
        buf_adds(out, style(l, s));
    put_clean(out, p, n);
    if (s != STYLE_NONE)
        buf_adds(out, style(l, STYLE_NONE));
}

static bool word_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

static size_t string_end(const char *p, size_t n, char quote)
{
    size_t i = 1;
    while (i < n && p[i] != quote)
        i += p[i] == '\\' && i + 1 < n ? 2 : 1;
    return i < n ? i + 1 : n;
}

/* ' begins a string, but also a lifetime (Rust), a type variable (OCaml, Haskell) or an apostrophe. */
static bool quote_begins(const char *p, size_t n)
{
    const char *close = n > 2 ? memchr(p + 1, '\'', n - 1) : NULL;
    return close && (close - p <= 3 || p[1] == '\\' || !word_byte(close[1 < n - (size_t)(close - p) ? 1 : 0]));
}

/* The style and length of the token at p. */
static size_t token(const struct dialect *d, const char *p, size_t n, enum style *s, int *state)
{
    *s = STYLE_NONE;
    if (at(p, n, d->open)) {
        size_t from = strlen(d->open);
        for (size_t i = from; i + strlen(d->close) <= n; i++)
            if (at(p + i, n - i, d->close)) {
                *s = STYLE_COMMENT;
                return i + strlen(d->close);
            }
        *state = CODE_BLOCK_COMMENT;
        *s = STYLE_COMMENT;
        return n;
    }
    if (at(p, n, d->line) || at(p, n, d->line2)) {
        *s = STYLE_COMMENT;
        return n;
    }
    if (at(p, n, "\"\"\"")) {
        for (size_t i = 3; i + 3 <= n; i++)
            if (at(p + i, n - i, "\"\"\"")) {
                *s = STYLE_STRING;
                return i + 3;
            }
        *state = CODE_TRIPLE;
        *s = STYLE_STRING;
        return n;
    }
    if (*p == '"' || *p == '`' || (*p == '\'' && quote_begins(p, n))) {
        *s = STYLE_STRING;
        return string_end(p, n, *p);
    }
    if (isdigit((unsigned char)*p)) {
        size_t i = 1;
        while (i < n && (isalnum((unsigned char)p[i]) || p[i] == '.' || p[i] == '_'))
            i++;
        *s = STYLE_NUMBER;
        return i;
    }
    if (word_byte(*p)) {
        size_t i = 1;
        while (i < n && word_byte(p[i]))
            i++;
        if (words_hold(keywords, sizeof keywords / sizeof *keywords, p, i))
            *s = STYLE_KEYWORD;
        else if (i < n && p[i] == '(')
            *s = STYLE_CALL;
        else if (isupper((unsigned char)p[0]) && i > 1 && islower((unsigned char)p[1]))
            *s = STYLE_TYPE;
        return i;
    }
    return 1;
}

void put_code(struct buf *out, const struct look *l, const char *language, const char *p, size_t n, int *state)
{
    const struct dialect *d = dialect_of(language);
    if (!l->color || (language && (!strcmp(language, "text") || !strcmp(language, "markdown")))) {
        put_clean(out, p, n);
        return;
    }
    size_t i = 0;
    if (*state != CODE_PLAIN) {
        const char *close = *state == CODE_TRIPLE ? "\"\"\"" : d->close;
        while (i < n && !at(p + i, n - i, close))
            i++;
        enum style s = *state == CODE_TRIPLE ? STYLE_STRING : STYLE_COMMENT;
        if (i < n) {
            i += strlen(close);
            *state = CODE_PLAIN;
        }
        put(out, l, s, p, i);
    }
    while (i < n) {
        enum style s;
        size_t len = token(d, p + i, n - i, &s, state);
        put(out, l, s, p + i, len);
        i += len;
    }
}
