/* POSIX.1-1988 ustar:
 *
 *   name 100 · mode 8 · uid 8 · gid 8 · size 12 · mtime 12 · sum 8 · type 1 · link 100 · "ustar\0" "00" · user 32 · group 32 · major 8 · minor 8 ·
 *   prefix 155 · 12 of nothing. Numbers are octal and end in NUL; a size of 8 GiB and more is GNU's: a byte 0x80, then big-endian. */
#include "base/tar.h"

#include <stdio.h>
#include <string.h>

#define AT_NAME 0
#define AT_MODE 100
#define AT_UID 108
#define AT_GID 116
#define AT_SIZE 124
#define AT_MTIME 136
#define AT_SUM 148
#define AT_TYPE 156
#define AT_MAGIC 257
#define AT_PREFIX 345
#define NAME_MAX_BYTES 100
#define PREFIX_MAX_BYTES 155
#define OCTAL_SIZE ((uint64_t)1 << 33) /* eleven octal digits */

bool tar_path_good(const char *path)
{
    size_t n = strnlen(path, TAR_PATH);
    if (!n || n >= TAR_PATH)
        return false;
    for (const char *p = path; ; p++) {
        size_t part = strcspn(p, "/");
        if (!part || (part == 1 && *p == '.') || (part == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        for (size_t i = 0; i < part; i++)
            if ((unsigned char)p[i] < 32 || p[i] == 127)
                return false;
        p += part;
        if (!*p)
            return true;
    }
}

static void octal(uint8_t *at, size_t n, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%0*llo", (int)n - 1, (unsigned long long)v);
    memcpy(at, text, n);
}

static unsigned sum_of(const uint8_t block[TAR_BLOCK])
{
    unsigned sum = 0;
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += i >= AT_SUM && i < AT_TYPE ? ' ' : block[i];
    return sum;
}

/* The path in its two fields; false where it does not fit. */
static bool put_path(uint8_t *block, const struct tar_entry *t)
{
    char path[TAR_PATH + 1];
    int n = snprintf(path, sizeof path, "%s%s", t->path, t->folder ? "/" : "");
    const char *name = path;
    if (n > NAME_MAX_BYTES) { /* the shortest run of folders that leaves little enough */
        const char *slash = memchr(path + n - NAME_MAX_BYTES - 1, '/', NAME_MAX_BYTES);
        if (!slash || slash == path || slash - path > PREFIX_MAX_BYTES || !slash[1])
            return false;
        memcpy(block + AT_PREFIX, path, (size_t)(slash - path));
        name = slash + 1;
    }
    memcpy(block + AT_NAME, name, strlen(name));
    return true;
}

int tar_header(uint8_t out[TAR_BLOCK], const struct tar_entry *t, struct err *e)
{
    memset(out, 0, TAR_BLOCK);
    if (!tar_path_good(t->path) || !put_path(out, t) || t->mode > 07777 || (t->folder && t->size) || t->size >> 62)
        return err_set(e, ERR_UNSUPPORTED, "%.*s: no file of an archive", TAR_PATH, t->path);
    octal(out + AT_MODE, 8, t->mode);
    octal(out + AT_UID, 8, 0);
    octal(out + AT_GID, 8, 0);
    octal(out + AT_MTIME, 12, 0);
    if (t->size < OCTAL_SIZE) {
        octal(out + AT_SIZE, 12, t->size);
    } else {
        out[AT_SIZE] = 0x80;
        for (int i = 0; i < 8; i++)
            out[AT_SIZE + 4 + i] = (uint8_t)(t->size >> (56 - 8 * i));
    }
    out[AT_TYPE] = t->folder ? '5' : '0';
    memcpy(out + AT_MAGIC, "ustar\0" "00", 8);
    octal(out + AT_SUM, 7, sum_of(out));
    out[AT_SUM + 7] = ' ';
    return 0;
}

static bool number(uint64_t *out, const uint8_t *at, size_t n)
{
    *out = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        if (at[i] < '0' || at[i] > '7')
            return false;
        *out = *out << 3 | (uint64_t)(at[i] - '0');
    }
    return true;
}

int tar_read(struct tar_entry *out, bool *end, const uint8_t block[TAR_BLOCK], struct err *e)
{
    static const uint8_t none[TAR_BLOCK];
    uint8_t again[TAR_BLOCK];
    char path[PREFIX_MAX_BYTES + 1 + NAME_MAX_BYTES + 1];
    uint64_t mode;
    *out = (struct tar_entry){0};
    *end = !memcmp(block, none, TAR_BLOCK);
    if (*end)
        return 0;
    size_t prefix = strnlen((const char *)block + AT_PREFIX, PREFIX_MAX_BYTES), name = strnlen((const char *)block + AT_NAME, NAME_MAX_BYTES), n = 0;
    memcpy(path, block + AT_PREFIX, prefix);
    n = prefix;
    if (n)
        path[n++] = '/';
    memcpy(path + n, block + AT_NAME, name);
    n += name;
    out->folder = block[AT_TYPE] == '5';
    if (out->folder && n && path[n - 1] == '/')
        n--;
    if (n >= TAR_PATH || !number(&mode, block + AT_MODE, 8))
        return err_set(e, ERR_FORMAT, "not a header of an archive");
    memcpy(out->path, path, n);
    out->mode = (unsigned)mode;
    if (block[AT_SIZE] == 0x80)
        for (int i = 0; i < 8; i++)
            out->size = out->size << 8 | block[AT_SIZE + 4 + i];
    else if (!number(&out->size, block + AT_SIZE, 12))
        return err_set(e, ERR_FORMAT, "not a header of an archive");
    if (tar_header(again, out, NULL) || memcmp(again, block, TAR_BLOCK))
        return err_set(e, ERR_FORMAT, "a header that no bundle has: a link, a device, a path that leads out, or a damaged one");
    return 0;
}
