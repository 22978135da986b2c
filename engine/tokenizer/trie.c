#include "engine/tokenizer/trie.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROOT (TRIE_FREE - 1)

struct build {
    struct trie *t;
    size_t cap;
    size_t first_free; /* no slot below it is free */
    struct range {     /* keys lo … hi share their first depth bytes and lie below slot `at` */
        uint32_t lo, hi, at, depth;
    } *todo;
    size_t ntodo, todo_cap;
};

static int order(const void *a, const void *b)
{
    const struct trie_key *x = a, *y = b;
    int c = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
    return c ? c : x->n < y->n ? -1 : x->n > y->n;
}

/* All slots below n exist: whole blocks of 256, so that base ^ byte stays inside. */
static void grow(struct build *b, size_t n)
{
    struct trie *t = b->t;
    n = (n + 255) & ~(size_t)255;
    if (n <= t->n)
        return;
    if (n > b->cap) {
        b->cap = n > b->cap * 2 ? n : b->cap * 2;
        t->slot = mem_grow(t->slot, b->cap, sizeof *t->slot);
    }
    for (; t->n < n; t->n++)
        t->slot[t->n] = (struct trie_slot){0, TRIE_FREE, -1};
}

/* A base such that every child's slot is free. */
static uint32_t place(struct build *b, const uint8_t *bytes, int n)
{
    struct trie *t = b->t;
    while (b->first_free < t->n && t->slot[b->first_free].parent != TRIE_FREE)
        b->first_free++;
    int tries = 0;
    for (size_t s = b->first_free; s < t->n && tries < 4096; s++) {
        if (t->slot[s].parent != TRIE_FREE)
            continue;
        uint32_t base = (uint32_t)s ^ bytes[0];
        bool fits = true;
        for (int i = 1; i < n && fits; i++)
            fits = t->slot[base ^ bytes[i]].parent == TRIE_FREE;
        if (fits)
            return base;
        tries++;
    }
    size_t base = t->n; /* a new block; the holes behind are left */
    grow(b, base + 256);
    return (uint32_t)base;
}

void trie_init(struct trie *t, struct trie_key *keys, size_t n)
{
    struct build b = {t};
    size_t kept = 0;
    *t = (struct trie){0};
    grow(&b, 256);
    t->slot[0].parent = ROOT; /* taken, and nobody's child */
    qsort(keys, n, sizeof *keys, order);
    for (size_t i = 0; i < n; i++) {
        if (kept && !order(&keys[kept - 1], &keys[i])) {
            if (keys[i].value > keys[kept - 1].value)
                keys[kept - 1].value = keys[i].value;
        } else {
            keys[kept++] = keys[i];
        }
    }
    VEC_ROOM(b.todo, b.ntodo, b.todo_cap);
    b.todo[b.ntodo++] = (struct range){0, (uint32_t)kept, 0, 0};
    while (b.ntodo) {
        struct range r = b.todo[--b.ntodo];
        uint8_t bytes[256];
        uint32_t first[257];
        int m = 0;
        uint32_t i = r.lo;
        if (i < r.hi && keys[i].n == r.depth)
            t->slot[r.at].value = keys[i++].value;
        for (; i < r.hi; i++) {
            uint8_t c = (uint8_t)keys[i].s[r.depth];
            if (!m || bytes[m - 1] != c) {
                bytes[m] = c;
                first[m++] = i;
            }
        }
        if (!m)
            continue;
        first[m] = r.hi;
        uint32_t base = place(&b, bytes, m);
        t->slot[r.at].base = base;
        for (int k = 0; k < m; k++)
            t->slot[base ^ bytes[k]].parent = r.at;
        for (int k = 0; k < m; k++) {
            VEC_ROOM(b.todo, b.ntodo, b.todo_cap);
            b.todo[b.ntodo++] = (struct range){first[k], first[k + 1], base ^ bytes[k], r.depth + 1};
        }
    }
    free(b.todo);
}

void trie_release(struct trie *t)
{
    free(t->slot);
    *t = (struct trie){0};
}
