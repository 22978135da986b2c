#include "engine/tokenizer/charsmap.h"

#include "base/mem.h"
#include "engine/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define CHARSMAP_MAX (16u << 20) /* NFKC with case folding takes 250,000 bytes */

int charsmap_init(struct charsmap *m, const void *bytes, size_t n, struct err *e)
{
    uint32_t size = 0;
    if (n >= 4)
        memcpy(&size, bytes, 4);
    if (n < 4 || n > CHARSMAP_MAX || size % 4 || size > n - 4)
        return err_set(e, ERR_FORMAT, "a precompiled_charsmap of %zu bytes with an array of %u", n, size);
    if (n > 4 + (size_t)size && ((const char *)bytes)[n - 1])
        return err_set(e, ERR_FORMAT, "the precompiled_charsmap's last text has no end");
    m->bytes = mem_alloc(n);
    memcpy(m->bytes, bytes, n);
    m->units = size / 4;
    m->text = (const char *)m->bytes + 4 + size;
    m->ntext = n - 4 - size;
    return 0;
}

void charsmap_release(struct charsmap *m)
{
    free(m->bytes);
    *m = (struct charsmap){0};
}

static bool unit_at(const struct charsmap *m, uint32_t i, uint32_t *unit)
{
    if (i >= m->units)
        return false;
    memcpy(unit, m->bytes + 4 + 4 * (size_t)i, 4);
    return true;
}

static uint32_t offset_of(uint32_t unit)
{
    return unit >> 10 << ((unit & 1u << 9) >> 6);
}

size_t charsmap_find(const struct charsmap *m, const char *p, size_t n, bool shortest, const char **to, size_t *nto)
{
    uint32_t unit, at, value;
    size_t found = 0;
    if (!m->bytes || !unit_at(m, 0, &unit))
        return 0;
    at = offset_of(unit);
    for (size_t i = 0; i < n && p[i] && !(found && shortest); i++) {
        at ^= (uint8_t)p[i];
        if (!unit_at(m, at, &unit) || (unit & (1u << 31 | 0xFF)) != (uint8_t)p[i])
            break;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1) || !unit_at(m, at, &value))
            continue;
        value &= ~(1u << 31);
        if (value < m->ntext) {
            *to = m->text + value;
            *nto = strlen(*to); /* the last byte of all is a NUL */
            found = i + 1;
        }
    }
    return found;
}

void charsmap_longest(const struct charsmap *m, struct buf *to, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        const char *s;
        size_t ns, k = charsmap_find(m, p + i, n - i, false, &s, &ns);
        int len = (int)k;
        if (!k) {
            unicode_decode((const uint8_t *)p + i, (const uint8_t *)p + n, &len);
            s = p + i, ns = (size_t)len;
        }
        buf_add(to, s, ns);
        i += (size_t)len;
    }
}

void charsmap_graphemes(const struct charsmap *m, struct buf *to, const char *p, size_t n)
{
    const uint8_t *bytes = (const uint8_t *)p, *all = bytes + n;
    for (size_t i = 0; i < n;) {
        int k;
        utf8proc_int32_t state = 0;
        uint32_t c = unicode_decode(bytes + i, all, &k), next;
        size_t end = i + (size_t)k, ns;
        const char *s;
        while (end < n) { /* to the grapheme's end */
            next = unicode_decode(bytes + end, all, &k);
            if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next, &state))
                break;
            c = next;
            end += (size_t)k;
        }
        if (end - i < 6 && charsmap_find(m, p + i, end - i, true, &s, &ns)) {
            buf_add(to, s, ns);
            i = end;
            continue;
        }
        for (; i < end; i += (size_t)k) {
            unicode_decode(bytes + i, all, &k);
            if (charsmap_find(m, p + i, (size_t)k, true, &s, &ns))
                buf_add(to, s, ns);
            else
                buf_add(to, p + i, (size_t)k);
        }
    }
}
