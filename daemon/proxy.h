/* Who asks, as a reverse proxy in front of the server says it in a header: believed of configured addresses alone (`proxy-addresses`), in the
 * header that is named (`proxy-user-header`), of users that the server knows. By default of nobody. */
#ifndef CODEASK_DAEMON_PROXY_H
#define CODEASK_DAEMON_PROXY_H

#include "config/config.h"

#include <sys/types.h>

#define PROXIES_MAX 16       /* rows of proxy-addresses */
#define PROXY_HEADER_MAX 64

struct proxies {
    struct {
        int family;          /* AF_INET, AF_INET6 */
        uint8_t address[16];
        unsigned bits;       /* of it that count */
        bool owned;          /* this machine's own: only sockets of uid are the proxy */
        uid_t uid;
    } row[PROXIES_MAX];
    unsigned n;              /* 0: no proxy is believed */
    char header[PROXY_HEADER_MAX + 2]; /* in lower case, with its colon */
};

/* "10.0.0.5, 192.168.7.0/28, 127.0.0.1@www-data": a proxy on this machine wants its user, for any process can speak from 127.0.0.1. ERR_USAGE
 * names what cannot be. */
int proxies_open(struct proxies *out, const struct config *c, struct err *e);
/* Whether the other end of this connection is one. */
bool proxies_trust(const struct proxies *p, int fd);

#endif
