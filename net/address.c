#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct range4 {
    uint32_t first;
    int bits;
    enum address_kind kind;
};

/* IANA's special-purpose registry (RFC 6890), what of it can be connected to. To add a range: its row. */
static const struct range4 ranges4[] = {
    {0x00000000, 8, ADDRESS_NEVER},   /* "this" network */
    {0x0a000000, 8, ADDRESS_PRIVATE},
    {0x64646400, 24, ADDRESS_NEVER},  /* 100.100.100.0: metadata of one cloud, inside the next */
    {0x64400000, 10, ADDRESS_PRIVATE}, /* shared address space */
    {0x7f000000, 8, ADDRESS_PRIVATE},
    {0xa9fe0000, 16, ADDRESS_NEVER},  /* link-local: 169.254.169.254 is the clouds' metadata */
    {0xac100000, 12, ADDRESS_PRIVATE},
    {0xc0000000, 24, ADDRESS_NEVER},  /* IETF protocols; 192.0.0.192 is a cloud's metadata */
    {0xc0a80000, 16, ADDRESS_PRIVATE},
    {0xc6120000, 15, ADDRESS_PRIVATE}, /* benchmarks */
    {0xe0000000, 3, ADDRESS_NEVER},   /* multicast, reserved, broadcast */
};

static enum address_kind kind4(uint32_t a)
{
    for (size_t i = 0; i < sizeof ranges4 / sizeof *ranges4; i++)
        if ((a ^ ranges4[i].first) >> (32 - ranges4[i].bits) == 0)
            return ranges4[i].kind;
    return ADDRESS_PUBLIC;
}

static uint32_t at(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static enum address_kind kind6(const uint8_t b[16])
{
    static const uint8_t zero[16], nat64[12] = {0, 0x64, 0xff, 0x9b}, nat64_local[6] = {0, 0x64, 0xff, 0x9b, 0, 1},
                         mapped[12] = {[10] = 0xff, [11] = 0xff}, ec2[16] = {0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54};
    if (!memcmp(b, ec2, 16))
        return ADDRESS_NEVER; /* a cloud's metadata, among the private ones */
    if (!memcmp(b, mapped, 12) || !memcmp(b, nat64, 12) || !memcmp(b, nat64_local, 6))
        return kind4(at(b + 12));
    if (!memcmp(b, zero, 12))
        return !memcmp(b, zero, 15) && b[15] == 1 ? ADDRESS_PRIVATE : ADDRESS_NEVER; /* ::1; else unspecified or IPv4-compatible */
    if (b[0] == 0x20 && b[1] == 0x02)
        return kind4(at(b + 2));
    if (b[0] == 0x20 && b[1] == 0x01 && !b[2] && !b[3])
        return ADDRESS_NEVER; /* Teredo: leads through somebody else's relay */
    if (b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0x80)))
        return ADDRESS_NEVER; /* multicast; link- and site-local */
    return (b[0] & 0xfe) == 0xfc ? ADDRESS_PRIVATE : ADDRESS_PUBLIC;
}

enum address_kind address_kind(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return kind4(ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr));
    return a->sa_family == AF_INET6 ? kind6(((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr) : ADDRESS_NEVER;
}

void address_text(char out[ADDRESS_TEXT], const struct sockaddr *a)
{
    const void *from = a->sa_family == AF_INET    ? (const void *)&((const struct sockaddr_in *)a)->sin_addr
                       : a->sa_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr
                                                  : NULL;
    if (!from || !inet_ntop(a->sa_family, from, out, ADDRESS_TEXT))
        snprintf(out, ADDRESS_TEXT, "?");
}

bool host_listed(const char *list, const char *host)
{
    size_t n = strlen(host);
    for (const char *p = list; p && *p;) {
        size_t len = strcspn(p, ", \t");
        if (len == n && n && !strncasecmp(p, host, n))
            return true;
        p += len + strspn(p + len, ", \t");
    }
    return false;
}
