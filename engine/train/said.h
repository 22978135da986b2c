/* What a model really writes when it is asked over sources (records of the kinds CITE and UNANSWERABLE): greedily, a short answer. */
#ifndef CODEASK_ENGINE_TRAIN_SAID_H
#define CODEASK_ENGINE_TRAIN_SAID_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define SAID_TOKENS 48 /* of an answer at most: a name, what it does and a number are a dozen */

struct decoder;
struct encoder_of_records;
struct corpus_record;
struct pass_adapt;

struct said {
    uint32_t cited, right; /* different sources that it names by number; whether the right one is among them (0 or 1) */
    bool refused;          /* it says that the sources do not say it */
};

/* text is cleared first. adapt: what is added to the products (lora.h); NULL: nothing. Whatever runs, the same bytes. No other sequence of the decoder
 * need be alive. ERR_LIMIT: the context has no room for an answer. */
int said_write(struct buf *text, struct decoder *d, const struct encoder_of_records *c, const struct corpus_record *r, const struct pass_adapt *adapt,
               struct err *e);
/* right: the number of the source that answers, from 1; 0: none does. */
struct said said_read(struct str text, uint32_t right);

#endif
