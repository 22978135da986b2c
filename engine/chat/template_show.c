/* Values as text: str(), repr(), JSON, letter case. */
#include "base/mem.h"
#include "engine/chat/template_value.h"
#include "engine/tokenizer/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void room(struct run *r, struct text *t, size_t extra)
{
    if (t->cap - t->n >= extra)
        return;
    size_t cap = t->cap ? t->cap * 2 : 64;
    while (cap - t->n < extra)
        cap *= 2;
    if (cap > UINT32_MAX)
        run_fail(r, ERR_LIMIT, "a text of more than 4 GB");
    char *s = run_alloc(r, cap * 2); /* the origins stand behind the bytes */
    if (t->n) {
        memcpy(s, t->s, t->n);
        memcpy(s + cap, t->origin, t->n);
    }
    t->s = s;
    t->origin = (uint8_t *)s + cap;
    t->cap = cap;
}

void text_add(struct run *r, struct text *t, const char *s, size_t n, bool literal)
{
    if (!n)
        return;
    room(r, t, n);
    run_steps(r, n / 64);
    memcpy(t->s + t->n, s, n);
    memset(t->origin + t->n, literal, n);
    t->n += n;
    t->literal |= literal;
    t->foreign |= !literal;
}

void text_add_value(struct run *r, struct text *t, struct value v)
{
    if (!v.origin) {
        text_add(r, t, v.s, v.n, v.literal);
        return;
    }
    if (!v.n)
        return;
    room(r, t, v.n);
    run_steps(r, v.n / 64);
    memcpy(t->s + t->n, v.s, v.n);
    memcpy(t->origin + t->n, v.origin, v.n);
    t->n += v.n;
    t->literal = t->foreign = true;
}

struct value text_value(struct run *r, struct text *t)
{
    struct value v = v_text((struct str){t->s, t->n}, !t->foreign);
    if (t->foreign && t->literal)
        v.origin = t->origin;
    return v;
}

/* The shortest decimal that reads back as f, in Python's dress. */
size_t float_repr(char out[40], double f)
{
    if (isnan(f) || isinf(f))
        return (size_t)snprintf(out, 40, "%s", isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
    char e[40];
    int digits = 1;
    for (; digits < 17; digits++) {
        snprintf(e, sizeof e, "%.*e", digits - 1, f);
        if (strtod(e, NULL) == f)
            break;
    }
    snprintf(e, sizeof e, "%.*e", digits - 1, f);
    int power = atoi(strchr(e, 'e') + 1);
    if (power >= -4 && power < 16) {
        int places = digits - 1 - power;
        size_t n = (size_t)snprintf(out, 40, "%.*f", places > 0 ? places : 0, f);
        if (places <= 0)
            n += (size_t)snprintf(out + n, 40 - n, ".0");
        return n;
    }
    *strchr(e, 'e') = 0;
    return (size_t)snprintf(out, 40, "%se%c%02d", e, power < 0 ? '-' : '+', abs(power));
}

static void add_number(struct run *r, struct text *t, struct value v)
{
    char s[40];
    size_t n = v.kind == V_FLOAT ? float_repr(s, v.f) : (size_t)snprintf(s, sizeof s, "%lld", (long long)v.i);
    text_add(r, t, s, n, v.literal);
}

static void add_fmt(struct run *r, struct text *t, bool literal, const char *s)
{
    text_add(r, t, s, strlen(s), literal);
}

void text_show(struct run *r, struct text *t, struct value v)
{
    if (v.kind == V_TEXT)
        text_add_value(r, t, v);
    else if (v.kind != V_UNDEFINED && v.kind != V_ABSENT)
        text_repr(r, t, v);
}

struct value v_show(struct run *r, struct value v)
{
    if (v.kind == V_TEXT)
        return v;
    struct text t = {0};
    text_show(r, &t, v);
    return text_value(r, &t);
}

static bool origin_at(struct value v, size_t i)
{
    return v.origin ? v.origin[i] : v.literal;
}

static void repr_of_text(struct run *r, struct text *t, struct value v)
{
    char quote = memchr(v.s, '\'', v.n) && !memchr(v.s, '"', v.n) ? '"' : '\'';
    text_add(r, t, &quote, 1, v.literal);
    for (size_t i = 0, n; i < v.n; i += n) {
        uint32_t c;
        char escape[16];
        n = text_char(v.s + i, v.s + v.n, &c);
        const char *short_one = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : c == '\\' ? "\\\\" : NULL;
        if (short_one)
            snprintf(escape, sizeof escape, "%s", short_one);
        else if (c == (uint8_t)quote)
            snprintf(escape, sizeof escape, "\\%c", quote);
        else if (!text_printable(c))
            snprintf(escape, sizeof escape, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
        else
            escape[0] = 0;
        if (escape[0])
            add_fmt(r, t, origin_at(v, i), escape);
        else
            text_add_value(r, t, v_part(v, i, n));
    }
    text_add(r, t, &quote, 1, v.literal);
}

static void repr_of_list(struct run *r, struct text *t, struct value v)
{
    static const char *const open[] = {"[", "(", "", "dict_keys([", "dict_values([", "dict_items(["};
    static const char *const close[] = {"]", ")", "", "])", "])", "])"};
    const struct list *l = v.list;
    char range[64];
    if (l->kind == LIST_ONCE)
        run_fail(r, ERR_USAGE, "a generator has no text");
    if (l->kind == LIST_RANGE) {
        snprintf(range, sizeof range, l->range[2] == 1 ? "range(%lld, %lld)" : "range(%lld, %lld, %lld)", (long long)l->range[0],
                 (long long)l->range[1], (long long)l->range[2]);
        add_fmt(r, t, v.literal, range);
        return;
    }
    add_fmt(r, t, v.literal, open[l->kind]);
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            add_fmt(r, t, v.literal, ", ");
        text_repr(r, t, l->v[i]);
    }
    if (l->kind == LIST_TUPLE && l->n == 1)
        add_fmt(r, t, v.literal, ",");
    add_fmt(r, t, v.literal, close[l->kind]);
}

static void repr_of_dict(struct run *r, struct text *t, struct value v)
{
    add_fmt(r, t, v.literal, v.kind == V_NAMESPACE ? "<Namespace {" : "{");
    for (size_t i = 0; i < v.dict->n; i++) {
        if (i)
            add_fmt(r, t, v.literal, ", ");
        text_repr(r, t, v.dict->pair[i].key);
        add_fmt(r, t, v.literal, ": ");
        text_repr(r, t, v.dict->pair[i].value);
    }
    add_fmt(r, t, v.literal, v.kind == V_NAMESPACE ? "}>" : "}");
}

static void deeper(struct run *r)
{
    run_steps(r, 1);
    if (++r->depth > TEMPLATE_RUN_DEPTH_MAX)
        run_fail(r, ERR_LIMIT, "a value that nests deeper than %d", TEMPLATE_RUN_DEPTH_MAX);
}

void text_repr(struct run *r, struct text *t, struct value v)
{
    deeper(r);
    switch (v.kind) {
    case V_NONE:
        add_fmt(r, t, v.literal, "None");
        break;
    case V_BOOL:
        add_fmt(r, t, v.literal, v.yes ? "True" : "False");
        break;
    case V_INT:
    case V_FLOAT:
        add_number(r, t, v);
        break;
    case V_TEXT:
        if (v.markup)
            add_fmt(r, t, v.literal, "Markup(");
        repr_of_text(r, t, v);
        if (v.markup)
            add_fmt(r, t, v.literal, ")");
        break;
    case V_LIST:
        repr_of_list(r, t, v);
        break;
    case V_DICT:
    case V_NAMESPACE:
        repr_of_dict(r, t, v);
        break;
    case V_UNDEFINED:
        add_fmt(r, t, false, "Undefined");
        break;
    case V_MACRO:
        add_fmt(r, t, v.literal, "<Macro ");
        text_repr(r, t, v_text(r->t->names[v.macro->node->i], true));
        add_fmt(r, t, v.literal, ">");
        break;
    default: /* the reference prints an address there */
        run_fail(r, ERR_USAGE, "a %s has no text", v_kind(v));
    }
    r->depth--;
}

static void json_of_text(struct run *r, struct text *t, struct value v, bool ascii)
{
    text_add(r, t, "\"", 1, v.literal);
    for (size_t i = 0, n; i < v.n;) {
        size_t plain = i;
        while (plain < v.n && (uint8_t)v.s[plain] >= 0x20 && v.s[plain] != '"' && v.s[plain] != '\\' &&
               !(ascii && (uint8_t)v.s[plain] >= 0x7F))
            plain++;
        if (plain > i) {
            text_add_value(r, t, v_part(v, i, plain - i));
            i = plain;
            continue;
        }
        uint32_t c;
        char escape[16];
        n = text_char(v.s + i, v.s + v.n, &c);
        static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
        const char *found = c && c < 0x80 ? strchr(from, (int)c) : NULL;
        if (found)
            snprintf(escape, sizeof escape, "\\%c", to[found - from]);
        else if (c < 0x10000)
            snprintf(escape, sizeof escape, "\\u%04x", c);
        else
            snprintf(escape, sizeof escape, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
        add_fmt(r, t, origin_at(v, i), escape);
        i += n;
    }
    text_add(r, t, "\"", 1, v.literal);
}

static void json_of_number(struct run *r, struct text *t, struct value v)
{
    if (v.kind == V_BOOL)
        add_fmt(r, t, v.literal, v.yes ? "true" : "false");
    else if (v.kind == V_FLOAT && !isfinite(v.f))
        add_fmt(r, t, v.literal, isnan(v.f) ? "NaN" : v.f < 0 ? "-Infinity" : "Infinity");
    else
        add_number(r, t, v);
}

struct json_at {
    const struct json_style *how;
    int level;
};

/* Punctuation between foreign values is as foreign as they are. */
static void add_mark(struct run *r, struct text *t, struct value mark, bool literal)
{
    if (literal)
        text_add_value(r, t, mark);
    else
        text_add(r, t, mark.s, mark.n, false);
}

static void json_line(struct run *r, struct text *t, const struct json_at *at, bool literal)
{
    if (at->how->indent.kind == V_ABSENT)
        return;
    text_add(r, t, "\n", 1, literal);
    for (int i = 0; i < at->level; i++)
        add_mark(r, t, at->how->indent, literal);
}

static void json_value(struct run *r, struct text *t, struct value v, struct json_at at);

static void json_key(struct run *r, struct text *t, struct value key, bool ascii)
{
    struct text plain = {0};
    if (key.kind == V_TEXT)
        plain = (struct text){0};
    else if (key.kind == V_NONE)
        add_fmt(r, &plain, key.literal, "null");
    else if (v_number(key))
        json_of_number(r, &plain, key);
    else
        run_fail(r, ERR_USAGE, "keys must be str, int, float, bool or None, not %s", v_kind(key));
    json_of_text(r, t, key.kind == V_TEXT ? key : text_value(r, &plain), ascii);
}


static void json_dict(struct run *r, struct text *t, struct value v, struct json_at at)
{
    size_t n = v.dict->n;
    add_fmt(r, t, v.literal, "{");
    struct pair *pair = v.dict->pair;
    if (at.how->sorted && n) { /* by insertion: tools have few keys, and steps are charged */
        pair = run_alloc(r, n * sizeof *pair);
        for (size_t i = 0; i < n; i++) {
            size_t k = i;
            for (; k && v_order(r, v.dict->pair[i].key, pair[k - 1].key) < 0; k--)
                pair[k] = pair[k - 1];
            pair[k] = v.dict->pair[i];
        }
    }
    at.level++;
    for (size_t i = 0; i < n; i++) {
        if (i)
            add_mark(r, t, at.how->item, v.literal);
        json_line(r, t, &at, v.literal);
        json_key(r, t, pair[i].key, at.how->ascii);
        add_mark(r, t, at.how->key, v.literal);
        json_value(r, t, pair[i].value, at);
    }
    at.level--;
    if (n)
        json_line(r, t, &at, v.literal);
    add_fmt(r, t, v.literal, "}");
}

static void json_list(struct run *r, struct text *t, struct value v, struct json_at at)
{
    add_fmt(r, t, v.literal, "[");
    at.level++;
    for (size_t i = 0; i < v.list->n; i++) {
        if (i)
            add_mark(r, t, at.how->item, v.literal);
        json_line(r, t, &at, v.literal);
        json_value(r, t, v.list->v[i], at);
    }
    at.level--;
    if (v.list->n)
        json_line(r, t, &at, v.literal);
    add_fmt(r, t, v.literal, "]");
}

static void json_value(struct run *r, struct text *t, struct value v, struct json_at at)
{
    deeper(r);
    if (v.kind == V_TEXT)
        json_of_text(r, t, v, at.how->ascii);
    else if (v.kind == V_NONE)
        add_fmt(r, t, v.literal, "null");
    else if (v_number(v))
        json_of_number(r, t, v);
    else if (v.kind == V_LIST && v.list->kind <= LIST_TUPLE)
        json_list(r, t, v, at);
    else if (v.kind == V_DICT)
        json_dict(r, t, v, at);
    else
        run_fail(r, ERR_USAGE, "Object of type %s is not JSON serializable", v_kind(v));
    r->depth--;
}

void text_json(struct run *r, struct text *t, struct value v, const struct json_style *how)
{
    json_value(r, t, v, (struct json_at){how, 0});
}

/* Is the sigma at i the last letter of a word? */
static bool final_sigma(struct value v, size_t i, size_t n)
{
    bool before = false;
    for (size_t k = 0; k < i;) {
        uint32_t c;
        k += text_char(v.s + k, v.s + i, &c);
        if (!text_case_ignorable(c))
            before = text_cased(c);
    }
    for (size_t k = i + n; k < v.n;) {
        uint32_t c;
        k += text_char(v.s + k, v.s + v.n, &c);
        if (!text_case_ignorable(c))
            return before && !text_cased(c);
    }
    return before;
}

struct value v_cased_at(struct run *r, struct value v, size_t from, size_t bytes, enum text_case to)
{
    struct text t = {0};
    for (size_t i = from, n; i < from + bytes; i += n) {
        uint32_t c, out[3];
        n = text_char(v.s + i, v.s + v.n, &c);
        int chars = text_case(out, c, to);
        if (to == CASE_LOWER && c == 0x3A3) {
            run_steps(r, v.n);
            out[0] = final_sigma(v, i, n) ? 0x3C2 : 0x3C3;
        }
        for (int k = 0; k < chars; k++) {
            char utf8[4];
            text_add(r, &t, utf8, (size_t)unicode_encode(utf8, out[k]), origin_at(v, i));
        }
    }
    struct value done = text_value(r, &t);
    done.markup = v.markup;
    return done;
}

struct value v_cased(struct run *r, struct value v, enum text_case to)
{
    return v_cased_at(r, v, 0, v.n, to);
}

struct value v_escaped(struct run *r, struct value v)
{
    v = v_show(r, v);
    if (!v.markup) {
        struct text t = {0};
        for (size_t i = 0; i < v.n; i++) {
            static const char from[] = "&<>'\"";
            static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
            const char *found = v.s[i] ? strchr(from, v.s[i]) : NULL;
            if (found)
                add_fmt(r, &t, origin_at(v, i), to[found - from]);
            else
                text_add_value(r, &t, v_part(v, i, 1));
        }
        v = text_value(r, &t);
    }
    v.markup = 1;
    return v;
}
