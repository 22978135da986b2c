/* The prompt of a conversation, as messages that only grow at their end, so that what an engine has read stays read:
 *
 *   system     what to do; the fence
 *   user       ===fence [1] definition · src/a.c:10-40 · parse      sources of the first question, definitions first, then
 *              …lines…                                              callers, callees, documentation, tests
 *              ===fence [2] …
 *              ===fence question
 *              …                                                    the question, last
 *   assistant  the answer, with these numbers
 *   user       sources that were not there yet, the next question …
 *
 * The fence is random, one a conversation, and stands in no source: text of a source can't end it, begin another or pass for a
 * question. Control and bidirectional characters of sources are replaced. A source keeps its number for the whole conversation,
 * and no number is given twice. Where the window is too small for what was said before, or a source has changed since, the
 * conversation is packed anew: what was asked and said becomes one bounded section of the next message.
 *
 * Sources are packed whole, or cut at a line's end where one is too long for what is left; what found no room is counted. */
#ifndef CODEASK_RETRIEVER_PACK_H
#define CODEASK_RETRIEVER_PACK_H

#include "retriever/source.h"

#define PACK_SOURCES 96          /* of a conversation; the next one is packed anew */
#define PACK_TURNS 64
#define PACK_EARLIER_SHARE 4     /* a packed-anew conversation's past gets a fourth of the budget */

/* Tokens of each text, as model_count (engine/generate.h). */
typedef int (*pack_count)(void *arg, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e);

struct pack_budget {
    uint32_t window; /* tokens of the whole prompt: the model's window without the answer's room */
    uint32_t fresh;  /* of them, those that were not read before */
};

struct packed {
    uint32_t n;
    struct answer_source s; /* its texts are the pack's own */
};

struct pack_message {
    const char *role;
    struct buf text;
};

struct pack_turn {
    char *question, *said; /* said: NULL until it is answered */
};

struct pack {
    char fence[24];
    struct packed *source;
    size_t nsources, sources_cap;
    struct pack_message *message;
    size_t nmessages, messages_cap;
    struct pack_turn turn[PACK_TURNS];
    size_t nturns;
    uint32_t next_n, tokens;   /* tokens: of all messages */
    /* what the open turn began with, to take it back */
    size_t open_sources, open_messages;
    uint32_t open_tokens, open_n;
    bool open, past;           /* past: the first message tells what was said before, out of sources that may be gone */
};

struct pack_report {
    uint32_t packed, known;    /* sources of this turn: new in the prompt; there already */
    uint32_t cut, left_out;    /* of those that were given: ended early at a line; not in the prompt for want of room */
    uint32_t tokens, fresh;    /* of the prompt; of what is new in it */
    bool anew;
};

void pack_init(struct pack *p);
void pack_release(struct pack *p);
size_t pack_bytes(const struct pack *p);

/* Opens a turn: s in order of relevance; those nearest to the front get the room. Spans that overlap or touch become one.
 * ERR_LIMIT: not even the question and a few lines of one source fit. */
int pack_turn(struct pack *p, const struct answer_source *s, size_t n, struct str question, const struct pack_budget *b, pack_count count, void *arg,
              struct pack_report *out, struct err *e);
void pack_answer(struct pack *p, struct str said); /* closes it */
void pack_undo(struct pack *p);                    /* as if it had not been asked; does nothing where no turn is open */
/* Sources that hold no more: the next turn is packed anew without them. holds: [nsources]. No turn is open. */
void pack_drop(struct pack *p, const bool *holds);

/* pack_merge: the same spans joined, in place; returns their number. Order of the first of each. Texts go to arena. */
size_t pack_merge(struct answer_source *s, size_t n, struct arena *arena);

#endif
