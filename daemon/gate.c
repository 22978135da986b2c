#include "daemon/gate.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEARER "Bearer "

/* The host's name without its port, as a browser writes it. */
static bool host_is(const char *host, const char *name)
{
    size_t n = strlen(name);
    return !strncmp(host, name, n) && (!host[n] || host[n] == ':');
}

/* A page in a browser of this machine can be made to send requests here under a name of its own (DNS rebinding): only names that mean this
 * machine are the owner's. */
static bool names_this_machine(const char *host)
{
    return host && (host_is(host, "localhost") || host_is(host, "127.0.0.1") || host_is(host, "[::1]"));
}

/* A page of another origin has no business here, whatever it knows. */
static bool foreign_origin(const struct http_request *r, const struct peer_facts *peer)
{
    char own[300];
    if (!r->origin)
        return false;
    snprintf(own, sizeof own, "%s://%.250s", peer->tls ? "https" : "http", r->host ? r->host : "");
    if (!strcmp(r->origin, own))
        return false;
    snprintf(own, sizeof own, "https://%.250s", r->host ? r->host : "");
    return !peer->proxy || strcmp(r->origin, own) != 0; /* TLS may end at the proxy */
}

bool gate_pass(struct caller *who, const struct http_request *r, const struct peer_facts *peer, struct service *s, struct http_reply *out)
{
    struct err e = {0};
    /* a proxy's own requests are nobody's: who runs the daemon does not come through it */
    bool bearer = r->authorization && !strncmp(r->authorization, BEARER, sizeof BEARER - 1);
    *who = (struct caller){0};
    if (foreign_origin(r, peer)) {
        err_set(&e, ERR_DENIED, "a page of another origin may not ask here");
        reply_err(out, &e);
        return false;
    }
    if (!r->authorization && peer->same_user && !peer->proxy && !r->forwarded && names_this_machine(r->host)) {
        *who = (struct caller){.local = true, .uid = geteuid()};
        return true;
    }
    bool told = peer->proxy && r->proxy_user && !bearer;
    int rc = told ? service_named(who, s, r->proxy_user, &e) : bearer ? service_authenticate(who, s, r->authorization + sizeof BEARER - 1, &e) : ERR_DENIED;
    if (!rc)
        return true;
    if (rc != ERR_DENIED) { /* closed, until it can be told again */
        reply_err(out, &e);
        return false;
    }
    err_set(&e, ERR_DENIED, told ? "the user is not known here" : bearer ? "the token is not valid" : "a token is wanted");
    err_hint(&e, "Authorization: Bearer TOKEN; without one only the daemon's own user on this machine is let in");
    reply_err(out, &e);
    out->status = 401;
    reply_header(out, "www-authenticate:", "Bearer");
    return false;
}
