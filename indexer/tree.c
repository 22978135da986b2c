#include "indexer/tree.h"

#include <string.h>

#define MODE_TREE 0040000u

struct walk {
    git_repository *r;
    struct items *out;
    bool *rules;     /* a diff: set and stop when a rule file differs */
    struct buf path; /* of the directory, with its slash */
    struct err *e;
};

static int walk(struct walk *w, const struct level *level, const git_tree *from, const git_tree *to);

static void read_rules(struct walk *w, struct level **own, const struct level *up, const git_tree *t, const char *name,
                       void (*add)(struct level *, struct arena *, struct str))
{
    const git_tree_entry *entry = git_tree_entry_byname(t, name);
    git_blob *b = NULL;
    if (!entry || git_tree_entry_type(entry) != GIT_OBJECT_BLOB || git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK)
        return;
    if (git_blob_lookup(&b, w->r, git_tree_entry_id(entry)) == 0) {
        if (!*own)
            *own = level_new(&w->out->mem, (struct str){w->path.data, w->path.len}, up);
        add(*own, &w->out->mem, (struct str){git_blob_rawcontent(b), (size_t)git_blob_rawsize(b)});
    }
    git_blob_free(b);
}

static const struct level *enter(struct walk *w, const struct level *up, const git_tree *t)
{
    struct level *own = NULL;
    read_rules(w, &own, up, t, ATTRIBUTES_FILE, level_attributes);
    read_rules(w, &own, up, t, IGNORE_FILE, level_ignore);
    return own ? own : up;
}

static bool is_rules(const char *name)
{
    return strcmp(name, ATTRIBUTES_FILE) == 0 || strcmp(name, IGNORE_FILE) == 0;
}

/* Names that cannot be files of a worktree: foreign trees may hold anything. */
static bool bad_name(const char *name)
{
    return !*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcasecmp(name, ".git") == 0;
}

static int lookup(git_tree **out, struct walk *w, const git_tree_entry *entry)
{
    *out = NULL;
    return entry ? git_tree_lookup(out, w->r, git_tree_entry_id(entry)) : 0;
}

/* A file: to is NULL where it is gone. The path is in w->path. */
static int file(struct walk *w, const struct level *level, const git_tree_entry *to)
{
    if (w->out->n >= TREE_MAX_FILES)
        return err_set(w->e, ERR_LIMIT, "more than %d files in one tree", TREE_MAX_FILES);
    struct str path = {w->path.data, w->path.len};
    if (path.n > TREE_MAX_PATH || (to && level_ignores(level, path, false)))
        return 0;
    struct item *i = items_add(w->out, path);
    if (!to) {
        i->flags = OCC_DELETED;
        i->done = true;
        return 0;
    }
    i->oid = oid_of(git_tree_entry_id(to));
    i->mode = (uint32_t)git_tree_entry_filemode(to);
    i->from = FROM_ODB;
    i->level = level;
    i->flags = level_flags(level, path);
    if (i->mode == MODE_LINK)
        i->flags |= OCC_SYMLINK | OCC_SKIPPED;
    else if (i->mode == MODE_SUBMODULE)
        i->flags |= OCC_SUBMODULE | OCC_SKIPPED;
    i->done = i->flags & (OCC_SYMLINK | OCC_SUBMODULE);
    return 0;
}

static int subtree(struct walk *w, const struct level *level, const git_tree_entry *from, const git_tree_entry *to)
{
    git_tree *a = NULL, *b = NULL;
    struct str dir = {w->path.data, w->path.len};
    if (dir.n > TREE_MAX_PATH || (to && level_ignores(level, dir, true)))
        to = NULL;
    int rc = 0, code = lookup(&b, w, to);
    if (code) {
        struct item *i = items_add(w->out, dir);
        i->oid = oid_of(git_tree_entry_id(to));
        i->mode = MODE_TREE;
        i->flags = OCC_QUARANTINED | OCC_SKIPPED;
        i->done = true;
    }
    code = lookup(&a, w, from);
    if (code)
        rc = git_fail(w->e, code, "an earlier tree");
    buf_addc(&w->path, '/');
    if (!rc && (a || b))
        rc = walk(w, b ? enter(w, level, b) : level, a, b);
    git_tree_free(a);
    git_tree_free(b);
    return rc;
}

static int pair(struct walk *w, const struct level *level, const git_tree_entry *a, const git_tree_entry *b)
{
    const char *name = git_tree_entry_name(a ? a : b);
    if (bad_name(name) || (a && b && git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(b)) &&
                           git_tree_entry_filemode(a) == git_tree_entry_filemode(b)))
        return 0;
    if (w->rules && is_rules(name)) {
        *w->rules = true;
        return 0;
    }
    size_t keep = w->path.len;
    buf_adds(&w->path, name);
    bool ta = a && git_tree_entry_type(a) == GIT_OBJECT_TREE, tb = b && git_tree_entry_type(b) == GIT_OBJECT_TREE;
    int rc = 0;
    if (a && !ta && (!b || tb))
        rc = file(w, level, NULL);
    if (!rc && b && !tb)
        rc = file(w, level, b);
    if (!rc && (ta || tb))
        rc = subtree(w, level, ta ? a : NULL, tb ? b : NULL);
    w->path.len = keep;
    if (w->path.data)
        w->path.data[keep] = 0;
    return rc;
}

/* Names meet by plain comparison: where one side has a file and the other a directory of that name, git's order puts them
 * apart, and each is handled alone. */
static int walk(struct walk *w, const struct level *level, const git_tree *from, const git_tree *to)
{
    size_t i = 0, j = 0, n = from ? git_tree_entrycount(from) : 0, m = to ? git_tree_entrycount(to) : 0;
    int rc = 0;
    while (!rc && (i < n || j < m) && !(w->rules && *w->rules)) {
        const git_tree_entry *a = i < n ? git_tree_entry_byindex(from, i) : NULL;
        const git_tree_entry *b = j < m ? git_tree_entry_byindex(to, j) : NULL;
        int c = !a ? 1 : !b ? -1 : git_tree_entry_cmp(a, b);
        rc = pair(w, level, c <= 0 ? a : NULL, c >= 0 ? b : NULL);
        i += c <= 0;
        j += c >= 0;
    }
    return rc;
}

static int run(struct items *out, git_repository *r, const struct oid *from, const struct oid *to, bool *rules, struct err *e)
{
    struct walk w = {.r = r, .out = out, .rules = rules, .e = e};
    git_tree *a = NULL, *b = NULL;
    git_oid ia, ib = git_of(to);
    int rc = 0, code = git_tree_lookup(&b, r, &ib);
    if (!code && from) {
        ia = git_of(from);
        code = git_tree_lookup(&a, r, &ia);
    }
    if (code)
        rc = git_fail(e, code, "the root tree");
    else
        rc = walk(&w, enter(&w, NULL, b), a, b);
    items_sort(out);
    git_tree_free(a);
    git_tree_free(b);
    buf_release(&w.path);
    return rc;
}

int tree_list(struct items *out, git_repository *r, const struct oid *tree, struct err *e)
{
    return run(out, r, NULL, tree, NULL, e);
}

int tree_diff(struct items *out, git_repository *r, const struct oid *from, const struct oid *to, bool *rules, struct err *e)
{
    *rules = false;
    return run(out, r, from, to, rules, e);
}
