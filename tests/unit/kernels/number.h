#ifndef CODEASK_TESTS_NUMBER_H
#define CODEASK_TESTS_NUMBER_H

#include <stdint.h>

/* Counter-based: the i-th number of stream s, in [-1, 1). */
static inline float number(uint32_t s, uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u + (uint64_t)s * 0xd1b54a32d192ed03u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)((double)(z >> 11) / 4503599627370496.0 - 1);
}

#endif
