/* The universe of one search: the distinct cuts of all its targets (gid = first[target] + ucut; a cut that several targets see
 * belongs to the first). Document frequencies are counted in this universe alone, so what the asker may not read does not
 * move a score.
 *
 * All of it but the segments' bytes depends only on the snapshots and on which segments there are, so it is made once and
 * shared by searches (cache.h): mapping 35k cuts of 8 repositories to their segments anew took 2 ms of every search. */
#ifndef CODEASK_RETRIEVER_UNIVERSE_H
#define CODEASK_RETRIEVER_UNIVERSE_H

#include "retriever/snapshot.h"

#include <stdbool.h>

/* An occurrence that a search may show of a file, chosen when no filter narrows it. */
struct shown {
    uint32_t number;             /* of the occurrence in its snapshot */
    float worth;                 /* what a first score is multiplied by, because of what the file is */
};

struct universe {
    struct snapshot *const *snap;
    size_t nsnaps;
    const uint32_t *first;       /* [nsnaps + 1] */
    uint32_t ngids;
    const struct segment *seg;   /* the search's own, over its transaction */
    size_t nsegs;
    uint32_t *const *gid;        /* [nsegs][ncuts] gid of a segment's cut, or FILE_NONE */
    const uint32_t *chunk0;      /* [nsegs + 1] number of a segment's first chunk in the universe */
    const uint32_t *where;       /* [ngids] segment of its cut */
    const uint32_t *where_cut;   /* [ngids] index of its cut there */
    const uint32_t *twin;        /* pairs (gid, the gid that its cut belongs to), where several targets see one cut */
    uint32_t ntwins;
    uint32_t nchunks;            /* all chunks of the segments, visible or not */
    uint32_t visible_chunks, visible_files;
    double mean_chunk, mean_file; /* words */
    double mean_symbols;         /* of a file */
    const uint32_t *file_words;  /* [ngids] */
    const struct shown *shown;   /* [ngids] */
};

/* The part that searches share; immutable, counted by reference. It names its snapshots without holding them, so that it
 * keeps no view in memory that changed or was forgotten. */
struct universe_base {
    uint32_t refs;
    struct universe u;           /* snap and seg are NULL */
    uint64_t *serial;            /* [nsnaps] of the snapshots */
    uint32_t *segment;           /* [nsegs] ids */
    struct arena arena;
};

struct universe_base *universe_new(struct snapshot *const *snap, size_t nsnaps, const struct segment *seg, size_t nsegs);
void universe_drop(struct universe_base *b); /* accepts NULL */
/* Whether it was made of just these. */
bool universe_is(const struct universe_base *b, struct snapshot *const *snap, size_t nsnaps, const struct segment *seg, size_t nsegs);
bool universe_over_same(const struct universe_base *b, struct snapshot *const *snap, size_t nsnaps); /* whatever the segments */
bool universe_has(const struct universe_base *b, const struct snapshot *snap);
/* For one search, which holds these snapshots and the transaction of these segments; valid while it does and b is there. */
struct universe universe_over(const struct universe_base *b, struct snapshot *const *snap, const struct segment *seg);

/* The snapshot and its ucut behind a gid. */
struct snapshot *universe_snapshot(const struct universe *u, uint32_t gid, uint32_t *ucut, uint32_t *target);
/* The chunk's number in the universe of a file's n-th chunk. */
static inline uint32_t universe_chunk(const struct universe *u, uint32_t gid, uint32_t n)
{
    const struct segment *s = &u->seg[u->where[gid]];
    return u->chunk0[u->where[gid]] + s->first_chunk[u->where_cut[gid]] + n;
}

/* How much is held against a file by what it is. */
float nature_blame(const struct file_nature *is);
float nature_worth(const struct file_nature *is);

#endif
