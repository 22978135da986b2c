/* embed: vectors of texts by the model that embeds the index, for other programs. */
#include "service/method.h"

#include "service/models.h"

#include <stdlib.h>
#include <string.h>

/* Little-endian, whatever the machine is. */
static json_t *vector_json(const float *v, uint32_t dim, struct arena *arena)
{
    unsigned char *bytes = arena_alloc(arena, (size_t)dim * 4);
    for (uint32_t i = 0; i < dim; i++) {
        uint32_t u;
        memcpy(&u, &v[i], 4);
        for (int k = 0; k < 4; k++)
            bytes[4 * i + k] = (unsigned char)(u >> 8 * k);
    }
    return json_base64(bytes, (size_t)dim * 4);
}

static int embed(json_t **result, struct request *rq, struct model *m, json_t *texts, size_t n, struct err *e)
{
    uint32_t dim = model_info(m)->dim, *used = arena_zero(&rq->arena, n, sizeof *used), tokens = 0;
    const char **text = arena_zero(&rq->arena, n, sizeof *text);
    float *out = arena_alloc(&rq->arena, n * dim * sizeof *out);
    for (size_t i = 0; i < n; i++)
        text[i] = json_string_value(json_is_array(texts) ? json_array_get(texts, i) : texts);
    /* one text is a user's that waits; many are work in the background */
    int rc = model_embed(m, param_bool(rq, "question") ? EMBED_QUERY : EMBED_DOCUMENT, text, n, n == 1 ? PRIORITY_QUERY : PRIORITY_DOCUMENT, out, used,
                         &rq->stop, e);
    if (rc)
        return rc;
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(rows, vector_json(out + i * dim, dim, &rq->arena));
        tokens += used[i];
    }
    *result = json_pack("{so, sI, so, sI}", "model", json_cstr(model_info(m)->name), "dim", (json_int_t)dim, "vectors", rows, "tokens", (json_int_t)tokens);
    return 0;
}

/* The one of the endpoint where that is named, else the one of this machine; where both are called the same, one stands in for the other. */
static int take(struct embedder **out, struct request *rq, struct err *e)
{
    bool far = *rq->s->o.config->embed_endpoint && param_str(rq, "model") && !model_is_named(rq, ROLE_FAR_EMBED, NULL),
         here = !model_is_named(rq, ROLE_EMBED, e);
    if (!far && !here)
        return ERR_NOT_FOUND;
    if (!rq->s->o.config->embed)
        return err_set(e, ERR_UNAVAILABLE, "embedding is switched off (embed = no)");
    int rc = far ? models_embedder(out, rq->s, ROLE_FAR_EMBED, e) : ERR_NOT_FOUND;
    return here && rc ? models_embedder(out, rq->s, ROLE_EMBED, e) : rc;
}

int method_embed(struct request *rq, json_t **result, struct err *e)
{
    json_t *texts = json_object_get(rq->params, "text");
    size_t n = json_is_array(texts) ? json_array_size(texts) : json_is_string(texts);
    struct embedder *m = NULL;
    int rc = n ? take(&m, rq, e) : err_set(e, ERR_USAGE, "text: at least one is wanted");
    if (!rc)
        rc = embed(result, rq, m->model, texts, n, e);
    models_drop(rq->s, m);
    return rc;
}
