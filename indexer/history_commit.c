/* One commit as git has it: which paths it touched, and how their lines came from its parents. */
#include "indexer/history_inside.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 200 /* of folders: paths have at most 4095 bytes, and ours go down one stack frame each */

struct change {
    struct str path;
    git_oid id;                  /* zero: deleted */
    git_oid parent[TOUCH_SIDES]; /* zero: not there */
};

struct reading {
    struct read_commit *out;
    struct blobs *b;
    git_repository *git;
    git_tree *tree, **before;    /* [np] of the parents */
    size_t np;
    struct change *change;
    size_t n, cap;
    struct buf path;
};

static const git_oid zero;

static bool is_zero(const git_oid *id)
{
    return git_oid_equal(id, &zero);
}

static bool is_blob(const git_tree_entry *t)
{
    return t && git_tree_entry_type(t) == GIT_OBJECT_BLOB;
}

static bool is_tree(const git_tree_entry *t)
{
    return t && git_tree_entry_type(t) == GIT_OBJECT_TREE;
}

static void add_change(struct reading *r, const char *name, const git_tree_entry *now, const git_tree_entry *const *before)
{
    if (++r->out->ntouched > HISTORY_PATHS_MAX) {
        r->out->flags |= HISTORY_MANY;
        return;
    }
    VEC_ROOM(r->change, r->n, r->cap);
    struct change *c = &r->change[r->n++];
    size_t len = r->path.len + strlen(name);
    char *path = arena_alloc(&r->out->arena, len + 1);
    if (r->path.len)
        memcpy(path, r->path.data, r->path.len);
    strcpy(path + r->path.len, name);
    c->path = (struct str){path, len};
    git_oid_cpy(&c->id, is_blob(now) ? git_tree_entry_id(now) : &zero);
    for (size_t k = 0; k < r->np; k++)
        git_oid_cpy(&c->parent[k], is_blob(before[k]) ? git_tree_entry_id(before[k]) : &zero);
}

static int walk(struct reading *r, git_tree *now, git_tree *const *before, unsigned depth, struct err *e);

/* Into a folder that differs; entries that are no trees count as empty. What cannot be read (a partial clone) is left out. */
static int descend(struct reading *r, const char *name, const git_tree_entry *now, const git_tree_entry *const *before, unsigned depth,
                   struct err *e)
{
    git_tree *t = NULL, *p[TOUCH_SIDES] = {0};
    size_t len = r->path.len;
    int rc = 0;
    struct err why;
    if (depth >= DEPTH_MAX || len + strlen(name) > 4000)
        return 0;
    buf_addf(&r->path, "%s/", name);
    if (is_tree(now))
        rc = blobs_tree(&t, r->b, git_tree_entry_id(now), &why);
    for (size_t k = 0; k < r->np && !rc; k++)
        if (is_tree(before[k]))
            rc = blobs_tree(&p[k], r->b, git_tree_entry_id(before[k]), &why);
    if (rc == ERR_NOT_FOUND || rc == ERR_CORRUPT) {
        r->out->flags |= HISTORY_PARTIAL;
        rc = 0;
    } else if (!rc) {
        rc = walk(r, t, p, depth + 1, e);
    } else if (e) {
        *e = why;
    }
    git_tree_free(t);
    for (size_t k = 0; k < r->np; k++)
        git_tree_free(p[k]);
    r->path.len = len;
    return rc;
}

/* One name that differs from the first parent's. */
static int differ(struct reading *r, git_tree *const *before, const git_tree_entry *now, const git_tree_entry *first, unsigned depth,
                  struct err *e)
{
    const git_tree_entry *was[TOUCH_SIDES] = {first};
    const char *name = git_tree_entry_name(now ? now : first);
    for (size_t k = 1; k < r->np; k++)
        was[k] = before[k] ? git_tree_entry_byname(before[k], name) : NULL;
    bool blob = is_blob(now) || is_blob(first);
    if (blob && !(is_blob(now) && is_blob(first) && git_oid_equal(git_tree_entry_id(now), git_tree_entry_id(first))))
        add_change(r, name, now, was);
    return is_tree(now) || is_tree(first) ? descend(r, name, now, was, depth, e) : 0;
}

static int walk(struct reading *r, git_tree *now, git_tree *const *before, unsigned depth, struct err *e)
{
    git_tree *first = r->np ? before[0] : NULL;
    size_t n = now ? git_tree_entrycount(now) : 0, nf = first ? git_tree_entrycount(first) : 0, k = 0;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        const git_tree_entry *a = git_tree_entry_byindex(now, i), *p = k < nf ? git_tree_entry_byindex(first, k) : NULL;
        if (!p || strcmp(git_tree_entry_name(a), git_tree_entry_name(p))) { /* mostly they go side by side */
            p = first ? git_tree_entry_byname(first, git_tree_entry_name(a)) : NULL;
            for (size_t at = k; p && at < nf && at < k + 64; at++)
                if (git_tree_entry_byindex(first, at) == p) {
                    k = at;
                    break;
                }
        }
        if (p && k < nf && git_tree_entry_byindex(first, k) == p)
            k++;
        if (!p || !git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(p)) || git_tree_entry_type(a) != git_tree_entry_type(p))
            rc = differ(r, before, a, p, depth, e);
    }
    for (size_t i = 0, j = 0; i < nf && !rc; i++) { /* what is gone */
        const git_tree_entry *p = git_tree_entry_byindex(first, i);
        const char *name = git_tree_entry_name(p);
        if (j < n && !strcmp(git_tree_entry_name(git_tree_entry_byindex(now, j)), name)) {
            j++;
            continue;
        }
        if (!now || !git_tree_entry_byname(now, name)) {
            rc = differ(r, before, NULL, p, depth, e);
        } else {
            while (j < n && strcmp(git_tree_entry_name(git_tree_entry_byindex(now, j)), name))
                j++;
            j += j < n;
        }
    }
    return rc;
}

/* -- sides ------------------------------------------------------------------------------------------------------------------ */

static uint32_t source_of(struct read_commit *c, struct str path)
{
    for (size_t i = 0; i < c->nsources; i++)
        if (c->source[i].n == path.n && !memcmp(c->source[i].p, path.p, path.n))
            return (uint32_t)i;
    VEC_ROOM(c->source, c->nsources, c->cap_sources);
    c->source[c->nsources] = path;
    return (uint32_t)c->nsources++;
}

/* Compares the lines; how says what when they are not known. most: bytes of a content. */
static int compare(struct touch_side *s, struct reading *r, const git_oid *old, const git_oid *new, bool renamed, bool lines, size_t most,
                   struct err *e)
{
    struct str a, b;
    struct err why;
    s->how = renamed ? TOUCH_RENAMED : TOUCH_HERE;
    if (git_oid_equal(old, new))
        return 0;
    if (!lines) {
        s->how = renamed ? TOUCH_RENAMED_UNREAD : TOUCH_HERE_UNREAD;
        return 0;
    }
    int rc = blobs_get(&a, r->b, old, most, &why);
    if (!rc)
        rc = blobs_get(&b, r->b, new, most, &why);
    if (rc) {
        if (rc != ERR_LIMIT)
            r->out->flags |= HISTORY_PARTIAL;
        s->how = renamed ? TOUCH_RENAMED_UNREAD : TOUCH_HERE_UNREAD;
        return 0;
    }
    if (looks_binary(a) || looks_binary(b)) { /* nobody asks for a line of it */
        s->how = renamed ? TOUCH_RENAMED_UNREAD : TOUCH_HERE_UNREAD;
        return 0;
    }
    rc = lines_compare(s, a, b, e);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    const struct deleted *x = a, *y = b;
    size_t n = x->path.n < y->path.n ? x->path.n : y->path.n;
    int c = memcmp(x->path.p, y->path.p, n);
    return c ? c : x->path.n < y->path.n ? -1 : x->path.n > y->path.n;
}

struct sources {
    struct deleted *d;
    size_t n;
    bool made;
};

/* Files that the commit has not and its parent k has. For the first parent they are among the changes; for another one of a
 * merge the two trees are walked, which few merges need. */
static int list_deleted(struct sources *s, struct reading *r, size_t k, struct err *e)
{
    struct reading own = {.out = r->out, .b = r->b, .git = r->git, .np = 1};
    const struct reading *in = r;
    size_t touched = r->out->ntouched, from = k;
    uint32_t flags = r->out->flags;
    int rc = 0;
    s->made = true;
    if (k) {
        r->out->ntouched = 0;
        rc = walk(&own, r->tree, &r->before[k], 0, e);
        r->out->ntouched = touched;
        r->out->flags = flags;
        in = &own;
        from = 0;
    }
    s->d = mem_zero(in->n + 1, sizeof *s->d);
    for (size_t i = 0; i < in->n; i++)
        if (is_zero(&in->change[i].id) && !is_zero(&in->change[i].parent[from]))
            s->d[s->n++] = (struct deleted){.path = in->change[i].path, .id = in->change[i].parent[from]};
    qsort(s->d, s->n, sizeof *s->d, by_path); /* of sources that are equally alike git takes one by this order */
    free(own.change);
    buf_release(&own.path);
    return rc;
}

/* What is compared, and how far. */
struct effort {
    bool lines;
    size_t bytes, pairs;         /* of a content; of added and deleted files */
    size_t added;                /* files of the commit */
};

/* *whole: it is what the parent has under another name. */
static int side(struct touch_side *s, bool *whole, struct reading *r, const struct change *c, size_t k, struct sources *from,
                const struct effort *how, struct err *e)
{
    if (!is_zero(&c->parent[k]))
        return compare(s, r, &c->parent[k], &c->id, false, how->lines, how->bytes, e);
    int rc = from->made ? 0 : list_deleted(from, r, k, e), i = -1;
    if (rc)
        return rc;
    if (from->n)
        i = rename_exact(from->d, from->n, c->path, &c->id);
    *whole = i >= 0;
    s->how = TOUCH_ABSENT;
    if (from->n && i < 0) {
        if (from->n * how->added > how->pairs) {
            s->how = TOUCH_UNSOUGHT;
            return 0;
        }
        i = rename_alike(r->b, from->d, from->n, c->path, &c->id);
    }
    if (i < 0)
        return 0;
    s->from = source_of(r->out, from->d[i].path);
    return compare(s, r, &from->d[i].id, &c->id, true, how->lines, how->bytes, e);
}

/* All lines come from parent k. */
static void take_all(struct touch *t, unsigned k)
{
    for (unsigned i = 0; i < t->nsides; i++)
        if (i != k) {
            free(t->side[i].hunk);
            t->side[i] = (struct touch_side){.how = TOUCH_ABSENT};
        }
}

static int describe(struct touch *t, struct reading *r, const struct change *c, struct sources *from, const struct effort *how, struct err *e)
{
    int rc = 0, all = -1;
    *t = (struct touch){.kind = is_zero(&c->id)                          ? TOUCH_DELETED
                                : r->np && !is_zero(&c->parent[0]) ? TOUCH_CHANGED
                                                                         : TOUCH_ADDED};
    if (t->kind == TOUCH_DELETED)
        return 0;
    for (size_t k = 1; k < r->np; k++)
        if (git_oid_equal(&c->parent[k], &c->id)) {
            t->same = (uint8_t)(k + 1);
            return 0;
        }
    for (size_t k = 0; k < r->np && !rc; k++) {
        t->nsides = (uint8_t)(k + 1);
        bool whole = false;
        rc = side(&t->side[k], &whole, r, c, k, &from[k], how, e);
        all = whole && all < 0 ? (int)k : all;
    }
    if (!rc && all >= 0) /* as git has it, whatever the other parents have under this name */
        take_all(t, (unsigned)all);
    return rc;
}

static size_t count_added(const struct reading *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += !is_zero(&r->change[i].id) && (!r->np || is_zero(&r->change[i].parent[0]));
    return n;
}

/* -- a commit --------------------------------------------------------------------------------------------------------------- */

static struct str keep(struct arena *a, const char *s, size_t most)
{
    size_t n = s ? strnlen(s, most) : 0;
    while (n && n == most && ((unsigned char)s[n] & 0xc0) == 0x80) /* not in the middle of a character */
        n--;
    return (struct str){arena_strn(a, s ? s : "", n), n};
}

static void describe_commit(struct read_commit *out, const git_commit *c)
{
    const git_signature *by = git_commit_author(c);
    out->time = by ? by->when.time : git_commit_time(c);
    out->offset = by ? by->when.offset : 0;
    out->author = keep(&out->arena, by ? by->name : "", 1000);
    out->mail = keep(&out->arena, by ? by->email : "", 1000);
    out->message = keep(&out->arena, git_commit_message(c), HISTORY_MESSAGE_MAX);
}

static int begin(struct reading *r, struct read_commit *out, struct blobs *b, git_repository *git, const git_oid *id, git_tree **tree,
                 git_tree **parent, struct err *e)
{
    *out = (struct read_commit){.oid = oid_of(id)};
    *r = (struct reading){.out = out, .b = b, .git = git};
    arena_init(&out->arena);
    git_commit *c;
    int code = git_commit_lookup(&c, git, id);
    if (code)
        return git_fail(e, code, "reading a commit");
    struct err why;
    describe_commit(out, c);
    int rc = blobs_tree(tree, b, git_commit_tree_id(c), &why);
    size_t np = git_commit_parentcount(c);
    for (size_t k = 0; k < np && r->np < TOUCH_SIDES && !rc; k++) {
        git_commit *p;
        code = git_commit_lookup(&p, git, git_commit_parent_id(c, (unsigned)k));
        if (code) { /* a shallow clone ends here */
            out->flags |= HISTORY_BOUNDARY;
            continue;
        }
        rc = blobs_tree(&parent[r->np], b, git_commit_tree_id(p), &why);
        r->np += !rc;
        git_commit_free(p);
    }
    git_commit_free(c);
    if (rc) { /* a tree is missing: the commit is known by its message alone */
        out->flags |= HISTORY_PARTIAL;
        r->np = 0;
        git_tree_free(*tree);
        *tree = NULL;
    }
    r->tree = *tree;
    r->before = parent;
    return 0;
}

static void end(struct reading *r, struct sources *from, git_tree *tree, git_tree **parent)
{
    for (size_t k = 0; k < TOUCH_SIDES; k++) {
        git_tree_free(parent[k]);
        deleted_release(from[k].d, from[k].n);
        free(from[k].d);
    }
    git_tree_free(tree);
    free(r->change);
    buf_release(&r->path);
}

int commit_read(struct read_commit *out, struct blobs *b, git_repository *git, const git_oid *id, struct err *e)
{
    struct reading r;
    git_tree *tree = NULL, *parent[TOUCH_SIDES] = {0};
    struct sources from[TOUCH_SIDES] = {0};
    int rc = begin(&r, out, b, git, id, &tree, parent, e);
    if (!rc && tree)
        rc = walk(&r, tree, parent, 0, e);
    size_t added = count_added(&r);
    struct effort how = {r.n - added <= HISTORY_COMPARED, HISTORY_BLOB_MAX, RENAME_PAIRS, added};
    for (size_t i = 0; i < r.n && !rc; i++) {
        VEC_ROOM(out->touch, out->n, out->cap);
        struct read_touch *t = &out->touch[out->n++];
        t->path = r.change[i].path;
        rc = describe(&t->touch, &r, &r.change[i], from, &how, e);
    }
    end(&r, from, tree, parent);
    return rc;
}

int commit_read_path(struct touch *out, struct read_commit *c, struct blobs *b, git_repository *git, const git_oid *id, const char *path,
                     struct err *e)
{
    struct reading r;
    git_tree *tree = NULL, *parent[TOUCH_SIDES] = {0};
    struct sources from[TOUCH_SIDES] = {0};
    *out = (struct touch){0};
    int rc = begin(&r, c, b, git, id, &tree, parent, e);
    if (!rc && tree) {
        struct change one = {.path = str_of(path)};
        git_tree_entry *t = NULL;
        if (!git_tree_entry_bypath(&t, tree, path) && is_blob(t))
            one.id = *git_tree_entry_id(t);
        git_tree_entry_free(t);
        for (size_t k = 0; k < r.np; k++) {
            t = NULL;
            if (!git_tree_entry_bypath(&t, parent[k], path) && is_blob(t))
                one.parent[k] = *git_tree_entry_id(t);
            git_tree_entry_free(t);
        }
        struct effort how = {true, HISTORY_ASKED_MAX, RENAME_ASKED, 1};
        bool everywhere = true;
        for (size_t k = 0; k < r.np; k++)
            everywhere &= !is_zero(&one.parent[k]);
        if (r.np && git_oid_equal(&one.id, &one.parent[0])) {
            ; /* nothing */
        } else if (!everywhere && !is_zero(&one.id) && r.np) { /* a rename: the whole commit says from where */
            rc = walk(&r, tree, parent, 0, e);
            if (!rc)
                rc = describe(out, &r, &one, from, &how, e);
        } else {
            rc = describe(out, &r, &one, from, &how, e);
        }
    }
    end(&r, from, tree, parent);
    return rc;
}

void read_commit_release(struct read_commit *c)
{
    for (size_t i = 0; i < c->n; i++)
        touch_release(&c->touch[i].touch);
    free(c->touch);
    free(c->source);
    arena_release(&c->arena);
    *c = (struct read_commit){0};
}
