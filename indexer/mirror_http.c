/* git's smart protocol over https, with libcurl under it: libgit2's own has no time-outs before 1.7, looks addresses up by itself and follows
 * redirects. A stream is one request: what libgit2 writes is its body, sent when the first byte is read. */
#include "indexer/mirror_inside.h"

#include "base/buf.h"
#include "base/mem.h"
#include "net/address.h"
#include "net/web.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX (64u << 20) /* what is wanted and had: 50 bytes a commit, some thousands of them */

struct stream {
    git_smart_subtransport_stream base;
    struct mirror_run *m;
    struct web_stream *http;
    struct buf url, body;
    const char *type;  /* that the answer must have */
    bool post;
};

struct transport {
    git_smart_subtransport base;
    struct mirror_run *m;
};

static int ask(struct stream *s)
{
    struct mirror_run *m = s->m;
    struct web_call c = {
        .url = s->url.data,
        .office = host_listed(m->o->hosts, m->url.host),
        .header = {s->post ? "Content-Type: application/x-git-upload-pack-request" : "Pragma: no-cache",
                   s->post ? "Accept: application/x-git-upload-pack-result" : NULL},
        .body = s->post ? s->body.data ? s->body.data : "" : NULL,
        .len = s->body.len,
        .netrc = *m->o->credentials ? m->o->credentials : NULL,
        .ca = m->o->ca,
        .stall_seconds = m->o->stall_seconds,
    };
    int rc = web_open(&s->http, &c, m->e);
    if (rc == ERR_DENIED && m->e && strstr(m->e->message, "let us in"))
        err_hint(m->e, "%s", *m->o->credentials ? "the file of credentials has no machine of this name, or an old token"
                                                : "--credentials FILE: machine HOST login USER password TOKEN, mode 0600");
    if (!rc && strcmp(web_type(s->http), s->type))
        rc = err_set(m->e, ERR_FORMAT, "%.300s is no git repository over smart HTTP (%.60s)", m->url.text, web_type(s->http));
    return rc;
}

static int stream_read(git_smart_subtransport_stream *base, char *to, size_t max, size_t *n)
{
    struct stream *s = (struct stream *)base;
    int rc = s->http ? 0 : ask(s);
    if (!rc)
        rc = web_read(s->http, to, max, n, s->m->e);
    return rc ? mirror_stop(s->m, rc) : 0;
}

static int stream_write(git_smart_subtransport_stream *base, const char *from, size_t n)
{
    struct stream *s = (struct stream *)base;
    if (s->http || s->body.len + n > BODY_MAX)
        return mirror_stop(s->m, err_set(s->m->e, ERR_LIMIT, "%.300s: the negotiation takes more than %u bytes", s->m->url.text, BODY_MAX));
    buf_add(&s->body, from, n);
    return 0;
}

static void stream_free(git_smart_subtransport_stream *base)
{
    struct stream *s = (struct stream *)base;
    web_close(s->http);
    buf_release(&s->url);
    buf_release(&s->body);
    free(s);
}

static int action(git_smart_subtransport_stream **out, git_smart_subtransport *base, const char *url, git_smart_service_t what)
{
    struct transport *t = (struct transport *)base;
    (void)url; /* the configuration of git could have made another of it */
    if (what != GIT_SERVICE_UPLOADPACK_LS && what != GIT_SERVICE_UPLOADPACK)
        return -1;
    struct stream *s = mem_zero(1, sizeof *s);
    size_t n = strlen(t->m->url.text);
    while (n && t->m->url.text[n - 1] == '/')
        n--;
    s->base = (git_smart_subtransport_stream){base, stream_read, stream_write, stream_free};
    s->m = t->m;
    s->post = what == GIT_SERVICE_UPLOADPACK;
    s->type = s->post ? "application/x-git-upload-pack-result" : "application/x-git-upload-pack-advertisement";
    buf_addf(&s->url, "%.*s%s", (int)n, t->m->url.text, s->post ? "/git-upload-pack" : "/info/refs?service=git-upload-pack");
    *out = &s->base;
    return 0;
}

static int transport_close(git_smart_subtransport *base)
{
    return 0;
}

static void transport_free(git_smart_subtransport *base)
{
    free(base);
}

static int make(git_smart_subtransport **out, git_transport *owner, void *param)
{
    struct transport *t = mem_zero(1, sizeof *t);
    t->base = (git_smart_subtransport){action, transport_close, transport_free};
    t->m = param;
    *out = &t->base;
    return 0;
}

int mirror_http_transport(git_transport **out, git_remote *owner, void *payload)
{
    git_smart_subtransport_definition d = {make, 1, payload};
    return git_transport_smart(out, owner, &d);
}
