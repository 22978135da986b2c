/* Addresses of repositories elsewhere. */
#ifndef CODEASK_NET_URL_H
#define CODEASK_NET_URL_H

#include "base/err.h"

#include <stdint.h>

#define URL_BYTES_MAX 2048 /* as git hosts and browsers take them */

enum url_scheme { URL_HTTPS, URL_SSH, URL_FILE };

/* Owns its texts; url_release. */
struct url {
    enum url_scheme scheme;
    char *text;     /* as it was given: holds no password, query or fragment */
    char *user;     /* of ssh; "" for none */
    char *host;     /* lower case, IPv6 without brackets; "" for a file */
    uint16_t port;  /* 0: the scheme's own */
    char *path;     /* ssh and file: decoded, as the other side's git is to read it; https: as given. Not empty */
    char *key;      /* what a repository is known by, however it is reached: HOST[:PORT]/PATH without ".git"; of a file "file/PATH" */
};

/* https://HOST/PATH, ssh://[USER@]HOST/PATH, [USER@]HOST:PATH, file:///PATH. ERR_USAGE for everything else, with what would have been right:
 * http, passwords (they belong in a file of credentials), control characters, names that a program could take for an option. */
int url_parse(struct url *out, const char *text, struct err *e);
void url_release(struct url *u); /* a zeroed one is allowed */

/* The key alone of whatever a webhook's payload calls an address (http and git included); NULL: it is none. The caller frees. */
char *url_key(const char *text);

#endif
