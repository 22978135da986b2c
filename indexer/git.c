#include "indexer/git.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GIT_CACHE_BYTES ((ssize_t)32 << 20)   /* decompressed trees and delta bases that libgit2 may keep; its default is 256 MB */
#define GIT_MAPPED_BYTES ((size_t)1 << 30)    /* of pack files at a time */

static void start(void)
{
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

struct oid oid_hash(const void *bytes, size_t n)
{
    git_oid id;
    git_odb_hash(&id, n ? bytes : "", n, GIT_OBJECT_BLOB);
    return oid_of(&id);
}
