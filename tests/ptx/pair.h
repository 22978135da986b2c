/* One matrix on the CPU's scalar reference and on the CUDA backend, for tests of its ops: the device is the PTX interpreter that
 * CODEASK_LIBCUDA names, or a GPU. */
#ifndef CODEASK_TESTS_PTX_PAIR_H
#define CODEASK_TESTS_PTX_PAIR_H

#include "base/mem.h"
#include "kernels/backend.h"
#include "tests/unit/kernels/number.h"

#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct backend *cuda, *cpu;
static void *dev, *queue, *host, *host_queue; /* the device, and the scalar reference */
static void (*set_seed)(uint64_t);
static void (*patch)(const char *, const char *, const char *, int);
static int (*patched)(void);

struct pair { /* one matrix on both sides, and the device's read back */
    struct mat here, there, back;
};

static inline size_t bytes_of(const struct mat *m)
{
    return (size_t)m->rows * m->stride * (m->type == TYPE_F32 ? 4 : m->type == TYPE_Q8 ? 1 : 2);
}

static inline size_t quant_bytes(const struct mat *m)
{
    return m->type == TYPE_Q8 ? (size_t)m->rows * m->stride / QUANT_BLOCK * sizeof *m->quant : 0;
}

static void *device_copy(const void *from, size_t bytes)
{
    struct err e;
    void *p;
    assert_int_equal(cuda->memory(dev, &p, bytes, &e), 0);
    cuda->put(queue, p, from, bytes);
    return p;
}

static inline struct pair pair_new(uint32_t rows, uint32_t cols, enum type type)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) / 64 * 64, .type = type};
    struct pair p = {m, m, m};
    p.here.data = mem_zero(bytes_of(&m), 1);
    p.back.data = mem_zero(bytes_of(&m), 1);
    p.there.data = device_copy(p.here.data, bytes_of(&m));
    if (type == TYPE_Q8) {
        p.here.quant = mem_zero(quant_bytes(&m), 1);
        p.back.quant = mem_zero(quant_bytes(&m), 1);
        p.there.quant = device_copy(p.here.quant, quant_bytes(&m));
    }
    return p;
}

static inline void pair_free(struct pair *p)
{
    free(p->here.data);
    free(p->back.data);
    free(p->here.quant);
    free(p->back.quant);
    cuda->release(dev, p->there.data);
    cuda->release(dev, p->there.quant);
}

static inline void fill(struct pair *p, uint32_t stream, float scale)
{
    for (uint32_t i = 0; i < p->here.rows; i++)
        for (uint32_t c = 0; c < p->here.cols; c++)
            ((float *)p->here.data)[(size_t)i * p->here.stride + c] = scale * number(stream, (uint64_t)i * p->here.cols + c);
    cuda->put(queue, p->there.data, p->here.data, bytes_of(&p->here));
}

static inline float at(const struct mat *m, uint32_t row, uint32_t col)
{
    size_t i = (size_t)row * m->stride + col;
    uint32_t u = m->type == TYPE_BF16 ? (uint32_t)((uint16_t *)m->data)[i] << 16 : 0;
    float x;
    memcpy(&x, &u, 4);
    if (m->type == TYPE_Q8)
        return ((int8_t *)m->data)[i] * m->quant[i / QUANT_BLOCK].scale;
    return m->type == TYPE_BF16 ? x : ((float *)m->data)[i];
}

/* NMSE of the device's matrix, infinite where an operand's padding is not zero. */
static inline double nmse(struct pair *p, uint32_t rows, bool padded)
{
    double off = 0, all = 0;
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t c = 0; c < p->here.cols; c++) {
            double want = at(&p->here, i, c), d = at(&p->back, i, c) - want;
            off += d * d;
            all += want * want;
        }
        for (uint32_t c = p->here.cols; padded && c < p->here.stride; c++)
            if (at(&p->back, i, c) != 0)
                return INFINITY;
    }
    return all > 0 ? off / all : off;
}

static inline void read_back(struct pair *p)
{
    cuda->get(queue, p->back.data, p->there.data, bytes_of(&p->there));
    if (p->there.quant)
        cuda->get(queue, p->back.quant, p->there.quant, quant_bytes(&p->there));
}

static inline bool synced(char text[600])
{
    struct err e = {0};
    int rc = cuda->sync(queue, &e);
    snprintf(text, 600, "%s", e.message);
    return rc == 0;
}

struct some_rows {
    struct rows here, there;
    void *memory[5];
};

static inline struct some_rows rows_new(const uint32_t *offset, uint32_t n, uint32_t spare)
{
    static uint32_t used[2], token[512], position[512], sequence[512];
    struct some_rows r;
    used[0] = offset[n];
    used[1] = n;
    for (uint32_t i = 0; i < offset[n]; i++) {
        token[i] = i * 7 % 50;
        position[i] = offset[n] - 1 - i;
        for (uint32_t s = 0; s < n; s++)
            if (i >= offset[s] && i < offset[s + 1])
                sequence[i] = s;
    }
    r.here = (struct rows){.used = used, .token = token, .position = position, .sequence = sequence, .offset = offset, .max_rows = offset[n] + spare,
                           .max_sequences = n + spare, .longest = offset[n]};
    r.there = r.here;
    r.there.used = r.memory[0] = device_copy(used, sizeof used);
    r.there.token = r.memory[1] = device_copy(token, offset[n] * 4);
    r.there.position = r.memory[2] = device_copy(position, offset[n] * 4);
    r.there.offset = r.memory[3] = device_copy(offset, (n + 1) * 4);
    r.there.sequence = r.memory[4] = device_copy(sequence, offset[n] * 4);
    return r;
}

static inline void rows_free(struct some_rows *r)
{
    for (size_t i = 0; i < COUNT(r->memory); i++)
        cuda->release(dev, r->memory[i]);
}

static inline void within(double got, double bound, const char *text, const char *what)
{
    if (!(got >= 0 && got <= bound))
        fail_msg("%s: NMSE %g, allowed %g %s", what, got, bound, text);
}

/* A queue is opened anew on a device whose kernels carry the bug; what must happen is an error or a wrong result. */
static inline void reopen(void)
{
    struct bounds b = {512, 64, 512, 512, 512, 1};
    struct err e;
    if (queue)
        cuda->queue_close(queue);
    if (dev)
        cuda->close(dev);
    dev = queue = NULL;
    if (cuda->open(&dev, NULL, &e) || cuda->queue(dev, &b, &queue, &e))
        fail_msg("%s", e.message);
}

/* 0, or what main() returns: 77 where there is no device and no interpreter either. */
static inline int sides_open(void)
{
    struct bounds b = {512, 64, 512, 512, 512, 1};
    struct err e;
    void *library = getenv("CODEASK_LIBCUDA") ? dlopen(getenv("CODEASK_LIBCUDA"), RTLD_NOW) : NULL;
    if (library) {
        void *f = dlsym(library, "ptx_seed"), *g = dlsym(library, "ptx_patch"), *h = dlsym(library, "ptx_patched");
        memcpy(&set_seed, &f, sizeof f);
        memcpy(&patch, &g, sizeof g);
        memcpy(&patched, &h, sizeof h);
    }
    cuda = backend_find("cuda");
    cpu = backend_find("cpu");
    if (cuda->open(&dev, NULL, &e)) {
        puts(e.message);
        return library ? 1 : 77;
    }
    return cuda->queue(dev, &b, &queue, &e) || cpu->open(&host, &(struct device_options){.isa = "scalar"}, &e) ||
           cpu->queue(host, &b, &host_queue, &e);
}

static inline void sides_close(void)
{
    cuda->queue_close(queue);
    cuda->close(dev);
    cpu->queue_close(host_queue);
    cpu->close(host);
}

#endif
