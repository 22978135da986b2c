/* A state of training as a file: a pure byte machine. Native byte order: training goes on where it began.
 *
 *   char  magic[8]     "catrain1"
 *   u8    base[32]     hash of the model's file (model_file_hash)
 *   u8    course[16]   XXH3 of all that decides how training goes: options, texts (trainer.c)
 *   u64   seed
 *   u64   step         steps that were done
 *   u64   epoch, next  the data cursor: how often all texts were read, and which of this turn is next
 *   u64   count        values of the adapter, ≤ CHECKPOINT_MAX
 *   f32   value[count], m[count], v[count]
 *   u8    hash[16]     XXH3 of all before */
#ifndef CODEASK_ENGINE_TRAIN_CHECKPOINT_H
#define CODEASK_ENGINE_TRAIN_CHECKPOINT_H

#include "base/buf.h"
#include "base/err.h"

#define CHECKPOINT_HEAD 96
#define CHECKPOINT_MAX ((uint64_t)1 << 30) /* values: twice a rank of 256 over every map of a model of 70 billion parameters */

struct checkpoint { /* borrowed; floats of any alignment */
    uint8_t base[32], course[16];
    uint64_t seed, step, epoch, next, count;
    const uint8_t *value, *m, *v; /* [count] floats each */
};

void checkpoint_write(struct buf *out, const struct checkpoint *c);
/* ERR_FORMAT: no checkpoint; ERR_CORRUPT: one that is damaged, cut off, or holds what is no number. */
int checkpoint_read(struct checkpoint *out, const void *bytes, size_t n, struct err *e);

#endif
