/* Adapters as files, as the library PEFT has them (https://huggingface.co/docs/peft), a folder of
 *   adapter_config.json         "peft_type": "LORA", "r", "lora_alpha", "use_rslora", "target_modules", …
 *   adapter_model.safetensors   base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight [r, inputs], …lora_B.weight [outputs, r]
 *   codeask.json                {"base": SHA-256 of the model's weights in hex, "model": its name}: this project's own; others have none
 *
 * Rows of B are in the order of safetensors models. Where the model is a GGUF file of the Llama kind, whose converter turns the halves
 * of a head of queries and keys into pairs, they are turned on the way in and out: the same files serve both.
 *
 * Foreign bytes: names, types, shapes and values are checked; what is of another base is refused by name. */
#ifndef CODEASK_ENGINE_TRAIN_PEFT_H
#define CODEASK_ENGINE_TRAIN_PEFT_H

#include "engine/train/lora.h"

struct peft_base {
    uint8_t hash[32];  /* model_file_hash */
    const char *name;  /* of the model, for people */
};

/* Makes the folder where it is not there; each file whole or not at all, the configuration last. ERR_IO, ERR_FULL. */
int peft_write(const char *folder, const struct lora *l, const struct peft_base *base, struct err *e);
/* An adapter over d, to be freed with lora_free. ERR_NOT_FOUND: no such folder or file; ERR_FORMAT: what is wrong in which file or tensor;
 * ERR_USAGE: it is of another base, both are named; ERR_UNSUPPORTED: a kind of adapter that is not applied here (DoRA, biases, ranks that
 * differ, whole modules), or as lora_new. Maps that the adapter leaves out stay as they are. */
/* Or, in place of the three, LORA_GGUF_FILE (lora_gguf.h), or such a file itself. */
int peft_read(struct lora **out, struct decoder *d, const char *folder, const struct peft_base *base, struct err *e);
/* Where the weights lie: <folder>/adapter_model.safetensors, or the GGUF file that stands for it. The caller frees it. */
char *peft_weights(const char *folder);
/* The same from bytes; folder is for messages. ours.p NULL: it has none. */
struct peft_files {
    struct str config, weights, ours;
};
int peft_parse(struct lora **out, struct decoder *d, const char *folder, const struct peft_files *f, const struct peft_base *base, struct err *e);

/* codeask.json alone, for adapters of other kinds (query_map.h): the base that it is of, written and compared. */
int peft_base_write(const char *folder, const struct peft_base *base, struct err *e);
int peft_base_check(const char *folder, const struct peft_base *base, struct err *e); /* ERR_USAGE: another's; 0 where the file is not there */

#endif
