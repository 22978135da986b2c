/* Training of an adapter, or of all weights of a model: steps over texts in an order drawn from the seed, and its state as a file.
 *
 * A step takes the next texts until their rows would exceed step_rows or a turn over all of them ends (at least one), in packs as large as the decoder takes, and
 * goes down the mean loss of the tokens that are learned. Each turn over all texts has an order of its own. Everything follows from
 * the seed, the options, the texts and the model: on the same build and kind of processor the same bytes, whatever the number of threads
 * and however often training was stopped and went on.
 *
 * Threads: as the decoder, which is the trainer's while it lives. */
#ifndef CODEASK_ENGINE_TRAIN_TRAINER_H
#define CODEASK_ENGINE_TRAIN_TRAINER_H

#include "engine/train/adamw.h"
#include "engine/train/gradient.h"

struct trainer_options {
    const struct model_file *full; /* not NULL: all weights of that file, the decoder's, are trained (full.h), and lora says nothing; until trainer_new returns */
    struct lora_options lora;
    struct adamw_options adamw;
    enum activations policy; /* changes no byte */
    uint32_t step_rows;      /* of a step; 0: what the decoder takes at once */
    uint64_t seed;
    uint8_t base[32];        /* hash of the model's file (model_file_hash): a checkpoint and an adapter name it */
};

struct trained { /* of one step */
    uint64_t step, epoch;    /* steps done; turns over all texts done */
    double loss;             /* mean of a learned token, nats, before the step */
    double norm, rate;
    uint32_t rows, learned;  /* rows read, tokens learned */
};

struct trainer;
/* The texts are borrowed as long as the trainer lives. ERR_USAGE: none, or one that is no example or exceeds the decoder; as lora_new or full_new. */
int trainer_new(struct trainer **out, struct decoder *d, const struct example *x, size_t n, const struct trainer_options *o, struct err *e);
void trainer_free(struct trainer *t); /* accepts NULL */

/* One step. All or nothing: on an error values, moments and cursor are as before. ERR_LIMIT: the loss or its gradient is no number. */
int trainer_step(struct trainer *t, struct trained *out, struct err *e);
uint64_t trainer_steps(const struct trainer *t); /* done */
const struct lora *trainer_lora(const struct trainer *t); /* what was learned; borrowed. NULL: all weights were */
const struct full *trainer_full(const struct trainer *t); /* NULL: an adapter was */

/* The state, whole or not at all: the file is the old one until it is the new one. ERR_FULL, ERR_IO. */
int trainer_save(const struct trainer *t, const char *path, struct err *e);
/* Goes on from there. ERR_NOT_FOUND: no such file; ERR_CORRUPT, ERR_FORMAT: as checkpoint_read; ERR_USAGE: it is of another model, other
 * options or other texts. On an error the trainer is as before. */
int trainer_load(struct trainer *t, const char *path, struct err *e);

#endif
