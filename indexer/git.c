#include "indexer/git.h"

#include <errno.h>
#include <git2/sys/odb_backend.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GIT_CACHE_BYTES ((ssize_t)32 << 20)   /* decompressed trees and delta bases that libgit2 may keep; its default is 256 MB */
#define GIT_MAPPED_BYTES ((size_t)1 << 30)    /* of pack files at a time */

static EVP_MD *sha1; /* NULL where OpenSSL's settings forbid it; set once, before any use */

static void start(void)
{
    sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    /* extensions that change nothing in what is read here */
    static const char *known[] = {"partialclone", "worktreeconfig", "preciousobjects", "noop"};
    git_libgit2_init();
    git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, known, sizeof known / sizeof *known);
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0); /* it is global there; repo_find has its own check, per call */
    git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, GIT_CACHE_BYTES);
    git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, GIT_MAPPED_BYTES);
}

void git_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}

int git_fail(struct err *e, int git_code, const char *fmt, ...)
{
    char what[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const git_error *last = git_error_last();
    const char *text = last && last->message ? last->message : "unknown error";
    int code = ERR_CORRUPT;
    if (git_code == GIT_ENOTFOUND)
        code = ERR_NOT_FOUND;
    else if (git_code == GIT_EUSER)
        code = ERR_CANCELED;
    else if (last && last->klass == GIT_ERROR_OS)
        code = ERR_IO;
    else if (strstr(text, "unsupported"))
        code = ERR_UNSUPPORTED;
    return err_set(e, code, "%s: %s", what, text);
}

struct oid oid_of(const git_oid *id)
{
    struct oid o = {{0}};
    memcpy(o.byte, id->id, GIT_ID_BYTES);
    return o;
}

git_oid git_of(const struct oid *o)
{
    git_oid id;
    memcpy(id.id, o->byte, GIT_ID_BYTES);
    return id;
}

bool oid_zero(const struct oid *o)
{
    static const struct oid zero;
    return oid_same(o, &zero);
}

/* OpenSSL uses the processor's own instructions: 67 MB take .03 s, and .19 s with libgit2's, which looks for known collisions as well. Git
 * did that when the objects came in; here a hash is to tell damage. */
static bool hash_fast(git_oid *id, const void *bytes, size_t n)
{
    char head[32];
    unsigned len = 0;
    int headlen = snprintf(head, sizeof head, "blob %zu", n) + 1;
    EVP_MD_CTX *c = sha1 ? EVP_MD_CTX_new() : NULL;
    bool good = c && EVP_DigestInit_ex(c, sha1, NULL) == 1 && EVP_DigestUpdate(c, head, (size_t)headlen) == 1 &&
                EVP_DigestUpdate(c, bytes, n) == 1 && EVP_DigestFinal_ex(c, id->id, &len) == 1 && len == GIT_ID_BYTES;
    EVP_MD_CTX_free(c);
    return good;
}

struct oid oid_hash(const void *bytes, size_t n)
{
    git_oid id = {{0}};
    bytes = n ? bytes : "";
    if (!hash_fast(&id, bytes, n))
        git_odb_hash(&id, bytes, n, GIT_OBJECT_BLOB);
    return oid_of(&id);
}

/* -- blobs ------------------------------------------------------------------------------------------------------------------- */

/* Straight from where the objects lie: git_odb_read would hash what it gives by itself. False: another way may tell why. */
static bool read_proved(struct buf *out, git_odb *odb, const git_oid *id)
{
    struct oid want = oid_of(id);
    bool good = false;
    for (size_t i = 0, n = git_odb_num_backends(odb); i < n && !good; i++) {
        git_odb_backend *b = NULL;
        git_object_t type;
        void *bytes = NULL;
        size_t len = 0;
        if (git_odb_get_backend(&b, odb, i) || !b->read || b->read(&bytes, &len, &type, b, id))
            continue;
        if (type == GIT_OBJECT_BLOB) {
            struct oid is = oid_hash(bytes, len);
            if ((good = oid_same(&is, &want)))
                buf_add(out, bytes, len);
        }
        git_odb_backend_data_free(b, bytes);
    }
    return good;
}

uint64_t blob_size(git_odb *odb, const struct oid *oid)
{
    git_oid id = git_of(oid);
    git_object_t type;
    size_t size;
    return git_odb_read_header(&size, &type, odb, &id) == 0 ? size : 0;
}

int blob_read(struct buf *out, git_odb *odb, const struct oid *oid, struct err *e)
{
    git_oid id = git_of(oid);
    git_odb_object *o = NULL;
    if (read_proved(out, odb, &id))
        return 0;
    int code = git_odb_read(&o, odb, &id); /* looks for packs that came meanwhile, and says what is wrong */
    if (code)
        return git_fail(e, code, "the content cannot be read");
    int rc = git_odb_object_type(o) == GIT_OBJECT_BLOB ? 0 : err_set(e, ERR_CORRUPT, "the object is no file");
    if (!rc)
        buf_add(out, git_odb_object_data(o), git_odb_object_size(o));
    git_odb_object_free(o);
    return rc;
}
