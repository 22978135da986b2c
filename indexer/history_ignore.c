/* .git-blame-ignore-revs: one full commit hash a line, '#' begins a comment. */
#include "indexer/history_inside.h"

#include "base/hash.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define IGNORE_BYTES (1u << 20)
#define IGNORE_MAX 20000

static void parse(struct oid **v, size_t *n, struct str s)
{
    size_t cap = 0;
    for (const char *p = s.p, *end = s.p + s.n; p < end && *n < IGNORE_MAX;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *to = nl ? nl : end;
        while (p < to && isspace((unsigned char)*p))
            p++;
        char hex[2 * GIT_ID_BYTES + 1] = "";
        struct oid o = {{0}};
        if (to - p >= 2 * GIT_ID_BYTES) {
            memcpy(hex, p, 2 * GIT_ID_BYTES);
            if (hex_to(o.byte, hex, GIT_ID_BYTES) == GIT_ID_BYTES) {
                VEC_ROOM(*v, *n, cap);
                (*v)[(*n)++] = o;
            }
        }
        p = to + 1;
    }
}

void history_ignored(struct oid **v, size_t *n, const struct repo_row *repo, const struct oid *tip)
{
    git_repository *git = NULL;
    git_commit *c = NULL;
    git_tree *t = NULL;
    git_tree_entry *entry = NULL;
    git_blob *b = NULL;
    git_oid id = git_of(tip);
    *v = NULL;
    *n = 0;
    if (!repo_open(&git, repo->path, NULL) && !git_commit_lookup(&c, git, &id) && !git_commit_tree(&t, c) &&
        !git_tree_entry_bypath(&entry, t, IGNORE_FILE) && !git_blob_lookup(&b, git, git_tree_entry_id(entry)) &&
        git_blob_rawsize(b) <= IGNORE_BYTES)
        parse(v, n, (struct str){git_blob_rawcontent(b), (size_t)git_blob_rawsize(b)});
    git_blob_free(b);
    git_tree_entry_free(entry);
    git_tree_free(t);
    git_commit_free(c);
    repo_close(git);
}
