#include "engine/sample/lookup.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define LENGTHS (LOOKUP_LONGEST - LOOKUP_SHORTEST + 1)
#define NONE UINT32_MAX

/* For each length a table from the hash of that many tokens to where they ended last; before[] leads from there to the
 * time before. Ends are entered when the next token comes, so that the suffix itself is not found. */
struct lookup {
    uint32_t *token;
    size_t n, cap;
    uint32_t *head[LENGTHS];   /* [cap], a power of two; NONE: nothing */
    uint32_t *before[LENGTHS]; /* [cap] by end */
};

struct lookup *lookup_new(void)
{
    return mem_zero(1, sizeof(struct lookup));
}

void lookup_free(struct lookup *l)
{
    if (!l)
        return;
    free(l->token);
    for (int k = 0; k < LENGTHS; k++) {
        free(l->head[k]);
        free(l->before[k]);
    }
    free(l);
}

/* Where the tokens that end at end (itself excluded) are entered. */
static size_t slot(const struct lookup *l, size_t end, int length)
{
    return (size_t)hash64(l->token + end - length, (size_t)length * sizeof *l->token) & (l->cap - 1);
}

static void enter(struct lookup *l, size_t end)
{
    for (int k = 0; k < LENGTHS; k++) {
        if (end < (size_t)(k + LOOKUP_SHORTEST))
            continue;
        uint32_t *head = &l->head[k][slot(l, end, k + LOOKUP_SHORTEST)];
        l->before[k][end] = *head;
        *head = (uint32_t)end;
    }
}

static void grow(struct lookup *l)
{
    l->cap = l->cap ? l->cap * 2 : 1024;
    l->token = mem_grow(l->token, l->cap, sizeof *l->token);
    for (int k = 0; k < LENGTHS; k++) {
        l->head[k] = mem_grow(l->head[k], l->cap, sizeof **l->head);
        l->before[k] = mem_grow(l->before[k], l->cap, sizeof **l->before);
        memset(l->head[k], 0xFF, l->cap * sizeof **l->head);
    }
    for (size_t end = LOOKUP_SHORTEST; end < l->n; end++)
        enter(l, end);
}

void lookup_add(struct lookup *l, const uint32_t *token, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (l->n == l->cap)
            grow(l);
        if (l->n >= LOOKUP_SHORTEST)
            enter(l, l->n);
        l->token[l->n++] = token[i];
    }
}

void lookup_rollback(struct lookup *l, size_t n)
{
    for (; n && l->n; n--) {
        size_t end = --l->n; /* was entered when this token came */
        for (int k = 0; k < LENGTHS && end >= LOOKUP_SHORTEST; k++)
            if (end >= (size_t)(k + LOOKUP_SHORTEST))
                l->head[k][slot(l, end, k + LOOKUP_SHORTEST)] = l->before[k][end];
    }
}

size_t lookup_length(const struct lookup *l)
{
    return l->n;
}

/* How many tokens before the last `length` are the same before those that end at end. */
static size_t same_before(const struct lookup *l, size_t end, size_t length)
{
    size_t n = 0;
    while (n < LOOKUP_BEFORE && n + length < end && l->token[end - length - n - 1] == l->token[l->n - length - n - 1])
        n++;
    return n;
}

/* Where the last `length` tokens stood before, by their end: of those looked at the one with the longest agreement, the last of equals;
 * NONE. Of a single token only where the same always followed. */
static uint32_t find(const struct lookup *l, size_t length)
{
    const uint32_t *suffix = l->token + l->n - length, *before = l->before[length - LOOKUP_SHORTEST];
    uint32_t end = l->head[length - LOOKUP_SHORTEST][slot(l, l->n, (int)length)], best = NONE;
    size_t most = 0;
    for (int steps = 0; end != NONE; end = before[end], steps++) {
        if (steps == LOOKUP_STEPS)
            return length == 1 ? NONE : best;
        if (memcmp(l->token + end - length, suffix, length * sizeof *suffix))
            continue;
        size_t same = same_before(l, end, length);
        if (length == 1 && best != NONE && l->token[best] != l->token[end])
            return NONE;
        if (best == NONE || same > most) {
            best = end;
            most = same;
        }
    }
    return best;
}

size_t lookup_draft(const struct lookup *l, uint32_t *out, size_t max)
{
    static const size_t after[] = {LOOKUP_AFTER_ONE, LOOKUP_AFTER_TWO, LOOKUP_AFTER_THREE};
    for (size_t length = LOOKUP_LONGEST; length >= LOOKUP_SHORTEST; length--) {
        uint32_t end = l->n > length ? find(l, length) : NONE;
        if (end == NONE)
            continue;
        size_t n = l->n - end < max ? l->n - end : max;
        if (length < LOOKUP_LONGEST && n > after[length - LOOKUP_SHORTEST])
            n = after[length - LOOKUP_SHORTEST];
        memcpy(out, l->token + end, n * sizeof *out);
        return n;
    }
    return 0;
}
