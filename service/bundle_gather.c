#include "service/bundle_gather.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "service/adapters.h"
#include "service/holders.h"
#include "service/models.h"
#include "service/permission.h"
#include "service/pins.h"
#include "service/query_maps.h"
#include "service/scope.h"
#include "store/people.h"

#include <stdlib.h>
#include <string.h>

static void leave_out(struct gathered *g, const char *kind, const char *name, const char *why)
{
    json_array_append_new(json_object_get(g->contents, "left_out"), json_pack("{ss, so, ss}", "kind", kind, "name", json_cstr(name), "why", why));
}

/* -- repositories --------------------------------------------------------------------------------------------------------------------- */

struct may {
    bool all;
    uint32_t *id;
    size_t n;
};

/* What --user may read. */
static int may_of(struct may *out, struct request *rq, struct err *e)
{
    struct user_row u;
    const char *name = param_str(rq, "user");
    *out = (struct may){.all = !name};
    if (!name)
        return 0;
    int rc = people_name_ok(name) ? people_user(&u, rq->s->store, name, false, e) : ERR_NOT_FOUND;
    if (rc == ERR_NOT_FOUND) {
        err_set(e, rc, "no user is called %.64s", name);
        err_hint(e, "`codeask user list` shows the names");
    }
    return rc ? rc : people_may_read(&out->id, &out->n, rq->s->store, u.id, e);
}

static bool reads(const struct may *m, uint32_t id)
{
    bool yes = m->all;
    for (size_t i = 0; i < m->n && !yes; i++)
        yes = m->id[i] == id;
    return yes;
}

static bool is_named(json_t *names, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(names, i, one)
        if (json_string_value(one) && !strcmp(json_string_value(one), name))
            return true;
    return false;
}

static int newest(void *arg, const struct ref_row *r)
{
    int64_t *ms = arg;
    if (r->reconciled_ns / 1000000 > *ms)
        *ms = r->reconciled_ns / 1000000;
    return 0;
}

/* As the index has it, which is what an answer is made of. ERR_NOT_FOUND: not indexed yet. */
static int tell_repo(struct gathered *g, struct service *s, const struct repo_row *r, struct err *e)
{
    struct seen seen;
    struct txn *t;
    char hex[2 * OID_MAX + 1] = "";
    int rc = view_lookup(&seen, s, r, NULL, e);
    if (rc || (rc = store_read(&t, s->store, e)))
        return rc;
    rc = refs_each(t, r->id, newest, &g->as_of_ms, e);
    txn_end(t);
    hex_of(hex, seen.commit.byte, seen.oid_len);
    json_array_append_new(json_object_get(g->contents, "repos"),
                          json_pack("{so, so, sI, sI, sI}", "repo", json_cstr(r->name), "commit", seen.oid_len ? json_string(hex) : json_null(), "files",
                                    (json_int_t)seen.files, "bytes", (json_int_t)seen.bytes, "uncommitted", (json_int_t)seen.overlay_files));
    return rc;
}

static int take_repo(struct gathered *g, struct request *rq, const struct repo_row *r, bool named, struct err *e)
{
    struct buf path = BUF_INIT;
    struct err why;
    int rc = 0;
    if (repo_pinned(rq->s, r->id)) {
        if (named)
            rc = err_set(e, ERR_DENIED, "%s stays on this machine (repo pin)", r->name);
        else
            leave_out(g, "repository", r->name, "stays on this machine (repo pin)");
        return rc;
    }
    if ((rc = tell_repo(g, rq->s, r, &why))) {
        if (rc != ERR_NOT_FOUND || named)
            return err_set(e, rc, "%s: %s", r->name, why.message);
        leave_out(g, "repository", r->name, "not indexed yet");
        return 0;
    }
    buf_addf(&path, "bundle:%s", r->name);
    g->source[g->n] = (struct repo_row){.id = r->id, .name = mem_str(r->name), .path = mem_str(r->path), .plain = r->plain};
    g->repo[g->n++] = (struct repo_row){.id = r->id, .name = mem_str(r->name), .path = buf_take(&path), .plain = r->plain};
    return 0;
}

static int take_repos(struct gathered *g, struct request *rq, struct err *e)
{
    struct repo_row *rows = NULL;
    struct may may;
    size_t n = 0, found = 0;
    json_t *given = json_object_get(rq->params, "repo"), *names = json_is_string(given) ? json_pack("[O]", given) : json_incref(given);
    int rc = readable_repos(&rows, &n, rq, e);
    if (rc || (rc = may_of(&may, rq, e)))
        goto out;
    g->repo = mem_zero(n + 1, sizeof *g->repo);
    g->source = mem_zero(n + 1, sizeof *g->source);
    for (size_t i = 0; i < n && !rc; i++)
        if (reads(&may, rows[i].id) && (!names || is_named(names, rows[i].name))) {
            found++;
            rc = take_repo(g, rq, &rows[i], names != NULL, e);
        }
    for (size_t i = 0; i < json_array_size(names) && !rc; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        bool there = false;
        for (size_t k = 0; k < g->n; k++)
            there |= name && !strcmp(g->repo[k].name, name);
        if (!there) {
            rc = err_set(e, ERR_NOT_FOUND, "no repository is called %.200s%s", name, param_str(rq, "user") ? ", or the user may not read it" : "");
            err_hint(e, "`codeask repo list` and `codeask access list` show what there is");
        }
    }
    if (!rc && !g->n)
        rc = err_set(e, ERR_NO_REPOSITORY, found ? "none of these repositories can go into a bundle" : "there is no repository to put into a bundle");
    free(may.id);
out:
    json_decref(names);
    state_repos_free(rows, n);
    return rc;
}

/* -- settings: what an answer depends on, and no address, path or limit of this machine ----------------------------------------------------- */

static const char *const settings[] = {"embed", "generate", "rerank_ms", "answer_tokens", "reasoning_tokens", "read_ms_cpu", "read_ms_gpu", "generate_seconds",
                                       "history", "history_people", "max_file_bytes", NULL};

static void set_model(struct gathered *g, struct buf *text, const char *key, const char *name)
{
    json_object_set_new(json_object_get(g->contents, "settings"), key, json_cstr(name));
    buf_addf(text, "%s = \"%s\"\n", key, name);
}

static void take_settings(struct gathered *g, struct service *s)
{
    struct buf text = BUF_INIT, value = BUF_INIT;
    buf_adds(&text, "# of the bundle that this home was made from\n");
    for (size_t i = 0; settings[i]; i++)
        for (size_t k = 0; k < config_nrows; k++)
            if (!strcmp(config_rows[k].key, settings[i])) {
                buf_clear(&value);
                config_show(&value, s->o.config, &config_rows[k]);
                json_object_set_new(json_object_get(g->contents, "settings"), settings[i], json_cstr(value.data));
                buf_addf(&text, "%s = %s\n", settings[i], value.data);
            }
    for (int role = 0; role < ROLES_HERE; role++) {
        char *name = models_name(s, (enum model_role)role);
        if (*name || role != ROLE_EMBED)
            set_model(g, &text, models_state_name((enum model_role)role), name);
        free(name);
    }
    set_model(g, &text, "draft_model", s->o.config->draft_model);
    layer_bytes(&g->layer[LAYER_HOME], BUNDLE_HOME "/config", text.data, text.len, 0600);
    buf_release(&text);
    buf_release(&value);
}

/* -- models ------------------------------------------------------------------------------------------------------------------------------ */

/* NAME-00001-of-00003.gguf and its sisters. */
static int take_gguf(struct bundle_layer *l, const char *path, struct err *e)
{
    size_t stem = 0;
    unsigned of = model_shards(path, NULL, &stem);
    int rc = 0;
    for (unsigned i = 1; i <= (of ? of : 1) && !rc; i++) {
        struct buf from = BUF_INIT, to = BUF_INIT;
        if (of)
            buf_addf(&from, "%.*s" MODEL_SHARD_FORMAT, (int)stem, path, i, of);
        else
            buf_adds(&from, path);
        const char *base = strrchr(from.data, '/');
        buf_addf(&to, BUNDLE_MODELS "/%s", base ? base + 1 : from.data);
        rc = layer_file(l, to.data, from.data, 0644, e);
        buf_release(&from);
        buf_release(&to);
    }
    return rc;
}

static int take_model(struct gathered *g, struct request *rq, const char *name, const char *role, struct err *e)
{
    struct bundle_layer *l = &g->layer[LAYER_MODELS];
    struct err why;
    char *path = NULL;
    uint64_t before = l->bytes;
    json_t *row;
    size_t i;
    if (!*name)
        return 0;
    json_array_foreach(json_object_get(g->contents, "models"), i, row)
        if (!strcmp(json_string_value(json_object_get(row, "model")), name))
            return 0;
    if (param_bool(rq, "no_models")) {
        leave_out(g, "model", name, "--no-models");
        return 0;
    }
    if (model_find(&path, rq->s->o.paths, name, &why)) { /* answers here do without it, too */
        leave_out(g, "model", name, "not found on this machine");
        return 0;
    }
    struct buf to = BUF_INIT;
    buf_addf(&to, BUNDLE_MODELS "/%s", name);
    int rc = dir_exists(path) ? layer_tree(l, to.data, path, e) : take_gguf(l, path, e);
    json_array_append_new(json_object_get(g->contents, "models"),
                          json_pack("{so, ss, sI}", "model", json_cstr(name), "role", role, "bytes", (json_int_t)(l->bytes - before)));
    buf_release(&to);
    free(path);
    return rc;
}

static int take_models(struct gathered *g, struct request *rq, struct err *e)
{
    int rc = 0;
    const struct config *c = rq->s->o.config;
    for (int role = 0; role < ROLES_HERE && !rc; role++) {
        char *name = models_name(rq->s, (enum model_role)role);
        if (role != ROLE_EMBED || c->embed)
            rc = take_model(g, rq, name, models_role((enum model_role)role), e);
        free(name);
    }
    if (!rc)
        rc = take_model(g, rq, c->draft_model, "draft", e);
    if (*c->answer_endpoint)
        leave_out(g, "endpoint", c->answer_endpoint_model, "writes answers on another machine");
    if (*c->embed_endpoint)
        leave_out(g, "endpoint", c->embed_endpoint_model, "embeds on another machine");
    return rc;
}

/* -- adapters in use: the one that answers are written with, and those that questions go through ------------------------------------------- */

static bool has(const struct gathered *g, json_t *id)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->repo[i].id == (uint32_t)json_integer_value(id))
            return true;
    return false;
}

/* Its weights and what was measured; of what it learned only the hashes. */
static int take_files(struct gathered *g, struct service *s, const char *name, struct err *e)
{
    static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors", QUERY_MAP_FILE, "codeask.json", "contents", "report.json"};
    char *folder = adapter_folder(s, name);
    int rc = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files && !rc; i++) {
        struct buf from = BUF_INIT, to = BUF_INIT;
        buf_addf(&from, "%s/%s", folder, files[i]);
        buf_addf(&to, BUNDLE_HOME "/adapters/%s/%s", name, files[i]);
        if (file_exists(from.data))
            rc = layer_file(&g->layer[LAYER_HOME], to.data, from.data, 0600, e);
        buf_release(&from);
        buf_release(&to);
    }
    free(folder);
    return rc;
}

/* *taken: it is in the bundle, by this call or one before. */
static int take_adapter(bool *taken, struct gathered *g, struct service *s, const char *name, struct err *e)
{
    *taken = json_object_get(g->lineage, name) != NULL;
    if (*taken)
        return 0;
    json_t *lineage = adapter_lineage(s, name), *id;
    size_t i;
    bool whole = lineage && json_array_size(json_object_get(lineage, "repos"));
    int rc = 0;
    json_array_foreach(json_object_get(lineage, "repos"), i, id)
        whole &= has(g, id);
    if (!whole || adapter_blocked(s, name)) {
        leave_out(g, "adapter", name, !whole ? "trained on repositories that are not in the bundle" : "has learned what was purged");
    } else if (!(rc = take_files(g, s, name, e))) {
        *taken = true;
        json_array_append_new(json_object_get(g->contents, "adapters"), json_cstr(name));
        json_object_set(g->lineage, name, lineage);
    }
    json_decref(lineage);
    return rc;
}

static int take_adapters(struct gathered *g, struct request *rq, struct err *e)
{
    struct service *s = rq->s;
    char *answers = adapter_now(s);
    json_t *maps = query_maps_now(s, g->repo, g->n), *asked = json_object();
    bool taken = false;
    int rc = 0;
    g->lineage = json_object();
    g->maps = json_object();
    if (*s->o.config->answer_adapter)
        leave_out(g, "adapter", s->o.config->answer_adapter, "nothing tells what it was trained on");
    if (*answers && !(rc = take_adapter(&taken, g, s, answers, e))) {
        g->adapter = taken ? mem_str(answers) : NULL;
        json_object_set_new(asked, answers, json_boolean(taken));
    }
    for (size_t i = 0; i < g->n && !rc; i++) {
        const char *name = json_string_value(json_object_get(maps, g->repo[i].name));
        char id[16];
        if (!name || json_object_get(asked, name)) {
            taken = name && json_is_true(json_object_get(asked, name));
        } else if (!(rc = take_adapter(&taken, g, s, name, e))) {
            json_object_set_new(asked, name, json_boolean(taken));
        }
        snprintf(id, sizeof id, "%u", g->repo[i].id);
        if (!rc && taken)
            json_object_set_new(g->maps, id, json_string(name));
    }
    json_decref(asked);
    json_decref(maps);
    free(answers);
    return rc;
}

int bundle_gather(struct gathered *g, struct request *rq, struct err *e)
{
    *g = (struct gathered){.layer = {{.part = "programs"}, {.part = "models"}, {.part = "home"}}};
    g->contents = json_pack("{si, ss, ss, si, si, s[], s[], s[], s{}, s[]}", "format", BUNDLE_FORMAT, "version", CODEASK_VERSION, "architecture",
                            bundle_architecture(), "index_schema", INDEX_SCHEMA, "state_schema", STATE_SCHEMA, "repos", "models", "adapters", "settings", "left_out");
    int rc = take_repos(g, rq, e);
    if (!rc)
        rc = take_adapters(g, rq, e);
    if (!rc)
        rc = take_models(g, rq, e);
    if (!rc && param_bool(rq, "no_programs"))
        leave_out(g, "programs", "", "--no-programs");
    else if (!rc)
        rc = bundle_programs(&g->layer[LAYER_PROGRAMS], rq->s->o.paths->program_dir, e);
    if (!rc) {
        take_settings(g, rq->s);
        json_object_set_new(g->contents, "as_of_ms", json_integer(g->as_of_ms));
    }
    return rc;
}

void gathered_release(struct gathered *g)
{
    state_repos_free(g->repo, g->n);
    state_repos_free(g->source, g->n);
    json_decref(g->contents);
    json_decref(g->lineage);
    json_decref(g->maps);
    free(g->adapter);
    for (int i = 0; i < BUNDLE_LAYERS; i++)
        layer_release(&g->layer[i]);
    *g = (struct gathered){0};
}
