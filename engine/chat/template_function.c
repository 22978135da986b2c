/* Calls of table rows: positional and named arguments go to the row's parameters; and the global functions. */
#include "engine/chat/template_value.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PARAMETERS_MAX 8

/* The n-th of a row's parameter names; length 0: there is none. */
static struct str parameter(const char *names, size_t n)
{
    for (;; n--) {
        size_t len = strcspn(names, " ");
        if (!n)
            return (struct str){names, len};
        names += len + (names[len] == ' ');
    }
}

struct value function_call(struct run *r, const struct function *f, struct value self, const struct args *a)
{
    struct value arg[PARAMETERS_MAX] = {0};
    const char *names = f->parameters;
    size_t count = 0;
    while (parameter(names, count).n)
        count++;
    bool rest = count && str_same(parameter(names, count - 1), STR("*"));
    count -= rest;
    if (a->n > count && !rest)
        run_fail(r, ERR_USAGE, "%s takes at most %zu arguments", f->name, count);
    for (size_t i = 0; i < a->n && i < count; i++)
        arg[i] = a->v[i];
    for (size_t k = 0; k < a->nnamed && !rest; k++) {
        size_t i = 0;
        while (i < count && !str_same(parameter(names, i), a->named[k].name))
            i++;
        if (i == count || arg[i].kind != V_ABSENT)
            run_fail(r, ERR_USAGE, "%s takes no argument %.*s", f->name, (int)a->named[k].name.n, a->named[k].name.p);
        arg[i] = a->named[k].v;
    }
    return f->call(r, &(struct call){self, arg, a});
}

static struct value call_range(struct run *r, const struct call *c)
{
    int64_t from = 0, to = v_need_int(r, c->arg[0], "range's argument"), step = 1;
    if (c->arg[1].kind != V_ABSENT) {
        from = to;
        to = v_need_int(r, c->arg[1], "range's argument");
    }
    if (c->arg[2].kind != V_ABSENT)
        step = v_need_int(r, c->arg[2], "range's argument");
    if (!step)
        run_fail(r, ERR_USAGE, "range() arg 3 must not be zero");
    struct value v = v_list(r, LIST_RANGE, 0);
    memcpy(v.list->range, (int64_t[3]){from, to, step}, sizeof v.list->range);
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        if (v.list->n >= TEMPLATE_RANGE_MAX)
            run_fail(r, ERR_LIMIT, "Range too big. The sandbox blocks ranges larger than %d", TEMPLATE_RANGE_MAX);
        run_steps(r, 1);
        list_add(r, v.list, v_int(i));
        if (__builtin_add_overflow(i, step, &i))
            break;
    }
    return v;
}

static struct value call_dict(struct run *r, const struct call *c)
{
    struct value v = v_dict(r);
    if (c->all->n > 1)
        run_fail(r, ERR_USAGE, "dict expected at most 1 argument");
    struct value from = c->all->n ? c->all->v[0] : (struct value){0};
    if (from.kind == V_DICT) {
        run_steps(r, from.dict->n);
        for (size_t i = 0; i < from.dict->n; i++)
            dict_set(r, v.dict, from.dict->pair[i].key, from.dict->pair[i].value);
    } else if (from.kind != V_ABSENT) {
        struct list *l = v_items(r, from);
        for (size_t i = 0; i < l->n; i++) {
            struct list *pair = v_items(r, l->v[i]);
            if (pair->n != 2)
                run_fail(r, ERR_USAGE, "dict takes pairs");
            dict_set(r, v.dict, pair->v[0], pair->v[1]);
        }
    }
    for (size_t i = 0; i < c->all->nnamed; i++)
        dict_set(r, v.dict, v_text(c->all->named[i].name, true), c->all->named[i].v);
    v.literal = from.kind == V_ABSENT || from.literal;
    return v;
}

static struct value call_namespace(struct run *r, const struct call *c)
{
    struct value v = call_dict(r, c);
    v.kind = V_NAMESPACE;
    return v;
}

static struct value call_raise(struct run *r, const struct call *c)
{
    struct text t = {0};
    text_show(r, &t, c->arg[0]);
    run_fail(r, ERR_USAGE, "%.*s", (int)(t.n < 400 ? t.n : 400), t.n ? t.s : "");
}

static struct value call_strftime(struct run *r, const struct call *c)
{
    struct value format = v_need_text(r, c->arg[0], "strftime_now's format");
    char out[512], with[256];
    time_t now = (time_t)r->now;
    struct tm tm;
    if (format.n + 2 > sizeof with || !gmtime_r(&now, &tm))
        run_fail(r, ERR_USAGE, "a date's format of %u bytes", format.n);
    memcpy(with, format.s, format.n);
    memcpy(with + format.n, "\n", 2); /* so that an empty result differs from one that does not fit */
    size_t n = strftime(out, sizeof out, with, &tm);
    if (!n)
        run_fail(r, ERR_LIMIT, "a date of more than %zu bytes", sizeof out);
    struct text t = {0};
    text_add(r, &t, out, n - 1, format.literal && !format.origin);
    return text_value(r, &t);
}

static struct value call_cycler(struct run *r, const struct call *c)
{
    if (!c->all->n)
        run_fail(r, ERR_USAGE, "at least one item has to be provided");
    struct cycler *y = run_alloc(r, sizeof *y);
    *y = (struct cycler){.items = v_list(r, LIST_PLAIN, c->all->n).list};
    for (size_t i = 0; i < c->all->n; i++)
        list_add(r, y->items, c->all->v[i]);
    return (struct value){.kind = V_CYCLER, .cycler = y};
}

static struct value call_joiner(struct run *r, const struct call *c)
{
    struct cycler *y = run_alloc(r, sizeof *y);
    *y = (struct cycler){.separator = c->arg[0].kind == V_ABSENT ? v_text(STR(", "), true) : c->arg[0]};
    return (struct value){.kind = V_JOINER, .cycler = y};
}

/* To add a global function: a row. */
static const struct function global[] = {
    {"range", "start stop step", call_range},
    {"dict", "*", call_dict},
    {"namespace", "*", call_namespace},
    {"raise_exception", "message", call_raise},
    {"strftime_now", "format", call_strftime},
    {"cycler", "*", call_cycler},
    {"joiner", "sep", call_joiner},
};

int global_row(struct str name)
{
    for (size_t i = 0; i < sizeof global / sizeof *global; i++)
        if (str_same(name, str_of(global[i].name)))
            return (int)i;
    return -1;
}

struct value global_call(struct run *r, int row, const struct args *a)
{
    return function_call(r, &global[row], (struct value){0}, a);
}
