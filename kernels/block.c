#include "kernels/block.h"

#include "kernels/block/formats.h"

/* Types that are only read. */
#define encode_Q5_K NULL
#define encode_IQ4_XS NULL
#define encode_F8_E4M3 NULL
#define encode_Q4_K NULL
#define encode_Q6_K NULL
#define encode_IQ4_NL NULL
#define encode_NVFP4 NULL

const struct block_format block_formats[BLOCK_COUNT] = {
#define X(name, values, bytes, id) [BLOCK_##name] = {#name, values, bytes, id, decode_##name, encode_##name},
    BLOCK_TYPES(X)
#undef X
};

size_t block_row_bytes(enum block_type type, uint64_t k)
{
    const struct block_format *f = &block_formats[type];
    return k % f->values ? 0 : k / f->values * f->bytes;
}
