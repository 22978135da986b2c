#include "engine/tokenizer/unigram.h"

#include "base/mem.h"
#include "engine/tokenizer/unicode.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* Scores are doubles and sums run from the left, so that near ties fall as they do in the reference. */
static double score_of(const struct vocab *v, uint32_t id)
{
    return v->token[id].kind == TOKEN_USER ? 0 : v->token[id].score;
}

void unigram_init(struct unigram *u, const struct vocab *v)
{
    struct trie_key *key = mem_alloc((v->n + 1) * sizeof *key);
    size_t nkeys = 0;
    double least = DBL_MAX;
    for (uint32_t id = 0; id < v->n; id++) {
        size_t n;
        const char *p = token_text(v, id, &n);
        if (v->token[id].kind == TOKEN_NORMAL && v->token[id].score < least)
            least = v->token[id].score;
        if (vocab_find(v, p, n) == id && !memchr(p, 0, n))
            key[nkeys++] = (struct trie_key){p, (uint32_t)n, id};
    }
    u->unknown = (least == DBL_MAX ? 0 : least) - UNIGRAM_PENALTY;
    trie_init(&u->trie, key, nkeys);
    free(key);
}

void unigram_release(struct unigram *u)
{
    trie_release(&u->trie);
}

void unigram_scratch_release(struct unigram_scratch *s)
{
    free(s->best);
    *s = (struct unigram_scratch){0};
}

static void offer(struct unigram_best *b, double score, size_t from, uint32_t id)
{
    if (score > b->score)
        *b = (struct unigram_best){score, (uint32_t)from, id};
}

void unigram_cut(const struct unigram *u, const struct vocab *v, struct unigram_scratch *s, const char *p, size_t n)
{
    const struct trie_slot *slot = u->trie.slot;
    if (n + 1 > s->cap) {
        s->cap = n + 1 > 2 * s->cap ? n + 1 : 2 * s->cap;
        s->best = mem_grow(s->best, s->cap, sizeof *s->best);
    }
    for (size_t i = 1; i <= n; i++)
        s->best[i] = (struct unigram_best){-DBL_MAX, 0, TOKEN_NONE};
    s->best[0] = (struct unigram_best){0, 0, TOKEN_NONE};
    for (size_t i = 0; i < n;) {
        int k;
        unicode_decode((const uint8_t *)p + i, (const uint8_t *)p + n, &k);
        size_t len = (size_t)k;
        bool whole = false;
        double score = s->best[i].score;
        uint32_t at = 0;
        for (size_t j = i; j < n; j++) {
            uint32_t next = slot[at].base ^ (uint8_t)p[j];
            if (slot[next].parent != at)
                break;
            at = next;
            if (slot[at].value >= 0) {
                whole |= j + 1 == i + len;
                offer(&s->best[j + 1], score + score_of(v, (uint32_t)slot[at].value), i, (uint32_t)slot[at].value);
            }
        }
        if (!whole)
            offer(&s->best[i + len], score + u->unknown, i, TOKEN_NONE);
        i += len;
    }
}
