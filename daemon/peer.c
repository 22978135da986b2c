#include "daemon/gate.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool is_loopback(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *v6 = &a->v6.sin6_addr;
    return a->any.sa_family == AF_INET6 && (IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127));
}

static void put(__be32 to[4], __be16 *port, const union address *a)
{
    if (a->any.sa_family == AF_INET) {
        *port = a->v4.sin_port;
        memcpy(to, &a->v4.sin_addr, sizeof a->v4.sin_addr);
    } else {
        *port = a->v6.sin6_port;
        memcpy(to, &a->v6.sin6_addr, sizeof a->v6.sin6_addr);
    }
}

/* The owner of the socket whose own address is `theirs` and that is connected to `ours`. A socket that its process has closed counts as root's,
 * and has no inode: it is nobody's here. */
static bool owner(uid_t *uid, const union address *theirs, const union address *ours)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 ask;
    } q = {{.nlmsg_len = sizeof q, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
           {.sdiag_family = (__u8)theirs->any.sa_family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u}};
    put(q.ask.id.idiag_src, &q.ask.id.idiag_sport, theirs);
    put(q.ask.id.idiag_dst, &q.ask.id.idiag_dport, ours);
    q.ask.id.idiag_cookie[0] = q.ask.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    union {
        struct nlmsghdr head;
        char bytes[1024];
    } a;
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return false;
    ssize_t n = send(fd, &q, sizeof q, 0) == (ssize_t)sizeof q ? recv(fd, &a, sizeof a, MSG_DONTWAIT) : -1; /* the kernel answers within send */
    close(fd);
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct inet_diag_msg)) || a.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    const struct inet_diag_msg *m = NLMSG_DATA(&a.head);
    *uid = m->idiag_uid;
    return m->idiag_inode != 0;
}

static bool both_ends(union address *theirs, union address *ours, int fd)
{
    socklen_t n = sizeof *theirs, k = sizeof *ours;
    *theirs = *ours = (union address){0};
    return !getpeername(fd, &theirs->any, &n) && !getsockname(fd, &ours->any, &k);
}

bool peer_is_same_user(int fd, bool *loopback)
{
    union address theirs, ours;
    uid_t uid;
    *loopback = both_ends(&theirs, &ours, fd) && is_loopback(&theirs) && is_loopback(&ours);
    return *loopback && owner(&uid, &theirs, &ours) && uid == geteuid();
}

bool peer_owner(uid_t *uid, int fd)
{
    union address theirs, ours;
    return both_ends(&theirs, &ours, fd) && is_loopback(&theirs) && is_loopback(&ours) && owner(uid, &theirs, &ours);
}

bool peer_address(int *family, uint8_t out[16], int fd)
{
    union address theirs, ours;
    memset(out, 0, 16);
    if (!both_ends(&theirs, &ours, fd))
        return false;
    const struct in6_addr *v6 = &theirs.v6.sin6_addr;
    bool mapped = theirs.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(v6);
    *family = mapped ? AF_INET : theirs.any.sa_family;
    if (theirs.any.sa_family == AF_INET)
        memcpy(out, &theirs.v4.sin_addr, 4);
    else if (theirs.any.sa_family == AF_INET6)
        memcpy(out, mapped ? v6->s6_addr + 12 : v6->s6_addr, mapped ? 4 : 16);
    return *family == AF_INET || *family == AF_INET6;
}
