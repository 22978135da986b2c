/* Adapters as llama.cpp reads them (its convert_lora_to_gguf.py): a GGUF file (format/gguf.h) with
 *
 *   general.type "adapter", general.architecture, adapter.type "lora", adapter.lora.alpha (F32)
 *   blk.0.attn_q.weight.lora_a [r, inputs], blk.0.attn_q.weight.lora_b [outputs, r], …        y += alpha/r · (x·Aᵀ)·Bᵀ
 *   codeask.base, codeask.model    as codeask.json has them (peft.h); others have none
 *
 * Rows of B are in the order of GGUF models: of the Llama kind the halves of a head of queries and keys lie in pairs, whatever the base at hand is
 * made of. Foreign bytes: kinds, names, types, shapes and values are checked. */
#ifndef CODEASK_ENGINE_TRAIN_LORA_GGUF_H
#define CODEASK_ENGINE_TRAIN_LORA_GGUF_H

#include "engine/train/peft.h"

#define LORA_GGUF_FILE "adapter.gguf" /* in an adapter's folder */

/* Whole or not at all. ERR_IO, ERR_FULL. */
int lora_gguf_write(const char *path, const struct lora *l, const struct peft_base *base, struct err *e);
/* An adapter over d, to be freed with lora_free. ERR_FORMAT, ERR_UNSUPPORTED: what is wrong, or not applied here; ERR_USAGE: it is of another base or
 * another architecture, both are named; and as lora_new. name is for messages. */
int lora_gguf_parse(struct lora **out, struct decoder *d, const char *name, const void *bytes, size_t n, const struct peft_base *base, struct err *e);
int lora_gguf_read(struct lora **out, struct decoder *d, const char *path, const struct peft_base *base, struct err *e);

#endif
