#include "engine/format/quantize.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/format/gguf_write.h"
#include "engine/format/model_inside.h"
#include "engine/format/quantize_plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE_VALUES (8u << 20) /* of rows that are read, written and freed together: 32 MiB as floats */
#define THREADS_MAX 256
#define TEXT_FILE_MAX (256u << 20) /* bytes of a tokenizer or a configuration that goes along */
#define NVFP4_LARGEST 2688.f    /* 6 · 448: what a tensor's largest value is brought to by its own scale */

/* -- a piece of rows, by several threads ------------------------------------------------------------------------------- */

struct piece {
    const struct quantize *how;
    const struct tensor *from;
    enum block_type type;
    const float *divide; /* of each of the outermost; NULL: nothing */
    uint64_t first, rows, rows_each; /* rows_each: of one of the outermost */
    uint8_t *to;
    float *largest;      /* instead of encoding: of each row */
    atomic_uint_fast64_t next;
    pthread_mutex_t mu;
    double off, all;     /* sums of squares, under mu */
};

static float unit_of(const struct piece *p, uint64_t row)
{
    return p->divide ? p->divide[row / p->rows_each] : 1;
}

/* A row as floats; x: [k], raw: what tensor_row needs. */
static void read_row(const struct piece *p, uint64_t row, float *x, uint8_t *raw)
{
    const struct tensor *t = p->from;
    uint64_t k = t->shape[t->rank - 1];
    const struct block_format *f = &block_formats[t->type];
    float times = tensor_scale(t, row) / unit_of(p, row);
    f->decode(x, tensor_row(t, row, raw), k / f->values);
    for (uint64_t i = 0; i < k && times != 1; i++)
        x[i] *= times;
}

static const float *importance_of(const struct piece *p, uint64_t row, const float *one)
{
    const struct quantize *how = p->how;
    const float *w = how->importance ? how->importance(how->importance_of, p->from->name, row / p->rows_each, p->from->shape[p->from->rank - 1]) : NULL;
    return w ? w : one;
}

static void *work(void *arg)
{
    struct piece *p = arg;
    const struct block_format *f = &block_formats[p->type];
    uint64_t k = p->from->shape[p->from->rank - 1], row;
    float *x = mem_alloc(k * sizeof *x), *y = mem_alloc(k * sizeof *y), *one = mem_alloc(k * sizeof *one);
    uint8_t *raw = mem_alloc(block_row_bytes(p->from->type, k));
    double off = 0, all = 0;
    for (uint64_t i = 0; i < k; i++)
        one[i] = 1;
    while ((row = atomic_fetch_add(&p->next, 1)) < p->rows) {
        read_row(p, p->first + row, x, raw);
        if (p->largest) {
            float most = 0;
            for (uint64_t i = 0; i < k; i++)
                most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
            p->largest[row] = most;
            continue;
        }
        uint8_t *to = p->to + row * block_row_bytes(p->type, k);
        f->encode(to, x, importance_of(p, p->first + row, one), k / f->values);
        f->decode(y, to, k / f->values);
        double unit = (double)unit_of(p, p->first + row), o = 0, a = 0;
        for (uint64_t i = 0; i < k; i++) {
            float d = y[i] - x[i];
            o += (double)(d * d);
            a += (double)(x[i] * x[i]);
        }
        off += o * unit * unit;
        all += a * unit * unit;
    }
    pthread_mutex_lock(&p->mu);
    p->off += off;
    p->all += all;
    pthread_mutex_unlock(&p->mu);
    free(x);
    free(y);
    free(one);
    free(raw);
    return NULL;
}

static void run(struct piece *p, int threads)
{
    pthread_t thread[THREADS_MAX];
    int n = 0;
    atomic_init(&p->next, 0);
    while (n < threads - 1 && (uint64_t)n + 1 < p->rows && !pthread_create(&thread[n], NULL, work, p))
        n++;
    work(p);
    while (n)
        pthread_join(thread[--n], NULL);
}

/* -- a tensor ---------------------------------------------------------------------------------------------------------- */

struct job {
    const struct quantize *how;
    struct model_file *from;
    int threads;
    struct gguf_writer w;
    struct quantize_report *report;
    uint64_t done, all; /* values of what is read */
    double off, sum;
};

static uint64_t rows_of(const struct tensor *t)
{
    uint64_t rows = 1;
    for (int i = 0; i < t->rank - 1; i++)
        rows *= t->shape[i];
    return rows;
}

static uint64_t experts_of(const struct tensor *t)
{
    return t->rank > 2 ? t->shape[0] : 1;
}

static int go_on(struct job *j, uint64_t values, struct err *e)
{
    j->done += values;
    if (j->how->progress && j->how->progress(j->how->arg, j->done, j->all))
        return err_set(e, ERR_CANCELED, "interrupted");
    return 0;
}

/* NVFP4: what the values of each matrix are divided by, so that its largest scale is E4M3's largest. */
static float *whole_scales(struct job *j, const struct tensor *t)
{
    uint64_t n = experts_of(t), rows = rows_of(t), each = rows / n;
    float *scale = mem_zero(n, sizeof *scale);
    struct piece p = {.how = j->how, .from = t, .type = BLOCK_NVFP4, .rows = rows, .rows_each = each, .mu = PTHREAD_MUTEX_INITIALIZER};
    p.largest = mem_alloc(rows * sizeof *p.largest);
    run(&p, j->threads);
    for (uint64_t r = 0; r < rows; r++)
        scale[r / each] = p.largest[r] > scale[r / each] ? p.largest[r] : scale[r / each];
    for (uint64_t i = 0; i < n; i++)
        scale[i] = scale[i] > 0 ? scale[i] / NVFP4_LARGEST : 1;
    free(p.largest);
    return scale;
}

static int copy_tensor(struct job *j, const struct tensor *t, struct err *e)
{
    uint64_t k = t->shape[t->rank - 1], rows = rows_of(t), row = block_row_bytes(t->type, k), at = 0;
    uint64_t most = PIECE_VALUES / k ? PIECE_VALUES / k : 1;
    uint8_t *to = t->parts ? mem_alloc((most < rows ? most : rows) * row) : NULL;
    int rc = 0;
    for (; at < rows && !rc; at += most) {
        uint64_t n = rows - at < most ? rows - at : most;
        for (uint64_t r = 0; to && r < n; r++)
            tensor_row(t, at + r, to + r * row);
        rc = gguf_write_bytes(&j->w, to ? to : t->data + at * row, n * row, at + n == rows, e);
        if (!rc)
            rc = go_on(j, n * k, e);
    }
    free(to);
    return rc;
}

static int quantize_tensor(struct job *j, const struct tensor *t, enum block_type type, struct err *e)
{
    uint64_t k = t->shape[t->rank - 1], rows = rows_of(t), row = block_row_bytes(type, k), at = 0;
    uint64_t most = PIECE_VALUES / k ? PIECE_VALUES / k : 1;
    float *scale = type == BLOCK_NVFP4 ? whole_scales(j, t) : NULL;
    uint8_t *to = mem_alloc((most < rows ? most : rows) * row);
    int rc = 0;
    for (; at < rows && !rc; at += most) {
        uint64_t n = rows - at < most ? rows - at : most;
        struct piece p = {.how = j->how, .from = t, .type = type, .divide = scale, .first = at, .rows = n, .rows_each = rows / experts_of(t), .to = to,
                          .mu = PTHREAD_MUTEX_INITIALIZER};
        run(&p, j->threads);
        j->off += p.off;
        j->sum += p.all;
        rc = gguf_write_bytes(&j->w, to, n * row, at + n == rows, e);
        if (!rc)
            rc = go_on(j, n * k, e);
    }
    if (!rc && scale)
        rc = gguf_write_bytes(&j->w, scale, experts_of(t) * sizeof *scale, true, e);
    j->report->changed++;
    j->report->weighed += j->how->importance && j->how->importance(j->how->importance_of, t->name, 0, k);
    free(to);
    free(scale);
    return rc;
}

/* -- a model ----------------------------------------------------------------------------------------------------------- */

/* Does the scale of t's matrices get a tensor of its own? Where there is one already it is taken over. */
static bool adds_scale(const struct model_file *f, const struct tensor *t, enum block_type type)
{
    struct buf name = BUF_INIT;
    bool adds = type == BLOCK_NVFP4 && (t->type != BLOCK_NVFP4 || t->scale != 1) && plan_scale_name(&name, t);
    if (adds && t->type == BLOCK_NVFP4)
        adds = !model_file_find(f, name.data);
    buf_release(&name);
    return adds;
}

/* Calls each for what is written, in order; type is what it becomes. */
static int each_tensor(struct job *j, int (*each)(struct job *, const struct tensor *, enum block_type, struct err *), struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < model_file_count(j->from) && !rc; i++) {
        const struct tensor *t = model_file_at(j->from, i), *w = plan_weight_of(j->from, t);
        if (!w || plan_type(j->how->type, w) == w->type) /* else the scale goes into what is written of the weight */
            rc = each(j, t, plan_type(j->how->type, t), e);
    }
    return rc;
}

static int list_tensor(struct job *j, const struct tensor *t, enum block_type type, struct err *e)
{
    struct buf name = BUF_INIT;
    (void)e;
    gguf_write_tensor(&j->w, t->name, type, t->rank, t->shape);
    j->all += rows_of(t) * t->shape[t->rank - 1];
    if (adds_scale(j->from, t, type)) {
        uint64_t n = t->type == BLOCK_NVFP4 ? 1 : experts_of(t);
        plan_scale_name(&name, t);
        gguf_write_tensor(&j->w, name.data, BLOCK_F32, 1, &n);
    }
    buf_release(&name);
    return 0;
}

static int write_tensor(struct job *j, const struct tensor *t, enum block_type type, struct err *e)
{
    j->report->tensors++;
    if (type != t->type)
        return quantize_tensor(j, t, type, e);
    int rc = copy_tensor(j, t, e);
    if (!rc && adds_scale(j->from, t, type))
        rc = gguf_write_bytes(&j->w, &t->scale, sizeof t->scale, true, e);
    return rc;
}

static void write_keys(struct job *j)
{
    static const char *const ours[] = {"general.alignment", "general.file_type", "general.quantization_version", "split.no",
                                       "split.count", "split.tensors.count"};
    const struct gguf *g = j->from->shard[0].gguf;
    const char *key;
    for (size_t i = 0; g && (key = gguf_key_at(g, i)); i++) {
        bool own = false;
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            own |= !strcmp(key, ours[k]);
        if (!own)
            gguf_write_copy(&j->w, g, key);
    }
    gguf_write_u32(&j->w, "general.file_type", plan_file_type(j->how->type));
    gguf_write_u32(&j->w, "general.quantization_version", 2);
}

/* path.part, then path. */
static int write_file(struct job *j, const char *path, struct err *e)
{
    struct buf part = BUF_INIT;
    buf_addf(&part, "%s.part", path);
    int rc = 0, fd = open(part.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        rc = err_errno(e, errno, "%s", part.data);
        goto out;
    }
    write_keys(j);
    if ((rc = each_tensor(j, list_tensor, e)) || (rc = gguf_write_begin(&j->w, fd, e)) || (rc = each_tensor(j, write_tensor, e)))
        goto out;
    j->report->bytes_out = (uint64_t)lseek(fd, 0, SEEK_CUR);
    if (fsync(fd) || rename(part.data, path))
        rc = err_errno(e, errno, "%s", path);
out:
    if (fd >= 0)
        close(fd);
    if (rc)
        unlink(part.data);
    buf_release(&part);
    return rc;
}

/* Of a folder: configuration, tokenizer, templates; no weights. */
static bool goes_along(const char *name)
{
    static const char *const weights[] = {".safetensors", ".index.json", ".gguf", ".part", ".from", ".bad", ".bin", ".pt", ".pth", ".onnx", ".h5"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        size_t k = strlen(weights[i]);
        if (n >= k && !strcmp(name + n - k, weights[i]))
            return false;
    }
    return name[0] != '.';
}

/* Copies what goes along, or, with from NULL, takes it away again. */
static int texts(const char *from, const char *to, struct err *e)
{
    DIR *d = opendir(from ? from : to);
    struct dirent *one;
    int rc = d ? 0 : err_errno(e, errno, "%s", from ? from : to);
    while (d && !rc && (one = readdir(d))) {
        struct buf a = BUF_INIT, b = BUF_INIT, bytes = BUF_INIT;
        buf_addf(&a, "%s/%s", from ? from : to, one->d_name);
        buf_addf(&b, "%s/%s", to, one->d_name);
        if (goes_along(one->d_name) && file_exists(a.data)) {
            if (!from)
                unlink(a.data);
            else if (!(rc = file_read(&bytes, a.data, TEXT_FILE_MAX, e)))
                rc = file_write(b.data, bytes.data ? bytes.data : "", bytes.len, 0666, e);
        }
        buf_release(&a);
        buf_release(&b);
        buf_release(&bytes);
    }
    if (d)
        closedir(d);
    return rc;
}

/* The weights come last: without them the folder is no model. */
static int write_folder(struct job *j, const char *path, struct err *e)
{
    struct buf weights = BUF_INIT;
    int rc = dir_make(path, 0777, e);
    buf_addf(&weights, "%s/model.gguf", path);
    if (!rc && !(rc = texts(model_file_folder(j->from), path, e)))
        rc = write_file(j, weights.data, e);
    if (rc) {
        texts(NULL, path, NULL);
        rmdir(path);
    }
    buf_release(&weights);
    return rc;
}

int model_quantize(struct quantize_report *report, const char *in, const char *out, const struct quantize *how, struct err *e)
{
    struct job j = {.how = how, .threads = how->threads, .report = report};
    gguf_writer_init(&j.w);
    *report = (struct quantize_report){0};
    if (j.threads <= 0)
        j.threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    j.threads = j.threads < 1 ? 1 : j.threads > THREADS_MAX ? THREADS_MAX : j.threads;
    if (access(out, F_OK) == 0)
        return err_set(e, ERR_USAGE, "%s is there already", out);
    int rc = model_file_open(&j.from, in, e);
    if (rc || (rc = model_file_finite(j.from, e)))
        goto out;
    if ((rc = model_file_folder(j.from) ? write_folder(&j, out, e) : write_file(&j, out, e)))
        goto out;
    report->bytes_in = model_file_bytes(j.from);
    report->error = j.sum > 0 ? sqrt(j.off / j.sum) : 0;
out:
    gguf_writer_release(&j.w);
    model_file_close(j.from);
    return rc;
}
