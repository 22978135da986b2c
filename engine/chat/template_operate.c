/* Operators and access: what + - * / // % ** do, and what .name, [index] and [a:b:c] find. */
#include "engine/chat/template_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct value whole_operate(struct run *r, int op, int64_t a, int64_t b)
{
    int64_t out = 0;
    bool over = false;
    switch (op) {
    case '+':
        over = __builtin_add_overflow(a, b, &out);
        break;
    case '-':
        over = __builtin_sub_overflow(a, b, &out);
        break;
    case '*':
        over = __builtin_mul_overflow(a, b, &out);
        break;
    case '%':
    case OP2('/', '/'): {
        if (!b)
            run_fail(r, ERR_USAGE, "integer division or modulo by zero");
        over = a == INT64_MIN && b == -1;
        int64_t q = over ? 0 : a / b, m = over ? 0 : a % b;
        if (m && (m < 0) != (b < 0)) { /* Python rounds down */
            q--;
            m += b;
        }
        out = op == '%' ? m : q;
        over &= op != '%';
        break;
    }
    case OP2('*', '*'):
        out = 1;
        if (a == 1 || a == 0 || a == -1)
            return v_int(!b || a == 1 ? 1 : !a ? 0 : b & 1 ? -1 : 1);
        for (; b > 0 && !over; b--)
            over = __builtin_mul_overflow(out, a, &out);
        break;
    }
    if (over)
        run_fail(r, ERR_UNSUPPORTED, "a whole number past 64 bits");
    return v_int(out);
}

static struct value real_operate(struct run *r, int op, double a, double b)
{
    if ((op == '/' || op == '%' || op == OP2('/', '/')) && b == 0)
        run_fail(r, ERR_USAGE, "division by zero");
    switch (op) {
    case '+':
        return v_float(a + b);
    case '-':
        return v_float(a - b);
    case '*':
        return v_float(a * b);
    case '/':
        return v_float(a / b);
    case OP2('*', '*'): {
        double p = pow(a, b);
        if ((a == 0 && b < 0) || (isinf(p) && isfinite(a) && isfinite(b)) || (isnan(p) && !isnan(a) && !isnan(b)))
            run_fail(r, ERR_USAGE, "a power that is no real number");
        return v_float(p);
    }
    }
    double m = fmod(a, b);
    double q = (a - m) / b;
    if (m != 0 && (b < 0) != (m < 0)) {
        m += b;
        q -= 1;
    } else if (m == 0) {
        m = copysign(0, b);
    }
    if (op == '%')
        return v_float(m);
    double f = q != 0 ? floor(q) : copysign(0, a / b);
    return v_float(q != 0 && q - f > 0.5 ? f + 1 : f);
}

static struct value numbers(struct run *r, int op, struct value a, struct value b)
{
    bool real = a.kind == V_FLOAT || b.kind == V_FLOAT || op == '/' || (op == OP2('*', '*') && b.i < 0 && b.kind == V_INT);
    struct value v = real ? real_operate(r, op, v_double(a), v_double(b)) :
                            whole_operate(r, op, a.kind == V_BOOL ? a.yes : a.i, b.kind == V_BOOL ? b.yes : b.i);
    v.literal = a.literal && b.literal;
    return v;
}

static struct value join_texts(struct run *r, struct value a, struct value b)
{
    bool markup = a.markup || b.markup;
    if (markup) {
        a = v_escaped(r, a);
        b = v_escaped(r, b);
    }
    struct text t = {0};
    text_add_value(r, &t, a);
    text_add_value(r, &t, b);
    struct value v = text_value(r, &t);
    v.markup = markup;
    return v;
}

static struct value join_lists(struct run *r, struct value a, struct value b)
{
    struct value v = v_list(r, a.list->kind, a.list->n + b.list->n);
    run_steps(r, a.list->n + b.list->n);
    for (size_t i = 0; i < a.list->n; i++)
        list_add(r, v.list, a.list->v[i]);
    for (size_t i = 0; i < b.list->n; i++)
        list_add(r, v.list, b.list->v[i]);
    v.literal = a.literal && b.literal;
    return v;
}

static struct value repeat(struct run *r, struct value what, struct value times)
{
    int64_t n = v_need_int(r, times, "the number of times");
    if (n < 0)
        n = 0;
    if (what.kind == V_TEXT) {
        struct text t = {0};
        for (int64_t i = 0; i < n && what.n; i++) {
            run_steps(r, 1);
            text_add_value(r, &t, what);
        }
        struct value v = text_value(r, &t);
        v.markup = what.markup;
        return v;
    }
    struct value v = v_list(r, what.list->kind, 0);
    for (int64_t i = 0; i < n && what.list->n; i++) {
        run_steps(r, 1 + what.list->n);
        for (size_t k = 0; k < what.list->n; k++)
            list_add(r, v.list, what.list->v[k]);
    }
    v.literal = what.literal;
    return v;
}

static bool plain_list(struct value v)
{
    return v.kind == V_LIST && v.list->kind <= LIST_TUPLE;
}

struct value v_operate(struct run *r, int op, struct value a, struct value b)
{
    if (v_number(a) && v_number(b))
        return numbers(r, op, a, b);
    if (op == '+' && a.kind == V_TEXT && b.kind == V_TEXT)
        return join_texts(r, a, b);
    if (op == '+' && plain_list(a) && plain_list(b) && a.list->kind == b.list->kind)
        return join_lists(r, a, b);
    if (op == '*' && (a.kind == V_TEXT || plain_list(a)) && (b.kind == V_INT || b.kind == V_BOOL))
        return repeat(r, a, b);
    if (op == '*' && (b.kind == V_TEXT || plain_list(b)) && (a.kind == V_INT || a.kind == V_BOOL))
        return repeat(r, b, a);
    if (op == '%' && a.kind == V_TEXT) {
        struct args args = {.v = &b, .n = 1};
        if (b.kind == V_LIST && b.list->kind == LIST_TUPLE)
            args = (struct args){.v = b.list->v, .n = b.list->n};
        else /* what has an index could be a mapping, of which not all is used */
            args.loose = b.kind == V_DICT || b.kind == V_UNDEFINED || (b.kind == V_LIST && b.list->kind <= LIST_RANGE);
        return v_format(r, a, &args);
    }
    if (a.kind == V_UNDEFINED || b.kind == V_UNDEFINED) {
        struct value u = a.kind == V_UNDEFINED ? a : b;
        run_fail(r, ERR_USAGE, "'%.*s' is undefined", (int)(u.n < 200 ? u.n : 200), u.s);
    }
    char sign[3] = {(char)op, (char)(op >> 8), 0};
    run_fail(r, ERR_USAGE, "unsupported operand types for %s: '%s' and '%s'", sign, v_kind(a), v_kind(b));
}

/* A position within n, from the end where it is negative; n: out of it. */
static size_t place(int64_t at, size_t n)
{
    if (at < 0)
        at += (int64_t)n;
    return at < 0 || (uint64_t)at >= n ? n : (size_t)at;
}

static struct value text_at(struct run *r, struct value v, struct value index)
{
    int64_t i = v_need_int(r, index, "an index");
    size_t n = v_length(r, v), at = place(i, n);
    if (at == n)
        return v_undefined(STR("index"));
    size_t from = text_offset(v.s, v.n, at);
    return v_part(v, from, text_offset(v.s + from, v.n - from, 1));
}

/* obj[index]; V_ABSENT where there is none. */
static struct value subscript(struct run *r, struct value of, struct value index)
{
    bool number = index.kind == V_INT || index.kind == V_BOOL;
    if (of.kind == V_DICT) {
        if (index.kind == V_DICT || (index.kind == V_LIST && index.list->kind != LIST_TUPLE))
            return (struct value){0};
        const struct value *found = dict_get(r, of.dict, index);
        return found ? *found : (struct value){0};
    }
    if (of.kind == V_LIST && of.list->kind <= LIST_RANGE && number) {
        size_t at = place(v_need_int(r, index, "an index"), of.list->n);
        return at < of.list->n ? of.list->v[at] : (struct value){0};
    }
    if (of.kind == V_TEXT && number) {
        struct value v = text_at(r, of, index);
        return v.kind == V_TEXT ? v : (struct value){0};
    }
    return (struct value){0};
}

static struct value loop_attribute(struct run *r, struct value of, struct str name)
{
    const struct loop *l = of.loop;
    size_t i = l->index0, n = l->items->n;
    const struct {
        const char *name;
        struct value v;
    } row[] = {
        {"index0", v_int((int64_t)i)},
        {"index", v_int((int64_t)i + 1)},
        {"first", v_bool(i == 0)},
        {"last", v_bool(i + 1 == n)},
        {"length", v_int((int64_t)n)},
        {"revindex", v_int((int64_t)(n - i))},
        {"revindex0", v_int((int64_t)(n - i) - 1)},
        {"depth", v_int((int64_t)l->depth0 + 1)},
        {"depth0", v_int((int64_t)l->depth0)},
        {"previtem", i ? l->items->v[i - 1] : v_undefined(STR("there is no previous item"))},
        {"nextitem", i + 1 < n ? l->items->v[i + 1] : v_undefined(STR("there is no next item"))},
    };
    for (size_t k = 0; k < sizeof row / sizeof *row; k++)
        if (str_same(name, str_of(row[k].name)))
            return row[k].v;
    return (struct value){0};
}

/* obj.name as getattr finds it; V_ABSENT: there is none. */
static struct value own_attribute(struct run *r, struct value of, struct str name)
{
    bool unsafe = false;
    if (of.kind == V_LOOP) {
        struct value v = loop_attribute(r, of, name);
        if (v.kind != V_ABSENT)
            return v;
    }
    if (of.kind == V_NAMESPACE) {
        const struct value *found = dict_get(r, of.dict, v_text(name, true));
        return found ? *found : (struct value){0};
    }
    if (of.kind == V_MACRO && str_same(name, STR("name")))
        return v_text(r->t->names[of.macro->node->i], true);
    int row = method_row(of, name, &unsafe);
    if (unsafe)
        return v_undefined(name);
    if (row < 0)
        return (struct value){0};
    struct value *self = run_alloc(r, sizeof *self);
    *self = of;
    return (struct value){.kind = V_METHOD, .n = (uint32_t)row, .self = self};
}

static struct value need_defined(struct run *r, struct value of)
{
    if (of.kind == V_UNDEFINED)
        run_fail(r, ERR_USAGE, "'%.*s' is undefined", (int)(of.n < 200 ? of.n : 200), of.s);
    return of;
}

struct value v_attribute(struct run *r, struct value of, struct value name, bool item_first)
{
    need_defined(r, of);
    struct value v = {0};
    if (item_first)
        v = subscript(r, of, name);
    if (v.kind == V_ABSENT && name.kind == V_TEXT)
        v = own_attribute(r, of, v_str(name));
    if (v.kind == V_ABSENT && !item_first)
        v = subscript(r, of, name);
    return v.kind != V_ABSENT ? v : v_undefined(name.kind == V_TEXT ? v_str(name) : STR("element"));
}

struct value v_item(struct run *r, struct value of, struct value index)
{
    return v_attribute(r, of, index, true);
}

static int64_t bound(struct run *r, struct value v, int64_t n, int64_t least, int64_t most, int64_t fallback)
{
    if (v.kind == V_ABSENT || v.kind == V_NONE)
        return fallback;
    int64_t i = v_need_int(r, v, "a slice's bound");
    if (i < 0)
        i = i < -n ? least : i + n;
    return i < least ? least : i > most ? most : i;
}

struct value v_slice(struct run *r, struct value of, struct value from, struct value to, struct value step)
{
    need_defined(r, of);
    int64_t by = step.kind == V_ABSENT || step.kind == V_NONE ? 1 : v_need_int(r, step, "a slice's step");
    if (of.kind != V_TEXT && !(of.kind == V_LIST && of.list->kind <= LIST_RANGE))
        run_fail(r, ERR_USAGE, "'%s' cannot be sliced", v_kind(of));
    if (!by)
        run_fail(r, ERR_USAGE, "a slice's step cannot be zero");
    int64_t n = (int64_t)v_length(r, of);
    int64_t least = by > 0 ? 0 : -1, most = by > 0 ? n : n - 1;
    int64_t i = bound(r, from, n, least, most, by > 0 ? 0 : n - 1), end = bound(r, to, n, least, most, by > 0 ? n : -1);
    if (of.kind == V_TEXT && by == 1) {
        size_t a = text_offset(of.s, of.n, (size_t)i);
        size_t b = end > i ? text_offset(of.s + a, of.n - a, (size_t)(end - i)) : 0;
        return v_part(of, a, b);
    }
    struct list *items = v_items(r, of);
    int64_t first = i;
    struct value v = v_list(r, of.kind == V_LIST ? of.list->kind : LIST_PLAIN, 0);
    struct text t = {0};
    for (; by > 0 ? i < end : i > end; i += by) {
        run_steps(r, 1);
        if (of.kind == V_TEXT)
            text_add_value(r, &t, items->v[i]);
        else
            list_add(r, v.list, items->v[i]);
        if (by > n || -by > n)
            break;
    }
    v.literal = of.literal;
    if (of.kind == V_LIST && of.list->kind == LIST_RANGE) {
        const int64_t *was = of.list->range;
        memcpy(v.list->range, (int64_t[3]){was[0] + first * was[2], was[0] + end * was[2], was[2] * by}, sizeof v.list->range);
    }
    return of.kind == V_TEXT ? text_value(r, &t) : v;
}

/* A part of a path that is a number stands for an index. */
static struct value path_part(struct value v)
{
    int64_t index = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.s[i] < '0' || v.s[i] > '9' || v.n > 9)
            return v;
        index = index * 10 + (v.s[i] - '0');
    }
    return v.n ? v_int(index) : v;
}

struct value v_path(struct run *r, struct value of, struct value path)
{
    if (path.kind != V_TEXT)
        return v_item(r, of, path);
    for (size_t at = 0; at <= path.n;) {
        const char *dot = memchr(path.s + at, '.', path.n - at);
        size_t end = dot ? (size_t)(dot - path.s) : path.n;
        of = v_item(r, of, path_part(v_part(path, at, end - at)));
        at = end + 1;
    }
    return of;
}

/* One conversion of a format: flags, width and precision as they stand in spec, without the letter. */
static void format_one(struct run *r, struct text *t, const char *spec, char letter, struct value v)
{
    char fmt[32], out[400];
    if (letter == 's' || letter == 'r' || letter == 'c') {
        struct text shown = {0};
        if (letter == 'r')
            text_repr(r, &shown, v);
        else
            text_show(r, &shown, v);
        struct value s = text_value(r, &shown);
        const char *dot = strchr(spec, '.');
        size_t chars = v_length(r, s), most = dot ? strtoul(dot + 1, NULL, 10) : chars;
        if (most < chars) {
            s = v_part(s, 0, text_offset(s.s, s.n, most));
            chars = most;
        }
        size_t width = strtoul(spec + strspn(spec, "-+ #0"), NULL, 10);
        bool left = memchr(spec, '-', strspn(spec, "-+ #0")) != NULL;
        for (size_t i = chars; i < width && !left; i++)
            text_add(r, t, " ", 1, true);
        text_add_value(r, t, s);
        for (size_t i = chars; i < width && left; i++)
            text_add(r, t, " ", 1, true);
        return;
    }
    if (!v_number(v))
        run_fail(r, ERR_USAGE, "%%%c format: a real number is required, not %s", letter, v_kind(v));
    bool whole = strchr("dixXo", letter) != NULL;
    if (whole && v.kind == V_FLOAT && strchr("xXo", letter))
        run_fail(r, ERR_USAGE, "%%%c format: an integer is required, not float", letter);
    if (whole && v.kind == V_FLOAT && !(fabs(v.f) < 9e18))
        run_fail(r, ERR_UNSUPPORTED, "a whole number past 64 bits");
    int64_t i = !whole ? 0 : v.kind == V_FLOAT ? (int64_t)v.f : v.kind == V_INT ? v.i : v.yes;
    if (strchr("xXo", letter) && i < 0)
        run_fail(r, ERR_UNSUPPORTED, "%%%c of a negative number", letter);
    snprintf(fmt, sizeof fmt, "%%%s%s%c", spec, whole ? "ll" : "", letter);
    int n = whole ? snprintf(out, sizeof out, fmt, (long long)i) : snprintf(out, sizeof out, fmt, v_double(v));
    if (n < 0 || (size_t)n >= sizeof out)
        run_fail(r, ERR_UNSUPPORTED, "a number of more than %zu characters", sizeof out - 1);
    text_add(r, t, out, (size_t)n, v.literal);
}

struct value v_format(struct run *r, struct value format, const struct args *a)
{
    struct text t = {0};
    size_t used = 0;
    for (size_t i = 0; i < format.n;) {
        const char *percent = memchr(format.s + i, '%', format.n - i);
        size_t end = percent ? (size_t)(percent - format.s) : format.n;
        text_add_value(r, &t, v_part(format, i, end - i));
        if (!percent)
            break;
        char spec[16] = "";
        size_t n = 0;
        for (i = end + 1; i < format.n && strchr("-+ #0123456789.", format.s[i]) && format.s[i] && n + 1 < sizeof spec; i++)
            spec[n++] = format.s[i];
        spec[n] = 0;
        char letter = i < format.n ? format.s[i++] : 0;
        if (letter == '%' && !n) {
            text_add_value(r, &t, v_part(format, end, 1));
            continue;
        }
        if (!letter || !strchr("srdifFeEgGxXoc", letter) || strtoul(spec + strspn(spec, "-+ #0"), NULL, 10) > 300)
            run_fail(r, ERR_UNSUPPORTED, "a format with %%%s%c", spec, letter ? letter : ' ');
        if (used >= a->n)
            run_fail(r, ERR_USAGE, "not enough arguments for format string");
        format_one(r, &t, spec, letter, a->v[used++]);
    }
    if (used < a->n && !a->loose)
        run_fail(r, ERR_USAGE, "not all arguments converted during string formatting");
    return text_value(r, &t);
}
