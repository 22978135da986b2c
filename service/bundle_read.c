#include "service/bundle.h"

#include "base/hash.h"
#include "base/mem.h"
#include "engine/format/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define PIECE (256 << 10)
#define INDEX_MAX (4 << 10) /* bytes of index.json: ours has about 700 */
#define BLOBS (BUNDLE_LAYERS + 2)

struct in {
    FILE *f;
    const struct bundle_reading *r;
    struct {
        struct bundle_blob is;
        uint64_t at;
    } blob[BLOBS];
    size_t n;            /* layers, configuration, manifest */
    struct buf index;
    struct bundle_info info;
    uint64_t done;
    char *piece;         /* [PIECE] */
    struct err *e;
};

static int damaged(const struct in *x, const char *what)
{
    err_set(x->e, ERR_CORRUPT, "%s: %s", x->r->name, what);
    err_hint(x->e, "nothing was taken of it; fetch it again, or have it made again: codeask bundle export");
    return ERR_CORRUPT;
}

static int foreign(const struct in *x, const char *what)
{
    err_set(x->e, ERR_FORMAT, "%s is no bundle of codeask, or a damaged one: %s", x->r->name, what);
    err_hint(x->e, "codeask bundle export makes one");
    return ERR_FORMAT;
}

static int get(struct in *x, void *to, size_t n)
{
    if (fread(to, 1, n, x->f) == n)
        return 0;
    return ferror(x->f) ? err_errno(x->e, errno, "reading %s", x->r->name) : damaged(x, "it is cut short");
}

static bool zero(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= b[i];
    return !any;
}

/* -- the outer archive ------------------------------------------------------------------------------------------------------------------- */

static int get_padding(struct in *x, uint64_t size)
{
    uint8_t pad[TAR_BLOCK];
    int rc = get(x, pad, tar_padding(size));
    return !rc && !zero(pad, tar_padding(size)) ? damaged(x, "bytes stand where none belong") : rc;
}

static int get_header(struct in *x, struct tar_entry *t, bool *end)
{
    uint8_t head[TAR_BLOCK];
    struct err why;
    int rc = get(x, head, sizeof head);
    if (!rc && tar_read(t, end, head, &why))
        rc = foreign(x, why.message);
    return rc;
}

static int want(struct in *x, const char *path, bool folder, struct buf *text, size_t most)
{
    struct tar_entry t;
    bool end;
    int rc = get_header(x, &t, &end);
    if (!rc && (end || t.folder != folder || strcmp(t.path, path) || t.mode != (folder ? 0755u : 0644u)))
        rc = foreign(x, "not the files that one has");
    if (!rc && t.size > most)
        rc = foreign(x, "one of its lists is too long");
    if (rc || !text)
        return rc;
    rc = get(x, buf_room(text, t.size), t.size);
    text->len += rc ? 0 : t.size;
    text->data[text->len] = 0;
    return rc ? rc : get_padding(x, t.size);
}

static bool digest_of(char hex[65], const char *path, const char *before)
{
    size_t n = strlen(before);
    uint8_t sha[32];
    if (strncmp(path, before, n) || strlen(path) != n + 64 || hex_to(sha, path + n, 32) < 0)
        return false;
    memcpy(hex, path + n, 65);
    for (const char *p = hex; *p; p++)
        if (*p >= 'A' && *p <= 'F')
            return false;
    return true;
}

/* Names, sizes and places of the blobs, and index.json; nothing of the blobs themselves. */
static int walk(struct in *x)
{
    static const char blobs[] = "blobs/sha256/";
    struct buf layout = BUF_INIT;
    uint8_t tail[TAR_BLOCK], more;
    bool end;
    if (fseeko(x->f, 0, SEEK_END) || ftello(x->f) < 0)
        return err_errno(x->e, errno, "%s cannot be read to its end and again", x->r->name);
    uint64_t size = x->info.bytes = (uint64_t)ftello(x->f);
    rewind(x->f);
    int rc = want(x, "oci-layout", false, &layout, sizeof BUNDLE_LAYOUT_TEXT);
    if (!rc && (layout.len != sizeof BUNDLE_LAYOUT_TEXT - 1 || memcmp(layout.data, BUNDLE_LAYOUT_TEXT, layout.len)))
        rc = foreign(x, "oci-layout says something else");
    buf_release(&layout);
    if (!rc)
        rc = want(x, "blobs", true, NULL, 0);
    if (!rc)
        rc = want(x, "blobs/sha256", true, NULL, 0);
    while (!rc) {
        struct tar_entry t;
        off_t at = ftello(x->f);
        struct bundle_blob *b = &x->blob[x->n].is;
        if ((rc = get_header(x, &t, &end)))
            break;
        if (!end && !strcmp(t.path, "index.json")) {
            rc = fseeko(x->f, at, SEEK_SET) ? err_errno(x->e, errno, "%s", x->r->name) : want(x, "index.json", false, &x->index, INDEX_MAX);
            break;
        }
        if (x->n == BLOBS || end || t.folder || t.mode != 0644 || !digest_of(b->hex, t.path, blobs)) {
            rc = foreign(x, "not the files that one has");
        } else if (t.size > size || (uint64_t)at + TAR_BLOCK + t.size > size) {
            rc = damaged(x, "it is cut short");
        } else {
            b->size = t.size;
            x->blob[x->n++].at = (uint64_t)at + TAR_BLOCK;
            if (fseeko(x->f, (off_t)t.size, SEEK_CUR))
                rc = err_errno(x->e, errno, "%s", x->r->name);
            else
                rc = get_padding(x, t.size);
        }
    }
    for (int i = 0; i < 2 && !rc; i++)
        if (!(rc = get(x, tail, sizeof tail)) && !zero(tail, sizeof tail))
            rc = damaged(x, "bytes stand where none belong");
    if (!rc && fread(&more, 1, 1, x->f) == 1)
        rc = damaged(x, "something follows its end");
    return rc || x->n >= 3 ? rc : foreign(x, "not the files that one has");
}

/* -- signature ---------------------------------------------------------------------------------------------------------------------------- */

static bool text_to(uint8_t *out, json_t *o, size_t n)
{
    const char *s = json_string_value(o);
    return s && strlen(s) == 2 * n && hex_to(out, s, n) == (int)n;
}

static int check_signature(struct in *x)
{
    uint8_t key[KEY_BYTES], signature[SIGNATURE_BYTES];
    const struct bundle_blob *manifest = &x->blob[x->n - 1].is;
    json_t *o = json_loadb(x->index.data ? x->index.data : "", x->index.len, JSON_REJECT_DUPLICATES, NULL), *one, *notes;
    struct buf text = BUF_INIT;
    int rc = 0;
    one = json_array_get(json_object_get(o, "manifests"), 0);
    notes = json_object_get(one, "annotations");
    if (!json_object_get(notes, "org.codeask.signature")) {
        rc = o ? damaged(x, "it has no signature") : foreign(x, "index.json is no JSON");
        goto out;
    }
    if (!text_to(key, json_object_get(notes, "org.codeask.key"), sizeof key) ||
        !text_to(signature, json_object_get(notes, "org.codeask.signature"), sizeof signature)) {
        rc = damaged(x, "its signature or its key is none");
        goto out;
    }
    char *again = bundle_index_text(manifest, key, signature);
    if (strlen(again) != x->index.len || memcmp(again, x->index.data, x->index.len))
        rc = damaged(x, "index.json does not name its manifest as it is");
    free(again);
    buf_addf(&text, BUNDLE_SIGNED "sha256:%s", manifest->hex);
    key_fingerprint(x->info.fingerprint, key);
    if (!rc && !key_verify(key, signature, text.data, text.len)) {
        rc = err_set(x->e, ERR_CORRUPT, "%s: the signature is not of this manifest and the key %s", x->r->name, x->info.fingerprint);
        err_hint(x->e, "it was changed, or forged: nothing was taken of it");
    }
    memcpy(x->info.digest, manifest->hex, sizeof x->info.digest);
out:
    json_decref(o);
    buf_release(&text);
    return rc;
}

/* -- manifest and configuration ------------------------------------------------------------------------------------------------------------- */

static int read_blob(struct in *x, size_t i, struct buf *out)
{
    const struct bundle_blob *b = &x->blob[i].is;
    uint8_t sha[32];
    char hex[65];
    if (b->size > BUNDLE_JSON_MAX)
        return foreign(x, "one of its lists is too long");
    if (fseeko(x->f, (off_t)x->blob[i].at, SEEK_SET))
        return err_errno(x->e, errno, "%s", x->r->name);
    int rc = get(x, buf_room(out, b->size), b->size);
    if (rc || (rc = sha256(sha, out->data, b->size, x->e)))
        return rc;
    out->len = b->size;
    out->data[out->len] = 0;
    hex_of(hex, sha, sizeof sha);
    return strcmp(hex, b->hex) ? damaged(x, i + 1 == x->n ? "its manifest is not the one that was signed" : "its configuration is not the one that was signed") : 0;
}

static bool is_blob(json_t *o, const struct bundle_blob *b)
{
    const char *digest = json_string_value(json_object_get(o, "digest"));
    char hex[65];
    return digest && digest_of(hex, digest, "sha256:") && !strcmp(hex, b->hex) && json_integer_value(json_object_get(o, "size")) == (json_int_t)b->size;
}

/* Names the layers' parts; contents of a newer form are refused. */
static int look_at_manifest(struct in *x, json_t *o)
{
    static const char *const parts[] = {"programs", "models", "home"};
    json_t *layers = json_object_get(o, "layers");
    size_t n = json_array_size(layers);
    int rc = n == x->n - 2 && is_blob(json_object_get(o, "config"), &x->blob[n].is) ? 0 : damaged(x, "its manifest names other files");
    for (size_t i = 0; i < n && !rc; i++) {
        json_t *one = json_array_get(layers, i);
        const char *part = json_string_value(json_object_get(json_object_get(one, "annotations"), "org.codeask.part"));
        for (size_t k = 0; k < sizeof parts / sizeof *parts && part; k++)
            if (!strcmp(parts[k], part))
                x->blob[i].is.part = parts[k];
        if (!x->blob[i].is.part || !is_blob(one, &x->blob[i].is))
            rc = damaged(x, "its manifest names other files");
        x->info.layer[i] = x->blob[i].is.size;
    }
    return rc;
}

static int read_manifest(struct in *x, json_t **contents)
{
    struct buf b = BUF_INIT;
    int rc = read_blob(x, x->n - 1, &b);
    json_t *o = rc ? NULL : json_loadb(b.data ? b.data : "", b.len, 0, NULL);
    const char *text = json_string_value(json_object_get(json_object_get(o, "annotations"), "org.codeask.contents"));
    if (!rc)
        rc = look_at_manifest(x, o);
    if (!rc && !(*contents = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL))
        rc = foreign(x, "its manifest does not tell what is in it");
    json_t *format = json_object_get(rc ? NULL : *contents, "format");
    if (!rc && json_integer_value(format) != BUNDLE_FORMAT) {
        rc = err_set(x->e, ERR_VERSION, "%s is of the form %lld, this program knows %d", x->r->name, (long long)json_integer_value(format), BUNDLE_FORMAT);
        err_hint(x->e, "take a newer codeask: the bundle's first layer has one");
    }
    json_decref(o);
    buf_release(&b);
    return rc;
}

/* -- layers ---------------------------------------------------------------------------------------------------------------------------------- */

struct layer {
    struct in *x;
    uint64_t left;
    EVP_MD_CTX *md;
};

static int take(struct layer *l, void *to, size_t n)
{
    struct in *x = l->x;
    if (n > l->left)
        return damaged(x, "a layer ends in the middle of a file");
    int rc = get(x, to, n);
    if (rc)
        return rc;
    l->left -= n;
    EVP_DigestUpdate(l->md, to, n);
    if (x->r->progress && x->r->progress(x->r->arg, x->done += n, x->info.bytes))
        rc = err_set(x->e, ERR_CANCELED, "taken back");
    return rc;
}

static int take_file(struct layer *l, const struct tar_entry *t)
{
    const struct bundle_reading *r = l->x->r;
    int rc = 0;
    for (uint64_t left = t->size; left && !rc;) {
        size_t n = left < PIECE ? (size_t)left : PIECE;
        if (!(rc = take(l, l->x->piece, n)) && r->bytes)
            rc = r->bytes(r->arg, l->x->piece, n, l->x->e);
        left -= n;
    }
    if (!rc && !(rc = take(l, l->x->piece, tar_padding(t->size))) && !zero(l->x->piece, tar_padding(t->size)))
        rc = damaged(l->x, "bytes stand where none belong");
    if (!rc && r->end && !t->folder)
        rc = r->end(r->arg, l->x->e);
    return rc;
}

static int take_files(struct layer *l, const char *part)
{
    struct in *x = l->x;
    struct tar_entry t;
    char before[TAR_PATH] = "";
    bool end = false;
    int rc = 0;
    for (size_t n = 0; !rc; n++) {
        uint8_t head[TAR_BLOCK];
        struct err why;
        if ((rc = take(l, head, sizeof head)))
            break;
        if (tar_read(&t, &end, head, &why)) {
            rc = damaged(x, why.message);
        } else if (end) {
            if (!(rc = take(l, head, sizeof head)) && (!zero(head, sizeof head) || l->left))
                rc = damaged(x, "something follows the end of a layer");
            break;
        } else if (strcmp(before, t.path) >= 0 || n >= BUNDLE_FILES_MAX) {
            rc = damaged(x, "a layer has a file twice, or more files than one may have");
        } else {
            memcpy(before, t.path, sizeof before);
            if (x->r->entry)
                rc = x->r->entry(x->r->arg, part, &t, x->e);
            if (!rc)
                rc = take_file(l, &t);
        }
    }
    return rc;
}

static int read_layer(struct in *x, size_t i)
{
    struct layer l = {x, x->blob[i].is.size, EVP_MD_CTX_new()};
    uint8_t sha[32];
    char hex[65];
    EVP_DigestInit_ex(l.md, EVP_sha256(), NULL);
    int rc = fseeko(x->f, (off_t)x->blob[i].at, SEEK_SET) ? err_errno(x->e, errno, "%s", x->r->name) : take_files(&l, x->blob[i].is.part);
    EVP_DigestFinal_ex(l.md, sha, NULL);
    EVP_MD_CTX_free(l.md);
    hex_of(hex, sha, sizeof sha);
    return !rc && strcmp(hex, x->blob[i].is.hex) ? damaged(x, "a layer is not the one that was signed") : rc;
}

int bundle_read(FILE *f, const struct bundle_reading *r, struct err *e)
{
    struct err own;
    struct in x = {.f = f, .r = r, .e = e ? e : &own};
    struct buf config = BUF_INIT;
    json_t *contents = NULL;
    int rc = walk(&x);
    if (!rc)
        rc = check_signature(&x);
    if (!rc)
        rc = read_manifest(&x, &contents);
    x.info.contents = contents;
    if (!rc && r->judge)
        rc = r->judge(r->arg, &x.info, x.e);
    if (!rc)
        rc = read_blob(&x, x.n - 2, &config);
    x.piece = mem_alloc(PIECE);
    for (size_t i = 0; i + 2 < x.n && !rc; i++)
        rc = read_layer(&x, i);
    free(x.piece);
    json_decref(contents);
    buf_release(&config);
    buf_release(&x.index);
    return rc;
}
