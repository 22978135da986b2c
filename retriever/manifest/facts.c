/* Data files as flat lists. JSON goes through jansson; what it does not keep, the lines, comes from the text: jansson gives an
 * object's members in the order of the text, so its keys and strings are the text's quoted tokens one after another. */
#include "retriever/manifest/text.h"

#include "base/mem.h"
#include "engine/format/json.h"

#include <stdlib.h>

#define NESTING_MAX 32   /* brackets open at once */
#define VALUES_MAX 50000 /* of one JSON file, before anything is allocated */

void facts_release(struct facts *f)
{
    free(f->v);
    *f = (struct facts){0};
}

struct fact *facts_add(struct facts *f, const struct str *key, unsigned depth)
{
    if (depth > FACT_DEPTH || f->n == FACTS_MAX)
        return NULL;
    VEC_ROOM(f->v, f->n, f->cap);
    struct fact *x = &f->v[f->n++];
    *x = (struct fact){.depth = depth, .value = {"", 0}};
    memcpy(x->key, key, depth * sizeof *key);
    return x;
}

static bool key_is(struct str key, const char *p, size_t n)
{
    if (n == 1 && *p == '*')
        return true;
    if (key.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (key.p[i] != (p[i] == '\1' ? '/' : p[i]))
            return false;
    return true;
}

bool fact_is(const struct fact *f, const char *pattern)
{
    unsigned d = 0;
    for (;;) {
        size_t n = strcspn(pattern, "/");
        if (n == 2 && !memcmp(pattern, "**", 2))
            return true;
        if (d == f->depth || !key_is(f->key[d], pattern, n))
            return false;
        d++;
        if (!pattern[n])
            return d == f->depth;
        pattern += n + 1;
    }
}

const struct fact *facts_find(const struct facts *f, const char *pattern)
{
    for (size_t i = 0; i < f->n; i++)
        if (fact_is(&f->v[i], pattern))
            return &f->v[i];
    return NULL;
}

struct str facts_text(const struct facts *f, const char *pattern)
{
    const struct fact *x = facts_find(f, pattern);
    return x ? x->value : (struct str){"", 0};
}

const struct fact *facts_in(const struct facts *f, uint32_t group, const char *last)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].group == group && f->v[i].depth && str_is(f->v[i].key[f->v[i].depth - 1], last))
            return &f->v[i];
    return NULL;
}

/* -- JSON ------------------------------------------------------------------------------------------------------------------ */

struct json_walk {
    struct facts *out;
    struct arena *arena;
    struct str text;
    size_t at;
    uint32_t line, groups;
    struct str key[FACT_DEPTH + 1];
};

/* The line of the text's next quoted token. */
static uint32_t next_token(struct json_walk *w)
{
    while (w->at < w->text.n && w->text.p[w->at] != '"')
        w->line += w->text.p[w->at++] == '\n';
    for (w->at++; w->at < w->text.n && w->text.p[w->at] != '"'; w->at++)
        w->at += w->text.p[w->at] == '\\';
    w->at++;
    return w->line;
}

static void walk(struct json_walk *w, json_t *v, unsigned depth, uint32_t group, uint32_t line)
{
    const char *name;
    json_t *x;
    size_t i;
    if (json_is_object(v)) {
        uint32_t own = ++w->groups;
        json_object_foreach(v, name, x) {
            uint32_t at = next_token(w);
            if (depth < FACT_DEPTH)
                w->key[depth] = (struct str){arena_str(w->arena, name), strlen(name)};
            walk(w, x, depth + 1, own, at);
        }
        return;
    }
    if (json_is_array(v)) {
        json_array_foreach(v, i, x) {
            if (depth < FACT_DEPTH)
                w->key[depth] = STR("[]");
            walk(w, x, depth + 1, group, line);
        }
        return;
    }
    if (json_is_string(v))
        line = next_token(w);
    struct fact *f = facts_add(w->out, w->key, depth);
    if (!f)
        return;
    f->group = group;
    f->line = line;
    if (json_is_string(v))
        f->value = (struct str){arena_strn(w->arena, json_string_value(v), json_string_length(v)), json_string_length(v)};
    else if (json_is_boolean(v))
        f->value = json_is_true(v) ? STR("true") : STR("false");
}

void facts_json(struct facts *out, struct str text, struct arena *a)
{
    json_t *root = NULL;
    *out = (struct facts){.broken = json_bounded(&root, "a manifest", text.p, text.n, NESTING_MAX, VALUES_MAX, NULL) != 0};
    struct json_walk w = {.out = out, .arena = a, .text = text, .line = 1};
    if (root)
        walk(&w, root, 0, 0, 1);
    json_decref(root);
}

/* -- TOML ------------------------------------------------------------------------------------------------------------------ */

struct toml {
    struct facts *out;
    struct str t;
    size_t at;
    uint32_t line, groups;
    struct str key[FACT_DEPTH + 1];
};

static int peek(const struct toml *m)
{
    return m->at < m->t.n ? (unsigned char)m->t.p[m->at] : -1;
}

static void step(struct toml *m, size_t n)
{
    for (; n && m->at < m->t.n; n--)
        m->line += m->t.p[m->at++] == '\n';
}

static void blank(struct toml *m, bool lines)
{
    for (int c; (c = peek(m)) >= 0;) {
        if (c == '#')
            while (peek(m) >= 0 && peek(m) != '\n')
                step(m, 1);
        else if (c == ' ' || c == '\t' || c == '\r' || (lines && c == '\n'))
            step(m, 1);
        else
            break;
    }
}

static struct str toml_string(struct toml *m)
{
    char q = m->t.p[m->at];
    struct str rest = str_from(m->t, m->at);
    bool many = rest.n >= 3 && rest.p[1] == q && rest.p[2] == q;
    size_t open = many ? 3 : 1, i = open;
    while (i < rest.n) {
        if (q == '"' && rest.p[i] == '\\')
            i++;
        else if (!many && rest.p[i] == '\n')
            break;
        else if (rest.p[i] == q && (!many || (i + 2 < rest.n && rest.p[i + 1] == q && rest.p[i + 2] == q)))
            break;
        i++;
    }
    i = i > rest.n ? rest.n : i;
    step(m, i + open);
    return (struct str){rest.p + open, i - open};
}

static struct str toml_key(struct toml *m)
{
    int c = peek(m);
    if (c == '"' || c == '\'')
        return toml_string(m);
    struct str k = str_until(str_from(m->t, m->at), " \t\r\n.=[]{},#\"'");
    step(m, k.n);
    return k;
}

/* a.b."c d" from depth on; the new depth. */
static unsigned toml_keys(struct toml *m, unsigned depth)
{
    for (;;) {
        blank(m, false);
        struct str k = toml_key(m);
        if (depth < FACT_DEPTH + 1)
            m->key[depth] = k;
        depth++;
        blank(m, false);
        if (peek(m) != '.' || depth > NESTING_MAX)
            return depth;
        step(m, 1);
    }
}

static void toml_value(struct toml *m, unsigned depth, uint32_t group, unsigned nesting)
{
    blank(m, false);
    int c = peek(m);
    uint32_t line = m->line;
    struct str v = {"", 0};
    if ((c == '[' || c == '{') && nesting < NESTING_MAX) {
        char close = c == '[' ? ']' : '}';
        uint32_t own = c == '{' ? ++m->groups : group;
        step(m, 1);
        for (;;) {
            size_t before = m->at;
            blank(m, true);
            if (peek(m) < 0 || peek(m) == close)
                break;
            unsigned d = depth;
            if (c == '[') {
                if (d < FACT_DEPTH + 1)
                    m->key[d] = STR("[]");
                d++;
            } else {
                d = toml_keys(m, depth);
                if (peek(m) == '=')
                    step(m, 1);
            }
            toml_value(m, d, own, nesting + 1);
            blank(m, true);
            if (peek(m) == ',')
                step(m, 1);
            if (m->at == before) /* not TOML: get on */
                step(m, 1);
        }
        step(m, 1);
        return;
    }
    if (c == '"' || c == '\'') {
        v = toml_string(m);
    } else {
        v = str_until(str_from(m->t, m->at), ",]}\n#");
        step(m, v.n);
        v = str_trim(v);
    }
    struct fact *f = facts_add(m->out, m->key, depth);
    if (f) {
        f->value = v;
        f->group = group;
        f->line = line;
    }
}

void facts_toml(struct facts *out, struct str text, struct arena *a)
{
    *out = (struct facts){0};
    struct toml m = {.out = out, .t = text, .line = 1};
    unsigned depth = 0;
    uint32_t group = 0;
    for (;;) {
        blank(&m, true);
        size_t before = m.at;
        if (peek(&m) < 0)
            return;
        if (peek(&m) == '[') {
            bool many = m.at + 1 < text.n && text.p[m.at + 1] == '[';
            step(&m, 1u + many);
            depth = toml_keys(&m, 0);
            if (many && depth < FACT_DEPTH + 1)
                m.key[depth++] = STR("[]");
            group = ++m.groups;
            while (peek(&m) >= 0 && peek(&m) != '\n')
                step(&m, 1);
            continue;
        }
        unsigned d = toml_keys(&m, depth);
        if (peek(&m) == '=') {
            step(&m, 1);
            toml_value(&m, d, group, 0);
        }
        if (m.at == before)
            step(&m, 1);
    }
}

/* -- INI ------------------------------------------------------------------------------------------------------------------- */

void facts_ini(struct facts *out, struct str text, struct arena *a)
{
    *out = (struct facts){0};
    struct lines l = lines_of(text);
    struct str line, key[2] = {{"", 0}, {"", 0}};
    uint32_t group = 0;
    while (lines_next(&l, &line)) {
        struct str s = str_trim(line), v = s;
        if (!s.n || *s.p == '#' || *s.p == ';')
            continue;
        bool further = line.p[0] == ' ' || line.p[0] == '\t';
        if (!further && *s.p == '[') {
            key[0] = str_until(str_from(s, 1), "]");
            key[1] = (struct str){"", 0};
            group++;
            continue;
        }
        if (!further) {
            key[1] = str_until(s, "=:");
            v = str_trim(str_from(s, key[1].n + 1));
            key[1] = str_trim(key[1]);
        }
        struct fact *f = key[1].n ? facts_add(out, key, 2) : NULL;
        if (f) {
            f->value = v;
            f->group = group;
            f->line = l.number;
        }
    }
}

/* -- XML ------------------------------------------------------------------------------------------------------------------- */

struct element {
    uint32_t id, line;
    size_t text;      /* where its text begins */
    bool parent;      /* has elements inside */
};

static struct str xml_name(struct str t, size_t at)
{
    return str_until(str_from(t, at), " \t\r\n/>=<\"'");
}

static void attributes(struct facts *out, struct str inside, struct str *key, unsigned depth, uint32_t group, uint32_t line, struct arena *a)
{
    for (struct str rest = inside, value; rest.n;) {
        rest = str_trim(rest);
        struct str name = str_until(rest, " \t\r\n=/>");
        size_t eq = str_until(rest, "=").n;
        rest = str_from(rest, eq + 1);
        if (!name.n || !quoted_next(&rest, &value))
            return;
        if (depth >= FACT_DEPTH)
            return;
        key[depth] = str_joins(a, "@", name);
        struct fact *f = facts_add(out, key, depth + 1);
        if (f) {
            f->value = value;
            f->group = group;
            f->line = line;
        }
    }
}

void facts_xml(struct facts *out, struct str t, struct arena *a)
{
    *out = (struct facts){0};
    struct element open[NESTING_MAX];
    struct str key[NESTING_MAX + FACT_DEPTH + 1];
    unsigned depth = 0;
    uint32_t ids = 0, line = 1;
    for (size_t at = 0, end; at < t.n; at = end) {
        struct str rest = str_from(t, at);
        end = at + 1;
        if (*rest.p != '<') {
            line += *rest.p == '\n';
            continue;
        }
        const char *close = str_begins(rest, "<!--") ? "-->" : str_begins(rest, "<![CDATA[") ? "]]>" : ">";
        size_t n = strlen(close);
        while (end + n <= t.n && memcmp(t.p + end, close, n))
            end++;
        end = end + n > t.n ? t.n : end + n;
        uint32_t begun = line;
        for (size_t i = at; i < end; i++)
            line += t.p[i] == '\n';
        if (rest.n < 2 || rest.p[1] == '!' || rest.p[1] == '?')
            continue;
        if (rest.p[1] == '/') {
            if (!depth)
                continue;
            struct element *x = &open[--depth];
            struct fact *f = x->parent ? NULL : facts_add(out, key, depth + 1);
            if (f) {
                f->value = str_trim((struct str){t.p + x->text, at - x->text});
                f->group = depth ? open[depth - 1].id : 0;
                f->line = x->line;
            }
            continue;
        }
        if (depth == NESTING_MAX) {
            out->broken = true;
            return;
        }
        struct str name = xml_name(t, at + 1);
        bool empty = end >= 2 && t.p[end - 2] == '/';
        if (depth)
            open[depth - 1].parent = true;
        key[depth] = name;
        open[depth] = (struct element){++ids, begun, end, false};
        struct str inside = {name.p + name.n, (size_t)(t.p + end - 1 - (name.p + name.n))};
        if (name.p + name.n >= t.p + end - 1)
            inside = (struct str){"", 0};
        attributes(out, inside, key, depth + 1, open[depth].id, begun, a);
        depth += !empty;
    }
}
