/* What people of this server hold over commits of its repositories: the changed files of their clones, in memory, each one's own, for their
 * requests that name it; gone when it is dropped, when it was not used for a while, and with the token. docs/server.md says how a
 * daemon elsewhere makes one. */
#ifndef CODEASK_SERVICE_OVERLAYS_H
#define CODEASK_SERVICE_OVERLAYS_H

#include "service/scope.h"

#define OVERLAY_ID 36            /* "o", 32 hexadecimal digits, NUL */
#define OVERLAY_FILES 1000       /* of one: a long-lived branch; past it a clone is another state, and its own index answers */
#define OVERLAY_REQUEST_BYTES (1u << 20) /* of contents in one request, more only for one content: below http_body_bytes */
#define OVERLAY_OWN_BYTES (32u << 20)    /* of one person: those files at 32 KB each */
#define OVERLAY_ALL_BYTES (256u << 20)   /* of all: a server's memory stays its index's */
#define OVERLAYS_OWN 32          /* of one person: clones that he works in at a time */
#define OVERLAY_IDLE_NS 600000000000LL   /* a daemon that went away without a word leaves nothing behind for longer */

struct overlays;
struct overlays *overlays_new(void);
void overlays_free(struct overlays *o);                   /* accepts NULL */
void overlays_rest(struct overlays *o, int64_t now_ns);   /* now and then: forgets what is idle */
/* What this token's (0: any) or this user's (0: any) requests made. */
void overlays_revoked(struct overlays *o, uint64_t token, uint32_t user);

void overlays_forget(struct overlays *o);                 /* all of them, for a purge: whose is still needed makes it again */

/* The overlays that a request names ("overlay") which stand on this repository; NULL: none. A reference, for overlay_drop. ERR_NOT_FOUND:
 * it names one that is not there, or is somebody else's. */
struct overlay;
int overlay_take(struct overlay **out, struct request *rq, uint32_t repo, struct err *e);
void overlay_drop(struct overlay *x);                     /* accepts NULL */
/* The ref that it stands on, as in ref_get, and the commit that this named when it was made. */
const char *overlay_ref(const struct overlay *x);
const struct oid *overlay_commit(const struct overlay *x);
/* Puts its texts over that view. The number of its files. */
uint32_t overlay_over(struct unsaved *u, const struct overlay *x, uint32_t view);

/* -- making one; method_overlay.c ---------------------------------------------------------------------------------------------- */
struct overlay_file {
    const char *path;
    struct oid blob;
    bool gone;
};
/* *id: of an overlay like this, made or already there. Where contents are missing, none is made: *id is empty, and missing[i] is set for
 * each of those. */
void overlay_make(char id[OVERLAY_ID], bool *missing, struct request *rq, const struct repo_row *repo, const char *ref, const struct oid *commit,
                  const struct overlay_file *file, size_t n);
bool overlay_has(struct request *rq, const char *path, const struct oid *blob);
/* text: held. bytes: what it costs. */
int overlay_keep(struct request *rq, const char *path, struct unsaved_text *text, size_t bytes, struct err *e);
void overlay_forget(struct request *rq, const char *id);

#endif
