/* What the searching encoders share. Sums run in LANES columns of their own, so that a compiler makes vectors of them and the
 * result is the same to the bit whatever their width. */
#ifndef CODEASK_KERNELS_BLOCK_SEARCH_H
#define CODEASK_KERNELS_BLOCK_SEARCH_H

enum { LANES = 16 };

/* Before an encoder: compile it, with all that it calls, for several instruction sets. CMakeLists.txt says which. Functions that
 * are not inlined into it stay those of the oldest processor: so all of them are (flatten), which makes Q4_K 2.7 times as fast. */
#ifndef BLOCK_VECTORS
#define BLOCK_VECTORS
#endif

static inline float lanes_sum(const float lane[LANES])
{
    float half[LANES / 2], sum = 0;
    for (int i = 0; i < LANES / 2; i++)
        half[i] = lane[i] + lane[i + LANES / 2];
    for (int i = 0; i < LANES / 2; i++)
        sum += half[i];
    return sum;
}

/* x in [0, most], rounded to the nearest whole number, ties to even: adding 1.5·2^23 leaves no room for a fraction. */
static inline float whole_in(float x, float most)
{
    x = x < 0 ? 0 : x;
    x = x > most ? most : x;
    return (x + 12582912.f) - 12582912.f;
}

/* What stands for the importance of values that have none. */
extern const float block_ones[256];

#endif
