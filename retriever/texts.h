/* Contents decompressed, those used last. A retriever has two of them: what was shown lately (half of what a search on 200k chunks shows was
 * shown a few searches before: long change logs, central files; taking ten contents out of the store was a quarter of a search), and
 * what is large and was read for quoted text (exact_scan.h). */
#ifndef CODEASK_RETRIEVER_TEXTS_H
#define CODEASK_RETRIEVER_TEXTS_H

#include "store/unsaved.h"

#include <pthread.h>

#define TEXTS_MAX 1024

/* Immutable, counted by reference. A content never changes under its cut's number. */
struct text {
    uint32_t refs, cut;
    size_t len;
    char bytes[];
};

struct texts {
    pthread_mutex_t lock;
    size_t most, bytes, n;       /* most: bytes that are kept */
    struct text *text[TEXTS_MAX];
    uint32_t cut[TEXTS_MAX];     /* of text[] */
    int64_t used[TEXTS_MAX];     /* when it was asked for last: clock_ns */
};

void texts_init(struct texts *c, size_t most);
void texts_release(struct texts *c);
void texts_clear(struct texts *c); /* keeps nothing of what it has; who holds a text goes on with it */
void texts_rest(struct texts *c, int64_t since_ns); /* lets go of what nobody has asked for since then */
/* The cut's content, secrets masked, with one reference for the caller: give it back with text_drop. */
int texts_get(struct text **out, struct texts *c, struct txn *t, uint32_t cut, struct err *e);
/* It with one reference for the caller, or NULL when it is not kept. */
struct text *texts_find(struct texts *c, uint32_t cut);
/* A copy of its bytes, kept where it is no more than an eighth of all and nobody's unsaved text; with one reference for the caller. */
struct text *texts_keep(struct texts *c, uint32_t cut, struct str bytes);
void text_drop(struct text *t); /* accepts NULL */

#endif
