#include "kernels/block.h"

#include "kernels/block/formats.h"
#include "kernels/block/search.h"

/* Types that are only read. */
#define encode_Q5_K NULL
#define encode_IQ4_XS NULL
#define encode_F8_E4M3 NULL

const struct block_format block_formats[BLOCK_COUNT] = {
#define X(name, values, bytes, id) [BLOCK_##name] = {#name, values, bytes, id, decode_##name, encode_##name},
    BLOCK_TYPES(X)
#undef X
};

#define ONES 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
const float block_ones[256] = {ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES};
#undef ONES

size_t block_row_bytes(enum block_type type, uint64_t k)
{
    const struct block_format *f = &block_formats[type];
    return k % f->values ? 0 : k / f->values * f->bytes;
}
