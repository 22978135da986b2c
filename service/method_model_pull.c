/* model pull URL: a model from the address that the user names into <home>/models. One .gguf file, all the shards of one, or,
 * where the address ends in a slash, the folder of a safetensors model. */
#include "service/alone.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/format/model_file.h"
#include "service/fetch.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PULL_MAX (2ull << 40)        /* bytes of a file: beyond any model */
#define PULL_TEXT_MAX (256ull << 20) /* of a configuration or a tokenizer */
#define PULL_SHARDS_MAX 1000
#define PULL_INDEX_MAX (64 << 20)

struct pull {
    const struct alone *a;
    char *name, *host;  /* the model's; shown with the progress */
    char *dir;          /* where its files go */
    const uint8_t *sha256;
    int64_t began;
    uint64_t bytes, resumed;
    size_t files;
};

static bool show(void *arg, uint64_t done, uint64_t all)
{
    const struct pull *p = arg;
    struct buf what = BUF_INIT;
    buf_addf(&what, "%s from %s", p->name, p->host);
    bool stop = p->a->progress(p->a, json_pack("{ss, so, sI, sI, sf}", "stage", "pulling", "repo", json_cstr(what.data), "bytes_done",
                                               (json_int_t)done, "bytes", (json_int_t)all, "seconds",
                                               (double)(clock_ns() - p->began) / 1e9));
    buf_release(&what);
    return stop;
}

static int pull_one(struct pull *p, const char *url, const char *file, uint64_t max, struct err *e)
{
    struct buf path = BUF_INIT;
    struct fetched got;
    buf_addf(&path, "%s/%s", p->dir, file);
    struct fetch f = {.url = url, .path = path.data, .sha256 = p->sha256, .max = max, .progress = show, .arg = p};
    int rc = file_exists(path.data) ? 0 : fetch_file(&got, &f, e);
    if (!rc && !file_exists(path.data))
        rc = err_set(e, ERR_INTERNAL, "%s is not there", path.data);
    else if (!rc) {
        p->files++;
        p->bytes += got.bytes;
        p->resumed += got.resumed;
        snprintf(p->host, 256, "%s", got.host);
    }
    buf_release(&path);
    return rc;
}

/* The last part of an address, without what follows a ? or a #, and with %XX read: a plain file name or nothing. */
static char *name_of(const char *url)
{
    size_t n = strcspn(url, "?#");
    while (n && url[n - 1] == '/')
        n--;
    size_t from = n;
    while (from && url[from - 1] != '/')
        from--;
    struct buf b = BUF_INIT;
    for (size_t i = from; i < n; i++) {
        uint8_t byte;
        char hex[3] = {0};
        bool coded = url[i] == '%' && i + 2 < n;
        if (coded)
            memcpy(hex, url + i + 1, 2);
        if (coded && hex_to(&byte, hex, 1) == 1) {
            buf_addc(&b, (char)byte);
            i += 2;
        } else {
            buf_addc(&b, url[i]);
        }
    }
    bool good = b.len && b.len < 200 && b.data[0] != '.';
    for (size_t i = 0; i < b.len; i++)
        good &= b.data[i] != '/' && !iscntrl((unsigned char)b.data[i]);
    if (!good)
        buf_release(&b);
    return good ? buf_take(&b) : NULL;
}

static int pull_gguf(struct pull *p, const char *url, const char *file, struct err *e)
{
    size_t stem = 0;
    unsigned count = model_shards(file, NULL, &stem);
    struct buf u = BUF_INIT, name = BUF_INIT;
    int rc = 0;
    const char *base = strstr(url, file); /* the addresses of the others differ in the name alone */
    if (count < 2 || !base) {
        rc = pull_one(p, url, file, PULL_MAX, e);
    } else if (count > PULL_SHARDS_MAX || p->sha256) {
        rc = err_set(e, ERR_USAGE, p->sha256 ? "--sha256 is of one file, and this model has %u" : "%u files are too many", count);
    } else {
        for (unsigned i = 1; i <= count && !rc; i++) {
            buf_clear(&u);
            buf_clear(&name);
            buf_addf(&name, "%.*s" MODEL_SHARD_FORMAT, (int)stem, file, i, count);
            buf_addf(&u, "%.*s%s%s", (int)(base - url), url, name.data, base + strlen(file));
            rc = pull_one(p, u.data, name.data, PULL_MAX, e);
        }
    }
    buf_release(&u);
    buf_release(&name);
    return rc;
}

static int pull_from(struct pull *p, const char *base, const char *file, uint64_t max, bool must, struct err *e)
{
    struct buf u = BUF_INIT;
    buf_addf(&u, "%s%s", base, file);
    int rc = pull_one(p, u.data, file, max, e);
    buf_release(&u);
    return rc == ERR_NOT_FOUND && !must ? 0 : rc;
}

/* The files that the index names, each once. */
static int pull_indexed(struct pull *p, const char *base, struct err *e)
{
    struct buf path = BUF_INIT, bytes = BUF_INIT;
    json_t *v;
    const char *key;
    buf_addf(&path, "%s/model.safetensors.index.json", p->dir);
    int rc = file_read(&bytes, path.data, PULL_INDEX_MAX, e);
    json_t *root = rc ? NULL : json_loadb(bytes.data, bytes.len, 0, NULL), *map = json_object_get(root, "weight_map");
    if (!rc && !json_is_object(map))
        rc = err_set(e, ERR_FORMAT, "%s: no weight_map", path.data);
    json_t *seen = json_object();
    json_object_foreach(map, key, v) {
        const char *file = json_string_value(v);
        if (rc)
            break;
        if (!file || !*file || *file == '.' || strchr(file, '/') || strlen(file) > 200)
            rc = err_set(e, ERR_FORMAT, "%s: tensor %.80s: its file is no plain name", path.data, key);
        else if (!json_object_get(seen, file) && json_object_size(seen) >= PULL_SHARDS_MAX)
            rc = err_set(e, ERR_LIMIT, "%s: more than %d files", path.data, PULL_SHARDS_MAX);
        else if (!json_object_get(seen, file)) {
            json_object_set_new(seen, file, json_true());
            rc = pull_from(p, base, file, PULL_MAX, true, e);
        }
    }
    json_decref(seen);
    json_decref(root);
    buf_release(&bytes);
    buf_release(&path);
    return rc;
}

static int pull_folder(struct pull *p, const char *base, struct err *e)
{
    static const struct {
        const char *file;
        bool must;
    } texts[] = {{"config.json", true},          {"tokenizer.json", false},         {"tokenizer_config.json", false},
                 {"tokenizer.model", false},     {"vocab.txt", false},              {"special_tokens_map.json", false},
                 {"chat_template.jinja", false}, {"generation_config.json", false}, {"sentence_bert_config.json", false},
                 {"config_sentence_transformers.json", false}};
    struct buf index = BUF_INIT;
    int rc = p->sha256 ? err_set(e, ERR_USAGE, "--sha256 is of one file, and a folder has several") : dir_make(p->dir, 0700, e);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !rc; i++)
        rc = pull_from(p, base, texts[i].file, PULL_TEXT_MAX, texts[i].must, e);
    if (!rc)
        rc = pull_from(p, base, "model.safetensors.index.json", PULL_INDEX_MAX, false, e);
    buf_addf(&index, "%s/model.safetensors.index.json", p->dir);
    if (!rc)
        rc = file_exists(index.data) ? pull_indexed(p, base, e) : pull_from(p, base, "model.safetensors", PULL_MAX, true, e);
    buf_release(&index);
    return rc;
}

/* What came is a model: else the file that it would be found by is put aside as FILE.bad. */
static int check(const struct pull *p, const char *path, struct err *e)
{
    static const char *const found_by[] = {"", "/model.safetensors.index.json", "/model.safetensors"};
    struct model_file *f = NULL;
    struct buf file = BUF_INIT, bad = BUF_INIT;
    int rc = model_file_open(&f, path, e);
    model_file_close(f);
    for (size_t i = 0; i < sizeof found_by / sizeof *found_by && rc; i++) {
        buf_clear(&file);
        buf_clear(&bad);
        buf_addf(&file, "%s%s", path, found_by[i]);
        buf_addf(&bad, "%s.bad", file.data);
        if (!file_exists(file.data) || rename(file.data, bad.data))
            continue;
        err_hint(e, "%s sent something else than a whole model; it is put aside as %s", p->host, bad.data);
        break;
    }
    buf_release(&file);
    buf_release(&bad);
    return rc;
}

int model_pull_alone(json_t **result, const struct alone *a, json_t *params, struct err *e)
{
    const char *url = json_string_value(json_object_get(params, "url")), *as = json_string_value(json_object_get(params, "name")),
               *hex = json_string_value(json_object_get(params, "sha256"));
    uint8_t sha[32];
    char host[256] = "";
    struct pull p = {.a = a, .host = host, .began = clock_ns()};
    struct buf path = BUF_INIT;
    char *file = NULL;
    if (!url)
        return err_set(e, ERR_USAGE, "the address is missing");
    int rc = fetch_host(host, url, e);
    if (rc)
        return rc;
    if (hex && (strlen(hex) != 64 || hex_to(sha, hex, 32) != 32))
        return err_set(e, ERR_USAGE, "--sha256 wants 64 hexadecimal digits");
    p.sha256 = hex ? sha : NULL;
    bool folder = url[strcspn(url, "?#")] == 0 && url[strlen(url) - 1] == '/';
    file = as ? name_of(as) : name_of(url);
    size_t n = file ? strlen(file) : 0;
    if (!file || (as && strcmp(as, file))) {
        rc = err_set(e, ERR_USAGE, "%s gives no name for the model", as ? "--name" : "the address");
        goto out;
    }
    if (!folder && (n < 6 || strcmp(file + n - 5, ".gguf"))) {
        struct buf b = BUF_INIT;
        if (!as) {
            rc = err_set(e, ERR_USAGE, "%.200s: no .gguf file and no folder", url);
            err_hint(e, "the address of a folder of safetensors ends in a slash; --name NAME names another file");
            goto out;
        }
        buf_addf(&b, "%s.gguf", file);
        free(file);
        file = buf_take(&b);
    }
    p.name = file;
    buf_addf(&path, "%s/%s", a->paths->models, file);
    if ((rc = dir_make(a->paths->models, 0700, e)))
        goto out;
    if (!folder && file_exists(path.data)) {
        rc = err_set(e, ERR_USAGE, "%s is there already", path.data);
        goto out;
    }
    p.dir = folder ? path.data : a->paths->models;
    show(&p, 0, 0);
    if ((rc = folder ? pull_folder(&p, url, e) : pull_gguf(&p, url, file, e)) || (rc = dir_sync(p.dir, e)) ||
        (rc = check(&p, path.data, e)))
        goto out;
    *result = json_pack("{so, so, so, sI, sI, sI, sf}", "name", json_cstr(file), "path", json_cstr(path.data), "host", json_cstr(host),
                        "files", (json_int_t)p.files, "bytes", (json_int_t)p.bytes, "resumed", (json_int_t)p.resumed, "took_ms",
                        (double)(clock_ns() - p.began) / 1e6);
out:
    free(file);
    buf_release(&path);
    return rc;
}
