/* The cut record: everything that one content yields, as one flat, position-independent byte string. cut() makes it in a
 * worker process, the store keeps it, the retriever reads it in place. Host byte order (an index never leaves its machine
 * other than through a bundle, which is rebuilt where the order differs).
 *
 *   struct record_head | chunks[] | symbols[] | refs[] | secrets[] | zeros up to a multiple of 8 | words[]
 *   | strings (NUL-free bytes, referred to by offset)
 *
 * The words are only in the record that comes from a worker: they go into a segment (store/segment.h), and the stored
 * record has nwords == 0. A record holds nothing of a path. record_check() accepts foreign bytes: after it every index,
 * offset and span in the record is in bounds, so readers need no checks of their own.
 * Lines are 1-based and inclusive; byte spans are half-open, in the content as stored (LF or CRLF untouched). */
#ifndef CODEASK_STORE_RECORD_H
#define CODEASK_STORE_RECORD_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define RECORD_MAGIC 0x31747563u /* "cut1" */
#define RECORD_NONE UINT32_MAX
#define LANGUAGE_NAME_MAX 16

/* X(symbol, name in JSON and --kind). Stored as a byte: append only. */
#define SYMBOL_KINDS(X)                                                                                                \
    X(SYMBOL_FUNCTION, "function")                                                                                     \
    X(SYMBOL_METHOD, "method")                                                                                         \
    X(SYMBOL_CLASS, "class")                                                                                           \
    X(SYMBOL_STRUCT, "struct")                                                                                         \
    X(SYMBOL_INTERFACE, "interface") /* interface, trait, protocol, type class */                                      \
    X(SYMBOL_ENUM, "enum")                                                                                             \
    X(SYMBOL_TYPE, "type") /* typedef, alias, union */                                                                 \
    X(SYMBOL_MODULE, "module") /* module, namespace, package, object */                                                \
    X(SYMBOL_IMPLEMENTATION, "implementation") /* impl, instance, extension: names the type it extends */              \
    X(SYMBOL_CONSTANT, "constant")                                                                                     \
    X(SYMBOL_VARIABLE, "variable")                                                                                     \
    X(SYMBOL_FIELD, "field") /* field, property, enum member */                                                        \
    X(SYMBOL_MACRO, "macro")                                                                                           \
    X(SYMBOL_PROTOTYPE, "prototype") /* a declaration whose definition is elsewhere */                                 \
    X(SYMBOL_SECTION, "section") /* a heading; a key of a data file; a selector; a target of a build file */           \
    X(SYMBOL_TEST, "test")       /* a test case: describe/it, #[test], func TestX … */

enum symbol_kind {
#define X(sym, name) sym,
    SYMBOL_KINDS(X)
#undef X
    SYMBOL_KIND_COUNT
};

#define REF_KINDS(X)                                                                                                   \
    X(REF_CALL, "call")                                                                                                \
    X(REF_IMPORT, "import") /* the name is the target as written: path, module or package */                           \
    X(REF_INHERIT, "inherit")                                                                                          \
    X(REF_IMPLEMENT, "implement")                                                                                      \
    X(REF_TYPE, "type") /* a type used in a signature or declaration */                                                \
    X(REF_EXPORT, "export") /* a re-export: the name is the target as written */

enum ref_kind {
#define X(sym, name) sym,
    REF_KINDS(X)
#undef X
    REF_KIND_COUNT
};

enum record_flag {           /* evidence of what the file *is*, from its bytes alone */
    RECORD_GENERATED = 1,    /* a generator's header ("Code generated … DO NOT EDIT", "@generated") in the first lines */
    RECORD_MINIFIED = 2,     /* lines so long that no person wrote them */
    RECORD_BINARY = 4,       /* NUL bytes: no chunks */
    RECORD_LFS = 8,          /* a git LFS pointer: no chunks */
    RECORD_BY_LINES = 16,    /* no grammar, or the grammar could not be used: cut by lines */
    RECORD_TRUNCATED = 32,   /* past a limit (nodes, chunks, symbols): the rest is cut by lines */
    RECORD_HAS_ERRORS = 64,  /* the parser met syntax errors */
};

struct record_head {
    uint32_t magic, size;                 /* size of the whole record in bytes */
    char language[LANGUAGE_NAME_MAX];     /* NUL-padded name of the languages[] row */
    uint32_t flags;                       /* enum record_flag */
    uint32_t nchunks, nsymbols, nrefs, nsecrets, nwords, nstrings /* bytes */;
    uint32_t source_bytes, source_lines;
    uint32_t ntests;                      /* test cases defined */
    uint32_t nprototypes;
    uint32_t nimports, nexports;          /* import and re-export statements */
    uint32_t comment_bytes;
    uint32_t header_start, header_end;    /* the file's leading comment or first paragraph, bytes; licence text skipped */
    uint32_t reserved[2];
};

struct record_chunk {
    uint32_t start, end;                  /* bytes */
    uint32_t start_line, end_line;
    uint32_t symbol;                      /* index of the definition it stands for (the first, when several were merged), or RECORD_NONE */
    uint32_t crumb, crumb_len;            /* "Outer › method" in strings; empty at top level */
    uint32_t words;                       /* length for BM25: number of words */
};

struct record_symbol {
    uint32_t name, name_len;              /* as written, in strings */
    uint32_t signature, signature_len;    /* one line, white space folded, in strings; may be empty */
    uint32_t start, end;                  /* bytes of the whole definition, doc comment excluded */
    uint32_t start_line, end_line;
    uint32_t doc_start, doc_end;          /* bytes of the doc comment; equal when there is none */
    uint32_t parent;                      /* index of the enclosing symbol, or RECORD_NONE */
    uint32_t chunk;                       /* index of the chunk that holds its first line */
    uint8_t kind;                         /* enum symbol_kind */
    uint8_t flags;                        /* 1: exported or public as far as the syntax says */
    uint16_t pad;
};
#define SYMBOL_PUBLIC 1

struct record_ref {
    uint32_t name, name_len;
    uint32_t line;
    uint32_t symbol;                      /* the definition it stands in, or RECORD_NONE */
    uint32_t chunk;
    uint8_t kind;                         /* enum ref_kind */
    uint8_t pad[3];
};

struct record_secret {
    uint32_t start, end;                  /* bytes */
    uint32_t kind;                        /* row of the secrets table */
};

/* A word of a chunk: term is term_of(TERM_WORD, stem). Sorted by (term, chunk), unique. Counts saturate. */
struct record_word {
    uint64_t term;
    uint32_t chunk;
    uint8_t body, doc, symbol;            /* occurrences in code and comments; in the doc comment; in names defined here */
    uint8_t weight;                       /* of the names: sum over definitions of their kind's weight in tenths */
};

/* A record in memory: pointers into its bytes. */
struct record {
    const struct record_head *head;
    const struct record_chunk *chunk;
    const struct record_symbol *symbol;
    const struct record_ref *ref;
    const struct record_secret *secret;
    const struct record_word *word;
    const char *strings;
};

/* Bytes of a record with these counts: what head->size must be. */
uint64_t record_size(const struct record_head *h);
/* Where the words begin; the strings follow them. */
uint64_t record_words_at(const struct record_head *h);

/* Checks every count, index, offset and order; ERR_FORMAT says what is wrong. bytes must be 8-byte aligned and stay. */
int record_check(struct record *out, const void *bytes, size_t n, struct err *e);
/* The same without the checks, for bytes of our own store. */
struct record record_of(const void *bytes);
static inline struct str record_str(const struct record *r, uint32_t at, uint32_t len)
{
    return (struct str){r->strings + at, len};
}

const char *symbol_kind_name(enum symbol_kind k);
const char *ref_kind_name(enum ref_kind k);
int symbol_kind_of(const char *name); /* -1 when unknown */

#endif
