/* What a session's client holds in its editor and has not saved: in memory, for that session's requests alone, gone with it. */
#ifndef CODEASK_SERVICE_UNSAVED_H
#define CODEASK_SERVICE_UNSAVED_H

#include "service/scope.h"

#define UNSAVED_FILES_MAX 256 /* of one session: what an editor holds unsaved at once */

struct unsaved_file {
    struct unsaved_file *next;
    char *path;               /* absolute, its folder without links */
    struct unsaved_text *text;
};

/* [mu] of the service. A NULL text forgets the file. ERR_LIMIT past UNSAVED_FILES_MAX. */
int unsaved_keep_locked(struct session *c, const char *path, struct unsaved_text *text /* held */, struct err *e);
void unsaved_forget_locked(struct session *c);
void unsaved_forget_purged_locked(struct session *c, const struct store *s); /* those of purged contents (store/purge.h) */
/* The session's texts over the targets of a request's scope, where none of their refs is asked about: over the working tree's view, HEAD's
 * while the former is not made yet, or the plain directory's. Lives as long as the request. */
void unsaved_over(struct scope *sc, struct request *rq);
/* The text of a hit that is not saved, with its secrets masked; false: it is none. */
bool unsaved_source(struct buf *out, const struct scope *sc, const struct search_hit *h);

#endif
