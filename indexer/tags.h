/* A language's query, compiled once a process: what its captures mean, and its predicates.
 *
 *   @def.<kind> with @name      a definition; <kind> is a name of SYMBOL_KINDS, or maybe_test: a test where the file gives
 *                               evidence (@evidence anywhere, @evidence.inside within it), otherwise a function
 *   @qname instead of @name     the name with its qualifier: Foo::bar, M.foo, Foo.prototype.bar
 *   @frame.<what>, @declares.function, @declares.variable     for languages whose names stand deep inside declarators: the
 *                               innermost frame around a declared name is its definition; <what> is definition,
 *                               declaration, field, type or none, and gives the kind
 *   @scope                      with a definition: the type that it belongs to without standing inside (Go's receiver)
 *   @ref.<kind>                 the name node of a reference; <kind> is a name of REF_KINDS
 *   @comment, @attr             comments; attributes and annotations that stand before a definition as siblings
 *   @attr.test, @head           an attribute that makes it a test; a type signature that stands before its function
 *   @wrap, @wrap.public         a node around a definition that belongs to it: export, decorators, template<>
 *   @doc                        a docstring inside a definition; outside of all of them it is the file's header
 *   @salvage                    the grammar sees only tokens inside: definitions there are found by salvage.c
 *   @header                     what a file of prose begins with: its first paragraph
 *   @_anything                  for predicates only
 *
 * A name node is defined once: of several patterns the one written first in the file wins. Kinds are made exact by nesting:
 * a function in a class is a method; variables and constants inside functions are dropped.
 * Predicates: #eq? #not-eq? #any-of? #not-any-of? #prefix? #not-prefix? #upper? #capital? (capture, strings…). */
#ifndef CODEASK_INDEXER_TAGS_H
#define CODEASK_INDEXER_TAGS_H

#include "indexer/language.h"

#include <stdbool.h>

enum capture_role {
    CAPTURE_NONE, CAPTURE_DEF, CAPTURE_MAYBE_TEST, CAPTURE_NAME, CAPTURE_QNAME, CAPTURE_SCOPE, CAPTURE_REF,
    CAPTURE_COMMENT, CAPTURE_ATTR, CAPTURE_ATTR_TEST, CAPTURE_HEAD, CAPTURE_WRAP, CAPTURE_WRAP_PUBLIC, CAPTURE_DOC, CAPTURE_EVIDENCE,
    CAPTURE_EVIDENCE_INSIDE, CAPTURE_HEADER, CAPTURE_FRAME, CAPTURE_DECLARES, CAPTURE_SALVAGE,
};

enum frame_kind { FRAME_DEFINITION, FRAME_DECLARATION, FRAME_FIELD, FRAME_TYPE, FRAME_NONE };
enum declares { DECLARES_FUNCTION, DECLARES_VARIABLE };

struct capture {
    uint8_t role, kind;
};

enum predicate_op { PREDICATE_EQ, PREDICATE_ANY_OF, PREDICATE_PREFIX, PREDICATE_UPPER, PREDICATE_CAPITAL };

struct predicate {
    uint32_t capture;
    enum predicate_op op;
    bool negated;
    uint32_t nstrings;
    struct str *strings;
};

struct tags {
    TSQuery *query;
    uint32_t ncaptures, npatterns;
    struct capture *captures;
    struct predicates {
        uint32_t n;
        struct predicate *v;
    } *patterns;
};

/* Compiles the row's query; the caller frees it. NULL with ERR_FORMAT and the place of the mistake. */
struct tags *tags_new(const struct language *l, struct err *e);
void tags_free(struct tags *t);
/* The same, kept for the process; NULL for a row without a grammar. A broken query aborts: it is ours. Thread-safe. */
const struct tags *tags_of(const struct language *l);

#endif
