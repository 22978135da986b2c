/* Random texts of all kinds of characters and line ends, and a slow reading of positions in them to hold the fast one against: the text as
 * a list of characters, each counted by itself. */
#ifndef CODEASK_TESTS_BASE_TEXT_H
#define CODEASK_TESTS_BASE_TEXT_H

#include "base/position.h"

#include <stdlib.h>

static inline uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*seed >> 33) % below;
}

static inline void put_random(struct buf *out, uint64_t *seed, size_t n)
{
    static const char *const piece[] = {"a", "Z", "_", " ", "\t", "\n", "\r", "\r\n", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBD",
                                        "\xCC\x81", "\"", "\\", "0"};
    for (size_t i = 0; i < n; i++)
        buf_adds(out, piece[draw(seed, sizeof piece / sizeof *piece)]);
}

static inline uint32_t units(unsigned char lead, enum encoding how)
{
    return how == ENCODING_UTF32 ? 1 : how == ENCODING_UTF16 ? (lead >= 0xF0 ? 2 : 1) : lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* The byte of a position, by walking from the begin. */
static inline size_t slow_offset(const char *text, size_t n, uint32_t line, uint32_t column, enum encoding how)
{
    size_t at = 0;
    for (; line; line--) {
        while (at < n && text[at] != '\n' && text[at] != '\r')
            at++;
        if (at == n)
            return n;
        at += text[at] == '\r' && at + 1 < n && text[at + 1] == '\n' ? 2 : 1;
    }
    uint32_t passed = 0;
    while (at < n && text[at] != '\n' && text[at] != '\r') {
        uint32_t u = units((unsigned char)text[at], how);
        if (passed + u > column)
            break;
        passed += u;
        at++;
        while (at < n && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
    }
    return at;
}

#endif
