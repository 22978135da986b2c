/* Ranking: candidates with their signals -> an order.
 *
 *   score(chunk) = (Σ weight · chunk signal + Σ weight · file signal) · Π factor · REPEATⁿ
 *
 * where a signal marked `scaled` was divided by its maximum over the candidates of this question, a factor is in (0, 1], and
 * n counts the chunks of the same file that stand above it. */
#ifndef CODEASK_RETRIEVER_RANK_H
#define CODEASK_RETRIEVER_RANK_H

#include "retriever/dense.h"
#include "retriever/names.h"
#include "retriever/retriever.h"

#define RANK_FILES 300  /* files whose signals are computed: recall@40 of files is .998 on the yardstick */
#define REPEAT .6f      /* a file's next chunk: without it the best file fills the page; at .4 the right chunk of it came too late */

struct rank_file {
    uint32_t gid, target, ucut, number; /* number: of the occurrence shown, in its snapshot */
    const struct snapshot *snap;
    const struct snap_file *file;
    const struct snap_cut *cut;
    uint64_t stem_mask, dir_mask;
    uint64_t name;                      /* hash of its name without directories: each is compared with all others */
    float *value;                       /* [signals] */
    float part, factor;
    uint32_t chunk, nchunks;            /* its rows in ranking.chunk */
    uint32_t taken;                     /* of them by rank_next */
    float next, repeat;                 /* score of the next one, and its REPEATⁿ */
    uint32_t placed;
    float first_score;                  /* of its best chunk, before later signals look at neighbours */
};

struct rank_chunk {
    uint32_t file;                      /* row in ranking.file */
    uint32_t n;                         /* of its cut */
    float def;                          /* best quality of a definition that it holds */
    uint32_t def_symbol;
    float *value;                       /* [signals] */
    float part;                         /* the sum of its own signals */
    float score, repeat;                /* repeat: REPEATⁿ of the formula above, once rank_next gave it */
};

struct ranking {
    const struct search_request *request;
    const struct universe *u;
    const struct lexical *lex;
    const struct query *q;
    const struct name_def *def;         /* in order of gid */
    size_t ndefs;
    struct dense *near;                 /* of the vectors, or NULL */
    const float *dense;                 /* [universe.nchunks] cosine of each chunk of the files below, or NULL */
    const float *card;                  /* [universe.ngids] cosine of each such file's card, or NULL */
    struct exact_quoted *quoted;        /* only files that hold it are ranked; NULL: all */
    struct rank_file *file;
    uint32_t nfiles;
    struct rank_chunk *chunk;
    uint32_t nchunks;
    uint32_t *heap, nheap;              /* files with chunks to come, the one with the best next chunk in front */
    uint64_t *stem_mask, *dir_mask;     /* [all files of all snapshots], see path_at */
    uint32_t *row;                      /* [the same] row in file[] of an occurrence, FILE_NONE when it is no candidate */
    uint32_t *path0;                    /* [nsnaps + 1] first file of a snapshot in the three above */
};

enum signal_level { SIGNAL_CHUNK, SIGNAL_FILE, SIGNAL_LATE /* a file signal that looks at the files' first scores */, SIGNAL_FACTOR };

struct signal {
    const char *name, *help;
    enum signal_level level;
    bool scaled;
    float weight;
    float (*value)(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c); /* c: NULL but for CHUNK */
};
extern const struct signal signals[];   /* ended by a NULL name; to add one: a function and a row in signals.c */

/* candidates.c: fills file[], the masks and row[] of what passes the filters. Errors: of exact_quoted_look. */
int choose_files(struct ranking *r, struct arena *arena, struct err *e);

/* Fills file[], chunk[] with the candidates (filters applied) and computes every signal. Errors: of choose_files. */
int rank(struct ranking *r, struct arena *arena, struct err *e);
/* The chunks, best first, NULL after the last one with a score above 0; one a file where the request wants that. A page needs
 * ten of thousands: putting all in order was a tenth of a search. */
const struct rank_chunk *rank_next(struct ranking *r);

#endif
