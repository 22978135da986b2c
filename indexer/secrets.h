/* Secrets of a content: what cut() found (struct record_secret) and how they are hidden. */
#ifndef CODEASK_INDEXER_SECRETS_H
#define CODEASK_INDEXER_SECRETS_H

#include <stdint.h>

const char *secret_kind_name(uint32_t kind); /* of record_secret.kind: "GitHub token" */

/* Writes '*' over [start, end) and leaves line ends, so that lines and offsets stay. */
void secret_mask(char *text, uint32_t start, uint32_t end);

#endif
