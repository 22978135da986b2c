/* A repository beside another clone of it, on another machine: by what they know each other, and how one's state differs from a
 * commit of the other's. What the other one has is known by its hashes alone; a tree that is not here is asked for.
 * Any thread. */
#ifndef CODEASK_INDEXER_CLONE_H
#define CODEASK_INDEXER_CLONE_H

#include "indexer/indexer.h"

/* The commits that are told to the other side, the newest first: past them two clones are too far from each other for an overlay. */
#define CLONE_COMMITS 256
#define CLONE_ROOTS 8    /* commits without a parent: a repository has one, a merged history adds one */
#define CLONE_URLS 32    /* of one repository's remotes */

/* "example.org/team/courier" of every way to write it: ssh://git@Example.org:2222/team/courier.git, git@example.org:team/courier,
 * https://user@example.org/team/courier/. Ports are left out, for ssh and https differ in them. Appends to out; false: an address that
 * means nothing on another machine (a path, file:). */
bool clone_url(struct buf *out, const char *url);

struct clone {
    char *url[CLONE_URLS];  /* normal ones of its remotes */
    size_t nurls;
    struct oid *commit;     /* [ncommits] what ref (NULL: HEAD) names, then its ancestors by date, at most CLONE_COMMITS */
    size_t ncommits;        /* 0: no commit yet */
};
int clone_open(struct clone *out, const struct repo_row *repo, const char *ref, struct err *e);
void clone_close(struct clone *c); /* a zeroed one is allowed */
/* The normal addresses alone. */
int clone_urls(struct clone *out, const struct repo_row *repo, struct err *e);
/* Commits without a parent that HEAD goes back to: walks all of its history. */
int clone_roots(struct oid out[CLONE_ROOTS], size_t *n, const struct repo_row *repo, struct err *e);
/* Whether it has this object. */
bool clone_has(const struct repo_row *repo, const struct oid *id);

/* The bytes of tree objects, as git keeps them: the directory's, in that commit. Appends. ERR_NOT_FOUND: no such directory. */
int clone_tree(struct buf *out, const struct repo_row *repo, const struct oid *commit, const char *dir, struct err *e);

struct clone_row {
    char *path;             /* as in view.h */
    struct oid oid;         /* of what is here; zero where it is gone */
    bool gone;              /* the other one has it, this state does not */
    bool committed;         /* here, in what ref names */
};
struct clone_state {
    struct oid commit;      /* what ref names; HEAD's for the working tree */
    bool has_commit;
    struct clone_row *row;  /* [n] by path: what is not as in the tree */
    size_t n;
    uint32_t dirty;         /* files that are not as in commit */
};
/* Appends the bytes of the tree object of a directory ("" is the root, else without its slash). */
typedef int (*clone_fetch)(void *arg, const char *dir, struct buf *out, struct err *e);
/* How the working tree (ref NULL; of a bare repository HEAD) or a ref differs from a tree. Files past max_bytes, links and submodules
 * are not there. fetch is called for trees that are not here, the root first. ERR_LIMIT past `most` rows, or files that have to
 * be read to know. */
int clone_differ(struct clone_state *out, const struct repo_row *repo, const char *ref, const struct oid *tree, clone_fetch fetch, void *arg,
                 uint64_t max_bytes, size_t most, struct err *e);
void clone_state_release(struct clone_state *s);

#endif
