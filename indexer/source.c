/* The bytes behind a citation, read again from where they come from. */
#include "indexer/files.h"
#include "indexer/git.h"
#include "indexer/indexer.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define SOURCE_MAX ((size_t)1 << 28) /* the most that max_file_bytes can be */

static int read_object(struct buf *out, git_repository *r, const struct oid *oid, struct err *e)
{
    git_blob *b = NULL;
    git_oid id = git_of(oid);
    int code = git_blob_lookup(&b, r, &id);
    if (code) {
        int rc = git_fail(e, code, "a cited content");
        return rc == ERR_NOT_FOUND ? rc : err_set(e, ERR_CORRUPT, "a cited content is damaged in the object database");
    }
    buf_add(out, git_blob_rawcontent(b), (size_t)git_blob_rawsize(b));
    git_blob_free(b);
    return 0;
}

static bool leads_out(struct str path)
{
    for (const char *p = path.p, *end = p + path.n; p < end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t n = (size_t)((slash ? slash : end) - p);
        if (!n || (n == 2 && p[0] == '.' && p[1] == '.') || memchr(p, 0, n))
            return true;
        p += n + (slash != NULL);
    }
    return !path.n;
}

static int read_file(struct buf *out, git_repository *r, const char *root, struct str path, const struct oid *oid, struct err *e)
{
    struct buf name = BUF_INIT, bytes = BUF_INIT;
    struct stat st;
    if (leads_out(path))
        return err_set(e, ERR_USAGE, "not a path inside the repository");
    buf_add(&name, path.p, path.n);
    int rc = files_read(&bytes, &st, r, root, name.data, SOURCE_MAX, e);
    struct oid now = oid_hash(bytes.data, bytes.len);
    if (!rc && !oid_same(&now, oid))
        rc = err_set(e, ERR_CORRUPT, "%s has changed since it was indexed", name.data);
    if (!rc)
        buf_add(out, bytes.data, bytes.len);
    buf_release(&bytes);
    buf_release(&name);
    return rc;
}

/* The content of a cut that was made of it, of whatever language. */
static int read_kept(struct buf *out, struct store *s, const struct oid *oid, struct err *e)
{
    struct txn *t;
    uint32_t *cut = NULL;
    size_t n = 0;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    rc = cuts_of(t, oid, &cut, &n, e);
    if (!rc)
        rc = n ? cut_text(t, cut[0], out, e) : err_set(e, ERR_NOT_FOUND, "the bundle has not this content");
    free(cut);
    txn_end(t);
    return rc;
}

int source_read(struct store *s, const struct repo_row *repo, struct str path, const struct oid *oid, bool overlay, struct buf *out, struct err *e)
{
    git_repository *r = NULL;
    if (repo_bundled(repo))
        return read_kept(out, s, oid, e);
    git_start();
    int rc = repo->plain ? 0 : repo_open(&r, repo->path, e);
    if (!rc && r && !overlay) {
        rc = read_object(out, r, oid, e);
        if (rc && !read_file(out, r, repo->path, path, oid, NULL)) /* damaged, and its bytes lie in the worktree: read_blob in cutting.c */
            rc = 0;
    } else if (!rc) {
        rc = read_file(out, r, repo->path, path, oid, e);
    }
    repo_close(r);
    return rc;
}

struct oid source_hash(const void *bytes, size_t n)
{
    git_start();
    return oid_hash(bytes, n);
}

bool source_holds(const struct repo_row *repo, const struct oid *oid)
{
    git_repository *r = NULL;
    git_odb *odb = NULL;
    git_oid id = git_of(oid);
    git_start();
    bool there = !repo_open(&r, repo->path, NULL) && !git_repository_odb(&odb, r) && git_odb_exists(odb, &id);
    git_odb_free(odb);
    repo_close(r);
    return there;
}
