/* Term segments: an immutable inverted index over a set of cuts. A batch of cuts makes one segment; small ones are merged
 * in the background. Drawn in segment.c. All kinds of terms (base/words.h) live in one dictionary:
 *   TERM_WORD    stemmed words of a chunk, with counts by field
 *   TERM_DEF     exact names of definitions (hash), and the sorted dictionary of folded names for prefix, case and typo
 *   TERM_REF     names referred to (calls, inheritance, implementations, types), by chunk
 *   TERM_IMPORT  targets of imports and re-exports as written, by chunk */
#ifndef CODEASK_STORE_SEGMENT_H
#define CODEASK_STORE_SEGMENT_H

#include "store/cut.h"
#include "store/grams.h"

/* A segment opened over the map: valid while its transaction lives. */
struct segment {
    uint32_t id;                  /* never used again for another one */
    uint32_t ncuts, nchunks, nterms, nnames;
    const uint32_t *cut;          /* [ncuts] cut ids, ascending */
    const uint32_t *first_chunk;  /* [ncuts + 1] chunk ordinal of each cut's first chunk */
    const uint16_t *chunk_words;  /* [nchunks] BM25 length, saturating */
    const uint32_t *chunk_cut;    /* [nchunks] index into cut[] */
    const void *bytes;
    size_t size;
};

/* Reads the list of segments of a transaction, in order of their first cut; array on the heap, freed by the caller with free(). */
int segments_open(struct txn *t, struct segment **out, size_t *n, struct err *e);

/* One posting: chunk ordinal within the segment, counts by field (see record_word; for other kinds only body). */
struct posting {
    uint32_t chunk;
    uint8_t body, doc, symbol, weight;
};
/* Decodes the postings of a term, ascending by chunk, into *out (a scratch array grown as needed, kept between calls, freed
 * by the caller with free). Returns their number, 0 when the term is not there. */
size_t segment_postings(const struct segment *s, uint64_t term, struct posting **out, size_t *cap);

/* Folds a name as the dictionary of names does: Unicode simple lower case, invalid UTF-8 kept, cut at NAME_FOLD_MAX bytes.
 * Returns the length written to out. */
#define NAME_FOLD_MAX 200
size_t name_fold(char out[NAME_FOLD_MAX], const char *name, size_t len);

/* What the content of cut[i] holds; valid as long as s. */
struct grams segment_grams(const struct segment *s, uint32_t i);

/* The dictionary of defined names, folded to lower case and sorted by bytes. i in [0, nnames). */
struct str segment_name(const struct segment *s, uint32_t i);
/* First name that is not less than prefix: names with a prefix are a run from there. */
uint32_t segment_name_lower_bound(const struct segment *s, const char *folded, size_t len);
/* The definitions with the i-th name: (cut index in cut[], symbol index in its record) pairs. Same scratch rule. */
struct name_hit {
    uint32_t cut, symbol;
};
size_t segment_name_hits(const struct segment *s, uint32_t i, struct name_hit **out, size_t *cap);

/* Background upkeep: merges small segments into larger ones, and writes those with many dead cuts anew without them. keep
 * returns false for a cut only when its row is gone (cut_drop) and it can thus never come back; NULL looks the rows up, which
 * is the usual way. Does at most one merge; *did tells whether there was one. Reads in its own short transactions, builds
 * outside, swaps in one write. One call at a time. A search sees the same before and after, so the generation stays; ids of
 * segments are never used again, so what is cached of a segment is cached under its id. */
int segments_merge(struct store *s, bool (*keep)(void *arg, uint32_t cut), void *arg, bool *did, struct err *e);

#endif
