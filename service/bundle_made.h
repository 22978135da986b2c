/* Bundles that were made here: which contents each took along, so that a purge can name those that hold one.
 *
 *   state.mdb                        "bundles": [{"digest", "file", "made_ms", "repos": [name …], "user": name or null}]
 *   <home>/bundles/DIGEST.contents   20 bytes a content, ascending */
#ifndef CODEASK_SERVICE_BUNDLE_MADE_H
#define CODEASK_SERVICE_BUNDLE_MADE_H

#include "service/core.h"

/* Durable when it returns; before the bundle is in its place, so that none is forgotten. */
int bundle_note(struct service *s, const char *digest, const char *file, const char *user, const struct repo_row *repo, size_t n, const struct oid *content, size_t contents,
                struct err *e);
/* Calls each with those that have it (known), and those of which the list is gone. */
int bundles_holding(struct service *s, const struct oid *oid, void (*each)(void *arg, const char *digest, const char *file, bool known), void *arg, struct err *e);

#endif
