/* What the files of mirrors share. */
#ifndef CODEASK_INDEXER_MIRROR_INSIDE_H
#define CODEASK_INDEXER_MIRROR_INSIDE_H

#include "indexer/mirror.h"
#include "net/url.h"

#include <git2.h>
#include <git2/sys/transport.h>

struct mirror_run {
    const struct mirror_order *o;
    struct url url;
    struct err *e;  /* of a callback that ended the fetch: libgit2 hands on a number alone */
    int rc;
    uint64_t before; /* bytes of the mirror when it began */
    int fd;          /* to the parent; -1 in tests */
};

/* Notes why and gives libgit2 its number. */
int mirror_stop(struct mirror_run *m, int rc);

/* git_transport_cb; payload: the struct mirror_run. */
int mirror_http_transport(git_transport **out, git_remote *owner, void *payload);
int mirror_ssh_transport(git_transport **out, git_remote *owner, void *payload);

/* mirror_refs.c: pure. Whether a branch's name (without refs/heads/) is among the patterns. */
bool branch_wanted(const char *patterns, const char *name);

/* mirror_pack.c: one pack instead of many, where there are. Leaves all as it is where that does not come out. */
int mirror_repack(git_repository *r, const char *path, struct err *e);

#endif
