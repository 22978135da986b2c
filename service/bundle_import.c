/* bundle verify, bundle import: in a process of their own, because they read foreign files and want the home for themselves. */
#include "service/alone.h"
#include "service/bundle.h"
#include "service/bundle_install.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM ((uint64_t)16 << 20) /* of the disk that stays free: logs, locks, a first write of the index */

struct import {
    const struct alone *a;
    const char *file, *key, *trust, *programs;
    bool install;
    char *staged;             /* <home>/importing */
    char *programs_part;      /* DIR.part; NULL: programs are only looked at */
    int fd;                   /* the file that is being unpacked; -1 */
    char *to;                 /* its path */
    bool trusted, again;      /* again: this very bundle is what the home was made from */
    json_t *found;            /* {"digest", "key", "bytes", "contents"} */
    int64_t began_ns, told_ns;
};

static bool progress(void *arg, uint64_t done, uint64_t all)
{
    struct import *x = arg;
    int64_t now = clock_ns();
    if (now - x->told_ns < 100000000LL)
        return false;
    x->told_ns = now;
    return x->a->progress(x->a, json_pack("{ss, ss, sI, sI, sf}", "stage", x->install ? "unpacking" : "checking", "repo", "", "bytes_done", (json_int_t)done,
                                          "bytes", (json_int_t)all, "seconds", (double)(now - x->began_ns) / 1e9));
}

/* -- who may, and whether it fits ---------------------------------------------------------------------------------------------------- */

static int check_key(struct import *x, const struct bundle_info *i, struct err *e)
{
    char wanted[FINGERPRINT];
    const char *home = x->a->paths->home, *named = x->key ? x->key : x->trust;
    int rc = named ? key_named(wanted, named, e) : 0;
    if (rc)
        return rc;
    x->trusted = named ? !strcmp(wanted, i->fingerprint) : key_trusted(home, i->fingerprint);
    if (named && !x->trusted) {
        err_set(e, ERR_DENIED, "%s is signed by %s, not by %s", x->file, i->fingerprint, wanted);
        err_hint(e, "nothing was taken of it");
        return ERR_DENIED;
    }
    if (x->install && !x->trusted) {
        err_set(e, ERR_DENIED, "%s is signed by %s, whom this home does not know", x->file, i->fingerprint);
        err_hint(e, "compare it with what `bundle export` showed, then: --trust %s", i->fingerprint);
        return ERR_DENIED;
    }
    return 0;
}

static int check_version(const struct import *x, const struct bundle_info *i, struct err *e)
{
    json_t *c = i->contents;
    const char *version = json_string_value(json_object_get(c, "version")), *architecture = json_string_value(json_object_get(c, "architecture"));
    if (json_integer_value(json_object_get(c, "index_schema")) != INDEX_SCHEMA || json_integer_value(json_object_get(c, "state_schema")) > STATE_SCHEMA) {
        err_set(e, ERR_VERSION, "%s was made by codeask %.40s, whose index this one (%s) does not read", x->file, version ? version : "?", CODEASK_VERSION);
        err_hint(e, "its first layer has the programs that do: docs/bundles.md");
        return ERR_VERSION;
    }
    if (x->programs && (!architecture || strcmp(architecture, bundle_architecture())))
        return err_set(e, ERR_UNSUPPORTED, "its programs are for %.40s, this machine is %s", architecture ? architecture : "?", bundle_architecture());
    return 0;
}

static int check_room(const struct import *x, const struct bundle_info *i, struct err *e)
{
    struct statvfs v;
    uint64_t need = ROOM;
    for (size_t k = 0; k < BUNDLE_LAYERS; k++)
        need += i->layer[k];
    if (statvfs(x->a->paths->home, &v) || (uint64_t)v.f_bavail * v.f_frsize >= need)
        return 0;
    err_set(e, ERR_FULL, "%s takes %llu MB, and %llu are free where %s is", x->file, (unsigned long long)(need >> 20),
            (unsigned long long)((uint64_t)v.f_bavail * v.f_frsize >> 20), x->a->paths->home);
    err_hint(e, "CODEASK_HOME=DIR names a home on another disk; nothing was changed");
    return ERR_FULL;
}

/* What the home was made from. */
static bool is_installed(const struct import *x, const char *digest)
{
    struct buf path = BUF_INIT;
    buf_addf(&path, "%s/bundle.json", x->a->paths->home);
    json_t *o = json_load_file(path.data, 0, NULL);
    const char *is = json_string_value(json_object_get(o, "digest"));
    bool same = is && !strcmp(is, digest);
    json_decref(o);
    buf_clear(&path);
    buf_addf(&path, "%s/index.mdb", x->a->paths->home);
    same &= file_exists(path.data);
    buf_release(&path);
    return same;
}

#define ENOUGH ERR_CANCELED /* from judge: there is nothing to do */

static int judge(void *arg, const struct bundle_info *i, struct err *e)
{
    struct import *x = arg;
    x->found = json_pack("{ss, ss, sI, sO}", "digest", i->digest, "key", i->fingerprint, "bytes", (json_int_t)i->bytes, "contents", i->contents);
    int rc = check_key(x, i, e);
    if (!rc && x->install)
        rc = check_version(x, i, e);
    if (!rc && x->install && !x->programs && is_installed(x, i->digest)) {
        x->again = true;
        return err_set(e, ENOUGH, "it is installed");
    }
    return !rc && x->install ? check_room(x, i, e) : rc;
}

/* -- unpacking ----------------------------------------------------------------------------------------------------------------------------- */

static const char *below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && path[n] == '/' ? path + n + 1 : NULL;
}

static bool home_file(const char *rest)
{
    return !strcmp(rest, "config") || !strcmp(rest, "index.mdb") || !strcmp(rest, "state.mdb") || !strcmp(rest, "adapters") || below(rest, "adapters");
}

/* Where an entry goes, in *to; NULL: nowhere. */
static int place(char **to, struct import *x, const char *part, const struct tar_entry *t, struct err *e)
{
    struct buf b = BUF_INIT;
    const char *rest = NULL;
    *to = NULL;
    if (!strcmp(part, "programs")) {
        if (x->programs_part)
            buf_addf(&b, "%s/%s", x->programs_part, t->path);
    } else {
        bool home = !strcmp(part, "home");
        const char *folder = home ? BUNDLE_HOME : BUNDLE_MODELS;
        rest = below(t->path, folder);
        if (!rest && !(t->folder && (!strcmp(t->path, folder) || below(folder, t->path))))
            return err_set(e, ERR_FORMAT, "%s: %s does not belong into its layer %s", x->file, t->path, part);
        if (rest && home && !home_file(rest))
            return err_set(e, ERR_FORMAT, "%s: %s is nothing that a home has", x->file, t->path);
        if (rest)
            buf_addf(&b, "%s/%s%s", x->staged, home ? "" : "models/", rest);
        else if (!home && x->staged && !strcmp(t->path, folder))
            buf_addf(&b, "%s/models", x->staged);
    }
    *to = b.len && x->install ? buf_take(&b) : NULL;
    buf_release(&b);
    return 0;
}

static int entry(void *arg, const char *part, const struct tar_entry *t, struct err *e)
{
    struct import *x = arg;
    free(x->to);
    int rc = place(&x->to, x, part, t, e);
    bool program = !strcmp(part, "programs");
    if (rc || !x->to)
        return rc;
    if (t->folder)
        return (mkdir(x->to, 0700) && !(errno == EEXIST && dir_exists(x->to))) || (program && chmod(x->to, 0755)) ? err_errno(e, errno, "%s", x->to) : 0;
    x->fd = open(x->to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return x->fd < 0 || (program && fchmod(x->fd, t->mode & 0755)) ? err_errno(e, errno, "%s", x->to) : 0;
}

static int bytes(void *arg, const void *p, size_t n, struct err *e)
{
    struct import *x = arg;
    struct err why;
    int rc = x->fd < 0 ? 0 : fd_write(x->fd, p, n, &why);
    if (rc) {
        err_set(e, rc, "%s: %s", x->to, why.message);
        err_hint(e, "nothing was changed");
    }
    return rc;
}

static int end(void *arg, struct err *e)
{
    struct import *x = arg;
    if (x->fd < 0)
        return 0;
    int rc = fsync(x->fd) ? err_errno(e, errno, "%s", x->to) : 0;
    close(x->fd);
    x->fd = -1;
    return rc;
}

static int read_it(struct import *x, struct err *e)
{
    struct bundle_reading r = {.name = x->file, .judge = judge, .entry = entry, .bytes = bytes, .end = end, .progress = progress, .arg = x};
    FILE *f = fopen(x->file, "rbe");
    if (!f)
        return err_errno(e, errno, "%s", x->file);
    struct stat st;
    int rc = fstat(fileno(f), &st) || !S_ISREG(st.st_mode) ? err_set(e, ERR_USAGE, "%s is no regular file", x->file) : bundle_read(f, &r, e);
    fclose(f);
    if (x->fd >= 0)
        close(x->fd);
    x->fd = -1;
    return rc;
}

/* -- the home --------------------------------------------------------------------------------------------------------------------------------- */

/* Nothing of its own is replaced: it is new, or was made from bundles. */
static int check_home(const struct import *x, struct err *e)
{
    struct buf path = BUF_INIT;
    struct store *s = NULL;
    struct repo_row *row = NULL;
    size_t n = 0;
    const char *home = x->a->paths->home;
    buf_addf(&path, "%s/state.mdb", home);
    bool there = file_exists(path.data);
    buf_release(&path);
    if (!there)
        return 0;
    int rc = store_open(&s, home, NULL, e);
    if (!rc)
        rc = state_repos(s, &row, &n, e);
    for (size_t i = 0; i < n && !rc; i++)
        if (!repo_bundled(&row[i])) {
            rc = err_set(e, ERR_USAGE, "%s has repositories of its own (%.100s)", home, row[i].name);
            err_hint(e, "a bundle wants an empty home: CODEASK_HOME=DIR names one; nothing was changed");
        }
    state_repos_free(row, n);
    store_close(s);
    return rc;
}

/* A signer that is trusted may still be mistaken. */
static int check_whole(const struct import *x, struct err *e)
{
    static const char *const wanted[] = {"index.mdb", "state.mdb"};
    int rc = 0;
    for (size_t i = 0; i < 2 && !rc; i++) {
        struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", x->staged, wanted[i]);
        if (!file_exists(path.data))
            rc = err_set(e, ERR_FORMAT, "%s has no %s", x->file, wanted[i]);
        buf_release(&path);
    }
    return rc;
}

static int write_note(const struct import *x, struct err *e)
{
    struct buf path = BUF_INIT;
    buf_addf(&path, "%s/bundle.json", x->staged);
    char *text = json_dumps(x->found, JSON_INDENT(1) | JSON_SORT_KEYS);
    int rc = file_write(path.data, text, strlen(text), 0600, e);
    free(text);
    buf_release(&path);
    return rc;
}

static int put_programs(struct import *x, struct err *e)
{
    return x->programs_part && rename(x->programs_part, x->programs) ? err_errno(e, errno, "renaming %s", x->programs_part) : 0;
}

static int check_programs(struct import *x, struct err *e)
{
    struct buf b = BUF_INIT;
    struct stat st;
    if (!x->programs)
        return 0;
    if (!lstat(x->programs, &st))
        return err_set(e, ERR_USAGE, "%s is there already: name a new folder", x->programs);
    buf_addf(&b, "%s.part", x->programs);
    x->programs_part = buf_take(&b);
    return mkdir(x->programs_part, 0700) || chmod(x->programs_part, 0755) ? err_errno(e, errno, "%s", x->programs_part) : 0;
}

static int import(struct import *x, json_t *aside, struct err *e)
{
    const struct paths *p = x->a->paths;
    int hold = -1, rc = install_pending(p, e);
    if (!rc)
        rc = check_home(x, e);
    if (!rc)
        rc = home_hold(&hold, p->home, e);
    if (rc == ERR_BUSY)
        err_hint(e, "codeask stop, then import again; or CODEASK_HOME=DIR names another home");
    if (!rc)
        rc = install_begin(&x->staged, p, e);
    if (!rc)
        rc = check_programs(x, e);
    if (!rc)
        rc = read_it(x, e);
    if (rc == ENOUGH && x->again)
        rc = 0;
    else if (!rc && !(rc = check_whole(x, e)) && !(rc = write_note(x, e)) && !(rc = put_programs(x, e)) && !(rc = install_ready(p, e)))
        rc = install_finish(aside, p, e);
    if (x->staged && (rc || x->again)) {
        char *ready = NULL;
        struct buf b = BUF_INIT;
        buf_addf(&b, "%s/ready", x->staged);
        ready = buf_take(&b);
        if (!file_exists(ready)) /* what is ready is finished by the next one */
            install_drop(p);
        free(ready);
    }
    if (rc && x->programs_part)
        install_drop_tree(x->programs_part);
    if (!rc && x->trust)
        rc = key_trust(p->home, json_string_value(json_object_get(x->found, "key")), e);
    home_release(hold);
    return rc;
}

static void fill(struct import *x, const struct alone *a, json_t *params)
{
    *x = (struct import){.a = a, .fd = -1, .began_ns = clock_ns(), .file = json_string_value(json_object_get(params, "file")),
                         .key = json_string_value(json_object_get(params, "key")), .trust = json_string_value(json_object_get(params, "trust")),
                         .programs = json_string_value(json_object_get(params, "programs"))};
}

static void release(struct import *x)
{
    json_decref(x->found);
    free(x->programs_part);
    free(x->staged);
    free(x->to);
}

int bundle_verify_alone(json_t **result, const struct alone *a, json_t *params, struct err *e)
{
    struct import x;
    fill(&x, a, params);
    int rc = x.file ? read_it(&x, e) : err_set(e, ERR_USAGE, "the file is missing");
    if (!rc) {
        *result = json_incref(x.found);
        json_object_update_new(*result, json_pack("{so, sb}", "file", json_cstr(x.file), "trusted", x.trusted));
    }
    release(&x);
    return rc;
}

int bundle_import_alone(json_t **result, const struct alone *a, json_t *params, struct err *e)
{
    struct import x;
    json_t *aside = json_array();
    fill(&x, a, params);
    x.install = true;
    int rc = x.file ? import(&x, aside, e) : err_set(e, ERR_USAGE, "the file is missing");
    if (!rc) {
        *result = json_incref(x.found);
        json_object_update_new(*result, json_pack("{so, so, sb, sO}", "file", json_cstr(x.file), "home", json_cstr(a->paths->home), "installed", !x.again, "aside", aside));
    }
    json_decref(aside);
    release(&x);
    return rc;
}
