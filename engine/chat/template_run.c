/* The interpreter: statements print to run->out, expressions give values, names are looked up in frames.
 *
 * A frame is a scope: for-blocks (each round), macros, calls, with; not if-blocks. A name is looked up from the inside out;
 * a `set` writes the innermost frame. */
#include "engine/chat/template_value.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define LOOP_DEPTH_MAX 100 /* of recursive for-blocks, as deep as the context can be */

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static struct value eval(struct run *r, uint32_t at);
static enum flow exec(struct run *r, uint32_t first);

static const struct node *node(const struct run *r, uint32_t at)
{
    return &r->t->node[at];
}

static void enter(struct run *r, const struct node *n)
{
    r->line = n->line;
    run_steps(r, 1);
    if (++r->depth > TEMPLATE_RUN_DEPTH_MAX)
        run_fail(r, ERR_LIMIT, "the template nests deeper than %d", TEMPLATE_RUN_DEPTH_MAX);
}

/* frames */

static struct frame *frame_new(struct run *r, struct frame *up)
{
    struct frame *f = run_alloc(r, sizeof *f);
    *f = (struct frame){.up = up};
    return f;
}

/* The frame of a loop's next round: the one of the last, where nothing can look at it any more. */
static struct frame *frame_again(struct run *r, struct frame *f, struct frame *up)
{
    if (!f || f->kept)
        return frame_new(r, up);
    f->n = 0;
    return f;
}

static void frame_keep(struct frame *f)
{
    for (; f && !f->kept; f = f->up)
        f->kept = true;
}

static struct value *frame_find(const struct frame *f, uint32_t name)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->var[i].name == name)
            return &f->var[i].v;
    return NULL;
}

static void frame_set(struct run *r, struct frame *f, uint32_t name, struct value v)
{
    struct value *old = frame_find(f, name);
    if (old) {
        *old = v;
        return;
    }
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 4;
        struct var *grown = run_alloc(r, cap * sizeof *grown);
        if (f->n)
            memcpy(grown, f->var, f->n * sizeof *grown);
        f->var = grown;
        f->cap = cap;
    }
    f->var[f->n++] = (struct var){name, v};
}

static struct value look_up(struct run *r, uint32_t name)
{
    for (const struct frame *f = r->frame; f; f = f->up) {
        struct value *v = frame_find(f, name);
        if (v)
            return *v;
    }
    int row = global_row(r->t->names[name]);
    if (row >= 0)
        return (struct value){.kind = V_GLOBAL, .n = (uint32_t)row};
    return v_undefined(r->t->names[name]);
}

static void assign(struct run *r, uint32_t target, struct value v)
{
    const struct node *n = node(r, target);
    r->line = n->line;
    if (n->kind == N_NAME) {
        frame_set(r, r->frame, (uint32_t)n->i, v);
    } else if (n->kind == N_NSREF) {
        struct value space = look_up(r, (uint32_t)n->i);
        if (space.kind != V_NAMESPACE)
            run_fail(r, ERR_USAGE, "cannot assign attribute on non-namespace object");
        dict_set(r, space.dict, v_text(n->s, true), v);
    } else {
        struct list *l = v_items(r, v);
        size_t i = 0;
        for (uint32_t k = n->a; k; k = node(r, k)->next, i++) {
            if (i >= l->n)
                run_fail(r, ERR_USAGE, "not enough values to unpack");
            assign(r, k, l->v[i]);
        }
        if (i < l->n)
            run_fail(r, ERR_USAGE, "too many values to unpack (expected %zu)", i);
    }
}

/* Runs a body with its output caught. */
static struct value caught(struct run *r, uint32_t body, enum flow *flow)
{
    struct text t = {0}, *outer = r->out;
    r->out = &t;
    *flow = exec(r, body);
    r->out = outer;
    return text_value(r, &t);
}

/* calls */

static void args_add(struct run *r, struct args *a, size_t *cap, struct value v)
{
    if (a->n == *cap) {
        *cap = *cap ? *cap * 2 : 4;
        struct value *grown = run_alloc(r, *cap * sizeof *grown);
        if (a->n)
            memcpy(grown, a->v, a->n * sizeof *grown);
        a->v = grown;
    }
    a->v[a->n++] = v;
}

static void args_name(struct run *r, struct args *a, size_t *cap, struct str name, struct value v)
{
    for (size_t i = 0; i < a->nnamed; i++)
        if (str_same(a->named[i].name, name))
            run_fail(r, ERR_USAGE, "the argument %.*s is given twice", (int)(name.n < 80 ? name.n : 80), name.p);
    if (a->nnamed == *cap) {
        *cap = *cap ? *cap * 2 : 4;
        struct named *grown = run_alloc(r, *cap * sizeof *grown);
        if (a->nnamed)
            memcpy(grown, a->named, a->nnamed * sizeof *grown);
        a->named = grown;
    }
    a->named[a->nnamed++] = (struct named){name, v};
}

static struct args arguments(struct run *r, uint32_t first)
{
    struct args a = {0};
    size_t cap = 0, named_cap = 0;
    for (uint32_t i = first; i; i = node(r, i)->next) {
        const struct node *n = node(r, i);
        struct value v = eval(r, n->a);
        if (n->kind == N_ARG) {
            args_add(r, &a, &cap, v);
        } else if (n->kind == N_KWARG) {
            args_name(r, &a, &named_cap, n->s, v);
        } else if (n->kind == N_STAR) {
            struct list *l = v_items(r, v);
            run_steps(r, l->n);
            for (size_t k = 0; k < l->n; k++)
                args_add(r, &a, &cap, l->v[k]);
        } else {
            if (v.kind != V_DICT)
                run_fail(r, ERR_USAGE, "argument after ** must be a mapping, not %s", v_kind(v));
            for (size_t k = 0; k < v.dict->n; k++)
                args_name(r, &a, &named_cap, v_str(v_need_text(r, v.dict->pair[k].key, "an argument's name")), v.dict->pair[k].value);
        }
    }
    return a;
}

/* Binds what a macro was called with in its frame; what has no parameter goes to varargs and kwargs, where they are used. */
static void bind(struct run *r, struct frame *f, const struct node *m, const struct args *a, const struct value *caller)
{
    size_t at = 0, used = 0;
    r->frame = f; /* defaults see the parameters before them */
    for (uint32_t p = m->a; p; p = node(r, p)->next, at++) {
        const struct node *parameter = node(r, p);
        struct str name = r->t->names[parameter->i];
        struct value v = at < a->n ? a->v[at] : (struct value){0};
        for (size_t k = 0; k < a->nnamed; k++)
            if (str_same(a->named[k].name, name)) {
                if (v.kind != V_ABSENT)
                    run_fail(r, ERR_USAGE, "macro got the argument %.*s twice", (int)(name.n < 80 ? name.n : 80), name.p);
                v = a->named[k].v;
                used++;
            }
        if (v.kind == V_ABSENT)
            v = parameter->a ? eval(r, parameter->a) : v_undefined(name);
        frame_set(r, f, (uint32_t)parameter->i, v);
    }
    struct value rest = v_list(r, LIST_TUPLE, 0), named = v_dict(r);
    for (size_t i = at; i < a->n; i++)
        list_add(r, rest.list, a->v[i]);
    if ((rest.list->n && !(m->op & MACRO_VARARGS)) || (used < a->nnamed && !(m->op & MACRO_KWARGS)) || (caller && !(m->op & MACRO_CALLER)))
        run_fail(r, ERR_USAGE, "macro takes not more than %zu argument(s)", at);
    for (size_t k = 0; used < a->nnamed && k < a->nnamed; k++) {
        bool bound = false;
        for (uint32_t p = m->a; p; p = node(r, p)->next)
            bound |= str_same(a->named[k].name, r->t->names[node(r, p)->i]);
        if (!bound)
            dict_set(r, named.dict, v_text(a->named[k].name, true), a->named[k].v);
    }
    for (uint32_t i = 0; i < r->t->nnames; i++) {
        struct str name = r->t->names[i];
        if (m->op & MACRO_VARARGS && str_same(name, STR("varargs")))
            frame_set(r, f, i, rest);
        else if (m->op & MACRO_KWARGS && str_same(name, STR("kwargs")))
            frame_set(r, f, i, named);
        else if (m->op & MACRO_CALLER && str_same(name, STR("caller")))
            frame_set(r, f, i, caller ? *caller : v_undefined(STR("No caller defined")));
    }
}

static struct value call_macro(struct run *r, const struct macro *m, const struct args *a, const struct value *caller)
{
    struct frame *outer = r->frame;
    enum flow flow;
    bind(r, frame_new(r, m->frame), m->node, a, caller);
    struct value v = caught(r, m->node->b, &flow);
    r->frame = outer;
    return v;
}

static struct value run_loop(struct run *r, const struct node *n, struct value what, size_t depth, struct frame *up, enum flow *flow);

static struct value call_loop(struct run *r, const struct loop *l, const struct args *a)
{
    struct text t = {0}, *outer = r->out;
    struct frame *frame = r->frame;
    enum flow flow;
    if (!l->node || a->n != 1)
        run_fail(r, ERR_USAGE, "the loop must have the 'recursive' marker to be called, with one argument");
    if (l->depth0 + 1 >= LOOP_DEPTH_MAX)
        run_fail(r, ERR_LIMIT, "a loop that calls itself deeper than %d", LOOP_DEPTH_MAX);
    r->out = &t;
    run_loop(r, l->node, a->v[0], l->depth0 + 1, l->frame, &flow);
    r->out = outer;
    r->frame = frame;
    return text_value(r, &t);
}

static struct value call_joiner(struct value of)
{
    bool first = !of.cycler->at;
    of.cycler->at = 1;
    return first ? v_text(STR(""), true) : of.cycler->separator;
}

struct value run_call(struct run *r, struct value f, const struct args *a, const struct value *caller)
{
    switch (f.kind) {
    case V_MACRO:
        return call_macro(r, f.macro, a, caller);
    case V_GLOBAL:
        return global_call(r, (int)f.n, a);
    case V_METHOD:
        return method_call(r, (int)f.n, *f.self, a);
    case V_LOOP:
        return call_loop(r, f.loop, a);
    case V_JOINER:
        return call_joiner(f);
    case V_UNDEFINED:
        run_fail(r, ERR_USAGE, "'%.*s' is undefined", (int)(f.n < 200 ? f.n : 200), f.s);
    default:
        run_fail(r, ERR_USAGE, "'%s' object is not callable", v_kind(f));
    }
}

/* expressions */

static struct value literal(struct value v)
{
    v.literal = 1;
    return v;
}

static struct value eval_list(struct run *r, const struct node *n, enum list_kind kind)
{
    struct value v = v_list(r, kind, 0);
    for (uint32_t i = n->a; i; i = node(r, i)->next)
        list_add(r, v.list, eval(r, i));
    return literal(v);
}

static struct value eval_dict(struct run *r, const struct node *n)
{
    struct value v = v_dict(r);
    for (uint32_t i = n->a; i; i = node(r, i)->next) {
        struct value key = eval(r, node(r, i)->a);
        dict_set(r, v.dict, key, eval(r, node(r, i)->b));
    }
    return literal(v);
}

static struct value eval_concat(struct run *r, const struct node *n)
{
    struct text t = {0};
    for (uint32_t i = n->a; i; i = node(r, i)->next)
        text_show(r, &t, eval(r, i));
    return text_value(r, &t);
}

static struct value eval_compare(struct run *r, const struct node *n)
{
    struct value left = eval(r, n->a);
    for (uint32_t i = n->b; i; i = node(r, i)->next) {
        struct value right = eval(r, node(r, i)->a);
        int op = node(r, i)->op2;
        bool ordered = op == '<' || op == '>' || op == OP2('<', '=') || op == OP2('>', '=');
        struct value u = left.kind == V_UNDEFINED ? left : right;
        if (ordered && u.kind == V_UNDEFINED)
            run_fail(r, ERR_USAGE, "'%.*s' is undefined", (int)(u.n < 200 ? u.n : 200), u.s);
        if (!v_compare(r, op, left, right))
            return v_bool(false);
        left = right;
    }
    return v_bool(true);
}

static struct value eval_item(struct run *r, const struct node *n)
{
    struct value of = eval(r, n->a);
    const struct node *index = node(r, n->b);
    if (index->kind != N_SLICE)
        return v_item(r, of, eval(r, n->b));
    struct value from = index->a ? eval(r, index->a) : v_none(), to = index->b ? eval(r, index->b) : v_none();
    return v_slice(r, of, from, to, index->c ? eval(r, index->c) : v_none());
}

static struct value eval_sign(struct run *r, const struct node *n)
{
    struct value v = eval(r, n->a), zero = literal(v_int(0));
    if (v.kind == V_FLOAT) {
        v.f = n->kind == N_NEG ? -v.f : v.f;
        return v;
    }
    if (!v_number(v))
        run_fail(r, ERR_USAGE, "bad operand type for a sign: '%s'", v_kind(v));
    return v_operate(r, n->kind == N_NEG ? '-' : '+', zero, v);
}

static struct value eval_plain(struct run *r, const struct node *n)
{
    switch (n->kind) {
    case N_STR:
        return v_text(n->s, true);
    case N_INT:
        return literal(v_int(n->i));
    case N_FLOAT:
        return literal(v_float(n->f));
    case N_BOOL:
        return literal(v_bool(n->i != 0));
    case N_NONE:
        return literal(v_none());
    case N_NAME:
        return look_up(r, (uint32_t)n->i);
    case N_LIST:
        return eval_list(r, n, LIST_PLAIN);
    case N_TUPLE:
        return eval_list(r, n, LIST_TUPLE);
    case N_DICT:
        return eval_dict(r, n);
    default:
        run_fail(r, ERR_INTERNAL, "a node of kind %d", n->kind);
    }
}

static struct value eval_node(struct run *r, const struct node *n)
{
    struct value v;
    switch (n->kind) {
    case N_NEG:
    case N_POS:
        return eval_sign(r, n);
    case N_NOT:
        return v_bool(!v_true(r, eval(r, n->a)));
    case N_BINARY:
        v = eval(r, n->a);
        return v_operate(r, n->op2, v, eval(r, n->b));
    case N_AND:
        v = eval(r, n->a);
        return v_true(r, v) ? eval(r, n->b) : v;
    case N_OR:
        v = eval(r, n->a);
        return v_true(r, v) ? v : eval(r, n->b);
    case N_CONCAT:
        return eval_concat(r, n);
    case N_COMPARE:
        return eval_compare(r, n);
    case N_COND:
        if (v_true(r, eval(r, n->a)))
            return eval(r, n->b);
        return n->c ? eval(r, n->c) : v_undefined(STR("the inline if-expression evaluated to false and no else section was defined"));
    case N_ATTR:
        return v_attribute(r, eval(r, n->a), v_text(n->s, true), false);
    case N_ITEM:
        return eval_item(r, n);
    default:
        return eval_plain(r, n);
    }
}

static struct value eval_call(struct run *r, const struct node *n)
{
    if (n->kind == N_CALL) {
        struct value f = eval(r, n->a);
        struct args a = arguments(r, n->b);
        r->line = n->line;
        return run_call(r, f, &a, NULL);
    }
    struct value self = n->a ? eval(r, n->a) : r->filtered;
    struct args a = arguments(r, n->b);
    r->line = n->line;
    if (n->kind == N_FILTER)
        return filter_call(r, (int)n->i, self, &a);
    return v_bool(test_call(r, (int)n->i, self, &a) != n->op);
}

static struct value eval(struct run *r, uint32_t at)
{
    const struct node *n = node(r, at);
    enter(r, n);
    bool call = n->kind == N_CALL || n->kind == N_FILTER || n->kind == N_TEST;
    struct value v = call ? eval_call(r, n) : eval_node(r, n);
    r->depth--;
    return v;
}

/* statements */

static struct list *filtered(struct run *r, const struct node *n, struct list *from)
{
    struct list *kept = v_list(r, LIST_PLAIN, 0).list;
    struct frame *outer = r->frame, *round = NULL;
    for (size_t i = 0; i < from->n; i++) {
        r->frame = round = frame_again(r, round, outer);
        assign(r, n->a, from->v[i]);
        if (v_true(r, eval(r, n->c)))
            list_add(r, kept, from->v[i]);
    }
    r->frame = outer;
    return kept;
}

static uint32_t loop_name(const struct run *r)
{
    uint32_t i = 0;
    while (i < r->t->nnames && !str_same(r->t->names[i], STR("loop")))
        i++;
    return i; /* nnames: nobody asks for it */
}

static struct value run_loop(struct run *r, const struct node *n, struct value what, size_t depth, struct frame *up, enum flow *flow)
{
    const struct node *other = n->next && node(r, n->next)->kind == N_ELSE ? node(r, n->next) : NULL;
    r->frame = up;
    struct list *items = v_items(r, what);
    if (n->c)
        items = filtered(r, n, items);
    struct loop *loop = run_alloc(r, sizeof *loop);
    *loop = (struct loop){.items = items, .depth0 = depth, .node = n->op ? n : NULL, .frame = up};
    struct value self = {.kind = V_LOOP, .loop = loop};
    uint32_t name = loop_name(r);
    bool finished = false; /* a round that came to its end: break and continue do not count */
    struct frame *frame = NULL;
    *flow = FLOW_ON;
    for (size_t i = 0; i < items->n; i++) {
        run_steps(r, 1);
        loop->index0 = i;
        r->frame = frame = frame_again(r, frame, up);
        if (name < r->t->nnames)
            frame_set(r, r->frame, name, self);
        assign(r, n->a, items->v[i]);
        enum flow round = exec(r, n->d);
        if (round == FLOW_BREAK)
            break;
        finished |= round == FLOW_ON;
    }
    if (!finished && other) {
        r->frame = frame_new(r, up);
        *flow = exec(r, other->a);
    }
    r->frame = up;
    return v_none();
}

static enum flow exec_for(struct run *r, const struct node *n)
{
    enum flow flow;
    run_loop(r, n, eval(r, n->b), 0, r->frame, &flow);
    return flow;
}

static enum flow exec_if(struct run *r, const struct node *n)
{
    for (uint32_t i = n->a; i; i = node(r, i)->next) {
        const struct node *branch = node(r, i);
        if (!branch->a || v_true(r, eval(r, branch->a)))
            return exec(r, branch->b);
    }
    return FLOW_ON;
}

/* filters on the text of a block */
static struct value through(struct run *r, uint32_t filters, struct value text)
{
    struct value outer = r->filtered;
    r->filtered = text;
    struct value v = filters ? eval(r, filters) : text;
    r->filtered = outer;
    return v;
}

/* A body in a scope of its own whose text is caught. */
static struct value scoped(struct run *r, uint32_t body, enum flow *flow)
{
    struct frame *outer = r->frame;
    r->frame = frame_new(r, outer);
    struct value v = caught(r, body, flow);
    r->frame = outer;
    return v;
}

static void exec_call_block(struct run *r, const struct node *n)
{
    const struct node *call = node(r, n->a);
    struct macro body = {node(r, n->b), r->frame};
    frame_keep(r->frame);
    struct macro *caller = run_alloc(r, sizeof *caller);
    *caller = body;
    struct value self = {.kind = V_MACRO, .macro = caller};
    struct value f = eval(r, call->a);
    struct args a = arguments(r, call->b);
    if (f.kind != V_MACRO)
        run_fail(r, ERR_USAGE, "'%s' takes no caller", v_kind(f));
    text_show(r, r->out, run_call(r, f, &a, &self));
}

static enum flow exec_with(struct run *r, const struct node *n)
{
    struct frame *outer = r->frame, *inner = frame_new(r, outer);
    for (uint32_t i = n->a; i; i = node(r, i)->next) { /* all values are outer ones */
        struct value v = eval(r, node(r, i)->b);
        frame_set(r, inner, (uint32_t)node(r, node(r, i)->a)->i, v);
    }
    r->frame = inner;
    enum flow flow = exec(r, n->b);
    r->frame = outer;
    return flow;
}

static void exec_macro(struct run *r, const struct node *n)
{
    struct macro *m = run_alloc(r, sizeof *m);
    *m = (struct macro){n, r->frame};
    frame_keep(r->frame);
    frame_set(r, r->frame, (uint32_t)n->i, (struct value){.kind = V_MACRO, .macro = m});
}

static enum flow exec_one(struct run *r, const struct node *n)
{
    enum flow flow = FLOW_ON;
    struct value v;
    switch (n->kind) {
    case N_TEXT:
        text_add(r, r->out, n->s.p, n->s.n, true);
        return FLOW_ON;
    case N_PRINT:
        text_show(r, r->out, eval(r, n->a));
        return FLOW_ON;
    case N_FOR:
        return exec_for(r, n);
    case N_IF:
        return exec_if(r, n);
    case N_SET:
        assign(r, n->a, eval(r, n->b));
        return FLOW_ON;
    case N_SET_BLOCK:
        v = scoped(r, n->c, &flow);
        assign(r, n->a, through(r, n->b, v));
        return flow;
    case N_MACRO:
        exec_macro(r, n);
        return FLOW_ON;
    case N_CALL_BLOCK:
        exec_call_block(r, n);
        return FLOW_ON;
    case N_FILTER_BLOCK:
        v = scoped(r, n->b, &flow);
        text_show(r, r->out, through(r, n->a, v));
        return flow;
    case N_WITH:
        return exec_with(r, n);
    case N_SCOPE:
        text_show(r, r->out, scoped(r, n->a, &flow));
        return flow;
    case N_BREAK:
        return FLOW_BREAK;
    case N_CONTINUE:
        return FLOW_CONTINUE;
    default: /* N_ELSE: its for-block has run it */
        return FLOW_ON;
    }
}

static enum flow exec(struct run *r, uint32_t first)
{
    for (uint32_t i = first; i; i = node(r, i)->next) {
        const struct node *n = node(r, i);
        enter(r, n);
        enum flow flow = exec_one(r, n);
        r->depth--;
        if (flow != FLOW_ON)
            return flow;
    }
    return FLOW_ON;
}

/* A role out of the fixed list is as good as the template's own: "<|" + message.role + "|>" is how some write their tokens,
 * and who calls chooses roles, never who is quoted. */
static void trust_roles(struct run *r, struct value messages)
{
    static const char *const known[] = {"system", "developer", "user", "assistant", "tool", "function", "ipython", "model", "documents"};
    struct value key = v_text(STR("role"), true);
    for (size_t i = 0; messages.kind == V_LIST && i < messages.list->n; i++) {
        struct value m = messages.list->v[i];
        const struct value *role = m.kind == V_DICT ? dict_get(r, m.dict, key) : NULL;
        for (size_t k = 0; role && k < sizeof known / sizeof *known; k++)
            if (v_is_text(*role, known[k])) {
                struct value mine = *role;
                mine.literal = 1;
                dict_set(r, m.dict, key, mine);
                break;
            }
    }
}

/* The context's members that the template names. */
static void load_context(struct run *r, const json_t *context, const char *const *literals)
{
    for (uint32_t i = 0; i < r->t->nnames; i++) {
        struct str name = r->t->names[i];
        char *key = arena_strn(&r->arena, name.p, name.n);
        const json_t *j = json_object_get(context, key);
        if (!j)
            continue;
        bool own = false;
        for (size_t k = 0; literals && literals[k]; k++)
            own |= !strcmp(key, literals[k]);
        struct value v = v_json(r, j, own, 0);
        if (!strcmp(key, "messages"))
            trust_roles(r, v);
        frame_set(r, r->root, i, v);
    }
}

static void render(struct run *r, const json_t *context, const char *const *literals)
{
    r->root = frame_new(r, NULL);
    load_context(r, context, literals);
    r->frame = frame_new(r, r->root);
    exec(r, r->t->first);
}

int chat_template_render(struct rendered *out, const struct chat_template *t, const json_t *context, const char *const *literals,
                         int64_t now, struct err *e)
{
    *out = (struct rendered){BUF_INIT, BUF_INIT};
    struct run *r = mem_zero(1, sizeof *r); /* not on the stack: longjmp would leave its fields undefined */
    struct text *text = mem_zero(1, sizeof *text);
    r->t = t;
    r->now = now;
    r->e = e;
    r->out = text;
    arena_init(&r->arena);
    if (!setjmp(r->leave)) {
        render(r, context, literals);
        buf_add(&out->text, text->s ? text->s : "", text->n);
        buf_add(&out->origin, text->origin ? (const char *)text->origin : "", text->n);
    }
    int rc = r->rc;
    arena_release(&r->arena);
    free(text);
    free(r);
    return rc;
}

void rendered_release(struct rendered *r)
{
    buf_release(&r->text);
    buf_release(&r->origin);
}
