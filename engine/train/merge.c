#include "engine/train/merge.h"

#include "base/file.h"
#include "engine/format/model_file.h"
#include "engine/train/peft.h"
#include "engine/train/rewrite.h"

#include <string.h>

#define CONTEXT 64                 /* of the decoder that the adapter is read over: it reads no text */

static int add(void *arg, const struct st_tensor *t, uint8_t *data, size_t *changed, struct err *e)
{
    const struct lora *l = arg;
    for (size_t at = 0; at < l->parts; at++) {
        const struct lora_part *p = &l->part[at];
        char name[120];
        lora_name(name, p);
        strcat(name, ".weight");
        if (strcmp(name, t->name))
            continue;
        int rc = rewrite_check(t, 2, (size_t)p->n * p->k, e);
        for (uint32_t i = 0; i < p->n && !rc; i++)
            for (uint32_t j = 0; j < p->k; j++) {
                double sum = 0;
                for (uint32_t r = 0; r < l->o.rank; r++)
                    sum += (double)l->value[p->b + (size_t)i * l->o.rank + r] * (double)l->value[p->a + (size_t)r * p->k + j];
                rewrite_put(data, t->type, (size_t)i * p->k + j, rewrite_get(data, t->type, (size_t)i * p->k + j) + (double)l->scale * sum);
            }
        ++*changed;
        return rc;
    }
    return 0;
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
    size_t merged = 0;
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
        rc = rewrite_folder(&merged, to, model, add, l, e);
    if (!rc && merged != l->parts)
        rc = err_set(e, ERR_FORMAT, "%s has %zu of the %zu maps that the adapter changes", model, merged, l->parts);
    lora_free(l);
    decoder_free(d);
    if (device)
        backend_cpu.close(device);
    model_file_close(f);
    return rc;
}
