#include "engine/train/peft.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/format/json.h"
#include "engine/format/safetensors.h"
#include "engine/run/decoder_inside.h"
#include "engine/train/lora_gguf.h"
#include "kernels/block.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "base_model.model."
#define CONFIG "adapter_config.json"
#define WEIGHTS "adapter_model.safetensors"
#define OURS "codeask.json"
#define CONFIG_MAX (1u << 20) /* bytes: patterns may name every layer's modules */
#define CONFIG_DEPTH 8
#define CONFIG_VALUES 65536

static char *in(const char *folder, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", folder, name);
    return buf_take(&b);
}

/* Row i of B here is which row of the file's. */
static uint32_t row_in_file(const struct lora *l, const struct lora_part *p, uint32_t i)
{
    const struct knobs *k = &l->d->w.k;
    uint32_t in = i % k->head_dim;
    bool turned = k->interleaved && (p->target == LORA_Q || p->target == LORA_K);
    return turned ? i - in + in / 2 + in % 2 * (k->head_dim / 2) : i;
}

/* --- out --- */

static int write_json(const char *folder, const char *name, json_t *value, struct err *e)
{
    char *path = in(folder, name), *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    int rc = text ? file_write(path, text, strlen(text), 0644, e) : err_set(e, ERR_INTERNAL, "%s cannot be written as JSON", name);
    json_decref(value);
    free(text);
    free(path);
    return rc;
}

static json_t *target_modules(const struct lora *l)
{
    json_t *list = json_array();
    for (int t = 0; t < LORA_TARGET_COUNT; t++)
        for (size_t i = 0; i < l->parts; i++)
            if (l->part[i].target == (enum lora_target)t) {
                json_array_append_new(list, json_string(lora_module((enum lora_target)t)));
                break;
            }
    return list;
}

static int write_config(const char *folder, const struct lora *l, const struct peft_base *base, struct err *e)
{
    return write_json(folder, CONFIG,
                      json_pack("{ss, ss, ss, si, sf, sf, sb, sb, ss, sb, sb, so, s{}, s{}, sn, sn}", "peft_type", "LORA", "task_type", "CAUSAL_LM",
                                "base_model_name_or_path", base->name, "r", (int)l->o.rank, "lora_alpha", (double)l->o.alpha, "lora_dropout", 0.0,
                                "use_rslora", l->o.rslora, "use_dora", 0, "bias", "none", "fan_in_fan_out", 0, "inference_mode", 1,
                                "target_modules", target_modules(l), "rank_pattern", "alpha_pattern", "modules_to_save", "layers_to_transform"),
                      e);
}

static void add_tensor(struct buf *head, struct buf *data, const struct lora *l, const struct lora_part *p, char letter)
{
    char name[96];
    uint32_t rows = letter == 'A' ? l->o.rank : p->n, cols = letter == 'A' ? p->k : l->o.rank;
    const float *x = l->value + (letter == 'A' ? p->a : p->b);
    size_t from = data->len, line = cols * sizeof *x;
    lora_name(name, p);
    float *to = (float *)buf_room(data, rows * line);
    for (uint32_t i = 0; i < rows; i++)
        memcpy(to + (size_t)(letter == 'A' ? i : row_in_file(l, p, i)) * cols, x + (size_t)i * cols, line);
    data->len += rows * line;
    buf_addf(head, ",\"" PREFIX "%s.lora_%c.weight\":{\"dtype\":\"F32\",\"shape\":[%u,%u],\"data_offsets\":[%zu,%zu]}", name, letter, rows, cols, from,
             data->len);
}

static int write_weights(const char *folder, const struct lora *l, struct err *e)
{
    struct buf head = BUF_INIT, data = BUF_INIT, all = BUF_INIT;
    char *path = in(folder, WEIGHTS);
    buf_adds(&head, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < l->parts; i++) {
        add_tensor(&head, &data, l, &l->part[i], 'A');
        add_tensor(&head, &data, l, &l->part[i], 'B');
    }
    buf_addc(&head, '}');
    while (head.len % 8)
        buf_addc(&head, ' ');
    uint64_t size = head.len;
    buf_add(&all, &size, sizeof size);
    buf_add(&all, head.data, head.len);
    buf_add(&all, data.data, data.len);
    int rc = file_write(path, all.data, all.len, 0644, e);
    buf_release(&head);
    buf_release(&data);
    buf_release(&all);
    free(path);
    return rc;
}

int peft_base_write(const char *folder, const struct peft_base *base, struct err *e)
{
    char hash[65];
    hex_of(hash, base->hash, sizeof base->hash);
    return write_json(folder, OURS, json_pack("{ss, ss}", "base", hash, "model", base->name), e);
}

int peft_write(const char *folder, const struct lora *l, const struct peft_base *base, struct err *e)
{
    int rc = dir_make(folder, 0755, e);
    if (!rc)
        rc = write_weights(folder, l, e);
    if (!rc)
        rc = peft_base_write(folder, base, e);
    if (!rc)
        rc = write_config(folder, l, base, e);
    return rc;
}

/* --- in --- */

static int read_json(json_t **out, const char *folder, const char *name, struct str bytes, struct err *e)
{
    char *path = in(folder, name);
    int rc = bytes.n > CONFIG_MAX ? err_set(e, ERR_LIMIT, "%s is larger than %u bytes", path, CONFIG_MAX)
                                  : json_bounded(out, path, bytes.p, bytes.n, CONFIG_DEPTH, CONFIG_VALUES, e);
    if (!rc && !json_is_object(*out))
        rc = err_set(e, ERR_FORMAT, "%s holds no object", path);
    free(path);
    return rc;
}

static int check_base(const char *folder, struct str ours, const struct peft_base *base, struct err *e)
{
    json_t *o = NULL;
    char hash[65];
    if (!ours.p)
        return 0; /* not made here: names and shapes have to tell */
    int rc = read_json(&o, folder, OURS, ours, e);
    hex_of(hash, base->hash, sizeof base->hash);
    if (!rc && strcmp(json_get_text(o, "base", ""), hash))
        rc = err_set(e, ERR_USAGE, "the adapter %.200s is of the model %.80s (%.12s…), not of %.80s (%.12s…)", folder, json_get_text(o, "model", "?"),
                     json_get_text(o, "base", "?"), base->name, hash);
    json_decref(o);
    return rc;
}

static bool empty(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return !v || json_is_null(v) || (json_is_object(v) && json_object_size(v) == 0) || (json_is_array(v) && json_array_size(v) == 0);
}

static int read_config(struct lora_options *out, const char *folder, struct str bytes, struct err *e)
{
    static const char *const beyond[] = {"use_qalora", "use_bdlora", "alora_invocation_tokens", "layer_replication", "target_parameters"};
    json_t *o = NULL;
    int64_t rank = 0;
    const char *what = NULL;
    int rc = read_json(&o, folder, CONFIG, bytes, e);
    if (rc)
        goto out;
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        if (json_yes(o, beyond[i], false) || (!empty(o, beyond[i]) && !json_is_boolean(json_object_get(o, beyond[i]))))
            what = "of that kind";
    if (strcmp(json_get_text(o, "peft_type", ""), "LORA"))
        what = "of that kind";
    else if (json_yes(o, "use_dora", false))
        what = "with magnitudes (DoRA)";
    else if (json_yes(o, "lora_bias", false) || strcmp(json_get_text(o, "bias", "none"), "none"))
        what = "with biases";
    else if (!empty(o, "rank_pattern") || !empty(o, "alpha_pattern"))
        what = "with several ranks";
    else if (!empty(o, "modules_to_save") || !empty(o, "trainable_token_indices"))
        what = "with whole modules";
    else if (json_yes(o, "fan_in_fan_out", false))
        what = "over turned weights";
    rc = what ? err_set(e, ERR_UNSUPPORTED, "%.200s: adapters %s are not applied here", folder, what)
              : json_int(&rank, o, folder, "r", 1, LORA_RANK_MAX, e);
    const json_t *alpha = json_object_get(o, "lora_alpha");
    if (!rc && !json_is_number(alpha))
        rc = err_set(e, ERR_FORMAT, "%.200s: " CONFIG " has no lora_alpha", folder);
    if (!rc)
        *out = (struct lora_options){.rank = (uint32_t)rank, .alpha = (float)json_number_value(alpha), .rslora = json_yes(o, "use_rslora", false)};
out:
    json_decref(o);
    return rc;
}

/* Which matrix a tensor is; ERR_UNSUPPORTED names one that is none. */
static int named(uint32_t *layer, enum lora_target *target, char *letter, const struct st_tensor *t, struct err *e)
{
    static const char *const ends[] = {".lora_A.weight", ".lora_B.weight"};
    size_t len = strlen(t->name), prefix = strlen(PREFIX), end = strlen(ends[0]);
    for (int i = 0; i < 2 && len > prefix + end && memcmp(t->name, PREFIX, prefix) == 0; i++)
        if (strcmp(t->name + len - end, ends[i]) == 0 && lora_named(layer, target, t->name + prefix, len - prefix - end)) {
            *letter = "AB"[i];
            return 0;
        }
    return err_set(e, ERR_UNSUPPORTED, "the adapter's tensor %.120s is none that is applied here", t->name);
}

static struct lora_part *part_of(struct lora *l, uint32_t layer, enum lora_target target)
{
    for (size_t i = 0; i < l->parts; i++)
        if (l->part[i].layer == layer && l->part[i].target == target)
            return &l->part[i];
    return NULL;
}

static int block_of(enum block_type *out, const struct st_tensor *t, struct err *e)
{
    *out = t->type == ST_F32 ? BLOCK_F32 : t->type == ST_F16 ? BLOCK_F16 : BLOCK_BF16;
    if (t->type == ST_F32 || t->type == ST_F16 || t->type == ST_BF16)
        return 0;
    return err_set(e, ERR_UNSUPPORTED, "the adapter's tensor %.120s is of type %s", t->name, st_type_name(t->type));
}

static int read_tensor(struct lora *l, const struct st_tensor *t, struct err *e)
{
    uint32_t layer = 0;
    enum lora_target target = LORA_Q;
    enum block_type type = BLOCK_F32;
    char letter = 'A';
    int rc = named(&layer, &target, &letter, t, e);
    if (!rc)
        rc = block_of(&type, t, e);
    if (rc)
        return rc;
    const struct lora_part *p = part_of(l, layer, target);
    uint32_t rows = letter == 'A' ? l->o.rank : p ? p->n : 0, cols = letter == 'A' && p ? p->k : l->o.rank;
    if (!p || t->rank != 2 || t->shape[0] != rows || t->shape[1] != cols)
        return err_set(e, ERR_FORMAT, "the adapter's tensor %.120s does not fit the model: %u x %u is wanted", t->name, rows, cols);
    size_t line = block_row_bytes(type, cols);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t from = letter == 'A' ? i : row_in_file(l, p, i);
        block_formats[type].decode(l->value + (letter == 'A' ? p->a : p->b) + (size_t)i * cols, t->data + from * line, cols);
    }
    return 0;
}

/* Targets that the tensors name, and that each A has its B. */
static int targets_of(uint32_t *out, const struct safetensors *st, struct err *e)
{
    int rc = 0;
    if (safetensors_count(st) == 0)
        return err_set(e, ERR_FORMAT, "the adapter has no tensors");
    for (size_t i = 0; i < safetensors_count(st) && !rc; i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        uint32_t layer;
        enum lora_target target = LORA_Q;
        char letter = 'A', *other = mem_str(t->name);
        rc = named(&layer, &target, &letter, t, e);
        if (!rc) {
            other[strlen(other) - strlen("A.weight")] = letter == 'A' ? 'B' : 'A';
            *out |= 1u << target;
            if (!safetensors_find(st, other))
                rc = err_set(e, ERR_FORMAT, "the adapter has no tensor %.120s", other);
        }
        free(other);
    }
    return rc;
}

int peft_parse(struct lora **out, struct decoder *d, const char *folder, const struct peft_files *f, const struct peft_base *base, struct err *e)
{
    struct lora_options o = {0};
    struct safetensors *st = NULL;
    struct lora *l = NULL;
    int rc = read_config(&o, folder, f->config, e);
    if (!rc)
        rc = check_base(folder, f->ours, base, e);
    if (!rc)
        rc = safetensors_parse(&st, WEIGHTS, f->weights.p, f->weights.n, e);
    if (!rc)
        rc = safetensors_finite(st, e);
    if (!rc)
        rc = targets_of(&o.targets, st, e);
    if (!rc)
        rc = lora_new(&l, d, &o, e);
    for (size_t i = 0; !rc && i < safetensors_count(st); i++)
        rc = read_tensor(l, safetensors_at(st, i), e);
    safetensors_close(st);
    if (rc)
        lora_free(l);
    else
        *out = l;
    return rc;
}

static int map(struct file_map *m, struct str *to, const char *folder, const char *name, bool must, struct err *e)
{
    char *path = in(folder, name);
    int rc = file_exists(path) ? file_map(m, path, e) : must ? err_set(e, ERR_NOT_FOUND, "%s: no such file", path) : 0;
    *to = (struct str){(const char *)m->p, m->n};
    free(path);
    return rc;
}

char *peft_weights(const char *folder)
{
    struct buf b = BUF_INIT;
    if (!dir_exists(folder) && file_exists(folder))
        return mem_str(folder);
    char *config = in(folder, CONFIG), *gguf = in(folder, LORA_GGUF_FILE);
    buf_addf(&b, "%s", !file_exists(config) && file_exists(gguf) ? gguf : "");
    if (!b.len)
        buf_addf(&b, "%s/" WEIGHTS, folder);
    free(config);
    free(gguf);
    return buf_take(&b);
}

int peft_read(struct lora **out, struct decoder *d, const char *folder, const struct peft_base *base, struct err *e)
{
    struct file_map m[3] = {{0}};
    struct peft_files f;
    char *weights = peft_weights(folder);
    size_t n = strlen(weights), end = strlen(".gguf");
    bool gguf = n > end && !strcmp(weights + n - end, ".gguf");
    int rc = gguf ? lora_gguf_read(out, d, weights, base, e) : 0;
    free(weights);
    if (gguf)
        return rc;
    rc = map(&m[0], &f.config, folder, CONFIG, true, e);
    if (!rc)
        rc = map(&m[1], &f.weights, folder, WEIGHTS, true, e);
    if (!rc)
        rc = map(&m[2], &f.ours, folder, OURS, false, e);
    if (!rc)
        rc = peft_parse(out, d, folder, &f, base, e);
    for (int i = 0; i < 3; i++)
        file_unmap(&m[i]);
    return rc;
}

int peft_base_check(const char *folder, const struct peft_base *base, struct err *e)
{
    struct file_map m = {0};
    struct str ours;
    int rc = map(&m, &ours, folder, OURS, false, e);
    if (!rc)
        rc = check_base(folder, ours, base, e);
    file_unmap(&m);
    return rc;
}
