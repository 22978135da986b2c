#define _GNU_SOURCE /* memmem */
#include "service/holders.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/adapters.h"
#include "service/bundle_made.h"
#include "service/query_maps.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTENTS_MAX ((size_t)256 << 20) /* bytes of an adapter's list: six million hashes */
#define BLOCKED "adapters.blocked"       /* in state.mdb: names, each ended by a newline */

struct asked {
    struct service *s;
    const struct repo_row *repo;
    size_t n;
    const struct oid *oid;
    json_t *list;  /* NULL: only block */
    bool block;
};

static void add(const struct asked *a, const char *kind, const char *name, const char *where, bool known, bool blocked)
{
    if (a->list)
        json_array_append_new(a->list, json_pack("{ss, so, so, so, sb}", "kind", kind, "name", json_cstr(name), "where", json_cstr(where), "holds",
                                                 known ? json_true() : json_null(), "blocked", blocked));
}

/* -- git's objects: of the people's own clones, and of mirrors in the home ------------------------------------------------------ */

static int look_at_repos(struct asked *a, struct err *e)
{
    const char *home = a->s->o.paths->home;
    size_t n = strlen(home);
    (void)e;
    for (size_t i = 0; i < a->n && a->list; i++) {
        const char *path = a->repo[i].path;
        bool mirror = !strncmp(path, home, n) && path[n] == '/';
        if (!a->repo[i].plain && source_holds(&a->repo[i], a->oid))
            add(a, mirror ? "mirror" : "repository", a->repo[i].name, path, true, false);
    }
    return 0;
}

/* -- adapters --------------------------------------------------------------------------------------------------------------- */

static bool listed(const struct buf *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = names->data; p && *p; p = strchr(p, '\n') + 1)
        if (!strncmp(p, name, n) && p[n] == '\n')
            return true;
    return false;
}

static int blocked_names(struct buf *out, struct service *s, struct err *e)
{
    int rc = state_get(s->store, BLOCKED, out, e);
    if (out->len && out->data[out->len - 1] != '\n')
        buf_addc(out, '\n');
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

bool adapter_blocked(struct service *s, const char *name)
{
    struct buf names = BUF_INIT;
    bool yes = blocked_names(&names, s, NULL) || listed(&names, name); /* what cannot be read blocks */
    buf_release(&names);
    return yes;
}

static int block_adapter(struct service *s, const char *name, struct err *e)
{
    struct buf names = BUF_INIT;
    int rc = blocked_names(&names, s, e);
    if (!rc && !listed(&names, name)) {
        buf_addf(&names, "%s\n", name);
        rc = state_put(s->store, BLOCKED, names.data, names.len, e);
        log_line(LOG_WARN, "the adapter %s has learned a content that is purged: it is not used any more", name);
    }
    buf_release(&names);
    return rc;
}

/* The texts that it learned go, the hashes stay. What another was measured by (`measured`) is made again when it is wanted. */
static void drop_texts(const char *folder, bool holds)
{
    static const char *const files[] = {"measured", "corpus"};
    for (int i = 0; i < 1 + holds; i++) {
        struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", folder, files[i]);
        unlink(path.data);
        buf_release(&path);
    }
}

static int look_at_adapter(struct asked *a, const char *folder, const char *name, struct err *e)
{
    struct buf path = BUF_INIT, contents = BUF_INIT;
    char hex[42];
    int rc = 0;
    buf_addf(&path, "%s/%s/contents", folder, name);
    bool known = !file_read(&contents, path.data, CONTENTS_MAX, NULL);
    hex_of(hex, a->oid->byte, 20);
    bool holds = known && contents.len && memmem(contents.data, contents.len, hex, 40);
    path.len -= sizeof "/contents" - 1;
    path.data[path.len] = 0;
    if (a->block)
        drop_texts(path.data, holds);
    if (holds && a->block && !(rc = block_adapter(a->s, name, e)))
        rc = adapter_forget(a->s, name, e);
    if (holds && a->block && !rc)
        rc = query_map_forget(a->s, name, e);
    if (holds || !known)
        add(a, "adapter", name, path.data, holds, adapter_blocked(a->s, name));
    buf_release(&path);
    buf_release(&contents);
    return rc;
}

static int look_at_adapters(struct asked *a, struct err *e)
{
    struct buf folder = BUF_INIT;
    int rc = 0;
    buf_addf(&folder, "%s/adapters", a->s->o.paths->home);
    DIR *d = opendir(folder.data);
    for (struct dirent *one; d && !rc && (one = readdir(d));) {
        struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", folder.data, one->d_name);
        if (one->d_name[0] != '.' && !strchr(one->d_name, '\n') && dir_exists(path.data))
            rc = look_at_adapter(a, folder.data, one->d_name, e);
        buf_release(&path);
    }
    if (d)
        closedir(d);
    buf_release(&folder);
    return rc;
}

/* -- bundles that were made here: where their files went from the place where they were written is not known ------------------------ */

static void add_bundle(void *arg, const char *digest, const char *file, bool known)
{
    char name[13];
    memcpy(name, digest, strnlen(digest, sizeof name - 1));
    name[strnlen(digest, sizeof name - 1)] = 0;
    add(arg, "bundle", name, file, known, false);
}

static int look_at_bundles(struct asked *a, struct err *e)
{
    return a->list ? bundles_holding(a->s, a->oid, add_bundle, a, e) : 0;
}

/* -------------------------------------------------------------------------------------------------------------------------- */

static int (*const holders[])(struct asked *a, struct err *e) = {look_at_repos, look_at_adapters, look_at_bundles};

static int each(struct asked *a, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof holders / sizeof *holders && !rc; i++)
        rc = holders[i](a, e);
    return rc;
}

int holders_list(json_t *list, struct service *s, const struct repo_row *repo, size_t n, const struct oid *oid, struct err *e)
{
    return each(&(struct asked){.s = s, .repo = repo, .n = n, .oid = oid, .list = list}, e);
}

int holders_block(struct service *s, const struct oid *oid, struct err *e)
{
    return each(&(struct asked){.s = s, .oid = oid, .block = true}, e);
}
