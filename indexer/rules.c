#include "indexer/rules.h"

#include "base/mem.h"
#include "store/view.h"

#include <ctype.h>
#include <string.h>

struct pattern {
    struct str text;
    bool negated, dir_only, anchored; /* anchored: seen from the directory of its file, else matched with the base name */
};

/* What a line of .gitattributes can say here, as bits of set and unset. */
enum { A_GENERATED = 1, A_VENDORED = 2, A_DOCUMENTATION = 4, A_BINARY = 8 };
struct attribute_rule {
    struct pattern pattern;
    uint32_t set, unset, unspecified;
};

/* -- matching -------------------------------------------------------------------------------------------------------------- */

static bool in_class(const char *name, size_t n, unsigned char c)
{
    static const struct {
        const char *name;
        int (*is)(int);
    } classes[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
                   {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
                   {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0)
            return classes[i].is(c) != 0;
    return false;
}

/* p is behind '['. Returns the position behind ']', NULL when there is none (the pattern then matches nothing, as in git). */
static const char *bracket(const char *p, const char *end, unsigned char c, bool *hit)
{
    bool not = p < end && (*p == '!' || *p == '^'), yes = false;
    p += not;
    for (bool first = true; p < end && (first || *p != ']'); first = false) {
        if (end - p > 3 && p[0] == '[' && p[1] == ':') {
            const char *q = p + 2;
            while (q < end && islower((unsigned char)*q))
                q++;
            if (end - q >= 2 && q[0] == ':' && q[1] == ']') {
                yes |= in_class(p + 2, (size_t)(q - p - 2), c);
                p = q + 2;
                continue;
            }
        }
        if (*p == '\\' && end - p > 1)
            p++;
        unsigned char from = (unsigned char)*p++, to = from;
        if (end - p > 1 && p[0] == '-' && p[1] != ']') {
            p++;
            if (*p == '\\' && end - p > 1)
                p++;
            to = (unsigned char)*p++;
        }
        yes |= c >= from && c <= to;
    }
    if (p == end)
        return NULL;
    *hit = yes != not;
    return p + 1;
}

/* One path component against one component of a pattern. Going back to the last star alone is enough. */
static bool glob(struct str pattern, struct str name)
{
    const char *p = pattern.p, *pe = p + pattern.n, *s = name.p, *se = s + name.n, *star = NULL, *again = NULL;
    while (s < se) {
        const char *next = NULL;
        bool hit = false;
        if (p < pe && *p == '*') {
            star = ++p;
            again = s;
            continue;
        }
        if (p < pe && *p == '?') {
            hit = true;
            next = p + 1;
        } else if (p < pe && *p == '[') {
            next = bracket(p + 1, pe, (unsigned char)*s, &hit);
            if (!next)
                return false;
        } else if (p < pe) {
            next = p;
            if (*next == '\\' && next + 1 < pe)
                next++;
            hit = *next == *s;
            next++;
        }
        if (hit) {
            p = next;
            s++;
        } else if (star) {
            p = star;
            s = ++again;
        } else {
            return false;
        }
    }
    while (p < pe && *p == '*')
        p++;
    return p == pe;
}

static struct str component(const char *p, const char *end)
{
    const char *slash = memchr(p, '/', (size_t)(end - p));
    return (struct str){p, (size_t)((slash ? slash : end) - p)};
}

static bool is_stars(struct str c)
{
    return c.n == 2 && c.p[0] == '*' && c.p[1] == '*';
}

/* A whole path against a pattern with slashes: components one by one, double stars as the stars among them. */
static bool glob_path(struct str pattern, struct str path)
{
    const char *p = pattern.p, *pe = p + pattern.n, *s = path.p, *se = s + path.n, *star = NULL, *again = NULL;
    while (s < se) {
        struct str name = component(s, se);
        struct str c = p < pe ? component(p, pe) : (struct str){p, 0};
        if (p < pe && is_stars(c)) {
            p = c.p + c.n + (c.p + c.n < pe);
            if (p == pe)
                return true; /* a double star at the end: everything below, at least one component */
            star = p;
            again = s;
        } else if (p < pe && glob(c, name)) {
            p = c.p + c.n + (c.p + c.n < pe);
            s = name.p + name.n + (name.p + name.n < se);
        } else if (star) {
            struct str skipped = component(again, se);
            p = star;
            s = again = skipped.p + skipped.n + (skipped.p + skipped.n < se);
        } else {
            return false;
        }
    }
    return p == pe;
}

static bool matches(const struct pattern *p, struct str rest, bool is_dir)
{
    if (p->dir_only && !is_dir)
        return false;
    if (p->anchored)
        return glob_path(p->text, rest);
    size_t base = rest.n;
    while (base && rest.p[base - 1] != '/')
        base--;
    return glob(p->text, (struct str){rest.p + base, rest.n - base});
}

/* -- reading ------------------------------------------------------------------------------------------------------------------ */

/* false: nothing in it */
static bool parse_pattern(struct pattern *out, struct str line)
{
    *out = (struct pattern){0};
    if (line.n && line.p[0] == '!') {
        out->negated = true;
        line.p++, line.n--;
    }
    if (line.n && line.p[line.n - 1] == '/') {
        out->dir_only = true;
        line.n--;
    }
    out->anchored = memchr(line.p, '/', line.n) != NULL;
    if (line.n && line.p[0] == '/')
        line.p++, line.n--;
    out->text = line;
    return line.n > 0;
}

static bool next_line(struct str *text, struct str *line)
{
    if (!text->n)
        return false;
    const char *nl = memchr(text->p, '\n', text->n);
    *line = (struct str){text->p, nl ? (size_t)(nl - text->p) : text->n};
    text->n -= line->n + (nl != NULL);
    text->p += line->n + (nl != NULL);
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static struct str own_copy(struct arena *mem, struct str text)
{
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        text.p += 3, text.n -= 3;
    if (text.n > RULES_MAX_BYTES)
        text.n = 0;
    return (struct str){arena_strn(mem, text.p, text.n), text.n};
}

static size_t count_lines(struct str text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

struct level *level_new(struct arena *mem, struct str dir, const struct level *up)
{
    struct level *l = arena_zero(mem, 1, sizeof *l);
    l->dir = (struct str){arena_strn(mem, dir.p, dir.n), dir.n};
    l->up = up;
    return l;
}

void level_ignore(struct level *l, struct arena *mem, struct str text)
{
    struct str line;
    text = own_copy(mem, text);
    struct pattern *all = arena_alloc(mem, (l->nignore + count_lines(text)) * sizeof *all);
    if (l->nignore)
        memcpy(all, l->ignore, l->nignore * sizeof *all);
    l->ignore = all;
    while (next_line(&text, &line)) {
        while (line.n && line.p[line.n - 1] == ' ' && !(line.n > 1 && line.p[line.n - 2] == '\\'))
            line.n--;
        if (line.n && line.p[0] != '#' && parse_pattern(&all[l->nignore], line))
            l->nignore++;
    }
}

static struct str next_token(struct str *line)
{
    while (line->n && (*line->p == ' ' || *line->p == '\t'))
        line->p++, line->n--;
    struct str t = {line->p, 0};
    while (line->n && *line->p != ' ' && *line->p != '\t')
        line->p++, line->n--, t.n++;
    return t;
}

static bool is(struct str s, const char *word)
{
    return s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

static void set_attribute(struct attribute_rule *r, struct str token)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } known[] = {{"linguist-generated", A_GENERATED},
                 {"linguist-vendored", A_VENDORED},
                 {"linguist-documentation", A_DOCUMENTATION},
                 {"binary", A_BINARY}};
    char mark = token.n ? token.p[0] : 0;
    if (mark == '-' || mark == '!')
        token.p++, token.n--;
    const char *eq = token.n ? memchr(token.p, '=', token.n) : NULL;
    struct str name = {token.p, eq ? (size_t)(eq - token.p) : token.n};
    struct str value = eq ? (struct str){eq + 1, token.n - name.n - 1} : (struct str){"", 0};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is(name, known[i].name)) {
            uint32_t bit = known[i].bit;
            bool off = mark == '-' || (eq && (is(value, "false") || is(value, "0")));
            r->set &= ~bit;
            r->unset &= ~bit;
            r->unspecified &= ~bit;
            *(mark == '!' ? &r->unspecified : off ? &r->unset : &r->set) |= bit;
        }
}

void level_attributes(struct level *l, struct arena *mem, struct str text)
{
    struct str line;
    text = own_copy(mem, text);
    struct attribute_rule *all = arena_alloc(mem, (l->nattribute + count_lines(text)) * sizeof *all);
    if (l->nattribute)
        memcpy(all, l->attribute, l->nattribute * sizeof *all);
    l->attribute = all;
    while (next_line(&text, &line)) {
        struct attribute_rule r = {0};
        struct str rest = line, token = next_token(&rest);
        if (!token.n || token.p[0] == '#' || token.p[0] == '!' || is(token, "[attr]"))
            continue;
        if (token.p[0] == '"' && token.n > 1 && token.p[token.n - 1] == '"')
            token.p++, token.n -= 2;
        if (!parse_pattern(&r.pattern, token) || r.pattern.dir_only)
            continue;
        while ((token = next_token(&rest)).n)
            set_attribute(&r, token);
        if (r.set | r.unset | r.unspecified)
            all[l->nattribute++] = r;
    }
}

/* -- asking ------------------------------------------------------------------------------------------------------------------- */

static struct str rest_of(const struct level *l, struct str path)
{
    return (struct str){path.p + l->dir.n, path.n - l->dir.n};
}

bool level_ignores(const struct level *l, struct str path, bool is_dir)
{
    for (; l; l = l->up) {
        struct str rest = rest_of(l, path);
        for (size_t i = l->nignore; i--;)
            if (matches(&l->ignore[i], rest, is_dir))
                return !l->ignore[i].negated;
    }
    return false;
}

static uint32_t attributes_set(const struct level *l, struct str path, uint32_t *unset)
{
    uint32_t set = 0, known = 0;
    *unset = 0;
    for (; l; l = l->up) {
        struct str rest = rest_of(l, path);
        for (size_t i = l->nattribute; i--;) {
            const struct attribute_rule *r = &l->attribute[i];
            uint32_t news = (r->set | r->unset | r->unspecified) & ~known;
            if (!news || !matches(&r->pattern, rest, false))
                continue;
            set |= r->set & news;
            *unset |= r->unset & news;
            known |= news;
        }
    }
    return set;
}

uint32_t level_flags(const struct level *l, struct str path)
{
    uint32_t unset, set = attributes_set(l, path, &unset), flags = 0;
    flags |= set & A_GENERATED ? OCC_GENERATED : 0;
    flags |= set & A_VENDORED ? OCC_VENDORED : 0;
    flags |= set & A_DOCUMENTATION ? OCC_DOCUMENTATION : 0;
    flags |= set & A_BINARY ? OCC_SKIPPED : 0;
    flags |= unset & A_GENERATED ? OCC_NOT_GENERATED : 0;
    flags |= unset & A_VENDORED ? OCC_NOT_VENDORED : 0;
    return flags;
}

bool pattern_matches(const char *pattern, const char *path, bool is_dir)
{
    struct pattern p;
    return parse_pattern(&p, str_of(pattern)) && matches(&p, str_of(path), is_dir);
}
