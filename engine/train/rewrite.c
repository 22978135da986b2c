#include "engine/train/rewrite.h"

#include "base/buf.h"
#include "base/file.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_MAX ((size_t)1 << 30) /* bytes of a file beside the weights: a tokenizer has some MB */

static char *in(const char *folder, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", folder, name);
    return buf_take(&b);
}

static size_t size_of(enum st_type type)
{
    return type == ST_BF16 ? 2 : 4;
}

int rewrite_check(const struct st_tensor *t, int rank, size_t values, struct err *e)
{
    if (t->type != ST_F32 && t->type != ST_BF16)
        return err_set(e, ERR_UNSUPPORTED, "%s is of the type %s; F32 and BF16 are written", t->name, st_type_name(t->type));
    if (t->rank != rank || t->bytes != values * size_of(t->type))
        return err_set(e, ERR_FORMAT, "%s has another shape than the model that was read", t->name);
    return 0;
}

double rewrite_get(const uint8_t *data, enum st_type type, size_t i)
{
    uint32_t bits = 0;
    float x;
    memcpy((uint8_t *)&bits + (type == ST_BF16 ? 2 : 0), data + i * size_of(type), size_of(type));
    memcpy(&x, &bits, sizeof x);
    return x;
}

void rewrite_put(uint8_t *data, enum st_type type, size_t i, double value)
{
    float x = (float)value;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (type == ST_BF16) {
        bits += 0x7fff + (bits >> 16 & 1);
        bits >>= 16;
    }
    memcpy(data + i * size_of(type), &bits, size_of(type));
}

static int rewrite_file(size_t *changed, const char *to, const char *from, rewrite_fn fn, void *arg, struct err *e)
{
    struct buf bytes = BUF_INIT;
    struct safetensors *st = NULL;
    int rc = file_read(&bytes, from, REWRITE_FILE_MAX, e);
    if (!rc)
        rc = safetensors_parse(&st, from, bytes.data, bytes.len, e);
    for (size_t i = 0; !rc && i < safetensors_count(st); i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        rc = fn(arg, t, (uint8_t *)bytes.data + (t->data - (const uint8_t *)bytes.data), changed, e);
    }
    if (!rc)
        rc = file_write(to, bytes.data, bytes.len, 0644, e);
    safetensors_close(st);
    buf_release(&bytes);
    return rc;
}

static int copy(const char *to, const char *from, struct err *e)
{
    struct buf bytes = BUF_INIT;
    int rc = file_read(&bytes, from, COPY_MAX, e);
    if (!rc)
        rc = file_write(to, bytes.data ? bytes.data : "", bytes.len, 0644, e);
    buf_release(&bytes);
    return rc;
}

static bool is_weights(const char *name)
{
    size_t n = strlen(name);
    return n > 12 && !strcmp(name + n - 12, ".safetensors");
}

int rewrite_folder(size_t *changed, const char *to, const char *model, rewrite_fn fn, void *arg, struct err *e)
{
    *changed = 0;
    if (dir_exists(to) || file_exists(to))
        return err_set(e, ERR_USAGE, "%s is there already", to);
    DIR *d = opendir(model);
    int rc = d ? dir_make(to, 0755, e) : err_set(e, ERR_IO, "%s cannot be read", model);
    for (struct dirent *f; !rc && (f = readdir(d));) {
        struct stat st;
        char *a = in(model, f->d_name), *b = in(to, f->d_name);
        if (!stat(a, &st) && S_ISREG(st.st_mode))
            rc = is_weights(f->d_name) ? rewrite_file(changed, b, a, fn, arg, e) : copy(b, a, e);
        free(a);
        free(b);
    }
    if (d)
        closedir(d);
    return rc ? rc : dir_sync(to, e);
}
