#include "engine/format/folder_parts.h"

#include "engine/format/finite.h"
#include "kernels/block/numbers.h"

#include <stdio.h>
#include <string.h>

#define SUFFIX_MAX 32  /* bytes of what is put behind a name */
#define NAME_MAX_ST 512 /* bytes of a tensor's name; longer ones have no parts */
#define SIDE_MAX (1ull << 40) /* of a shape */
#define FP8_TILE 128   /* rows and columns under one scale */

static int wrong(const struct model_shard *s, const struct st_tensor *t, const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: tensor %.80s: %s", s->name, t->name, what);
}

/* The tensor called stem + suffix, in any of the files. */
static const struct st_tensor *beside(const struct model_file *f, const char *stem, size_t len, const char *suffix)
{
    char name[NAME_MAX_ST + SUFFIX_MAX];
    const struct st_tensor *found = NULL;
    if (len > NAME_MAX_ST)
        return NULL;
    snprintf(name, sizeof name, "%.*s%s", (int)len, stem, suffix);
    for (size_t i = 0; i < f->shards && !found; i++)
        found = safetensors_find(f->shard[i].st, name);
    return found;
}

/* Does name end so? Then *stem is what is before it. */
static bool strip(const char *name, const char *suffix, size_t *stem)
{
    size_t n = strlen(name), k = strlen(suffix);
    if (n <= k || strcmp(name + n - k, suffix))
        return false;
    *stem = n - k;
    return true;
}

static bool is_plain(enum st_type type)
{
    return type == ST_F32 || type == ST_F16 || type == ST_BF16;
}

static bool is_e8m0(const struct st_tensor *t)
{
    return t->type == ST_U8 || t->type == ST_F8_E8M0;
}

static float number_at(const struct st_tensor *t, uint64_t i)
{
    if (t->type == ST_F32)
        return f32_from_bits(load_u32(t->data + i * 4));
    uint16_t h = load_u16(t->data + i * 2);
    return t->type == ST_F16 ? f32_from_f16(h) : f32_from_bf16(h);
}

/* Is it the part of a tensor that is there? Then that one brings it along. */
static bool is_part(const struct model_file *f, const struct st_tensor *t)
{
    static const char *const suffixes[] = {"_scale", "_scale_inv", "_scale_2", "_global_scale", "_scales"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t stem;
        const struct st_tensor *whole;
        if (!strip(t->name, suffixes[i], &stem))
            continue;
        if (beside(f, t->name, stem, "_packed") || beside(f, t->name, stem, "_blocks"))
            return true;
        whole = beside(f, t->name, stem, "");
        if (whole && (whole->type == ST_F8_E4M3 || whole->type == ST_U8))
            return true;
    }
    return false;
}

static uint64_t elements(const struct st_tensor *t)
{
    uint64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= (uint64_t)t->shape[i]; /* checked by the parser */
    return n;
}

static uint64_t out_of(const struct st_tensor *t)
{
    return t->rank > 1 ? (uint64_t)t->shape[t->rank - 2] : 1;
}

/* fp8: how many scales stand for n rows or columns, as a step from one scale to the next. */
static bool step_of(uint64_t *step, uint64_t n, uint64_t scales)
{
    *step = scales == 1 ? n : scales == n ? 1 : FP8_TILE;
    return scales == 1 || scales == n || scales == (n + FP8_TILE - 1) / FP8_TILE;
}

/* The step down and across, and the scales of one matrix. A vector of scales is one for each row. */
static bool fp8_steps(const struct st_tensor *v, const struct st_tensor *s, uint64_t *down, uint64_t *across, uint64_t *width)
{
    uint64_t in = (uint64_t)v->shape[v->rank - 1], out = out_of(v), rows;
    if (elements(s) == 1) {
        *down = out;
        *across = in;
        *width = 1;
        return true;
    }
    if (s->rank == v->rank) {
        rows = out_of(s);
        *width = (uint64_t)s->shape[s->rank - 1];
    } else if (s->rank == v->rank - 1) {
        rows = (uint64_t)s->shape[s->rank - 1];
        *width = 1;
    } else {
        return false;
    }
    for (int i = 0; i < v->rank - 2; i++)
        if (v->shape[i] != s->shape[i])
            return false;
    return step_of(down, out, rows) && step_of(across, in, *width);
}

static void fp8_row(const struct tensor *t, uint64_t row, void *to)
{
    const struct st_tensor *v = t->parts->values, *s = t->parts->scales;
    uint64_t in = t->shape[t->rank - 1], out = out_of(v), down = out, across = in, width = 1, first = 0;
    uint8_t *p = to;
    if (s && elements(s) > 1) {
        fp8_steps(v, s, &down, &across, &width);
        first = (row / out * ((out + down - 1) / down) + row % out / down) * width;
    }
    for (uint64_t i = 0; i < in; i += 32, p += 36) {
        store_u32(p, bits_from_f32(s ? number_at(s, first + i / across) : 1));
        memcpy(p + 4, v->data + row * in + i, 32);
    }
}

/* n/2 bytes of neighbours (first value low) become n/2 bytes of halves (first half low). */
static void repack(uint8_t *to, const uint8_t *from, int n)
{
    for (int j = 0; j < n / 2; j++) {
        int k = j + n / 2;
        to[j] = (uint8_t)((from[j / 2] >> j % 2 * 4 & 15) | (from[k / 2] >> k % 2 * 4 & 15) << 4);
    }
}

static void mxfp4_row(const struct tensor *t, uint64_t row, void *to)
{
    uint64_t blocks = t->shape[t->rank - 1] / 32;
    const uint8_t *v = t->parts->values->data + row * blocks * 16, *s = t->parts->scales->data + row * blocks;
    uint8_t *p = to;
    for (uint64_t b = 0; b < blocks; b++, p += 17) {
        p[0] = s[b];
        repack(p + 1, v + b * 16, 32);
    }
}

static void nvfp4_row(const struct tensor *t, uint64_t row, void *to)
{
    uint64_t blocks = t->shape[t->rank - 1] / 64;
    const uint8_t *v = t->parts->values->data + row * blocks * 32, *s = t->parts->scales->data + row * blocks * 4;
    uint8_t *p = to;
    for (uint64_t b = 0; b < blocks; b++, p += 36)
        for (int g = 0; g < 4; g++) {
            p[g] = s[b * 4 + (uint64_t)g];
            repack(p + 4 + g * 8, v + (b * 4 + (uint64_t)g) * 8, 16);
        }
}

static int add(struct model_file *f, const struct model_shard *shard, const struct st_tensor *t, struct tensor *to, struct err *e)
{
    if (to->rank > TENSOR_RANK_MAX)
        return err_set(e, ERR_UNSUPPORTED, "%s: tensor %.80s: more than 4 dimensions", shard->name, t->name);
    for (int i = 0; i < to->rank; i++) /* of an empty tensor the file's size bounds nothing */
        if (to->shape[i] > SIDE_MAX)
            return wrong(shard, t, "a dimension beyond any model's", e);
    uint64_t k = to->shape[to->rank - 1];
    const struct block_format *format = &block_formats[to->type];
    if (k % format->values)
        return err_set(e, ERR_UNSUPPORTED, "%s: tensor %.80s: rows of %llu values, which are no whole blocks of %s", shard->name,
                       t->name, (unsigned long long)k, format->name);
    model_add_tensor(f, to);
    return 0;
}

static void put_together(struct model_file *f, struct tensor *to, enum block_type type, const struct st_tensor *values,
                         const struct st_tensor *scales, void (*row)(const struct tensor *, uint64_t, void *))
{
    struct tensor_parts *parts = arena_alloc(&f->arena, sizeof *parts);
    *parts = (struct tensor_parts){row, values, scales};
    to->type = type;
    to->parts = parts;
    to->data = NULL;
}

/* Copies the sizes: those that fit; rank says how many there are. */
static struct tensor shaped(const struct st_tensor *t, const char *name)
{
    struct tensor to = {.name = name, .rank = t->rank ? t->rank : 1, .shape = {1}, .data = t->data, .scale = 1};
    for (int i = 0; i < t->rank && i < TENSOR_RANK_MAX; i++)
        to.shape[i] = (uint64_t)t->shape[i];
    return to;
}

static int add_fp8(struct model_file *f, const struct model_shard *shard, const struct st_tensor *t, struct err *e)
{
    size_t len = strlen(t->name);
    uint64_t step[3];
    const struct st_tensor *scales = beside(f, t->name, len, "_scale_inv");
    struct tensor to = shaped(t, t->name);
    if (!scales)
        scales = beside(f, t->name, len, "_scale");
    if (scales && (!is_plain(scales->type) || !t->rank || !fp8_steps(t, scales, &step[0], &step[1], &step[2])))
        return wrong(shard, t, "scales of a type or shape that does not fit", e);
    /* a tile that ends inside a block of 32 would need two scales there */
    if (scales && elements(scales) > 1 && step[1] % 32)
        return wrong(shard, t, "a scale for less than 32 columns", e);
    put_together(f, &to, BLOCK_F8_E4M3, t, scales, fp8_row);
    return add(f, shard, t, &to, e);
}

/* blocks [.., in/32, 16] and scales [.., in/32], as gpt-oss has them */
static int add_blocks(struct model_file *f, const struct model_shard *shard, const struct st_tensor *t, size_t stem, struct err *e)
{
    const struct st_tensor *scales = beside(f, t->name, stem, "_scales");
    bool fits = scales && is_e8m0(scales) && t->rank >= 2 && scales->rank == t->rank - 1 && t->shape[t->rank - 1] == 16;
    for (int i = 0; fits && i < scales->rank; i++)
        fits = t->shape[i] == scales->shape[i];
    if (!fits)
        return wrong(shard, t, "blocks of MXFP4 without scales that fit", e);
    struct tensor to = shaped(scales, arena_strn(&f->arena, t->name, stem));
    if (to.rank <= TENSOR_RANK_MAX)
        to.shape[to.rank - 1] *= 32;
    put_together(f, &to, BLOCK_MXFP4, t, scales, mxfp4_row);
    return add(f, shard, t, &to, e);
}

/* values [.., in/2] and scales [.., in/group] */
static int add_packed(struct model_file *f, const struct model_shard *shard, const struct st_tensor *t, size_t stem, struct err *e)
{
    const struct st_tensor *scales = beside(f, t->name, stem, "_scale"), *times = beside(f, t->name, stem, "_scale_2"),
                           *over = beside(f, t->name, stem, "_global_scale"), *all = times ? times : over;
    bool nv = scales && scales->type == ST_F8_E4M3, mx = scales && is_e8m0(scales) && !all;
    bool fits = (nv || mx) && t->rank >= 1 && t->rank == scales->rank && (!all || (all->type == ST_F32 && elements(all) == 1));
    for (int i = 0; fits && i < t->rank; i++)
        fits = t->shape[i] == scales->shape[i] * (i < t->rank - 1 ? 1 : nv ? 8 : 16);
    if (!fits)
        return err_set(e, ERR_UNSUPPORTED, "%s: tensor %.80s: bytes that are neither MXFP4 nor NVFP4", shard->name, t->name);
    struct tensor to = shaped(t, arena_strn(&f->arena, t->name, stem));
    if (to.rank <= TENSOR_RANK_MAX)
        to.shape[to.rank - 1] *= 2;
    put_together(f, &to, nv ? BLOCK_NVFP4 : BLOCK_MXFP4, t, scales, nv ? nvfp4_row : mxfp4_row);
    if (all) {
        float x = number_at(all, 0);
        to.scale = times ? x : 1 / x;
        if (!(to.scale > 0 && to.scale < __FLT_MAX__))
            return wrong(shard, t, "a scale of the whole tensor that is no positive number", e);
    }
    return add(f, shard, t, &to, e);
}

int folder_tensor(struct model_file *f, const struct model_shard *shard, const struct st_tensor *t, struct err *e)
{
    size_t stem;
    if (is_part(f, t))
        return 0;
    switch (t->type) {
    case ST_F32:
    case ST_F16:
    case ST_BF16: {
        struct tensor to = shaped(t, t->name);
        to.type = t->type == ST_F32 ? BLOCK_F32 : t->type == ST_F16 ? BLOCK_F16 : BLOCK_BF16;
        return add(f, shard, t, &to, e);
    }
    case ST_F8_E4M3: return add_fp8(f, shard, t, e);
    case ST_U8:
        if (strip(t->name, "_blocks", &stem))
            return add_blocks(f, shard, t, stem, e);
        if (!strip(t->name, "_packed", &stem))
            stem = strlen(t->name);
        return add_packed(f, shard, t, stem, e);
    case ST_BOOL:
    case ST_I64: return 0;
    default:
        return err_set(e, ERR_UNSUPPORTED, "%s: tensor %.80s: type %s is not read as a weight", shard->name, t->name,
                       st_type_name(t->type));
    }
}

int folder_scales(const struct model_file *f, const struct tensor *t, struct err *e)
{
    const struct st_tensor *s = t->parts->scales;
    size_t at = s ? s->bytes : 0;
    if (t->type == BLOCK_MXFP4)
        at = finite_e8m0(s->data, s->bytes);
    for (size_t i = 0; t->type == BLOCK_NVFP4 && at == s->bytes && i < s->bytes; i++)
        if (s->data[i] > 0x80) /* GGUF's scales have no sign */
            at = i;
    if (!s || at == s->bytes)
        return 0;
    return err_set(e, ERR_FORMAT, "%s: tensor %.80s: scale %zu is no number from 0 up", f->name, s->name, at);
}
