/* Cuts: what one content yields, made once whatever the number of branches, worktrees, forks and copies. */
#ifndef CODEASK_STORE_CUT_H
#define CODEASK_STORE_CUT_H

#include "store/record.h"
#include "store/store.h"

#define CUT_NONE 0u /* cut ids start at 1 and are never reused */

struct cut_key {
    struct oid oid;                       /* git hash of the clean bytes, also for plain directories */
    char language[LANGUAGE_NAME_MAX];
    uint16_t version;                     /* of the cutter and that language's query */
};

/* CUT_NONE when it was never made. */
uint32_t cut_find(struct txn *t, const struct cut_key *k);
/* Pointers into the map, valid while t lives. ERR_NOT_FOUND. */
int cut_get(struct txn *t, uint32_t cut, struct record *out, struct err *e);
/* The content with secrets masked by '*' of equal length, appended to out. */
int cut_text(struct txn *t, uint32_t cut, struct buf *out, struct err *e);

/* The same in two steps, for several threads under one transaction: its thread takes the packed texts out (valid while t lives),
 * each thread unpacks with an unpacker of its own. */
int cut_packed(struct txn *t, uint32_t cut, struct str *out, struct err *e);
struct unpacker;
struct unpacker *unpacker_new(void);
void unpacker_free(struct unpacker *u); /* accepts NULL */
int unpacker_text(struct unpacker *u, struct str packed, struct buf *out, struct err *e);
/* The same piece by piece, for who may have seen enough before the end: packed is used until the last one. */
int unpacker_begin(struct unpacker *u, struct str packed, struct err *e);
size_t unpacker_left(const struct unpacker *u); /* bytes to come */
/* Appends the next piece, at most UNPACKER_PIECE bytes, while there are more. */
#define UNPACKER_PIECE ((size_t)16 << 10)
int unpacker_piece(struct unpacker *u, struct buf *out, struct err *e);

/* Every cut with its id, ascending; for the sweep. Stops on non-zero, which it returns. */
int cuts_each(struct txn *t, int (*each)(void *arg, uint32_t cut), void *arg, struct err *e);
/* Removes record, text and key; its words leave with the next segments_merge. ERR_NOT_FOUND. */
int cut_drop(struct txn *t, uint32_t cut, struct err *e);
/* The key it was made under, without the language's name (in the record's head). ERR_NOT_FOUND. */
int cut_oid(struct txn *t, uint32_t cut, struct oid *out, struct err *e);

/* One made cut on its way in: the record with its words, and the content with secrets already masked. */
struct cut_new {
    struct cut_key key;
    const void *record; /* accepted by record_check */
    size_t record_len;
    const char *text;
    size_t text_len;
};
/* What cut_batch_put will write, built without a transaction (compression, sorting: the slow part), so that the write
 * transaction stays short. One batch = one term segment. */
struct cut_batch;
/* Copies what it needs. ERR_LIMIT past CUT_BATCH_MAX bytes of text and records: make batches of about 4 MiB of source. */
#define CUT_BATCH_MAX ((size_t)1 << 31)
int cut_batch_build(struct cut_batch **out, const struct cut_new *c, size_t n, struct err *e);
/* Assigns ids (in order, contiguous), stores keys, records, texts and the segment. A key that is there already keeps its id
 * and its new copy is dropped (its words stay in the segment, under an id that nothing refers to, until a merge). ids: [n],
 * out. May be called again with the same batch after a transaction that failed. */
int cut_batch_put(struct txn *t, struct cut_batch *b, uint32_t *ids, struct err *e);
void cut_batch_free(struct cut_batch *b);

/* Poisonous contents: never tried again until `index` is asked to, listed in status and inspect. */
struct quarantine_row {
    struct cut_key key;
    uint32_t attempts;
    char reason[200];
};
int quarantine_put(struct txn *t, const struct quarantine_row *q, struct err *e);
bool quarantine_get(struct txn *t, const struct cut_key *k, struct quarantine_row *out);
int quarantine_drop(struct txn *t, const struct cut_key *k, struct err *e); /* may be tried again. ERR_NOT_FOUND */
int quarantine_each(struct txn *t, int (*each)(void *arg, const struct quarantine_row *q), void *arg, struct err *e);

#endif
