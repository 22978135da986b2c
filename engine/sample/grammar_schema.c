#include "engine/sample/grammar_schema.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_NEST_MAX 64
#define DIGITS_MOST 15 /* before and behind the point: what a double holds */

struct made {
    const json_t *schema;
    uint32_t rule;
};
struct maker {
    struct build *b;
    const json_t *root;
    struct made *made; /* schemas that have a rule: references and recursion find it */
    size_t n, cap;
    int depth;
    uint32_t any, blank, text, number; /* rules that all share; 0: not made yet (rule 0 is the root's) */
    char where[256];
};

static uint32_t schema_rule(struct maker *k, const json_t *schema);

static _Noreturn void refuse(struct maker *k, const char *keyword, const char *why)
{
    build_fail(k->b, ERR_UNSUPPORTED, "schema%s: %s %s", k->where, keyword, why);
}

/* Where in the schema, for messages. */
static size_t step_in(struct maker *k, const char *name)
{
    size_t n = strlen(k->where);
    snprintf(k->where + n, sizeof k->where - n, "/%s", name);
    return n;
}

static void add_text(struct maker *k, struct row *r, const char *s)
{
    row_text(k->b, r, s, strlen(s));
}

static void add_rule(struct maker *k, struct row *r, uint32_t rule)
{
    row_add(k->b, r, build_ref(rule));
}

static void alt(struct maker *k, uint32_t rule, struct row r)
{
    build_alt(k->b, rule, r);
}

/* Nothing, a blank, or a new line with up to 20 blanks: a model can indent, and can't write blanks for ever. */
static uint32_t blank(struct maker *k)
{
    if (k->blank)
        return k->blank;
    struct build *b = k->b;
    k->blank = build_rule(b);
    struct row one = {0}, line = {0}, spaces = {0};
    alt(k, k->blank, (struct row){0});
    add_text(k, &one, " ");
    alt(k, k->blank, one);
    add_text(k, &line, "\n");
    row_bytes(b, &spaces, " \t");
    row_add(b, &line, build_repeat(b, spaces, 0, 20));
    alt(k, k->blank, line);
    return k->blank;
}

static struct element any_char(struct maker *k)
{
    return json_char(k->b, ranges_not(k->b, (struct ranges){0}));
}

static uint32_t text_of(struct maker *k, uint32_t least, uint32_t most)
{
    uint32_t rule = build_rule(k->b);
    struct row r = {0}, c = {0};
    row_add(k->b, &c, any_char(k));
    add_text(k, &r, "\"");
    row_add(k->b, &r, build_repeat(k->b, c, least, most));
    add_text(k, &r, "\"");
    alt(k, rule, r);
    return rule;
}

static uint32_t any_text(struct maker *k)
{
    if (!k->text)
        k->text = text_of(k, 0, REPEAT_ANY);
    return k->text;
}

/* -? digits (. digits)? (e digits)? */
static uint32_t any_number(struct maker *k, bool negative)
{
    if (k->number && negative)
        return k->number;
    struct build *b = k->b;
    uint32_t rule = build_rule(b);
    struct row r = {0}, minus = {0}, point = {0}, power = {0}, digit = {0}, sign = {0};
    if (negative) {
        k->number = rule;
        add_text(k, &minus, "-");
        row_add(b, &r, build_repeat(b, minus, 0, 1));
    }
    row_add(b, &r, json_whole(b, &(int64_t){0}, NULL));
    row_bytes(b, &digit, "0123456789");
    add_text(k, &point, ".");
    row_add(b, &point, build_repeat(b, digit, 1, DIGITS_MOST));
    row_add(b, &r, build_repeat(b, point, 0, 1));
    row_bytes(b, &power, "eE");
    row_bytes(b, &sign, "+-");
    row_add(b, &power, build_repeat(b, sign, 0, 1));
    row_add(b, &power, build_repeat(b, digit, 1, 2));
    row_add(b, &r, build_repeat(b, power, 0, 1));
    alt(k, rule, r);
    return rule;
}

static void literal_alt(struct maker *k, uint32_t rule, const json_t *v)
{
    char *s = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    struct row r = {0};
    if (!s)
        refuse(k, "enum", "holds what cannot be written");
    char *kept = arena_str(&k->b->arena, s);
    free(s);
    add_text(k, &r, kept);
    alt(k, rule, r);
}

/* open (item (, item)*)? close with least … most items */
static uint32_t list_of(struct maker *k, uint32_t item, uint32_t least, uint32_t most)
{
    struct build *b = k->b;
    uint32_t rule = build_rule(b);
    struct row more = {0}, some = {0}, r = {0};
    if (!least) {
        struct row none = {0};
        add_text(k, &none, "[");
        add_rule(k, &none, blank(k));
        add_text(k, &none, "]");
        alt(k, rule, none);
    }
    if (!most)
        return rule;
    add_text(k, &more, ",");
    add_rule(k, &more, blank(k));
    add_rule(k, &more, item);
    add_rule(k, &more, blank(k));
    add_text(k, &r, "[");
    add_rule(k, &r, blank(k));
    add_rule(k, &some, item);
    add_rule(k, &some, blank(k));
    row_add_row(b, &r, &some);
    row_add(b, &r, build_repeat(b, more, least ? least - 1 : 0, most == REPEAT_ANY ? most : most - 1));
    add_text(k, &r, "]");
    alt(k, rule, r);
    return rule;
}

static void pair_row(struct maker *k, struct row *r, struct element key, uint32_t value)
{
    row_add(k->b, r, key);
    add_text(k, r, ":");
    add_rule(k, r, blank(k));
    add_rule(k, r, value);
    add_rule(k, r, blank(k));
}

/* Any JSON value; objects and lists refer to it. */
static uint32_t any_value(struct maker *k)
{
    if (k->any)
        return k->any;
    struct build *b = k->b;
    uint32_t any = k->any = build_rule(b);
    uint32_t part[] = {any_text(k), any_number(k, true), list_of(k, any, 0, REPEAT_ANY)};
    static const char *const word[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        struct row w = {0}, p = {0};
        add_text(k, &w, word[i]);
        alt(k, any, w);
        add_rule(k, &p, part[i]);
        alt(k, any, p);
    }
    struct row none = {0}, some = {0}, more = {0};
    add_text(k, &none, "{");
    add_rule(k, &none, blank(k));
    some = none;
    some.cap = some.n; /* what both begin with is shared until one grows */
    add_text(k, &none, "}");
    alt(k, any, none);
    pair_row(k, &some, build_ref(any_text(k)), any);
    add_text(k, &more, ",");
    add_rule(k, &more, blank(k));
    pair_row(k, &more, build_ref(any_text(k)), any);
    row_add(b, &some, build_repeat(b, more, 0, REPEAT_ANY));
    add_text(k, &some, "}");
    alt(k, any, some);
    return any;
}

/* objects */

/* The rest of a key that differs from all of keys [from, to), which agree in their first `at` bytes; sorted. */
static uint32_t other_key(struct maker *k, const char **key, size_t from, size_t to, size_t at)
{
    struct build *b = k->b;
    uint32_t rule = build_rule(b);
    struct ranges taken = {0};
    bool ends = false;
    for (size_t i = from; i < to;) {
        uint8_t c = (uint8_t)key[i][at];
        size_t end = i;
        if (!c) {
            ends = true;
            i++;
            continue;
        }
        if (c >= 0x80) /* cut by bytes: an own alternative for each would need the characters */
            refuse(k, "additionalProperties", "beside names that are not ASCII");
        while (end < to && (uint8_t)key[end][at] == c)
            end++;
        struct row r = {0};
        row_text(b, &r, (char[]){(char)c}, 1);
        add_rule(k, &r, other_key(k, key, i, end, at + 1));
        alt(k, rule, r);
        ranges_add(b, &taken, c, c);
        i = end;
    }
    ranges_add(b, &taken, 0, 0x1F); /* escapes could spell a listed name: keys have none */
    ranges_add(b, &taken, '"', '"');
    ranges_add(b, &taken, '\\', '\\');
    struct ranges plain = {0};
    ranges_add(b, &plain, 0, 0x1F);
    ranges_add(b, &plain, '"', '"');
    ranges_add(b, &plain, '\\', '\\');
    struct row r = {0}, rest = {0};
    row_add(b, &r, build_class(b, ranges_not(b, taken)));
    row_add(b, &rest, build_class(b, ranges_not(b, plain)));
    row_add(b, &r, build_repeat(b, rest, 0, REPEAT_ANY));
    add_text(k, &r, "\"");
    alt(k, rule, r);
    if (!ends) {
        struct row quote = {0};
        add_text(k, &quote, "\"");
        alt(k, rule, quote);
    }
    return rule;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct member {
    const char *name;
    const json_t *schema; /* NULL: any */
    bool required;
};
struct members {
    struct member *v;
    size_t n;
    const json_t *more; /* schema of unlisted ones, or NULL */
    bool any_more;
    uint32_t extra;     /* rule of an unlisted pair; 0: none */
};

static bool listed(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (s && !strcmp(s, name))
            return true;
    }
    return false;
}

static void collect(struct maker *k, struct members *m, const json_t *schema)
{
    const json_t *properties = json_object_get(schema, "properties"), *required = json_object_get(schema, "required");
    const json_t *more = json_object_get(schema, "additionalProperties");
    if ((properties && !json_is_object(properties)) || (required && !json_is_array(required)))
        refuse(k, "properties", "must be an object, and required a list");
    m->v = arena_zero(&k->b->arena, json_object_size(properties) + json_array_size(required) + 1, sizeof *m->v);
    const char *name;
    json_t *s;
    json_object_foreach((json_t *)properties, name, s)
        m->v[m->n++] = (struct member){name, s, listed(required, name)};
    m->any_more = json_is_object(more) || json_is_true(more) || (!more && !properties);
    m->more = json_is_object(more) ? more : NULL;
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *need = json_string_value(json_array_get(required, i));
        if (!need)
            refuse(k, "required", "must hold names");
        bool there = json_object_get(properties, need) != NULL;
        for (size_t j = 0; j < m->n; j++)
            there |= !strcmp(m->v[j].name, need);
        if (!there && (json_is_false(more)))
            refuse(k, "required", "names a member that additionalProperties forbids");
        if (!there)
            m->v[m->n++] = (struct member){need, m->more, true};
    }
}

static struct element key_element(struct maker *k, const char *name)
{
    struct row r = {0};
    json_t *j = json_string(name);
    char *s = json_dumps(j, JSON_ENCODE_ANY);
    json_decref(j);
    char *kept = arena_str(&k->b->arena, s);
    free(s);
    add_text(k, &r, kept);
    return build_group(k->b, r);
}

/* What may stand from member i on; some: there is one before, so that a comma is needed. The rules are made from the end. */
static uint32_t object_rule(struct maker *k, const json_t *schema)
{
    struct build *b = k->b;
    struct members m = {0};
    uint32_t rule = build_rule(b), tail[2];
    collect(k, &m, schema);
    if (m.any_more) {
        const char **key = arena_zero(&b->arena, m.n + 1, sizeof *key);
        for (size_t i = 0; i < m.n; i++)
            key[i] = m.v[i].name;
        qsort(key, m.n, sizeof *key, by_text);
        struct row quoted = {0}, pair = {0};
        add_text(k, &quoted, "\"");
        add_rule(k, &quoted, other_key(k, key, 0, m.n, 0));
        size_t n = step_in(k, "additionalProperties");
        uint32_t value = m.more ? schema_rule(k, m.more) : any_value(k);
        k->where[n] = 0;
        m.extra = build_rule(b);
        pair_row(k, &pair, build_group(b, quoted), value);
        alt(k, m.extra, pair);
    }
    for (int some = 0; some < 2; some++) { /* behind all listed members */
        tail[some] = build_rule(b);
        struct row end = {0}, more = {0}, next = {0};
        add_text(k, &end, "}");
        alt(k, tail[some], end);
        if (!m.extra)
            continue;
        add_text(k, &next, ",");
        add_rule(k, &next, blank(k));
        add_rule(k, &next, m.extra);
        if (some)
            row_add_row(b, &more, &next);
        else
            add_rule(k, &more, m.extra);
        row_add(b, &more, build_repeat(b, next, 0, REPEAT_ANY));
        add_text(k, &more, "}");
        alt(k, tail[some], more);
    }
    for (size_t i = m.n; i-- > 0;) {
        size_t n = step_in(k, m.v[i].name);
        uint32_t value = m.v[i].schema ? schema_rule(k, m.v[i].schema) : any_value(k), here[2];
        k->where[n] = 0;
        struct element key = key_element(k, m.v[i].name);
        for (int some = 0; some < 2; some++) {
            struct row r = {0}, skip = {0};
            here[some] = build_rule(b);
            if (some) {
                add_text(k, &r, ",");
                add_rule(k, &r, blank(k));
            }
            pair_row(k, &r, key, value);
            add_rule(k, &r, tail[1]);
            alt(k, here[some], r);
            if (m.v[i].required)
                continue;
            add_rule(k, &skip, tail[some]);
            alt(k, here[some], skip);
        }
        memcpy(tail, here, sizeof tail);
    }
    struct row all = {0};
    add_text(k, &all, "{");
    add_rule(k, &all, blank(k));
    add_rule(k, &all, tail[0]);
    alt(k, rule, all);
    return rule;
}

/* keywords */

static uint32_t count_of(struct maker *k, const json_t *schema, const char *keyword, uint32_t fallback)
{
    const json_t *v = json_object_get(schema, keyword);
    if (!v)
        return fallback;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > GRAMMAR_REPEAT_MAX)
        refuse(k, keyword, "must be a whole number up to 4096");
    return (uint32_t)json_integer_value(v);
}

static uint32_t text_rule(struct maker *k, const json_t *schema)
{
    const json_t *pattern = json_object_get(schema, "pattern");
    uint32_t least = count_of(k, schema, "minLength", 0), most = count_of(k, schema, "maxLength", REPEAT_ANY);
    if (least > most)
        refuse(k, "minLength", "is above maxLength");
    if (!pattern)
        return least || most != REPEAT_ANY ? text_of(k, least, most) : any_text(k);
    if (!json_is_string(pattern) || json_object_get(schema, "minLength") || json_object_get(schema, "maxLength"))
        refuse(k, "pattern", "must be a text, and without minLength and maxLength");
    char where[300];
    snprintf(where, sizeof where, "schema%s", k->where);
    uint32_t rule = build_rule(k->b);
    struct row r = {0};
    add_text(k, &r, "\"");
    row_add(k->b, &r, json_pattern(k->b, json_string_value(pattern), where));
    add_text(k, &r, "\"");
    alt(k, rule, r);
    return rule;
}

/* A bound of whole numbers; false: there is none. */
static bool bound(struct maker *k, const json_t *schema, const char *keyword, const char *exclusive, int dir, int64_t *out)
{
    const json_t *v = json_object_get(schema, keyword), *x = json_object_get(schema, exclusive);
    bool some = false;
    for (int i = 0; i < 2; i++) {
        const json_t *j = i ? x : v;
        if (!j)
            continue;
        double f = json_number_value(j);
        if (!json_is_number(j) || !(fabs(f) < 1e15))
            refuse(k, i ? exclusive : keyword, "must be a number of at most 15 digits");
        int64_t n = (int64_t)(dir > 0 ? ceil(f) : floor(f));
        if (i && (double)n == f)
            n += dir;
        if (!some || (dir > 0 ? n > *out : n < *out))
            *out = n;
        some = true;
    }
    return some;
}

static uint32_t integer_rule(struct maker *k, const json_t *schema)
{
    int64_t low, high;
    bool least = bound(k, schema, "minimum", "exclusiveMinimum", 1, &low);
    bool most = bound(k, schema, "maximum", "exclusiveMaximum", -1, &high);
    if (least && most && low > high)
        refuse(k, "minimum", "leaves no number below the maximum");
    uint32_t rule = build_rule(k->b);
    struct row r = {0};
    row_add(k->b, &r, json_whole(k->b, least ? &low : NULL, most ? &high : NULL));
    alt(k, rule, r);
    return rule;
}

/* With bounds: whole numbers within, and fractions strictly between the whole ones; from 0 on: all without a sign. */
static uint32_t number_rule(struct maker *k, const json_t *schema)
{
    const json_t *least = json_object_get(schema, "minimum");
    bool low = least || json_object_get(schema, "exclusiveMinimum");
    bool high = json_object_get(schema, "maximum") || json_object_get(schema, "exclusiveMaximum");
    if (!low && !high)
        return any_number(k, true);
    if (low && !high && json_is_number(least) && json_number_value(least) == 0 && !json_object_get(schema, "exclusiveMinimum"))
        return any_number(k, false);
    int64_t from, to;
    uint32_t rule = build_rule(k->b);
    bool a = bound(k, schema, "minimum", "exclusiveMinimum", 1, &from), z = bound(k, schema, "maximum", "exclusiveMaximum", -1, &to);
    if (a && z && from > to)
        refuse(k, "minimum", "and maximum leave no whole number between: not supported");
    struct row whole = {0}, digit = {0};
    row_add(k->b, &whole, json_whole(k->b, a ? &from : NULL, z ? &to : NULL));
    alt(k, rule, whole);
    row_bytes(k->b, &digit, "0123456789");
    /* n.d lies between n and n + 1 where n ≥ 0, between n − 1 and n where n < 0 ("-0.d" is left out) */
    for (int side = 0; side < 2; side++) {
        int64_t p = side ? (a ? from + 1 : -999999999999999ll) : (a && from > 0 ? from : 0);
        int64_t q = side ? (z && to < -1 ? to : -1) : (z ? to - 1 : 999999999999999ll);
        struct row r = {0};
        if (p > q)
            continue;
        row_add(k->b, &r, json_whole(k->b, &p, &q));
        add_text(k, &r, ".");
        row_add(k->b, &r, build_repeat(k->b, digit, 1, DIGITS_MOST));
        alt(k, rule, r);
    }
    return rule;
}

static uint32_t array_rule(struct maker *k, const json_t *schema)
{
    const json_t *items = json_object_get(schema, "items");
    uint32_t least = count_of(k, schema, "minItems", 0), most = count_of(k, schema, "maxItems", REPEAT_ANY);
    if (least > most)
        refuse(k, "minItems", "is above maxItems");
    size_t n = step_in(k, "items");
    uint32_t item = items ? schema_rule(k, items) : any_value(k);
    k->where[n] = 0;
    return list_of(k, item, least, most);
}

static uint32_t word_rule(struct maker *k, const char *a, const char *z)
{
    uint32_t rule = build_rule(k->b);
    struct row one = {0}, two = {0};
    add_text(k, &one, a);
    alt(k, rule, one);
    if (z) {
        add_text(k, &two, z);
        alt(k, rule, two);
    }
    return rule;
}

static uint32_t boolean_rule(struct maker *k, const json_t *schema)
{
    return word_rule(k, "true", "false");
}

static uint32_t null_rule(struct maker *k, const json_t *schema)
{
    return word_rule(k, "null", NULL);
}

/* To add a type: a row; a keyword: to its type's list. */
static const struct type {
    const char *name;
    uint32_t (*rule)(struct maker *k, const json_t *schema);
    const char *keywords[6];
} type[] = {
    {"object", object_rule, {"properties", "required", "additionalProperties"}},
    {"array", array_rule, {"items", "minItems", "maxItems"}},
    {"string", text_rule, {"minLength", "maxLength", "pattern"}},
    {"integer", integer_rule, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}},
    {"number", number_rule, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}},
    {"boolean", boolean_rule, {NULL}},
    {"null", null_rule, {NULL}},
};
#define TYPES (sizeof type / sizeof *type)

static const char *const notes[] = {"title", "description", "default", "examples", "$schema", "$id", "$comment", "$defs", "definitions",
                                    "deprecated", "readOnly", "writeOnly", "format", "type", "nullable"};

/* Refuses what is neither a note nor a keyword of a type that is asked for, nor `own`. */
static void check_keywords(struct maker *k, const json_t *schema, const bool *asked, const char *own)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)schema, name, v) {
        bool known = own && !strcmp(name, own);
        for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
            known |= !strcmp(name, notes[i]);
        for (size_t t = 0; t < TYPES && !own; t++)
            for (size_t i = 0; asked[t] && i < 6 && type[t].keywords[i]; i++)
                known |= !strcmp(name, type[t].keywords[i]);
        if (!known)
            refuse(k, name, own ? "is not supported beside another choice" : "is not supported here");
    }
}

static bool is_of(const json_t *v, const char *name)
{
    return (json_is_object(v) && !strcmp(name, "object")) || (json_is_array(v) && !strcmp(name, "array")) ||
           (json_is_string(v) && !strcmp(name, "string")) || (json_is_boolean(v) && !strcmp(name, "boolean")) ||
           (json_is_null(v) && !strcmp(name, "null")) || (json_is_number(v) && !strcmp(name, "number")) ||
           (json_is_integer(v) && !strcmp(name, "integer")) ||
           (json_is_real(v) && !strcmp(name, "integer") && json_real_value(v) == floor(json_real_value(v)));
}

/* Which types are asked for; all where none is named. true: some is named. */
static bool asked_types(struct maker *k, const json_t *schema, bool asked[TYPES])
{
    const json_t *t = json_object_get(schema, "type");
    size_t n = json_is_array(t) ? json_array_size(t) : t != NULL;
    memset(asked, 0, TYPES);
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_is_array(t) ? json_array_get(t, i) : t);
        bool known = false;
        for (size_t j = 0; j < TYPES && name; j++)
            if (!strcmp(name, type[j].name))
                known = asked[j] = true;
        if (!known)
            refuse(k, "type", "is no type of JSON");
    }
    return n > 0;
}

static void add_values(struct maker *k, uint32_t rule, const json_t *schema, const json_t *values, bool single, const bool *asked, bool typed)
{
    bool some = false;
    for (size_t i = 0; i < (single ? 1 : json_array_size(values)); i++) {
        const json_t *v = single ? values : json_array_get(values, i);
        bool fits = !typed;
        for (size_t t = 0; t < TYPES; t++)
            fits |= typed && asked[t] && is_of(v, type[t].name);
        if (fits)
            literal_alt(k, rule, v);
        some |= fits;
    }
    if (!some)
        refuse(k, single ? "const" : "enum", "holds no value of the type");
}

static const json_t *refers_to(struct maker *k, const char *ref)
{
    const json_t *at = k->root;
    if (ref[0] != '#' || (ref[1] && ref[1] != '/'))
        refuse(k, "$ref", "to another document is not supported");
    for (const char *s = ref[1] ? ref + 2 : ""; *s;) {
        char part[256];
        size_t n = 0;
        for (; *s && *s != '/'; s++) {
            char c = *s;
            if (c == '~' && (s[1] == '0' || s[1] == '1'))
                c = *++s == '0' ? '~' : '/';
            if (n + 1 < sizeof part)
                part[n++] = c;
        }
        part[n] = 0;
        s += *s == '/';
        at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10)) : json_object_get(at, part);
    }
    if (!at)
        refuse(k, "$ref", "leads nowhere");
    return at;
}

static void add_choices(struct maker *k, uint32_t rule, const json_t *list, const char *keyword)
{
    if (!json_is_array(list) || !json_array_size(list))
        refuse(k, keyword, "must be a list of schemas");
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct row r = {0};
        size_t n = step_in(k, keyword);
        add_rule(k, &r, schema_rule(k, json_array_get(list, i)));
        k->where[n] = 0;
        alt(k, rule, r);
    }
}

static void fill(struct maker *k, uint32_t rule, const json_t *schema)
{
    static const char *const choice[] = {"$ref", "anyOf", "oneOf", "allOf", "enum", "const"};
    bool asked[TYPES];
    bool typed = asked_types(k, schema, asked);
    const json_t *own = NULL;
    int which = 0;
    for (int i = 0; i < 6 && !own; i++)
        if ((own = json_object_get(schema, choice[i])) != NULL)
            which = i;
    if (own) {
        struct row r = {0};
        check_keywords(k, schema, asked, choice[which]);
        if (typed && which < 4)
            refuse(k, "type", "beside $ref, anyOf, oneOf and allOf is not supported");
        if (which == 0 && json_is_string(own)) {
            add_rule(k, &r, schema_rule(k, refers_to(k, json_string_value(own))));
            alt(k, rule, r);
        } else if (which == 1 || which == 2 || (which == 3 && json_array_size(own) == 1)) {
            add_choices(k, rule, own, choice[which]);
        } else if (which >= 4) {
            add_values(k, rule, schema, own, which == 5, asked, typed);
        } else {
            refuse(k, choice[which], "is not supported so");
        }
        return;
    }
    if (!typed) { /* keywords of one type alone speak for it */
        for (size_t t = 0; t < TYPES; t++)
            for (size_t i = 0; i < 6 && type[t].keywords[i] && strcmp(type[t].name, "integer"); i++)
                asked[t] |= json_object_get(schema, type[t].keywords[i]) != NULL;
        check_keywords(k, schema, asked, NULL);
        for (size_t t = 0; t < TYPES; t++)
            typed |= asked[t];
    }
    check_keywords(k, schema, asked, NULL);
    for (size_t t = 0; t < TYPES; t++) {
        struct row r = {0};
        if (!asked[t] || (t == 3 && asked[4])) /* a number is an integer too */
            continue;
        add_rule(k, &r, type[t].rule(k, schema));
        alt(k, rule, r);
    }
    if (!typed) {
        struct row r = {0};
        add_rule(k, &r, any_value(k));
        alt(k, rule, r);
    }
}

static uint32_t schema_rule(struct maker *k, const json_t *schema)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->made[i].schema == schema)
            return k->made[i].rule;
    if (json_is_true(schema))
        return any_value(k);
    if (!json_is_object(schema))
        refuse(k, "a schema", json_is_false(schema) ? "that is false fits nothing" : "must be an object");
    if (++k->depth > SCHEMA_NEST_MAX)
        build_fail(k->b, ERR_LIMIT, "a schema nested deeper than %d", SCHEMA_NEST_MAX);
    uint32_t rule = build_rule(k->b);
    VEC_ROOM(k->made, k->n, k->cap);
    k->made[k->n++] = (struct made){schema, rule};
    fill(k, rule, schema);
    k->depth--;
    return rule;
}

int grammar_from_schema(struct grammar **out, const json_t *schema, struct err *e)
{
    *out = NULL;
    struct build *b = mem_zero(1, sizeof *b);
    struct maker *k = mem_zero(1, sizeof *k);
    k->b = b;
    k->root = schema;
    b->e = e;
    if (!setjmp(b->out)) {
        uint32_t root = build_rule(b);
        struct row r = {0};
        add_rule(k, &r, schema_rule(k, schema));
        alt(k, root, r);
        b->rc = build_finish(out, b, root, e);
    }
    int rc = b->rc;
    build_release(b);
    free(k->made);
    free(k);
    free(b);
    return rc;
}
