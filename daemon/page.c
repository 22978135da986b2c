#include "daemon/page.h"

#include <string.h>

/* Nothing comes from elsewhere and nothing goes elsewhere: no foreign script, style, picture, frame or form, and no text that acts. */
#define POLICY                                                                                                                         \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " \
    "frame-ancestors 'none'"
#define KEPT "private, max-age=31536000, immutable"

static const struct page_file *file_of(const char *path)
{
    size_t n = strlen(page_hash);
    if (!strcmp(path, "/"))
        return &page_files[0];
    path += sizeof PAGE_PREFIX - 1;
    if (strncmp(path, page_hash, n) || path[n] != '/')
        return NULL;
    for (const struct page_file *f = page_files; f->name; f++)
        if (!strcmp(path + n + 1, f->name))
            return f;
    return NULL;
}

static void *page_open(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    const struct page_file *f = file_of(r->path);
    if (!f) {
        struct err e;
        err_set(&e, ERR_NOT_FOUND, "there is no %.200s", r->path);
        err_hint(&e, "load the page again: the program was replaced");
        reply_err(out, &e);
        return NULL;
    }
    out->status = 200;
    out->type = f->type;
    out->cache = f == page_files ? "no-cache" : KEPT;
    reply_header(out, "content-security-policy:", POLICY);
    reply_header(out, "referrer-policy:", "no-referrer");
    reply_header(out, "cross-origin-opener-policy:", "same-origin");
    reply_header(out, "cross-origin-resource-policy:", "same-origin");
    buf_add(&out->body, f->bytes, f->len);
    out->ready = out->ended = true;
    return NULL;
}

const struct http_codec page_codec = {page_open, NULL, NULL};
