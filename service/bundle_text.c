/* The JSON of an OCI image (image-spec 1.0): compact, keys sorted, so that the same parts give the same bytes. */
#include "service/bundle.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

const char *bundle_architecture(void)
{
#if defined __x86_64__
    return "amd64";
#elif defined __aarch64__
    return "arm64";
#else
    return "unknown";
#endif
}

static char *text_of(json_t *o /* stolen */)
{
    char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(o);
    return text;
}

static json_t *digest(const char *hex)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "sha256:%s", hex);
    json_t *o = json_string(b.data);
    buf_release(&b);
    return o;
}

static json_t *descriptor(const char *type, const struct bundle_blob *blob)
{
    return json_pack("{ss, so, sI}", "mediaType", type, "digest", digest(blob->hex), "size", (json_int_t)blob->size);
}

char *bundle_config_text(const struct bundle_blob *layer, size_t n, const char *architecture, const char *created)
{
    json_t *diffs = json_array(), *history = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(diffs, digest(layer[i].hex));
        json_array_append_new(history, json_pack("{ss, ss}", "created", created, "created_by", layer[i].part));
    }
    return text_of(json_pack("{ss, ss, ss, s{s[s], s[s, s], ss}, s{ss, so}, so}", "architecture", architecture, "os", "linux", "created", created, "config",
                             "Entrypoint", "/usr/bin/codeaskd", "Env", "PATH=/usr/bin", "CODEASK_HOME=/" BUNDLE_HOME, "WorkingDir", "/", "rootfs",
                             "type", "layers", "diff_ids", diffs, "history", history));
}

char *bundle_manifest_text(const struct bundle_blob *config, const struct bundle_blob *layer, size_t n, const char *contents, const char *created)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *one = descriptor(LAYER_TYPE, &layer[i]);
        json_object_set_new(one, "annotations", json_pack("{ss}", "org.codeask.part", layer[i].part));
        json_array_append_new(layers, one);
    }
    return text_of(json_pack("{si, ss, so, so, s{ss, ss, ss}}", "schemaVersion", 2, "mediaType", MANIFEST_TYPE, "config", descriptor(CONFIG_TYPE, config),
                             "layers", layers, "annotations", "org.codeask.contents", contents, "org.opencontainers.image.created", created,
                             "org.opencontainers.image.title", "codeask"));
}

char *bundle_index_text(const struct bundle_blob *manifest, const uint8_t key[KEY_BYTES], const uint8_t signature[SIGNATURE_BYTES])
{
    char key_hex[2 * KEY_BYTES + 1], signature_hex[2 * SIGNATURE_BYTES + 1];
    hex_of(key_hex, key, KEY_BYTES);
    hex_of(signature_hex, signature, SIGNATURE_BYTES);
    json_t *one = descriptor(MANIFEST_TYPE, manifest);
    json_object_set_new(one, "annotations", json_pack("{ss, ss, ss}", "org.opencontainers.image.ref.name", "codeask", "org.codeask.key", key_hex,
                                                      "org.codeask.signature", signature_hex));
    return text_of(json_pack("{si, s[o]}", "schemaVersion", 2, "manifests", one));
}
