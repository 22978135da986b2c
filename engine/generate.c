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

int model_generate(struct model *m, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                   const volatile bool *stop, struct err *e)
{
    int rc = check(m, e);
    *out = (struct gen_result){0};
    return rc ? rc : m->kind->generate(m->self, p, sink, arg, out, stop, e);
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
