/* What stands behind `is`. */
#include "engine/chat/template_value.h"

#include <string.h>

static struct value is_defined(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind != V_UNDEFINED);
}

static struct value is_undefined(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_UNDEFINED);
}

static struct value is_none(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_NONE);
}

static struct value is_boolean(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_BOOL);
}

static struct value is_true(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_BOOL && c->self.yes);
}

static struct value is_false(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_BOOL && !c->self.yes);
}

static struct value is_integer(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_INT);
}

static struct value is_float(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_FLOAT);
}

static struct value is_number(struct run *r, const struct call *c)
{
    return v_bool(v_number(c->self));
}

static struct value is_string(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_TEXT);
}

static struct value is_mapping(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_DICT);
}

/* What has a length and an index: an undefined value has both in the reference. */
static struct value is_sequence(struct run *r, const struct call *c)
{
    struct value v = c->self;
    return v_bool(v.kind == V_TEXT || v.kind == V_DICT || v.kind == V_UNDEFINED || (v.kind == V_LIST && v.list->kind <= LIST_RANGE));
}

static struct value is_iterable(struct run *r, const struct call *c)
{
    struct value v = c->self;
    return v_bool(v.kind == V_TEXT || v.kind == V_DICT || v.kind == V_UNDEFINED || v.kind == V_LIST || v.kind == V_LOOP);
}

static struct value is_callable(struct run *r, const struct call *c)
{
    struct value v = c->self;
    return v_bool(v.kind == V_MACRO || v.kind == V_METHOD || v.kind == V_GLOBAL || v.kind == V_JOINER || v.kind == V_LOOP ||
                  v.kind == V_UNDEFINED);
}

static struct value is_escaped(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_TEXT && c->self.markup);
}

static struct value is_same(struct run *r, const struct call *c)
{
    struct value a = c->self, b = c->arg[0];
    bool same = a.kind == b.kind && (a.kind == V_NONE || (a.kind == V_BOOL && a.yes == b.yes) || (a.kind == V_INT && a.i == b.i) ||
                                     (a.kind == V_LIST && a.list == b.list) || (a.kind == V_DICT && a.dict == b.dict) ||
                                     (a.kind == V_TEXT && str_same(v_str(a), v_str(b))));
    return v_bool(same);
}

static struct value remainder_is(struct run *r, const struct call *c, struct value by, int64_t want)
{
    return v_bool(v_same(r, v_operate(r, '%', c->self, by), v_int(want)));
}

static struct value is_odd(struct run *r, const struct call *c)
{
    return remainder_is(r, c, v_int(2), 1);
}

static struct value is_even(struct run *r, const struct call *c)
{
    return remainder_is(r, c, v_int(2), 0);
}

static struct value is_divisible(struct run *r, const struct call *c)
{
    return remainder_is(r, c, c->arg[0], 0);
}

static struct value is_equal(struct run *r, const struct call *c)
{
    return v_bool(v_same(r, c->self, c->arg[0]));
}

static struct value is_not_equal(struct run *r, const struct call *c)
{
    return v_bool(!v_same(r, c->self, c->arg[0]));
}

static struct value is_less(struct run *r, const struct call *c)
{
    return v_bool(v_compare(r, '<', c->self, c->arg[0]));
}

static struct value is_at_most(struct run *r, const struct call *c)
{
    return v_bool(v_compare(r, OP2('<', '='), c->self, c->arg[0]));
}

static struct value is_greater(struct run *r, const struct call *c)
{
    return v_bool(v_compare(r, '>', c->self, c->arg[0]));
}

static struct value is_at_least(struct run *r, const struct call *c)
{
    return v_bool(v_compare(r, OP2('>', '='), c->self, c->arg[0]));
}

static struct value is_in(struct run *r, const struct call *c)
{
    return v_bool(v_contains(r, c->arg[0], c->self));
}

static struct value all_case(struct run *r, const struct call *c, bool upper)
{
    struct value v = v_show(r, c->self);
    bool some = false;
    for (size_t i = 0; i < v.n;) {
        uint32_t ch;
        i += text_char(v.s + i, v.s + v.n, &ch);
        if (upper ? text_is_lower(ch) : text_is_upper(ch))
            return v_bool(false);
        some |= upper ? text_is_upper(ch) : text_is_lower(ch);
    }
    return v_bool(some);
}

static struct value is_upper(struct run *r, const struct call *c)
{
    return all_case(r, c, true);
}

static struct value is_lower(struct run *r, const struct call *c)
{
    return all_case(r, c, false);
}

static struct value is_filter(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_TEXT && template_filter_row(v_str(c->self)) >= 0);
}

static struct value is_test(struct run *r, const struct call *c)
{
    return v_bool(c->self.kind == V_TEXT && template_test_row(v_str(c->self)) >= 0);
}

/* To add a test: a row. Signs can be named only by select() and its like. */
static const struct function test[] = {
    {"defined", "", is_defined}, {"undefined", "", is_undefined}, {"none", "", is_none}, {"boolean", "", is_boolean},
    {"true", "", is_true}, {"false", "", is_false}, {"integer", "", is_integer}, {"float", "", is_float}, {"number", "", is_number},
    {"string", "", is_string}, {"mapping", "", is_mapping}, {"sequence", "", is_sequence}, {"iterable", "", is_iterable},
    {"callable", "", is_callable}, {"escaped", "", is_escaped}, {"sameas", "other", is_same}, {"odd", "", is_odd},
    {"even", "", is_even}, {"divisibleby", "num", is_divisible}, {"equalto", "other", is_equal}, {"eq", "other", is_equal},
    {"==", "other", is_equal}, {"ne", "other", is_not_equal}, {"!=", "other", is_not_equal}, {"lt", "other", is_less},
    {"<", "other", is_less}, {"lessthan", "other", is_less}, {"le", "other", is_at_most}, {"<=", "other", is_at_most},
    {"gt", "other", is_greater}, {">", "other", is_greater}, {"greaterthan", "other", is_greater}, {"ge", "other", is_at_least},
    {">=", "other", is_at_least}, {"in", "seq", is_in}, {"upper", "", is_upper}, {"lower", "", is_lower}, {"filter", "", is_filter},
    {"test", "", is_test},
};

int template_test_row(struct str name)
{
    for (size_t i = 0; i < sizeof test / sizeof *test; i++)
        if (str_same(name, str_of(test[i].name)))
            return (int)i;
    return -1;
}

bool test_call(struct run *r, int row, struct value self, const struct args *a)
{
    const struct function *f = &test[row];
    if (f->parameters[0] && a->n + a->nnamed < 1)
        run_fail(r, ERR_USAGE, "the test %s needs an argument", f->name);
    return function_call(r, f, self, a).yes;
}
