/* model list, verify, use. */
#include "service/method.h"

#include "base/clock.h"
#include "base/hash.h"
#include "engine/generate.h"
#include "service/models.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int method_model_list(struct request *rq, json_t **result, struct err *e)
{
    struct model_entry *list = NULL;
    size_t n = 0;
    int rc = model_list(&list, &n, rq->s->o.paths, e);
    if (rc)
        return rc;
    char *used = models_name(rq->s, ROLE_EMBED), *answers = models_name(rq->s, ROLE_ANSWER);
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(rows, json_pack("{so, so, sb, sb}", "name", json_cstr(list[i].name), "path",
                                              json_cstr(list[i].path), "removable", list[i].ours, "used",
                                              !strcmp(list[i].name, used) || !strcmp(list[i].name, answers)));
    *result = json_pack("{so, so, so}", "models", rows, "embed_model", json_cstr(used), "answer_model", *answers ? json_cstr(answers) : json_null());
    free(used);
    free(answers);
    model_list_release(list, n);
    return 0;
}

/* A vector that is not of unit length, or the same for two texts that have nothing in common, is no embedding. */
static int try_out(struct model *m, bool *good, struct err *e)
{
    static const char *const text[2] = {"opens a file and reads it line by line", "the colour of the sky at noon"};
    uint32_t dim = model_info(m)->dim;
    float *v = calloc(2 * (size_t)dim, sizeof *v);
    double len = 0, dot = 0;
    if (!v)
        return err_set(e, ERR_MEMORY, "%u dimensions", dim);
    int rc = model_embed(m, EMBED_DOCUMENT, text, 2, PRIORITY_QUERY, v, NULL, NULL, e);
    for (uint32_t i = 0; i < dim && !rc; i++) {
        len += (double)v[i] * v[i];
        dot += (double)v[i] * v[dim + i];
    }
    *good = !rc && fabs(len - 1) < 1e-2 && dot < 0.9;
    free(v);
    return rc;
}

/* One that writes: a few tokens, whatever they are. */
static bool ignore(void *arg, const struct gen_piece *p)
{
    return true;
}

static int write_out(struct model *m, bool *good, const volatile bool *stop, struct err *e)
{
    static const char text[] = "Say hello.";
    struct gen_message ask = {"user", text, sizeof text - 1};
    struct gen_prompt p = {.message = &ask, .n = 1, .options.max_tokens = 8};
    struct gen_result r = {0};
    int rc = model_generate(m, &p, ignore, NULL, &r, stop, e);
    *good = !rc && r.prompt_tokens && (r.answer_tokens || r.reasoning_tokens);
    return rc;
}

int method_model_verify(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    struct model *m = NULL;
    char *used = models_name(s, ROLE_EMBED), *path = NULL, hash[65];
    const char *name = param_str(rq, "name");
    bool good = false;
    int64_t began = clock_ns();
    int rc = model_find(&path, s->o.paths, name ? name : used, e);
    if (rc || (rc = model_open(&m, s->engine, path, e)) || 
        (rc = model_info(m)->context ? write_out(m, &good, &rq->stop, e) : try_out(m, &good, e)))
        goto out;
    if (!good) {
        rc = err_set(e, ERR_FORMAT, model_info(m)->context ? "%s: loads, and writes nothing" : "%s: loads, and its vectors are not embeddings", path);
        goto out;
    }
    const struct model_info *i = model_info(m);
    hex_of(hash, i->hash, 32);
    *result = json_pack("{so, so, so, sI, sI, sI, sI, ss, so, sf}", "name", json_cstr(i->name), "path", json_cstr(path), "family",
                        json_cstr(i->family), "dim", (json_int_t)i->dim, "context", (json_int_t)i->context, "max_tokens", (json_int_t)i->max_tokens, "bytes",
                        (json_int_t)i->bytes, "sha256", hash, "provider", json_cstr(i->provider), "took_ms",
                        (double)(clock_ns() - began) / 1e6);
out:
    if (m)
        model_close(m);
    free(path);
    free(used);
    return rc;
}

int method_model_use(struct request *rq, json_t **result, struct err *e)
{
    const char *name = param_str(rq, "name");
    if (!name)
        return err_set(e, ERR_USAGE, "the name is missing");
    enum model_role role;
    int rc = models_use(&role, rq->s, name, e);
    if (!rc)
        *result = json_pack("{so}", role == ROLE_ANSWER ? "answer_model" : "embed_model", json_cstr(name));
    return rc;
}
