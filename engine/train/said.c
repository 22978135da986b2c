#include "engine/train/said.h"

#include "base/mem.h"
#include "engine/run/decoder.h"
#include "engine/train/encode.h"

#include <stdlib.h>
#include <string.h>

#define SOURCES 64 /* of a prompt, that a number may name */

static const char refusal[] = "do not say"; /* what prompts ask for, and records teach: "The sources do not say." */

/* -- writing ------------------------------------------------------------------------------------------------------------------ */

static uint32_t most_likely(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

static int go_on(struct buf *text, struct sequence *s, struct decoder *d, const struct tokenizer *t, const struct example *x, struct err *e)
{
    struct decoder_info info;
    decoder_info(d, &info);
    float *logits = mem_alloc(info.vocab * sizeof *logits);
    const uint32_t *from = x->token;
    uint32_t left = x->learn, next; /* of the prompt; then of what was written */
    int rc = 0;
    for (uint32_t written = 0; !rc && written < SAID_TOKENS;) {
        uint32_t n = left < info.max_rows ? left : info.max_rows;
        struct step_part part = {s, from, n, n == left};
        if ((rc = decoder_step(d, &part, 1, logits, e)))
            break;
        from += n;
        left -= n;
        if (left)
            continue;
        next = most_likely(logits, info.vocab);
        if (tokenizer_ends(t, next) || next >= tokenizer_info(t)->vocab) /* a padded row of the model is no token */
            break;
        size_t len;
        const char *bytes = tokenizer_bytes(t, next, false, &len);
        buf_add(text, len ? bytes : "", len);
        written++;
        from = &next;
        left = 1;
    }
    free(logits);
    return rc;
}

int said_write(struct buf *text, struct decoder *d, const struct encoder_of_records *c, const struct corpus_record *r, const struct pass_adapt *adapt,
               struct err *e)
{
    struct encoder_of_records shorter = *c;
    struct example x;
    struct sequence *s = NULL;
    buf_clear(text);
    if (c->context <= 2 * SAID_TOKENS)
        return err_set(e, ERR_LIMIT, "a context of %u tokens has no room for an answer of %d", c->context, SAID_TOKENS);
    shorter.context = c->context - SAID_TOKENS;
    int rc = record_encode(&x, &shorter, r, r->right, e);
    if (!rc && x.n)
        rc = sequence_new(&s, d, e);
    if (!rc && s && adapt)
        rc = sequence_adapt(s, adapt, e);
    if (!rc && s)
        rc = go_on(text, s, d, c->tokenizer, &x, e);
    sequence_free(s);
    free((void *)x.token);
    return rc;
}

/* -- reading ------------------------------------------------------------------------------------------------------------------ */

static bool holds(struct str text, const char *piece)
{
    size_t n = strlen(piece);
    for (size_t i = 0; i + n <= text.n; i++)
        if (!memcmp(text.p + i, piece, n))
            return true;
    return false;
}

/* The numbers of "[1]" and "[1, 3]", from the bracket at *at on; what else stands in brackets names nothing. */
static uint64_t numbers(struct str text, size_t *at)
{
    uint64_t seen = 0;
    size_t i = *at + 1;
    for (;;) {
        uint32_t number = 0;
        size_t from = i;
        for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && number < SOURCES; i++)
            number = 10 * number + (uint32_t)(text.p[i] - '0');
        if (i == from || number == 0 || number > SOURCES)
            return 0;
        seen |= (uint64_t)1 << (number - 1);
        if (i < text.n && text.p[i] == ']') {
            *at = i;
            return seen;
        }
        if (i >= text.n || text.p[i++] != ',')
            return 0;
        while (i < text.n && text.p[i] == ' ')
            i++;
    }
}

struct said said_read(struct str text, uint32_t right)
{
    struct said s = {.refused = holds(text, refusal)};
    uint64_t seen = 0;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '[')
            seen |= numbers(text, &i);
    s.cited = (uint32_t)__builtin_popcountll(seen);
    s.right = right && right <= SOURCES && seen >> (right - 1) & 1;
    return s;
}
