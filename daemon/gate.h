/* Who asks over HTTP, and whether that is let in: out of the request's headers and of what the kernel says of the other end. */
#ifndef CODEASK_DAEMON_GATE_H
#define CODEASK_DAEMON_GATE_H

#include "daemon/exchange.h"

struct peer_facts {          /* of the connection */
    bool loopback;           /* both ends are this machine's */
    bool same_user;          /* the other end's socket belongs to the user that the daemon runs as */
    bool tls;
    bool proxy;              /* it is believed who asks (proxy.h) */
};

/* *who, or the reply is complete: 401, 403, 503. */
bool gate_pass(struct caller *who, const struct http_request *r, const struct peer_facts *peer, struct service *s, struct http_reply *out);

/* peer.c: whether the TCP socket at the other end of fd belongs to this process's user: asked of the kernel (sock_diag(7)), never of the peer. False
 * where it cannot be told. *loopback: its address is this machine's own. */
bool peer_is_same_user(int fd, bool *loopback);
bool peer_owner(uid_t *uid, int fd); /* whose that socket is, on this machine alone */
bool peer_address(int *family, uint8_t out[16], int fd); /* AF_INET or AF_INET6, in network order; IPv4 in IPv6 is IPv4 */

#endif
