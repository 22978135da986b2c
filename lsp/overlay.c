#include "lsp/overlay.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool overlaid(const struct document *d)
{
    return d->changed || (d->saved_ms > 0 && clock_ms() - d->saved_ms < OVERLAY_SAVED_MS);
}

/* What the service should know of it: the text with this number; 0: nothing. */
static uint64_t wanted(const struct document *d)
{
    return d->path && !d->dropped && overlaid(d) ? d->serial : 0;
}

/* The one that is told of now, kept or not; NULL: it was closed meanwhile. */
static struct document *telling(const struct call *c)
{
    struct document *d = c->lsp->docs.first;
    while (d && (!c->anew || strcmp(d->uri, c->anew)))
        d = d->next;
    return d;
}

static void next_document(struct call *c);

static void told(struct call *c, json_t *result)
{
    struct document *d = telling(c);
    if (d)
        d->told = c->anew_serial;
    next_document(c);
}

static void not_forgotten(struct call *c, int code, const char *message, const char *hint)
{
    if (code == ERR_CANCELED)
        call_fail(c, code, message, hint);
    else
        told(c, NULL);
}

static void tell(struct call *c, json_t *params, void (*failed)(struct call *c, int code, const char *message, const char *hint))
{
    c->failed = failed;
    call_ask(c, "unsaved", params, told);
}

/* A text that cannot be cut: then what is indexed counts, and not the text before it. */
static void not_told(struct call *c, int code, const char *message, const char *hint)
{
    struct document *d = telling(c);
    if (code == ERR_CANCELED || !d)
        not_forgotten(c, code, message, hint);
    else
        tell(c, json_pack("{ss}", "place", d->path), not_forgotten);
}

/* Tells the service of the next document that is another one than it knows; when there is none, asks. */
static void next_document(struct call *c)
{
    struct lsp *x = c->lsp;
    struct document *d = x->docs.first;
    free(c->anew);
    c->anew = NULL;
    if (json_array_size(x->closed)) {
        json_t *params = json_pack("{sO}", "place", json_array_get(x->closed, 0));
        json_array_remove(x->closed, 0);
        tell(c, params, not_forgotten);
        return;
    }
    while (d && wanted(d) == d->told)
        d = d->next;
    if (!d || c->anew_count++ >= OVERLAY_ANEW_MAX) {
        c->failed = c->after_failed;
        call_ask(c, c->asked, json_incref(c->asking), c->after);
        return;
    }
    c->anew = mem_str(d->uri);
    c->anew_serial = wanted(d);
    json_t *params = json_pack("{ss}", "place", d->path);
    if (c->anew_serial)
        json_object_set_new(params, "text", json_stringn(d->text.data ? d->text.data : "", d->text.len));
    tell(c, params, not_told);
}

void overlay_ask(struct call *c, const char *method, json_t *params, void (*done)(struct call *c, json_t *result))
{
    json_decref(c->asking);
    c->asking = params;
    c->asked = method;
    c->after = done;
    c->after_failed = c->failed;
    c->anew_count = 0;
    next_document(c);
}

void overlay_close(struct lsp *x, const char *uri)
{
    struct document *d = document_named(&x->docs, uri);
    if (!d || !d->told)
        return;
    if (!x->closed)
        x->closed = json_array();
    json_array_append_new(x->closed, json_string(d->path));
}
