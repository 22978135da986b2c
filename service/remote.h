/* A team's server that answers first: this daemon maps the asker's clone to a repository there and to a commit that both know, puts what
 * differs here over it (remote_clone.h), forwards the request, and maps the answer back (remote_back.c). Where that does not come about the
 * local index answers, and the answer says so: "server": {"url", "answered", …} and a note.
 *
 * Only sessions of this machine's socket forward (session_server); what others ask this daemon stays here. Which requests: the column
 * `forward` of methods[].
 *
 * Threads: calls block a worker. One more thread tells servers, behind sessions that ended, to drop what they held. */
#ifndef CODEASK_SERVICE_REMOTE_H
#define CODEASK_SERVICE_REMOTE_H

#include "service/core.h"

#define REMOTE_AWAY_NS 5000000000LL    /* a server that could not be reached is left in peace for so long: answers do not wait for it */

struct remote *remote_new(const struct config *c);
void remote_close(struct remote *r);   /* accepts NULL; tells servers the last drops, a moment long each */

/* What a session knows of its server; shared with its requests. */
struct remote_session;
/* As session_server has them; NULL: no server. */
struct remote_session *remote_session_new(struct service *s, const char *url, const char *token);
struct remote_session *remote_session_hold(struct remote_session *x); /* accepts NULL */
void remote_session_drop(struct remote_session *x);                   /* accepts NULL; the last one lets the server drop its overlays */

/* false: the local method is to run. Else *rc and *result are the request's. */
bool remote_run(int *rc, json_t **result, struct request *rq, struct err *e);
/* After a local method: says in its result, or in its error's hint, why the server did not answer. */
void remote_stamp(struct request *rq, json_t *result, int rc, struct err *e);
/* For `status`: NULL without a server. */
json_t *remote_status(struct request *rq);

#endif
