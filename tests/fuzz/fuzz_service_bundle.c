/* The reader of bundles. First byte even: the rest is a file. Odd: the rest is a layer, around which everything is right and signed, so that what
 * a mistaken signer may put there is read. What is given out never has a path that leads out, and is never more than the input. */
#include "base/hash.h"
#include "base/mem.h"
#include "engine/format/sha256.h"
#include "service/bundle.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen {
    size_t bytes, most;
    uint64_t left; /* of the file that is on its way */
};

static int entry(void *arg, const char *part, const struct tar_entry *t, struct err *e)
{
    struct seen *s = arg;
    if (s->left || !part || !tar_path_good(t->path) || t->path[0] == '/')
        abort();
    s->left = t->size;
    return 0;
}

static int bytes(void *arg, const void *p, size_t n, struct err *e)
{
    struct seen *s = arg;
    if (n > s->left || (s->bytes += n) > s->most)
        abort();
    s->left -= n;
    return 0;
}

static int end(void *arg, struct err *e)
{
    if (((struct seen *)arg)->left)
        abort();
    return 0;
}

static void member(struct buf *out, const char *path, bool folder, const void *p, size_t n)
{
    struct tar_entry t = {.folder = folder, .mode = folder ? 0755 : 0644, .size = n};
    snprintf(t.path, sizeof t.path, "%s", path);
    if (tar_header((uint8_t *)buf_room(out, TAR_BLOCK), &t, NULL))
        abort();
    out->len += TAR_BLOCK;
    buf_add(out, p, n);
    buf_zero_to(out, TAR_BLOCK);
}

static struct bundle_blob blob(struct buf *out, const void *p, size_t n)
{
    struct bundle_blob b = {.size = n, .part = "home"};
    uint8_t sha[32];
    char path[80];
    sha256(sha, p, n, NULL);
    hex_of(b.hex, sha, 32);
    snprintf(path, sizeof path, "blobs/sha256/%s", b.hex);
    member(out, path, false, p, n);
    return b;
}

/* The layer in a bundle, signed with a key that is always the same. */
static void wrap(struct buf *out, const uint8_t *layer, size_t n)
{
    static const uint8_t seed[KEY_BYTES] = "codeask fuzzes with this key";
    uint8_t key[KEY_BYTES], mark[SIGNATURE_BYTES];
    size_t key_n = sizeof key, mark_n = sizeof mark;
    struct buf text = BUF_INIT;
    member(out, "oci-layout", false, BUNDLE_LAYOUT_TEXT, sizeof BUNDLE_LAYOUT_TEXT - 1);
    member(out, "blobs", true, "", 0);
    member(out, "blobs/sha256", true, "", 0);
    struct bundle_blob home = blob(out, layer, n);
    char *config = bundle_config_text(&home, 1, "amd64", "1970-01-01T00:00:00Z");
    struct bundle_blob c = blob(out, config, strlen(config));
    char *manifest = bundle_manifest_text(&c, &home, 1, "{\"format\":1}", "1970-01-01T00:00:00Z");
    struct bundle_blob m = blob(out, manifest, strlen(manifest));
    buf_addf(&text, BUNDLE_SIGNED "sha256:%s", m.hex);
    EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (EVP_PKEY_get_raw_public_key(k, key, &key_n) != 1 || EVP_DigestSignInit(md, NULL, NULL, NULL, k) != 1 ||
        EVP_DigestSign(md, mark, &mark_n, (const uint8_t *)text.data, text.len) != 1)
        abort();
    char *index = bundle_index_text(&m, key, mark);
    member(out, "index.json", false, index, strlen(index));
    memset(buf_room(out, 2 * TAR_BLOCK), 0, 2 * TAR_BLOCK);
    out->len += 2 * TAR_BLOCK;
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(k);
    free(config);
    free(manifest);
    free(index);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf file = BUF_INIT;
    struct err e;
    if (n < 2)
        return 0;
    if (*data & 1)
        wrap(&file, data + 1, n - 1);
    else
        buf_add(&file, data + 1, n - 1);
    struct seen s = {.most = file.len};
    FILE *f = fmemopen(file.data, file.len, "rb");
    struct bundle_reading r = {.name = "it", .entry = entry, .bytes = bytes, .end = end, .arg = &s};
    if (f) {
        int rc = bundle_read(f, &r, &e);
        if (rc && rc != ERR_FORMAT && rc != ERR_CORRUPT && rc != ERR_VERSION)
            abort();
        fclose(f);
    }
    buf_release(&file);
    return 0;
}
