/* The tiny models of tests/parity/embedders as folders. */
#ifndef CODEASK_TESTS_TINY_FOLDER_H
#define CODEASK_TESTS_TINY_FOLDER_H

#include "tests/unit/engine/tiny_decoder.h"

static const char *const tiny_inside[] = {"1_Pooling", "1_LogitScore"}; /* folders of its own */

struct tiny_folder {
    char folder[64];
    json_t *root; /* what make_embedders.py wrote */
};

static inline const json_t *tiny_file(const struct tiny_folder *f, const char *name)
{
    return json_object_get(json_object_get(f->root, "files"), name);
}

static inline void tiny_folder_open(struct tiny_folder *f, const char *name)
{
    char path[500];
    json_error_t error;
    const char *key;
    json_t *value;
    *f = (struct tiny_folder){.folder = "/tmp/codeask-embed-XXXXXX"};
    assert_non_null(mkdtemp(f->folder));
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/parity/embedders/%s.json", name);
    f->root = json_load_file(path, 0, &error);
    if (!f->root)
        fail_msg("%s: %s", path, error.text);
    for (size_t i = 0; i < sizeof tiny_inside / sizeof *tiny_inside; i++) {
        snprintf(path, sizeof path, "%s/%s", f->folder, tiny_inside[i]);
        assert_int_equal(dir_make(path, 0700, NULL), 0);
    }
    json_object_foreach(json_object_get(f->root, "files"), key, value) {
        char *text = json_dumps(value, 0);
        tiny_write(f->folder, key, text, strlen(text));
        free(text);
    }
    tiny_weights(f->folder, json_object_get(f->root, "tensors"));
}

static inline void tiny_folder_close(struct tiny_folder *f)
{
    const char *key;
    json_t *value;
    char path[200];
    json_object_foreach(json_object_get(f->root, "files"), key, value) {
        snprintf(path, sizeof path, "%s/%s", f->folder, key);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/model.safetensors", f->folder);
    unlink(path);
    for (size_t i = 0; i < sizeof tiny_inside / sizeof *tiny_inside; i++) {
        snprintf(path, sizeof path, "%s/%s", f->folder, tiny_inside[i]);
        rmdir(path);
    }
    assert_int_equal(rmdir(f->folder), 0);
    json_decref(f->root);
}

#endif
