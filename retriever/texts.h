/* Contents that were shown lately, decompressed: half of what a search on 200k chunks shows was shown a few searches before
 * (long change logs, central files), and taking ten contents out of the store was a quarter of a search. */
#ifndef CODEASK_RETRIEVER_TEXTS_H
#define CODEASK_RETRIEVER_TEXTS_H

#include "store/unsaved.h"

#include <pthread.h>

#define TEXTS_MAX 1024
#define TEXTS_BYTES ((size_t)32 << 20)

/* Immutable, counted by reference. A content never changes under its cut's number. */
struct text {
    uint32_t refs, cut;
    size_t len;
    char bytes[];
};

struct texts {
    pthread_mutex_t lock;
    uint64_t clock;
    size_t bytes, n;
    struct text *text[TEXTS_MAX];
    uint32_t cut[TEXTS_MAX];     /* of text[] */
    uint64_t used[TEXTS_MAX];
};

void texts_init(struct texts *c);
void texts_release(struct texts *c);
/* The cut's content, secrets masked, with one reference for the caller: give it back with text_drop. */
int texts_get(struct text **out, struct texts *c, struct txn *t, uint32_t cut, struct err *e);
void text_drop(struct text *t); /* accepts NULL */

#endif
