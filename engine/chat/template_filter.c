/* Filters on lists and mappings, and the table of all; those on text alone are methods too (template_method.c). */
#include "engine/chat/template_filter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct value arg_or(struct value arg, struct value fallback)
{
    return arg.kind == V_ABSENT ? fallback : arg;
}

static struct value filter_default(struct run *r, const struct call *c)
{
    struct value fallback = arg_or(c->arg[0], v_text(STR(""), true));
    bool gone = c->self.kind == V_UNDEFINED || (v_true(r, c->arg[1]) && !v_true(r, c->self));
    return gone ? fallback : c->self;
}

static struct value filter_length(struct run *r, const struct call *c)
{
    return v_int((int64_t)v_length(r, c->self));
}

static struct value filter_join(struct run *r, const struct call *c)
{
    struct list *l = v_items(r, c->self);
    struct value between = v_show(r, arg_or(c->arg[0], v_text(STR(""), true)));
    struct text t = {0};
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            text_add_value(r, &t, between);
        text_show(r, &t, c->arg[1].kind == V_ABSENT || c->arg[1].kind == V_NONE ? l->v[i] : v_path(r, l->v[i], c->arg[1]));
    }
    run_steps(r, l->n);
    return text_value(r, &t);
}

static struct value filter_first(struct run *r, const struct call *c)
{
    if (c->self.kind == V_TEXT)
        return c->self.n ? v_part(c->self, 0, text_offset(c->self.s, c->self.n, 1)) : v_undefined(STR("first of nothing"));
    struct list *l = v_items(r, c->self);
    return l->n ? l->v[0] : v_undefined(STR("first of nothing"));
}

static struct value filter_last(struct run *r, const struct call *c)
{
    if (c->self.kind == V_LIST && c->self.list->kind == LIST_ONCE)
        run_fail(r, ERR_USAGE, "a generator has no last item");
    struct list *l = v_items(r, c->self);
    return l->n ? l->v[l->n - 1] : v_undefined(STR("last of nothing"));
}

static struct value as_list(struct run *r, struct value v, enum list_kind kind)
{
    struct list *l = v_items(r, v);
    struct value copy = v_list(r, kind, l->n);
    run_steps(r, l->n);
    if (l->n)
        memcpy(copy.list->v, l->v, l->n * sizeof *l->v);
    copy.list->n = l->n;
    copy.literal = v.literal;
    return copy;
}

static struct value filter_list(struct run *r, const struct call *c)
{
    return as_list(r, c->self, LIST_PLAIN);
}

static struct value filter_reverse(struct run *r, const struct call *c)
{
    if (c->self.kind == V_TEXT)
        return v_slice(r, c->self, v_none(), v_none(), v_int(-1));
    struct value v = as_list(r, c->self, LIST_ONCE);
    for (size_t i = 0, k = v.list->n; i + 1 < k; i++) {
        struct value swap = v.list->v[i];
        v.list->v[i] = v.list->v[--k];
        v.list->v[k] = swap;
    }
    return v;
}

struct value dict_pairs(struct run *r, struct value d, enum list_kind kind)
{
    struct value v = v_list(r, kind, d.dict->n);
    run_steps(r, d.dict->n);
    for (size_t i = 0; i < d.dict->n; i++) {
        struct value pair = v_list(r, LIST_TUPLE, 2);
        pair.literal = d.literal;
        list_add(r, pair.list, d.dict->pair[i].key);
        list_add(r, pair.list, d.dict->pair[i].value);
        list_add(r, v.list, kind == LIST_KEYS ? pair.list->v[0] : kind == LIST_VALUES ? pair.list->v[1] : pair);
    }
    v.literal = d.literal;
    return v;
}

static struct value filter_items(struct run *r, const struct call *c)
{
    if (c->self.kind == V_UNDEFINED)
        return v_list(r, LIST_ONCE, 0);
    if (c->self.kind != V_DICT)
        run_fail(r, ERR_USAGE, "Can only get item pairs from a mapping.");
    return dict_pairs(r, c->self, LIST_ONCE);
}

/* What an item is compared by: itself or an attribute of it, in lower case unless exact. */
static struct value sort_key(struct run *r, struct value v, struct value path, bool exact)
{
    if (path.kind != V_ABSENT && path.kind != V_NONE)
        v = v_path(r, v, path);
    return v.kind == V_TEXT && !exact ? v_cased(r, v, CASE_LOWER) : v;
}

/* What sort() compares: a list of one, or of one for each part of "a,b". Equal values in a list need no order. */
static struct value sort_keys(struct run *r, struct value v, struct value path, bool exact)
{
    struct value keys = v_list(r, LIST_PLAIN, 1);
    if (path.kind != V_TEXT) {
        list_add(r, keys.list, sort_key(r, v, path, exact));
        return keys;
    }
    for (size_t at = 0; at <= path.n;) {
        const char *comma = memchr(path.s + at, ',', path.n - at);
        size_t end = comma ? (size_t)(comma - path.s) : path.n;
        list_add(r, keys.list, sort_key(r, v, v_part(path, at, end - at), exact));
        at = end + 1;
    }
    return keys;
}

/* Merges [from, mid) and [mid, to); stable, also backwards. */
static void merge(struct run *r, struct pair *p, struct pair *spare, size_t from, size_t mid, size_t to, bool reverse)
{
    size_t a = from, b = mid, n = from;
    while (a < mid && b < to) {
        run_steps(r, 1);
        bool swap = reverse ? v_compare(r, '<', p[a].key, p[b].key) : v_compare(r, '<', p[b].key, p[a].key);
        spare[n++] = swap ? p[b++] : p[a++];
    }
    while (a < mid)
        spare[n++] = p[a++];
    while (b < to)
        spare[n++] = p[b++];
    memcpy(p + from, spare + from, (to - from) * sizeof *p);
}

static void sort_pairs(struct run *r, struct pair *p, size_t n, bool reverse)
{
    struct pair *spare = run_alloc(r, n * sizeof *spare);
    for (size_t width = 1; width < n; width *= 2)
        for (size_t from = 0; from + width < n; from += width * 2)
            merge(r, p, spare, from, from + width, from + width * 2 < n ? from + width * 2 : n, reverse);
}

static struct value sorted(struct run *r, struct list *l, struct value path, bool exact, bool reverse,
                           struct value (*key)(struct run *r, struct value v, struct value path, bool exact))
{
    struct pair *p = run_alloc(r, l->n * sizeof *p);
    for (size_t i = 0; i < l->n; i++)
        p[i] = (struct pair){key(r, l->v[i], path, exact), l->v[i]};
    sort_pairs(r, p, l->n, reverse);
    struct value v = v_list(r, LIST_PLAIN, l->n);
    for (size_t i = 0; i < l->n; i++)
        list_add(r, v.list, p[i].value);
    return v;
}

static struct value filter_sort(struct run *r, const struct call *c)
{
    return sorted(r, v_items(r, c->self), c->arg[2], v_true(r, c->arg[1]), v_true(r, c->arg[0]), sort_keys);
}

static struct value filter_dictsort(struct run *r, const struct call *c)
{
    bool value = v_is_text(c->arg[1], "value");
    if (c->self.kind != V_DICT || (c->arg[1].kind != V_ABSENT && !value && !v_is_text(c->arg[1], "key")))
        run_fail(r, ERR_USAGE, "dictsort sorts a mapping by \"key\" or \"value\", not '%s'", v_kind(c->self));
    struct value pairs = dict_pairs(r, c->self, LIST_ITEMS);
    return sorted(r, pairs.list, v_int(value), v_true(r, c->arg[0]), v_true(r, c->arg[2]), sort_key);
}

static struct value filter_unique(struct run *r, const struct call *c)
{
    struct list *l = v_items(r, c->self);
    struct value v = v_list(r, LIST_ONCE, 0), seen = v_dict(r);
    for (size_t i = 0; i < l->n; i++) {
        struct value key = sort_key(r, l->v[i], c->arg[1], v_true(r, c->arg[0]));
        run_steps(r, 1);
        size_t before = seen.dict->n;
        dict_set(r, seen.dict, key, v_none());
        if (seen.dict->n > before)
            list_add(r, v.list, l->v[i]);
    }
    return v;
}

static struct value extreme(struct run *r, const struct call *c, bool most)
{
    struct list *l = v_items(r, c->self);
    struct value best = v_undefined(STR("No aggregated item, sequence was empty.")), best_key = {0};
    for (size_t i = 0; i < l->n; i++) {
        struct value key = sort_key(r, l->v[i], c->arg[1], v_true(r, c->arg[0]));
        run_steps(r, 1);
        if (i && !v_compare(r, most ? '>' : '<', key, best_key))
            continue;
        best = l->v[i];
        best_key = key;
    }
    return best;
}

static struct value filter_min(struct run *r, const struct call *c)
{
    return extreme(r, c, false);
}

static struct value filter_max(struct run *r, const struct call *c)
{
    return extreme(r, c, true);
}

static struct value filter_sum(struct run *r, const struct call *c)
{
    struct list *l = v_items(r, c->self);
    struct value sum = arg_or(c->arg[1], v_int(0));
    if (sum.kind == V_TEXT)
        run_fail(r, ERR_USAGE, "sum() can't sum strings");
    run_steps(r, l->n);
    for (size_t i = 0; i < l->n; i++)
        sum = v_operate(r, '+', sum, c->arg[0].kind == V_ABSENT || c->arg[0].kind == V_NONE ? l->v[i] : v_path(r, l->v[i], c->arg[0]));
    return sum;
}

static struct value filter_groupby(struct run *r, const struct call *c)
{
    bool exact = v_true(r, c->arg[2]);
    struct list *l = v_items(r, c->self);
    struct pair *p = run_alloc(r, l->n * sizeof *p);
    for (size_t i = 0; i < l->n; i++) {
        struct value key = v_path(r, l->v[i], c->arg[0]);
        key = key.kind == V_UNDEFINED && c->arg[1].kind != V_ABSENT ? c->arg[1] : key;
        p[i] = (struct pair){key.kind == V_TEXT && !exact ? v_cased(r, key, CASE_LOWER) : key, l->v[i]};
    }
    sort_pairs(r, p, l->n, false);
    struct value groups = v_list(r, LIST_PLAIN, 0), members = {0};
    for (size_t i = 0; i < l->n; i++) {
        if (!i || !v_same(r, p[i].key, p[i - 1].key)) {
            struct value group = v_list(r, LIST_TUPLE, 2), key = v_path(r, p[i].value, c->arg[0]);
            members = v_list(r, LIST_PLAIN, 0);
            list_add(r, group.list, key.kind == V_UNDEFINED && c->arg[1].kind != V_ABSENT ? c->arg[1] : key);
            list_add(r, group.list, members);
            list_add(r, groups.list, group);
        }
        list_add(r, members.list, p[i].value);
    }
    return groups;
}

static struct value filter_batch(struct run *r, const struct call *c)
{
    struct list *l = v_items(r, c->self);
    int64_t size = v_need_int(r, c->arg[0], "batch's size");
    struct value v = v_list(r, LIST_ONCE, 0), row = v_list(r, LIST_PLAIN, 0);
    for (size_t i = 0; i < l->n; i++) {
        if ((int64_t)row.list->n == size) {
            list_add(r, v.list, row);
            row = v_list(r, LIST_PLAIN, 0);
        }
        list_add(r, row.list, l->v[i]);
    }
    run_steps(r, l->n);
    if (row.list->n) {
        for (; c->arg[1].kind != V_ABSENT && c->arg[1].kind != V_NONE && (int64_t)row.list->n < size; run_steps(r, 1))
            list_add(r, row.list, c->arg[1]);
        list_add(r, v.list, row);
    }
    return v;
}

/* Calls the filter or test that the first argument names with the rest of them. */
static struct args rest_of(const struct args *a, size_t skip)
{
    return (struct args){skip ? a->v + skip : a->v, a->n - skip, a->named, a->nnamed, false}; /* v is NULL where n is 0 */
}

static struct value named_argument(const struct args *a, const char *name)
{
    for (size_t i = 0; i < a->nnamed; i++)
        if (str_same(a->named[i].name, str_of(name)))
            return a->named[i].v;
    return (struct value){0};
}

/* What is false is empty for them, whatever it is. */
static struct list *some_items(struct run *r, struct value v)
{
    return v_true(r, v) ? v_items(r, v) : v_list(r, LIST_PLAIN, 0).list;
}

static struct value filter_map(struct run *r, const struct call *c)
{
    struct list *l = some_items(r, c->self);
    struct value v = v_list(r, LIST_ONCE, l->n), attribute = named_argument(c->all, "attribute");
    struct value fallback = named_argument(c->all, "default");
    int row = -1;
    if (!c->all->n && attribute.kind == V_ABSENT)
        run_fail(r, ERR_USAGE, "map requires a filter argument");
    if (c->all->n) {
        struct value name = v_need_text(r, c->all->v[0], "a filter's name");
        row = template_filter_row(v_str(name));
        if (row < 0)
            run_fail(r, ERR_USAGE, "No filter named '%.*s'.", (int)(name.n < 80 ? name.n : 80), name.s);
    }
    struct args rest = c->all->n ? rest_of(c->all, 1) : (struct args){0};
    for (size_t i = 0; i < l->n; i++) {
        run_steps(r, 1);
        struct value item = row >= 0 ? filter_call(r, row, l->v[i], &rest) : v_path(r, l->v[i], attribute);
        if (row < 0 && item.kind == V_UNDEFINED && fallback.kind != V_ABSENT)
            item = fallback;
        list_add(r, v.list, item);
    }
    return v;
}

static struct value choose(struct run *r, const struct call *c, bool by_attribute, bool keep)
{
    struct list *l = some_items(r, c->self);
    struct value v = v_list(r, LIST_ONCE, 0);
    size_t skip = by_attribute;
    int row = -1;
    if (c->all->n < skip)
        run_fail(r, ERR_USAGE, "Missing parameter for attribute name");
    struct value path = by_attribute ? c->all->v[0] : (struct value){0};
    if (c->all->n > skip) {
        struct value name = v_need_text(r, c->all->v[skip], "a test's name");
        row = template_test_row(v_str(name));
        if (row < 0)
            run_fail(r, ERR_USAGE, "No test named '%.*s'.", (int)(name.n < 80 ? name.n : 80), name.s);
        skip++;
    }
    struct args rest = rest_of(c->all, skip);
    for (size_t i = 0; i < l->n; i++) {
        run_steps(r, 1);
        struct value item = by_attribute ? v_path(r, l->v[i], path) : l->v[i];
        if ((row >= 0 ? test_call(r, row, item, &rest) : v_true(r, item)) == keep)
            list_add(r, v.list, l->v[i]);
    }
    return v;
}

static struct value filter_select(struct run *r, const struct call *c)
{
    return choose(r, c, false, true);
}

static struct value filter_reject(struct run *r, const struct call *c)
{
    return choose(r, c, false, false);
}

static struct value filter_selectattr(struct run *r, const struct call *c)
{
    return choose(r, c, true, true);
}

static struct value filter_rejectattr(struct run *r, const struct call *c)
{
    return choose(r, c, true, false);
}

static struct value filter_attr(struct run *r, const struct call *c)
{
    if (c->self.kind == V_DICT && method_row(c->self, v_str(v_need_text(r, c->arg[0], "an attribute")), &(bool){0}) < 0)
        return v_undefined(v_str(c->arg[0])); /* attributes alone, not keys */
    return v_attribute(r, c->self, v_need_text(r, c->arg[0], "an attribute"), false);
}

static struct value filter_abs(struct run *r, const struct call *c)
{
    struct value v = c->self;
    if (!v_number(v))
        run_fail(r, ERR_USAGE, "bad operand type for abs(): '%s'", v_kind(v));
    if (v.kind == V_FLOAT)
        v.f = fabs(v.f);
    else if (v.kind == V_BOOL)
        v = v_int(v.yes);
    else if (v.i == INT64_MIN)
        run_fail(r, ERR_UNSUPPORTED, "a whole number past 64 bits");
    else
        v.i = v.i < 0 ? -v.i : v.i;
    return v;
}

static struct value filter_round(struct run *r, const struct call *c)
{
    if (!v_number(c->self))
        run_fail(r, ERR_USAGE, "type %s doesn't define __round__", v_kind(c->self));
    int64_t places = c->arg[0].kind == V_ABSENT ? 0 : v_need_int(r, c->arg[0], "round's precision");
    double x = v_double(c->self);
    bool up = v_is_text(c->arg[1], "ceil"), down = v_is_text(c->arg[1], "floor");
    if (places < -300 || places > 300)
        run_fail(r, ERR_UNSUPPORTED, "round to %lld places", (long long)places);
    if (up || down) {
        double scale = pow(10, (double)places), y = x * scale;
        return v_float((up ? ceil(y) : floor(y)) / scale);
    }
    if (c->self.kind != V_FLOAT)
        return places >= 0 ? v_int(c->self.kind == V_BOOL ? c->self.yes : c->self.i) : (run_fail(r, ERR_UNSUPPORTED, "round of a whole number"), v_none());
    if (places < 0) {
        double scale = pow(10, (double)-places);
        return v_float(nearbyint(x / scale) * scale);
    }
    char s[700]; /* correctly rounded, as Python's is: half to even of the exact value */
    snprintf(s, sizeof s, "%.*f", (int)places, x);
    return v_float(strtod(s, NULL));
}

static struct value filter_tojson(struct run *r, const struct call *c)
{
    struct value indent = c->arg[1], separators = c->arg[2];
    struct json_style how = {.ascii = v_true(r, c->arg[0]), .sorted = v_true(r, c->arg[3])};
    if (indent.kind == V_INT || indent.kind == V_BOOL) {
        struct text t = {0};
        for (int64_t i = 0, n = v_need_int(r, indent, "indent"); i < n; i++, run_steps(r, 1))
            text_add(r, &t, " ", 1, true);
        how.indent = text_value(r, &t);
    } else if (indent.kind != V_ABSENT && indent.kind != V_NONE) {
        how.indent = v_need_text(r, indent, "indent");
    }
    how.item = how.indent.kind == V_ABSENT ? v_text(STR(", "), true) : v_text(STR(","), true);
    how.key = v_text(STR(": "), true);
    if (separators.kind != V_ABSENT && separators.kind != V_NONE) {
        struct list *l = v_items(r, separators);
        if (l->n != 2)
            run_fail(r, ERR_USAGE, "separators are two");
        how.item = v_need_text(r, l->v[0], "a separator");
        how.key = v_need_text(r, l->v[1], "a separator");
    }
    struct text t = {0};
    text_json(r, &t, c->self, &how);
    return text_value(r, &t);
}

/* To add a filter: a row; of text alone, see template_method.c. */
static const struct function filter[] = {
    {"default", "default_value boolean", filter_default}, {"d", "default_value boolean", filter_default},
    {"length", "", filter_length}, {"count", "", filter_length}, {"join", "d attribute", filter_join}, {"first", "", filter_first},
    {"last", "", filter_last}, {"list", "", filter_list}, {"reverse", "", filter_reverse}, {"items", "", filter_items},
    {"sort", "reverse case_sensitive attribute", filter_sort}, {"dictsort", "case_sensitive by reverse", filter_dictsort},
    {"unique", "case_sensitive attribute", filter_unique}, {"min", "case_sensitive attribute", filter_min},
    {"max", "case_sensitive attribute", filter_max}, {"sum", "attribute start", filter_sum},
    {"groupby", "attribute default case_sensitive", filter_groupby}, {"batch", "linecount fill_with", filter_batch},
    {"map", "*", filter_map}, {"select", "*", filter_select}, {"reject", "*", filter_reject}, {"selectattr", "*", filter_selectattr},
    {"rejectattr", "*", filter_rejectattr}, {"attr", "name", filter_attr}, {"abs", "", filter_abs},
    {"round", "precision method", filter_round}, {"tojson", "ensure_ascii indent separators sort_keys", filter_tojson},
    {"trim", "chars", filter_trim}, {"upper", "", filter_upper}, {"lower", "", filter_lower}, {"capitalize", "", filter_capitalize},
    {"title", "", filter_title}, {"replace", "old new count", filter_replace}, {"string", "", filter_string}, {"safe", "", filter_safe},
    {"escape", "", filter_escape}, {"e", "", filter_escape}, {"forceescape", "", filter_forceescape},
    {"indent", "width first blank", filter_indent}, {"truncate", "length killwords end leeway", filter_truncate},
    {"wordcount", "", filter_wordcount}, {"center", "width", filter_center}, {"format", "*", filter_format},
    {"int", "default base", filter_int}, {"float", "default", filter_float},
};

int template_filter_row(struct str name)
{
    for (size_t i = 0; i < sizeof filter / sizeof *filter; i++)
        if (str_same(name, str_of(filter[i].name)))
            return (int)i;
    return -1;
}

struct value filter_call(struct run *r, int row, struct value self, const struct args *a)
{
    return function_call(r, &filter[row], self, a);
}
