/* The server's certificate: its own files by configuration, or one that is generated in the home. */
#ifndef CODEASK_DAEMON_TLS_H
#define CODEASK_DAEMON_TLS_H

#include "config/config.h"
#include "config/paths.h"

enum tls_mode { TLS_NO, TLS_GENERATED, TLS_FILES }; /* as the choices of the setting `tls` */

#define TLS_FINGERPRINT 96 /* "AB:CD:…": SHA-256 in 32 pairs, NUL */

struct tls_identity {
    char *certificate, *key; /* paths of PEM files */
    char fingerprint[TLS_FINGERPRINT];
};

/* Reads the pair, or makes <home>/tls/{certificate,key}.pem (a P-256 key of mode 0600; self-signed, for this machine's names and host; ten
 * years) where it is to be generated and is not there. ERR_NOT_FOUND; ERR_FORMAT: no such pair, or its
 * dates do not hold; ERR_DENIED for a key that others can read. */
int tls_open(struct tls_identity *out, const struct config *c, const struct paths *p, const char *host, struct err *e);
void tls_close(struct tls_identity *t); /* a zeroed one is allowed */

#endif
