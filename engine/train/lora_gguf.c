#include "engine/train/lora_gguf.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/format/gguf_write.h"
#include "engine/run/decoder_inside.h"
#include "kernels/block.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_BASE "codeask.base"
#define KEY_MODEL "codeask.model"
#define LAYER "blk."

static const char *const module[LORA_TARGET_COUNT] = {
    [LORA_Q] = "attn_q",       [LORA_K] = "attn_k",      [LORA_V] = "attn_v",   [LORA_QKV] = "attn_qkv",    [LORA_O] = "attn_output",
    [LORA_GATE] = "ffn_gate",  [LORA_UP] = "ffn_up",     [LORA_GATE_UP] = "ffn_up", [LORA_DOWN] = "ffn_down",
};

static const char *family(const struct decoder *d, struct decoder_info *info)
{
    decoder_info(d, info);
    return info->family;
}

/* GGUF models of these have the rows of queries and keys in pairs. */
static bool in_pairs(const char *architecture)
{
    return !strcmp(architecture, "llama") || !strcmp(architecture, "smollm3");
}

/* Row i of the file's B is which row here. */
static uint32_t row_here(const struct lora *l, const struct lora_part *p, bool pairs, uint32_t i)
{
    const struct knobs *k = &l->d->w.k;
    uint32_t in = i % k->head_dim;
    bool turned = pairs && !k->interleaved && (p->target == LORA_Q || p->target == LORA_K);
    return turned ? i - in + in / 2 + in % 2 * (k->head_dim / 2) : i;
}

/* --- out --- */

static void name_of(char out[96], const struct lora_part *p, char letter)
{
    snprintf(out, 96, LAYER "%u.%s.weight.lora_%c", p->layer, module[p->target], letter);
}

static int write_values(struct gguf_writer *w, const struct lora *l, const struct lora_part *p, bool pairs, struct err *e)
{
    uint32_t r = l->o.rank;
    int rc = gguf_write_bytes(w, l->value + p->a, (size_t)r * p->k * sizeof(float), true, e);
    for (uint32_t i = 0; i < p->n && !rc; i++)
        rc = gguf_write_bytes(w, l->value + p->b + (size_t)row_here(l, p, pairs, i) * r, r * sizeof(float), i + 1 == p->n, e);
    return rc;
}

int lora_gguf_write(const char *path, const struct lora *l, const struct peft_base *base, struct err *e)
{
    struct gguf_writer w;
    struct decoder_info info;
    struct buf new = BUF_INIT;
    const char *architecture = family(l->d, &info);
    char hash[65], name[96];
    hex_of(hash, base->hash, sizeof base->hash);
    buf_addf(&new, "%s.tmp", path);
    gguf_writer_init(&w);
    gguf_write_text(&w, "general.architecture", architecture);
    gguf_write_text(&w, "general.type", "adapter");
    gguf_write_text(&w, "adapter.type", "lora");
    gguf_write_f32(&w, "adapter.lora.alpha", l->scale * (float)l->o.rank); /* what rsLoRA scales by is in it */
    gguf_write_text(&w, KEY_BASE, hash);
    gguf_write_text(&w, KEY_MODEL, base->name);
    for (size_t i = 0; i < l->parts; i++) {
        const struct lora_part *p = &l->part[i];
        name_of(name, p, 'a');
        gguf_write_tensor(&w, name, BLOCK_F32, 2, (const uint64_t[]){l->o.rank, p->k});
        name_of(name, p, 'b');
        gguf_write_tensor(&w, name, BLOCK_F32, 2, (const uint64_t[]){p->n, l->o.rank});
    }
    int fd = open(new.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc = fd < 0 ? err_errno(e, errno, "%s cannot be written", new.data) : gguf_write_begin(&w, fd, e);
    for (size_t i = 0; i < l->parts && !rc; i++)
        rc = write_values(&w, l, &l->part[i], in_pairs(architecture), e);
    if (!rc && (fsync(fd) || rename(new.data, path)))
        rc = err_errno(e, errno, "%s cannot be written", path);
    if (fd >= 0)
        close(fd);
    if (rc)
        unlink(new.data);
    gguf_writer_release(&w);
    buf_release(&new);
    return rc;
}

/* --- in --- */

static bool says(const struct gguf *g, const char *key, const char *value)
{
    struct meta m;
    return gguf_meta(g, key, &m) && m.kind == META_TEXT && !strcmp(m.text, value);
}

static int check(struct lora_options *o, const struct gguf *g, const char *name, const char *architecture, const struct peft_base *base, struct err *e)
{
    struct meta m, of;
    char hash[65];
    if (!says(g, "general.type", "adapter") || !says(g, "adapter.type", "lora"))
        return err_set(e, ERR_FORMAT, "%.200s is no adapter: general.type \"adapter\" and adapter.type \"lora\" are wanted", name);
    if (!gguf_meta(g, "general.architecture", &m) || m.kind != META_TEXT)
        return err_set(e, ERR_FORMAT, "%.200s has no general.architecture", name);
    if (strcmp(m.text, architecture))
        return err_set(e, ERR_USAGE, "the adapter %.200s is of a %.40s, and %.80s is a %.40s", name, m.text, base->name, architecture);
    hex_of(hash, base->hash, sizeof base->hash);
    if (gguf_meta(g, KEY_BASE, &m) && !says(g, KEY_BASE, hash))
        return err_set(e, ERR_USAGE, "the adapter %.200s is of the model %.80s, not of %.80s (%.12s…)", name,
                       gguf_meta(g, KEY_MODEL, &of) && of.kind == META_TEXT ? of.text : "?", base->name, hash);
    if (!gguf_meta(g, "adapter.lora.alpha", &m) || (m.kind != META_FLOAT && m.kind != META_INT) || !isfinite(m.number) || !(m.number > 0))
        return err_set(e, ERR_FORMAT, "%.200s has no adapter.lora.alpha above 0", name);
    o->alpha = (float)m.number;
    return 0;
}

/* "blk.3.attn_q.weight.lora_a" -> 3, the targets of that name (two share ffn_up), 'a'. */
static bool named(uint32_t *layer, uint32_t *targets, char *letter, const char *name)
{
    size_t at = strlen(LAYER);
    *layer = *targets = 0;
    if (strncmp(name, LAYER, at) || name[at] < '0' || name[at] > '9')
        return false;
    for (; name[at] >= '0' && name[at] <= '9' && *layer < LAYERS_MAX; at++)
        *layer = 10 * *layer + (uint32_t)(name[at] - '0');
    if (name[at++] != '.')
        return false;
    for (int t = 0; t < LORA_TARGET_COUNT; t++) {
        size_t n = strlen(module[t]);
        const char *end = name + at + n;
        if (!strncmp(name + at, module[t], n) && !strncmp(end, ".weight.lora_", 13) && (end[13] == 'a' || end[13] == 'b') && !end[14]) {
            *targets |= 1u << t;
            *letter = end[13];
        }
    }
    return *targets != 0;
}

/* The rank and the targets, of all tensors together. */
static int survey(struct lora_options *o, const struct gguf *g, const char *name, struct err *e)
{
    uint64_t rank = 0;
    if (!gguf_count(g))
        return err_set(e, ERR_FORMAT, "the adapter %.200s has no tensors", name);
    for (size_t i = 0; i < gguf_count(g); i++) {
        const struct tensor *t = gguf_at(g, i);
        uint32_t layer, targets;
        char letter = 'a';
        if (!named(&layer, &targets, &letter, t->name))
            return err_set(e, ERR_UNSUPPORTED, "the adapter's tensor %.120s is none that is applied here", t->name);
        if (t->type != BLOCK_F32 && t->type != BLOCK_F16 && t->type != BLOCK_BF16)
            return err_set(e, ERR_UNSUPPORTED, "the adapter's tensor %.120s is of type %s", t->name, block_formats[t->type].name);
        uint64_t r = t->rank == 2 ? t->shape[letter == 'b'] : 0;
        if (r < 1 || r > LORA_RANK_MAX)
            return err_set(e, ERR_FORMAT, "the adapter's tensor %.120s has no rank from 1 to %d", t->name, LORA_RANK_MAX);
        if (rank && r != rank)
            return err_set(e, ERR_UNSUPPORTED, "%.200s: adapters with several ranks are not applied here", name);
        rank = r;
        o->targets |= targets;
    }
    o->rank = (uint32_t)rank;
    return 0;
}

static int read_tensor(struct lora *l, uint8_t *seen, const struct tensor *t, bool pairs, struct err *e)
{
    uint32_t layer, targets;
    char letter = 'a';
    named(&layer, &targets, &letter, t->name);
    size_t at = 0;
    while (at < l->parts && !(l->part[at].layer == layer && targets >> l->part[at].target & 1))
        at++;
    const struct lora_part *p = at < l->parts ? &l->part[at] : NULL;
    uint32_t rows = letter == 'a' ? l->o.rank : p ? p->n : 0, cols = letter == 'a' && p ? p->k : l->o.rank;
    if (!p || t->shape[0] != rows || t->shape[1] != cols)
        return err_set(e, ERR_FORMAT, "the adapter's tensor %.120s does not fit the model: %u x %u is wanted", t->name, rows, cols);
    size_t line = block_row_bytes(t->type, cols);
    for (uint32_t i = 0; i < rows; i++) {
        float *to = l->value + (letter == 'a' ? p->a + (size_t)i * cols : p->b + (size_t)row_here(l, p, pairs, i) * cols);
        block_formats[t->type].decode(to, t->data + i * line, cols);
        for (uint32_t k = 0; k < cols; k++)
            if (!isfinite(to[k]))
                return err_set(e, ERR_FORMAT, "the adapter's tensor %.120s holds a value that is no number", t->name);
    }
    seen[at] |= letter == 'a' ? 1 : 2;
    return 0;
}

int lora_gguf_parse(struct lora **out, struct decoder *d, const char *name, const void *bytes, size_t n, const struct peft_base *base, struct err *e)
{
    struct lora_options o = {0};
    struct decoder_info info;
    struct gguf *g = NULL;
    struct lora *l = NULL;
    uint8_t *seen = NULL;
    const char *architecture = family(d, &info);
    int rc = gguf_parse(&g, name, bytes, n, e);
    if (!rc)
        rc = check(&o, g, name, architecture, base, e);
    if (!rc)
        rc = survey(&o, g, name, e);
    if (!rc)
        rc = lora_new(&l, d, &o, e);
    if (!rc)
        seen = mem_zero(l->parts + 1, 1);
    for (size_t i = 0; !rc && i < gguf_count(g); i++)
        rc = read_tensor(l, seen, gguf_at(g, i), in_pairs(architecture), e);
    for (size_t i = 0; !rc && i < l->parts; i++)
        if (seen[i] == 1 || seen[i] == 2) {
            char lacks[96];
            name_of(lacks, &l->part[i], seen[i] == 1 ? 'b' : 'a');
            rc = err_set(e, ERR_FORMAT, "the adapter has no tensor %.120s", lacks);
        }
    free(seen);
    gguf_close(g);
    if (rc)
        lora_free(l);
    else
        *out = l;
    return rc;
}

int lora_gguf_read(struct lora **out, struct decoder *d, const char *path, const struct peft_base *base, struct err *e)
{
    struct file_map m = {0};
    int rc = file_exists(path) ? file_map(&m, path, e) : err_set(e, ERR_NOT_FOUND, "%s: no such file", path);
    if (!rc)
        rc = lora_gguf_parse(out, d, path, m.p, m.n, base, e);
    file_unmap(&m);
    return rc;
}
