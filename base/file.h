/* Whole files and descriptors. */
#ifndef CODEASK_BASE_FILE_H
#define CODEASK_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Appends the file's bytes to out; ERR_LIMIT past max bytes. Regular files only. */
int file_read(struct buf *out, const char *path, size_t max, struct err *e);
/* Writes to PATH.tmp, syncs, renames: the file is the old one or the new one, never half. mode as for open(2). */
int file_write(const char *path, const void *bytes, size_t n, mode_t mode, struct err *e);
bool file_exists(const char *path);
bool dir_exists(const char *path);
/* mkdir -p with the given mode for the made ones. */
int dir_make(const char *path, mode_t mode, struct err *e);

/* Makes the names in a directory durable: what was made, renamed or removed in it. */
int dir_sync(const char *path, struct err *e);

/* A read-only mapping of a whole file; release with file_unmap. An empty file maps to {"" , 0}. */
struct file_map {
    const uint8_t *p;
    size_t n;
};
int file_map(struct file_map *out, const char *path, struct err *e);
void file_unmap(struct file_map *m);
/* The pages that lie whole in [from, from + n) of the mapping leave the process's memory until they are read again. */
void file_map_drop(const struct file_map *m, const void *from, size_t n);

/* Exactly n bytes or an error; 1 from fd_read when the other end closed before the first byte. Retries EINTR. */
int fd_read(int fd, void *to, size_t n, struct err *e);
int fd_write(int fd, const void *from, size_t n, struct err *e);

#endif
