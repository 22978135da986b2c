/* Tokens: what a person shows over the network. Of its secret only a hash is kept.
 *
 * Table token: token id u64 (big-endian, random) -> user u32 · access u32 · added i64 · expires i64 · hash[32]. */
#ifndef CODEASK_STORE_TOKEN_H
#define CODEASK_STORE_TOKEN_H

#include "store/people.h"

#define TOKEN_HASH 32  /* bytes: SHA-256 */
#define TOKENS_MAX 65536

struct token_row {
    uint64_t id;
    uint32_t user;
    uint32_t access;      /* enum access (service/methods.h), added up */
    int64_t added_ns;     /* wall clock */
    int64_t expires_ns;   /* 0: never */
    uint8_t hash[TOKEN_HASH];
};

int token_add(struct store *s, const struct token_row *t, struct err *e);
int token_get(struct token_row *out, struct store *s, uint64_t id, struct err *e); /* ERR_NOT_FOUND */
int token_remove(struct store *s, uint64_t id, struct err *e);                     /* ERR_NOT_FOUND */
int token_each(struct store *s, void (*each)(void *arg, const struct token_row *t), void *arg, struct err *e);

#endif
