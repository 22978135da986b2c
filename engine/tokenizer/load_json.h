/* Inside of the reader of tokenizer.json. */
#ifndef CODEASK_ENGINE_TOKENIZER_LOAD_JSON_H
#define CODEASK_ENGINE_TOKENIZER_LOAD_JSON_H

#include "engine/format/json.h"
#include "engine/tokenizer/tokenizer_data.h"

/* normalizer and pre_tokenizer (or null) into norms and steps; t->letters where one of them is ByteLevel. ERR_UNSUPPORTED and
 * ERR_FORMAT name the file and the part. */
int load_normalizer(struct tokenizer *t, const json_t *part, const char *name, struct err *e);
int load_steps(struct tokenizer *t, const json_t *part, const char *name, struct err *e);
/* Runs all norms: what a text becomes, appended. */
void load_normal(const struct tokenizer *t, struct buf *to, const char *p, size_t n);
/* The part, or a part of its sequence, of this type; NULL: none. */
const json_t *load_part(const json_t *part, const char *list, const char *type);

#endif
