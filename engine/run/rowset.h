/* Which rows of which tensors a weight is made of: files fuse, interleave and transpose what one product wants below one another. */
#ifndef CODEASK_ENGINE_RUN_ROWSET_H
#define CODEASK_ENGINE_RUN_ROWSET_H

#include "engine/format/model_file.h"

/* Row i of expert e is row first + e·expert_rows + at(i) of the tensor (of that expert's own where each is a tensor), with
 * at(i) = offset + (i / run)·step + i % run, or offset + i where run is 0. Transposed: it is column at(i) of the matrix of k rows
 * from first + e·expert_rows on. */
struct piece {
    const struct tensor *t;
    const struct tensor *const *of_expert; /* [experts]; NULL: t holds all */
    uint64_t first, expert_rows;
    uint32_t rows, offset, run, step;
    bool transposed;
};

struct rowset { /* what weight() reads; the members below are its own */
    const struct piece *piece;
    int pieces;
    uint32_t n, k; /* rows of one expert, columns */
    float *turned; /* of a transposed tensor: [k, its columns] */
    const struct tensor *turned_from;
    uint64_t turned_first;
    void *row;
};

enum block_type piece_type(const struct piece *p);
const struct tensor *piece_tensor(const struct piece *p, uint32_t expert);
uint64_t piece_row(const struct piece *p, uint32_t expert, uint32_t i);

const void *rowset_row(void *rowset, uint32_t row); /* weight_source.row */
/* Whether all rows lie in the file as they are (weight_source.stays). */
bool rowset_stays(const struct rowset *s, uint32_t experts);
void rowset_release(struct rowset *s);
/* All values of a tensor as fp32; the caller frees. */
float *tensor_floats(const struct tensor *t, uint64_t first_row, uint64_t rows);

#endif
