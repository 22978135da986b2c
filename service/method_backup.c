/* backup and restore: what cannot be rebuilt, as files of its own directory.
 *
 *   manifest.json   {"codeask_backup":1,"version","state_schema","index_schema","made_ms","files":[{"name","bytes","sha256"}]}
 *   state.mdb       as store/state.c has it
 *   config          the configuration file, where there is one
 *   adapters/NAME   the regular files of <home>/adapters, where it is there
 *
 * The manifest is written last, when everything else is synced: a directory without it is no backup. */
#include "service/alone.h"
#include "service/method.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/format/sha256.h"
#include "store/backup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKUP_FORMAT 1
#define BACKUP_FILE_MAX ((size_t)1 << 30) /* what the map of state.mdb can hold; an adapter is far smaller */
#define BACKUP_CONFIG_MAX (1 << 20)
#define BACKUP_FILES_MAX 1000             /* a manifest of more is not ours */
#define MANIFEST_MAX (1 << 20)

static char *in(const char *dir, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", dir, name);
    return buf_take(&b);
}

/* Nothing that leads out of the directory. */
static bool good_name(const char *name)
{
    if (!strncmp(name, "adapters/", 9))
        return name[9] && name[9] != '.' && !strchr(name + 9, '/');
    return !strcmp(name, "state.mdb") || !strcmp(name, "config");
}

/* Calls each with the names ("adapters/NAME") of a directory's regular files; none when it is not there. */
static int each_adapter(const char *home, int (*each)(void *arg, const char *name, struct err *e), void *arg, struct err *e)
{
    char *path = in(home, "adapters");
    DIR *d = opendir(path);
    int rc = d || errno == ENOENT ? 0 : err_errno(e, errno, "%s", path);
    struct dirent *one;
    while (d && !rc && (one = readdir(d))) {
        char *file = in(path, one->d_name), *name = in("adapters", one->d_name);
        if (good_name(name) && file_exists(file))
            rc = each(arg, name, e);
        free(file);
        free(name);
    }
    if (d)
        closedir(d);
    free(path);
    return rc;
}

/* -- backup ----------------------------------------------------------------------------------------------------------- */

struct backup {
    struct service *s;
    const char *dir;
    json_t *files;
    uint64_t bytes;
};

static void add_row(struct backup *b, const char *name, const uint8_t sha[32], size_t n)
{
    char hex[65];
    hex_of(hex, sha, 32);
    json_array_append_new(b->files, json_pack("{ss, sI, ss}", "name", name, "bytes", (json_int_t)n, "sha256", hex));
    b->bytes += n;
}

static int copy_in(struct backup *b, const char *from, const char *name, size_t most, struct err *e)
{
    struct buf bytes = BUF_INIT;
    uint8_t sha[32];
    char *to = in(b->dir, name);
    int rc = file_read(&bytes, from, most, e);
    if (!rc && !(rc = file_write(to, bytes.data ? bytes.data : "", bytes.len, 0600, e)))
        rc = sha256(sha, bytes.data ? bytes.data : "", bytes.len, e);
    if (!rc)
        add_row(b, name, sha, bytes.len);
    buf_release(&bytes);
    free(to);
    return rc;
}

static int copy_state(struct backup *b, struct err *e)
{
    struct file_map map = {0};
    uint8_t sha[32];
    char *to = in(b->dir, "state.mdb");
    int rc = state_backup(b->s->store, to, e);
    if (!rc && !(rc = file_map(&map, to, e))) {
        rc = sha256(sha, map.p, map.n, e);
        add_row(b, "state.mdb", sha, map.n);
        file_unmap(&map);
    }
    free(to);
    return rc;
}

static int copy_adapter(void *arg, const char *name, struct err *e)
{
    struct backup *b = arg;
    char *from = in(b->s->o.paths->home, name), *folder = in(b->dir, "adapters");
    int rc = dir_make(folder, 0700, e);
    if (!rc)
        rc = copy_in(b, from, name, BACKUP_FILE_MAX, e);
    free(from);
    free(folder);
    return rc;
}

static int write_manifest(struct backup *b, struct err *e)
{
    json_t *o = json_pack("{si, ss, si, si, sI, sO}", "codeask_backup", BACKUP_FORMAT, "version", CODEASK_VERSION, "state_schema",
                          STATE_SCHEMA, "index_schema", INDEX_SCHEMA, "made_ms", (json_int_t)(clock_wall_ns() / 1000000),
                          "files", b->files);
    char *text = json_dumps(o, JSON_INDENT(1)), *path = in(b->dir, "manifest.json"), *folder = in(b->dir, "adapters");
    int rc = dir_exists(folder) ? dir_sync(folder, e) : 0;
    if (!rc && !(rc = dir_sync(b->dir, e)))
        rc = file_write(path, text, strlen(text), 0600, e);
    if (!rc)
        rc = dir_sync(b->dir, e);
    json_decref(o);
    free(text);
    free(path);
    free(folder);
    return rc;
}

/* Makes the directory, or takes an empty one. */
static int take_dir(const char *dir, struct err *e)
{
    struct dirent *one;
    bool empty = true;
    if (*dir != '/')
        return err_set(e, ERR_USAGE, "the whole path of a directory is wanted");
    int rc = dir_make(dir, 0700, e);
    DIR *d = rc ? NULL : opendir(dir);
    if (rc || !d)
        return rc ? rc : err_errno(e, errno, "%s", dir);
    while ((one = readdir(d)))
        empty &= !strcmp(one->d_name, ".") || !strcmp(one->d_name, "..");
    closedir(d);
    if (!empty) {
        err_set(e, ERR_USAGE, "%s is not empty", dir);
        err_hint(e, "name a new directory: a backup is never written over another");
        return ERR_USAGE;
    }
    return chmod(dir, 0700) ? err_errno(e, errno, "%s", dir) : 0;
}

static int unlink_in(void *arg, const char *name, struct err *e)
{
    char *path = in(arg, name);
    unlink(path);
    free(path);
    return 0;
}

/* Of a backup or a restore that failed: our files, then the directories if they are empty. */
static void clear(const char *dir)
{
    static const char *const ours[] = {"manifest.json", "manifest.json.tmp", "state.mdb", "state.mdb.tmp", "state.mdb-lock",
                                       "config", "config.tmp", NULL};
    char copy[32];
    each_adapter(dir, unlink_in, (void *)dir, NULL);
    for (const char *const *name = ours; *name; name++)
        unlink_in((void *)dir, *name, NULL);
    for (int i = 1; i < STATE_SCHEMA; i++) { /* what a migration leaves */
        snprintf(copy, sizeof copy, "state.mdb.schema-%d", i);
        unlink_in((void *)dir, copy, NULL);
    }
    char *folder = in(dir, "adapters");
    rmdir(folder);
    rmdir(dir);
    free(folder);
}

int method_backup(struct request *rq, json_t **result, struct err *e)
{
    const struct paths *p = rq->s->o.paths;
    struct backup b = {.s = rq->s, .dir = param_str(rq, "to"), .files = json_array()};
    int rc = !rq->who.local ? err_set(e, ERR_DENIED, "a backup is made on the machine itself")
             : !b.dir       ? err_set(e, ERR_USAGE, "the directory is missing")
                            : take_dir(b.dir, e);
    if (rc)
        goto out;
    rc = copy_state(&b, e);
    if (!rc && file_exists(p->config))
        rc = copy_in(&b, p->config, "config", BACKUP_CONFIG_MAX, e);
    if (!rc)
        rc = each_adapter(p->home, copy_adapter, &b, e);
    if (!rc)
        rc = write_manifest(&b, e);
    if (rc)
        clear(b.dir);
    else
        *result = json_pack("{so, sI, sI}", "dir", json_cstr(b.dir), "files", (json_int_t)json_array_size(b.files), "bytes",
                            (json_int_t)b.bytes);
out:
    json_decref(b.files);
    return rc;
}

/* -- restore ---------------------------------------------------------------------------------------------------------- */

static int damaged(struct err *e, const char *path, const char *why)
{
    err_set(e, ERR_CORRUPT, "%s: %s", path, why);
    err_hint(e, "nothing was changed; take another backup");
    return ERR_CORRUPT;
}

static int read_manifest(json_t **out, const char *dir, struct err *e)
{
    struct buf text = BUF_INIT;
    char *path = in(dir, "manifest.json");
    int rc = file_read(&text, path, MANIFEST_MAX, e);
    if (rc) {
        if (!file_exists(path)) {
            rc = err_set(e, ERR_NOT_FOUND, "%s is no backup, or one that was never finished: it has no manifest.json", dir);
            err_hint(e, "codeask backup DIR makes one");
        }
        goto out;
    }
    json_t *o = json_loadb(text.data, text.len, 0, NULL);
    json_t *format = json_object_get(o, "codeask_backup"), *schema = json_object_get(o, "state_schema");
    size_t n = json_array_size(json_object_get(o, "files"));
    if (!json_is_integer(format) || !json_is_integer(schema) || !n || n > BACKUP_FILES_MAX) {
        rc = damaged(e, path, "not the manifest of a backup");
    } else if (json_integer_value(format) > BACKUP_FORMAT || json_integer_value(schema) > STATE_SCHEMA) {
        const char *version = json_string_value(json_object_get(o, "version"));
        rc = err_set(e, ERR_VERSION, "%s is of codeask %.40s, newer than this one (%s)", dir, version ? version : "?",
                     CODEASK_VERSION);
        err_hint(e, "restore it with that version; nothing was changed");
    }
    if (rc)
        json_decref(o);
    else
        *out = o;
out:
    buf_release(&text);
    free(path);
    return rc;
}

/* Copies one file of the manifest to the staging directory; what is hashed is what is copied. */
static int stage(const char *dir, const char *staged, json_t *row, struct err *e)
{
    const char *name = json_string_value(json_object_get(row, "name"));
    const char *want = json_string_value(json_object_get(row, "sha256"));
    json_int_t size = json_integer_value(json_object_get(row, "bytes"));
    struct buf bytes = BUF_INIT;
    uint8_t sha[32];
    char hex[65];
    if (!name || !good_name(name) || !want || size < 0 || size > (json_int_t)BACKUP_FILE_MAX)
        return damaged(e, dir, "its manifest.json has a row that is none");
    char *from = in(dir, name), *to = in(staged, name), *folder = in(staged, "adapters");
    int rc = file_read(&bytes, from, (size_t)size, e);
    if (rc == ERR_LIMIT || (!rc && bytes.len != (size_t)size)) {
        rc = damaged(e, from, "not as long as the manifest says");
    } else if (!rc && !(rc = sha256(sha, bytes.data ? bytes.data : "", bytes.len, e))) {
        hex_of(hex, sha, 32);
        if (strcmp(hex, want))
            rc = damaged(e, from, "its SHA-256 is not the manifest's");
    }
    if (!rc && !strncmp(name, "adapters/", 9))
        rc = dir_make(folder, 0700, e);
    if (!rc)
        rc = file_write(to, bytes.data ? bytes.data : "", bytes.len, 0600, e);
    buf_release(&bytes);
    free(from);
    free(to);
    free(folder);
    return rc;
}

/* Moves the present thing to path.before-restore-N and the staged one to path. */
static int replace(json_t *aside, const char *staged, const char *path, struct err *e)
{
    struct buf old = BUF_INIT;
    int rc = 0;
    restore_aside(&old, path);
    if (!rename(path, old.data))
        json_array_append_new(aside, json_cstr(old.data));
    else if (errno != ENOENT)
        rc = err_errno(e, errno, "renaming %s", path);
    if (!rc && rename(staged, path))
        rc = err_errno(e, errno, "renaming %s", staged);
    buf_release(&old);
    return rc;
}

/* The configuration may lie on another file system than the home. */
static int put_config(json_t *aside, const char *staged, const char *path, struct err *e)
{
    struct buf bytes = BUF_INIT, fresh = BUF_INIT;
    char *folder = mem_str(path), *slash = strrchr(folder, '/');
    buf_addf(&fresh, "%s.restoring", path);
    int rc = file_read(&bytes, staged, BACKUP_CONFIG_MAX, e);
    if (slash && slash > folder) {
        *slash = 0;
        if (!rc)
            rc = dir_make(folder, 0700, e);
    }
    if (!rc)
        rc = file_write(fresh.data, bytes.data ? bytes.data : "", bytes.len, 0600, e);
    if (!rc)
        rc = replace(aside, fresh.data, path, e);
    if (!rc)
        rc = dir_sync(folder, e);
    unlink(staged);
    buf_release(&bytes);
    buf_release(&fresh);
    free(folder);
    return rc;
}

static int put_all(json_t *aside, bool *index_kept, const struct paths *p, const char *staged, struct err *e)
{
    struct buf old = BUF_INIT;
    char *config = in(staged, "config"), *adapters = in(staged, "adapters"), *place = in(p->home, "adapters");
    int rc = state_restore(&old, index_kept, p->home, staged, e); /* first: what can still be refused is refused here */
    if (!rc && old.len)
        json_array_append_new(aside, json_cstr(old.data));
    if (!rc && file_exists(config))
        rc = put_config(aside, config, p->config, e);
    if (!rc && dir_exists(adapters))
        rc = replace(aside, adapters, place, e);
    if (!rc)
        rc = dir_sync(p->home, e);
    buf_release(&old);
    free(config);
    free(adapters);
    free(place);
    return rc;
}

int restore_alone(json_t **result, const struct alone *a, json_t *params, struct err *e)
{
    const struct paths *p = a->paths;
    const char *dir = json_string_value(json_object_get(params, "dir"));
    json_t *manifest = NULL, *files, *row, *aside = json_array();
    char *staged = in(p->home, "restoring");
    bool index_kept = false;
    int hold = -1;
    size_t i;
    int rc = dir ? home_hold(&hold, p->home, e) : err_set(e, ERR_USAGE, "the directory is missing");
    if (rc) {
        if (rc == ERR_BUSY)
            err_hint(e, "codeask stop, then restore again");
        goto out;
    }
    if ((rc = read_manifest(&manifest, dir, e)))
        goto out;
    clear(staged); /* of one that was killed */
    rc = dir_make(staged, 0700, e);
    files = json_object_get(manifest, "files");
    json_array_foreach(files, i, row)
        if (!rc)
            rc = stage(dir, staged, row, e);
    if (!rc)
        rc = put_all(aside, &index_kept, p, staged, e);
    clear(staged);
    if (!rc)
        *result = json_pack("{so, sI, sO, sb}", "dir", json_cstr(dir), "files", (json_int_t)json_array_size(files), "aside", aside,
                            "index_kept", index_kept);
out:
    home_release(hold);
    json_decref(manifest);
    json_decref(aside);
    free(staged);
    return rc;
}

/* In a service: its home is in use. */
int method_restore(struct request *rq, json_t **result, struct err *e)
{
    err_set(e, ERR_BUSY, "a daemon runs on %s (pid %ld)", rq->s->o.paths->home, (long)getpid());
    err_hint(e, "codeask stop, then restore again");
    return ERR_BUSY;
}
