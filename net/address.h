/* Which addresses may be connected to. What an address is, is decided on the address itself, in the moment of the connection: a name can
 * lead elsewhere a moment later. */
#ifndef CODEASK_NET_ADDRESS_H
#define CODEASK_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

enum address_kind {
    ADDRESS_PUBLIC,
    ADDRESS_PRIVATE,   /* this machine or the office: loopback, RFC 1918, RFC 6598, fc00::/7 */
    ADDRESS_NEVER,     /* link-local (what clouds tell their machines is there), multicast, broadcast, unspecified, reserved */
};

/* Addresses that hold an IPv4 one (mapped, NAT64, 6to4) are what that one is. */
enum address_kind address_kind(const struct sockaddr *a);

/* "10.1.2.3", "fd00::1"; "?" for other families. */
#define ADDRESS_TEXT 64
void address_text(char out[ADDRESS_TEXT], const struct sockaddr *a);

/* Whether a list of names, parted by commas or spaces, has this host; case is one. NULL: an empty list. */
bool host_listed(const char *list, const char *host);

#endif
