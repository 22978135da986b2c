#include "ptx.h"

#include <string.h>

/* fatbin: u32 magic, u16 version, u16 header, u64 bytes; then entries: u16 kind (1 PTX, 2 code), u16, u32 header, u64 bytes,
 * …, at 56 the size before compression (0: not compressed), each followed by its bytes. */
const char *ptx_in_image(const void *image, size_t *len)
{
    const uint8_t *p = image;
    uint32_t magic, header;
    uint16_t first, kind;
    uint64_t bytes, size;
    memcpy(&magic, p, 4);
    if (magic != 0xba55ed50) {
        *len = strlen((const char *)p);
        return strstr((const char *)p, ".version") ? (const char *)p : NULL;
    }
    memcpy(&first, p + 6, 2);
    memcpy(&bytes, p + 8, 8);
    for (uint64_t at = 0; at + 64 <= bytes; at += header + size) {
        const uint8_t *e = p + first + at;
        memcpy(&kind, e, 2);
        memcpy(&header, e + 4, 4);
        memcpy(&size, e + 8, 8);
        if (header < 64 || size > bytes - at)
            return NULL;
        if (kind == 1) {
            const char *text = (const char *)e + header;
            *len = strnlen(text, size);
            return text;
        }
    }
    return NULL;
}
