/* Values of a running template and what can be done with them, as Python does it. Not for other rooms.
 *
 * All memory is the run's arena; errors leave by longjmp to chat_template_render, so that an operation reads as an
 * expression. Text carries where it came from: `literal` for all of it, or a byte for each of its bytes. */
#ifndef CODEASK_ENGINE_CHAT_TEMPLATE_VALUE_H
#define CODEASK_ENGINE_CHAT_TEMPLATE_VALUE_H

#include "engine/chat/template_text.h"
#include "engine/chat/template_tree.h"

/* What one render may take. A template that reads each message of a long conversation in a loop over all messages takes
 * 1e7 steps for 1,000 of them; 5e7 are about two seconds. */
#define TEMPLATE_STEPS_MAX 50000000u
/* Values are never freed within a render, and each `+` copies: a prompt of 1 MB costs about 20 MB. */
#define TEMPLATE_RUN_BYTES_MAX ((size_t)256 << 20)
/* Nodes under evaluation at once, macros included; each takes up to 700 bytes of C stack in sanitized builds. */
#define TEMPLATE_RUN_DEPTH_MAX 1600
#define TEMPLATE_JSON_DEPTH_MAX 100 /* of the context */
#define TEMPLATE_RANGE_MAX 100000   /* as jinja's sandbox has it */

enum value_kind {
    V_ABSENT, /* no argument */
    V_UNDEFINED, V_NONE, V_BOOL, V_INT, V_FLOAT, V_TEXT, V_LIST, V_DICT,
    V_NAMESPACE, V_MACRO, V_METHOD, V_GLOBAL, V_LOOP, V_CYCLER, V_JOINER,
};

struct value {
    uint8_t kind;
    uint8_t literal; /* the template wrote it, or computed it from what it wrote */
    uint8_t markup;  /* V_TEXT that `safe` has marked: `+` escapes what is joined to it */
    uint32_t n;      /* V_TEXT: bytes; V_GLOBAL, V_METHOD: row */
    union {
        bool yes;
        int64_t i;
        double f;
        const char *s;         /* V_TEXT; V_UNDEFINED: what was not there */
        struct list *list;
        struct dict *dict;     /* V_DICT, V_NAMESPACE */
        struct macro *macro;
        struct loop *loop;
        struct value *self;    /* V_METHOD: whose */
        struct cycler *cycler; /* V_CYCLER, V_JOINER */
    };
    const uint8_t *origin; /* V_TEXT: [n], or NULL where literal says it for all */
};

enum list_kind { LIST_PLAIN, LIST_TUPLE, LIST_RANGE, LIST_KEYS, LIST_VALUES, LIST_ITEMS, LIST_ONCE /* a generator */ };
struct list {
    enum list_kind kind;
    bool spent; /* LIST_ONCE */
    size_t n, cap;
    struct value *v;
    int64_t range[3]; /* LIST_RANGE: what it was made of */
};

struct pair {
    struct value key, value;
};
struct dict {
    size_t n, cap;
    struct pair *pair;
    uint32_t *slot; /* [slots] of pair + 1, by hash; NULL while small */
    size_t slots;
};

struct var {
    uint32_t name;
    struct value v;
};
struct frame {
    struct frame *up;
    struct var *var;
    size_t n, cap;
    bool kept; /* a macro was defined within: it may be looked at later */
};

struct macro {
    const struct node *node;
    struct frame *frame; /* where it was defined */
};

struct loop {
    struct list *items;
    size_t index0, depth0;
    const struct node *node; /* of a recursive one, else NULL */
    struct frame *frame;
    struct value *changed;   /* what loop.changed() saw last */
};

struct cycler {
    struct list *items;
    size_t at;
    struct value separator;
};

struct named {
    struct str name;
    struct value v;
};
struct args {
    struct value *v;
    size_t n;
    struct named *named;
    size_t nnamed;
    bool loose; /* for v_format: more than the format takes is no error */
};

/* A text under construction. */
struct text {
    char *s;
    uint8_t *origin;
    size_t n, cap;
    bool literal, foreign; /* some of it is */
};

struct run {
    const struct chat_template *t;
    struct arena arena;
    size_t bytes, steps;
    int depth;
    uint32_t line;
    int64_t now;
    struct frame *root, *frame;
    struct text *out;
    struct value filtered; /* what a filter without input takes: the text of its block */
    struct err *e;
    int rc;
    jmp_buf leave;
};

_Noreturn void run_fail(struct run *r, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void *run_alloc(struct run *r, size_t n);
void run_steps(struct run *r, size_t n); /* charges them */

/* template_value.c: making and looking */
struct value v_undefined(struct str what);
struct value v_none(void);
struct value v_bool(bool yes);
struct value v_int(int64_t i);
struct value v_float(double f);
struct value v_text(struct str s, bool literal);
struct value v_part(struct value text, size_t from, size_t n); /* a piece of a text, in bytes */
struct value v_list(struct run *r, enum list_kind kind, size_t room);
void list_add(struct run *r, struct list *l, struct value v);
struct value v_dict(struct run *r);
void dict_set(struct run *r, struct dict *d, struct value key, struct value v);
const struct value *dict_get(struct run *r, const struct dict *d, struct value key); /* NULL: it is not there */
void v_need_key(struct run *r, struct value key); /* fails where it cannot be one: lists, mappings */
struct value v_json(struct run *r, const json_t *j, bool literal, int depth);
bool v_is_text(struct value v, const char *s);
struct str v_str(struct value text);
bool v_same(struct run *r, struct value a, struct value b);   /* == */
int v_order(struct run *r, struct value a, struct value b);   /* -1, 0, 1, 2 for none; fails where Python cannot compare */
bool v_compare(struct run *r, int op, struct value a, struct value b); /* < <= > >=, and == != 'i' 'n' as in N_OPERAND */
bool v_true(struct run *r, struct value v);
bool v_number(struct value v);                                /* bool, int or float */
double v_double(struct value v);
const char *v_kind(struct value v);                           /* Python's name of its type */
struct list *v_items(struct run *r, struct value v);          /* what iteration gives; fails where it cannot be iterated */
size_t v_length(struct run *r, struct value v);
bool v_contains(struct run *r, struct value in, struct value what);
int64_t v_need_int(struct run *r, struct value v, const char *what);
struct value v_need_text(struct run *r, struct value v, const char *what);

/* template_show.c: values as text */
void text_add(struct run *r, struct text *t, const char *s, size_t n, bool literal);
void text_add_value(struct run *r, struct text *t, struct value text); /* V_TEXT with its origins */
struct value text_value(struct run *r, struct text *t);
void text_show(struct run *r, struct text *t, struct value v);         /* str() */
struct value v_show(struct run *r, struct value v);
void text_repr(struct run *r, struct text *t, struct value v);         /* repr() */
size_t float_repr(char out[40], double f);
struct json_style {
    bool ascii, sorted;
    struct value indent; /* V_ABSENT: one line; else the text of one level */
    struct value item, key; /* separators */
};
void text_json(struct run *r, struct text *t, struct value v, const struct json_style *how);
struct value v_cased(struct run *r, struct value text, enum text_case to);
/* The same of a piece, which sees what stands around it: a sigma is another at the end of a word. */
struct value v_cased_at(struct run *r, struct value text, size_t from, size_t n, enum text_case to);
struct value v_escaped(struct run *r, struct value v); /* &lt; and the like, as markup */

/* template_operate.c: operators and access */
struct value v_operate(struct run *r, int op, struct value a, struct value b);
struct value v_attribute(struct run *r, struct value of, struct value name, bool item_first);
struct value v_item(struct run *r, struct value of, struct value index);
struct value v_slice(struct run *r, struct value of, struct value from, struct value to, struct value step);
/* A path of names with dots between, as attribute= takes it, or a number. */
struct value v_path(struct run *r, struct value of, struct value path);
struct value v_format(struct run *r, struct value format, const struct args *a); /* printf's way */

/* The tables. A row's parameters are names with blanks between; `*` as the last: the rest is looked up in args. */
struct call {
    struct value self; /* a filter's input, a method's object */
    struct value *arg; /* by parameter; V_ABSENT where not given */
    const struct args *all;
};
struct function {
    const char *name, *parameters;
    struct value (*call)(struct run *r, const struct call *c);
};
struct value function_call(struct run *r, const struct function *f, struct value self, const struct args *a);
struct value filter_call(struct run *r, int row, struct value self, const struct args *a);
bool test_call(struct run *r, int row, struct value self, const struct args *a);
/* -1: it has no such method; *unsafe: it has, and the sandbox forbids it. */
int method_row(struct value of, struct str name, bool *unsafe);
struct value method_call(struct run *r, int row, struct value self, const struct args *a);
int global_row(struct str name);
struct value global_call(struct run *r, int row, const struct args *a);

/* template_run.c */
struct value run_call(struct run *r, struct value callee, const struct args *a, const struct value *caller);

#endif
