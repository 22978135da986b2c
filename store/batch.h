/* How cuts and segments are put together; private to store/. */
#ifndef CODEASK_STORE_BATCH_H
#define CODEASK_STORE_BATCH_H

#include "store/grams.h"
#include "store/internal.h"
#include "store/segment.h"

/* In front of the record in table cut. */
struct cut_stored {
    struct oid oid;
    uint32_t language; /* hash of its name */
    uint16_t version, pad;
};

/* A segment while it is written: sections that grow side by side, joined by segment_finish. Terms come in ascending order,
 * names too. */
struct segment_out {
    struct buf term, post_at, post, name_at, names, hit_at, hits, gram_at, grams;
    uint32_t nterms, nnames;
};
void segment_out_release(struct segment_out *o);
/* p: ascending by chunk, n > 0. */
void segment_add_term(struct segment_out *o, uint64_t term, const struct posting *p, size_t n);
/* h: ascending by (cut, symbol), n > 0. */
void segment_add_name(struct segment_out *o, struct str folded, const struct name_hit *h, size_t n);
/* The next cut's signature: one for every cut, in their order. */
void segment_add_grams(struct segment_out *o, struct grams g);
/* ERR_LIMIT past 4 GiB. cut: [ncuts], first_chunk: [ncuts + 1], chunk_words: [first_chunk[ncuts]]. */
int segment_finish(struct segment_out *o, struct buf *out, uint32_t ncuts, const uint32_t *cut,
                   const uint32_t *first_chunk, const uint16_t *chunk_words, struct err *e);

/* The segment of a batch, cut ids 0 … n-1; segment_rebase adds the first id to them. Empty when there is nothing to find. */
int segment_build(struct buf *out, const struct record *r, const struct str *text, size_t n, struct err *e);
void segment_rebase(void *segment, uint32_t first_id);

/* Opens the bytes of one segment; ERR_CORRUPT when they do not hold together. bytes: 8-byte aligned. */
int segment_open(struct segment *out, uint32_t id, const void *bytes, size_t size, struct err *e);
/* Terms by position, for merging. */
uint64_t segment_term(const struct segment *s, uint32_t i);
size_t segment_postings_at(const struct segment *s, uint32_t i, struct posting **out, size_t *cap);

/* Stores a segment under a new id. */
int segment_put(struct txn *t, const void *bytes, size_t n, uint32_t first_id, struct err *e);

#endif
