/* Inside of templates: tokens, the parsed tree and the tables that parser and interpreter share. Not for other rooms.
 *
 * The tree is one array of nodes; links are indices, 0 is none, siblings hang on `next`. Text in it points into the
 * template's own copy of its source or its arena. */
#ifndef CODEASK_ENGINE_CHAT_TEMPLATE_TREE_H
#define CODEASK_ENGINE_CHAT_TEMPLATE_TREE_H

#include "base/arena.h"
#include "engine/chat/template.h"

#include <setjmp.h>

#define TEMPLATE_NODES_MAX (1u << 17)  /* a node takes two bytes of source or more */
#define TEMPLATE_NEST_MAX 120          /* of brackets and blocks: real templates stay under 20 */

enum token_kind { T_DATA, T_VAR_BEGIN, T_VAR_END, T_BLOCK_BEGIN, T_BLOCK_END, T_NAME, T_STR, T_INT, T_FLOAT, T_OP, T_END };

#define OP2(a, b) ((a) | (b) << 8)

struct token {
    enum token_kind kind;
    int op;        /* T_OP: its character, or OP2 of both */
    uint32_t line;
    struct str s;  /* T_DATA, T_NAME, T_STR (escapes done) */
    int64_t i;     /* T_INT */
    double f;      /* T_FLOAT */
};

enum node_kind {
    /* expressions */
    N_STR, N_INT, N_FLOAT, N_BOOL, N_NONE,
    N_NAME,    /* i: name */
    N_LIST,    /* a: elements */
    N_TUPLE,   /* a: elements */
    N_DICT,    /* a: N_PAIR (a: key, b: value) */
    N_PAIR,
    N_NEG, N_POS, N_NOT,  /* a */
    N_BINARY,  /* op: + - * / % ** //; a, b */
    N_AND, N_OR,          /* a, b */
    N_CONCAT,  /* a: parts */
    N_COMPARE, /* a, b: N_OPERAND (op: == != < <= > >= 'i' in 'n' not in; a) */
    N_OPERAND,
    N_COND,    /* a: test, b: then, c: else or none */
    N_ATTR,    /* a, s */
    N_ITEM,    /* a, b: index or N_SLICE */
    N_SLICE,   /* a, b, c: each may be none */
    N_CALL,    /* a: callee, b: arguments */
    N_FILTER,  /* a: input, none: the text of the block around; i: row, b: arguments */
    N_TEST,    /* a, i: row, b: arguments; op: 1 for `is not` */
    N_ARG,     /* a; an argument */
    N_KWARG,   /* a, s: its name */
    N_STAR, N_STARSTAR,   /* a: the list, the mapping */
    N_NSREF,   /* i: name, s: attribute; only as a target */
    /* statements */
    N_TEXT,       /* s */
    N_PRINT,      /* a */
    N_FOR,        /* a: target, b: what, c: filter, d: body; its next sibling is N_ELSE (a: body); op: 1 recursive */
    N_ELSE,
    N_IF,         /* a: N_BRANCH (a: test or none, b: body) */
    N_BRANCH,
    N_SET,        /* a: target, b: value */
    N_SET_BLOCK,  /* a: target, b: filters, c: body */
    N_MACRO,      /* i: name, a: N_PARAM (i: name, a: default), b: body; op: MACRO_* */
    N_PARAM,
    N_CALL_BLOCK, /* a: N_CALL, b: N_MACRO of the body */
    N_FILTER_BLOCK, /* a: filters, b: body */
    N_WITH,       /* a: N_SET, b: body */
    N_SCOPE,      /* a: body (generation) */
    N_BREAK, N_CONTINUE,
};

enum { MACRO_VARARGS = 1, MACRO_KWARGS = 2, MACRO_CALLER = 4 }; /* which of the names the body uses */

struct node {
    uint8_t kind, op;
    uint16_t op2; /* N_BINARY, N_OPERAND: the token's op */
    uint32_t line;
    uint32_t a, b, c, d, next;
    int64_t i;
    double f;
    struct str s;
};

struct chat_template {
    struct arena arena;
    char *name;
    struct node *node; /* [nodes] */
    uint32_t nodes;
    uint32_t first;    /* statement */
    struct str *names; /* [nnames]: every variable's name, once */
    uint32_t nnames;
};

/* One parse. Errors leave by longjmp: all memory is in the arena, and the vectors, which chat_template_parse releases. */
struct parse {
    struct chat_template *t;
    const char *name;
    struct err *e;
    jmp_buf out;
    struct token *token;
    size_t ntokens, tokens_cap, at;
    size_t nodes_cap, names_cap;
    int depth;
    int loops;      /* open for-blocks, for break and continue */
    uint8_t *used;  /* MACRO_* that the macro being parsed uses; NULL outside */
};
_Noreturn void parse_fail(struct parse *p, int code, uint32_t line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Fills p->token; text is the template's copy and may be changed. */
void template_lex(struct parse *p, char *text, size_t len);
/* template_parse.c leaves expressions to template_expr.c. */
uint32_t parse_node(struct parse *p, enum node_kind kind, uint32_t line);
uint32_t parse_name(struct parse *p, struct str s); /* the variable's number */
struct token *parse_peek(struct parse *p);
bool parse_op(struct parse *p, int op);             /* takes it if it is next */
bool parse_word(struct parse *p, const char *word); /* takes the name if it is next */
bool parse_is_word(struct parse *p, const char *word);
void parse_expect_op(struct parse *p, int op);
struct token *parse_expect_name(struct parse *p);
uint32_t parse_expression(struct parse *p);
/* One expression or several with commas between, which make a tuple; end: a name that ends it ("recursive") or NULL. */
uint32_t parse_tuple(struct parse *p, bool cond, bool brackets, const char *end);
uint32_t parse_target(struct parse *p, bool attributes);
uint32_t parse_filters(struct parse *p, uint32_t input, bool first_without_pipe);
uint32_t parse_arguments(struct parse *p); /* from the bracket that opens them */

/* Rows of the tables, by name; -1: there is none. */
int template_filter_row(struct str name);
int template_test_row(struct str name);

#endif
