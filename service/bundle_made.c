#include "service/bundle_made.h"

#include "base/clock.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define STATE_BUNDLES "bundles"
#define ID_BYTES 20

static int made(json_t **out, struct service *s, struct err *e)
{
    struct buf b = BUF_INIT;
    int rc = state_get(s->store, STATE_BUNDLES, &b, e);
    *out = rc ? NULL : json_loadb(b.data ? b.data : "", b.len, 0, NULL);
    if (!rc && !json_is_array(*out))
        rc = err_set(e, ERR_CORRUPT, "the list of bundles in state.mdb is none");
    if (rc == ERR_NOT_FOUND) {
        *out = json_array();
        rc = 0;
    }
    buf_release(&b);
    return rc;
}

static void contents_path(struct buf *out, struct service *s, const char *digest)
{
    buf_addf(out, "%s/bundles/%s.contents", s->o.paths->home, digest);
}

static int write_contents(struct service *s, const char *digest, const struct oid *v, size_t n, struct err *e)
{
    struct buf b = BUF_INIT, path = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_add(&b, v[i].byte, ID_BYTES);
    buf_addf(&path, "%s/bundles", s->o.paths->home);
    int rc = dir_make(path.data, 0700, e);
    buf_clear(&path);
    contents_path(&path, s, digest);
    if (!rc)
        rc = file_write(path.data, b.data ? b.data : "", b.len, 0600, e);
    buf_release(&b);
    buf_release(&path);
    return rc;
}

static bool same(json_t *row, const char *key, const char *text)
{
    const char *is = json_string_value(json_object_get(row, key));
    return is && !strcmp(is, text);
}

int bundle_note(struct service *s, const char *digest, const char *file, const char *user, const struct repo_row *repo, size_t n, const struct oid *content, size_t contents,
                struct err *e)
{
    json_t *all = NULL, *names = json_array(), *row;
    size_t i, len;
    int rc = write_contents(s, digest, content, contents, e);
    if (!rc)
        rc = made(&all, s, e);
    for (i = 0; i < n; i++)
        json_array_append_new(names, json_cstr(repo[i].name));
    json_array_foreach(all, i, row)
        if (same(row, "digest", digest) && same(row, "file", file)) { /* made again */
            json_array_remove(all, i);
            break;
        }
    if (!rc) {
        json_array_append_new(all, json_pack("{ss, so, sI, sO, so}", "digest", digest, "file", json_cstr(file), "made_ms", (json_int_t)(clock_wall_ns() / 1000000), "repos",
                                             names, "user", user ? json_cstr(user) : json_null()));
        char *text = json_line(json_incref(all), &len);
        rc = state_put(s->store, STATE_BUNDLES, text, len, e);
        free(text);
    }
    json_decref(all);
    json_decref(names);
    return rc;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, ID_BYTES);
}

int bundles_holding(struct service *s, const struct oid *oid, void (*each)(void *arg, const char *digest, const char *file, bool known), void *arg, struct err *e)
{
    json_t *all, *row;
    size_t i;
    int rc = made(&all, s, e);
    json_array_foreach(all, i, row) {
        const char *digest = json_string_value(json_object_get(row, "digest")), *file = json_string_value(json_object_get(row, "file"));
        struct buf path = BUF_INIT;
        struct file_map m = {0};
        contents_path(&path, s, digest ? digest : "");
        bool known = digest && !file_map(&m, path.data, NULL);
        if (!known || bsearch(oid->byte, m.p, m.n / ID_BYTES, ID_BYTES, by_id))
            each(arg, digest ? digest : "", file ? file : "", known);
        if (known)
            file_unmap(&m);
        buf_release(&path);
    }
    json_decref(all);
    return rc;
}
