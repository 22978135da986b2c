#include "service/cutting_apart.h"

int cut_apart(struct pool_result *out, struct service *s, const struct language *l, struct buf *bytes, struct err *e)
{
    const struct config *c = s->o.config;
    struct pool_options o = {.program = s->o.program, .workers = 1, .memory = (size_t)c->worker_memory,
                             .cpu_seconds = (int)c->worker_seconds};
    struct pool *p = NULL;
    int rc = pool_open(&p, &o, e);
    if (rc)
        return rc;
    if (!(rc = pool_submit(p, 0, l, bytes, e))) {
        if (!pool_next(p, out))
            rc = err_set(e, ERR_INTERNAL, "the worker gave nothing back");
        else if ((rc = out->code)) {
            *e = out->why;
            buf_release(&out->record);
            buf_release(&out->text);
        }
    }
    pool_close(p);
    return rc;
}
