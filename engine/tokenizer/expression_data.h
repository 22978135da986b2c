/* Inside of expressions: the program between parser and table. */
#ifndef CODEASK_ENGINE_TOKENIZER_EXPRESSION_DATA_H
#define CODEASK_ENGINE_TOKENIZER_EXPRESSION_DATA_H

#include "engine/tokenizer/charset.h"
#include "engine/tokenizer/expression.h"

enum op { OP_CHAR, OP_SPLIT, OP_JUMP, OP_NEXT_IN, OP_NEXT_NOT, OP_MATCH };
struct inst {
    enum op op;
    uint32_t a, b; /* CHAR, NEXT_…: set; SPLIT: tried first, then; JUMP: to */
};

#define SETS_MAX 64
#define PROGRAM_MAX 4096 /* repeats are unrolled: \s{512} and its halves make 1,100 */

struct program {
    struct charset set[SETS_MAX];
    size_t nsets;
    struct inst *inst;
    size_t n, cap;
};

/* ERR_UNSUPPORTED: well-formed perhaps, but not for the table. */
int program_parse(struct program *p, const char *text, size_t n, struct err *e);
void program_release(struct program *p);

#endif
