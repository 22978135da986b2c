#include "cli/packets.h"

#include <string.h>
#include <strings.h>

struct str packets_left(const struct packets *p)
{
    return (struct str){p->held.len ? p->held.data + p->taken : "", p->held.len - p->taken};
}

void packets_feed(struct packets *p, const char *bytes, size_t n)
{
    buf_drop_front(&p->held, p->taken);
    p->scanned -= p->scanned < p->taken ? p->scanned : p->taken;
    p->taken = 0;
    buf_add(&p->held, bytes, n);
}

static bool give(struct packets *p, struct packet *out, size_t n, struct str body, bool whole)
{
    *out = (struct packet){{p->held.data + p->taken, n}, body, whole};
    p->taken += n;
    p->scanned = p->taken;
    return true;
}

static bool next_line(struct packets *p, struct packet *out, struct str left)
{
    size_t done = p->scanned - p->taken;
    const char *nl = memchr(left.p + done, '\n', left.n - done);
    size_t n = nl ? (size_t)(nl - left.p) + 1 : left.n;
    p->scanned = p->held.len;
    if (!nl && !p->skips && left.n <= PACKET_MAX)
        return false;
    bool whole = nl && !p->skips;
    p->skips = !nl;
    return give(p, out, n, whole ? (struct str){left.p, n - 1} : (struct str){"", 0}, whole);
}

/* The bytes that a header announces; false: it does not. */
static bool announced(size_t *out, struct str head)
{
    static const char key[] = "content-length:";
    const char *p = head.p, *end = head.p + head.n;
    while (p < end && ((size_t)(end - p) < sizeof key || strncasecmp(p, key, sizeof key - 1))) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        p = nl ? nl + 1 : end;
    }
    p += p < end ? sizeof key - 1 : 0;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    bool any = false;
    for (*out = 0; p < end && *p >= '0' && *p <= '9' && *out < (size_t)1 << 40; p++, any = true)
        *out = *out * 10 + (size_t)(*p - '0');
    return any && p < end && (*p == '\r' || *p == ' ' || *p == '\t');
}

/* The header's bytes with the empty line that ends it; 0: not whole yet; SIZE_MAX: it is none. */
static size_t head_end(struct str left)
{
    size_t at = 0, most = left.n < PACKET_HEAD_MAX ? left.n : PACKET_HEAD_MAX;
    const char *nl;
    while (at < most && (nl = memchr(left.p + at, '\n', most - at))) {
        size_t n = (size_t)(nl - left.p) - at;
        if (!n || nl[-1] != '\r')
            return SIZE_MAX;
        at += n + 1;
        if (n == 1)
            return at;
    }
    return most < PACKET_HEAD_MAX ? 0 : SIZE_MAX;
}

static bool next_frame(struct packets *p, struct packet *out, struct str left)
{
    size_t head = head_end(left), n = 0;
    if (!head)
        return false;
    if (head == SIZE_MAX || !announced(&n, (struct str){left.p, head})) {
        p->raw = true;
    } else if (n > PACKET_MAX) {
        p->pass = head + n;
    } else {
        return left.n >= head + n && give(p, out, head + n, (struct str){left.p + head, n}, true);
    }
    return packets_next(p, out);
}

bool packets_next(struct packets *p, struct packet *out)
{
    struct str left = packets_left(p);
    if (!left.n)
        return false;
    if (p->raw)
        return give(p, out, left.n, (struct str){"", 0}, false);
    if (p->pass) {
        size_t n = left.n < p->pass ? left.n : p->pass;
        p->pass -= n;
        return give(p, out, n, (struct str){"", 0}, false);
    }
    return p->framed ? next_frame(p, out, left) : next_line(p, out, left);
}

void packets_put(struct buf *out, bool framed, const char *body, size_t n)
{
    if (framed)
        buf_addf(out, "Content-Length: %zu\r\n\r\n", n);
    buf_add(out, body, n);
    if (!framed)
        buf_addc(out, '\n');
}

void packets_release(struct packets *p)
{
    buf_release(&p->held);
}
