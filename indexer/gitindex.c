/* The file (git Documentation/gitformat-index.txt): "DIRC" version count, then entries of
 *   ctime s,ns  mtime s,ns  dev ino mode uid gid size   u32 each, big-endian
 *   oid[20] flags u16 [extended flags u16]  path NUL [zero bytes to a multiple of 8; version 4: none, and the path is
 *   a length to drop from the one before and the rest]
 * then extensions of name[4] size u32, then a checksum, which is not checked: a wrong entry costs one hash of one file. */
#include "indexer/gitindex.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_MAX_BYTES ((size_t)2 << 30)
#define PATH_BYTES 4096
#define FLAG_EXTENDED 0x4000u
#define EXTENDED_SKIP_WORKTREE 0x4000u
#define EXTENDED_INTENT_TO_ADD 0x2000u

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Paths are opened later: nothing absolute, nothing that leads up or into .git. */
static bool bad_path(const char *p, size_t n)
{
    if (!n || n >= PATH_BYTES || *p == '/' || memchr(p, 0, n))
        return true;
    for (const char *end = p + n; p < end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t len = (size_t)((slash ? slash : end) - p);
        if (!len || (len == 1 && *p == '.') || (len == 2 && p[0] == '.' && p[1] == '.') ||
            (len == 4 && memcmp(p, ".git", 4) == 0))
            return true;
        p += len + (slash != NULL);
    }
    return false;
}

static int bytes_cmp(struct str a, struct str b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_path(const void *a, const void *b)
{
    return bytes_cmp(((const struct gitindex_entry *)a)->path, ((const struct gitindex_entry *)b)->path);
}

struct reader {
    const uint8_t *p, *end;
    uint32_t version;
    char path[PATH_BYTES];
    size_t path_len;
};

/* The path behind an entry's head at q; NULL when the file is damaged, else the next entry. */
static const uint8_t *read_path(struct reader *r, const uint8_t *entry, const uint8_t *q)
{
    size_t keep = 0;
    if (r->version == 4) { /* a varint as in pack offsets: how many bytes of the last path to drop */
        size_t drop = 0;
        for (int shift = 0;; shift++) {
            if (q == r->end || shift > 4)
                return NULL;
            drop = (drop << 7) | (*q & 127);
            if (!(*q++ & 128))
                break;
            drop++;
        }
        if (drop > r->path_len)
            return NULL;
        keep = r->path_len - drop;
    }
    const uint8_t *nul = memchr(q, 0, (size_t)(r->end - q));
    if (!nul || keep + (size_t)(nul - q) >= PATH_BYTES)
        return NULL;
    memcpy(r->path + keep, q, (size_t)(nul - q));
    r->path_len = keep + (size_t)(nul - q);
    if (r->version == 4)
        return nul + 1;
    size_t size = ((size_t)(nul - entry) + 8) & ~(size_t)7;
    return size <= (size_t)(r->end - entry) ? entry + size : NULL;
}

static bool read_entry(struct gitindex *x, struct reader *r)
{
    const uint8_t *p = r->p;
    if (r->end - p < 64)
        return false;
    uint32_t flags = (uint32_t)p[60] << 8 | p[61], extended = 0;
    const uint8_t *q = p + 62;
    if (flags & FLAG_EXTENDED) {
        extended = (uint32_t)q[0] << 8 | q[1];
        q += 2;
    }
    r->p = read_path(r, p, q);
    if (!r->p)
        return false;
    size_t n = r->path_len;
    bool dir = n && r->path[n - 1] == '/';
    if (bad_path(r->path, n - dir))
        return true;
    struct gitindex_entry entry = {.ctime_s = u32(p), .ctime_ns = u32(p + 4), .mtime_s = u32(p + 8), .mtime_ns = u32(p + 12),
                                   .ino = u32(p + 20), .mode = u32(p + 24), .size = u32(p + 36)};
    memcpy(entry.oid.byte, p + 40, 20);
    entry.conflicted = flags & 0x3000u;
    entry.skip_worktree = extended & EXTENDED_SKIP_WORKTREE;
    entry.added = extended & EXTENDED_INTENT_TO_ADD;
    if (x->n && x->v[x->n - 1].path.n == n && memcmp(x->v[x->n - 1].path.p, r->path, n) == 0)
        return true; /* another stage of a conflict */
    entry.path = (struct str){arena_strn(&x->mem, r->path, n), n};
    x->v[x->n++] = entry;
    return true;
}

static int parse(struct gitindex *x, const char *name, const uint8_t *p, size_t n, struct err *e)
{
    struct reader *r = mem_zero(1, sizeof *r);
    int rc = 0;
    if (n < 32 || memcmp(p, "DIRC", 4) != 0) {
        rc = err_set(e, ERR_FORMAT, "%s is not a git index", name);
        goto out;
    }
    r->version = u32(p + 4);
    uint32_t count = u32(p + 8);
    if (r->version < 2 || r->version > 4 || count > n / 62) {
        rc = err_set(e, ERR_FORMAT, "%s: version %u of the git index", name, r->version);
        goto out;
    }
    r->p = p + 12;
    r->end = p + n - 20;
    x->v = mem_zero((size_t)count + 1, sizeof *x->v);
    for (uint32_t i = 0; i < count; i++)
        if (!read_entry(x, r)) {
            rc = err_set(e, ERR_FORMAT, "%s: entry %u is damaged", name, i);
            goto out;
        }
    while (r->end - r->p >= 8) {
        if (memcmp(r->p, "link", 4) == 0) {
            rc = err_set(e, ERR_UNSUPPORTED, "%s is a split index", name);
            goto out;
        }
        size_t size = u32(r->p + 4);
        if (size > (size_t)(r->end - r->p) - 8)
            break;
        r->p += 8 + size;
    }
    for (size_t i = 1; i < x->n; i++)
        if (by_path(&x->v[i - 1], &x->v[i]) > 0) {
            qsort(x->v, x->n, sizeof *x->v, by_path);
            break;
        }
out:
    free(r);
    return rc;
}

int gitindex_open(struct gitindex *out, const char *path, struct err *e)
{
    *out = (struct gitindex){0};
    arena_init(&out->mem);
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    out->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    struct buf b = BUF_INIT;
    int rc = file_read(&b, path, INDEX_MAX_BYTES, e);
    if (!rc)
        rc = parse(out, path, (const uint8_t *)b.data, b.len, e);
    buf_release(&b);
    if (rc)
        gitindex_close(out);
    return rc;
}

void gitindex_close(struct gitindex *x)
{
    free(x->v);
    arena_release(&x->mem);
    *x = (struct gitindex){0};
}

const struct gitindex_entry *gitindex_find(const struct gitindex *x, struct str path)
{
    struct gitindex_entry key = {.path = path};
    return x->n ? bsearch(&key, x->v, x->n, sizeof *x->v, by_path) : NULL;
}

bool gitindex_sparse(const struct gitindex *x, struct str path)
{
    const struct gitindex_entry *at = gitindex_find(x, path);
    if (at)
        return at->skip_worktree;
    for (size_t n = path.n; n--;)
        if (path.p[n] == '/' && (at = gitindex_find(x, (struct str){path.p, n + 1})) != NULL)
            return at->skip_worktree;
    return false;
}

bool gitindex_same(const struct gitindex *x, const struct gitindex_entry *entry, const struct stat *st)
{
    if (entry->conflicted || entry->added || entry->size != (uint32_t)st->st_size || !entry->mtime_s ||
        entry->mtime_s != (uint32_t)st->st_mtim.tv_sec || entry->ctime_s != (uint32_t)st->st_ctim.tv_sec ||
        entry->ino != (uint32_t)st->st_ino)
        return false;
    /* git may be built without nanoseconds: then they are zero */
    if ((entry->mtime_ns && entry->mtime_ns != (uint32_t)st->st_mtim.tv_nsec) ||
        (entry->ctime_ns && entry->ctime_ns != (uint32_t)st->st_ctim.tv_nsec))
        return false;
    return (int64_t)entry->mtime_s * 1000000000 + entry->mtime_ns < x->mtime_ns;
}
