/* One content cut in a worker process, for a request that has foreign bytes and no index of them. */
#ifndef CODEASK_SERVICE_CUTTING_APART_H
#define CODEASK_SERVICE_CUTTING_APART_H

#include "indexer/pool.h"
#include "service/core.h"

/* bytes: taken over. The result's record and text are the caller's to release when 0 is returned. */
int cut_apart(struct pool_result *out, struct service *s, const struct language *l, struct buf *bytes, struct err *e);

#endif
