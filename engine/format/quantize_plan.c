/* Which type a tensor gets. */
#include "engine/format/quantize_plan.h"

#include "base/buf.h"
#include "engine/format/quantize.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What may be written. To add a type: its row. ftype: its number in general.file_type. */
struct target {
    enum block_type type, narrow /* where rows do not fit */, ends /* embedding and output */;
    uint32_t ftype;
};
static const struct target targets[] = {
    {BLOCK_Q8_0, BLOCK_F16, BLOCK_Q8_0, 7},   {BLOCK_Q4_K, BLOCK_Q5_0, BLOCK_Q6_K, 14}, {BLOCK_Q6_K, BLOCK_Q8_0, BLOCK_Q6_K, 18},
    {BLOCK_MXFP4, BLOCK_F16, BLOCK_Q8_0, 38}, {BLOCK_NVFP4, BLOCK_Q8_0, BLOCK_Q8_0, 39},
};
enum { TARGETS = sizeof targets / sizeof *targets };

int quantize_type(enum block_type *type, const char *name, struct err *e)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < TARGETS; i++) {
        const char *known = block_formats[targets[i].type].name;
        if (!strcasecmp(known, name)) {
            *type = targets[i].type;
            buf_release(&b);
            return 0;
        }
        buf_addf(&b, "%s%s", i ? ", " : "", known);
    }
    int rc = err_set(e, ERR_USAGE, "\"%.40s\" is no type that is written: %s", name, b.data);
    buf_release(&b);
    return rc;
}

static const struct target *target_of(enum block_type type)
{
    int i = 0;
    while (i < TARGETS - 1 && targets[i].type != type)
        i++;
    return &targets[i];
}

uint32_t plan_file_type(enum block_type type)
{
    return target_of(type)->ftype;
}

static bool fits(enum block_type type, const struct tensor *t)
{
    return t->shape[t->rank - 1] % block_formats[type].values == 0;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* Small, or read as they are: norms, biases, routers, convolutions, positions. Names of both worlds. */
static bool stays(const struct tensor *t)
{
    static const char *const parts[] = {"norm", "bias", "ffn_gate_inp", "router", "conv", "position", "token_type", "rope_"};
    bool experts = t->rank == 3 && strstr(t->name, "experts.");
    if (t->rank < 2 || (!ends_with(t->name, ".weight") && !experts))
        return true;
    if (ends_with(t->name, "mlp.gate.weight") || ends_with(t->name, "shared_expert_gate.weight"))
        return true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(t->name, parts[i]))
            return true;
    return false;
}

static bool is_end(const char *name)
{
    static const char *const names[] = {"output.weight", "token_embd.weight", "lm_head.weight", "embed_tokens.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ends_with(name, names[i]) && !strstr(name, "attn_output"))
            return true;
    return false;
}

/* fp8 is of safetensors alone. */
static enum block_type kept(const struct tensor *t)
{
    return t->type == BLOCK_F8_E4M3 ? BLOCK_BF16 : t->type;
}

/* The type, unless what is there takes no more bits a value: writing it anew would lose and gain nothing. */
static enum block_type smaller(const struct tensor *t, enum block_type type)
{
    const struct block_format *is = &block_formats[t->type], *then = &block_formats[type];
    return is->values > 1 && is->bytes * then->values <= then->bytes * is->values ? kept(t) : type;
}

enum block_type plan_type(enum block_type wanted, const struct tensor *t)
{
    const struct target *to = target_of(wanted);
    /* NVFP4's scale is called after a weight */
    if (stays(t) || (wanted == BLOCK_NVFP4 && !ends_with(t->name, ".weight")))
        return kept(t);
    bool end = is_end(t->name);
    enum block_type want = end ? to->ends : to->type;
    if (fits(want, t))
        return smaller(t, want);
    if (end && fits(BLOCK_Q8_0, t))
        return smaller(t, BLOCK_Q8_0);
    return fits(to->narrow, t) ? smaller(t, to->narrow) : kept(t);
}

const struct tensor *plan_weight_of(const struct model_file *f, const struct tensor *t)
{
    struct buf name = BUF_INIT;
    const struct tensor *w = NULL;
    if (t->type == BLOCK_F32 && t->rank == 1 && ends_with(t->name, ".scale")) {
        buf_addf(&name, "%.*s.weight", (int)strlen(t->name) - 6, t->name);
        w = model_file_find(f, name.data);
    }
    buf_release(&name);
    return w && w->type == BLOCK_NVFP4 ? w : NULL;
}

bool plan_scale_name(struct buf *out, const struct tensor *t)
{
    if (!ends_with(t->name, ".weight"))
        return false;
    buf_clear(out);
    buf_addf(out, "%.*s.scale", (int)strlen(t->name) - 7, t->name);
    return true;
}
