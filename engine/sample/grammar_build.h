/* Building grammars: rules are alternatives, alternatives are rows of elements, an element is a set of bytes or a rule. Not
 * for other rooms. */
#ifndef CODEASK_ENGINE_SAMPLE_GRAMMAR_BUILD_H
#define CODEASK_ENGINE_SAMPLE_GRAMMAR_BUILD_H

#include "base/arena.h"
#include "base/buf.h"
#include "engine/sample/grammar.h"

#include <setjmp.h>

enum { E_END, E_BYTES, E_RULE };
struct element {
    uint32_t kind : 2, ref : 30; /* E_BYTES: a set; E_RULE: a rule */
};
struct byte_set {
    uint64_t bit[4];
};

/* Elements in a row, and all rules behind one another: alternatives of rule r begin at start[first[r]] … start[first[r + 1] - 1],
 * each ends with E_END. */
struct grammar {
    struct element *element;
    uint32_t elements;
    uint32_t *first; /* [rules + 1] */
    uint32_t *start;
    uint32_t rules, root;
    struct byte_set *set;
    uint32_t sets;
};

struct row {
    struct element *v;
    uint32_t n, cap;
};
struct build_rule {
    struct row *alt;
    uint32_t n, cap;
};
/* Errors leave by longjmp to out; all memory is the arena's and the vectors', which build_release frees. */
struct build {
    struct arena arena;
    struct build_rule *rule;
    uint32_t rules, rules_cap, elements;
    struct byte_set *set;
    uint32_t sets, sets_cap;
    struct err *e;
    int rc;
    jmp_buf out;
};
_Noreturn void build_fail(struct build *b, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void build_release(struct build *b);

uint32_t build_rule(struct build *b);                             /* a new one without alternatives */
struct element build_ref(uint32_t rule);
void build_alt(struct build *b, uint32_t rule, struct row alt);   /* row is copied */
void row_add(struct build *b, struct row *r, struct element x);
void row_add_row(struct build *b, struct row *r, const struct row *more);
void row_text(struct build *b, struct row *r, const char *s, size_t n); /* literally */
void row_bytes(struct build *b, struct row *r, const char *set);  /* one of these bytes */

/* Characters as ranges, in any order, overlapping or not. */
struct range {
    uint32_t from, to;
};
struct ranges {
    struct range *v;
    uint32_t n, cap;
};
void ranges_add(struct build *b, struct ranges *r, uint32_t from, uint32_t to);
struct ranges ranges_not(struct build *b, struct ranges r);       /* all other characters */
struct element build_class(struct build *b, struct ranges r);     /* one character of them, in UTF-8 */

#define REPEAT_ANY UINT32_MAX
/* x, least to most times (REPEAT_ANY: no bound). */
struct element build_repeat(struct build *b, struct row x, uint32_t least, uint32_t most);
struct element build_group(struct build *b, struct row x);        /* a row as one element */

/* Checks and lays out; the grammar owns its memory. */
int build_finish(struct grammar **out, struct build *b, uint32_t root, struct err *e);

#endif
