#include "indexer/patch.h"

#include "base/mem.h"
#include "indexer/cut.h"
#include "indexer/git.h"

#include <stdlib.h>
#include <string.h>

struct printing {
    struct buf *text, *blobs;
    size_t most;
};

static void add_blob(struct printing *p, const git_diff_file *f)
{
    if (!git_oid_is_zero(&f->id))
        buf_add(p->blobs, f->id.id, GIT_ID_BYTES);
}

static int on_line(const git_diff_delta *d, const git_diff_hunk *h, const git_diff_line *l, void *arg)
{
    struct printing *p = arg;
    bool sign = l->origin == GIT_DIFF_LINE_CONTEXT || l->origin == GIT_DIFF_LINE_ADDITION || l->origin == GIT_DIFF_LINE_DELETION;
    (void)h;
    if (p->text->len + sign + l->content_len > p->most)
        return 1;
    if (l->origin == GIT_DIFF_LINE_FILE_HDR) {
        add_blob(p, &d->old_file);
        add_blob(p, &d->new_file);
    }
    if (sign)
        buf_addc(p->text, l->origin);
    buf_add(p->text, l->content, l->content_len);
    return 0;
}

int mask_secrets(char *text, size_t len, struct err *e)
{
    struct buf record = BUF_INIT;
    int rc = len ? cut(&record, language_named("text"), text, len, e) : 0;
    buf_release(&record);
    return rc;
}

static int print(struct printing *p, git_repository *git, const struct oid *commit, struct err *e)
{
    git_commit *c = NULL, *parent = NULL;
    git_tree *now = NULL, *then = NULL;
    git_diff *diff = NULL;
    git_diff_options o = GIT_DIFF_OPTIONS_INIT;
    git_oid id = git_of(commit);
    int code = git_commit_lookup(&c, git, &id);
    if (!code)
        code = git_commit_tree(&now, c);
    if (!code && git_commit_parentcount(c) > 0)
        code = git_commit_parent(&parent, c, 0);
    if (!code && parent)
        code = git_commit_tree(&then, parent);
    if (!code)
        code = git_diff_tree_to_tree(&diff, git, then, now, &o);
    if (!code)
        code = git_diff_print(diff, GIT_DIFF_FORMAT_PATCH, on_line, p);
    int rc = code < 0 ? git_fail(e, code, "the changes of a commit") : 0; /* above 0: there was no more room */
    git_diff_free(diff);
    git_tree_free(then);
    git_tree_free(now);
    git_commit_free(parent);
    git_commit_free(c);
    return rc;
}

int commit_patch(struct buf *text, struct buf *blobs, const struct repo_row *repo, const struct oid *commit, size_t most, struct err *e)
{
    struct printing p = {text, blobs, text->len + most};
    git_repository *git = NULL;
    size_t before = text->len;
    int rc = repo_open(&git, repo->path, e);
    if (rc)
        return rc;
    if (!(rc = print(&p, git, commit, e)))
        rc = mask_secrets(text->data + before, text->len - before, e);
    repo_close(git);
    return rc;
}
