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
    char *used[ROLES_HERE];
    for (int role = 0; role < ROLES_HERE; role++)
        used[role] = models_name(rq->s, (enum model_role)role);
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        bool in_use = false;
        for (int role = 0; role < ROLES_HERE; role++)
            in_use |= !strcmp(list[i].name, used[role]);
        json_array_append_new(rows, json_pack("{so, so, sb, sb}", "name", json_cstr(list[i].name), "path",
                                              json_cstr(list[i].path), "removable", list[i].ours, "used", in_use));
    }
    *result = json_pack("{so}", "models", rows);
    for (int role = 0; role < ROLES_HERE; role++) {
        json_object_set_new(*result, models_state_name((enum model_role)role), *used[role] ? json_cstr(used[role]) : json_null());
        free(used[role]);
    }
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

/* One that scores: a document of the question's own words before one of none. */
static int score_out(struct model *m, bool *good, const volatile bool *stop, struct err *e)
{
    static const char *const text[2] = {"reads a file line by line and closes it", "the colour of the sky at noon"};
    float score[2] = {0};
    int rc = model_rerank(m, "where is a file read line by line?", text, 2, score, stop, e);
    *good = !rc && isfinite(score[0]) && isfinite(score[1]) && score[0] != score[1];
    return rc;
}

/* What a model does is tried once. */
static int try_model(struct model *m, const char *path, const volatile bool *stop, struct err *e)
{
    const struct model_info *i = model_info(m);
    bool good = false;
    int rc = i->context ? write_out(m, &good, stop, e) : i->scores ? score_out(m, &good, stop, e) : try_out(m, &good, e);
    if (!rc && !good)
        rc = err_set(e, ERR_FORMAT, "%s: loads, and %s", path, i->context ? "writes nothing" : i->scores ? "its scores are all the same"
                     : "its vectors are not embeddings");
    return rc;
}

int method_model_verify(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    struct model *m = NULL;
    char *used = models_name(s, ROLE_EMBED), *path = NULL, hash[65];
    const char *name = param_str(rq, "name");
    int64_t began = clock_ns();
    int rc = model_find(&path, s->o.paths, name ? name : used, e);
    if (rc || (rc = model_open(&m, s->engine, path, e)) || (rc = try_model(m, path, &rq->stop, e)))
        goto out;
    const struct model_info *i = model_info(m);
    hex_of(hash, i->hash, 32);
    *result = json_pack("{so, so, so, sb, sI, sI, sI, sI, ss, so, sf}", "name", json_cstr(i->name), "path", json_cstr(path), "family",
                        json_cstr(i->family), "reranks", i->scores, "dim", (json_int_t)i->dim, "context", (json_int_t)i->context, "max_tokens", (json_int_t)i->max_tokens, "bytes",
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
    const char *name = param_str(rq, "name"), *none = param_str(rq, "none");
    enum model_role role = ROLE_EMBED;
    if (!name == !none)
        return err_set(e, ERR_USAGE, "the name is missing, or --none with a name");
    while (none && role < ROLES_HERE && strcmp(models_role(role), none))
        role++;
    if (role == ROLES_HERE)
        return err_set(e, ERR_USAGE, "no role is called %.40s: answer or rerank", none);
    int rc = none ? models_use_none(rq->s, role, e) : models_use(&role, rq->s, name, e);
    if (!rc)
        *result = json_pack("{so}", models_state_name(role), name ? json_cstr(name) : json_null());
    return rc;
}
