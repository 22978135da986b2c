#include "engine/train/query_map.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/format/safetensors.h"
#include "engine/train/peft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_WEIGHT "weight"
#define NAME_BIAS "bias"

struct query_map *query_map_new(uint32_t dim)
{
    struct query_map *m = mem_zero(1, sizeof *m);
    m->refs = 1;
    m->dim = dim;
    m->weight = mem_zero((size_t)dim * dim + dim, sizeof *m->weight); /* one block: the trainer steps over both */
    m->bias = m->weight + (size_t)dim * dim;
    return m;
}

void query_map_hold(struct query_map *m)
{
    __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
}

void query_map_drop(struct query_map *m)
{
    if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL))
        return;
    free(m->weight);
    free(m);
}

void query_map_apply(float *out, const struct query_map *m, const float *v)
{
    float *y = mem_alloc(m->dim * sizeof *y);
    double norm = 0;
    for (uint32_t i = 0; i < m->dim; i++) {
        const float *w = m->weight + (size_t)i * m->dim;
        double sum = (double)v[i] + m->bias[i];
        for (uint32_t k = 0; k < m->dim; k++)
            sum += (double)w[k] * v[k];
        y[i] = (float)sum;
        norm += sum * sum;
    }
    norm = sqrt(norm);
    for (uint32_t i = 0; i < m->dim; i++)
        out[i] = norm > 0 ? (float)(y[i] / norm) : v[i];
    free(y);
}

static char *in(const char *folder, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", folder, name);
    return buf_take(&b);
}

int query_map_write(const char *folder, const struct query_map *m, const struct peft_base *base, struct err *e)
{
    struct buf head = BUF_INIT, all = BUF_INIT;
    size_t weight = (size_t)m->dim * m->dim * sizeof(float), bias = m->dim * sizeof(float);
    char *path = in(folder, QUERY_MAP_FILE);
    buf_addf(&head, "{\"" NAME_BIAS "\":{\"dtype\":\"F32\",\"shape\":[%u],\"data_offsets\":[0,%zu]},\"" NAME_WEIGHT
             "\":{\"dtype\":\"F32\",\"shape\":[%u,%u],\"data_offsets\":[%zu,%zu]}}", m->dim, bias, m->dim, m->dim, bias, bias + weight);
    while (head.len % 8)
        buf_addc(&head, ' ');
    uint64_t size = head.len;
    buf_add(&all, &size, sizeof size);
    buf_add(&all, head.data, head.len);
    buf_add(&all, m->bias, bias);
    buf_add(&all, m->weight, weight);
    int rc = dir_make(folder, 0700, e);
    if (!rc)
        rc = peft_base_write(folder, base, e);
    if (!rc)
        rc = file_write(path, all.data, all.len, 0600, e);
    buf_release(&head);
    buf_release(&all);
    free(path);
    return rc;
}

static const struct st_tensor *tensor(const struct safetensors *st, const char *name, int rank)
{
    const struct st_tensor *t = safetensors_find(st, name);
    return t && t->type == ST_F32 && t->rank == rank ? t : NULL;
}

int query_map_parse(struct query_map **out, const char *name, const void *bytes, size_t n, struct err *e)
{
    struct safetensors *st = NULL;
    int rc = safetensors_parse(&st, name, bytes, n, e);
    if (!rc)
        rc = safetensors_finite(st, e);
    if (!rc) {
        const struct st_tensor *w = tensor(st, NAME_WEIGHT, 2), *b = tensor(st, NAME_BIAS, 1);
        int64_t dim = b ? b->shape[0] : 0;
        if (!w || dim < 1 || dim > QUERY_MAP_DIM || w->shape[0] != dim || w->shape[1] != dim || safetensors_count(st) != 2) {
            rc = err_set(e, ERR_FORMAT, "%.300s is no map of questions: a square \"" NAME_WEIGHT "\" and a \"" NAME_BIAS "\" of its size, of F32, are wanted", name);
        } else {
            *out = query_map_new((uint32_t)dim);
            memcpy((*out)->weight, w->data, w->bytes);
            memcpy((*out)->bias, b->data, b->bytes);
        }
    }
    safetensors_close(st);
    return rc;
}

int query_map_read(struct query_map **out, const char *folder, const struct peft_base *base, struct err *e)
{
    struct file_map m = {0};
    char *path = in(folder, QUERY_MAP_FILE);
    int rc = file_exists(path) ? peft_base_check(folder, base, e) : err_set(e, ERR_NOT_FOUND, "%s: no such file", path);
    if (!rc)
        rc = file_map(&m, path, e);
    if (!rc)
        rc = query_map_parse(out, path, m.p, m.n, e);
    file_unmap(&m);
    free(path);
    return rc;
}
