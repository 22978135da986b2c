#include "engine/generate.h"

#include "engine/model.h"

static int check(const struct model *m, struct err *e)
{
    if (m->info.context)
        return 0;
    err_set(e, ERR_UNSUPPORTED, "%s: a model of the family %s writes no text", m->info.name, m->info.family);
    err_hint(e, "codeask model use NAME chooses one that does");
    return ERR_UNSUPPORTED;
}

#define TOKENS_LEAST 64  /* of a reading that counts: shorter ones say more about steps than about rows */
#define TOKENS_MEAN 1024 /* a reading of so many counts half */
#define SLOWNESS_MOST 8  /* and 1/8: a stopped machine's minute is no measurement, and the next prompt must still be worth asking */

static float within(double x)
{
    return (float)(x > SLOWNESS_MOST ? SLOWNESS_MOST : x < 1. / SLOWNESS_MOST ? 1. / SLOWNESS_MOST : x);
}

float slowness_after(float old, const struct model_info *info, uint32_t reused, uint32_t tokens, double ms)
{
    double n = tokens, before = reused;
    if (tokens < TOKENS_LEAST || !(info->prompt_rate > 0) || !(ms > 0))
        return old;
    double expected = n / info->prompt_rate + info->prompt_slope * n * (before + n / 2);
    double weight = n / (n + TOKENS_MEAN);
    return within(old + (within(ms / 1e3 / expected) - old) * weight);
}

float model_slowness(const struct model *m)
{
    float x = m->slowness;
    return x > 0 ? x : 1;
}

int model_generate(struct model *m, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                   const volatile bool *stop, struct err *e)
{
    int rc = check(m, e);
    *out = (struct gen_result){0};
    if (!rc)
        rc = m->kind->generate(m->self, p, sink, arg, out, stop, e);
    if (!rc && out->prompt_tokens > out->reused_tokens) /* of two at once one may be lost, which does no harm */
        m->slowness = slowness_after(model_slowness(m), &m->info, out->reused_tokens, out->prompt_tokens - out->reused_tokens, out->ms_read);
    return rc;
}

int model_count(struct model *m, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e)
{
    int rc = check(m, e);
    return rc ? rc : m->kind->count(m->self, text, len, n, out, e);
}

int model_forget(struct model *m, const uint8_t content[20], struct err *e)
{
    int rc = check(m, e);
    return rc ? rc : m->kind->forget(m->self, content, e);
}
