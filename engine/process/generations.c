/* generate.h through the process. */
#include "engine/process/client.h"

#include <stdlib.h>

struct taking { /* the caller's sink, remembered to have said enough */
    gen_sink sink;
    void *arg;
    bool enough;
};

static bool take(void *arg, const struct gen_piece *p)
{
    struct taking *t = arg;
    t->enough = !t->sink(t->arg, p);
    return !t->enough;
}

/* Sends and waits; the answer's payload is the caller's to release. */
static int ask(struct client *c, struct call *call, uint64_t generation, struct buf *frame, enum frame_kind wanted, gen_sink sink,
               void *arg, const volatile bool *stop, struct err *e)
{
    int rc = call_send(c, call, generation, frame, e);
    buf_release(frame);
    return rc ? rc : call_wait_pieces(c, call, wanted, sink, arg, stop, e);
}

int remote_generate(void *model, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                    const volatile bool *stop, struct err *e)
{
    struct taking t = {sink, arg, false};
    struct client *c;
    struct call call = {0};
    struct buf frame = BUF_INIT;
    uint64_t generation;
    uint32_t id;
    int rc = remote_ready(model, &c, &generation, &id, e);
    if (!rc)
        rc = frame_put_generate(&frame, call_id(c), id, p, e);
    if (rc) {
        buf_release(&frame);
        return rc;
    }
    rc = ask(c, &call, generation, &frame, FRAME_GENERATED, take, &t, stop, e);
    struct frame answer = {FRAME_GENERATED, call.id, (uint8_t *)call.answer.data, call.answer.len};
    if (!rc)
        rc = frame_get_generated(out, &answer, e);
    if (rc == ERR_CANCELED && t.enough) { /* the sink's wish, carried out */
        out->end = GEN_END_SINK;
        rc = 0;
    }
    buf_release(&call.answer);
    return rc;
}

int remote_count(void *model, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e)
{
    struct client *c;
    uint64_t generation;
    uint32_t id;
    int rc = n ? remote_ready(model, &c, &generation, &id, e) : 0;
    for (size_t at = 0; at < n && !rc; at += FRAME_TEXTS) {
        uint32_t k = (uint32_t)(n - at < FRAME_TEXTS ? n - at : FRAME_TEXTS);
        struct call call = {0};
        struct buf frame = BUF_INIT;
        frame_put_count(&frame, call_id(c), id, text + at, len + at, k);
        rc = ask(c, &call, generation, &frame, FRAME_COUNTS, NULL, NULL, NULL, e);
        struct frame answer = {FRAME_COUNTS, call.id, (uint8_t *)call.answer.data, call.answer.len};
        if (!rc)
            rc = frame_get_counts(out + at, k, &answer, e);
        buf_release(&call.answer);
    }
    return rc;
}

int remote_forget(void *model, const uint8_t content[20], struct err *e)
{
    struct client *c;
    struct call call = {0};
    struct buf frame = BUF_INIT;
    uint64_t generation;
    uint32_t id;
    int rc = remote_ready(model, &c, &generation, &id, e);
    if (rc)
        return rc;
    frame_put_forget(&frame, call_id(c), id, content);
    rc = ask(c, &call, generation, &frame, FRAME_COUNTS, NULL, NULL, NULL, e);
    struct frame answer = {FRAME_COUNTS, call.id, (uint8_t *)call.answer.data, call.answer.len};
    if (!rc)
        rc = frame_get_counts(NULL, 0, &answer, e);
    buf_release(&call.answer);
    return rc;
}
