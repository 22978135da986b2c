/* Statements, and the parse as a whole. */
#include "base/mem.h"
#include "engine/chat/template_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void parse_fail(struct parse *p, int code, uint32_t line, const char *fmt, ...)
{
    char why[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    err_set(p->e, code, "%s:%u: %s", p->name, line, why);
    longjmp(p->out, code);
}

uint32_t parse_node(struct parse *p, enum node_kind kind, uint32_t line)
{
    struct chat_template *t = p->t;
    if (t->nodes >= TEMPLATE_NODES_MAX)
        parse_fail(p, ERR_LIMIT, line, "more than %u parts", TEMPLATE_NODES_MAX);
    if (t->nodes == p->nodes_cap) {
        p->nodes_cap = p->nodes_cap ? p->nodes_cap * 2 : 64;
        t->node = mem_grow(t->node, p->nodes_cap, sizeof *t->node);
    }
    t->node[t->nodes] = (struct node){.kind = (uint8_t)kind, .line = line};
    return t->nodes++;
}

uint32_t parse_name(struct parse *p, struct str s)
{
    struct chat_template *t = p->t;
    for (uint32_t i = 0; i < t->nnames; i++)
        if (str_same(t->names[i], s))
            return i;
    if (t->nnames == p->names_cap) {
        p->names_cap = p->names_cap ? p->names_cap * 2 : 64;
        t->names = mem_grow(t->names, p->names_cap, sizeof *t->names);
    }
    t->names[t->nnames] = s;
    return t->nnames++;
}

struct token *parse_peek(struct parse *p)
{
    return &p->token[p->at];
}

bool parse_op(struct parse *p, int op)
{
    struct token *t = parse_peek(p);
    if (t->kind != T_OP || t->op != op)
        return false;
    p->at++;
    return true;
}

bool parse_is_word(struct parse *p, const char *word)
{
    struct token *t = parse_peek(p);
    return t->kind == T_NAME && str_same(t->s, str_of(word));
}

bool parse_word(struct parse *p, const char *word)
{
    bool found = parse_is_word(p, word);
    p->at += found;
    return found;
}

static const char *shown(int op, char out[3])
{
    out[0] = (char)op;
    out[1] = (char)(op >> 8);
    out[2] = 0;
    return out;
}

void parse_expect_op(struct parse *p, int op)
{
    char text[3];
    if (!parse_op(p, op))
        parse_fail(p, ERR_FORMAT, parse_peek(p)->line, "'%s' was expected", shown(op, text));
}

struct token *parse_expect_name(struct parse *p)
{
    struct token *t = parse_peek(p);
    if (t->kind != T_NAME)
        parse_fail(p, ERR_FORMAT, t->line, "a name was expected");
    p->at++;
    return t;
}

static void expect(struct parse *p, enum token_kind kind, const char *what)
{
    if (parse_peek(p)->kind != kind)
        parse_fail(p, ERR_FORMAT, parse_peek(p)->line, "%s was expected", what);
    p->at++;
}

static void end_of_block(struct parse *p)
{
    expect(p, T_BLOCK_END, "%}");
}

static uint32_t parse_statement(struct parse *p);

/* Statements until a block that begins with one of the words in end ("else", "endif", NULL), whose word is next then. */
static uint32_t parse_body(struct parse *p, const char *const *end)
{
    uint32_t first = 0, last = 0;
    if (++p->depth > TEMPLATE_NEST_MAX)
        parse_fail(p, ERR_LIMIT, parse_peek(p)->line, "nested deeper than %d", TEMPLATE_NEST_MAX);
    for (;;) {
        struct token *t = parse_peek(p);
        uint32_t n = 0;
        if (t->kind == T_END) {
            if (*end)
                parse_fail(p, ERR_FORMAT, t->line, "the template ends where %s was expected", end[0]);
            break;
        }
        p->at++;
        if (t->kind == T_DATA) {
            n = parse_node(p, N_TEXT, t->line);
            p->t->node[n].s = t->s;
        } else if (t->kind == T_VAR_BEGIN) {
            n = parse_node(p, N_PRINT, t->line);
            uint32_t what = parse_tuple(p, true, false, NULL);
            p->t->node[n].a = what;
            expect(p, T_VAR_END, "}}");
        } else if (t->kind == T_BLOCK_BEGIN) {
            for (size_t i = 0; end[i]; i++)
                if (parse_is_word(p, end[i])) {
                    p->depth--;
                    return first;
                }
            n = parse_statement(p);
            end_of_block(p);
        } else {
            parse_fail(p, ERR_FORMAT, t->line, "unexpected end of a tag");
        }
        if (last)
            p->t->node[last].next = n;
        else
            first = n;
        last = n;
        while (p->t->node[last].next) /* a for-block brings its else along */
            last = p->t->node[last].next;
    }
    p->depth--;
    return first;
}

/* `%} body {% endWORD` */
static uint32_t parse_block(struct parse *p, const char *end)
{
    end_of_block(p);
    uint32_t body = parse_body(p, (const char *const[]){end, NULL});
    parse_word(p, end);
    return body;
}

static uint32_t parse_for(struct parse *p, uint32_t line)
{
    uint32_t n = parse_node(p, N_FOR, line);
    uint32_t target = parse_target(p, false);
    if (!parse_word(p, "in"))
        parse_fail(p, ERR_FORMAT, line, "'in' was expected");
    uint32_t what = parse_tuple(p, false, false, "recursive");
    uint32_t filter = parse_word(p, "if") ? parse_expression(p) : 0;
    bool recursive = parse_word(p, "recursive");
    end_of_block(p);
    p->loops++;
    uint32_t body = parse_body(p, (const char *const[]){"endfor", "else", NULL});
    p->loops--;
    uint32_t other = 0;
    if (parse_word(p, "else")) {
        other = parse_node(p, N_ELSE, line);
        end_of_block(p);
        uint32_t rest = parse_body(p, (const char *const[]){"endfor", NULL});
        p->t->node[other].a = rest;
    }
    parse_word(p, "endfor");
    struct node *f = &p->t->node[n];
    f->a = target;
    f->b = what;
    f->c = filter;
    f->d = body;
    f->op = recursive;
    f->next = other;
    return n;
}

static uint32_t parse_if(struct parse *p, uint32_t line)
{
    uint32_t n = parse_node(p, N_IF, line), last = 0;
    bool test = true;
    do {
        uint32_t branch = parse_node(p, N_BRANCH, parse_peek(p)->line);
        uint32_t condition = test ? parse_tuple(p, false, false, NULL) : 0;
        end_of_block(p);
        uint32_t body = parse_body(p, test ? (const char *const[]){"elif", "else", "endif", NULL} : (const char *const[]){"endif", NULL});
        p->t->node[branch].a = condition;
        p->t->node[branch].b = body;
        if (last)
            p->t->node[last].next = branch;
        else
            p->t->node[n].a = branch;
        last = branch;
        test = parse_is_word(p, "elif");
    } while (parse_word(p, "elif") || parse_word(p, "else"));
    parse_word(p, "endif");
    return n;
}

static uint32_t parse_set(struct parse *p, uint32_t line)
{
    uint32_t target = parse_target(p, true);
    uint32_t n, value;
    if (parse_op(p, '=')) {
        n = parse_node(p, N_SET, line);
        value = parse_tuple(p, true, false, NULL);
        p->t->node[n].b = value;
    } else {
        n = parse_node(p, N_SET_BLOCK, line);
        value = parse_filters(p, 0, false);
        p->t->node[n].b = value;
        value = parse_block(p, "endset");
        p->t->node[n].c = value;
    }
    p->t->node[n].a = target;
    return n;
}

/* `(a, b=1)`: N_PARAM each */
static uint32_t parse_parameters(struct parse *p)
{
    uint32_t first = 0, last = 0;
    bool defaults = false;
    parse_expect_op(p, '(');
    while (!parse_op(p, ')')) {
        if (first)
            parse_expect_op(p, ',');
        struct token *t = parse_expect_name(p);
        uint32_t n = parse_node(p, N_PARAM, t->line);
        p->t->node[n].i = parse_name(p, t->s);
        if (parse_op(p, '=')) {
            uint32_t value = parse_expression(p);
            p->t->node[n].a = value;
            defaults = true;
        } else if (defaults) {
            parse_fail(p, ERR_FORMAT, t->line, "a parameter without default behind one with");
        }
        if (last)
            p->t->node[last].next = n;
        else
            first = n;
        last = n;
    }
    return first;
}

static uint32_t parse_macro_of(struct parse *p, int64_t name, bool parameters, const char *end, uint32_t line)
{
    uint8_t used = 0, *outer = p->used;
    int loops = p->loops;
    uint32_t n = parse_node(p, N_MACRO, line);
    p->used = &used;
    p->loops = 0;
    uint32_t list = parameters ? parse_parameters(p) : 0;
    uint32_t body = 0;
    if (end)
        body = parse_block(p, end);
    p->used = outer;
    p->loops = loops;
    struct node *m = &p->t->node[n];
    m->i = name;
    m->a = list;
    m->b = body;
    m->op = used;
    return n;
}

static uint32_t parse_macro(struct parse *p, uint32_t line)
{
    int64_t name = parse_name(p, parse_expect_name(p)->s);
    return parse_macro_of(p, name, true, "endmacro", line);
}

static uint32_t parse_call_block(struct parse *p, uint32_t line)
{
    uint32_t n = parse_node(p, N_CALL_BLOCK, line);
    struct token *t = parse_peek(p);
    uint32_t parameters = t->kind == T_OP && t->op == '(' ? parse_parameters(p) : 0;
    uint32_t call = parse_expression(p);
    if (p->t->node[call].kind != N_CALL)
        parse_fail(p, ERR_FORMAT, line, "a call was expected");
    uint32_t body = parse_macro_of(p, parse_name(p, STR("caller")), false, "endcall", line);
    p->t->node[body].a = parameters;
    p->t->node[n].a = call;
    p->t->node[n].b = body;
    return n;
}

static uint32_t parse_filter_block(struct parse *p, uint32_t line)
{
    uint32_t n = parse_node(p, N_FILTER_BLOCK, line);
    uint32_t filters = parse_filters(p, 0, true), body = parse_block(p, "endfilter");
    p->t->node[n].a = filters;
    p->t->node[n].b = body;
    return n;
}

static uint32_t parse_with(struct parse *p, uint32_t line)
{
    uint32_t n = parse_node(p, N_WITH, line), first = 0, last = 0;
    while (parse_peek(p)->kind != T_BLOCK_END) {
        if (first)
            parse_expect_op(p, ',');
        uint32_t set = parse_node(p, N_SET, line);
        struct token *t = parse_expect_name(p);
        uint32_t target = parse_node(p, N_NAME, t->line);
        p->t->node[target].i = parse_name(p, t->s);
        parse_expect_op(p, '=');
        uint32_t value = parse_expression(p);
        p->t->node[set].a = target;
        p->t->node[set].b = value;
        if (last)
            p->t->node[last].next = set;
        else
            first = set;
        last = set;
    }
    uint32_t body = parse_block(p, "endwith");
    p->t->node[n].a = first;
    p->t->node[n].b = body;
    return n;
}

static uint32_t parse_generation(struct parse *p, uint32_t line)
{
    uint32_t n = parse_node(p, N_SCOPE, line), body = parse_block(p, "endgeneration");
    p->t->node[n].a = body;
    return n;
}

static uint32_t parse_jump(struct parse *p, uint32_t line, enum node_kind kind)
{
    if (!p->loops)
        parse_fail(p, ERR_FORMAT, line, "break or continue outside of a loop");
    return parse_node(p, kind, line);
}

static uint32_t parse_break(struct parse *p, uint32_t line)
{
    return parse_jump(p, line, N_BREAK);
}

static uint32_t parse_continue(struct parse *p, uint32_t line)
{
    return parse_jump(p, line, N_CONTINUE);
}

/* To add a statement: a row, and its case in template_run.c. */
static const struct {
    const char *word;
    uint32_t (*parse)(struct parse *p, uint32_t line);
} statement[] = {
    {"for", parse_for}, {"if", parse_if}, {"set", parse_set}, {"macro", parse_macro}, {"call", parse_call_block},
    {"filter", parse_filter_block}, {"with", parse_with}, {"generation", parse_generation}, {"break", parse_break},
    {"continue", parse_continue},
};

static uint32_t parse_statement(struct parse *p)
{
    struct token *t = parse_expect_name(p);
    for (size_t i = 0; i < sizeof statement / sizeof *statement; i++)
        if (str_same(t->s, str_of(statement[i].word)))
            return statement[i].parse(p, t->line);
    static const char *const known[] = {"block", "extends", "include", "import", "from", "autoescape", "print"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_same(t->s, str_of(known[i])))
            parse_fail(p, ERR_UNSUPPORTED, t->line, "{%% %s %%} is not supported", known[i]);
    parse_fail(p, ERR_FORMAT, t->line, "unknown tag %.*s", (int)(t->s.n < 60 ? t->s.n : 60), t->s.p);
}

int chat_template_parse(struct chat_template **out, const char *name, const char *text, size_t len, struct err *e)
{
    *out = NULL;
    if (len > TEMPLATE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "%s: a template of %zu bytes; %u is the most", name, len, TEMPLATE_BYTES_MAX);
    struct chat_template *t = mem_zero(1, sizeof *t);
    arena_init(&t->arena);
    t->name = mem_str(name);
    struct parse *p = mem_zero(1, sizeof *p); /* not on the stack: longjmp would leave its fields undefined */
    p->t = t;
    p->name = t->name;
    p->e = e;
    int rc = setjmp(p->out);
    if (!rc) {
        template_lex(p, arena_strn(&t->arena, text, len), len);
        parse_node(p, N_TEXT, 0); /* index 0 is none */
        t->first = parse_body(p, (const char *const[]){NULL});
        *out = t;
    } else {
        chat_template_free(t);
    }
    free(p->token);
    free(p);
    return rc;
}

void chat_template_free(struct chat_template *t)
{
    if (!t)
        return;
    arena_release(&t->arena);
    free(t->node);
    free(t->names);
    free(t->name);
    free(t);
}
