/* History: the commits of all repositories, each stored once whatever the number of forks, branches and worktrees that hold
 * it. A commit has a number, given parents first, so whoever knows a commit knows all behind it that git had. Nothing here
 * decides who may see a commit: callers walk from the commits that an asker may read (history_reach), and what they do not
 * reach does not exist.
 *
 *   commitof  oid[32]                            commit number u32
 *   graph     block u32                          GRAPH_BLOCK struct history_node, for commits block*GRAPH_BLOCK …
 *   commit    commit number u32                  author, time, path ids, name, mail, message (history.c)
 *   pathid    long_key(path)                     path id u32
 *   pathname  path id u32                        path
 *   touch     path id u32, commit number u32     what the commit did to the path (store/touch.h)
 *   said      term u64, first commit number u32  postings of messages: (delta of the number, count) as varints
 *   saidvec   space u16, commit number u32       vector number u32 of the message, in a space of its own (said_space)
 *
 * A commit is first numbered (its node knows parents and time: HISTORY_PENDING), then read (HISTORY_IN), newest first. */
#ifndef CODEASK_STORE_HISTORY_H
#define CODEASK_STORE_HISTORY_H

#include "base/arena.h"
#include "store/store.h"

#define COMMIT_NONE 0u
#define PATH_NONE 0u

enum history_state { HISTORY_FREE, HISTORY_PENDING, HISTORY_IN };
enum history_flag {
    HISTORY_WHOLE = 1,    /* everything behind it is in: a walk need not go further */
    HISTORY_BOUNDARY = 2, /* git names parents that it does not have (a shallow clone) */
    HISTORY_PARTIAL = 4,  /* trees or blobs were missing when it was read */
    HISTORY_MANY = 8,     /* it touched more paths than are kept */
    HISTORY_OCTOPUS = 16, /* more than two parents */
    HISTORY_WHOLE_SHALLOW = 32, /* as HISTORY_WHOLE, as far as a shallow clone goes */
};

struct history_node {
    uint32_t parent[2];   /* commit numbers; COMMIT_NONE where there is none. Further ones: history_parents */
    uint32_t time;        /* of the committer, seconds; clamped to what fits */
    uint32_t lost;        /* when a sweep first found it out of reach, seconds; 0: in reach */
    uint16_t words;       /* of its message, saturating */
    uint8_t state, flags;
};

/* All nodes, valid while the transaction lives. */
struct history_graph {
    const void **block;
    uint32_t nblocks;
    struct txn *t;
};
int history_graph_open(struct history_graph *g, struct txn *t, struct err *e);
void history_graph_close(struct history_graph *g);
struct history_node history_node(const struct history_graph *g, uint32_t commit); /* a free one for an unknown number */
/* Parents in order, at most `most`; those that the store does not know are COMMIT_NONE. Returns their number. */
#define HISTORY_PARENTS 32 /* of an octopus; further ones are not followed */
size_t history_parents(const struct history_graph *g, uint32_t commit, uint32_t out[HISTORY_PARENTS]);
uint32_t history_most(const struct history_graph *g); /* numbers are below it */

/* A set of commits: those reachable from what was added, over all parents. */
struct history_reach {
    uint64_t *bit;
    uint32_t most, n;
};
void history_reach_init(struct history_reach *r, const struct history_graph *g);
void history_reach_add(struct history_reach *r, const struct history_graph *g, uint32_t commit);
void history_reach_release(struct history_reach *r);
static inline bool history_reaches(const struct history_reach *r, uint32_t commit)
{
    return commit < r->most && r->bit[commit / 64] >> commit % 64 & 1;
}

uint32_t commit_find(struct txn *t, const struct oid *o); /* COMMIT_NONE; the number may be of a free node (swept) */
struct history_node commit_node(struct txn *t, uint32_t commit); /* one node without the graph; a free one when it is not there */

/* Every known commit, swept ones whose row is left included. Stops on non-zero. */
int commits_each(struct txn *t, int (*each)(void *arg, const struct oid *o, uint32_t number), void *arg, struct err *e);

/* -- numbering: parents first ------------------------------------------------------------------------------------------ */
struct commit_new {
    struct oid oid;
    uint32_t parent[HISTORY_PARENTS]; /* numbers */
    uint32_t nparents;
    uint32_t time;
    uint8_t flags;
};
/* Gives it the next number as HISTORY_PENDING. One that is known as HISTORY_BOUNDARY keeps its number, and gets its parents
 * now. */
int commit_number(struct txn *t, const struct commit_new *c, uint32_t *number, struct err *e);
int commit_flag(struct txn *t, uint32_t commit, uint8_t set, uint8_t clear, struct err *e);

/* -- contents ---------------------------------------------------------------------------------------------------------- */
struct commit_row {
    struct oid oid;
    int64_t time;             /* of the author, seconds since the epoch */
    int32_t offset;           /* minutes east of UTC */
    uint32_t flags;           /* enum history_flag, as when it was read */
    struct str author, mail, message; /* borrowed; message: UTF-8 as far as git knows, cut at HISTORY_MESSAGE_MAX */
    const void *path;         /* [npaths] path ids u32, unaligned */
    uint32_t npaths;          /* kept */
    uint32_t ntouched;        /* in all */
};
int commit_get(struct txn *t, uint32_t commit, struct commit_row *out, struct err *e); /* ERR_NOT_FOUND while pending */
uint32_t commit_path(const struct commit_row *c, uint32_t i);
/* The last step of reading one: its row, and its node becomes HISTORY_IN with c->flags. */
int commit_put(struct txn *t, uint32_t commit, const struct commit_row *c, uint16_t words, struct err *e);

uint32_t path_find(struct txn *t, struct str path); /* PATH_NONE */
int path_make(struct txn *t, struct str path, uint32_t *id, struct err *e);
int path_get(struct txn *t, uint32_t id, struct str *out, struct err *e); /* borrowed */

int touch_put(struct txn *t, uint32_t path, uint32_t commit, const void *bytes, size_t n, struct err *e);
/* In order of the commits' numbers. Stops on non-zero. */
int touches_each(struct txn *t, uint32_t path, int (*each)(void *arg, uint32_t commit, struct str bytes), void *arg, struct err *e);

/* -- words of messages ------------------------------------------------------------------------------------------------- */
struct said {
    uint32_t commit;
    uint32_t count;
};
/* Adds the postings of one term; commits ascending, all of one batch. */
int said_put(struct txn *t, uint64_t term, const struct said *v, size_t n, struct err *e);
/* All postings of a term, of every batch. Stops on non-zero. */
int said_each(struct txn *t, uint64_t term, int (*each)(void *arg, const struct said *v), void *arg, struct err *e);

/* -- vectors of messages ------------------------------------------------------------------------------------------------ */
/* What vector_model is asked for: the model's messages have numbers of their own, so that searches of code do not scan them. */
static inline void said_space(uint8_t out[32], const uint8_t model[32])
{
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)~model[i];
}
/* number: VECTOR_NONE (vector.h) for a message that says nothing. */
int saidvec_put(struct txn *t, uint16_t space, uint32_t commit, uint32_t number, struct err *e);
bool saidvec_get(struct txn *t, uint16_t space, uint32_t commit, uint32_t *number); /* false: it was not made */
/* All of a space, by commit. Stops on non-zero. */
int saidvec_each(struct txn *t, uint16_t space, int (*each)(void *arg, uint32_t commit, uint32_t number), void *arg, struct err *e);

/* -- sweep --------------------------------------------------------------------------------------------------------------- */
/* Forgetting commits that no ref of any repository (table ref) reaches: such a commit is first noted, and goes once it was out
 * of reach for `grace` seconds (0: at once). Opening walks over the graph once, in a read transaction; each step is one write
 * transaction of about `most` rows; *more tells that there is more to do. Part of store/sweep.h, and under its rule. */
struct history_sweep;
int history_sweep_open(struct history_sweep **out, struct store *s, int64_t now, int64_t grace, struct err *e);
int history_sweep_step(struct history_sweep *h, uint32_t most, bool *more, struct err *e);
void history_sweep_close(struct history_sweep *h); /* accepts NULL */

#define HISTORY_MESSAGE_MAX (16u << 10) /* bytes of a message that are kept: longer ones are pasted logs and lists */
#define GRAPH_BLOCK 400u                /* nodes: two pages of 4 KiB, with LMDB's header */

#endif
