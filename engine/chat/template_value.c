#define _GNU_SOURCE /* memmem */
#include "engine/chat/template_value.h"

#include "base/hash.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DICT_SMALL 8 /* pairs that are looked through; past it they are hashed */

_Noreturn void run_fail(struct run *r, int code, const char *fmt, ...)
{
    char why[480];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    r->rc = err_set(r->e, code, "%s:%u: %s", r->t->name, r->line, why);
    longjmp(r->leave, 1);
}

void *run_alloc(struct run *r, size_t n)
{
    if (n > TEMPLATE_RUN_BYTES_MAX - r->bytes)
        run_fail(r, ERR_LIMIT, "the template needs more than %zu MB", TEMPLATE_RUN_BYTES_MAX >> 20);
    r->bytes += n;
    return arena_alloc(&r->arena, n);
}

void run_steps(struct run *r, size_t n)
{
    if (n > TEMPLATE_STEPS_MAX - r->steps)
        run_fail(r, ERR_LIMIT, "the template takes more than %u steps", TEMPLATE_STEPS_MAX);
    r->steps += n;
}

struct value v_undefined(struct str what)
{
    return (struct value){.kind = V_UNDEFINED, .s = what.p, .n = (uint32_t)what.n};
}

struct value v_none(void)
{
    return (struct value){.kind = V_NONE};
}

struct value v_bool(bool yes)
{
    return (struct value){.kind = V_BOOL, .yes = yes};
}

struct value v_int(int64_t i)
{
    return (struct value){.kind = V_INT, .i = i};
}

struct value v_float(double f)
{
    return (struct value){.kind = V_FLOAT, .f = f};
}

struct value v_text(struct str s, bool literal)
{
    return (struct value){.kind = V_TEXT, .literal = literal, .n = (uint32_t)s.n, .s = s.p ? s.p : ""};
}

struct value v_part(struct value text, size_t from, size_t n)
{
    text.s += from;
    text.n = (uint32_t)n;
    if (text.origin)
        text.origin += from;
    return text;
}

struct value v_list(struct run *r, enum list_kind kind, size_t room)
{
    struct list *l = run_alloc(r, sizeof *l);
    *l = (struct list){.kind = kind, .cap = room};
    if (room)
        l->v = run_alloc(r, room * sizeof *l->v);
    return (struct value){.kind = V_LIST, .list = l};
}

void list_add(struct run *r, struct list *l, struct value v)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        struct value *grown = run_alloc(r, cap * sizeof *grown);
        if (l->n)
            memcpy(grown, l->v, l->n * sizeof *grown);
        l->v = grown;
        l->cap = cap;
    }
    l->v[l->n++] = v;
}

struct value v_dict(struct run *r)
{
    struct dict *d = run_alloc(r, sizeof *d);
    *d = (struct dict){0};
    return (struct value){.kind = V_DICT, .dict = d};
}

static uint64_t key_hash(struct value key)
{
    if (key.kind == V_TEXT)
        return hash64(key.s, key.n);
    if (v_number(key)) { /* 1, 1.0 and True are one key */
        double f = v_double(key);
        return hash64(&f, sizeof f);
    }
    return key.kind;
}

static void dict_index(struct run *r, struct dict *d)
{
    d->slots = d->cap * 2;
    d->slot = run_alloc(r, d->slots * sizeof *d->slot);
    memset(d->slot, 0, d->slots * sizeof *d->slot);
    for (size_t i = 0; i < d->n; i++) {
        size_t at = key_hash(d->pair[i].key) % d->slots;
        while (d->slot[at])
            at = (at + 1) % d->slots;
        d->slot[at] = (uint32_t)i + 1;
    }
}

static struct pair *dict_find(struct run *r, const struct dict *d, struct value key)
{
    if (!d->slot) {
        for (size_t i = 0; i < d->n; i++)
            if (v_same(r, d->pair[i].key, key))
                return &d->pair[i];
        return NULL;
    }
    for (size_t at = key_hash(key) % d->slots; d->slot[at]; at = (at + 1) % d->slots) {
        run_steps(r, 1);
        if (v_same(r, d->pair[d->slot[at] - 1].key, key))
            return &d->pair[d->slot[at] - 1];
    }
    return NULL;
}

const struct value *dict_get(struct run *r, const struct dict *d, struct value key)
{
    struct pair *p = dict_find(r, d, key);
    return p ? &p->value : NULL;
}

void v_need_key(struct run *r, struct value key)
{
    bool tuple = key.kind == V_LIST && key.list->kind == LIST_TUPLE;
    if (key.kind == V_DICT || (key.kind == V_LIST && !tuple && key.list->kind != LIST_RANGE))
        run_fail(r, ERR_USAGE, "unhashable type: '%s'", v_kind(key));
    for (size_t i = 0; tuple && i < key.list->n; i++)
        v_need_key(r, key.list->v[i]);
}

void dict_set(struct run *r, struct dict *d, struct value key, struct value v)
{
    v_need_key(r, key);
    struct pair *old = dict_find(r, d, key);
    if (old) {
        old->value = v;
        return;
    }
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 4;
        struct pair *grown = run_alloc(r, cap * sizeof *grown);
        if (d->n)
            memcpy(grown, d->pair, d->n * sizeof *grown);
        d->pair = grown;
        d->cap = cap;
        if (cap > DICT_SMALL)
            dict_index(r, d);
    }
    d->pair[d->n++] = (struct pair){key, v};
    if (d->slot) {
        size_t at = key_hash(key) % d->slots;
        while (d->slot[at])
            at = (at + 1) % d->slots;
        d->slot[at] = (uint32_t)d->n;
    }
}

struct value v_json(struct run *r, const json_t *j, bool literal, int depth)
{
    struct value v = v_none();
    if (depth > TEMPLATE_JSON_DEPTH_MAX)
        run_fail(r, ERR_LIMIT, "messages nested deeper than %d", TEMPLATE_JSON_DEPTH_MAX);
    switch (json_typeof(j)) {
    case JSON_STRING:
        if (json_string_length(j) > TEMPLATE_RUN_BYTES_MAX)
            run_fail(r, ERR_LIMIT, "a message of %zu bytes", json_string_length(j));
        v = v_text((struct str){json_string_value(j), json_string_length(j)}, literal);
        break;
    case JSON_INTEGER:
        v = v_int(json_integer_value(j));
        break;
    case JSON_REAL:
        v = v_float(json_real_value(j));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        v = v_bool(json_is_true(j));
        break;
    case JSON_NULL:
        break;
    case JSON_ARRAY:
        v = v_list(r, LIST_PLAIN, json_array_size(j));
        for (size_t i = 0; i < json_array_size(j); i++)
            list_add(r, v.list, v_json(r, json_array_get(j, i), literal, depth + 1));
        break;
    case JSON_OBJECT: {
        v = v_dict(r);
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)j, key, member)
            dict_set(r, v.dict, v_text(str_of(key), literal), v_json(r, member, literal, depth + 1));
        break;
    }
    }
    v.literal = literal;
    return v;
}

struct str v_str(struct value text)
{
    return (struct str){text.s, text.n};
}

bool v_is_text(struct value v, const char *s)
{
    return v.kind == V_TEXT && str_same(v_str(v), str_of(s));
}

bool v_number(struct value v)
{
    return v.kind == V_BOOL || v.kind == V_INT || v.kind == V_FLOAT;
}

double v_double(struct value v)
{
    return v.kind == V_FLOAT ? v.f : v.kind == V_INT ? (double)v.i : v.kind == V_BOOL ? v.yes : 0;
}

static int64_t whole(struct value v)
{
    return v.kind == V_BOOL ? v.yes : v.i;
}

/* Numbers of two kinds exactly: a double cannot hold every whole number. */
static int number_order(struct value a, struct value b)
{
    if (a.kind != V_FLOAT && b.kind != V_FLOAT)
        return whole(a) < whole(b) ? -1 : whole(a) > whole(b);
    if (a.kind == V_FLOAT && b.kind == V_FLOAT)
        return a.f < b.f ? -1 : a.f > b.f ? 1 : a.f == b.f ? 0 : 2; /* 2: not a number is in no order */
    if (b.kind == V_FLOAT) {
        int o = number_order(b, a);
        return o == 2 ? 2 : -o;
    }
    if (isnan(a.f))
        return 2;
    if (a.f >= 9223372036854775808.0 || a.f < -9223372036854775808.0)
        return a.f < 0 ? -1 : 1;
    int64_t i = (int64_t)a.f, other = whole(b);
    double rest = a.f - (double)i;
    return i != other ? (i < other ? -1 : 1) : rest < 0 ? -1 : rest > 0;
}

static bool tuple_like(struct value v)
{
    return v.list->kind == LIST_TUPLE;
}

static bool dict_same(struct run *r, const struct dict *a, const struct dict *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct value *other = dict_get(r, b, a->pair[i].key);
        if (!other || !v_same(r, a->pair[i].value, *other))
            return false;
    }
    return true;
}

static void deeper(struct run *r)
{
    run_steps(r, 1);
    if (++r->depth > TEMPLATE_RUN_DEPTH_MAX)
        run_fail(r, ERR_LIMIT, "the template nests deeper than %d", TEMPLATE_RUN_DEPTH_MAX);
}

bool v_same(struct run *r, struct value a, struct value b)
{
    bool same = false;
    if (v_number(a) && v_number(b))
        return number_order(a, b) == 0;
    if (a.kind != b.kind)
        return false;
    deeper(r);
    switch (a.kind) {
    case V_NONE:
    case V_UNDEFINED:
        same = true;
        break;
    case V_TEXT:
        run_steps(r, a.n / 64);
        same = str_same(v_str(a), v_str(b));
        break;
    case V_LIST:
        same = a.list == b.list;
        if (!same && a.list->kind <= LIST_RANGE && (a.list->kind == b.list->kind) && a.list->n == b.list->n) {
            same = true;
            for (size_t i = 0; same && i < a.list->n; i++)
                same = v_same(r, a.list->v[i], b.list->v[i]);
        }
        break;
    case V_DICT:
        same = dict_same(r, a.dict, b.dict);
        break;
    case V_GLOBAL:
        same = a.n == b.n;
        break;
    case V_METHOD:
        same = a.n == b.n && v_same(r, *a.self, *b.self);
        break;
    default:
        same = a.dict == b.dict; /* the thing itself */
    }
    r->depth--;
    return same;
}

const char *v_kind(struct value v)
{
    static const char *const name[] = {"absent", "Undefined", "NoneType", "bool", "int", "float", "str", "list", "dict", "Namespace", "Macro",
                                       "method", "function", "LoopContext", "Cycler", "Joiner"};
    static const char *const list[] = {"list", "tuple", "range", "dict_keys", "dict_values", "dict_items", "generator"};
    return v.kind == V_LIST ? list[v.list->kind] : name[v.kind];
}

int v_order(struct run *r, struct value a, struct value b)
{
    int order = 0;
    if (v_number(a) && v_number(b))
        return number_order(a, b);
    deeper(r);
    if (a.kind == V_TEXT && b.kind == V_TEXT) {
        run_steps(r, (a.n < b.n ? a.n : b.n) / 64);
        order = memcmp(a.s, b.s, a.n < b.n ? a.n : b.n);
        order = order ? (order < 0 ? -1 : 1) : a.n < b.n ? -1 : a.n > b.n;
    } else if (a.kind == V_LIST && b.kind == V_LIST && a.list->kind <= LIST_TUPLE && tuple_like(a) == tuple_like(b)) {
        size_t i = 0, n = a.list->n < b.list->n ? a.list->n : b.list->n;
        while (i < n && v_same(r, a.list->v[i], b.list->v[i]))
            i++;
        order = i < n ? v_order(r, a.list->v[i], b.list->v[i]) : a.list->n < b.list->n ? -1 : a.list->n > b.list->n;
    } else {
        run_fail(r, ERR_USAGE, "'%s' and '%s' have no order", v_kind(a), v_kind(b));
    }
    r->depth--;
    return order;
}

bool v_compare(struct run *r, int op, struct value a, struct value b)
{
    switch (op) {
    case OP2('=', '='):
        return v_same(r, a, b);
    case OP2('!', '='):
        return !v_same(r, a, b);
    case 'i':
        return v_contains(r, b, a);
    case 'n':
        return !v_contains(r, b, a);
    }
    int order = v_order(r, a, b);
    if (op == '<')
        return order == -1;
    if (op == '>')
        return order == 1;
    return order == 0 || order == (op == OP2('<', '=') ? -1 : 1);
}

bool v_true(struct run *r, struct value v)
{
    switch (v.kind) {
    case V_ABSENT:
    case V_UNDEFINED:
    case V_NONE:
        return false;
    case V_BOOL:
        return v.yes;
    case V_INT:
        return v.i != 0;
    case V_FLOAT:
        return v.f != 0;
    case V_TEXT:
        return v.n != 0;
    case V_LIST:
        return v.list->kind == LIST_ONCE || v.list->n != 0;
    case V_DICT:
        return v.dict->n != 0;
    case V_LOOP:
        return v.loop->items->n != 0;
    default:
        return true;
    }
}

struct list *v_items(struct run *r, struct value v)
{
    struct list *l = NULL;
    switch (v.kind) {
    case V_LIST:
        if (v.list->kind != LIST_ONCE)
            return v.list;
        l = v_list(r, LIST_PLAIN, 0).list;
        if (!v.list->spent)
            *l = *v.list;
        v.list->spent = true;
        return l;
    case V_TEXT:
        l = v_list(r, LIST_PLAIN, 0).list;
        for (size_t i = 0, n; i < v.n; i += n) {
            uint32_t c;
            n = text_char(v.s + i, v.s + v.n, &c);
            struct value part = v_part(v, i, n);
            part.markup = 0;
            list_add(r, l, part);
        }
        run_steps(r, l->n);
        return l;
    case V_DICT:
        l = v_list(r, LIST_PLAIN, v.dict->n).list;
        for (size_t i = 0; i < v.dict->n; i++)
            list_add(r, l, v.dict->pair[i].key);
        run_steps(r, l->n);
        return l;
    case V_UNDEFINED:
        return v_list(r, LIST_PLAIN, 0).list;
    case V_LOOP: /* what is left of it; it never ends well, but it does in the reference */
        return v.loop->items;
    default:
        run_fail(r, ERR_USAGE, "'%s' is not iterable", v_kind(v));
    }
}

size_t v_length(struct run *r, struct value v)
{
    if (v.kind == V_TEXT) {
        run_steps(r, v.n / 64);
        return text_chars(v.s, v.n);
    }
    if (v.kind == V_LIST && v.list->kind != LIST_ONCE)
        return v.list->n;
    if (v.kind == V_DICT)
        return v.dict->n;
    if (v.kind == V_LOOP)
        return v.loop->items->n;
    if (v.kind == V_UNDEFINED)
        return 0;
    run_fail(r, ERR_USAGE, "'%s' has no length", v_kind(v));
}

bool v_contains(struct run *r, struct value in, struct value what)
{
    if (in.kind == V_TEXT) {
        if (what.kind != V_TEXT)
            run_fail(r, ERR_USAGE, "'in <string>' requires string as left operand, not %s", v_kind(what));
        run_steps(r, in.n / 64);
        return memmem(in.s, in.n, what.s, what.n) != NULL;
    }
    if (in.kind == V_DICT) {
        v_need_key(r, what);
        return dict_get(r, in.dict, what) != NULL;
    }
    struct list *l = v_items(r, in);
    run_steps(r, l->n);
    for (size_t i = 0; i < l->n; i++)
        if (v_same(r, l->v[i], what))
            return true;
    return false;
}

int64_t v_need_int(struct run *r, struct value v, const char *what)
{
    if (v.kind != V_INT && v.kind != V_BOOL)
        run_fail(r, ERR_USAGE, "%s must be an integer, not '%s'", what, v_kind(v));
    return whole(v);
}

struct value v_need_text(struct run *r, struct value v, const char *what)
{
    if (v.kind != V_TEXT)
        run_fail(r, ERR_USAGE, "%s must be a text, not '%s'", what, v_kind(v));
    return v;
}
