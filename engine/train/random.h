/* Counter-based randomness of training: number i of a stream, whoever asks and in which order; splitmix64's finaliser (Steele et al. 2014,
 * "Fast splittable pseudorandom number generators") over a counter, so that nothing has to be kept but the seed. */
#ifndef CODEASK_ENGINE_TRAIN_RANDOM_H
#define CODEASK_ENGINE_TRAIN_RANDOM_H

#include <stdint.h>

static inline uint64_t random_bits(uint64_t stream, uint64_t i)
{
    uint64_t z = stream + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* In [0, 1), 53 bits. */
static inline double random_unit(uint64_t stream, uint64_t i)
{
    return (double)(random_bits(stream, i) >> 11) / 9007199254740992.0;
}

#endif
