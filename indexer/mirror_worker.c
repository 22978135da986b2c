/* The child that fetches. Its socket: one line of JSON in, the order; lines out: progress, then {"done":…} or {"error":…}. */
#include "indexer/mirror_inside.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "indexer/git.h"
#include "indexer/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_MAX ((rlim_t)6 << 30)    /* address space: 1 GiB of mapped packs, and the largest object twice */
#define SHOW_NS 100000000LL
#define HEADS "refs/heads/"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

int mirror_stop(struct mirror_run *m, int rc)
{
    m->rc = rc;
    git_error_set_str(GIT_ERROR_NET, m->e ? m->e->message : "stopped");
    return GIT_EUSER;
}

static int send_line(int fd, json_t *o /* taken */)
{
    char *text = json_dumps(o, JSON_COMPACT);
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s\n", text);
    int rc = fd < 0 ? 0 : fd_write(fd, b.data, b.len, NULL);
    free(text);
    json_decref(o);
    buf_release(&b);
    return rc;
}

static void show(struct mirror_run *m, const char *stage, uint64_t objects, uint64_t done, uint64_t bytes)
{
    send_line(m->fd, json_pack("{ss, sI, sI, sI}", "stage", stage, "objects", (json_int_t)objects, "objects_done", (json_int_t)done, "bytes", (json_int_t)bytes));
}

static int too_large(struct mirror_run *m)
{
    err_set(m->e, ERR_LIMIT, "%.300s: larger than %llu MB", m->url.text, (unsigned long long)(m->o->max_bytes >> 20));
    err_hint(m->e, "mirror-bytes in the settings is the most that one repository may take");
    return ERR_LIMIT;
}

static int on_progress(const git_indexer_progress *p, void *payload)
{
    static int64_t shown; /* the child fetches once */
    struct mirror_run *m = payload;
    if (m->before + p->received_bytes > m->o->max_bytes)
        return mirror_stop(m, too_large(m));
    int64_t now = clock_ns();
    if (now - shown > SHOW_NS) {
        bool all = p->received_objects == p->total_objects;
        shown = now;
        show(m, all ? "resolving" : "fetching", p->total_objects, all ? p->indexed_objects : p->received_objects, p->received_bytes);
    }
    return 0;
}

/* -- the folder ------------------------------------------------------------------------------------------------------------ */

static uint64_t counted; /* nftw has no argument */
static int count_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    counted += kind == FTW_F ? (uint64_t)st->st_size : 0;
    return 0;
}

/* What a fetch that was killed has left: a pack that is none yet. */
static void sweep(const char *path)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/objects/pack", path);
    DIR *d = opendir(b.data);
    for (struct dirent *de; d && (de = readdir(d));)
        if (strncmp(de->d_name, "pack-", 5) && de->d_name[0] != '.' && strcmp(de->d_name, "multi-pack-index"))
            unlinkat(dirfd(d), de->d_name, 0);
    if (d)
        closedir(d);
    buf_release(&b);
}

static int open_mirror(git_repository **out, int *lock, struct mirror_run *m)
{
    struct buf b = BUF_INIT;
    int rc = dir_make(m->o->path, 0700, m->e);
    buf_addf(&b, "%s/codeask.lock", m->o->path);
    if (!rc && (*lock = open(b.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        rc = err_errno(m->e, errno, "%s", b.data);
    if (!rc && flock(*lock, LOCK_EX | LOCK_NB))
        rc = err_set(m->e, ERR_BUSY, "%s: another process fetches into it", m->o->path);
    buf_release(&b);
    if (rc)
        return rc;
    git_repository_init_options o = GIT_REPOSITORY_INIT_OPTIONS_INIT;
    o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
    o.mode = 0700;
    int code = git_repository_init_ext(out, m->o->path, &o); /* one that is there, half or whole, is gone over again */
    if (code)
        return git_fail(m->e, code, "%s", m->o->path);
    sweep(m->o->path);
    counted = 0;
    nftw(m->o->path, count_one, 16, FTW_PHYS);
    m->before = counted;
    return 0;
}

/* -- refs ------------------------------------------------------------------------------------------------------------------ */

struct wanted {
    char **name; /* whole: refs/heads/main */
    git_oid *tip;
    char **spec;
    size_t n;
    char head[256];
};

static void wanted_release(struct wanted *w)
{
    for (size_t i = 0; i < w->n; i++) {
        free(w->name[i]);
        free(w->spec[i]);
    }
    free(w->name);
    free(w->tip);
    free(w->spec);
}

/* Where HEAD stands at no branch's tip (a clone that somebody works in), or at none that is there: the usual ones, else the only one. */
static void guess_head(struct wanted *w, const git_remote_head **heads, size_t n)
{
    static const char *const usual[] = {HEADS "main", HEADS "master"};
    const char *only = NULL;
    size_t branches = 0;
    for (size_t i = 0; i < n; i++)
        if (!strncmp(heads[i]->name, HEADS, sizeof HEADS - 1)) {
            only = heads[i]->name;
            branches++;
        }
    for (size_t k = 0; k < sizeof usual / sizeof *usual && !*w->head; k++)
        for (size_t i = 0; i < n; i++)
            if (!strcmp(heads[i]->name, usual[k]))
                strcpy(w->head, usual[k]);
    if (!*w->head && branches == 1 && strlen(only) < sizeof w->head)
        strcpy(w->head, only);
}

static int choose(struct wanted *w, git_remote *r, struct mirror_run *m)
{
    const git_remote_head **heads = NULL;
    size_t n = 0;
    git_buf head = {0};
    int code = git_remote_ls(&heads, &n, r);
    if (code)
        return git_fail(m->e, code, "%.300s", m->url.text);
    if (!git_remote_default_branch(&head, r) && !strncmp(head.ptr, HEADS, sizeof HEADS - 1))
        snprintf(w->head, sizeof w->head, "%s", head.ptr);
    git_buf_dispose(&head);
    if (!*w->head)
        guess_head(w, heads, n);
    w->name = mem_zero(n + 1, sizeof *w->name);
    w->spec = mem_zero(n + 1, sizeof *w->spec);
    w->tip = mem_zero(n + 1, sizeof *w->tip);
    for (size_t i = 0; i < n; i++) {
        const char *name = heads[i]->name;
        int valid = 0;
        if (strncmp(name, HEADS, sizeof HEADS - 1) || git_reference_name_is_valid(&valid, name) || !valid || strlen(name) >= sizeof w->head)
            continue;
        bool is_head = !strcmp(name, w->head);
        if (!is_head && !branch_wanted(m->o->branches, name + sizeof HEADS - 1))
            continue; /* the default branch is always in: it is what is asked without a word */
        if (w->n == MIRROR_BRANCHES_MAX) {
            err_set(m->e, ERR_LIMIT, "%.300s: more than %d branches", m->url.text, MIRROR_BRANCHES_MAX);
            err_hint(m->e, "--branches with narrower patterns");
            return ERR_LIMIT;
        }
        struct buf b = BUF_INIT;
        buf_addf(&b, "+%s:%s", name, name);
        w->name[w->n] = mem_str(name);
        git_oid_cpy(&w->tip[w->n], &heads[i]->oid);
        w->spec[w->n++] = buf_take(&b);
    }
    for (size_t i = 0; i < n && !w->n; i++)
        if (!strncmp(heads[i]->name, HEADS, sizeof HEADS - 1)) {
            err_set(m->e, ERR_NOT_FOUND, "%.300s names no default branch", m->url.text);
            err_hint(m->e, "--branches says which are meant: one of them is %.100s", heads[i]->name + sizeof HEADS - 1);
            return ERR_NOT_FOUND;
        }
    return 0;
}

/* What is there now, and nothing else. A tip whose commit did not come is a lie of the other side: then no ref is touched. */
static int set_refs(bool *changed, git_repository *r, const struct wanted *w, struct mirror_run *m)
{
    git_reference_iterator *it = NULL;
    git_reference *ref = NULL;
    int code = 0;
    for (size_t i = 0; i < w->n; i++) {
        git_commit *c = NULL;
        git_tree *t = NULL;
        code = git_commit_lookup(&c, r, &w->tip[i]);
        if (!code)
            code = git_commit_tree(&t, c);
        git_tree_free(t);
        git_commit_free(c);
        if (code)
            return err_set(m->e, ERR_FORMAT, "%.200s: %.200s is told to be at %s, which it did not send", m->url.text, w->name[i], git_oid_tostr_s(&w->tip[i]));
    }
    for (size_t i = 0; i < w->n && !code; i++) {
        git_oid now;
        if (!git_reference_name_to_id(&now, r, w->name[i]) && git_oid_equal(&now, &w->tip[i]))
            continue;
        *changed = true;
        ref = NULL;
        code = git_reference_create(&ref, r, w->name[i], &w->tip[i], 1, NULL);
        git_reference_free(ref);
    }
    struct buf gone = BUF_INIT; /* names, each with its NUL: nothing is deleted under the iterator */
    if (!code && !(code = git_reference_iterator_glob_new(&it, r, HEADS "*"))) {
        const char *name;
        while (!git_reference_next_name(&name, it)) {
            size_t i = 0;
            while (i < w->n && strcmp(w->name[i], name))
                i++;
            if (i == w->n)
                buf_add(&gone, name, strlen(name) + 1);
        }
        git_reference_iterator_free(it);
    }
    for (size_t at = 0; at < gone.len && !code; at += strlen(gone.data + at) + 1) {
        *changed = true;
        code = git_reference_remove(r, gone.data + at);
    }
    buf_release(&gone);
    if (!code && *w->head)
        code = git_repository_set_head(r, w->head);
    return code ? git_fail(m->e, code, "%s", m->o->path) : 0;
}

/* -- the fetch ------------------------------------------------------------------------------------------------------------- */

static int failure(struct mirror_run *m, int code)
{
    const git_error *last = git_error_last();
    if (m->rc)
        return m->rc;
    if (code == GIT_EUSER)
        return m->e && m->e->code ? m->e->code : err_set(m->e, ERR_UNAVAILABLE, "%.300s: it went away", m->url.text);
    if (last && last->klass == GIT_ERROR_NOMEMORY)
        return err_set(m->e, ERR_MEMORY, "%.300s: an object takes more memory than a fetch may have", m->url.text);
    if (last && strstr(last->message, strerror(EFBIG)))
        return too_large(m);
    if (last && strstr(last->message, strerror(ENOSPC)))
        return err_set(m->e, ERR_FULL, "%s: no space left on the disk", m->o->path);
    if (m->url.scheme == URL_FILE && !dir_exists(m->url.path))
        return err_set(m->e, ERR_NOT_FOUND, "%.300s: no such directory", m->url.path);
    return err_set(m->e, ERR_FORMAT, "%.300s: %.200s", m->url.text,
                   last && last->message ? last->message : "not what a git server says");
}

static int fetch(struct mirror_result *out, struct mirror_run *m)
{
    git_repository *r = NULL;
    git_remote *remote = NULL;
    struct wanted w = {0};
    int lock = -1, code = 0, rc = open_mirror(&r, &lock, m);
    if (rc)
        goto out;
    git_remote_callbacks cb = GIT_REMOTE_CALLBACKS_INIT;
    git_fetch_options fo = GIT_FETCH_OPTIONS_INIT;
    cb.transfer_progress = on_progress;
    cb.payload = m;
    cb.transport = m->url.scheme == URL_HTTPS ? mirror_http_transport : m->url.scheme == URL_SSH ? mirror_ssh_transport : NULL;
    fo.callbacks = cb;
    fo.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    fo.update_fetchhead = 0;
    show(m, "connecting", 0, 0, 0);
    if ((code = git_remote_create_anonymous(&remote, r, m->url.scheme == URL_FILE ? m->url.path : m->url.text)) ||
        (code = git_remote_connect(remote, GIT_DIRECTION_FETCH, &cb, NULL, NULL))) {
        rc = failure(m, code);
        goto out;
    }
    if ((rc = choose(&w, remote, m)))
        goto out;
    git_strarray specs = {w.spec, w.n};
    if (w.n && (code = git_remote_download(remote, &specs, &fo))) {
        rc = failure(m, code);
        goto out;
    }
    git_remote_disconnect(remote);
    if ((rc = set_refs(&out->changed, r, &w, m)))
        goto out;
    out->branches = (unsigned)w.n;
    snprintf(out->head, sizeof out->head, "%s", *w.head ? w.head + sizeof HEADS - 1 : "");
    struct err own;
    mirror_repack(r, m->o->path, &own);
out:
    wanted_release(&w);
    git_remote_free(remote);
    git_repository_free(r);
    if (lock >= 0)
        close(lock);
    return rc;
}

static int read_line(struct buf *out, int fd)
{
    char c;
    while (out->len < 65536 && read(fd, &c, 1) == 1) {
        if (c == '\n')
            return 0;
        buf_addc(out, c);
    }
    return ERR_FORMAT;
}

static const char *text_in(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void shut_in(const struct mirror_order *o)
{
    static const int levels[] = {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_PROGRAMDATA};
    struct rlimit none = {0, 0}, memory = {MEMORY_MAX, MEMORY_MAX}, file = {o->max_bytes, o->max_bytes};
    umask(077);
    setpriority(PRIO_PROCESS, 0, 5);
    signal(SIGXFSZ, SIG_IGN); /* EFBIG instead */
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_FSIZE, &file);
    if (!SANITIZED)
        setrlimit(RLIMIT_AS, &memory);
    git_start();
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], ""); /* insteadOf and the like are of no account */
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, (size_t)100000000);
}

int mirror_worker_main(int fd)
{
    struct buf line = BUF_INIT;
    struct err e = {0};
    struct mirror_result got = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read_line(&line, fd))
        return 2; /* also when the parent was gone before the line above */
    json_t *o = json_loadb(line.data, line.len, 0, NULL);
    struct mirror_order order = {text_in(o, "url"), text_in(o, "path"), text_in(o, "branches"), text_in(o, "credentials"), text_in(o, "known_hosts"),
                                 text_in(o, "ca"), text_in(o, "hosts"), (uint64_t)json_integer_value(json_object_get(o, "max_bytes")),
                                 (unsigned)json_integer_value(json_object_get(o, "stall_seconds")), (unsigned)json_integer_value(json_object_get(o, "seconds"))};
    struct mirror_run m = {.o = &order, .e = &e, .fd = fd};
    shut_in(&order);
    int rc = url_parse(&m.url, order.url, &e);
    if (!rc)
        rc = fetch(&got, &m);
    if (rc)
        send_line(fd, json_pack("{s{si, ss%, ss%}}", "error", "code", rc, "message", e.message, strlen(e.message), "hint", e.hint, strlen(e.hint)));
    else
        send_line(fd, json_pack("{s{sb, si, ss}}", "done", "changed", got.changed, "branches", (int)got.branches, "head", got.head));
    url_release(&m.url);
    json_decref(o);
    buf_release(&line);
    return rc ? 1 : 0;
}
