/* The server's certificate: its own files by configuration, or one that is generated in the home. */
#ifndef CODEASK_DAEMON_TLS_H
#define CODEASK_DAEMON_TLS_H

#include "config/config.h"
#include "config/paths.h"

#include <stdint.h>

enum tls_mode { TLS_NO, TLS_GENERATED, TLS_FILES }; /* as the choices of the setting `tls` */

#define TLS_FINGERPRINT 96 /* "AB:CD:…": SHA-256 in 32 pairs, NUL */

#define TLS_EXPIRY_WARNING (14 * 86400) /* seconds before it ends: what renews them by itself does so at 30 days */

struct tls_identity {
    char *certificate, *key; /* paths of PEM files */
    char fingerprint[TLS_FINGERPRINT];
    int64_t ends_in;         /* seconds until it expires, when it was read */
    struct tls_stamp {       /* of both files */
        int64_t mtime_ns, size;
        uint64_t inode;
    } read[2];
};

/* Reads the pair, or makes <home>/tls/{certificate,key}.pem (a P-256 key of mode 0600; self-signed, for this machine's names and host; ten
 * years) where it is to be generated and is not there. ERR_NOT_FOUND; ERR_FORMAT: no such pair, or its
 * dates do not hold; ERR_DENIED for a key that others can read. */
int tls_open(struct tls_identity *out, const struct config *c, const struct paths *p, const char *host, struct err *e);

/* Looks whether other files stand in their place: 1 and *t is of the new pair; 0: the same ones; an error: they are no pair (one of the two
 * may be to come), *t's certificate is as it was, and the same files are not read again. Two stat(2) where nothing changed. */
int tls_renew(struct tls_identity *t, struct err *e);
void tls_close(struct tls_identity *t); /* a zeroed one is allowed */

#endif
