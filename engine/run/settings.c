#include "engine/run/settings.h"
#include "base/buf.h"
#include "engine/format/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_BYTES (1u << 20)
#define CONFIG_DEPTH 12
#define CONFIG_VALUES 20000

int settings_open(struct settings *s, const struct model_file *file, struct err *e)
{
    struct buf path = BUF_INIT;
    struct meta m;
    int rc = 0;
    *s = (struct settings){.file = file, .gguf = model_file_is_gguf(file)};
    if (s->gguf) {
        if (!model_file_meta(file, "general.architecture", &m) || m.kind != META_TEXT || m.len >= sizeof s->arch)
            return err_set(e, ERR_FORMAT, "the file does not name its architecture (general.architecture)");
        snprintf(s->arch, sizeof s->arch, "%s", m.text);
        return 0;
    }
    buf_addf(&path, "%s/config.json", model_file_folder(file));
    rc = json_file(&s->root, path.data, CONFIG_BYTES, CONFIG_DEPTH, CONFIG_VALUES, e);
    if (rc)
        goto out;
    s->json = json_object_get(s->root, "text_config"); /* of models that read pictures too */
    if (!json_is_object(s->json))
        s->json = s->root;
    const char *type = json_get_text(s->json, "model_type", NULL);
    if (type == NULL || strlen(type) >= sizeof s->arch)
        rc = err_set(e, ERR_FORMAT, "%s has no model_type", path.data);
    else
        snprintf(s->arch, sizeof s->arch, "%s", type);
out:
    buf_release(&path);
    return rc;
}

void settings_release(struct settings *s)
{
    json_decref(s->root);
    memset(s, 0, sizeof *s);
}

static bool meta_of(const struct settings *s, const char *key, struct meta *m)
{
    char full[160];
    if (key == NULL)
        return false;
    snprintf(full, sizeof full, "%s.%s", s->arch, key);
    return model_file_meta(s->file, full, m);
}

/* The value, or NULL where it is missing or null. */
static const json_t *json_of(const struct settings *s, const char *key)
{
    const json_t *at = s->json;
    char part[64];
    while (key && at) {
        const char *dot = strchr(key, '.');
        size_t n = dot ? (size_t)(dot - key) : strlen(key);
        if (n >= sizeof part)
            return NULL;
        memcpy(part, key, n);
        part[n] = '\0';
        at = json_object_get(at, part);
        key = dot ? dot + 1 : NULL;
    }
    return at == s->json || json_is_null(at) ? NULL : at;
}

/* 1: found. A list whose elements are equal counts as its element (GGUF's per-layer numbers). */
static int number(double *out, const struct settings *s, const char *gguf, const char *json, struct err *e)
{
    struct meta m;
    if (!s->gguf) {
        const json_t *v = json_of(s, json);
        if (v == NULL)
            return 0;
        if (!json_is_number(v))
            return err_set(e, ERR_FORMAT, "config.json: \"%s\" is no number", json);
        *out = json_number_value(v);
        return 1;
    }
    if (!meta_of(s, gguf, &m))
        return 0;
    if (m.kind == META_INTS && m.len) {
        *out = (double)meta_int(&m, 0);
        for (size_t i = 1; i < m.len; i++)
            *out = fmax(*out, (double)meta_int(&m, i));
        return 1;
    }
    if (m.kind != META_INT && m.kind != META_FLOAT)
        return err_set(e, ERR_FORMAT, "%s.%s is no number", s->arch, gguf);
    *out = m.number;
    return 1;
}

int setting_uint(uint32_t *out, const struct settings *s, const char *gguf, const char *json, uint32_t most, struct err *e)
{
    double x;
    int found = number(&x, s, gguf, json, e);
    if (found <= 0)
        return found;
    if (!(x >= 0 && x <= most) || x != floor(x))
        return err_set(e, ERR_FORMAT, "\"%s\" is %g, which is not a whole number of 0 to %u", s->gguf ? gguf : json, x, most);
    *out = (uint32_t)x;
    return 0;
}

int setting_double(double *out, const struct settings *s, const char *gguf, const char *json, struct err *e)
{
    double x;
    int found = number(&x, s, gguf, json, e);
    if (found <= 0)
        return found;
    if (!isfinite(x))
        return err_set(e, ERR_FORMAT, "\"%s\" is not finite", s->gguf ? gguf : json);
    *out = x;
    return 0;
}

int setting_float(float *out, const struct settings *s, const char *gguf, const char *json, struct err *e)
{
    double x = *out;
    int rc = setting_double(&x, s, gguf, json, e);
    *out = (float)x;
    return rc;
}

int setting_bool(bool *out, const struct settings *s, const char *gguf, const char *json, struct err *e)
{
    struct meta m;
    if (s->gguf) {
        if (meta_of(s, gguf, &m))
            *out = m.kind == META_BOOL || m.kind == META_INT ? m.integer != 0 : *out;
        return 0;
    }
    const json_t *v = json_of(s, json);
    if (v && !json_is_boolean(v))
        return err_set(e, ERR_FORMAT, "config.json: \"%s\" is neither true nor false", json);
    if (v)
        *out = json_is_true(v);
    return 0;
}

const char *setting_text(const struct settings *s, const char *gguf, const char *json, const char *fallback)
{
    struct meta m;
    if (s->gguf)
        return meta_of(s, gguf, &m) && m.kind == META_TEXT ? m.text : fallback;
    const json_t *v = json_of(s, json);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

const json_t *setting_item(const struct settings *s, const char *json, size_t i)
{
    return s->gguf ? NULL : json_array_get(json_of(s, json), i);
}

bool setting_nth(double *out, const struct settings *s, const char *gguf, size_t i)
{
    struct meta m;
    if (!s->gguf || !meta_of(s, gguf, &m) || i >= m.len || (m.kind != META_INTS && m.kind != META_FLOATS))
        return false;
    *out = m.kind == META_INTS ? (double)meta_int(&m, i) : meta_float(&m, i);
    return true;
}
