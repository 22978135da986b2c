/* Bare mirrors of repositories elsewhere, brought up to date with libgit2. Done in a child process of this binary (`codeaskd --fetch`) with
 * caps on memory, file size and time: libgit2 reads a stranger's bytes there, holds the credentials, and cannot be interrupted in every
 * place; killed at any moment it leaves a mirror that the next fetch goes on with. The child opens no connection by itself:
 *
 *   https  libcurl (net/web.h) under libgit2's smart protocol       mirror_http.c
 *   ssh    OpenSSH's client, known hosts alone                       mirror_ssh.c
 *   file   libgit2, from this disk
 *
 * The mirror holds refs/heads/ of the wanted branches and nothing else; a branch that is gone there goes here, a rewritten one is followed. */
#ifndef CODEASK_INDEXER_MIRROR_H
#define CODEASK_INDEXER_MIRROR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define MIRROR_WORKER_ARG "--fetch" /* `program --fetch` calls mirror_worker_main(POOL_WORKER_FD) */
#define MIRROR_BRANCHES_MAX 4096    /* refs of one mirror */

struct mirror_order {
    const char *url;         /* as url_parse takes it */
    const char *path;        /* the bare repository, made where it is not */
    const char *branches;    /* patterns of names, parted by commas (as a shell reads them, "main,release-*"); "": the default branch */
    const char *credentials; /* "" for none; https: a netrc file; ssh: a private key */
    const char *known_hosts; /* "": the user's and the system's */
    const char *ca;          /* PEM file beside the system's; "" */
    const char *hosts;       /* names that may lie inside of this network */
    uint64_t max_bytes;      /* of the mirror on disk */
    unsigned stall_seconds, seconds; /* without a byte; all in all */
};

struct mirror_progress {
    const char *stage;       /* "connecting", "fetching", "resolving" */
    uint64_t objects, objects_done, bytes;
};
/* At most ten times a second, from the calling thread; false: stop, ERR_CANCELED. */
typedef bool (*mirror_progress_cb)(void *arg, const struct mirror_progress *p);

struct mirror_result {
    bool changed;            /* a branch is another, came or went */
    unsigned branches;
    char head[256];          /* the default branch: "main"; "" of an empty repository */
};

/* Blocks. ERR_DENIED, ERR_NOT_FOUND, ERR_UNAVAILABLE as in net/web.h; ERR_LIMIT: larger than max_bytes; ERR_FORMAT: what came is no pack,
 * or not what was told; ERR_TIMEOUT; ERR_MEMORY; ERR_BUSY: another process fetches into path. The mirror stays as it was. */
int mirror_fetch(struct mirror_result *out, const char *program, const struct mirror_order *o, mirror_progress_cb progress, void *arg,
                 struct err *e);

int mirror_worker_main(int fd);

/* Removes the folder and all in it; what is not there is no error. path: below a folder called "mirrors". */
int mirror_remove(const char *path, struct err *e);

#endif
