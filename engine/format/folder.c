/* A folder with model.safetensors, with model.gguf (tensors under the names they had in safetensors), or with model.safetensors.index.json and the files that it names; or one .safetensors
 * file. What quantisers of the safetensors world split over several tensors becomes one tensor here:
 *
 *   this one            found as                                                      its values
 *   NAME (F8_E4M3)      NAME F8_E4M3 [.., out, in], NAME_scale_inv or NAME_scale       value · scale
 *                       (F32, F16, BF16): one; [.., out, 1]; or [.., ⌈out/128⌉, ⌈in/128⌉]
 *   NAME (MXFP4)        NAME_blocks U8 [.., in/32, 16], NAME_scales U8 [.., in/32]     value · 2^(scale-127)
 *                       NAME_packed U8 [.., in/2], NAME_scale U8 [.., in/32]
 *   NAME (NVFP4)        NAME U8 [.., in/2], NAME_scale F8_E4M3 [.., in/16],            value · scale · of the whole
 *                       NAME_scale_2 F32 (one)
 *                       NAME_packed, NAME_scale, NAME_global_scale F32 (one)           value · scale / of the whole
 *
 * Two values share a byte, the first in its low nibble. Integers of 64 bits and truth values are buffers, no weights: left
 * out. Any other type is refused by name. */
#include "engine/format/model_inside.h"

#include "base/mem.h"
#include "engine/format/folder_parts.h"
#include "engine/format/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MAX (64u << 20) /* bytes: 100,000 tensors with names of 255 bytes, and room */
#define INDEX_NAME "model.safetensors.index.json"

static int open_one(struct model_file *f, const char *path, struct err *e)
{
    struct safetensors *st = NULL;
    int rc = safetensors_open(&st, path, e);
    if (!rc)
        model_add_shard(f, (struct model_shard){.name = mem_str(path), .st = st});
    return rc;
}

/* A name out of the index is a file of this folder: no path, nothing hidden. */
static bool plain_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) <= 255;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the files that weight_map names, each once; *names is the caller's, the texts are the object's. */
static int files_of(const char ***names, size_t *n, const char *index, const json_t *map, struct err *e)
{
    size_t all = json_object_size(map), k = 0;
    const char *key, **list = mem_zero(all + 1, sizeof *list);
    json_t *v;
    int rc = 0;
    json_object_foreach((json_t *)map, key, v) {
        const char *file = json_string_value(v);
        if (!file || !plain_name(file)) {
            rc = err_set(e, ERR_FORMAT, "%s: tensor %.80s: its file is no plain name", index, key);
            break;
        }
        list[k++] = file;
    }
    if (k)
        qsort(list, k, sizeof *list, by_text);
    *n = 0;
    for (size_t i = 0; i < k; i++)
        if (!*n || strcmp(list[*n - 1], list[i]))
            list[(*n)++] = list[i];
    if (!rc && !*n)
        rc = err_set(e, ERR_FORMAT, "%s: names no file", index);
    if (!rc && *n > MODEL_SHARDS_MAX)
        rc = err_set(e, ERR_LIMIT, "%s: more than %d files", index, MODEL_SHARDS_MAX);
    *names = list;
    return rc;
}

/* Every tensor of the index is in the file that it names. */
static int check_index(const struct model_file *f, const char *index, const json_t *map, struct err *e)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)map, key, v) {
        const struct safetensors *st = NULL;
        const char *file = json_string_value(v);
        for (size_t i = 0; i < f->shards && !st; i++)
            if (str_same(path_base(str_of(f->shard[i].name)), str_of(file)))
                st = f->shard[i].st;
        if (!st || !safetensors_find(st, key))
            return err_set(e, ERR_FORMAT, "%s: tensor %.80s: is not in %s", index, key, file);
    }
    return 0;
}

static int open_indexed(struct model_file *f, const char *index, struct err *e)
{
    json_t *root = NULL;
    const char **names = NULL;
    size_t n = 0;
    struct buf path = BUF_INIT;
    int rc = json_file(&root, index, INDEX_MAX, 4, SAFETENSORS_MAX * 4, e);
    if (rc)
        return rc;
    const json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map) || json_object_size(map) > SAFETENSORS_MAX)
        rc = err_set(e, ERR_FORMAT, "%s: no weight_map", index);
    if (!rc)
        rc = files_of(&names, &n, index, map, e);
    for (size_t i = 0; i < n && !rc; i++) {
        buf_clear(&path);
        buf_addf(&path, "%s/%s", f->folder, names[i]);
        rc = open_one(f, path.data, e);
    }
    if (!rc)
        rc = check_index(f, index, map, e);
    buf_release(&path);
    free(names);
    json_decref(root);
    return rc;
}


int model_open_folder(struct model_file *f, const char *path, struct err *e)
{
    int rc;
    if (!dir_exists(path)) { /* one file, in its folder */
        struct str base = path_base(str_of(path));
        size_t len = (size_t)(base.p - path);
        f->folder = len ? mem_strn(path, len > 1 ? len - 1 : len) : mem_str(".");
        rc = open_one(f, path, e);
    } else {
        struct buf index = BUF_INIT, single = BUF_INIT, gguf = BUF_INIT;
        f->folder = mem_str(path);
        buf_addf(&index, "%s/" INDEX_NAME, path);
        buf_addf(&single, "%s/model.safetensors", path);
        buf_addf(&gguf, "%s/model.gguf", path);
        rc = file_exists(single.data)  ? open_one(f, single.data, e)
             : file_exists(index.data) ? open_indexed(f, index.data, e)
             : file_exists(gguf.data)  ? model_open_gguf(f, gguf.data, e)
                                       : open_one(f, single.data, e); /* says that it is not there */
        buf_release(&index);
        buf_release(&single);
        buf_release(&gguf);
    }
    for (size_t i = 0; i < f->shards && !rc; i++)
        for (size_t k = 0; f->shard[i].st && k < safetensors_count(f->shard[i].st) && !rc; k++)
            rc = folder_tensor(f, &f->shard[i], safetensors_at(f->shard[i].st, k), e);
    return rc;
}
