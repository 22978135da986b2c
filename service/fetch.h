/* One file over HTTP(S) into a folder, with libcurl, only where a person named the address.
 *
 *   NAME.part        what is there so far
 *   NAME.part.from   the address and the validator (ETag, else Last-Modified) that it is a part of: going on asks for the rest
 *                    only if the file is still that one
 *   NAME             appears when all of it is there, synced, and of the right hash */
#ifndef CODEASK_SERVICE_FETCH_H
#define CODEASK_SERVICE_FETCH_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define FETCH_TRIES 5             /* in a row without a byte more; each goes on where the one before ended */
#define FETCH_CONNECT_SECONDS 30
#define FETCH_STALL_SECONDS 60    /* without a byte */
#define FETCH_REDIRECTS 10

struct fetch {
    const char *url, *path;  /* path: of the whole file */
    const uint8_t *sha256;   /* [32] or NULL: not checked */
    uint64_t max;            /* bytes; ERR_LIMIT past them */
    bool (*progress)(void *arg, uint64_t done, uint64_t all /* 0: not known */); /* true: stop */
    void *arg;
};

struct fetched {
    uint64_t bytes, resumed;  /* resumed: bytes that were there already */
    char host[256];           /* that the bytes came from, after redirects */
};

/* ERR_USAGE: no http:// or https:// address. ERR_NOT_FOUND: the host has no such file. ERR_FULL: the hint says how much is
 * missing; the part stays. ERR_FORMAT: another hash; the part is gone. ERR_UNAVAILABLE: the host cannot be reached, or went
 * away too often; ERR_CANCELED: the part stays. ERR_BUSY: another process fetches it. */
int fetch_file(struct fetched *out, const struct fetch *f, struct err *e);

/* The host of an address, with its port where it has one; ERR_USAGE for what is none. */
int fetch_host(char out[256], const char *url, struct err *e);

#endif
