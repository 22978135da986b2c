/* Diagnostics of compilers, interpreters and build tools: one function a family. */
#include "retriever/trace_shapes.h"

#include <string.h>

static const struct str NOTHING = {"", 0};

/* What a diagnostic's text says about itself; keyword removed. */
enum severity { SEVERITY_NONE, SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };
static enum severity severity(struct str *s)
{
    static const struct {
        const char *word;
        enum severity is;
    } words[] = {{"error: ", SEVERITY_ERROR}, {"fatal error: ", SEVERITY_ERROR}, {"runtime error: ", SEVERITY_ERROR},
                 {"error:", SEVERITY_ERROR}, {"warning: ", SEVERITY_WARNING}, {"note: ", SEVERITY_NOTE},
                 {"remark: ", SEVERITY_NOTE}, {"undefined reference", SEVERITY_ERROR}, {"multiple definition", SEVERITY_ERROR},
                 {"first defined here", SEVERITY_NOTE}, {"syntax error", SEVERITY_ERROR}};
    struct str bare = *s;
    if (str_eat(&bare, "- ") || str_eat(&bare, "error ") || str_eat(&bare, "warning ")) { /* "- error TS2551: …", "error CS1002: …" */
        bool warning = str_begins(*s, "warning") || str_begins(bare, "warning");
        if (!str_eat(&bare, "error "))
            str_eat(&bare, "warning ");
        size_t colon = str_find(bare, ": ");
        if (colon != SIZE_MAX && colon < 12 && !memchr(bare.p, ' ', colon)) {
            *s = str_from(bare, colon + 2);
            return warning ? SEVERITY_WARNING : SEVERITY_ERROR;
        }
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_begins(*s, words[i].word)) {
            if (str_ends(str_of(words[i].word), ": "))
                str_eat(s, words[i].word);
            return words[i].is;
        }
    return SEVERITY_NONE;
}

static void report(struct tracer *t, enum severity how, struct str path, uint32_t line, struct str text)
{
    text = str_trim(text);
    tracer_place(t, how == SEVERITY_ERROR ? TRACE_DIAGNOSTIC : TRACE_NOTE, path, line, t->in_function, text);
    if (how != SEVERITY_NOTE)
        tracer_error(t, text, how == SEVERITY_ERROR ? 4 : 1);
}

/* ts/cart.ts(6,39): error TS2551: … · src/Cart.cs(12,5): error CS1002: ; expected */
bool shape_paren_diagnostic(struct tracer *t, struct str s)
{
    size_t at = str_find(s, "): ");
    struct str path, text;
    uint32_t line;
    if (at == SIZE_MAX || !str_place(str_upto(s, at + 1), &path, &line))
        return false;
    text = str_trim(str_from(s, at + 3));
    enum severity how = severity(&text);
    if (how == SEVERITY_NONE)
        return false;
    report(t, how, path, line, text);
    return true;
}

/* error[E0308]: mismatched types   and under it   --> src/main.rs:16:20 */
bool shape_rustc(struct tracer *t, struct str s)
{
    struct str path, text = s;
    uint32_t line;
    bool note = str_begins(s, "::: ");
    if (note || str_begins(s, "--> ")) {
        if (!str_place(str_from(s, 4), &path, &line))
            return false;
        tracer_place(t, note || t->diagnostic_is_note ? TRACE_NOTE : TRACE_DIAGNOSTIC, path, line, NOTHING, t->diagnostic);
        return true;
    }
    bool warning = str_begins(s, "warning: ") || str_begins(s, "warning[");
    if (!warning && !str_begins(s, "error: ") && !str_begins(s, "error["))
        return false;
    size_t colon = str_find(s, ": ");
    if (colon == SIZE_MAX || colon > 24)
        return false;
    text = str_from(s, colon + 2);
    t->diagnostic = text;
    t->diagnostic_is_note = warning;
    tracer_error(t, text, warning ? 1 : 4);
    return true;
}

/* e: file:///srv/app/Cart.kt:3:5 text · e: /srv/app/Cart.kt: (3, 5): text */
bool shape_kotlinc(struct tracer *t, struct str s)
{
    struct str path, text;
    uint32_t line;
    bool warning = str_begins(s, "w: ");
    if (!warning && !str_begins(s, "e: "))
        return false;
    s = str_from(s, 3);
    str_eat(&s, "file://");
    size_t old = str_find(s, ": (");
    if (old != SIZE_MAX && str_pathlike(str_upto(s, old))) {
        path = str_upto(s, old);
        text = str_from(s, old + 3);
        if (!str_number(&text, &line))
            return false;
        size_t close = str_find(text, "): ");
        text = close == SIZE_MAX ? text : str_from(text, close + 3);
    } else if (!str_place_head(s, &path, &line, &text)) {
        return false;
    }
    report(t, warning ? SEVERITY_WARNING : SEVERITY_ERROR, path, line, text);
    return true;
}

/* c/bad.c: In function ‘total’: · In member function ‘void shop::Cart::add(int)’: · x.o: in function `main': */
bool shape_in_function(struct tracer *t, struct str s)
{
    if (str_ends(s, ": At top level:") || str_ends(s, ": At global scope:")) {
        t->in_function = NOTHING;
        return true;
    }
    if (!str_ends(s, ":"))
        return false;
    static const char *const begin[] = {": In ", ": in function ", "In "};
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < sizeof begin / sizeof *begin && at == SIZE_MAX; i++)
        if (i < 2 || str_begins(s, begin[i]))
            at = str_find(s, begin[i]);
    if (at == SIZE_MAX)
        return false;
    struct str name = str_from(s, at);
    size_t open = str_find(name, "\xe2\x80\x98"), close = str_find(name, "\xe2\x80\x99");
    if (open != SIZE_MAX && close != SIZE_MAX && close > open + 3) {
        name = (struct str){name.p + open + 3, close - open - 3};
    } else if ((open = str_find(name, "`")) != SIZE_MAX || (open = str_find(name, "'")) != SIZE_MAX) {
        name = str_from(name, open + 1);
        close = str_rfind(name, '\'');
        if (close == SIZE_MAX)
            return false;
        name = str_upto(name, close);
    } else {
        return false;
    }
    size_t paren = str_find(name, "(");
    t->in_function = function_of(str_upto(name, paren));
    return true;
}

bool shape_included_from(struct tracer *t, struct str s)
{
    struct str path;
    uint32_t line;
    if (!str_eat(&s, "In file included from ") && !str_eat(&s, "from "))
        return false;
    if (!s.n || (s.p[s.n - 1] != ':' && s.p[s.n - 1] != ','))
        return false;
    return str_place(str_upto(s, s.n - 1), &path, &line);
}

/* make: *** [Makefile:8: c/list.o] Error 3 */
bool shape_make(struct tracer *t, struct str s)
{
    struct str path, text;
    uint32_t line;
    size_t at = str_find(s, "*** ");
    if (!str_begins(s, "make") || at == SIZE_MAX || at > 16)
        return false;
    s = str_from(s, at + 4);
    if (str_begins(s, "[") && str_place_head(str_from(s, 1), &path, &line, &text)) {
        size_t close = str_find(text, "]");
        text = str_upto(text, close);
        tracer_place(t, TRACE_DIAGNOSTIC, path, line, NOTHING, text);
        tracer_error(t, s, 1);
        return true;
    }
    tracer_error(t, s, 3);
    return true;
}

/* sh/deploy.sh: line 5: make_release: command not found · sh/x.sh: 3: NOPE: parameter not set */
bool shape_shell(struct tracer *t, struct str s)
{
    struct str path, rest;
    uint32_t line;
    size_t at = str_find(s, ": ");
    if (at == SIZE_MAX || at > 512)
        return false;
    path = str_upto(s, at);
    rest = str_from(s, at + 2);
    bool bash = str_eat(&rest, "line ");
    if (!str_pathlike(path) || !str_number(&rest, &line) || !str_eat(&rest, ": "))
        return false;
    size_t colon = str_find(rest, ": ");
    if (!bash && colon == SIZE_MAX)
        return false;
    if (colon != SIZE_MAX)
        tracer_identifier(t, str_upto(rest, colon));
    tracer_place(t, TRACE_DIAGNOSTIC, path, line, NOTHING, rest);
    bool best = t->error_weight < 4;
    tracer_error(t, colon == SIZE_MAX ? rest : str_upto(rest, colon), 4);
    if (best)
        t->out->error = rest;
    return true;
}

/* c/bad.c:6:12: error: text · ./bad.go:5:9: undefined: missing · ts/cart.ts:6:39 - error TS2551: text · app.js:12 */
bool shape_colon_diagnostic(struct tracer *t, struct str s)
{
    struct str path, text, tail;
    uint32_t line, column;
    if (str_begins(s, "symbol: ")) { /* javac, under "cannot find symbol": method lenght() */
        size_t blank = str_rfind(s, ' ');
        struct str name = str_from(s, blank + 1);
        tracer_identifier(t, str_upto(name, str_find(name, "(")));
        return true;
    }
    str_eat(&s, "vet: ");
    if (str_eat(&s, "/usr/bin/ld: "))
        s = str_trim(s);
    if (!str_place_head(s, &path, &line, &text))
        return false;
    if (memchr(path.p, ' ', path.n)) /* a sentence with a place in it */
        return false;
    enum severity how = severity(&text);
    if (how != SEVERITY_NONE) {
        report(t, how, path, line, text);
        return true;
    }
    tail = str_from(s, path.n + 1);
    bool with_column = str_number(&tail, &line) && str_eat(&tail, ":") && str_number(&tail, &column) && str_begins(tail, ":");
    if (with_column && text.n) {
        report(t, SEVERITY_ERROR, path, line, text);
        return true;
    }
    tracer_place(t, TRACE_PLACE, path, line, NOTHING, text);
    if (text.n && t->nframes > 1)
        tracer_error(t, text, 1);
    return true;
}

/* path:line as a word of a line; only with a directory, for "example.org:80" is none. */
bool shape_place(struct tracer *t, struct str s)
{
    size_t found = 0;
    for (size_t i = 0; i < s.n && found < 4;) {
        size_t end = i;
        while (end < s.n && s.p[end] != ' ' && s.p[end] != '\t')
            end++;
        struct str word = {s.p + i, end - i}, path;
        while (word.n && strchr("([<\"'`", word.p[0]))
            word = str_from(word, 1);
        while (word.n && strchr(")]>,.;:\"'`", word.p[word.n - 1]))
            word.n--;
        uint32_t line;
        if (word.n > 4 && word.n < 512 && memchr(word.p, ':', word.n) && str_find(word, "://") == SIZE_MAX &&
            str_place(word, &path, &line) && memchr(path.p, '/', path.n) && memchr(path.p, '.', path.n) && line) {
            tracer_place(t, TRACE_PLACE, path, line, NOTHING, NOTHING);
            found++;
        }
        i = end + 1;
    }
    return found > 0;
}
