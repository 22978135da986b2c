/* cut(): a pure function from bytes and language to one flat record (store/record.h).
 *
 * Chunks follow definitions with their doc comments; an oversized definition is split at inner nodes, small siblings are
 * merged; what lies between definitions becomes chunks too, so that every line with a letter in it is in exactly one chunk.
 * Secrets are found here, and words are made from the masked text. No I/O, no globals written: thread-safe. */
#ifndef CODEASK_INDEXER_CUT_H
#define CODEASK_INDEXER_CUT_H

#include "indexer/language.h"

#define CUTTER_VERSION 1        /* raised when cut() changes what it yields for the same bytes */

/* Limits, each with its reason; what is past one is cut by lines and flagged RECORD_TRUNCATED. */
#define CUT_MAX_NODES 3000000   /* a 9 MB amalgamation of C has fewer; a generated table of that many is no source, and costs seconds */
#define CUT_MAX_CHUNKS 65000    /* of one content */
#define CUT_MAX_SYMBOLS 200000
#define CUT_CHUNK_BYTES 1500    /* aim of a chunk: about 64 lines of dense code; the retriever shows parts of it */
#define CUT_CHUNK_MAX 3000      /* a definition larger than this is split at inner nodes */
#define CUT_CHUNK_MIN 200       /* siblings smaller than this are merged with their neighbours */
#define CUT_LINE_MAX 20000      /* a longer line is data: it is cut hard at UTF-8 borders */

/* Writes the record with words to out (cleared first) and, where secrets were found, masks them in bytes by '*'.
 * bytes: n bytes, writable. ERR_LIMIT only when n exceeds 1 GiB; anything else that is odd still yields a record. */
int cut(struct buf *out, const struct language *lang, char *bytes, size_t n, struct err *e);

/* The same for many contents: keeps its parser, tables and memory between them. One thread at a time. */
struct cutter;
struct cutter *cutter_new(void);
void cutter_free(struct cutter *c);
int cutter_cut(struct cutter *c, struct buf *out, const struct language *lang, char *bytes, size_t n, struct err *e);

/* The text of chunk c that is embedded: breadcrumb, signature, doc, first lines, within about 64 tokens; the same for equal
 * inputs, so vectors are shared. text: the masked content. Appends to out. */
void chunk_embed_text(struct buf *out, const struct record *r, uint32_t chunk, struct str text);
/* The card of a file: path words, header comment, up to 40 names of definitions. */
void card_embed_text(struct buf *out, const struct record *r, struct str path, struct str text);

#endif
