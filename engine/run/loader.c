#include "engine/run/loader.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL "model."

static void name_of(char out[ARCH_TENSOR_NAME], const struct loader *l, enum weight_slot slot)
{
    arch_tensor_name(out, l->w->arch, l->gguf, slot, l->layer);
}

static const struct tensor *find_named(const struct model_file *f, const char *name, const char *suffix)
{
    char full[200];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    return model_file_find(f, full);
}

const struct tensor *loader_find(struct loader *l, enum weight_slot slot)
{
    char name[160];
    name_of(name, l, slot);
    const struct tensor *t = name[0] ? find_named(l->file, name, ".weight") : NULL;
    if (!t && name[0])
        t = model_file_find(l->file, name);
    if (!t && !l->gguf && strncmp(name, MODEL, strlen(MODEL)) == 0) /* saved without its head: Qwen3-Embedding */
        t = find_named(l->file, name + strlen(MODEL), ".weight");
    return t;
}

static bool check(struct loader *l, const struct tensor *t, uint64_t rows, uint64_t k)
{
    uint64_t have = 1;
    for (int i = 0; i + 1 < t->rank; i++)
        have *= t->shape[i];
    if (have != rows || t->rank < 1 || t->shape[t->rank - 1] != k)
        l->rc = err_set(l->e, ERR_FORMAT, "tensor %.120s is not %llu rows of %llu", t->name, (unsigned long long)rows,
                        (unsigned long long)k);
    return l->rc == 0;
}

const struct tensor *loader_get(struct loader *l, enum weight_slot slot, uint64_t rows, uint64_t k)
{
    char name[160];
    if (l->rc)
        return NULL;
    const struct tensor *t = loader_find(l, slot);
    if (t)
        return check(l, t, rows, k) ? t : NULL;
    name_of(name, l, slot);
    l->rc = err_set(l->e, ERR_FORMAT, "the model has no tensor %s", name);
    return NULL;
}

static void *device_memory(struct loader *l, size_t bytes)
{
    struct decoder_weights *w = l->w;
    void *p = NULL;
    if (l->rc == 0)
        l->rc = w->backend->memory(w->device, &p, bytes, l->e);
    if (l->rc)
        return NULL;
    VEC_ROOM(w->memory, w->memory_count, w->memory_cap);
    w->memory[w->memory_count++] = p;
    w->bytes += bytes;
    return p;
}

float *loader_put(struct loader *l, const float *host, size_t n)
{
    struct decoder_weights *w = l->w;
    struct bounds b = {.rows = 1, .sequences = 1, .longest = 1, .hidden = 1, .intermediate = 1, .heads = 1};
    void *queue = NULL;
    float *to = device_memory(l, n * sizeof *to);
    if (to)
        l->rc = w->backend->queue(w->device, &b, &queue, l->e);
    if (l->rc)
        return NULL;
    w->backend->put(queue, to, host, n * sizeof *host);
    l->rc = w->backend->sync(queue, l->e);
    w->backend->queue_close(queue);
    return to;
}

float *loader_vector(struct loader *l, enum weight_slot slot, uint32_t n, float add, bool must)
{
    if (l->rc || (!must && !loader_find(l, slot)))
        return NULL;
    const struct tensor *t = loader_get(l, slot, 1, n);
    if (!t)
        return NULL;
    float *host = tensor_floats(t, 0, 1);
    for (uint32_t i = 0; i < n; i++)
        host[i] += add;
    float *p = loader_put(l, host, n);
    free(host);
    return p;
}

struct norm loader_norm(struct loader *l, enum weight_slot slot, uint32_t n, bool must)
{
    const struct knobs *k = &l->w->k;
    return (struct norm){.gain = loader_vector(l, slot, n, k->gain_offset, must), .eps = k->eps, .rms = true};
}

/* "….weight" has its bias at "….bias", "…gate_up_proj" at "…gate_up_proj_bias". */
static const struct tensor *bias_of(const struct loader *l, const struct tensor *t)
{
    char name[200];
    size_t n = strlen(t->name), end = strlen(".weight");
    bool plain = n > end && strcmp(t->name + n - end, ".weight") == 0;
    if (n + 8 > sizeof name)
        return NULL;
    snprintf(name, sizeof name, "%.*s%s", (int)(plain ? n - end : n), t->name, plain ? ".bias" : "_bias");
    return model_file_find(l->file, name);
}

/* Whether b has a value for every row that the piece takes. */
static bool bias_fits(const struct piece *p, const struct tensor *b, uint32_t experts)
{
    uint64_t have = 1, last = p->of_expert ? 0 : experts - 1;
    for (int i = 0; i < b->rank; i++)
        have *= b->shape[i];
    struct piece q = *p;
    q.expert_rows = p->transposed ? p->t->shape[p->t->rank - 1] : p->expert_rows;
    q.first = p->transposed ? 0 : p->first;
    return piece_row(&q, (uint32_t)last, p->rows - 1) < have;
}

/* of a part: pieces first .. last-1. */
static float *load_bias(struct loader *l, const struct piece *piece, int n, uint32_t rows, uint32_t experts)
{
    float *host = mem_zero((size_t)rows * experts, sizeof *host), *to = NULL;
    uint32_t at = 0;
    bool any = false;
    for (int i = 0; i < n && !l->rc; at += piece[i++].rows)
        for (uint32_t e = 0; e < experts && !l->rc; e++) {
            const struct tensor *t = piece_tensor(&piece[i], e), *b = bias_of(l, t);
            if (!b)
                continue;
            struct piece q = piece[i];
            if (!bias_fits(&q, b, experts) || b->scale != 1) {
                l->rc = err_set(l->e, ERR_FORMAT, "tensor %.120s has too few values", b->name);
                break;
            }
            if (q.transposed) {
                q.expert_rows = t->shape[t->rank - 1];
                q.first = 0;
            }
            uint64_t k = b->shape[b->rank - 1], all = 1;
            for (int j = 0; j + 1 < b->rank; j++)
                all *= b->shape[j];
            float *x = tensor_floats(b, 0, all);
            for (uint32_t r = 0; r < q.rows && k; r++)
                host[(size_t)e * rows + at + r] = x[piece_row(&q, e, r)];
            free(x);
            any = true;
        }
    if (any && !l->rc)
        to = loader_put(l, host, (size_t)rows * experts);
    free(host);
    return to;
}

static bool same_kind(const struct piece *a, const struct piece *b)
{
    return piece_type(a) == piece_type(b) && piece_tensor(a, 0)->scale == piece_tensor(b, 0)->scale;
}

/* What is repacked is not needed in the file's order any more: else a model would be in memory twice while it is loaded. */
static void drop_sources(struct loader *l, const struct piece *piece, int n, uint32_t experts)
{
    for (int i = 0; i < n; i++)
        for (uint32_t e = 0; e < (piece[i].of_expert ? experts : 1); e++)
            model_file_drop(l->file, piece_tensor(&piece[i], e));
}

static void load_part(struct loader *l, struct linear *out, const struct piece *piece, int n)
{
    struct decoder_weights *w = l->w;
    struct linear_part *part = &out->part[out->parts];
    struct rowset rows = {.piece = piece, .pieces = n, .k = out->k};
    float *scale = mem_alloc(out->experts * sizeof *scale);
    for (int i = 0; i < n; i++)
        rows.n += piece[i].rows;
    for (uint32_t e = 0; e < out->experts; e++)
        scale[e] = piece->transposed ? 1 : piece_tensor(piece, e)->scale;
    part->first = out->n;
    part->n = rows.n;
    part->held = w->backend->held(w->device, piece_type(piece), w->exact);
    struct weight_source from = {piece_type(piece), rowset_row, &rows, scale, .stays = rowset_stays(&rows, out->experts), .team = w->team};
    struct weight_shape shape = {.n = rows.n, .k = out->k, .experts = out->experts};
    l->rc = w->backend->weight(w->device, &part->w, part->held, &shape, &from, l->e);
    if (l->rc == 0) {
        out->parts++;
        out->n += rows.n;
        w->bytes += w->backend->weight_bytes(part->w);
        part->bias = load_bias(l, piece, n, rows.n, out->experts);
        drop_sources(l, piece, n, out->experts);
    }
    rowset_release(&rows);
    free(scale);
}

void loader_linear(struct loader *l, struct linear *out, const struct piece *piece, int n, uint32_t k, uint32_t experts)
{
    *out = (struct linear){.k = k, .experts = experts ? experts : 1};
    for (int i = 0; i < n; i++) {
        const struct piece *p = &piece[i];
        bool known = !p->t || p->of_expert || p->transposed || out->sources == LINEAR_SOURCES;
        for (int j = 0; j < out->sources && !known; j++)
            known = out->source[j] == p->t;
        if (!known)
            out->source[out->sources++] = p->t;
    }
    for (int i = 0; i < n && !l->rc;) {
        int end = i + 1;
        while (end < n && same_kind(&piece[i], &piece[end]))
            end++;
        if (out->parts == LINEAR_PARTS)
            l->rc = err_set(l->e, ERR_UNSUPPORTED, "a weight in more than %d types", LINEAR_PARTS);
        else
            load_part(l, out, piece + i, end - i);
        i = end;
    }
}

void loader_plain(struct loader *l, struct linear *out, enum weight_slot slot, uint32_t rows, uint32_t k)
{
    const struct tensor *t = loader_get(l, slot, rows, k);
    struct piece p = {.t = t, .rows = rows};
    if (t)
        loader_linear(l, out, &p, 1, k, 1);
}

void linear_release(struct linear *x, const struct decoder_weights *w)
{
    for (int i = 0; i < x->parts && !x->shared; i++)
        w->backend->weight_release(w->device, x->part[i].w);
    x->parts = 0;
}
