/* Hashes for keys and identity (XXH3, https://github.com/Cyan4973/xxHash). Not for secrets. */
#ifndef CODEASK_BASE_HASH_H
#define CODEASK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint64_t lo, hi;
};

uint64_t hash64(const void *bytes, size_t n);
uint64_t hash64_seed(const void *bytes, size_t n, uint64_t seed);
struct hash128 hash128(const void *bytes, size_t n);

/* Lower-case hex; out holds 2*n + 1 bytes. */
void hex_of(char *out, const uint8_t *bytes, size_t n);
/* Bytes written, or -1 when s is not n pairs of hex digits. */
int hex_to(uint8_t *out, const char *s, size_t n);

#endif
