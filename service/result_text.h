/* Pieces of Markdown out of the contract's JSON, for codecs that answer in text. What sources say cannot become active in them. */
#ifndef CODEASK_SERVICE_RESULT_TEXT_H
#define CODEASK_SERVICE_RESULT_TEXT_H

#include "base/buf.h"

#include <jansson.h>

const char *text_at(json_t *o, const char *key);                        /* "" where there is none */
long long number_at(json_t *o, const char *key);                        /* 0 where there is none */
void put_text_at(struct buf *out, json_t *o, const char *key);          /* as running text */
void put_commit_line(struct buf *out, json_t *commit, const char *lead); /* lead, hash, day, author: subject; a line */
void put_place(struct buf *out, json_t *row);                           /* `path:3-9` (repo), as `read` takes it */
void put_sources(struct buf *out, json_t *answer);                      /* the citations of an `ask`, a line each; nothing where there are none */

#endif
