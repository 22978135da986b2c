/* Sessions that do nothing but remember, in place of the service's: the codec is tested alone. */
#ifndef CODEASK_TESTS_STAND_IN_H
#define CODEASK_TESTS_STAND_IN_H

#include "base/err.h"
#include "service/service.h"

#include <string.h>

#define STAND_IN_OPEN 256

struct session {
    uint64_t next;
    struct {
        uint64_t id;
        struct sink sink;
        char method[32], params[256];
    } open[STAND_IN_OPEN];
    unsigned nopen, submitted, canceled, resumed;
};

int session_submit(struct session *c, const char *method, const char *params, size_t len, struct sink sink, uint64_t *id,
                   struct err *e)
{
    c->submitted++;
    if (!strcmp(method, "refuse")) {
        err_set(e, ERR_USAGE, "refused \"quoted\" \xFF");
        return ERR_USAGE;
    }
    if (c->nopen == STAND_IN_OPEN)
        return err_set(e, ERR_BUSY, "full");
    *id = ++c->next;
    c->open[c->nopen].id = *id;
    c->open[c->nopen].sink = sink;
    snprintf(c->open[c->nopen].method, sizeof c->open->method, "%s", method);
    snprintf(c->open[c->nopen].params, sizeof c->open->params, "%.*s", (int)(len < 255 ? len : 255), params);
    c->nopen++;
    return 0;
}

/* Gives an event to the i-th open request; the last kind closes it. */
static inline bool stand_in_event(struct session *c, unsigned i, enum event_kind kind, const char *json)
{
    struct sink sink = c->open[i].sink;
    uint64_t id = c->open[i].id;
    if (kind == EVENT_DONE || kind == EVENT_FAIL) {
        memmove(&c->open[i], &c->open[i + 1], (c->nopen - i - 1) * sizeof *c->open);
        c->nopen--;
    }
    return sink.event(sink.arg, id, kind, json, strlen(json));
}

int session_hook(struct session *c, const struct hook_call *h, struct err *e)
{
    return h->token ? 0 : err_set(e, ERR_DENIED, "the signature is not valid");
}

void session_server(struct session *c, const char *url, const char *token)
{
}

/* Nobody is known: what lies behind these is the service, whole. */
int service_authenticate(struct caller *out, struct service *s, const char *token, struct err *e)
{
    return err_set(e, ERR_DENIED, "no token is good here");
}

int service_named(struct caller *out, struct service *s, const char *name, struct err *e)
{
    return err_set(e, ERR_DENIED, "no user is known here");
}

bool session_ready(struct session *c)
{
    return c->submitted < 2;
}

void session_cancel(struct session *c, uint64_t id)
{
    for (unsigned i = 0; i < c->nopen; i++)
        if (c->open[i].id == id)
            c->canceled++;
}

void session_resume(struct session *c, uint64_t id)
{
    c->resumed++;
}

#endif
