/* Who asks, and what they may read: the one place where permission is decided. Everything that a request sees of a repository comes out of views,
 * and views come out of the repositories that readable_repos gives (scope.c): what is not among them does not exist for the asker. */
#ifndef CODEASK_SERVICE_PERMISSION_H
#define CODEASK_SERVICE_PERMISSION_H

#include "service/core.h"

/* The known repositories that the request's asker may read: all for the owner, else those granted to the user or to a group of his. Free with
 * state_repos_free. Where permissions cannot be read, an error: nothing is readable then, and nothing is changed. */
int readable_repos(struct repo_row **rows, size_t *n, const struct request *rq, struct err *e);

/* One asker, whoever it is: what is kept in memory for later (conversations, answers) is found by it. */
static inline uint64_t caller_key(const struct caller *who)
{
    return who->local ? (uint64_t)who->uid : (uint64_t)1 << 32 | who->user;
}

/* A token's text is "codeask_", its id in 16 hexadecimal digits, '_', and its secret of 256 bits in 64. */
#define TOKEN_TEXT 90
struct token_row;
/* Draws id and secret; out gets the text, the row their id and the secret's hash. */
int token_draw(char out[TOKEN_TEXT], struct token_row *row, struct err *e);

#endif
