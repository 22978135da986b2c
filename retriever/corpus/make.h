/* Records for tuning (engine/train/corpus.h) out of the index alone: definitions and their comments, questions over the symbol graph,
 * commits, sections of documents, pieces to fill in; and what a tuned model is measured by.
 *
 * Split: a tenth of the files (by their content, drawn from the seed, so that copies are on one side) and the last tenth of the commits (by
 * time) are held out. A record that is learned was made of no held-out file; a held-out one whose text stands in what is learned is
 * left out (but for a change's files: every commit is about files that others are about). Secrets are masked as cut() masks them. Files that were not committed, that a program generated, or that come from
 * elsewhere teach nothing. The same index and seed give the same bytes.
 *
 * Read transactions are opened for CORPUS_FILES_AT_ONCE files at a time. */
#ifndef CODEASK_RETRIEVER_CORPUS_MAKE_H
#define CODEASK_RETRIEVER_CORPUS_MAKE_H

#include "engine/train/corpus.h"
#include "retriever/retriever.h"

#define CORPUS_FILES_AT_ONCE 64
#define CORPUS_HELD_PERCENT 10

struct corpus_patch {          /* of one commit, secrets masked; both buffers are the maker's */
    struct buf text, blobs;    /* blobs: [n][20], the contents that the text shows */
};
struct corpus_order {
    const struct search_target *target;
    size_t ntargets;
    uint64_t seed;
    uint32_t most;             /* records of a kind that are learned; measured by are a fourth of it */
    size_t bytes;              /* of all records, ≤ CORPUS_MAX */
    uint32_t kinds;            /* 1 << CORPUS_DOC …: those that are wanted; 0: all */
    bool commits_by_time;      /* the files that a commit concerns do not keep it from being learned: its time alone decides */
    /* What libgit2 and cut() know (indexer), for a room that has neither. mask NULL: no records of commits; patch NULL: none of what they changed. */
    int (*patch)(void *arg, struct corpus_patch *out, const struct repo_row *repo, const struct oid *commit, struct err *e);
    int (*mask)(void *arg, char *text, size_t len, struct err *e);
    void *arg;
    bool (*go_on)(void *arg, const char *stage, uint64_t done, uint64_t all); /* false: ERR_CANCELED. NULL: nobody asks */
};
struct corpus_told {
    uint32_t files, commits;   /* that were looked at */
    uint32_t learned[CORPUS_KIND_COUNT], held[CORPUS_KIND_COUNT];
    uint32_t repeated, known;  /* dropped: another had the same text; held out, and stands in what is learned */
};

/* out: a whole file. An index without any such text gives one without records. Any thread. */
int corpus_make(struct buf *out, struct corpus_told *told, struct retriever *r, const struct corpus_order *o, struct err *e);

#endif
