/* Definitions by name: what the question's names are defined as in the searched views. */
#ifndef CODEASK_RETRIEVER_NAMES_H
#define CODEASK_RETRIEVER_NAMES_H

#include "retriever/lexical.h"

enum name_match { MATCH_EXACT, MATCH_FOLDED, MATCH_PREFIX, MATCH_TYPO };

struct name_def {
    uint32_t gid, symbol, chunk; /* chunk: n-th of its file */
    uint32_t name;               /* index into query.name */
    enum name_match match;
    float quality;               /* of the match and the kind, ÷√definers: 0 … 1.3 */
    uint8_t kind;
    bool scoped;                 /* the asked scope encloses it */
};

/* Exact and folded definitions of all of the question's names; prefix and typo only for a symbol-like question that found
 * neither. out: in arena, in order of gid. Reads records: t is the transaction of the universe's segments. */
size_t names_find(struct name_def **out, const struct universe *u, const struct query *q, struct txn *t, struct arena *arena);

/* Weight of a kind when somebody asks for a name: a class before the method that returns it. */
float kind_weight(enum symbol_kind k);

#endif
