/* Methods of texts, mappings and lists: those of Python's that do not change what they are called on. */
#define _GNU_SOURCE /* memmem */
#include "engine/chat/template_filter.h"

#include <string.h>

static int64_t count_or(struct run *r, struct value v, int64_t fallback)
{
    return v.kind == V_ABSENT ? fallback : v_need_int(r, v, "a count");
}

static struct value text_method_strip(struct run *r, const struct call *c)
{
    return text_strip(r, c->self, c->arg[0], 3);
}

static struct value text_method_lstrip(struct run *r, const struct call *c)
{
    return text_strip(r, c->self, c->arg[0], 1);
}

static struct value text_method_rstrip(struct run *r, const struct call *c)
{
    return text_strip(r, c->self, c->arg[0], 2);
}

/* str.split() without a separator: at runs of blanks. */
static void split_blanks(struct run *r, struct list *out, struct value v, int64_t most)
{
    v = text_strip(r, v, v_none(), 1);
    for (size_t i = 0; i < v.n;) {
        size_t end = i;
        if (most >= 0 && (int64_t)out->n >= most) {
            list_add(r, out, text_strip(r, v_part(v, i, v.n - i), v_none(), 2));
            return;
        }
        while (end < v.n && !text_blanks(v.s + end, v.s + v.n))
            end += text_offset(v.s + end, v.n - end, 1);
        list_add(r, out, v_part(v, i, end - i));
        i = end + text_blanks(v.s + end, v.s + v.n);
    }
}

/* The same from the right. */
static void rsplit_blanks(struct run *r, struct list *out, struct value v, int64_t most)
{
    struct value all = v_list(r, LIST_PLAIN, 0);
    split_blanks(r, all.list, v, -1);
    size_t n = all.list->n, keep = most < 0 || (uint64_t)most >= n ? 0 : n - (size_t)most;
    if (keep) {
        struct value last = all.list->v[keep - 1];
        list_add(r, out, v_part(v, 0, (size_t)(last.s + last.n - v.s)));
    }
    for (size_t i = keep; i < n; i++)
        list_add(r, out, all.list->v[i]);
}

static const char *last_of(struct value v, size_t end, struct value what)
{
    for (size_t i = end; i >= what.n; i--)
        if (!memcmp(v.s + i - what.n, what.s, what.n))
            return v.s + i - what.n;
    return NULL;
}

static struct value text_method_split(struct run *r, const struct call *c)
{
    struct value v = c->self, parts = v_list(r, LIST_PLAIN, 0);
    int64_t most = count_or(r, c->arg[1], -1);
    size_t at = 0;
    run_steps(r, v.n / 16);
    if (c->arg[0].kind == V_ABSENT || c->arg[0].kind == V_NONE) {
        split_blanks(r, parts.list, v, most);
        return parts;
    }
    struct value by = v_need_text(r, c->arg[0], "a separator");
    if (!by.n)
        run_fail(r, ERR_USAGE, "empty separator");
    while (most < 0 || (int64_t)parts.list->n < most) {
        const char *hit = memmem(v.s + at, v.n - at, by.s, by.n);
        if (!hit)
            break;
        list_add(r, parts.list, v_part(v, at, (size_t)(hit - v.s) - at));
        at = (size_t)(hit - v.s) + by.n;
    }
    list_add(r, parts.list, v_part(v, at, v.n - at));
    return parts;
}

static struct value text_method_rsplit(struct run *r, const struct call *c)
{
    struct value v = c->self, parts = v_list(r, LIST_PLAIN, 0);
    int64_t most = count_or(r, c->arg[1], -1);
    size_t end = v.n;
    run_steps(r, v.n / 16);
    if (c->arg[0].kind == V_ABSENT || c->arg[0].kind == V_NONE) {
        rsplit_blanks(r, parts.list, v, most);
        return parts;
    }
    struct value by = v_need_text(r, c->arg[0], "a separator");
    if (!by.n)
        run_fail(r, ERR_USAGE, "empty separator");
    while (most < 0 || (int64_t)parts.list->n < most) {
        const char *hit = last_of(v, end, by);
        if (!hit)
            break;
        size_t from = (size_t)(hit - v.s) + by.n;
        list_add(r, parts.list, v_part(v, from, end - from));
        end = from - by.n;
    }
    list_add(r, parts.list, v_part(v, 0, end));
    for (size_t i = 0, k = parts.list->n; i + 1 < k; i++) {
        struct value swap = parts.list->v[i];
        parts.list->v[i] = parts.list->v[--k];
        parts.list->v[k] = swap;
    }
    return parts;
}

static struct value parts_of(struct run *r, struct value v, const char *hit, struct value by, bool first)
{
    struct value three = v_list(r, LIST_TUPLE, 3), none = v_part(v, 0, 0);
    size_t at = hit ? (size_t)(hit - v.s) : 0;
    list_add(r, three.list, hit ? v_part(v, 0, at) : first ? v : none);
    list_add(r, three.list, hit ? by : none);
    list_add(r, three.list, hit ? v_part(v, at + by.n, v.n - at - by.n) : first ? none : v);
    return three;
}

static struct value need_separator(struct run *r, const struct call *c)
{
    if (!v_need_text(r, c->arg[0], "a separator").n)
        run_fail(r, ERR_USAGE, "empty separator");
    run_steps(r, c->self.n / 64);
    return c->arg[0];
}

static struct value text_method_partition(struct run *r, const struct call *c)
{
    struct value by = need_separator(r, c);
    return parts_of(r, c->self, memmem(c->self.s, c->self.n, by.s, by.n), by, true);
}

static struct value text_method_rpartition(struct run *r, const struct call *c)
{
    struct value by = need_separator(r, c);
    return parts_of(r, c->self, last_of(c->self, c->self.n, by), by, false);
}

static struct value text_method_splitlines(struct run *r, const struct call *c)
{
    return template_text_lines(r, c->self, v_true(r, c->arg[0]));
}

/* The part [start, end) that a method looks at; false: start lies behind the text. */
static bool range_of(struct run *r, struct value *v, size_t *skipped, struct value start, struct value end)
{
    int64_t n = (int64_t)v_length(r, *v);
    int64_t from = start.kind == V_ABSENT || start.kind == V_NONE ? 0 : v_need_int(r, start, "a position");
    int64_t to = end.kind == V_ABSENT || end.kind == V_NONE ? n : v_need_int(r, end, "a position");
    from = from < 0 ? (from + n < 0 ? 0 : from + n) : from;
    to = to < 0 ? (to + n < 0 ? 0 : to + n) : to > n ? n : to;
    if (from > to || from > n)
        return false;
    *skipped = (size_t)from;
    size_t a = text_offset(v->s, v->n, (size_t)from);
    *v = v_part(*v, a, text_offset(v->s + a, v->n - a, (size_t)(to - from)));
    return true;
}

static bool text_begins(struct value v, struct value with, bool end)
{
    return v.n >= with.n && !memcmp(end ? v.s + v.n - with.n : v.s, with.s, with.n);
}

static struct value affix(struct run *r, const struct call *c, bool end)
{
    struct value v = c->self, what = c->arg[0];
    size_t skipped;
    if (what.kind != V_TEXT && !(what.kind == V_LIST && what.list->kind == LIST_TUPLE))
        run_fail(r, ERR_USAGE, "%s first arg must be str or a tuple of str, not %s", end ? "endswith" : "startswith", v_kind(what));
    if (!range_of(r, &v, &skipped, c->arg[1], c->arg[2]))
        return v_bool(false);
    if (what.kind == V_TEXT)
        return v_bool(text_begins(v, what, end));
    for (size_t i = 0; i < what.list->n; i++)
        if (text_begins(v, v_need_text(r, what.list->v[i], "a prefix"), end))
            return v_bool(true);
    return v_bool(false);
}

static struct value text_method_startswith(struct run *r, const struct call *c)
{
    return affix(r, c, false);
}

static struct value text_method_endswith(struct run *r, const struct call *c)
{
    return affix(r, c, true);
}

static struct value text_method_removeprefix(struct run *r, const struct call *c)
{
    struct value what = v_need_text(r, c->arg[0], "a prefix");
    return text_begins(c->self, what, false) ? v_part(c->self, what.n, c->self.n - what.n) : c->self;
}

static struct value text_method_removesuffix(struct run *r, const struct call *c)
{
    struct value what = v_need_text(r, c->arg[0], "a suffix");
    return text_begins(c->self, what, true) ? v_part(c->self, 0, c->self.n - what.n) : c->self;
}

static int64_t find_in(struct run *r, const struct call *c, bool last)
{
    struct value v = c->self, what = v_need_text(r, c->arg[0], "what is looked for");
    size_t skipped;
    run_steps(r, v.n / 64);
    if (!range_of(r, &v, &skipped, c->arg[1], c->arg[2]))
        return -1;
    const char *hit = last ? last_of(v, v.n, what) : what.n ? memmem(v.s, v.n, what.s, what.n) : v.s;
    return hit ? (int64_t)(skipped + text_chars(v.s, (size_t)(hit - v.s))) : -1;
}

static struct value text_method_find(struct run *r, const struct call *c)
{
    return v_int(find_in(r, c, false));
}

static struct value text_method_rfind(struct run *r, const struct call *c)
{
    return v_int(find_in(r, c, true));
}

static struct value text_method_index(struct run *r, const struct call *c)
{
    int64_t at = find_in(r, c, false);
    if (at < 0)
        run_fail(r, ERR_USAGE, "substring not found");
    return v_int(at);
}

static struct value text_method_count(struct run *r, const struct call *c)
{
    struct value v = c->self, what = v_need_text(r, c->arg[0], "what is counted");
    size_t skipped;
    int64_t n = 0;
    run_steps(r, v.n / 64);
    if (!range_of(r, &v, &skipped, c->arg[1], c->arg[2]))
        return v_int(0);
    if (!what.n)
        return v_int((int64_t)v_length(r, v) + 1);
    for (const char *s = v.s, *end = v.s + v.n; (s = memmem(s, (size_t)(end - s), what.s, what.n)) != NULL; s += what.n)
        n++;
    return v_int(n);
}

static struct value text_method_replace(struct run *r, const struct call *c)
{
    struct value old = v_need_text(r, c->arg[0], "what is replaced"), with = v_need_text(r, c->arg[1], "what replaces it");
    return text_replace(r, c->self, old, c->self.markup ? v_escaped(r, with) : with, count_or(r, c->arg[2], -1));
}

static struct value text_method_upper(struct run *r, const struct call *c)
{
    return v_cased(r, c->self, CASE_UPPER);
}

static struct value text_method_lower(struct run *r, const struct call *c)
{
    return v_cased(r, c->self, CASE_LOWER);
}

static struct value text_method_capitalize(struct run *r, const struct call *c)
{
    return text_capitalize(r, c->self);
}

/* Upper at each first letter of a run of letters. */
static struct value text_method_title(struct run *r, const struct call *c)
{
    struct value v = c->self;
    struct text t = {0};
    bool inside = false;
    for (size_t i = 0, n; i < v.n; i += n) {
        uint32_t ch;
        n = text_char(v.s + i, v.s + v.n, &ch);
        text_add_value(r, &t, v_cased_at(r, v, i, n, inside ? CASE_LOWER : CASE_TITLE));
        inside = text_cased(ch);
    }
    return text_value(r, &t);
}

static struct value text_method_swapcase(struct run *r, const struct call *c)
{
    struct value v = c->self;
    struct text t = {0};
    for (size_t i = 0, n; i < v.n; i += n) {
        uint32_t ch;
        n = text_char(v.s + i, v.s + v.n, &ch);
        enum text_case to = text_is_upper(ch) ? CASE_LOWER : CASE_UPPER;
        text_add_value(r, &t, to == CASE_LOWER || text_is_lower(ch) ? v_cased_at(r, v, i, n, to) : v_part(v, i, n));
    }
    return text_value(r, &t);
}

static struct value text_method_join(struct run *r, const struct call *c)
{
    struct list *l = v_items(r, c->arg[0]);
    struct text t = {0};
    run_steps(r, l->n);
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            text_add_value(r, &t, c->self);
        text_add_value(r, &t, v_need_text(r, l->v[i], "each part of join()"));
    }
    return text_value(r, &t);
}

static struct value pad(struct run *r, const struct call *c, int side)
{
    int64_t width = v_need_int(r, c->arg[0], "a width");
    struct value fill = c->arg[1].kind == V_ABSENT ? v_text(STR(" "), true) : v_need_text(r, c->arg[1], "what fills");
    size_t n = v_length(r, c->self), missing = width > 0 && (size_t)width > n ? (size_t)width - n : 0;
    if (v_length(r, fill) != 1)
        run_fail(r, ERR_USAGE, "The fill character must be exactly one character long");
    size_t before = side < 0 ? missing : side > 0 ? 0 : missing / 2 + (missing & (size_t)width & 1);
    return text_pad(r, c->self, before, missing - before, fill);
}

static struct value text_method_ljust(struct run *r, const struct call *c)
{
    return pad(r, c, 1);
}

static struct value text_method_rjust(struct run *r, const struct call *c)
{
    return pad(r, c, -1);
}

static struct value text_method_center(struct run *r, const struct call *c)
{
    return pad(r, c, 0);
}

static struct value text_method_zfill(struct run *r, const struct call *c)
{
    int64_t width = v_need_int(r, c->arg[0], "a width");
    struct value v = c->self;
    size_t n = v_length(r, v), missing = width > 0 && (size_t)width > n ? (size_t)width - n : 0;
    size_t sign = v.n && (v.s[0] == '-' || v.s[0] == '+');
    struct text t = {0};
    text_add_value(r, &t, v_part(v, 0, sign));
    text_add_value(r, &t, text_pad(r, v_part(v, sign, v.n - sign), missing, 0, v_text(STR("0"), true)));
    return text_value(r, &t);
}

static struct value all_are(struct value v, bool (*is)(uint32_t c))
{
    for (size_t i = 0; i < v.n;) {
        uint32_t c;
        i += text_char(v.s + i, v.s + v.n, &c);
        if (!is(c))
            return v_bool(false);
    }
    return v_bool(v.n > 0);
}

static bool alpha_or_digit(uint32_t c)
{
    return text_is_alpha(c) || text_is_digit(c);
}

static struct value text_method_isdigit(struct run *r, const struct call *c)
{
    return all_are(c->self, text_is_digit);
}

static struct value text_method_isalpha(struct run *r, const struct call *c)
{
    return all_are(c->self, text_is_alpha);
}

static struct value text_method_isalnum(struct run *r, const struct call *c)
{
    return all_are(c->self, alpha_or_digit);
}

static struct value text_method_isspace(struct run *r, const struct call *c)
{
    return all_are(c->self, text_is_space);
}

static struct value text_method_isupper(struct run *r, const struct call *c)
{
    return v_bool(test_call(r, template_test_row(STR("upper")), c->self, &(struct args){0}));
}

static struct value text_method_islower(struct run *r, const struct call *c)
{
    return v_bool(test_call(r, template_test_row(STR("lower")), c->self, &(struct args){0}));
}

/* "{} {0} {name}"; what stands behind a colon or an exclamation mark is not supported. */
static struct value text_method_format(struct run *r, const struct call *c)
{
    struct value v = c->self;
    struct text t = {0};
    size_t next = 0;
    for (size_t i = 0; i < v.n;) {
        if (v.s[i] != '{' && v.s[i] != '}') {
            size_t n = 1;
            while (i + n < v.n && v.s[i + n] != '{' && v.s[i + n] != '}')
                n++;
            text_add_value(r, &t, v_part(v, i, n));
            i += n;
            continue;
        }
        if (i + 1 < v.n && v.s[i + 1] == v.s[i]) {
            text_add_value(r, &t, v_part(v, i, 1));
            i += 2;
            continue;
        }
        const char *close = v.s[i] == '{' ? memchr(v.s + i, '}', v.n - i) : NULL;
        if (!close)
            run_fail(r, ERR_USAGE, "Single '%c' encountered in format string", v.s[i]);
        struct value field = v_part(v, i + 1, (size_t)(close - v.s) - i - 1), found = {0};
        if (!field.n && next < c->all->n)
            found = c->all->v[next++];
        else if (field.n == 1 && field.s[0] >= '0' && field.s[0] <= '9' && (size_t)(field.s[0] - '0') < c->all->n)
            found = c->all->v[field.s[0] - '0'];
        for (size_t k = 0; k < c->all->nnamed && found.kind == V_ABSENT; k++)
            if (str_same(c->all->named[k].name, v_str(field)))
                found = c->all->named[k].v;
        if (found.kind == V_ABSENT)
            run_fail(r, ERR_UNSUPPORTED, "the field {%.*s} of format()", (int)(field.n < 80 ? field.n : 80), field.s);
        text_show(r, &t, found);
        i = (size_t)(close - v.s) + 1;
    }
    return text_value(r, &t);
}

static struct value dict_method_get(struct run *r, const struct call *c)
{
    v_need_key(r, c->arg[0]);
    const struct value *found = dict_get(r, c->self.dict, c->arg[0]);
    return found ? *found : c->arg[1].kind == V_ABSENT ? v_none() : c->arg[1];
}

static struct value dict_method_items(struct run *r, const struct call *c)
{
    return dict_pairs(r, c->self, LIST_ITEMS);
}

static struct value dict_method_keys(struct run *r, const struct call *c)
{
    return dict_pairs(r, c->self, LIST_KEYS);
}

static struct value dict_method_values(struct run *r, const struct call *c)
{
    return dict_pairs(r, c->self, LIST_VALUES);
}

static struct value method_copy(struct run *r, const struct call *c)
{
    return c->self; /* nothing changes it */
}

static struct value list_method_index(struct run *r, const struct call *c)
{
    struct list *l = c->self.list;
    run_steps(r, l->n);
    for (size_t i = 0; i < l->n; i++)
        if (v_same(r, l->v[i], c->arg[0]))
            return v_int((int64_t)i);
    run_fail(r, ERR_USAGE, "the value is not in the list");
}

static struct value list_method_count(struct run *r, const struct call *c)
{
    int64_t n = 0;
    run_steps(r, c->self.list->n);
    for (size_t i = 0; i < c->self.list->n; i++)
        n += v_same(r, c->self.list->v[i], c->arg[0]);
    return v_int(n);
}

static struct value loop_method_cycle(struct run *r, const struct call *c)
{
    if (!c->all->n)
        run_fail(r, ERR_USAGE, "no items for cycling given");
    return c->all->v[c->self.loop->index0 % c->all->n];
}

static struct value loop_method_changed(struct run *r, const struct call *c)
{
    struct loop *l = c->self.loop;
    struct value seen = v_list(r, LIST_TUPLE, c->all->n);
    for (size_t i = 0; i < c->all->n; i++)
        list_add(r, seen.list, c->all->v[i]);
    bool changed = !l->changed || !v_same(r, *l->changed, seen);
    if (!l->changed)
        l->changed = run_alloc(r, sizeof *l->changed);
    *l->changed = seen;
    return v_bool(changed);
}

static struct value cycler_next(struct run *r, const struct call *c)
{
    struct cycler *y = c->self.cycler;
    struct value v = y->items->v[y->at];
    y->at = (y->at + 1) % y->items->n;
    return v;
}

static struct value cycler_reset(struct run *r, const struct call *c)
{
    c->self.cycler->at = 0;
    return v_none();
}

/* To add a method: a row. One without function would change its object: the sandbox forbids it. */
static const struct method {
    enum value_kind of;
    struct function f;
} method[] = {
    {V_TEXT, {"strip", "chars", text_method_strip}}, {V_TEXT, {"lstrip", "chars", text_method_lstrip}},
    {V_TEXT, {"rstrip", "chars", text_method_rstrip}}, {V_TEXT, {"split", "sep maxsplit", text_method_split}},
    {V_TEXT, {"rsplit", "sep maxsplit", text_method_rsplit}}, {V_TEXT, {"partition", "sep", text_method_partition}},
    {V_TEXT, {"rpartition", "sep", text_method_rpartition}}, {V_TEXT, {"splitlines", "keepends", text_method_splitlines}},
    {V_TEXT, {"startswith", "prefix start end", text_method_startswith}}, {V_TEXT, {"endswith", "suffix start end", text_method_endswith}},
    {V_TEXT, {"removeprefix", "prefix", text_method_removeprefix}}, {V_TEXT, {"removesuffix", "suffix", text_method_removesuffix}},
    {V_TEXT, {"find", "sub start end", text_method_find}}, {V_TEXT, {"rfind", "sub start end", text_method_rfind}},
    {V_TEXT, {"index", "sub start end", text_method_index}}, {V_TEXT, {"count", "sub start end", text_method_count}},
    {V_TEXT, {"replace", "old new count", text_method_replace}}, {V_TEXT, {"upper", "", text_method_upper}},
    {V_TEXT, {"lower", "", text_method_lower}}, {V_TEXT, {"casefold", "", text_method_lower}},
    {V_TEXT, {"capitalize", "", text_method_capitalize}}, {V_TEXT, {"title", "", text_method_title}},
    {V_TEXT, {"swapcase", "", text_method_swapcase}}, {V_TEXT, {"join", "iterable", text_method_join}},
    {V_TEXT, {"ljust", "width fillchar", text_method_ljust}}, {V_TEXT, {"rjust", "width fillchar", text_method_rjust}},
    {V_TEXT, {"center", "width fillchar", text_method_center}}, {V_TEXT, {"zfill", "width", text_method_zfill}},
    {V_TEXT, {"isdigit", "", text_method_isdigit}}, {V_TEXT, {"isdecimal", "", text_method_isdigit}},
    {V_TEXT, {"isnumeric", "", text_method_isdigit}}, {V_TEXT, {"isalpha", "", text_method_isalpha}},
    {V_TEXT, {"isalnum", "", text_method_isalnum}}, {V_TEXT, {"isspace", "", text_method_isspace}},
    {V_TEXT, {"isupper", "", text_method_isupper}}, {V_TEXT, {"islower", "", text_method_islower}},
    {V_TEXT, {"format", "*", text_method_format}},
    {V_DICT, {"get", "key default", dict_method_get}}, {V_DICT, {"items", "", dict_method_items}},
    {V_DICT, {"keys", "", dict_method_keys}}, {V_DICT, {"values", "", dict_method_values}}, {V_DICT, {"copy", "", method_copy}},
    {V_DICT, {"clear"}}, {V_DICT, {"pop"}}, {V_DICT, {"popitem"}}, {V_DICT, {"setdefault"}}, {V_DICT, {"update"}},
    {V_LIST, {"index", "value", list_method_index}}, {V_LIST, {"count", "value", list_method_count}},
    {V_LIST, {"copy", "", method_copy}}, {V_LIST, {"append"}}, {V_LIST, {"clear"}}, {V_LIST, {"extend"}}, {V_LIST, {"insert"}},
    {V_LIST, {"pop"}}, {V_LIST, {"remove"}}, {V_LIST, {"reverse"}}, {V_LIST, {"sort"}},
    {V_LOOP, {"cycle", "*", loop_method_cycle}}, {V_LOOP, {"changed", "*", loop_method_changed}},
    {V_CYCLER, {"next", "", cycler_next}}, {V_CYCLER, {"reset", "", cycler_reset}},
};

int method_row(struct value of, struct str name, bool *unsafe)
{
    if (of.kind == V_LIST && of.list->kind > LIST_RANGE)
        return -1;
    for (size_t i = 0; i < sizeof method / sizeof *method; i++) {
        if (method[i].of != of.kind || !str_same(name, str_of(method[i].f.name)))
            continue;
        bool own = of.kind != V_LIST || of.list->kind == LIST_PLAIN || method[i].f.call == list_method_index ||
                   method[i].f.call == list_method_count; /* what tuples and ranges have of a list's */
        *unsafe = own && !method[i].f.call;
        return *unsafe || !own ? -1 : (int)i;
    }
    return -1;
}

struct value method_call(struct run *r, int row, struct value self, const struct args *a)
{
    const struct function *f = &method[row].f;
    return function_call(r, f, self, a);
}
