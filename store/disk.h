/* What of index.mdb is a repository's. */
#ifndef CODEASK_STORE_DISK_H
#define CODEASK_STORE_DISK_H

#include "store/store.h"

/* Bytes, without the pages' own waste. A content that several repositories hold is counted for each of them: what would be
 * left if it were alone, not what goes when it is removed. */
struct repo_disk {
    uint64_t contents; /* records and texts */
    uint64_t words;    /* of the term segments, by its share of the chunks in them */
    uint64_t vectors;  /* of all models */
    uint64_t paths;    /* rows of its views, by their share of that table */
};
/* Reads the rows of all its views, and looks every content up: about 1 ms for each 2,000 of them. */
int repo_disk(struct repo_disk *out, struct txn *t, uint32_t repo, struct err *e);

#endif
