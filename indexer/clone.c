/* By what two clones of a repository know each other. */
#include "indexer/clone.h"

#include "base/mem.h"
#include "indexer/git.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COMMITS_WALKED 5000000 /* for roots: three times what Linux has */
#define CONFIG_URLS 256        /* rows of a configuration that are looked at */

/* -- addresses ------------------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The path's parts, decoded, without empty ones and the last one's ".git". */
static bool put_path(struct buf *out, const char *p)
{
    size_t before = out->len;
    while (*p) {
        size_t n = strcspn(p, "/"), part = out->len;
        if (n)
            buf_addc(out, '/');
        for (size_t i = 0; i < n; i++) {
            int hi = p[i] == '%' && i + 2 < n ? hex_digit(p[i + 1]) : -1, lo = hi >= 0 ? hex_digit(p[i + 2]) : -1;
            bool coded = lo >= 0 && (hi || lo);
            buf_addc(out, coded ? (char)(hi << 4 | lo) : p[i]);
            i += coded ? 2 : 0;
        }
        if (out->len == part + 1 && out->data[part] == '/') /* cannot be: n > 0 */
            return false;
        p += n + (p[n] == '/');
    }
    if (out->len > before + 5 && !memcmp(out->data + out->len - 4, ".git", 4) && out->data[out->len - 5] != '/') {
        out->len -= 4;
        out->data[out->len] = 0;
    }
    return out->len > before;
}

bool clone_url(struct buf *out, const char *url)
{
    size_t before = out->len;
    const char *scheme = strstr(url, "://"), *host = url, *path;
    if (strlen(url) > 2048 || strpbrk(url, " \t\r\n\"?#"))
        return false;
    if (scheme) {
        size_t n = (size_t)(scheme - url);
        if (!n || (n == 4 && !strncasecmp(url, "file", 4)) || strcspn(url, "/@:") < n)
            return false;
        host = scheme + 3;
        path = host + strcspn(host, "/");
    } else { /* git@host:path, but not a/path:x */
        path = url + strcspn(url, ":/");
        if (*path != ':')
            return false;
    }
    const char *end = path;
    for (const char *p = host; p < path; p++)
        if (*p == '@')
            host = p + 1;
    if (host < end && *host == '[') { /* an IPv6 address */
        const char *close = memchr(host, ']', (size_t)(end - host));
        end = close ? close + 1 : host;
    } else if (scheme && memchr(host, ':', (size_t)(end - host))) {
        end = memchr(host, ':', (size_t)(end - host));
    }
    if (host >= end || (!scheme && end - host == 1)) /* C:\… */
        return false;
    for (const char *p = host; p < end; p++)
        buf_addc(out, *p >= 'A' && *p <= 'Z' ? (char)(*p | 32) : *p);
    if (put_path(out, path + (*path == ':')))
        return true;
    out->len = before;
    if (out->data)
        out->data[before] = 0;
    return false;
}

static void add_url(struct clone *c, const char *url)
{
    struct buf b = BUF_INIT;
    if (c->nurls < CLONE_URLS && clone_url(&b, url)) {
        for (size_t i = 0; i < c->nurls; i++)
            if (!strcmp(c->url[i], b.data)) {
                buf_release(&b);
                return;
            }
        c->url[c->nurls++] = buf_take(&b);
    }
    buf_release(&b);
}

/* Each remote by its name, so that the user's url.….insteadOf counts. */
static void read_urls(struct clone *c, git_repository *r)
{
    git_strarray names = {0};
    if (git_remote_list(&names, r))
        return;
    for (size_t i = 0; i < names.count && i < CONFIG_URLS; i++) {
        git_remote *remote = NULL;
        if (!git_remote_lookup(&remote, r, names.strings[i]) && git_remote_url(remote))
            add_url(c, git_remote_url(remote));
        git_remote_free(remote);
    }
    git_strarray_dispose(&names);
}

int clone_urls(struct clone *out, const struct repo_row *repo, struct err *e)
{
    git_repository *r = NULL;
    *out = (struct clone){0};
    if (repo->plain)
        return 0;
    int rc = repo_open(&r, repo->path, e);
    if (!rc)
        read_urls(out, r);
    repo_close(r);
    return rc;
}

/* -- commits --------------------------------------------------------------------------------------------------------------- */

int clone_open(struct clone *out, const struct repo_row *repo, const char *ref, struct err *e)
{
    git_repository *r = NULL;
    git_revwalk *w = NULL;
    struct git_target to;
    git_oid id;
    *out = (struct clone){0};
    int rc = repo_open(&r, repo->path, e);
    if (rc || (rc = repo_target(&to, r, ref, e)))
        goto out;
    read_urls(out, r);
    if (to.unborn)
        goto out;
    id = git_of(&to.commit);
    int code = git_revwalk_new(&w, r);
    if (!code)
        code = git_revwalk_sorting(w, GIT_SORT_TIME);
    if (!code)
        code = git_revwalk_push(w, &id);
    out->commit = mem_zero(CLONE_COMMITS, sizeof *out->commit);
    while (!code && out->ncommits < CLONE_COMMITS && !(code = git_revwalk_next(&id, w)))
        out->commit[out->ncommits++] = oid_of(&id);
    if (code && code != GIT_ITEROVER && !out->ncommits) /* a shallow one ends where it was cut off */
        rc = git_fail(e, code, "the commits of %s", repo->path);
out:
    git_revwalk_free(w);
    repo_close(r);
    if (rc)
        clone_close(out);
    return rc;
}

void clone_close(struct clone *c)
{
    for (size_t i = 0; i < c->nurls; i++)
        free(c->url[i]);
    free(c->commit);
    *c = (struct clone){0};
}

int clone_roots(struct oid out[CLONE_ROOTS], size_t *n, const struct repo_row *repo, struct err *e)
{
    git_repository *r = NULL;
    git_revwalk *w = NULL;
    git_oid id;
    *n = 0;
    int rc = repo->plain ? 0 : repo_open(&r, repo->path, e);
    if (rc || repo->plain || git_repository_is_shallow(r) == 1) /* its oldest commits are no roots */
        goto out;
    int code = git_revwalk_new(&w, r);
    if (!code)
        code = git_revwalk_push_head(w);
    for (size_t seen = 0; !code && seen < COMMITS_WALKED && *n < CLONE_ROOTS && !(code = git_revwalk_next(&id, w)); seen++) {
        git_commit *c = NULL;
        if (!git_commit_lookup(&c, r, &id) && !git_commit_parentcount(c))
            out[(*n)++] = oid_of(&id);
        git_commit_free(c);
    }
out:
    git_revwalk_free(w);
    repo_close(r);
    return rc;
}

bool clone_has(const struct repo_row *repo, const struct oid *id)
{
    git_repository *r = NULL;
    git_odb *odb = NULL;
    git_oid want = git_of(id);
    bool has = !repo->plain && !repo_open(&r, repo->path, NULL) && !git_repository_odb(&odb, r) && git_odb_exists(odb, &want) == 1;
    git_odb_free(odb);
    repo_close(r);
    return has;
}

int clone_tree(struct buf *out, const struct repo_row *repo, const struct oid *commit, const char *dir, struct err *e)
{
    git_repository *r = NULL;
    git_commit *c = NULL;
    git_tree *root = NULL;
    git_tree_entry *entry = NULL;
    git_odb *odb = NULL;
    git_odb_object *o = NULL;
    git_oid id = git_of(commit);
    int rc = repo_open(&r, repo->path, e);
    if (rc)
        return rc;
    int code = git_commit_lookup(&c, r, &id);
    if (!code)
        code = git_commit_tree(&root, c);
    if (!code)
        id = *git_tree_id(root);
    if (!code && *dir && !(code = git_tree_entry_bypath(&entry, root, dir)))
        id = *git_tree_entry_id(entry);
    if (!code)
        code = git_repository_odb(&odb, r);
    if (!code)
        code = git_odb_read(&o, odb, &id);
    if (!code && git_odb_object_type(o) != GIT_OBJECT_TREE)
        code = GIT_ENOTFOUND;
    if (code)
        rc = git_fail(e, code, "%s", dir);
    else
        buf_add(out, git_odb_object_data(o), git_odb_object_size(o));
    git_odb_object_free(o);
    git_odb_free(odb);
    git_tree_entry_free(entry);
    git_tree_free(root);
    git_commit_free(c);
    repo_close(r);
    return rc;
}
