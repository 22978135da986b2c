/* What a model file says about its architecture, GGUF metadata and config.json alike: a setting has a name in each world. */
#ifndef CODEASK_ENGINE_RUN_SETTINGS_H
#define CODEASK_ENGINE_RUN_SETTINGS_H

#include "engine/format/model_file.h"

#include <jansson.h>

struct settings {
    const struct model_file *file;
    bool gguf;
    char arch[64];       /* prefix of GGUF's keys, model_type of config.json */
    uint32_t context;    /* that is offered; 0: the model's own */
    json_t *root, *json; /* config.json; json: root, or its text_config */
};

int settings_open(struct settings *s, const struct model_file *file, struct err *e);
void settings_release(struct settings *s);

/* gguf: the key without its prefix; json: a key of config.json, "a.b" for a member of an object. NULL: not in that world.
 * Where it is missing or null, *out is left alone: fill in the default before. ERR_FORMAT: of another kind or out of range. */
int setting_uint(uint32_t *out, const struct settings *s, const char *gguf, const char *json, uint32_t most, struct err *e);
int setting_float(float *out, const struct settings *s, const char *gguf, const char *json, struct err *e);
int setting_double(double *out, const struct settings *s, const char *gguf, const char *json, struct err *e);
int setting_bool(bool *out, const struct settings *s, const char *gguf, const char *json, struct err *e);
const char *setting_text(const struct settings *s, const char *gguf, const char *json, const char *fallback);
/* Element i of a list of texts, numbers or bools in config.json (NULL: none), and of a list of numbers in GGUF (false: none). */
const json_t *setting_item(const struct settings *s, const char *json, size_t i);
bool setting_nth(double *out, const struct settings *s, const char *gguf, size_t i);

#endif
