/* Contents and trees of one repository, the last ones kept: commits are read newest first, so what was the old side of one
 * commit is the new side of the next. One thread. */
#include "indexer/history_inside.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define BLOB_SLOTS 512
#define TREE_SLOTS 512
#define KEPT_BYTES ((size_t)128 << 10) /* of one content that is kept for the next commit: 64 MiB in all at most */

struct blobs {
    git_repository *git;
    git_odb *odb;
    struct kept {
        git_oid id;
        git_odb_object *o;
    } blob[BLOB_SLOTS], large[2];
    struct {
        git_oid id;
        git_tree *t;
    } tree[TREE_SLOTS];
    unsigned turn;
};

struct blobs *blobs_new(git_repository *git)
{
    struct blobs *b = mem_zero(1, sizeof *b);
    b->git = git;
    if (git_repository_odb(&b->odb, git))
        b->odb = NULL;
    return b;
}

void blobs_free(struct blobs *b)
{
    if (!b)
        return;
    for (int i = 0; i < BLOB_SLOTS; i++)
        git_odb_object_free(b->blob[i].o);
    for (int i = 0; i < 2; i++)
        git_odb_object_free(b->large[i].o);
    for (int i = 0; i < TREE_SLOTS; i++)
        git_tree_free(b->tree[i].t);
    git_odb_free(b->odb);
    free(b);
}

static unsigned slot(const git_oid *id)
{
    return (unsigned)(id->id[0] << 8 | id->id[1]);
}

static struct str bytes_of(git_odb_object *o)
{
    return (struct str){git_odb_object_data(o), git_odb_object_size(o)};
}

int blobs_get(struct str *out, struct blobs *b, const git_oid *id, size_t most, struct err *e)
{
    struct kept *k = &b->blob[slot(id) % BLOB_SLOTS];
    git_odb_object *o = NULL;
    size_t size;
    if (k->o && git_oid_equal(&k->id, id)) {
        *out = bytes_of(k->o);
        return out->n > most ? err_set(e, ERR_LIMIT, "a content of %zu bytes", out->n) : 0;
    }
    int rc = blobs_size(&size, b, id, e);
    if (rc)
        return rc;
    if (size > most)
        return err_set(e, ERR_LIMIT, "a content of %zu bytes", size);
    int code = git_odb_read(&o, b->odb, id);
    if (code)
        return git_fail(e, code, "reading a content");
    k = git_odb_object_size(o) <= KEPT_BYTES ? k : &b->large[b->turn++ % 2];
    /* a slot's owner may be the other side of the pair that is being compared: it moves on before it goes */
    if (k >= b->blob && k < b->blob + BLOB_SLOTS && k->o) {
        struct kept *old = &b->large[b->turn++ % 2];
        git_odb_object_free(old->o);
        *old = *k;
        k->o = NULL;
    }
    git_odb_object_free(k->o);
    *k = (struct kept){*id, o};
    *out = bytes_of(o);
    return 0;
}

int blobs_size(size_t *out, struct blobs *b, const git_oid *id, struct err *e)
{
    git_object_t type;
    if (!b->odb)
        return err_set(e, ERR_IO, "the repository's objects cannot be read");
    int code = git_odb_read_header(out, &type, b->odb, id);
    return code ? git_fail(e, code, "reading a content's size") : 0;
}

int blobs_tree(git_tree **out, struct blobs *b, const git_oid *id, struct err *e)
{
    unsigned i = slot(id) % TREE_SLOTS;
    git_tree *t;
    if (!b->tree[i].t || !git_oid_equal(&b->tree[i].id, id)) {
        int code = git_tree_lookup(&t, b->git, id);
        if (code)
            return git_fail(e, code, "reading a tree");
        git_tree_free(b->tree[i].t);
        b->tree[i].t = t;
        git_oid_cpy(&b->tree[i].id, id);
    }
    git_object *dup = NULL;
    if (git_object_dup(&dup, (git_object *)b->tree[i].t))
        return err_set(e, ERR_IO, "reading a tree");
    *out = (git_tree *)dup;
    return 0;
}
