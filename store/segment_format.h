/* A term segment on disk; private to store/.
 *
 *   struct segment_head
 *   cut[ncuts] u32              ids, ascending
 *   first_chunk[ncuts + 1] u32
 *   chunk_cut[nchunks] u32      index into cut[]
 *   chunk_words[nchunks] u16
 *   term[nterms] u64            hashes, ascending: found by interpolation, they are uniform
 *   post_at[nterms + 1] u32     into post
 *   post                        postings of term i: bytes post_at[i] .. post_at[i + 1]
 *   name_at[nnames + 1] u32     into names
 *   names                       folded names of definitions, sorted by bytes, one after the other
 *   hit_at[nnames + 1] u32      into hits
 *   hits                        varint pairs: cut − cut before; symbol, or symbol − symbol before within one cut
 *   gram_at[ncuts + 1] u32      into grams, in words of 8 bytes
 *   grams                       signatures of the contents (store/grams.h)
 *
 * Sections begin at multiples of 8, in this order. The value is padded to half a page, so that LMDB always gives it pages of
 * its own, where it starts 16 bytes into a page and is thus aligned.
 *
 * A posting is a control byte and what it announces:
 *   bits 0-1  body − 1, or 3: a byte with body follows
 *   bit 2     other fields follow
 *   bits 3-7  chunk − chunk before − 1 (the first: chunk), or 29: in one byte, 30: in two, 31: in four
 * in the order: distance, body, fields. Fields: a byte, doc in the low and symbol in the high four bits, then weight if symbol
 * is not zero; or 255, then doc, symbol and weight in a byte each.
 * The usual posting of a common word takes one byte, of a rarer one two. */
#ifndef CODEASK_STORE_SEGMENT_FORMAT_H
#define CODEASK_STORE_SEGMENT_FORMAT_H

#include <stdint.h>

#define SEGMENT_MAGIC 0x31676573u /* "seg1" */

enum segment_section {
    S_CUT, S_FIRST_CHUNK, S_CHUNK_CUT, S_CHUNK_WORDS, S_TERM, S_POST_AT, S_POST, S_NAME_AT, S_NAMES, S_HIT_AT, S_HITS,
    S_GRAM_AT, S_GRAMS,
    SEGMENT_SECTIONS
};

struct segment_head {
    uint32_t magic, size; /* size: without the padding at the end */
    uint32_t ncuts, nchunks, nterms, nnames;
    uint32_t at[SEGMENT_SECTIONS + 1]; /* of each section; the last is size */
};

#define POST_OTHER 4
#define POST_NEAR 29 /* distances below it are in the control byte */
#define POST_SLACK 8 /* zero bytes after post: the decoder reads four bytes at a time */

#endif
