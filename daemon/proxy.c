#include "daemon/proxy.h"

#include "daemon/gate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_BITS_4 8   /* a wider network is a mistake: everybody would be believed */
#define LEAST_BITS_6 32

static bool is_loopback(int family, const uint8_t *a)
{
    static const uint8_t one[16] = {[15] = 1};
    return family == AF_INET ? a[0] == 127 : !memcmp(a, one, 16);
}

/* A user's name or number. */
static bool user_of(uid_t *out, const char *name)
{
    char *end;
    unsigned long n = strtoul(name, &end, 10);
    struct passwd row, *found = NULL;
    char room[4096];
    if (*name >= '0' && *name <= '9' && !*end && n < (uid_t)-1) {
        *out = (uid_t)n;
        return true;
    }
    if (getpwnam_r(name, &row, room, sizeof room, &found) || !found)
        return false;
    *out = found->pw_uid;
    return true;
}

/* One row, NUL-terminated; it is changed. */
static int add(struct proxies *p, char *text, struct err *e)
{
    char whole[128];
    snprintf(whole, sizeof whole, "%s", text);
    char *user = strchr(text, '@'), *bits = NULL, *end;
    if (user)
        *user++ = 0;
    if ((bits = strchr(text, '/')))
        *bits++ = 0;
    if (p->n == PROXIES_MAX)
        return err_set(e, ERR_USAGE, "proxy-addresses: more than %d", PROXIES_MAX);
    uint8_t address[16] = {0};
    int family = inet_pton(AF_INET, text, address) == 1 ? AF_INET : inet_pton(AF_INET6, text, address) == 1 ? AF_INET6 : 0;
    unsigned all = family == AF_INET ? 32 : 128, least = family == AF_INET ? LEAST_BITS_4 : LEAST_BITS_6;
    unsigned long n = bits ? strtoul(bits, &end, 10) : all;
    if (!family || (bits && (*bits < '0' || *bits > '9' || *end)) || n < least || n > all)
        return err_set(e, ERR_USAGE, "proxy-addresses: \"%s\" is no address, and no network of at least /%u", whole, least);
    bool own = is_loopback(family, address);
    uid_t uid = 0;
    if (own && !user) {
        err_set(e, ERR_USAGE, "proxy-addresses: %s is this machine, where any process could say that it is the proxy", whole);
        err_hint(e, "name the user that the proxy runs as: %s@www-data", whole);
        return ERR_USAGE;
    }
    if (user && (!own || !user_of(&uid, user)))
        return err_set(e, ERR_USAGE, own ? "proxy-addresses: %s: there is no such user" : "proxy-addresses: %s: another machine's user cannot be known", whole);
    p->row[p->n].family = family;
    memcpy(p->row[p->n].address, address, sizeof address);
    p->row[p->n].bits = (unsigned)n;
    p->row[p->n].owned = own;
    p->row[p->n++].uid = uid;
    return 0;
}

static int take_header(struct proxies *p, const char *name, struct err *e)
{
    size_t n = strlen(name);
    static const char *const taken[] = {"authorization", "host", "origin", "cookie", NULL};
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '-')
            return err_set(e, ERR_USAGE, "proxy-user-header: \"%s\" is no name of a header", name);
        p->header[i] = (char)tolower((unsigned char)name[i]);
    }
    for (const char *const *t = taken; *t; t++)
        if (!strcmp(*t, p->header))
            return err_set(e, ERR_USAGE, "proxy-user-header: %s has another meaning", name);
    memcpy(p->header + n, ":", 2);
    return 0;
}

int proxies_open(struct proxies *out, const struct config *c, struct err *e)
{
    *out = (struct proxies){0};
    if (!*c->proxy_addresses && !*c->proxy_user_header)
        return 0;
    if (!*c->proxy_addresses || !*c->proxy_user_header)
        return err_set(e, ERR_USAGE, "proxy-addresses and proxy-user-header are set together, or neither");
    int rc = take_header(out, c->proxy_user_header, e);
    for (const char *p = c->proxy_addresses; *p && !rc;) {
        char one[128];
        size_t n = strcspn(p, ", ");
        if (n >= sizeof one)
            return err_set(e, ERR_USAGE, "proxy-addresses: \"%.80s…\" is no address", p);
        memcpy(one, p, n);
        one[n] = 0;
        rc = n ? add(out, one, e) : 0;
        p += n + (p[n] != 0);
    }
    return rc;
}

static bool within(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    return !memcmp(a, b, whole) && (!rest || !((a[whole] ^ b[whole]) >> (8 - rest)));
}

bool proxies_trust(const struct proxies *p, int fd)
{
    uint8_t address[16];
    int family;
    uid_t uid;
    if (!p->n || !peer_address(&family, address, fd))
        return false;
    for (unsigned i = 0; i < p->n; i++)
        if (p->row[i].family == family && within(p->row[i].address, address, p->row[i].bits) &&
            (!p->row[i].owned || (peer_owner(&uid, fd) && uid == p->row[i].uid)))
            return true;
    return false;
}
