/* What a model's files say about how it makes vectors: config.json and what sentence-transformers adds, or GGUF's metadata. Every
 * number is bounded. */
#ifndef CODEASK_ENGINE_FORMAT_MODEL_CONFIG_H
#define CODEASK_ENGINE_FORMAT_MODEL_CONFIG_H

#include "engine/format/model_file.h"
#include "engine/run/forward.h"

#define MODEL_PREFIX_MAX 500 /* bytes of a prompt */

/* Tokens of a text that is embedded, where the model could read more: pieces of code are cut to some hundred, and buffers and
 * caches are as large as the longest text. Models with learned positions end at theirs. */
#define EMBED_TOKENS_MAX 2048

struct model_config {
    char family[32];        /* "bert" */
    bool decoder;           /* its last token's state is the vector (run/decoder.h): bert is empty; with bert.scores it judges (embed/judge.h) */
    uint32_t yes, no;       /* of one that judges: rows of its head; no UINT32_MAX: there is none */
    struct bert_config bert;
    uint32_t max_tokens;    /* the special ones included: sentence_bert_config.json's, else max_position */
    char query_prefix[MODEL_PREFIX_MAX + 1], document_prefix[MODEL_PREFIX_MAX + 1]; /* often empty */
};

/* The one of the next two that the container asks for. ERR_UNSUPPORTED with family empty: it is no such model (a decoder that
 * writes); with a family: it is one, of a kind that nothing here computes. */
int model_config_open(struct model_config *out, const struct model_file *f, struct err *e);

/* Reads <dir>/config.json (must be there), modules.json, sentence_bert_config.json, 1_Pooling/config.json and
 * config_sentence_transformers.json (may be missing). ERR_FORMAT or ERR_UNSUPPORTED names file and key. A decoder embeds where
 * the folder is one of sentence-transformers' that pools its last token. */
int model_config_read(struct model_config *out, const char *dir, struct err *e);
/* GGUF: *.pooling_type says what becomes of the tokens. Prompts are not in it: those of well-known models are a table. */
int model_config_gguf(struct model_config *out, const struct model_file *f, struct err *e);

/* config.json alone, from memory; name stands for the file. */
int model_config_bert(struct model_config *out, const char *name, const void *bytes, size_t n, struct err *e);

#endif
