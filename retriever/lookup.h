/* One look at the symbols of the views that may be read: definitions by name, who refers to them, and the lines behind them.
 * Holds a read transaction: open, copy what is needed, close, before any wait. Private to retriever/. */
#ifndef CODEASK_RETRIEVER_LOOKUP_H
#define CODEASK_RETRIEVER_LOOKUP_H

#include "retriever/retriever.h"
#include "retriever/snapshot.h"

struct lookup {
    struct retriever *retriever;
    const struct search_target *target;
    size_t ntargets;
    struct snapshot **snap;      /* [ntargets] */
    struct txn *t;
    struct segment *seg;
    size_t nsegs;
    struct arena *arena;         /* the request's */
    struct name_hit *hits;       /* scratch */
    size_t hits_cap;
    struct posting *post;
    size_t post_cap;
    uint32_t text_cut;           /* whose text is in text */
    struct buf text;
};

int lookup_open(struct lookup *l, struct retriever *r, const struct search_target *target, size_t ntargets, struct arena *arena,
                struct err *e);
void lookup_close(struct lookup *l);

/* A line of a file, and the symbol it is about. */
struct place {
    uint32_t target, file;       /* number of the occurrence in the target's snapshot */
    uint32_t cut, chunk, symbol; /* symbol: the definition, or the one around a reference; RECORD_NONE */
    uint32_t line, end_line;
    uint8_t kind;                /* enum symbol_kind of a definition, enum ref_kind of a reference */
    float order;                 /* less is better */
};
struct places {
    struct place *v;             /* heap */
    size_t n, cap;
};
void places_release(struct places *p);
void places_sort(const struct lookup *l, struct places *p); /* by order, then path, then line */

/* A name as people write it: "Session.send()", "rack::Builder#call", "store/open" → last component and what stands before. */
struct symbol_name {
    struct str last, scope;      /* scope: the component before the last, or empty */
};
struct symbol_name symbol_name_of(const char *name);

#define LOOKUP_NAMES 8
/* Definitions of a name: exact case, else another case or spelling of the same words, else one or two typing errors, else
 * names that begin so. Narrowed to the scope where any definition lies in it. spelled: [LOOKUP_NAMES] the names found, as
 * the sources write them, in arena; returns their number. exact: exact case and nothing else. */
size_t lookup_definitions(struct places *out, struct str *spelled, struct lookup *l, struct symbol_name name, bool exact);
/* The same for an exact name only; most: at most so many are looked at. */
void lookup_exact(struct places *out, struct lookup *l, struct str name, size_t most);
/* References to a name, by kinds (bit mask of 1 << REF_…). */
void lookup_references(struct places *out, struct lookup *l, struct str name, unsigned kinds, size_t most);
/* One place a calling definition, in the order given; places inside one of defs (recursion) are dropped. */
void places_one_each(struct places *p, const struct places *defs);
/* What a definition calls, each resolved to the best definition in the same view; unknown and ambiguous names are left out. */
void lookup_callees(struct places *out, struct lookup *l, const struct place *def, size_t most);

int lookup_record(struct record *out, struct lookup *l, uint32_t cut, struct err *e);
/* Lines [first, last] of a text, without the last line end. */
struct str text_lines(struct str text, uint32_t first, uint32_t last);
/* The same of a cut's masked text; borrowed until the next call. */
int lookup_lines(struct str *out, struct lookup *l, uint32_t cut, uint32_t first, uint32_t last, struct err *e);
/* Bytes [from, to) of the same, and the line that byte stands in. */
int lookup_bytes(struct str *out, uint32_t *line, struct lookup *l, uint32_t cut, uint32_t from, uint32_t to, struct err *e);
/* The hit of a place with the lines [first, last] as its snippet; everything copied to arena. */
int lookup_hit(struct search_hit *out, struct lookup *l, const struct place *p, uint32_t first, uint32_t last, struct err *e);
/* How far a file is from being the code itself: tests, examples, generated and vendored files come last. 0 … 1. */
float file_distance(const struct snap_file *f);
bool str_fold_equal(struct str a, struct str b); /* ASCII case apart */

#endif
