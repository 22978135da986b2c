/* A codec over a stand-in session, as cmocka's state: what the tests of all codecs begin and end with. */
#ifndef CODEASK_TESTS_FIXTURE_H
#define CODEASK_TESTS_FIXTURE_H

#include "stand_in.h"

#include "base/mem.h"
#include "service/protocol.h"

#include <stdlib.h>

struct fixture {
    const struct protocol *protocol;
    struct session session;
    struct buf out;
    void *codec;
    bool full; /* what it is told of its output */
};

static inline bool fixture_full(void *arg)
{
    return ((struct fixture *)arg)->full;
}

static inline int fixture_open(void **state, const struct protocol *p)
{
    struct fixture *f = mem_zero(1, sizeof *f);
    f->protocol = p;
    f->codec = p->open(&f->session, &f->out, fixture_full, f);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    f->protocol->close(f->codec);
    buf_release(&f->out);
    free(f);
    return 0;
}

#endif
