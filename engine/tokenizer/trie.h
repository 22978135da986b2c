/* A double-array trie of byte strings (Aoe 1989, the XOR form): one load and one compare a byte. Read-only once built. */
#ifndef CODEASK_ENGINE_TOKENIZER_TRIE_H
#define CODEASK_ENGINE_TOKENIZER_TRIE_H

#include <stddef.h>
#include <stdint.h>

struct trie_key {
    const char *s; /* borrowed while building */
    uint32_t n;    /* 1 … 65535 bytes, none of them 0 */
    uint32_t value;
};

/* Slot 0 is the root. A child of s by byte c is slot base[s] ^ c if its parent is s. */
struct trie_slot {
    uint32_t base, parent;
    int64_t value; /* -1: no key ends here */
};
struct trie {
    struct trie_slot *slot;
    size_t n;
};

#define TRIE_FREE UINT32_MAX

/* Sorts keys; of equal ones the highest value wins. */
void trie_init(struct trie *t, struct trie_key *keys, size_t n);
void trie_release(struct trie *t);

/* The longest key that begins [s, s + n): its length, 0 for none. */
static inline size_t trie_longest(const struct trie *t, const char *s, size_t n, uint32_t *value)
{
    const struct trie_slot *slot = t->slot;
    uint32_t at = 0;
    size_t best = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t next = slot[at].base ^ (uint8_t)s[i];
        if (slot[next].parent != at)
            break;
        at = next;
        if (slot[at].value >= 0) {
            *value = (uint32_t)slot[at].value;
            best = i + 1;
        }
    }
    return best;
}

#endif
