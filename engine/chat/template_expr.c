/* Expressions, from the loosest to the tightest: a if b else c; or; and; not; comparisons; + -; ~; * / // %; **;
 * a sign; then what stands behind a value: .name [index] (call) |filter `is` test. */
#include "base/mem.h"
#include "engine/chat/template_tree.h"

#include <string.h>

static uint32_t parse_unary(struct parse *p, bool filters);
static uint32_t parse_or(struct parse *p);

static void deeper(struct parse *p)
{
    if (++p->depth > TEMPLATE_NEST_MAX * 2)
        parse_fail(p, ERR_LIMIT, parse_peek(p)->line, "nested deeper than %d", TEMPLATE_NEST_MAX);
}

static uint32_t binary(struct parse *p, enum node_kind kind, int op, uint32_t a, uint32_t b, uint32_t line)
{
    uint32_t n = parse_node(p, kind, line);
    p->t->node[n].op2 = (uint16_t)op;
    p->t->node[n].a = a;
    p->t->node[n].b = b;
    return n;
}

/* Appends to a list of siblings. */
static void append(struct parse *p, uint32_t *first, uint32_t *last, uint32_t n)
{
    if (*last)
        p->t->node[*last].next = n;
    else
        *first = n;
    *last = n;
}

static bool ends_tuple(struct parse *p, const char *end)
{
    struct token *t = parse_peek(p);
    return t->kind == T_VAR_END || t->kind == T_BLOCK_END || (t->kind == T_OP && t->op == ')') || (end && parse_is_word(p, end));
}

uint32_t parse_tuple(struct parse *p, bool cond, bool brackets, const char *end)
{
    uint32_t line = parse_peek(p)->line, first = 0, last = 0;
    bool tuple = false;
    while (!ends_tuple(p, end)) {
        append(p, &first, &last, cond ? parse_expression(p) : parse_or(p));
        if (!parse_op(p, ','))
            break;
        tuple = true;
    }
    if (!tuple && first)
        return first;
    if (!tuple && !brackets)
        parse_fail(p, ERR_FORMAT, line, "an expression was expected");
    uint32_t n = parse_node(p, N_TUPLE, line);
    p->t->node[n].a = first;
    return n;
}

static uint32_t parse_list(struct parse *p, uint32_t line)
{
    uint32_t n = parse_node(p, N_LIST, line), first = 0, last = 0;
    while (!parse_op(p, ']')) {
        if (first)
            parse_expect_op(p, ',');
        if (parse_op(p, ']'))
            break;
        append(p, &first, &last, parse_expression(p));
    }
    p->t->node[n].a = first;
    return n;
}

static uint32_t parse_dict(struct parse *p, uint32_t line)
{
    uint32_t n = parse_node(p, N_DICT, line), first = 0, last = 0;
    while (!parse_op(p, '}')) {
        if (first)
            parse_expect_op(p, ',');
        if (parse_op(p, '}'))
            break;
        uint32_t pair = parse_node(p, N_PAIR, line), key = parse_expression(p);
        parse_expect_op(p, ':');
        uint32_t value = parse_expression(p);
        p->t->node[pair].a = key;
        p->t->node[pair].b = value;
        append(p, &first, &last, pair);
    }
    p->t->node[n].a = first;
    return n;
}

static uint32_t parse_text(struct parse *p)
{
    struct token *t = parse_peek(p);
    uint32_t n = parse_node(p, N_STR, t->line);
    struct str s = t->s;
    for (p->at++; (t = parse_peek(p))->kind == T_STR; p->at++) {
        char *joined = arena_alloc(&p->t->arena, s.n + t->s.n + 1);
        memcpy(joined, s.p, s.n);
        memcpy(joined + s.n, t->s.p, t->s.n);
        s = (struct str){joined, s.n + t->s.n};
    }
    p->t->node[n].s = s;
    return n;
}

static void mark_used(struct parse *p, struct str name)
{
    if (!p->used)
        return;
    *p->used |= str_same(name, STR("varargs")) ? MACRO_VARARGS : str_same(name, STR("kwargs")) ? MACRO_KWARGS : 0;
    *p->used |= str_same(name, STR("caller")) ? MACRO_CALLER : 0;
}

static uint32_t parse_named(struct parse *p)
{
    struct token *t = parse_peek(p);
    static const struct {
        const char *word;
        enum node_kind kind;
        int64_t value;
    } word[] = {{"true", N_BOOL, 1}, {"True", N_BOOL, 1}, {"false", N_BOOL, 0}, {"False", N_BOOL, 0}, {"none", N_NONE, 0}, {"None", N_NONE, 0}};
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (parse_word(p, word[i].word)) {
            uint32_t n = parse_node(p, word[i].kind, t->line);
            p->t->node[n].i = word[i].value;
            return n;
        }
    p->at++;
    mark_used(p, t->s);
    uint32_t n = parse_node(p, N_NAME, t->line);
    p->t->node[n].i = parse_name(p, t->s);
    return n;
}

static uint32_t parse_primary(struct parse *p)
{
    struct token *t = parse_peek(p);
    uint32_t line = t->line, n = 0;
    deeper(p);
    if (t->kind == T_NAME) {
        n = parse_named(p);
    } else if (t->kind == T_STR) {
        n = parse_text(p);
    } else if (t->kind == T_INT || t->kind == T_FLOAT) {
        p->at++;
        n = parse_node(p, t->kind == T_INT ? N_INT : N_FLOAT, line);
        p->t->node[n].i = t->i;
        p->t->node[n].f = t->f;
    } else if (parse_op(p, '(')) {
        n = parse_tuple(p, true, true, NULL);
        parse_expect_op(p, ')');
    } else if (parse_op(p, '[')) {
        n = parse_list(p, line);
    } else if (parse_op(p, '{')) {
        n = parse_dict(p, line);
    } else {
        parse_fail(p, ERR_FORMAT, line, "an expression was expected");
    }
    p->depth--;
    return n;
}

static uint32_t parse_subscribed(struct parse *p)
{
    uint32_t line = parse_peek(p)->line, part[3] = {0};
    int colons = 0;
    for (;;) {
        struct token *t = parse_peek(p);
        if (t->kind == T_OP && (t->op == ']' || t->op == ','))
            break;
        if (colons < 2 && parse_op(p, ':')) {
            colons++;
            continue;
        }
        if (part[colons])
            parse_fail(p, ERR_FORMAT, line, "']' or ':' was expected");
        part[colons] = parse_expression(p);
    }
    if (!colons && !part[0])
        parse_fail(p, ERR_FORMAT, line, "an index was expected");
    if (!colons)
        return part[0];
    uint32_t n = parse_node(p, N_SLICE, line);
    struct node *s = &p->t->node[n];
    s->a = part[0];
    s->b = part[1];
    s->c = part[2];
    return n;
}

static uint32_t parse_index(struct parse *p, uint32_t of, uint32_t line)
{
    uint32_t first = parse_subscribed(p), last = first;
    if (parse_op(p, ',')) {
        do
            append(p, &first, &last, parse_subscribed(p));
        while (parse_op(p, ','));
        uint32_t tuple = parse_node(p, N_TUPLE, line);
        p->t->node[tuple].a = first;
        first = tuple;
    }
    parse_expect_op(p, ']');
    return binary(p, N_ITEM, 0, of, first, line);
}

static uint32_t parse_dot(struct parse *p, uint32_t of, uint32_t line)
{
    struct token *t = parse_peek(p);
    if (t->kind == T_INT) {
        p->at++;
        uint32_t index = parse_node(p, N_INT, line);
        p->t->node[index].i = t->i;
        return binary(p, N_ITEM, 0, of, index, line);
    }
    t = parse_expect_name(p);
    uint32_t n = parse_node(p, N_ATTR, line);
    p->t->node[n].a = of;
    p->t->node[n].s = t->s;
    return n;
}

uint32_t parse_arguments(struct parse *p)
{
    uint32_t first = 0, last = 0;
    bool named = false, list = false, mapping = false;
    parse_expect_op(p, '(');
    while (!parse_op(p, ')')) {
        if (first)
            parse_expect_op(p, ',');
        if (parse_op(p, ')'))
            break;
        struct token *t = parse_peek(p);
        enum node_kind kind = N_ARG;
        if (parse_op(p, '*')) {
            kind = N_STAR;
        } else if (parse_op(p, OP2('*', '*'))) {
            kind = N_STARSTAR;
        } else if (t->kind == T_NAME && t[1].kind == T_OP && t[1].op == '=') {
            kind = N_KWARG;
            p->at += 2;
        }
        if ((kind == N_ARG && (named || list || mapping)) || (kind == N_KWARG && mapping) || (kind == N_STAR && (list || mapping)) ||
            (kind == N_STARSTAR && mapping))
            parse_fail(p, ERR_FORMAT, t->line, "arguments in the wrong order");
        named |= kind == N_KWARG;
        list |= kind == N_STAR;
        mapping |= kind == N_STARSTAR;
        uint32_t n = parse_node(p, kind, t->line), value = parse_expression(p);
        p->t->node[n].a = value;
        p->t->node[n].s = t->s;
        append(p, &first, &last, n);
    }
    return first;
}

static uint32_t parse_call(struct parse *p, uint32_t of)
{
    uint32_t line = parse_peek(p)->line;
    uint32_t arguments = parse_arguments(p);
    return binary(p, N_CALL, 0, of, arguments, line);
}

static bool is_op(struct parse *p, int op)
{
    return parse_peek(p)->kind == T_OP && parse_peek(p)->op == op;
}

/* The height of the tree grows with each: the interpreter descends it. */
static void chain(struct parse *p, int *length)
{
    if (++*length > TEMPLATE_NEST_MAX * 4)
        parse_fail(p, ERR_LIMIT, parse_peek(p)->line, "more than %d parts in a row", TEMPLATE_NEST_MAX * 4);
}

static uint32_t parse_postfix(struct parse *p, uint32_t n)
{
    for (int length = 0;; chain(p, &length)) {
        uint32_t line = parse_peek(p)->line;
        if (parse_op(p, '.'))
            n = parse_dot(p, n, line);
        else if (parse_op(p, '['))
            n = parse_index(p, n, line);
        else if (is_op(p, '('))
            n = parse_call(p, n);
        else
            return n;
    }
}

/* A dotted name, joined. */
static struct str parse_row_name(struct parse *p)
{
    struct str s = parse_expect_name(p)->s;
    while (parse_op(p, '.')) {
        struct str more = parse_expect_name(p)->s;
        s.n = (size_t)(more.p + more.n - s.p);
    }
    return s;
}

uint32_t parse_filters(struct parse *p, uint32_t input, bool first_without_pipe)
{
    for (int length = 0; first_without_pipe || parse_op(p, '|'); chain(p, &length)) {
        first_without_pipe = false;
        uint32_t line = parse_peek(p)->line;
        struct str name = parse_row_name(p);
        int row = template_filter_row(name);
        if (row < 0)
            parse_fail(p, ERR_UNSUPPORTED, line, "the filter %.*s is not supported", (int)name.n, name.p);
        uint32_t arguments = is_op(p, '(') ? parse_arguments(p) : 0;
        input = binary(p, N_FILTER, 0, input, arguments, line);
        p->t->node[input].i = row;
        p->t->node[input].s = name;
    }
    return input;
}

static uint32_t parse_test(struct parse *p, uint32_t input, uint32_t line)
{
    bool negate = parse_word(p, "not");
    struct str name = parse_row_name(p);
    int row = template_test_row(name);
    if (row < 0)
        parse_fail(p, ERR_UNSUPPORTED, line, "the test %.*s is not supported", (int)name.n, name.p);
    uint32_t arguments = 0;
    struct token *t = parse_peek(p);
    if (is_op(p, '(')) {
        arguments = parse_arguments(p);
    } else if (t->kind == T_STR || t->kind == T_INT || t->kind == T_FLOAT || is_op(p, '[') || is_op(p, '{') ||
               (t->kind == T_NAME && !parse_is_word(p, "else") && !parse_is_word(p, "or") && !parse_is_word(p, "and"))) {
        if (parse_is_word(p, "is"))
            parse_fail(p, ERR_FORMAT, line, "tests cannot stand in a chain");
        uint32_t value = parse_primary(p);
        value = parse_postfix(p, value);
        arguments = parse_node(p, N_ARG, line);
        p->t->node[arguments].a = value;
    }
    uint32_t n = binary(p, N_TEST, 0, input, arguments, line);
    p->t->node[n].i = row;
    p->t->node[n].op = negate;
    return n;
}

static uint32_t parse_behind(struct parse *p, uint32_t n)
{
    for (int length = 0;; chain(p, &length)) {
        uint32_t line = parse_peek(p)->line;
        if (is_op(p, '|'))
            n = parse_filters(p, n, false);
        else if (parse_word(p, "is"))
            n = parse_test(p, n, line);
        else if (is_op(p, '('))
            n = parse_call(p, n);
        else
            return n;
    }
}

static uint32_t parse_unary(struct parse *p, bool filters)
{
    uint32_t line = parse_peek(p)->line, n;
    deeper(p);
    bool minus = is_op(p, '-');
    if (minus || is_op(p, '+')) {
        p->at++;
        uint32_t of = parse_unary(p, false);
        n = parse_node(p, minus ? N_NEG : N_POS, line);
        p->t->node[n].a = of;
    } else {
        n = parse_primary(p);
    }
    n = parse_postfix(p, n);
    p->depth--;
    return filters ? parse_behind(p, n) : n;
}

/* Operators of one strength, grouped from the left. */
static uint32_t parse_level(struct parse *p, int level)
{
    static const int op[3][4] = {{'+', '-'}, {'*', '/', OP2('/', '/'), '%'}, {OP2('*', '*')}};
    if (level == 3)
        return parse_unary(p, true);
    uint32_t left = 0;
    int taken = 0;
    for (int length = 0;; chain(p, &length)) {
        uint32_t line = parse_peek(p)->line, right = 0;
        if (level == 0) { /* between + and *: ~, which joins all its parts at once */
            uint32_t first = 0, last = 0;
            do
                append(p, &first, &last, parse_level(p, 1));
            while (parse_op(p, '~'));
            right = first;
            if (first != last) {
                right = parse_node(p, N_CONCAT, line);
                p->t->node[right].a = first;
            }
        } else {
            right = parse_level(p, level + 1);
        }
        if (!left)
            left = right;
        else
            left = binary(p, N_BINARY, taken, left, right, line);
        struct token *t = parse_peek(p);
        bool more = false;
        for (int i = 0; i < 4; i++)
            more |= t->kind == T_OP && t->op && t->op == op[level][i];
        if (!more)
            return left;
        taken = t->op;
        p->at++;
    }
}

static uint32_t parse_compare(struct parse *p)
{
    uint32_t line = parse_peek(p)->line, left = parse_level(p, 0), first = 0, last = 0;
    for (;;) {
        struct token *t = parse_peek(p);
        int op = 0;
        if (t->kind == T_OP && (t->op == OP2('=', '=') || t->op == OP2('!', '=') || t->op == '<' || t->op == '>' ||
                                t->op == OP2('<', '=') || t->op == OP2('>', '='))) {
            op = t->op;
            p->at++;
        } else if (parse_word(p, "in")) {
            op = 'i';
        } else if (parse_is_word(p, "not") && t[1].kind == T_NAME && str_same(t[1].s, STR("in"))) {
            op = 'n';
            p->at += 2;
        } else {
            break;
        }
        uint32_t right = parse_level(p, 0);
        append(p, &first, &last, binary(p, N_OPERAND, op, right, 0, line));
    }
    return first ? binary(p, N_COMPARE, 0, left, first, line) : left;
}

static uint32_t parse_not(struct parse *p)
{
    uint32_t line = parse_peek(p)->line;
    deeper(p);
    uint32_t n;
    if (parse_word(p, "not")) {
        uint32_t of = parse_not(p);
        n = parse_node(p, N_NOT, line);
        p->t->node[n].a = of;
    } else {
        n = parse_compare(p);
    }
    p->depth--;
    return n;
}

static uint32_t parse_and(struct parse *p)
{
    uint32_t line = parse_peek(p)->line, left = parse_not(p);
    for (int length = 0; parse_word(p, "and"); chain(p, &length))
        left = binary(p, N_AND, 0, left, parse_not(p), line);
    return left;
}

static uint32_t parse_or(struct parse *p)
{
    uint32_t line = parse_peek(p)->line, left = parse_and(p);
    for (int length = 0; parse_word(p, "or"); chain(p, &length))
        left = binary(p, N_OR, 0, left, parse_and(p), line);
    return left;
}

uint32_t parse_expression(struct parse *p)
{
    uint32_t line = parse_peek(p)->line;
    deeper(p);
    uint32_t n = parse_or(p);
    for (int length = 0; parse_word(p, "if"); chain(p, &length)) {
        uint32_t test = parse_or(p), other = parse_word(p, "else") ? parse_expression(p) : 0;
        n = binary(p, N_COND, 0, test, n, line);
        p->t->node[n].c = other;
    }
    p->depth--;
    return n;
}

uint32_t parse_target(struct parse *p, bool attributes)
{
    uint32_t line = parse_peek(p)->line, first = 0, last = 0;
    bool tuple = false;
    deeper(p);
    do {
        struct token *t = parse_peek(p);
        uint32_t n;
        if (first && (t->kind != T_NAME || parse_is_word(p, "in")) && !is_op(p, '('))
            break; /* a comma at the end */
        if (parse_op(p, '(')) {
            n = parse_target(p, attributes);
            parse_expect_op(p, ')');
        } else {
            t = parse_expect_name(p);
            n = parse_node(p, N_NAME, t->line);
            p->t->node[n].i = parse_name(p, t->s);
            if (attributes && parse_op(p, '.')) {
                p->t->node[n].kind = N_NSREF;
                p->t->node[n].s = parse_expect_name(p)->s;
            } else {
                static const char *const fixed[] = {"true", "false", "none", "True", "False", "None"};
                for (size_t i = 0; i < 6; i++)
                    if (str_same(t->s, str_of(fixed[i])))
                        parse_fail(p, ERR_FORMAT, t->line, "%s cannot be set", fixed[i]);
            }
        }
        append(p, &first, &last, n);
        tuple |= is_op(p, ',');
    } while (parse_op(p, ','));
    p->depth--;
    if (!tuple)
        return first;
    uint32_t n = parse_node(p, N_TUPLE, line);
    p->t->node[n].a = first;
    return n;
}
