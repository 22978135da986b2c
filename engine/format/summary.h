/* What a model's files say about themselves, after all of them was looked at. */
#ifndef CODEASK_ENGINE_FORMAT_SUMMARY_H
#define CODEASK_ENGINE_FORMAT_SUMMARY_H

#include "base/err.h"
#include "kernels/block.h"

#include <stdbool.h>
#include <stdint.h>

struct model_summary {
    char family[64]; /* "llama": general.architecture, or model_type of config.json; may be empty */
    char name[128];  /* general.name; may be empty */
    bool gguf;
    uint64_t files, tensors, values, bytes;
    struct {
        uint64_t tensors, values;
    } of[BLOCK_COUNT];
    uint8_t hash[32];
};

/* Reads every byte: shapes, offsets, NaNs, the hash. Errors as of model_file_open and model_file_finite. */
int model_summarize(struct model_summary *out, const char *path, struct err *e);

#endif
