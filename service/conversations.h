/* Conversations: what was asked and answered before, for `ask --continue`. In memory only, each its asker's own, bounded in number,
 * bytes and age (settings `conversations`, `conversation_bytes`, `conversation_minutes`). */
#ifndef CODEASK_SERVICE_CONVERSATIONS_H
#define CODEASK_SERVICE_CONVERSATIONS_H

#include "retriever/pack.h"
#include "service/core.h"

#define CONVERSATION_ID 36 /* "c", 32 hexadecimal digits out of the system's randomness, NUL */

struct conversation {        /* between take and give its taker's alone */
    char id[CONVERSATION_ID];
    char *searched;          /* the last question as it was searched; NULL: none yet */
    struct pack pack;        /* what a generator has read */
    uint8_t model[32];       /* the hash of that generator */
    /* conversations.c's */
    uint64_t asker;          /* caller_key (permission.h) */
    uint64_t about;          /* the repositories that it began with */
    int64_t used_ns;
    size_t bytes;
    bool busy, forget;       /* forget: goes when it is given back */
    struct conversation *next;
};

struct conversations *conversations_new(const struct config *c);
void conversations_free(struct conversations *v); /* accepts NULL */

/* id NULL: a new one; "": this user's latest about the same repositories. now: clock_ns. ERR_NOT_FOUND: there is none of that id
 * of this user's (any more). ERR_BUSY: a question of it is being answered. */
int conversation_take(struct conversation **out, struct conversations *v, const char *id, uint64_t asker, uint64_t about, int64_t now, struct err *e);
/* keep: it goes on from here; else it is as if the question had not been asked, and a new one is forgotten. */
void conversation_give(struct conversations *v, struct conversation *c, bool keep, int64_t now);

/* Forgets those that have read a content that `is` names, and those whose past is told in words (pack.h), which may; one that is busy, when it is
 * given back. */
void conversations_forget(struct conversations *v, bool (*is)(void *arg, const struct oid *oid), void *arg);

#endif
