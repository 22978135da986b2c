/* model verify FILE, model quantize and model merge: what needs nothing but the files. */
#include "service/alone.h"

#include "base/clock.h"
#include "base/hash.h"
#include "engine/format/quantize.h"
#include "engine/format/summary.h"
#include "engine/run/importance.h"
#include "engine/train/merge.h"
#include "service/sample.h"

#include <string.h>

static const char *text_of(json_t *params, const char *key)
{
    return json_string_value(json_object_get(params, key));
}

int model_check_alone(json_t **result, const struct alone *a, json_t *params, struct err *e)
{
    struct model_summary s;
    const char *path = text_of(params, "name");
    char hash[65];
    int64_t began = clock_ns();
    (void)a;
    if (!path)
        return err_set(e, ERR_USAGE, "the file is missing");
    int rc = model_summarize(&s, path, e);
    if (rc)
        return rc;
    json_t *types = json_array();
    for (int i = 0; i < BLOCK_COUNT; i++)
        if (s.of[i].tensors)
            json_array_append_new(types, json_pack("{ss, sI, sI}", "type", block_formats[i].name, "tensors",
                                                   (json_int_t)s.of[i].tensors, "values", (json_int_t)s.of[i].values));
    hex_of(hash, s.hash, 32);
    *result = json_pack("{so, ss, so, so, sI, sI, sI, sI, so, ss, sf}", "path", json_cstr(path), "container",
                        s.gguf ? "gguf" : "safetensors", "family", json_cstr(s.family), "name", json_cstr(s.name), "files",
                        (json_int_t)s.files, "tensors", (json_int_t)s.tensors, "values", (json_int_t)s.values, "bytes",
                        (json_int_t)s.bytes, "types", types, "sha256", hash, "took_ms", (double)(clock_ns() - began) / 1e6);
    return 0;
}

struct shown { /* of a quantisation on its way */
    const struct alone *a;
    const char *name;
    int64_t began;
};

static bool show(void *arg, uint64_t done, uint64_t all)
{
    const struct shown *s = arg;
    return s->a->progress(s->a, json_pack("{ss, so, sI, sI, sf}", "stage", "quantising", "repo", json_cstr(s->name), "bytes_done",
                                          (json_int_t)done, "bytes", (json_int_t)all, "seconds",
                                          (double)(clock_ns() - s->began) / 1e9));
}

static bool show_reading(void *arg, uint64_t tokens, uint64_t all)
{
    const struct shown *s = arg;
    return s->a->progress(s->a, json_pack("{ss, so, sI, sI, sf}", "stage", "reading", "repo", json_cstr(s->name), "tokens_done",
                                          (json_int_t)tokens, "tokens", (json_int_t)all, "seconds", (double)(clock_ns() - s->began) / 1e9));
}

static const float *weight_of(void *of, const char *tensor, uint64_t expert, uint64_t k)
{
    return importance_of(of, tensor, expert, k);
}

/* What the model reads of the text that was named; *out stays NULL where none was. */
static int weigh(struct importance **out, struct shown *s, const char *in, const char *from, int threads, struct err *e)
{
    struct buf text = BUF_INIT;
    struct model_file *f = NULL;
    if (!from)
        return 0;
    int rc = strcmp(from, "index") ? sample_path(&text, from, SAMPLE_BYTES, e) : sample_index(&text, s->a->paths->home, SAMPLE_BYTES, e);
    if (!rc)
        rc = model_file_open(&f, in, e);
    if (!rc)
        rc = importance_measure(out, f, text.data ? text.data : "", text.len, threads, show_reading, s, e);
    model_file_close(f);
    buf_release(&text);
    return rc;
}

int model_quantize_alone(json_t **result, const struct alone *a, json_t *params, struct err *e)
{
    const char *in = text_of(params, "in"), *out = text_of(params, "out"), *type = text_of(params, "type");
    struct quantize_report r;
    if (!in || !out || !type)
        return err_set(e, ERR_USAGE, "IN, OUT and TYPE are wanted");
    struct shown s = {a, path_base(str_of(out)).p, clock_ns()};
    struct importance *im = NULL;
    struct quantize how = {.threads = (int)json_integer_value(json_object_get(params, "threads")), .progress = show, .arg = &s};
    int rc = quantize_type(&how.type, type, e);
    if (!rc)
        rc = weigh(&im, &s, in, text_of(params, "text"), how.threads, e);
    if (im) {
        how.importance = weight_of;
        how.importance_of = im;
    }
    if (!rc)
        rc = model_quantize(&r, in, out, &how, e);
    if (!rc)
        *result = json_pack("{so, ss, sI, sI, sI, sI, sI, sI, sf, sf}", "path", json_cstr(out), "type", block_formats[how.type].name,
                            "tensors", (json_int_t)r.tensors, "changed", (json_int_t)r.changed, "weighed", (json_int_t)r.weighed, "text_tokens",
                            (json_int_t)(im ? importance_tokens(im) : 0), "bytes_in",
                            (json_int_t)r.bytes_in, "bytes_out", (json_int_t)r.bytes_out, "error", r.error, "took_ms",
                            (double)(clock_ns() - s.began) / 1e6);
    importance_free(im);
    return rc;
}

int model_merge_alone(json_t **result, const struct alone *a, json_t *params, struct err *e)
{
    const char *from = text_of(params, "in"), *adapter = text_of(params, "adapter"), *to = text_of(params, "out");
    int64_t began = clock_ns();
    if (!from || !adapter || !to)
        return err_set(e, ERR_USAGE, "three folders are wanted: the model, the adapter, and the new one");
    a->progress(a, json_pack("{ss, so}", "stage", "merging", "repo", json_cstr(to)));
    int rc = merge_write(to, from, adapter, e);
    if (!rc)
        *result = json_pack("{so, so, so, sf}", "in", json_cstr(from), "adapter", json_cstr(adapter), "merged", json_cstr(to), "took_ms",
                            (double)(clock_ns() - began) / 1e6);
    return rc;
}
