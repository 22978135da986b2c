#include "engine/engine.h"

#include "base/mem.h"
#include "engine/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct engine {
    const struct engine_kind *kind;
    void *self;
};

static int opened(struct engine **out, const struct engine_kind *kind, void *self, int rc)
{
    if (rc)
        return rc;
    *out = mem_zero(1, sizeof **out);
    **out = (struct engine){kind, self};
    return 0;
}

int engine_open(struct engine **out, const struct engine_options *o, struct err *e)
{
    void *self = NULL;
    int rc = local_open(&self, o, e);
    return opened(out, &engine_local, self, rc);
}

int engine_spawn(struct engine **out, const char *program, const struct engine_options *o, struct err *e)
{
    void *self = NULL;
    int rc = engine_client_open(&self, program, o, e);
    return opened(out, &engine_client, self, rc);
}

void engine_close(struct engine *en)
{
    if (!en)
        return;
    en->kind->close(en->self);
    free(en);
}

int engine_pid(struct engine *en)
{
    return en->kind->pid(en->self);
}

void engine_provider(struct engine *en, char out[64])
{
    en->kind->provider(en->self, out);
}

int engine_residency(struct engine *en, struct residency_report *out, struct err *e)
{
    *out = (struct residency_report){0};
    return en->kind->residency(en->self, out, e);
}

int model_open(struct model **out, struct engine *en, const char *path, struct err *e)
{
    struct model *m = mem_zero(1, sizeof *m);
    m->kind = en->kind;
    int rc = en->kind->model_open(&m->self, en->self, path, &m->info, e);
    if (rc)
        free(m);
    else
        *out = m;
    return rc;
}

void model_close(struct model *m)
{
    if (!m)
        return;
    m->kind->model_close(m->self);
    free(m);
}

/* n tokens take n/rate + slope·n²/2. */
uint32_t model_reads(const struct model_info *info, double seconds)
{
    double each = 1 / (double)info->prompt_rate, slope = info->prompt_slope;
    double n = 2 * seconds / (each + sqrt(each * each + 2 * slope * seconds)); /* for slope 0 too */
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

const struct model_info *model_info(const struct model *m)
{
    return &m->info;
}

int model_embed_sized(struct model *m, enum embed_kind kind, const char *const *text, const size_t *len, size_t n,
                      enum priority p, float *out, uint32_t *used, const volatile bool *stop, struct err *e)
{
    return m->kind->embed(m->self, kind, text, len, n, p, out, used, stop, e);
}

int model_rerank_sized(struct model *m, const char *const *text, const size_t *len, size_t n, float *score, const volatile bool *stop,
                       struct err *e)
{
    if (!m->info.scores)
        return err_set(e, ERR_UNSUPPORTED, "%s is no reranker", m->info.name);
    if (n < 1 || n > RERANK_MAX + 1)
        return err_set(e, ERR_USAGE, "%zu documents at once", n - 1);
    return n == 1 ? 0 : m->kind->rerank(m->self, text, len, n, score, stop, e);
}

int model_rerank(struct model *m, const char *question, const char *const *document, size_t n, float *score,
                 const volatile bool *stop, struct err *e)
{
    const char *text[RERANK_MAX + 1] = {question};
    size_t len[RERANK_MAX + 1] = {strlen(question)};
    for (size_t i = 0; i < n && i < RERANK_MAX; i++) {
        text[i + 1] = document[i];
        len[i + 1] = strlen(document[i]);
    }
    return model_rerank_sized(m, text, len, n + 1, score, stop, e);
}

int model_embed(struct model *m, enum embed_kind kind, const char *const *text, size_t n, enum priority p, float *out,
                uint32_t *used_tokens, const volatile bool *stop, struct err *e)
{
    size_t *len = mem_alloc(n * sizeof *len);
    for (size_t i = 0; i < n; i++)
        len[i] = strnlen(text[i], TEXT_MAX);
    int rc = model_embed_sized(m, kind, text, len, n, p, out, used_tokens, stop, e);
    free(len);
    return rc;
}

struct embed_flight {
    struct model *m;
    const char *text;
    size_t len;
    void *flight; /* NULL: nothing was sent */
};

int model_embed_start(struct embed_flight **out, struct model *m, const char *text, struct err *e)
{
    struct embed_flight *w = mem_zero(1, sizeof *w);
    *w = (struct embed_flight){.m = m, .text = text, .len = strnlen(text, TEXT_MAX)};
    int rc = m->kind->start ? m->kind->start(&w->flight, m->self, &w->text, &w->len, e) : 0;
    if (rc)
        free(w);
    else
        *out = w;
    return rc;
}

int model_embed_finish(struct embed_flight *w, float *out, const volatile bool *stop, struct err *e)
{
    int rc = w->flight ? w->m->kind->finish(w->flight, out, stop, e)
                       : model_embed_sized(w->m, EMBED_QUERY, &w->text, &w->len, 1, PRIORITY_QUERY, out, NULL, stop, e);
    free(w);
    return rc;
}
