/* <home>/audit.jsonl: who asked what, which chunks it gave out or let a model read, and how it ended. A row a request of every transport,
 * written before its answer is delivered:
 *
 *   {"ts":"2026-01-31T12:00:00.123Z","actor":user | "uid:N" of the owner,"method":…,"repos":[name…],"query":text | null,
 *    "chunks":[{"blob","start_line","end_line"}…],"model":name | null,"outcome":"done" | code of the error}
 *
 * Mode 0600. Past audit_bytes the file becomes audit.jsonl.1 and so on, the oldest leaves. Secrets in questions are masked; with
 * `audit = redacted` there are none. What is refused for being too much leaves no row, so that nobody can push out the others'. */
#ifndef CODEASK_SERVICE_AUDIT_H
#define CODEASK_SERVICE_AUDIT_H

#include "service/core.h"

enum audit_mode { AUDIT_NO, AUDIT_YES, AUDIT_REDACTED }; /* as the choices of the setting `audit` */

#define AUDIT_KEPT 4           /* files beside the one that is written */
#define AUDIT_QUERY_BYTES 4096 /* of a question: what was pasted with it is somewhere else */
#define AUDIT_CHUNKS 1000      /* of a row: as many as a search may give */

struct audit;
/* Opens nothing yet: a home that is only looked at gets no file. */
struct audit *audit_new(const struct paths *p, const struct config *c);
void audit_free(struct audit *a); /* accepts NULL */

/* What a request is about, and what of it a model is about to read; notes go away with the request. Its worker's thread. */
void audit_repos(struct request *rq, const struct repo_row *repo, size_t n);
void audit_chunk(struct request *rq, const struct oid *oid, uint8_t oid_len, uint32_t first, uint32_t last);
/* Once a request; result may be NULL. outcome: 0, or the error. No lock is held. */
void audit_request(struct request *rq, json_t *result, int outcome);
/* Calls each with what stands in quotes under "query", escaped as JSON has it, of every row of every file; one that returns true has changed
 * bytes of it, none more and none less, and they are written back. For purges. */
int audit_each(struct audit *a, bool (*each)(void *arg, char *query, size_t n), void *arg, struct err *e);
/* A request that was refused before it was one. */
void audit_refused(struct service *s, const struct caller *who, const struct method *row, json_t *params, int code);

#endif
