#include "engine/train/merge.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/format/model_file.h"
#include "engine/format/safetensors.h"
#include "engine/train/peft.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_MAX ((size_t)1 << 30) /* bytes of a file beside the weights: a tokenizer has some MB */
#define CONTEXT 64                 /* of the decoder that the adapter is read over: it reads no text */

static char *in(const char *folder, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", folder, name);
    return buf_take(&b);
}

static double number(const uint8_t *p, enum st_type type)
{
    uint32_t bits = 0;
    float x;
    memcpy((uint8_t *)&bits + (type == ST_BF16 ? 2 : 0), p, type == ST_BF16 ? 2 : 4);
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void put(uint8_t *p, enum st_type type, double value)
{
    float x = (float)value;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (type == ST_BF16) {
        bits += 0x7fff + (bits >> 16 & 1);
        bits >>= 16;
    }
    memcpy(p, &bits, type == ST_BF16 ? 2 : 4);
}

static int add(uint8_t *data, const struct st_tensor *t, const struct lora *l, const struct lora_part *p, struct err *e)
{
    size_t size = t->type == ST_BF16 ? 2 : 4;
    if (t->type != ST_F32 && t->type != ST_BF16)
        return err_set(e, ERR_UNSUPPORTED, "%s is of the type %s; F32 and BF16 are merged", t->name, st_type_name(t->type));
    if (t->rank != 2 || t->shape[0] != p->n || t->shape[1] != p->k)
        return err_set(e, ERR_FORMAT, "%s is not [%u, %u]", t->name, p->n, p->k);
    for (uint32_t i = 0; i < p->n; i++)
        for (uint32_t j = 0; j < p->k; j++) {
            uint8_t *at = data + ((size_t)i * p->k + j) * size;
            double sum = 0;
            for (uint32_t r = 0; r < l->o.rank; r++)
                sum += (double)l->value[p->b + (size_t)i * l->o.rank + r] * (double)l->value[p->a + (size_t)r * p->k + j];
            put(at, t->type, number(at, t->type) + (double)l->scale * sum);
        }
    return 0;
}

/* One file of weights, with what the adapter adds to those that it holds. */
static int merge_file(size_t *merged, const char *to, const char *from, const struct lora *l, struct err *e)
{
    struct buf bytes = BUF_INIT;
    struct safetensors *st = NULL;
    int rc = file_read(&bytes, from, MERGE_FILE_MAX, e);
    if (!rc)
        rc = safetensors_parse(&st, from, bytes.data, bytes.len, e);
    for (size_t i = 0; i < l->parts && !rc; i++) {
        char name[120];
        lora_name(name, &l->part[i]);
        strcat(name, ".weight");
        const struct st_tensor *t = safetensors_find(st, name);
        if (!t)
            continue;
        rc = add((uint8_t *)bytes.data + (t->data - (const uint8_t *)bytes.data), t, l, &l->part[i], e);
        ++*merged;
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

static int merge_folder(const char *to, const char *model, const struct lora *l, struct err *e)
{
    size_t merged = 0;
    DIR *d = opendir(model);
    int rc = d ? dir_make(to, 0755, e) : err_set(e, ERR_IO, "%s cannot be read", model);
    for (struct dirent *f; !rc && (f = readdir(d));) {
        struct stat st;
        char *a = in(model, f->d_name), *b = in(to, f->d_name);
        if (!stat(a, &st) && S_ISREG(st.st_mode))
            rc = is_weights(f->d_name) ? merge_file(&merged, b, a, l, e) : copy(b, a, e);
        free(a);
        free(b);
    }
    if (d)
        closedir(d);
    if (!rc && merged != l->parts)
        rc = err_set(e, ERR_FORMAT, "%s has %zu of the %zu maps that the adapter changes", model, merged, l->parts);
    return rc ? rc : dir_sync(to, e);
}

static const char *last_name(const char *path)
{
    const char *name = strrchr(path, '/');
    return name && name[1] ? name + 1 : path;
}

int merge_write(const char *to, const char *model, const char *adapter, struct err *e)
{
    struct model_file *f = NULL;
    struct decoder *d = NULL;
    struct lora *l = NULL;
    struct peft_base base = {.name = last_name(model)};
    void *device = NULL;
    if (dir_exists(to) || file_exists(to))
        return err_set(e, ERR_USAGE, "%s is there already", to);
    int rc = model_file_open(&f, model, e);
    if (!rc && model_file_is_gguf(f))
        rc = err_set(e, ERR_UNSUPPORTED, "%s is a GGUF file; folders of safetensors are merged", model);
    if (!rc)
        rc = model_file_hash(f, base.hash, e);
    if (!rc)
        rc = backend_cpu.open(&device, &(struct device_options){0}, e);
    if (!rc)
        rc = decoder_new(&d, f, &backend_cpu, device, &(struct decoder_options){.context = CONTEXT, .max_rows = CONTEXT}, e);
    if (!rc)
        rc = peft_read(&l, d, adapter, &base, e);
    if (!rc)
        rc = merge_folder(to, model, l, e);
    lora_free(l);
    decoder_free(d);
    if (device)
        backend_cpu.close(device);
    model_file_close(f);
    return rc;
}
