#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/paths.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned model_shards(const char *path, unsigned *no, size_t *stem)
{
    unsigned which, count;
    int end = 0;
    size_t n = strlen(path), suffix = strlen("-00001-of-00001.gguf");
    if (n <= suffix || sscanf(path + n - suffix, "-%5u-of-%5u.gguf%n", &which, &count, &end) != 2 || (size_t)end != suffix)
        return 0;
    if (no)
        *no = which;
    if (stem)
        *stem = n - suffix;
    return which >= 1 && which <= count ? count : 0;
}

/* The second and later files of a model, which is called by its first. */
static bool is_later_shard(const char *name)
{
    unsigned no;
    return model_shards(name, &no, NULL) && no > 1;
}

/* A folder that holds weights, or a file that ends in .gguf. */
static bool is_model(const char *path)
{
    static const char *const weights[] = {"model.safetensors", "model.safetensors.index.json", "model.gguf"};
    size_t n = strlen(path);
    bool yes = n > 5 && !strcmp(path + n - 5, ".gguf") && file_exists(path);
    for (size_t i = 0; i < sizeof weights / sizeof *weights && !yes; i++) {
        struct buf b = BUF_INIT;
        buf_addf(&b, "%s/%s", path, weights[i]);
        yes = file_exists(b.data);
        buf_release(&b);
    }
    return yes;
}

static bool good_name(const char *name)
{
    if (!*name || *name == '.' || strlen(name) > NAME_MAX)
        return false;
    for (const unsigned char *s = (const unsigned char *)name; *s; s++)
        if (*s == '/' || *s < 32 || *s == 127)
            return false;
    return true;
}

int model_find(char **path, const struct paths *p, const char *name, struct err *e)
{
    if (!good_name(name))
        return err_set(e, ERR_USAGE, "\"%.100s\" is not a model's name", name);
    for (size_t i = 0; i < p->nmodel_dirs; i++)
        for (int gguf = 0; gguf < 2; gguf++) {
            struct buf b = BUF_INIT;
            buf_addf(&b, "%s/%s%s", p->model_dirs[i], name, gguf ? ".gguf" : "");
            if (is_model(b.data)) {
                *path = buf_take(&b);
                return 0;
            }
            buf_release(&b);
        }
    struct buf where = BUF_INIT;
    for (size_t i = 0; i < p->nmodel_dirs; i++)
        buf_addf(&where, "%s%s", i ? ", " : "", p->model_dirs[i]);
    int rc = err_set(e, ERR_NOT_FOUND, "no model \"%.100s\" in %.400s", name, where.data);
    err_hint(e, "codeask model list shows the models that are there; codeask model pull fetches one");
    buf_release(&where);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct model_entry *)a)->name, ((const struct model_entry *)b)->name);
}

int model_list(struct model_entry **out, size_t *n, const struct paths *p, struct err *e)
{
    struct model_entry *v = NULL;
    size_t count = 0, cap = 0, ours = strlen(p->models);
    for (size_t i = 0; i < p->nmodel_dirs; i++) {
        DIR *d = opendir(p->model_dirs[i]);
        struct dirent *de;
        while (d && (de = readdir(d))) {
            struct buf b = BUF_INIT;
            buf_addf(&b, "%s/%s", p->model_dirs[i], de->d_name);
            if (!good_name(de->d_name) || is_later_shard(de->d_name) || !is_model(b.data)) {
                buf_release(&b);
                continue;
            }
            size_t len = strlen(de->d_name);
            char *name = mem_strn(de->d_name, file_exists(b.data) ? len - 5 : len), *path = NULL;
            buf_release(&b);
            bool known = false;
            for (size_t k = 0; k < count && !known; k++)
                known = !strcmp(v[k].name, name);
            if (known || model_find(&path, p, name, NULL)) { /* an earlier folder hides it */
                free(name);
                continue;
            }
            VEC_ROOM(v, count, cap);
            v[count++] = (struct model_entry){name, path, !strncmp(path, p->models, ours) && path[ours] == '/'};
        }
        if (d)
            closedir(d);
    }
    if (count)
        qsort(v, count, sizeof *v, by_name);
    *out = v;
    *n = count;
    return 0;
}

void model_list_release(struct model_entry *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].name);
        free(list[i].path);
    }
    free(list);
}
