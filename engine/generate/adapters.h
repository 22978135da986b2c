/* The adapters that requests name, each read once and kept until the model is closed, because kept prefixes refer to them. */
#ifndef CODEASK_ENGINE_GENERATE_ADAPTERS_H
#define CODEASK_ENGINE_GENERATE_ADAPTERS_H

#include "engine/train/peft.h"

#define ADAPTERS_MAX 32 /* of one model: some MB each; promotions of a month, between two starts */

struct adapters;
/* The decoder and base.name must outlive it. */
struct adapters *adapters_new(struct decoder *d, const struct peft_base *base);
void adapters_free(struct adapters *a); /* accepts NULL; no sequence may have one of them */
/* The folder's adapter, and a number that no other values share (for what is kept of its sequences). A folder that was written anew is read anew.
 * What peft_read says; ERR_LIMIT past ADAPTERS_MAX. Any thread. */
int adapters_get(const struct lora **out, uint64_t *key, struct adapters *a, const char *folder, struct err *e);

#endif
