/* What people wrote that quotes a purged content: words of it in questions, which stand in audit.jsonl and in feedback. A word counts where
 * no other content of the index has it, so that "return" or a well-known name stays, and what only the purged content knew goes.
 *
 * One thread. In turn: quotes_learn for each content, quotes_look at every text, quotes_settle, then quotes_in and quotes_mask. */
#ifndef CODEASK_SERVICE_QUOTES_H
#define CODEASK_SERVICE_QUOTES_H

#include "store/cut.h"

#define QUOTE_WORD 6 /* bytes: shorter ones are words of many languages, and cannot be searched for by themselves */
#define QUOTE_WORD_MAX 512 /* of a longer one its first bytes count */

struct quotes;
struct quotes *quotes_new(void);
void quotes_free(struct quotes *q); /* accepts NULL */
/* The words of a content that the index (still) has; none where it has it not. */
int quotes_learn(struct quotes *q, struct store *s, const struct oid *oid, struct err *e);
/* Notes which of them stand in the text: of those alone it is asked who else has them. text: plain, or inside of a JSON string. */
void quotes_look(struct quotes *q, struct str text);
/* Reads all other contents, unless nothing was noted. May take seconds for a GB of source, in short read transactions. */
int quotes_settle(struct quotes *q, struct store *s, struct err *e);
bool quotes_in(const struct quotes *q, struct str text);
/* Writes '*' over them; false: there was none. */
bool quotes_mask(const struct quotes *q, char *text, size_t n);

#endif
