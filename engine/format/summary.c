#include "engine/format/summary.h"

#include "engine/format/json.h"
#include "engine/format/model_inside.h"

#include <stdio.h>
#include <string.h>

#define CONFIG_MAX (16u << 20) /* bytes of a config.json */

static void take_text(char *to, size_t size, const struct model_file *f, const char *key)
{
    struct meta m;
    if (model_file_meta(f, key, &m) && m.kind == META_TEXT)
        snprintf(to, size, "%s", m.text);
}

/* A folder without config.json is a folder of tensors all the same. */
static int take_family(struct model_summary *s, const struct model_file *f, struct err *e)
{
    struct buf path = BUF_INIT;
    json_t *root = NULL;
    int rc = 0;
    buf_addf(&path, "%s/config.json", model_file_folder(f));
    if (file_exists(path.data) && !(rc = json_file(&root, path.data, CONFIG_MAX, 64, 1 << 20, e)))
        snprintf(s->family, sizeof s->family, "%s", json_get_text(root, "model_type", ""));
    json_decref(root);
    buf_release(&path);
    return rc;
}

int model_summarize(struct model_summary *out, const char *path, struct err *e)
{
    struct model_file *f = NULL;
    int rc = model_file_open(&f, path, e);
    *out = (struct model_summary){0};
    if (rc)
        return rc;
    out->gguf = f->shard[0].gguf;
    out->files = f->shards;
    out->tensors = f->tensors;
    out->bytes = model_file_bytes(f);
    for (size_t i = 0; i < f->tensors; i++) {
        const struct tensor *t = &f->tensor[i];
        uint64_t n = 1;
        for (int k = 0; k < t->rank; k++)
            n *= t->shape[k];
        out->of[t->type].tensors++;
        out->of[t->type].values += n;
        out->values += n;
    }
    if (model_file_is_gguf(f)) {
        take_text(out->family, sizeof out->family, f, "general.architecture");
        take_text(out->name, sizeof out->name, f, "general.name");
    } else {
        rc = take_family(out, f, e);
    }
    if (!rc)
        rc = model_file_finite(f, e);
    if (!rc)
        rc = model_file_hash(f, out->hash, e);
    model_file_close(f);
    return rc;
}
