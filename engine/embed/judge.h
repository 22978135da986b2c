/* A decoder that was taught to say whether a document fits a question (Qwen3-Reranker and its like): its template around the two,
 * and of its last token's state how much more likely "yes" is than "no". A folder says it in sentence-transformers' terms
 * (modules.json: LogitScore; the chat template shows messages of the roles "query" and "document"), a GGUF in llama.cpp's
 * (pooling_type 4, cls.output.weight, tokenizer.chat_template.rerank with {query} and {document}); or the folder has a head of one row
 * (…ForSequenceClassification, score.weight). Where its template shows no such roles, a known family's pairs are put as its card says.
 *
 * Read-only once open: any thread may use it. */
#ifndef CODEASK_ENGINE_EMBED_JUDGE_H
#define CODEASK_ENGINE_EMBED_JUDGE_H

#include "engine/format/model_config.h"
#include "engine/tokenizer/tokenizer.h"

struct judge;
/* The file is read during the call only, the tokenizer is borrowed. ERR_UNSUPPORTED: it lacks a classifier, or its template does
 * not show both texts. */
int judge_open(struct judge **out, const struct model_file *f, const struct model_config *c, const struct tokenizer *t, uint32_t hidden,
               struct err *e);
void judge_close(struct judge *j); /* accepts NULL */

/* The tokens of a pair into ids[0 … max). The question is cut to half of the room, then the document to what is left. Bytes of either
 * never make a special token. ERR_LIMIT: the template alone is longer; ERR_USAGE: the template refuses. */
int judge_pair(const struct judge *j, struct tokenizer_memory *m, const char *question, size_t question_len, const char *document,
               size_t document_len, uint32_t *ids, size_t *n, size_t max, struct err *e);
/* The logit of yes less that of no (of no where there is one): not bounded. last: [hidden], behind the last norm. */
float judge_score(const struct judge *j, const float *last);

#endif
