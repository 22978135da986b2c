#define _GNU_SOURCE /* memmem */
#include "retriever/cited_marks.h"

#include <string.h>

#define NUMBER_DIGITS 6  /* no prompt has a million sources */
#define LINE_DIGITS 8
#define SUFFIX_MAX 10    /* letters of a file name's suffix */
#define NAME_LEAST 3     /* shorter names are in every source */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_char(char c)
{
    return letter(c) || digit(c) || c == '_' || (unsigned char)c >= 128;
}

bool str_holds(struct str text, struct str piece)
{
    return piece.n && piece.n <= text.n && memmem(text.p, text.n, piece.p, piece.n);
}

static bool eat(struct str *s, const char *what)
{
    size_t n = strlen(what);
    if (s->n < n || memcmp(s->p, what, n))
        return false;
    *s = (struct str){s->p + n, s->n - n};
    return true;
}

static void blanks(struct str *s)
{
    while (s->n && (s->p[0] == ' ' || s->p[0] == '\t'))
        eat(s, s->p[0] == ' ' ? " " : "\t");
}

static bool number(uint32_t *out, struct str *s, size_t most)
{
    size_t n = 0;
    *out = 0;
    for (; s->n && digit(s->p[0]); n++) {
        if (n < most)
            *out = *out * 10 + (uint32_t)(s->p[0] - '0');
        *s = (struct str){s->p + 1, s->n - 1};
    }
    if (n > most)
        *out = UINT32_MAX;
    return n > 0;
}

static bool dash(struct str *s)
{
    return eat(s, "-") || eat(s, "\xe2\x80\x93") || eat(s, "\xe2\x80\x94");
}

size_t mark_numbers(uint32_t to[MARK_NUMBERS], struct str s)
{
    static const char *const before[] = {"^", "#", "sources", "source", "Sources", "Source"};
    size_t n = 0;
    bool many = false;
    blanks(&s);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        if (eat(&s, before[i]))
            break;
    for (;;) {
        uint32_t a, b;
        blanks(&s);
        eat(&s, "^");
        if (!number(&a, &s, NUMBER_DIGITS))
            return 0;
        b = a;
        blanks(&s);
        if (dash(&s)) {
            blanks(&s);
            if (!number(&b, &s, NUMBER_DIGITS))
                return 0;
            blanks(&s);
        }
        many |= b < a || b - a >= MARK_NUMBERS;
        for (uint32_t k = a; !many && k <= b; k++)
            if (n < MARK_NUMBERS)
                to[n++] = k;
            else
                many = true;
        if (eat(&s, "\xe2\x80\xa0")) /* †L1-L3: how one family writes them; the lines are its own count */
            s.n = 0;
        if (!s.n)
            return many ? SIZE_MAX : n;
        if (!eat(&s, ",") && !eat(&s, ";"))
            return 0;
    }
}

static bool path_char(char c)
{
    return name_char(c) || strchr("./-+@~", c) != NULL;
}

/* What follows the last dot of its last component, where that begins with a letter. */
static struct str suffix_of(struct str path)
{
    size_t at = path.n;
    while (at && path.p[at - 1] != '.' && path.p[at - 1] != '/')
        at--;
    struct str s = {path.p + at, path.n - at};
    return at && path.p[at - 1] == '.' && s.n && s.n <= SUFFIX_MAX && letter(s.p[0]) ? s : (struct str){"", 0};
}

bool mention_parse(struct mention *m, struct str s)
{
    size_t n = 0;
    while (n < s.n && path_char(s.p[n]))
        n++;
    *m = (struct mention){.path = {s.p, n}};
    struct str rest = {s.p + n, s.n - n};
    bool slash = memchr(s.p, '/', n) != NULL;
    if (!n || n > 1024 || (!slash && !suffix_of(m->path).n) || s.p[n - 1] == '/' || (slash && !memcmp(s.p, "//", n < 2 ? n : 2)))
        return false;
    bool mark = eat(&rest, "#L");
    if (!mark && !eat(&rest, ":"))
        return false;
    if (!number(&m->first, &rest, LINE_DIGITS))
        return false;
    m->last = m->first;
    if (dash(&rest)) {
        eat(&rest, "L");
        if (!number(&m->last, &rest, LINE_DIGITS))
            return false;
    }
    return !rest.n && m->last >= m->first;
}

static bool same_path(struct str path, struct str as)
{
    if (as.n > 2 && !memcmp(as.p, "./", 2))
        as = (struct str){as.p + 2, as.n - 2};
    return as.n && as.n <= path.n && !memcmp(path.p + path.n - as.n, as.p, as.n) && (as.n == path.n || path.p[path.n - as.n - 1] == '/');
}

enum mention_is mention_find(const struct mention *m, struct cited_source *s, size_t n, struct cited_source **at)
{
    bool path = false, suffix = false, named = false;
    struct str mine = suffix_of(m->path);
    for (size_t i = 0; i < n; i++) {
        struct str theirs = suffix_of(s[i].path);
        suffix |= mine.n && mine.n == theirs.n && !memcmp(mine.p, theirs.p, mine.n);
        named |= str_holds(s[i].text, m->path);
        if (!same_path(s[i].path, m->path))
            continue;
        path = true;
        if (m->first >= s[i].first && m->last <= s[i].last) {
            *at = &s[i];
            return MENTION_RIGHT;
        }
    }
    if (path || named)
        return MENTION_SHIFTED;
    /* "example.com:443" is none, unless the sources have such files */
    return memchr(m->path.p, '/', m->path.n) || suffix ? MENTION_INVENTED : MENTION_OTHER;
}

bool source_names(const struct cited_source *s, const char *name)
{
    struct str piece = str_of(name);
    return str_holds(s->text, piece) || str_holds(s->path, piece) || str_holds(str_of(s->title), piece);
}

struct str name_in(struct str s, bool code)
{
    static const struct str none = {"", 0};
    while (s.n && !name_char(s.p[s.n - 1])) /* "send()" */
        s.n--;
    size_t at = s.n;
    while (at && name_char(s.p[at - 1]))
        at--;
    struct str name = {s.p + at, s.n - at};
    if (name.n < NAME_LEAST || name.n > 63)
        return none;
    if (code)
        return name;
    bool lower = false;
    for (size_t i = 0; i < name.n; i++) { /* nobody writes these in prose */
        if ((name.p[i] == '_' && i && i + 1 < name.n) || (lower && name.p[i] >= 'A' && name.p[i] <= 'Z'))
            return name;
        lower |= name.p[i] >= 'a' && name.p[i] <= 'z';
    }
    return none;
}
