/* What a model's folder says about it: config.json, and what sentence-transformers adds. Every number is bounded. */
#ifndef CODEASK_ENGINE_FORMAT_MODEL_CONFIG_H
#define CODEASK_ENGINE_FORMAT_MODEL_CONFIG_H

#include "engine/run/forward.h"

#define MODEL_PREFIX_MAX 500 /* bytes of a prompt */

struct model_config {
    char family[32];        /* "bert" */
    struct bert_config bert;
    uint32_t max_tokens;    /* the special ones included: sentence_bert_config.json's, else max_position */
    char query_prefix[MODEL_PREFIX_MAX + 1], document_prefix[MODEL_PREFIX_MAX + 1]; /* often empty */
};

/* Reads <dir>/config.json (must be there), sentence_bert_config.json, 1_Pooling/config.json and
 * config_sentence_transformers.json (may be missing). ERR_FORMAT or ERR_UNSUPPORTED names file and key. */
int model_config_read(struct model_config *out, const char *dir, struct err *e);

/* config.json alone, from memory; name stands for the file. */
int model_config_bert(struct model_config *out, const char *name, const void *bytes, size_t n, struct err *e);

#endif
