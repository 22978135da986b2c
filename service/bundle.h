/* Bundles: what a newcomer may read, as one signed file. It is an OCI image archive, so that container tools read it too.
 *
 *   tar (base/tar.h) of:
 *     oci-layout                     {"imageLayoutVersion":"1.0.0"}
 *     blobs/  blobs/sha256/
 *     blobs/sha256/HEX               the layers, in the manifest's order: tars of the same form, not compressed (texts of the index are already,
 *                                    and weights hardly shrink)
 *     blobs/sha256/HEX               the image's configuration: entrypoint codeaskd
 *     blobs/sha256/HEX               the image's manifest; annotation "org.codeask.contents": what is in it, as JSON
 *     index.json                     names the manifest; annotations "org.codeask.key": the signer's Ed25519 key, "org.codeask.signature": over
 *                                    BUNDLE_SIGNED and the manifest's "sha256:HEX"; both in hexadecimal digits
 *
 *   layer "programs"  usr/bin/codeask, codeaskd, and the libraries that they are linked with
 *   layer "models"    usr/share/codeask/models/NAME/…, or NAME.gguf
 *   layer "home"      var/lib/codeask/config, index.mdb, state.mdb, adapters/NAME/…
 *
 * Every byte is checked: blobs by their digests, the manifest's by the signature, and all else by being what the program would have written.
 * Text in contents is from the maker's side and is only shown once the signature holds. */
#ifndef CODEASK_SERVICE_BUNDLE_H
#define CODEASK_SERVICE_BUNDLE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/tar.h"

#include <jansson.h>
#include <stdio.h>

#define BUNDLE_FORMAT 1
#define BUNDLE_SIGNED "codeask bundle 1\n"
#define BUNDLE_LAYERS 3
#define BUNDLE_JSON_MAX ((size_t)4 << 20)    /* bytes of a manifest: 10,000 repositories are about 2 MB */
#define BUNDLE_FILES_MAX 100000              /* of a layer: an adapter has six, a model a hundred */
#define BUNDLE_HOME "var/lib/codeask"
#define BUNDLE_MODELS "usr/share/codeask/models"

/* -- keys (bundle_key.c) ------------------------------------------------------------------------------------------------------- */
#define KEY_BYTES 32
#define SIGNATURE_BYTES 64
#define FINGERPRINT 65 /* SHA-256 of the public key, 64 hexadecimal digits, NUL */
void key_fingerprint(char out[FINGERPRINT], const uint8_t key[KEY_BYTES]);
/* Signs with the home's own key, bundle.key (0600), which is made at first; bundle.pub is its public part in PEM. */
int key_sign(uint8_t key[KEY_BYTES], uint8_t signature[SIGNATURE_BYTES], const char *home, const void *bytes, size_t n, struct err *e);
bool key_verify(const uint8_t key[KEY_BYTES], const uint8_t signature[SIGNATURE_BYTES], const void *bytes, size_t n);
/* A fingerprint (case and colons do not matter), or a file with a public key in PEM. ERR_USAGE. */
int key_named(char out[FINGERPRINT], const char *text, struct err *e);
/* The home's own, or one that it was told to trust (bundle.trusted, a fingerprint a line). */
bool key_trusted(const char *home, const char *fingerprint);
int key_trust(const char *home, const char *fingerprint, struct err *e);

/* -- writing (bundle_write.c) --------------------------------------------------------------------------------------------------- */
struct bundle_file {
    char *path;         /* in the layer */
    char *from;         /* the file that is read; NULL: bytes */
    struct buf bytes;
    bool folder;
    unsigned mode;
    uint64_t size;
};
struct bundle_layer {
    const char *part;
    struct bundle_file *v;
    size_t n, cap;
    uint64_t bytes;     /* of its files */
};
void layer_folder(struct bundle_layer *l, const char *path);
void layer_bytes(struct bundle_layer *l, const char *path, const void *bytes, size_t n, unsigned mode);
int layer_file(struct bundle_layer *l, const char *path, const char *from, unsigned mode, struct err *e); /* a regular file, by its size now */
int layer_tree(struct bundle_layer *l, const char *path, const char *from, struct err *e); /* regular files below a folder; hidden ones are left out */
void layer_release(struct bundle_layer *l);

struct bundle_writing {
    const char *path;         /* absolute; PATH.part while it is written, renamed at the end */
    bool layout;              /* a folder, new or empty, with the same files instead of an archive */
    const char *home;         /* whose key signs */
    struct bundle_layer *layer;
    size_t n;
    json_t *contents;
    int64_t as_of_ms;         /* of what is in it: the image's date */
    /* Shows how far it is; true: end with ERR_CANCELED. */
    bool (*progress)(void *arg, uint64_t done, uint64_t all);
    /* Called when its name is known and it is not in its place yet; an error ends it. NULL. */
    int (*note)(void *arg, const char *digest, struct err *e);
    void *arg;
};
struct bundle_made {
    char digest[65], fingerprint[FINGERPRINT];
    uint64_t bytes;
};
/* Nothing is left of what failed. ERR_USAGE where something is at path already. */
int bundle_write(struct bundle_made *out, const struct bundle_writing *w, struct err *e);
const char *bundle_architecture(void); /* of this build, as OCI has it */

/* -- reading (bundle_read.c) ---------------------------------------------------------------------------------------------------- */
struct bundle_info {
    json_t *contents;         /* borrowed: while the call lasts */
    char digest[65], fingerprint[FINGERPRINT];
    uint64_t bytes, layer[BUNDLE_LAYERS];
};
struct bundle_reading {
    const char *name;         /* for errors */
    /* Once the signature is good, before anything else is looked at: an error refuses it. NULL: any signer. */
    int (*judge)(void *arg, const struct bundle_info *i, struct err *e);
    /* A file or folder of a layer, in order; of a file, its bytes then, and an end. NULL: only looked at. What is given may still turn out to be
     * false, at the end of its layer: it is nothing before bundle_read returned 0. */
    int (*entry)(void *arg, const char *part, const struct tar_entry *t, struct err *e);
    int (*bytes)(void *arg, const void *p, size_t n, struct err *e);
    int (*end)(void *arg, struct err *e);
    bool (*progress)(void *arg, uint64_t done, uint64_t all); /* NULL; true: end with ERR_CANCELED */
    void *arg;
};
/* f must be seekable. ERR_FORMAT: no bundle; ERR_CORRUPT: a damaged or forged one; ERR_VERSION: one of a newer program. */
int bundle_read(FILE *f, const struct bundle_reading *r, struct err *e);

/* The texts around the layers, as the writer makes them and the reader wants them. */
struct bundle_blob {
    char hex[65];
    uint64_t size;
    const char *part;         /* of a layer */
};
char *bundle_config_text(const struct bundle_blob *layer, size_t n, const char *architecture, const char *created);
char *bundle_manifest_text(const struct bundle_blob *config, const struct bundle_blob *layer, size_t n, const char *contents, const char *created);
char *bundle_index_text(const struct bundle_blob *manifest, const uint8_t key[KEY_BYTES], const uint8_t signature[SIGNATURE_BYTES]);
#define BUNDLE_LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}"

#endif
