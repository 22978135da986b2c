/* One content cut in a worker process, for a request that has foreign bytes and no index of them. The worker stays for the next one
 * for a while: starting it takes ten times as long as cutting a file. */
#ifndef CODEASK_SERVICE_CUTTING_APART_H
#define CODEASK_SERVICE_CUTTING_APART_H

#include "indexer/pool.h"
#include "service/core.h"

#define CUTTING_REST_NS 30000000000LL /* a worker that was not used for so long ends */

struct cutting *cutting_new(void);
void cutting_free(struct cutting *c);                 /* accepts NULL; nobody cuts any more */
void cutting_rest(struct cutting *c, int64_t now_ns); /* now and then */

/* bytes: taken over. The result's record and text are the caller's to release when 0 is returned. Any thread. */
int cut_apart(struct pool_result *out, struct service *s, const struct language *l, struct buf *bytes, struct err *e);

#endif
