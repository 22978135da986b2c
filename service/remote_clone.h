/* The asker's clone as the server can answer about it. For service/remote*.c. */
#ifndef CODEASK_SERVICE_REMOTE_CLONE_H
#define CODEASK_SERVICE_REMOTE_CLONE_H

#include "service/remote.h"
#include "service/remote_http.h"

#define REMOTE_MATCH_NS 30000000000LL /* so long it is not asked anew which repository of the server is meant */
#define REMOTE_CLONES 32              /* that a session remembers */

struct remote_file {        /* what differs from the server's commit */
    char *path;             /* relative to the root */
    struct oid oid, sent;   /* of what is here; of what the server holds: its secrets are masked */
    bool gone, committed, unsaved;
};

struct remote_view {
    char *repo, *ref;       /* the server's names */
    char *local, *root;     /* this home's name of it, and where it lies */
    struct oid base;        /* the server's commit */
    struct oid commit;      /* what is here: HEAD, or the branch that was asked for */
    char *overlay;          /* the server's name of what was put over its commit */
    struct remote_file *file; /* [n], by path */
    size_t n;
    bool many;              /* more differs than is looked at; only where nothing is sent */
    bool pushed;            /* it was sent, or nothing differs: the answer is about the state here */
    uint32_t dirty;         /* files here that are not committed, unsaved ones among them */
};

struct remote_link;         /* a session's: how to speak to the server, what was found out */
struct remote_link *remote_link_new(struct service *s, struct remote_http *h, const char *url, const char *token);
void remote_link_free(struct remote_link *l);
/* The call, through the link. */
int remote_link_post(json_t **result, bool *away, struct remote_link *l, const char *method, json_t *params /* stolen */, const bool *stop,
                     struct err *e);
const char *remote_link_url(const struct remote_link *l);
const char *remote_link_token(const struct remote_link *l);
/* Ids of overlays that it made and did not drop: the caller's array. */
json_t *remote_link_overlays(struct remote_link *l);

/* local: a git repository of this machine. ref: NULL for its working tree. ERR_NOT_FOUND: the server has none that is a clone of it, for this
 * token. fresh: what is remembered is not taken. */
int remote_view_open(struct remote_view *out, bool *away, struct remote_link *l, struct request *rq, const struct repo_row *local, const char *ref,
                     bool fresh, struct err *e);
void remote_view_close(struct remote_view *v); /* a zeroed one is allowed */
const struct remote_file *remote_view_file(const struct remote_view *v, const char *path);

/* remote_back.c: a result, a part or a progress of the server's as this home would say it, in place. */
void remote_back(json_t *o, const struct remote_view *v, size_t n);

#endif
