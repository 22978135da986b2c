/* Little-endian base-128 integers. Private to the store. */
#ifndef CODEASK_STORE_VARINT_H
#define CODEASK_STORE_VARINT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

static inline void varint_put(struct buf *b, uint32_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_addc(b, (char)(v | 0x80));
    buf_addc(b, (char)v);
}

static inline bool varint_get(uint32_t *out, const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end && shift < 35; shift += 7) {
        uint8_t c = *(*p)++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *out = (uint32_t)v;
            return v <= UINT32_MAX;
        }
    }
    return false;
}

#endif
