/* What model_file.c shares with the readers of the two containers: gguf_shards.c and folder.c. */
#ifndef CODEASK_ENGINE_FORMAT_MODEL_INSIDE_H
#define CODEASK_ENGINE_FORMAT_MODEL_INSIDE_H

#include "base/arena.h"
#include "base/file.h"
#include "engine/format/gguf.h"
#include "engine/format/model_file.h"
#include "engine/format/safetensors.h"

#define MODEL_SHARDS_MAX 1000 /* files of one model; the largest published have some two hundred */

struct model_shard { /* one of the two */
    char *name; /* of the file, for messages */
    struct file_map map;
    struct gguf *gguf;
    struct safetensors *st;
};

/* Scales that are tensors of their own: how a row becomes blocks of t->type. Values and scales are borrowed from a file. */
struct tensor_parts {
    void (*row)(const struct tensor *t, uint64_t row, void *to);
    const struct st_tensor *values, *scales;
};

struct model_file {
    char *name, *folder; /* folder: NULL for GGUF */
    struct model_shard *shard; /* in order of name */
    size_t shards;
    struct arena arena;    /* names and parts of the tensors that folder.c puts together */
    struct tensor *tensor; /* in order of name once open */
    size_t tensors, cap;
};

/* Open path into f, which is released whatever comes back. */
int model_open_gguf(struct model_file *f, const char *path, struct err *e);
int model_open_folder(struct model_file *f, const char *path, struct err *e);

uint64_t model_file_bytes(const struct model_file *f); /* of all of its files */
void model_add_shard(struct model_file *f, struct model_shard shard); /* its name is taken over */
void model_add_tensor(struct model_file *f, const struct tensor *t);

#endif
