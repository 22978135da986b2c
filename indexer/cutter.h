/* Inside of cut(): what its parts share. Only indexer/cut*.c, symbols.c, chunks.c, evidence.c, secrets.c, tags.c include it.
 *
 * The way of one content: checks of the bytes -> secrets masked -> lines -> parse -> one pass of the language's query
 * (tags.c: definitions, references, comments) -> symbols.c (nesting, docs, signatures) -> chunks.c -> cut_words.c ->
 * cut_record.c. Every part reads what the ones before it left in struct cutter. */
#ifndef CODEASK_INDEXER_CUTTER_H
#define CODEASK_INDEXER_CUTTER_H

#include "base/buf.h"
#include "indexer/cut.h"
#include "indexer/tags.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct span {
    uint32_t start, end, flags; /* enum span_flag */
};
enum span_flag {
    SPAN_PUBLIC = 1, /* a wrapper that exports */
    SPAN_TEST = 2,   /* an attribute that makes a test of what it stands before */
    SPAN_HEAD = 4,   /* a type signature that stands before its function */
};

/* A definition: as the query found it, then as symbols.c completed it. Bytes in the text. */
struct def {
    uint32_t start, end;           /* the node */
    uint32_t name, name_end;       /* the name as written, before it is cleaned */
    uint32_t outer, outer_end;     /* with wrapper (export, decorators, template<>), attributes and doc comment */
    uint32_t head, head_end;       /* where the signature begins; and ends, when it stands apart from the definition */
    uint32_t doc, doc_end;
    uint32_t scope, scope_end;     /* a receiver or qualifier outside the nesting: func (s *Server) Run, Foo::bar */
    uint32_t parent;               /* index in defs, or RECORD_NONE */
    uint32_t line, last_line;      /* of the node, 0-based */
    uint32_t chunk;
    uint32_t name_at, name_len;    /* in strings */
    uint32_t crumb_at, crumb_len;
    uint32_t sig_at, sig_len;
    uint16_t pattern;
    uint8_t kind, role, flags;     /* flags: SYMBOL_PUBLIC */
    bool qualified;                /* the name is written with its qualifier, which symbols.c moves to scope */
};

struct frame {
    uint32_t start, end, line;
    uint8_t kind; /* enum frame_kind */
};

struct declared {
    uint32_t start, end; /* of the name */
    uint16_t pattern;
    uint8_t what;        /* enum declares */
};

struct ref {
    uint32_t start, end, line, def, name_at, name_len;
    uint8_t kind;
};

struct chunk {
    uint32_t start, end, first, last; /* bytes; lines, 0-based, inclusive */
    uint32_t def;                     /* or RECORD_NONE */
    uint32_t words;
};

struct secret {
    uint32_t start, end, kind;
};

struct spans {
    struct span *v;
    uint32_t n, cap;
};

#define VEC(type)                                                                                                      \
    struct {                                                                                                           \
        type *v;                                                                                                       \
        uint32_t n, cap;                                                                                               \
    }
#define VEC_ADD(vec, ...)                                                                                              \
    do {                                                                                                               \
        VEC_ROOM((vec).v, (vec).n, (vec).cap);                                                                         \
        (vec).v[(vec).n++] = (__VA_ARGS__);                                                                            \
    } while (0)

struct word_memo;

/* One cutter cuts one content after the other and keeps its memory; not thread-safe. */
struct cutter {
    struct word_memo *memo;

    /* of the current content */
    const struct language *lang;
    char *text;
    uint32_t n;
    TSTree *tree;
    uint32_t flags; /* enum record_flag */
    bool salvage;   /* there may be definitions that are not in the tree */
    VEC(uint32_t) lines;         /* start of each line; one more entry: n */
    VEC(struct secret) secrets;
    VEC(struct def) defs;        /* symbols.c sorts them by start, outermost first */
    VEC(struct ref) refs;
    struct spans comments, attrs, wraps, docs, evidence, inner_evidence, headers;
    VEC(struct frame) frames;
    VEC(struct declared) declared;
    VEC(struct chunk) chunks;
    VEC(uint8_t) breaks;         /* chunks.c: how good a place each line's start is to cut at */
    VEC(uint32_t) stack;
    VEC(struct record_word) words;
    struct buf strings;
    VEC(uint64_t) names;         /* open table over strings: offset << 32 | length, 0 is free; size a power of two */
    uint32_t nnames;
    uint32_t ntests, nprototypes, nimports, nexports, comment_bytes, header_start, header_end;
};

/* tags.c */
void cut_run_query(struct cutter *c, const struct tags *t);
/* salvage.c: definitions that a broken parse has lost */
void cut_salvage(struct cutter *c);
/* symbols.c: definitions get wrappers, docs, nesting and exact kinds; refs are in order of their place afterwards */
void cut_symbols(struct cutter *c);
/* The innermost definition around a byte, for bytes asked in ascending order; begin with *next = 0 and an empty stack. */
uint32_t cut_open_at(struct cutter *c, uint32_t *next, uint32_t at);
/* names.c */
void cut_name_symbols(struct cutter *c); /* names, breadcrumbs, signatures, visibility */
void cut_settle_refs(struct cutter *c);  /* names, definitions around them, each once; counts imports and exports */
/* signature.c: one line of where the definition begins, up to its body; appended to out */
void cut_signature(struct buf *out, const struct cutter *c, const struct def *d);
/* chunks.c */
void cut_chunks(struct cutter *c);
/* cut_words.c */
struct word_memo *word_memo_new(void);
void word_memo_free(struct word_memo *m);
void cut_words(struct cutter *c);
/* evidence.c: before parsing (flags), and after (header comment, counts) */
void cut_check_bytes(struct cutter *c);
void cut_check_lines(struct cutter *c);
void cut_evidence(struct cutter *c);
/* secrets.c: finds them and masks them in text */
void cut_secrets(struct cutter *c);
/* cut_record.c */
uint32_t cut_intern(struct cutter *c, const char *s, uint32_t n); /* offset of the bytes in strings, each text once */
void cut_record(struct buf *out, struct cutter *c);

/* 64 flags, each 0 or 1, as bits: bit i is flag i. */
static inline uint64_t cut_pack(const uint8_t flag[64])
{
    uint64_t bits = 0, eight;
    for (int i = 0; i < 64; i += 8) {
        memcpy(&eight, flag + i, sizeof eight);
        bits |= (eight * 0x0102040810204080u >> 56) << i; /* flag k of the eight, at bit 8 k, lands on bit 56 + k, and no two on one */
    }
    return bits;
}

uint32_t cut_line_of(const struct cutter *c, uint32_t byte); /* 0-based */
bool cut_line_has_word(const struct cutter *c, uint32_t line); /* a letter, a digit or a byte over 127 */

#endif
