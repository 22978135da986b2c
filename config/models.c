#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/paths.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A folder that holds model.safetensors, or a file that ends in .gguf. */
static bool is_model(const char *path)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/model.safetensors", path);
    size_t n = strlen(path);
    bool yes = file_exists(b.data) || (n > 5 && !strcmp(path + n - 5, ".gguf") && file_exists(path));
    buf_release(&b);
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
            if (!good_name(de->d_name) || !is_model(b.data)) {
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
