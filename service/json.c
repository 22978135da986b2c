/* JSON out of foreign bytes. */
#include "service/core.h"

#include "base/buf.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "indexer/language.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Length of the valid sequence at p, 0 where there is none. Overlong forms, surrogates and values past U+10FFFF are not. */
static size_t sequence(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || n < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
        (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

bool text_is_utf8(const char *p, size_t n)
{
    for (size_t i = 0, len; i < n; i += len)
        if (!(len = sequence((const unsigned char *)p + i, n - i)))
            return false;
    return true;
}

json_t *json_text(const char *p, size_t n)
{
    if (!p || (!memchr(p, 0, n) && text_is_utf8(p, n)))
        return json_stringn_nocheck(p ? p : "", n);
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n;) {
        size_t len = p[i] ? sequence((const unsigned char *)p + i, n - i) : 0;
        if (len)
            buf_add(&b, p + i, len);
        else
            buf_adds(&b, "\xEF\xBF\xBD");
        i += len ? len : 1;
    }
    json_t *j = json_stringn_nocheck(b.data ? b.data : "", b.len);
    buf_release(&b);
    return j;
}

json_t *json_base64(const void *bytes, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = bytes;
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        buf_addc(&b, digit[v >> 18]);
        buf_addc(&b, digit[v >> 12 & 63]);
        buf_addc(&b, i + 1 < n ? digit[v >> 6 & 63] : '=');
        buf_addc(&b, i + 2 < n ? digit[v & 63] : '=');
    }
    json_t *j = json_stringn_nocheck(b.data ? b.data : "", b.len);
    buf_release(&b);
    return j;
}

bool bytes_of_base64(struct buf *out, json_t *text)
{
    const unsigned char *p = (const unsigned char *)json_string_value(text);
    size_t n = json_string_length(text);
    if (!p || n % 4 || n > RPC_MESSAGE_MAX)
        return false;
    int got = EVP_DecodeBlock((unsigned char *)buf_room(out, n / 4 * 3 + 1), p, (int)n);
    if (got < 0 || (size_t)got != n / 4 * 3)
        return false;
    out->len += (size_t)got - (n ? (p[n - 1] == '=') + (p[n - 2] == '=') : 0);
    out->data[out->len] = 0;
    return true;
}

static int append(const char *bytes, size_t n, void *to)
{
    buf_add(to, bytes, n);
    return 0;
}

char *json_line(json_t *object, size_t *len)
{
    struct buf b = BUF_INIT;
    json_dump_callback(object, append, &b, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    *len = b.len;
    return buf_take(&b);
}

json_t *text_masked(const char *text)
{
    struct buf record = BUF_INIT;
    size_t n = strlen(text);
    char *copy = mem_str(text);
    json_t *out = cut(&record, language_named("text"), copy, n, NULL) ? json_string("") : json_text(copy, n);
    buf_release(&record);
    free(copy);
    return out;
}
