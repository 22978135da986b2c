/* One model tuned on a corpus (corpus.h): records to tokens, steps with checkpoints, the adapter written, and both measured by what was held out.
 *
 * The folder holds   state                       a checkpoint (checkpoint.h): where it goes on when it is called again
 *                    adapter_config.json, …      the adapter (peft.h), once all steps are done
 *                    lock                        held while somebody works there
 * Threads: one that calls; the decoder has a team of its own. */
#ifndef CODEASK_ENGINE_TRAIN_TUNING_H
#define CODEASK_ENGINE_TRAIN_TUNING_H

#include "engine/train/corpus.h"
#include "engine/train/said.h"

#define TUNING_CONTEXT 1024   /* tokens of the longest text, where nothing else is said */
#define TUNING_STEP_ROWS 4096 /* of a step: some dozens of records; fewer make a noisy gradient, more are few steps */
#define TUNING_MEASURED 96    /* learned records that are measured too, for the leak check */
#define TUNING_ASKED 24       /* held-out questions that are really answered, of each sort: a minute of a 0.5B model on some cores */

struct tuning_order {
    const char *model, *corpus, *folder;
    const char *adapter;     /* a folder: nothing is learned, this one is measured; NULL: learn */
    uint32_t rank;           /* of the adapter, as lora_options (lora.h); and the three behind it */
    float alpha;
    bool rslora;
    uint32_t targets;
    float rate;              /* of the first step after warming up */
    uint64_t steps;          /* 0: as many as `epochs` turns take */
    double epochs;
    uint32_t step_rows, context; /* 0: the defaults */
    int threads;             /* 0: every core that this process may run on */
    uint64_t seed;
    double checkpoint_s;     /* seconds between two checkpoints; 0: after each step */
};
struct tuning_news {
    const char *stage;       /* "opening", "learning", "measuring", "asking" */
    uint64_t step, steps;    /* of the stage */
    double loss;             /* of a learned token, nats: a mean over the last steps; 0: none yet */
    double tokens_per_s, eta_s;
    uint64_t memory;         /* resident bytes of this process */
};
/* false: stop; what was learned is in the checkpoint. Called between steps and between records. */
typedef bool (*tuning_cb)(void *arg, const struct tuning_news *n);

/* A record, measured without and with the adapter. texts 1: the sum over its tokens of -ln p, base and tuned; else the rank of the right
 * text, 1 the best, by the mean of its tokens. */
struct measured {
    enum corpus_kind kind;
    bool held;
    uint8_t texts;
    uint32_t tokens;
    double base, tuned;
};
/* A held-out question over sources, answered in writing (said.h) without and with the adapter. */
struct asked {
    bool answerable;         /* one of the sources answers it */
    struct said base, tuned;
};
struct tuned {
    struct measured *row;    /* [rows], heap */
    size_t rows;
    struct asked *asked;     /* [questions], heap */
    size_t questions;
    uint64_t steps, texts, tokens; /* learned: steps, records, tokens of a turn */
    double loss, seconds;    /* of the last steps; spent learning in this call */
    uint8_t base[32];        /* model_file_hash */
};
void tuned_release(struct tuned *t);

/* ERR_CANCELED: stopped; ERR_LIMIT: the loss is no number, the last checkpoint is the last good state; ERR_FULL: no room for a
 * checkpoint, the one before stays; ERR_USAGE: a checkpoint or an adapter of something else, which is named, or too few records;
 * ERR_BUSY: another process works in the folder; and whatever the model's files, the corpus and lora_new say. */
int tuning_run(struct tuned *out, const struct tuning_order *o, tuning_cb cb, void *arg, struct err *e);

#endif
