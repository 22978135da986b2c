/* Headers of a tar archive, in the one form that this program writes: ustar, regular files and folders alone, no owner, no time, so that the same
 * files give the same bytes. Reading takes that form and nothing else: a header that would not have been written so, be it by one bit, is an
 * error. There are thus no links, devices, sparse files or extended headers, and no name that leads out of a folder. */
#ifndef CODEASK_BASE_TAR_H
#define CODEASK_BASE_TAR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TAR_BLOCK 512
#define TAR_PATH 256 /* bytes of a path and its NUL: ustar has 155 for the folders, 100 for what follows */

struct tar_entry {
    char path[TAR_PATH]; /* relative, parts divided by '/'; no '/' at the end, for a folder neither */
    bool folder;
    unsigned mode;       /* permission bits */
    uint64_t size;       /* 0 of a folder */
};

/* False for a path that leads out, is empty, has an empty part, "." or "..", a byte below 32, or does not fit. */
bool tar_path_good(const char *path);
/* ERR_UNSUPPORTED where tar_path_good says no, or the entry is none. */
int tar_header(uint8_t out[TAR_BLOCK], const struct tar_entry *entry, struct err *e);
/* *end: a block of zeroes; two of them end an archive. ERR_FORMAT. */
int tar_read(struct tar_entry *out, bool *end, const uint8_t block[TAR_BLOCK], struct err *e);
/* Bytes of padding behind a content. */
static inline uint64_t tar_padding(uint64_t size)
{
    return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

#endif
