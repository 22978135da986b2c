/* What clients of OpenAI's API speak (https://platform.openai.com/docs/api-reference): /v1/models, /v1/embeddings and /v1/chat/completions,
 * whole and as server-sent events.
 *
 *   model "codeask"          an answer out of all repositories that the asker may read, with its sources; the last user message is the question
 *   model "codeask/NAME"     the same out of one repository
 *   the answer model's name  what that model says to the messages, without anything of the index
 *
 * "codeask": {…} in a chat request holds parameters of `ask` (repo, branch, path, continue, …); in a reply the id, conversation, mode and
 * citations of the answer. What is asked for and not done (tools, images, several choices) is refused, never passed over. */
#ifndef CODEASK_DAEMON_OPENAI_H
#define CODEASK_DAEMON_OPENAI_H

#include "daemon/exchange.h"

#include <jansson.h>

#define OPENAI_MODELS "/v1/models"
#define OPENAI_RETRIEVAL "codeask" /* the model that is `ask` */

extern const struct http_codec openai_models_codec, openai_embeddings_codec, openai_chat_codec;

/* openai.c, for the codecs of this API */
json_t *openai_body(const struct http_request *r, struct http_reply *out);  /* the object, or NULL and the reply is complete */
json_t *openai_error(int code, const char *message, const char *hint);      /* {"error":{"message","type","param","code"}} */
void openai_refuse(struct http_reply *out, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void openai_refuse_err(struct http_reply *out, const struct err *e);
int openai_code(json_t **said, const char *json, size_t len);               /* of an EVENT_FAIL; *said as openai_error */
void openai_reply(struct http_reply *out, int status, json_t *o /* stolen */);
/* params: stolen. 0, or the reply is complete. */
int openai_submit(struct session *c, struct http_reply *out, const char *method, json_t *params, struct sink sink, uint64_t *id);

#endif
