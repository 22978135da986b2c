#include "service/bundle.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/format/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COPY_BYTES (256 << 10)

/* -- layers -------------------------------------------------------------------------------------------------------------------------- */

static struct bundle_file *add(struct bundle_layer *l, const char *path)
{
    VEC_ROOM(l->v, l->n, l->cap);
    l->v[l->n] = (struct bundle_file){.path = mem_str(path)};
    return &l->v[l->n++];
}

static void add_parents(struct bundle_layer *l, const char *path)
{
    char *up = mem_str(path), *slash = strrchr(up, '/');
    if (slash) {
        *slash = 0;
        layer_folder(l, up);
    }
    free(up);
}

void layer_folder(struct bundle_layer *l, const char *path)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].folder && !strcmp(l->v[i].path, path))
            return;
    struct bundle_file *f = add(l, path);
    f->folder = true;
    f->mode = 0755;
    add_parents(l, path);
}

void layer_bytes(struct bundle_layer *l, const char *path, const void *bytes, size_t n, unsigned mode)
{
    struct bundle_file *f = add(l, path);
    buf_add(&f->bytes, bytes, n);
    f->mode = mode;
    f->size = n;
    l->bytes += n;
    add_parents(l, path);
}

int layer_file(struct bundle_layer *l, const char *path, const char *from, unsigned mode, struct err *e)
{
    struct stat st;
    if (stat(from, &st))
        return err_errno(e, errno, "%s", from);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_UNSUPPORTED, "%s is no regular file", from);
    struct bundle_file *f = add(l, path);
    f->from = mem_str(from);
    f->mode = mode;
    f->size = (uint64_t)st.st_size;
    l->bytes += f->size;
    add_parents(l, path);
    return 0;
}

int layer_tree(struct bundle_layer *l, const char *path, const char *from, struct err *e)
{
    DIR *d = opendir(from);
    int rc = d ? 0 : err_errno(e, errno, "%s", from);
    layer_folder(l, path);
    for (struct dirent *one; d && !rc && (one = readdir(d));) {
        struct buf a = BUF_INIT, b = BUF_INIT;
        buf_addf(&a, "%s/%s", from, one->d_name);
        buf_addf(&b, "%s/%s", path, one->d_name);
        if (one->d_name[0] == '.')
            ;
        else if (l->n >= BUNDLE_FILES_MAX)
            rc = err_set(e, ERR_LIMIT, "%s: more than %d files", from, BUNDLE_FILES_MAX);
        else if (dir_exists(a.data))
            rc = layer_tree(l, b.data, a.data, e);
        else if (file_exists(a.data))
            rc = layer_file(l, b.data, a.data, 0644, e);
        buf_release(&a);
        buf_release(&b);
    }
    if (d)
        closedir(d);
    return rc;
}

void layer_release(struct bundle_layer *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].path);
        free(l->v[i].from);
        buf_release(&l->v[i].bytes);
    }
    free(l->v);
    *l = (struct bundle_layer){.part = l->part};
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct bundle_file *)a)->path, ((const struct bundle_file *)b)->path);
}

static uint64_t layer_size(const struct bundle_layer *l)
{
    uint64_t n = 2 * TAR_BLOCK;
    for (size_t i = 0; i < l->n; i++)
        n += TAR_BLOCK + l->v[i].size + tar_padding(l->v[i].size);
    return n;
}

/* -- the file, or the folder ------------------------------------------------------------------------------------------------------------- */

struct out {
    const struct bundle_writing *w;
    char *part;          /* PATH.part */
    int fd;              /* the archive; of a layout, the blob that is written */
    uint64_t at, header; /* of an archive: its end, the blob's header */
    struct tar_entry blob;
    EVP_MD_CTX *md;
    uint64_t done, all;
};

static int put_raw(struct out *o, const void *p, size_t n, struct err *e)
{
    struct err why;
    int rc = fd_write(o->fd, p, n, &why);
    o->at += n;
    if (rc)
        err_set(e, rc, "%s: %s", o->part, why.message);
    if (rc == ERR_FULL)
        err_hint(e, "%llu bytes are wanted there", (unsigned long long)o->all);
    return rc;
}

static int put_zeroes(struct out *o, size_t n, struct err *e)
{
    static const uint8_t zero[2 * TAR_BLOCK];
    return put_raw(o, zero, n, e);
}

static int put_member(struct out *o, const char *path, bool folder, const char *text, struct err *e)
{
    struct tar_entry t = {.folder = folder, .mode = folder ? 0755 : 0644, .size = text ? strlen(text) : 0};
    uint8_t head[TAR_BLOCK];
    struct buf to = BUF_INIT;
    int rc;
    if (o->w->layout) {
        buf_addf(&to, "%s/%s", o->part, path);
        rc = folder ? dir_make(to.data, 0700, e) : file_write(to.data, text, t.size, 0600, e);
        buf_release(&to);
        return rc;
    }
    snprintf(t.path, sizeof t.path, "%s", path);
    rc = tar_header(head, &t, e);
    if (!rc)
        rc = put_raw(o, head, sizeof head, e);
    if (!rc && t.size && !(rc = put_raw(o, text, t.size, e)))
        rc = put_zeroes(o, tar_padding(t.size), e);
    return rc;
}

static int blob_begin(struct out *o, uint64_t size, struct err *e)
{
    o->blob = (struct tar_entry){.mode = 0644, .size = size};
    o->header = o->at;
    EVP_DigestInit_ex(o->md, EVP_sha256(), NULL);
    if (!o->w->layout)
        return put_zeroes(o, TAR_BLOCK, e); /* its name is known at its end */
    struct buf to = BUF_INIT;
    buf_addf(&to, "%s/blobs/sha256/blob", o->part);
    o->fd = open(to.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc = o->fd < 0 ? err_errno(e, errno, "%s", to.data) : 0;
    buf_release(&to);
    return rc;
}

static int blob_put(struct out *o, const void *p, size_t n, struct err *e)
{
    EVP_DigestUpdate(o->md, p, n);
    int rc = put_raw(o, p, n, e);
    if (!rc && o->w->progress && o->w->progress(o->w->arg, o->done += n, o->all))
        rc = err_set(e, ERR_CANCELED, "taken back");
    return rc;
}

static int blob_end(struct out *o, struct bundle_blob *out, struct err *e)
{
    uint8_t sha[32], head[TAR_BLOCK];
    struct buf from = BUF_INIT, to = BUF_INIT;
    EVP_DigestFinal_ex(o->md, sha, NULL);
    hex_of(out->hex, sha, sizeof sha);
    out->size = o->blob.size;
    int rc = 0;
    if (o->w->layout) {
        buf_addf(&from, "%s/blobs/sha256/blob", o->part);
        buf_addf(&to, "%s/blobs/sha256/%s", o->part, out->hex);
        if (fsync(o->fd) || rename(from.data, to.data))
            rc = err_errno(e, errno, "%s", to.data);
        close(o->fd);
        o->fd = -1;
    } else {
        snprintf(o->blob.path, sizeof o->blob.path, "blobs/sha256/%s", out->hex);
        rc = tar_header(head, &o->blob, e);
        if (!rc && pwrite(o->fd, head, sizeof head, (off_t)o->header) != sizeof head)
            rc = err_errno(e, errno, "%s", o->part);
        if (!rc)
            rc = put_zeroes(o, tar_padding(o->blob.size), e);
    }
    buf_release(&from);
    buf_release(&to);
    return rc;
}

static int put_blob(struct out *o, struct bundle_blob *out, const char *text, struct err *e)
{
    int rc = blob_begin(o, strlen(text), e);
    if (!rc)
        rc = blob_put(o, text, strlen(text), e);
    return rc ? rc : blob_end(o, out, e);
}

/* -- a layer ----------------------------------------------------------------------------------------------------------------------------- */

static int put_from(struct out *o, const struct bundle_file *f, struct err *e)
{
    char *bytes = mem_alloc(COPY_BYTES);
    int fd = open(f->from, O_RDONLY | O_CLOEXEC), rc = fd < 0 ? err_errno(e, errno, "%s", f->from) : 0;
    uint64_t left = f->size;
    while (!rc && left) {
        ssize_t n = read(fd, bytes, left < COPY_BYTES ? left : COPY_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            rc = n ? err_errno(e, errno, "%s", f->from) : err_set(e, ERR_IO, "%s became shorter while it was read", f->from);
        else
            rc = blob_put(o, bytes, (size_t)n, e);
        left -= n > 0 ? (uint64_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    free(bytes);
    return rc;
}

static int put_layer(struct out *o, struct bundle_blob *out, struct bundle_layer *l, struct err *e)
{
    static const uint8_t zero[2 * TAR_BLOCK];
    qsort(l->v, l->n, sizeof *l->v, by_path);
    out->part = l->part;
    int rc = l->n > BUNDLE_FILES_MAX ? err_set(e, ERR_LIMIT, "more than %d files", BUNDLE_FILES_MAX) : blob_begin(o, layer_size(l), e);
    for (size_t i = 0; i < l->n && !rc; i++) {
        const struct bundle_file *f = &l->v[i];
        struct tar_entry t = {.folder = f->folder, .mode = f->mode, .size = f->size};
        uint8_t head[TAR_BLOCK];
        if (strlen(f->path) >= sizeof t.path)
            rc = err_set(e, ERR_UNSUPPORTED, "%s: too long a name", f->path);
        else
            memcpy(t.path, f->path, strlen(f->path));
        if (!rc && !(rc = tar_header(head, &t, e)))
            rc = blob_put(o, head, sizeof head, e);
        if (!rc && f->from)
            rc = put_from(o, f, e);
        else if (!rc && f->size)
            rc = blob_put(o, f->bytes.data, f->size, e);
        if (!rc && tar_padding(f->size))
            rc = blob_put(o, zero, tar_padding(f->size), e);
    }
    if (!rc)
        rc = blob_put(o, zero, sizeof zero, e);
    return rc ? rc : blob_end(o, out, e);
}

/* -- the whole ---------------------------------------------------------------------------------------------------------------------------- */

static int put_signed(struct out *o, struct bundle_made *made, const struct bundle_blob *manifest, struct err *e)
{
    uint8_t key[KEY_BYTES], signature[SIGNATURE_BYTES];
    struct buf text = BUF_INIT;
    buf_addf(&text, BUNDLE_SIGNED "sha256:%s", manifest->hex);
    int rc = key_sign(key, signature, o->w->home, text.data, text.len, e);
    buf_release(&text);
    if (rc)
        return rc;
    char *index = bundle_index_text(manifest, key, signature);
    rc = put_member(o, "index.json", false, index, e);
    key_fingerprint(made->fingerprint, key);
    free(index);
    return rc;
}

static int put_all(struct out *o, struct bundle_made *made, struct err *e)
{
    const struct bundle_writing *w = o->w;
    struct bundle_blob layer[BUNDLE_LAYERS] = {0}, config = {0}, manifest = {0};
    char created[32], *contents = json_dumps(w->contents, JSON_COMPACT | JSON_SORT_KEYS), *text = NULL;
    time_t at = (time_t)(w->as_of_ms / 1000);
    struct tm tm;
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
    int rc = put_member(o, "oci-layout", false, BUNDLE_LAYOUT_TEXT, e);
    if (!rc)
        rc = put_member(o, "blobs", true, NULL, e);
    if (!rc)
        rc = put_member(o, "blobs/sha256", true, NULL, e);
    for (size_t i = 0; i < w->n && !rc; i++)
        rc = put_layer(o, &layer[i], &w->layer[i], e);
    if (!rc)
        rc = put_blob(o, &config, text = bundle_config_text(layer, w->n, bundle_architecture(), created), e);
    free(text);
    text = NULL;
    if (!rc)
        rc = put_blob(o, &manifest, text = bundle_manifest_text(&config, layer, w->n, contents, created), e);
    if (!rc && manifest.size > BUNDLE_JSON_MAX)
        rc = err_set(e, ERR_LIMIT, "a list of contents of %llu bytes", (unsigned long long)manifest.size);
    if (!rc)
        rc = put_signed(o, made, &manifest, e);
    if (!rc && !w->layout)
        rc = put_zeroes(o, 2 * TAR_BLOCK, e);
    memcpy(made->digest, manifest.hex, sizeof made->digest);
    made->bytes = o->at;
    free(text);
    free(contents);
    return rc;
}

/* What is left of one that failed or was killed: ours by its name. */
static void drop_part(const struct out *o)
{
    struct buf p = BUF_INIT;
    unlink(o->part);
    buf_addf(&p, "%s/blobs/sha256", o->part);
    DIR *d = o->w->layout ? opendir(p.data) : NULL;
    for (struct dirent *one; d && (one = readdir(d));)
        unlinkat(dirfd(d), one->d_name, 0);
    if (d)
        closedir(d);
    static const char *const rest[] = {"blobs/sha256", "blobs", "oci-layout", "index.json", ""};
    for (size_t i = 0; i < sizeof rest / sizeof *rest && o->w->layout; i++) {
        buf_clear(&p);
        buf_addf(&p, "%s/%s", o->part, rest[i]);
        if (rmdir(p.data))
            unlink(p.data);
    }
    buf_release(&p);
}

static int settle(struct out *o, struct err *e)
{
    char *folder = mem_str(o->w->path), *slash = strrchr(folder, '/');
    *(slash == folder ? slash + 1 : slash) = 0;
    int rc = rename(o->part, o->w->path) ? err_errno(e, errno, "renaming %s", o->part) : dir_sync(folder, e);
    free(folder);
    return rc;
}

int bundle_write(struct bundle_made *made, const struct bundle_writing *w, struct err *e)
{
    struct out o = {.w = w, .fd = -1, .md = EVP_MD_CTX_new()};
    struct buf part = BUF_INIT;
    struct stat st;
    *made = (struct bundle_made){0};
    buf_addf(&part, "%s.part", w->path);
    o.part = buf_take(&part);
    for (size_t i = 0; i < w->n; i++)
        o.all += layer_size(&w->layer[i]);
    int rc = *w->path != '/' ? err_set(e, ERR_USAGE, "the whole path of a file is wanted") : 0;
    if (!rc && !lstat(w->path, &st) && !(w->layout && !rmdir(w->path))) {
        rc = err_set(e, ERR_USAGE, "%s is there already", w->path);
        err_hint(e, "name a new file: a bundle is never written over another");
    }
    if (rc)
        goto out;
    drop_part(&o);
    if (w->layout)
        rc = dir_make(o.part, 0700, e);
    else if ((o.fd = open(o.part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
        rc = err_errno(e, errno, "%s", o.part);
    if (!rc)
        rc = put_all(&o, made, e);
    if (!rc && o.fd >= 0 && fsync(o.fd))
        rc = err_errno(e, errno, "%s", o.part);
    if (!rc && w->note)
        rc = w->note(w->arg, made->digest, e);
    if (!rc)
        rc = settle(&o, e);
    if (o.fd >= 0)
        close(o.fd);
    if (rc)
        drop_part(&o);
out:
    EVP_MD_CTX_free(o.md);
    free(o.part);
    return rc;
}
