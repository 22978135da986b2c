/* overlay match, tree, put, drop: for a daemon elsewhere that answers about its clone of a repository out of this index. It finds the
 * repository and a commit that both have, learns how its own state differs, and sends what does. */
#include "service/method.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "indexer/clone.h"
#include "indexer/language.h"
#include "service/cutting_apart.h"
#include "service/overlays.h"
#include "service/permission.h"

#include <stdlib.h>
#include <string.h>

#define TREES_AT_ONCE 256       /* directories of one request */
#define TREES_BYTES (4u << 20)  /* of them together; the rest is asked for again */
#define HEAD_BYTES (64u << 10)  /* what language_for looks at, at most */
#define HELD_COST 1024          /* of a content beside its bytes */

static bool oid_of_hex(struct oid *out, json_t *v)
{
    *out = (struct oid){0};
    return json_is_string(v) && json_string_length(v) == 40 && hex_to(out->byte, json_string_value(v), 20) == 20;
}

static json_t *hex_json(const struct oid *o)
{
    char hex[2 * OID_MAX + 1];
    hex_of(hex, o->byte, 20);
    return json_string(hex);
}

static bool same(const struct oid *a, const struct oid *b)
{
    return !memcmp(a, b, sizeof *a);
}

/* -- match ----------------------------------------------------------------------------------------------------------------- */

struct best { /* the ref whose commit stands first among those asked for */
    json_t *commits;
    size_t at;              /* SIZE_MAX: none of them */
    struct ref_row ref;     /* its name in the arena */
    struct arena *arena;
    bool has;
};

/* What a user may name: HEAD and branches, not what lies uncommitted in the server's own working tree. */
static bool is_named(struct str name)
{
    return str_same(name, STR("HEAD")) || (name.n > 5 && !memcmp(name.p, "refs/", 5));
}

static int look(void *arg, const struct ref_row *r)
{
    struct best *b = arg;
    struct oid id;
    size_t at = SIZE_MAX;
    if (!r->oid_len || !is_named(r->name))
        return 0;
    for (size_t i = 0; i < json_array_size(b->commits) && at == SIZE_MAX; i++)
        if (oid_of_hex(&id, json_array_get(b->commits, i)) && same(&id, &r->commit))
            at = i;
    bool head = str_same(r->name, STR("HEAD"));
    if (!b->has || at < b->at || (at == b->at && head)) {
        b->at = at;
        if (at != SIZE_MAX || head) {
            b->ref = *r;
            b->ref.name = (struct str){arena_strn(b->arena, r->name.p, r->name.n), r->name.n};
            b->has = true;
        }
    }
    return 0;
}

static bool by_url(const struct repo_row *repo, json_t *urls)
{
    struct clone c;
    bool found = false;
    if (!json_array_size(urls) || clone_urls(&c, repo, NULL))
        return false;
    for (size_t i = 0; i < c.nurls && !found; i++)
        for (size_t k = 0; k < json_array_size(urls) && !found; k++)
            found = !strcmp(c.url[i], json_string_value(json_array_get(urls, k)));
    clone_close(&c);
    return found;
}

static bool by_root(const struct repo_row *repo, json_t *roots)
{
    struct oid id;
    for (size_t i = 0; i < json_array_size(roots) && i < CLONE_ROOTS; i++)
        if (oid_of_hex(&id, json_array_get(roots, i)) && clone_has(repo, &id))
            return true;
    return false;
}

static int match_one(json_t **result, struct request *rq, const struct repo_row *repo, struct best *best, size_t *nearest, struct err *e)
{
    struct txn *t;
    struct view_head h;
    struct best b = *best;
    int rc = store_read(&t, rq->s->store, e);
    if (rc)
        return rc;
    rc = refs_each(t, repo->id, look, &b, e);
    static const struct oid none; /* of a view that is being made */
    if (!rc && b.has && !view_get(t, b.ref.view, &h, NULL) && !same(&h.tree, &none) && (!*result || b.at < *nearest)) {
        json_decref(*result);
        *result = json_pack("{so, so, so, so}", "repo", json_cstr(repo->name), "ref", json_text(b.ref.name.p, b.ref.name.n), "commit",
                            hex_json(&b.ref.commit), "tree", hex_json(&h.tree));
        *nearest = b.at;
    }
    txn_end(t);
    return rc;
}

int method_overlay_match(struct request *rq, json_t **result, struct err *e)
{
    struct repo_row *repo = NULL;
    size_t n = 0, nearest = SIZE_MAX;
    json_t *urls = json_object_get(rq->params, "url"), *roots = json_object_get(rq->params, "root");
    struct best b = {.commits = json_object_get(rq->params, "commit"), .at = SIZE_MAX, .arena = &rq->arena};
    int rc = readable_repos(&repo, &n, rq, e);
    for (size_t i = 0; i < n && !rc; i++)
        if (!repo[i].plain && (by_url(&repo[i], urls) || by_root(&repo[i], roots)))
            rc = match_one(result, rq, &repo[i], &b, &nearest, e);
    if (!rc && !*result)
        rc = err_set(e, ERR_NOT_FOUND, "no repository that you may read is a clone of it");
    state_repos_free(repo, n);
    if (rc) {
        json_decref(*result);
        *result = NULL;
    }
    return rc;
}

/* -- what is asked about ---------------------------------------------------------------------------------------------------- */

struct base {
    struct repo_row *repo;  /* in the arena */
    struct oid commit;
    const char *ref;
};

static int find_ref(void *arg, const struct ref_row *r)
{
    struct best *b = arg;
    struct oid id;
    if (!r->oid_len || !is_named(r->name) || !oid_of_hex(&id, b->commits) || !same(&id, &r->commit))
        return 0;
    if (!b->has || str_same(r->name, STR("HEAD")))
        b->ref.name.p = arena_strn(b->arena, r->name.p, r->name.n);
    b->has = true;
    return 0;
}

/* A repository that the asker may read, and a commit that one of its refs names now. */
static int base_of(struct base *out, struct request *rq, struct err *e)
{
    struct best b = {.commits = json_object_get(rq->params, "commit"), .arena = &rq->arena};
    struct txn *t;
    size_t n;
    if (!param_str(rq, "repo") || !oid_of_hex(&out->commit, b.commits))
        return err_set(e, ERR_USAGE, "repo and commit are wanted");
    int rc = scope_repos(&out->repo, &n, rq, &(struct scope_rules){0}, e);
    if (rc || (rc = store_read(&t, rq->s->store, e)))
        return rc;
    rc = refs_each(t, out->repo->id, find_ref, &b, e);
    txn_end(t);
    if (!rc && !b.has)
        rc = err_set(e, ERR_NOT_FOUND, "no branch of %s is at that commit", out->repo->name);
    out->ref = b.ref.name.p;
    return rc;
}

int method_overlay_tree(struct request *rq, json_t **result, struct err *e)
{
    struct base b;
    json_t *dirs = json_object_get(rq->params, "path"), *dir, *trees = json_array();
    struct buf bytes = BUF_INIT;
    size_t i, sum = 0;
    int rc = base_of(&b, rq, e);
    if (!rc && (!json_is_array(dirs) || json_array_size(dirs) > TREES_AT_ONCE))
        rc = err_set(e, ERR_USAGE, "path: a list of at most %d directories is wanted", TREES_AT_ONCE);
    json_array_foreach(dirs, i, dir) {
        if (rc || (i && sum > TREES_BYTES))
            break;
        buf_clear(&bytes);
        if (!(rc = clone_tree(&bytes, b.repo, &b.commit, json_string_value(dir), e)))
            json_array_append_new(trees, json_base64(bytes.data ? bytes.data : "", bytes.len));
        sum += bytes.len;
    }
    buf_release(&bytes);
    if (rc)
        json_decref(trees);
    else
        *result = json_pack("{so}", "trees", trees);
    return rc;
}

/* -- put -------------------------------------------------------------------------------------------------------------------- */

/* Relative to the root, without "." and "..": in the arena. A path that is no UTF-8 comes as path_b64. */
static const char *path_of(struct request *rq, json_t *row)
{
    struct buf b = BUF_INIT;
    json_t *coded = json_object_get(row, "path_b64"), *plain = json_object_get(row, "path");
    if (json_is_string(coded) ? !bytes_of_base64(&b, coded) : !json_is_string(plain))
        return NULL;
    if (!coded)
        buf_add(&b, json_string_value(plain), json_string_length(plain));
    bool good = b.len && b.len <= 4095 && !memchr(b.data, 0, b.len) && *b.data != '/' && b.data[b.len - 1] != '/';
    const char *path = good ? arena_strn(&rq->arena, b.data, b.len) : NULL;
    buf_release(&b);
    for (const char *p = path; p && *p;) {
        size_t n = strcspn(p, "/");
        if (!n || (n == 1 && *p == '.') || (n == 2 && !strncmp(p, "..", 2)))
            return NULL;
        p += n + (p[n] == '/');
    }
    return path;
}

/* A content is cut at once: what is held is what is searched. */
static int take_content(struct request *rq, json_t *row, struct err *e)
{
    struct buf bytes = BUF_INIT;
    struct pool_result r = {0};
    struct unsaved_text *text = NULL;
    struct oid blob;
    const char *path = path_of(rq, row);
    if (!path || !oid_of_hex(&blob, json_object_get(row, "blob")) || !bytes_of_base64(&bytes, json_object_get(row, "bytes"))) {
        buf_release(&bytes);
        return err_set(e, ERR_USAGE, "contents: path, blob and bytes (base64) are wanted");
    }
    int rc = 0;
    const char *from = bytes.data ? bytes.data : "";
    size_t n = bytes.len;
    struct oid is = source_hash(from, n);
    if (!same(&is, &blob))
        rc = err_set(e, ERR_FORMAT, "contents: %s does not have that hash", path);
    else if (n > rq->s->o.config->max_file_bytes)
        rc = err_set(e, ERR_LIMIT, "contents: %s has more than max_file_bytes", path);
    if (rc || overlay_has(rq, path, &blob)) {
        buf_release(&bytes);
        return rc;
    }
    const struct language *l = language_for(str_of(path), (struct str){from, n < HEAD_BYTES ? n : HEAD_BYTES});
    struct cut_new c = {.key = {.oid = blob, .version = language_version(l)}};
    memcpy(c.key.language, l->name, strlen(l->name));
    rc = cut_apart(&r, rq->s, l, &bytes, e);
    if (!rc) {
        c.record = r.record.data;
        c.record_len = r.record.len;
        c.text = r.text.data ? r.text.data : "";
        c.text_len = r.text.len;
        rc = unsaved_text_new(&text, &c, e);
    }
    if (!rc)
        rc = overlay_keep(rq, path, text, c.record_len + c.text_len + HELD_COST, e);
    unsaved_text_drop(text);
    buf_release(&r.record);
    buf_release(&r.text);
    buf_release(&bytes);
    return rc;
}

static int take_files(struct overlay_file *out, struct request *rq, json_t *files, struct err *e)
{
    json_t *row;
    size_t i;
    json_array_foreach(files, i, row) {
        out[i].path = path_of(rq, row);
        out[i].gone = json_is_true(json_object_get(row, "gone"));
        if (!out[i].path || (!out[i].gone && !oid_of_hex(&out[i].blob, json_object_get(row, "blob"))))
            return err_set(e, ERR_USAGE, "files: path, and blob or gone are wanted");
    }
    return 0;
}

int method_overlay_put(struct request *rq, json_t **result, struct err *e)
{
    struct base b;
    json_t *files = json_object_get(rq->params, "files"), *contents = json_object_get(rq->params, "contents"), *row;
    size_t n = json_array_size(files), i;
    char id[OVERLAY_ID];
    int rc = base_of(&b, rq, e);
    if (!rc && n > OVERLAY_FILES)
        rc = err_set(e, ERR_LIMIT, "more than %d changed files", OVERLAY_FILES);
    json_array_foreach(contents, i, row)
        if (rc || (rc = take_content(rq, row, e)))
            break;
    if (rc)
        return rc;
    if (!files) {
        *result = json_object();
        return 0;
    }
    struct overlay_file *file = arena_zero(&rq->arena, n + 1, sizeof *file);
    bool *missing = arena_zero(&rq->arena, n + 1, sizeof *missing);
    if ((rc = take_files(file, rq, files, e)))
        return rc;
    overlay_make(id, missing, rq, b.repo, b.ref, &b.commit, file, n);
    json_t *list = json_array();
    for (i = 0; i < n; i++)
        if (missing[i])
            json_array_append_new(list, json_integer((json_int_t)i));
    *result = json_pack("{so, so}", "overlay", *id ? json_string(id) : json_null(), "missing", list);
    return 0;
}

int method_overlay_drop(struct request *rq, json_t **result, struct err *e)
{
    const char *id = param_str(rq, "overlay");
    if (!id)
        return err_set(e, ERR_USAGE, "overlay is missing");
    overlay_forget(rq, id);
    *result = json_object();
    return 0;
}
