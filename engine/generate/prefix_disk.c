#define _GNU_SOURCE
#include "engine/generate/prefix_disk.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/generate/prefix.h"
#include "engine/generate/prefix_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES_MAX 512 /* of a folder: each is looked at for every prompt */
#define PENDING_MAX 2   /* states that wait to be written: each is memory */
#define LEFT_SECONDS 600 /* no write takes so long: what is half after it was left by a crash */
#define SUFFIX ".prefix"
#define NAME_BYTES (32 + sizeof SUFFIX)

struct entry {
    char name[NAME_BYTES];
    char *scope;
    uint8_t (*content)[20];
    uint32_t ncontent;
    uint32_t *token, ntoken;
};

/* What is on its way to the folder. */
struct pending {
    char name[NAME_BYTES], replaces[NAME_BYTES]; /* replaces: empty, or what it continues */
    struct buf bytes;
    struct pending *link;
};

struct prefix_disk {
    char *folder;
    uint64_t cap;
    uint8_t key[16];
    struct entry *v; /* the caller's own */
    size_t n, room;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work, idle;
    struct pending *queue;
    unsigned waiting; /* the one being written counts */
    bool stop;
};

static void path_of(struct buf *b, const char *folder, const char *name)
{
    buf_clear(b);
    buf_addf(b, "%s/%s", folder, name);
}

static void remove_file(const char *folder, const char *name)
{
    struct buf path = BUF_INIT;
    path_of(&path, folder, name);
    unlink(path.data);
    buf_release(&path);
}

static bool ours(const char *name)
{
    size_t n = strlen(name);
    return n == 32 + strlen(SUFFIX) && strspn(name, "0123456789abcdef") == 32 && !strcmp(name + 32, SUFFIX);
}

/* All before the state; ERR_FORMAT where the file is none, is cut, or has a tail. */
static int read_index(struct buf *out, struct prefix_file *f, const char *path, struct err *e)
{
    struct stat st;
    size_t index = 0;
    uint64_t whole = 0;
    int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    buf_clear(out);
    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < PREFIX_HEAD)
        rc = err_set(e, ERR_FORMAT, "%s: no kept prefix", path);
    if (!rc)
        rc = fd_read(fd, buf_room(out, PREFIX_HEAD), PREFIX_HEAD, e);
    if (!rc) {
        out->len = PREFIX_HEAD;
        rc = prefix_file_sizes(&index, &whole, (const uint8_t *)out->data, out->len, e);
    }
    if (!rc && whole != (uint64_t)st.st_size)
        rc = err_set(e, ERR_FORMAT, "%s: %lld bytes, and it says %llu", path, (long long)st.st_size, (unsigned long long)whole);
    if (!rc)
        rc = fd_read(fd, buf_room(out, index), index - PREFIX_HEAD, e) ? ERR_FORMAT : 0;
    if (!rc) {
        out->len = index;
        rc = prefix_file_index(f, (const uint8_t *)out->data, out->len, e);
    }
    close(fd);
    return rc;
}

static void add_entry(struct prefix_disk *d, const char *name, const struct prefix_file *f)
{
    VEC_ROOM(d->v, d->n, d->room);
    struct entry *x = &d->v[d->n++];
    *x = (struct entry){.scope = mem_strn(f->scope, f->scope_len), .ncontent = f->ncontent, .ntoken = f->ntoken};
    snprintf(x->name, sizeof x->name, "%s", name);
    x->content = mem_zero(f->ncontent + 1u, sizeof *x->content);
    memcpy(x->content, f->content, f->ncontent * sizeof *x->content);
    x->token = mem_alloc((f->ntoken + 1u) * sizeof *x->token);
    memcpy(x->token, f->token, f->ntoken * sizeof *x->token);
}

static void drop_entry(struct prefix_disk *d, size_t i)
{
    free(d->v[i].scope);
    free(d->v[i].content);
    free(d->v[i].token);
    d->v[i] = d->v[--d->n];
}

struct listed {
    char name[NAME_BYTES];
    uint64_t bytes;
    int64_t used; /* modification time: set when it is loaded */
};

static int longest_unused_first(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    return x->used < y->used ? -1 : x->used > y->used;
}

/* The folder's prefixes; what else a crash has left of ours is removed. The caller frees. */
static struct listed *list_folder(const char *folder, size_t *n)
{
    struct listed *v = NULL;
    size_t cap = 0;
    DIR *dir = opendir(folder);
    struct dirent *de;
    struct stat st;
    *n = 0;
    while (dir && (de = readdir(dir))) {
        size_t len = strlen(de->d_name), tail = strlen(SUFFIX ".tmp");
        bool half = len > tail && !strcmp(de->d_name + len - tail, SUFFIX ".tmp");
        if (half && !fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) && time(NULL) - st.st_mtim.tv_sec > LEFT_SECONDS)
            remove_file(folder, de->d_name);
        if (!ours(de->d_name) || fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        VEC_ROOM(v, *n, cap);
        struct listed *x = &v[(*n)++];
        strcpy(x->name, de->d_name);
        x->bytes = (uint64_t)st.st_size;
        x->used = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    }
    if (dir)
        closedir(dir);
    if (*n)
        qsort(v, *n, sizeof *v, longest_unused_first);
    return v;
}

/* Until `more` bytes and one file more have room. */
static void make_room(const struct prefix_disk *d, uint64_t more)
{
    size_t n, gone = 0;
    struct listed *v = list_folder(d->folder, &n);
    uint64_t total = more;
    for (size_t i = 0; i < n; i++)
        total += v[i].bytes;
    for (; gone < n && (total > d->cap || n - gone >= ENTRIES_MAX); gone++) {
        remove_file(d->folder, v[gone].name);
        total -= v[gone].bytes;
    }
    free(v);
}

static void write_one(struct prefix_disk *d, struct pending *p)
{
    struct buf path = BUF_INIT;
    struct err err = {0};
    if (p->replaces[0])
        remove_file(d->folder, p->replaces);
    make_room(d, p->bytes.len);
    path_of(&path, d->folder, p->name);
    if (file_write(path.data, p->bytes.data, p->bytes.len, 0600, &err))
        log_err(LOG_WARN, "a prefix was not kept", &err);
    buf_release(&path);
}

static void *write_all(void *arg)
{
    struct prefix_disk *d = arg;
    pthread_mutex_lock(&d->lock);
    for (;;) {
        struct pending *p = d->queue;
        if (!p && d->stop)
            break;
        if (!p) {
            pthread_cond_wait(&d->work, &d->lock);
            continue;
        }
        d->queue = p->link;
        pthread_mutex_unlock(&d->lock);
        write_one(d, p);
        buf_release(&p->bytes);
        free(p);
        pthread_mutex_lock(&d->lock);
        d->waiting--;
        pthread_cond_broadcast(&d->idle);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* What lies there and is this key's; what is none at all is removed, others' is left. */
static void read_folder(struct prefix_disk *d)
{
    size_t n;
    struct listed *v = list_folder(d->folder, &n);
    struct buf path = BUF_INIT, bytes = BUF_INIT;
    struct prefix_file f;
    for (size_t i = 0; i < n; i++) {
        path_of(&path, d->folder, v[i].name);
        int rc = read_index(&bytes, &f, path.data, NULL);
        if (rc == ERR_FORMAT)
            unlink(path.data);
        if (!rc && !memcmp(f.key, d->key, sizeof d->key))
            add_entry(d, v[i].name, &f);
    }
    free(v);
    buf_release(&path);
    buf_release(&bytes);
}

int prefix_disk_new(struct prefix_disk **out, const char *folder, uint64_t cap, const uint8_t key[16], struct err *e)
{
    int rc = dir_make(folder, 0700, e);
    if (rc)
        return rc;
    struct prefix_disk *d = mem_zero(1, sizeof *d);
    d->folder = mem_str(folder);
    d->cap = cap;
    memcpy(d->key, key, sizeof d->key);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->work, NULL);
    pthread_cond_init(&d->idle, NULL);
    make_room(d, 0);
    read_folder(d);
    int err = pthread_create(&d->thread, NULL, write_all, d);
    d->started = !err;
    if (err) {
        prefix_disk_free(d);
        return err_errno(e, err, "cannot start a thread");
    }
    *out = d;
    return 0;
}

void prefix_disk_free(struct prefix_disk *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
    if (d->started)
        pthread_join(d->thread, NULL);
    while (d->n)
        drop_entry(d, 0);
    free(d->v);
    free(d->folder);
    pthread_cond_destroy(&d->idle);
    pthread_cond_destroy(&d->work);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static uint32_t common(const struct entry *x, const uint32_t *token, uint32_t n)
{
    uint32_t most = x->ntoken < n ? x->ntoken : n, i = 0;
    while (i < most && x->token[i] == token[i])
        i++;
    return i;
}

static uint32_t best_of(const struct prefix_disk *d, size_t *at, const uint32_t *token, uint32_t n, const char *scope)
{
    uint32_t best = 0;
    for (size_t i = 0; i < d->n; i++) {
        uint32_t k = strcmp(d->v[i].scope, scope) ? 0 : common(&d->v[i], token, n);
        if (k > best) {
            best = k;
            *at = i;
        }
    }
    return best == n && n ? n - 1 : best;
}

uint32_t prefix_disk_common(struct prefix_disk *d, const uint32_t *token, uint32_t n, const char *scope)
{
    size_t at;
    return best_of(d, &at, token, n, scope);
}

/* Reads the entry's file as a whole into s. */
static int load(struct prefix_disk *d, struct sequence *s, const struct entry *x, struct err *e)
{
    struct buf path = BUF_INIT;
    struct file_map map = {0};
    struct prefix_file f;
    path_of(&path, d->folder, x->name);
    int rc = file_map(&map, path.data, e);
    if (!rc)
        rc = prefix_file_read(&f, map.p, map.n, e);
    if (!rc && (memcmp(f.key, d->key, sizeof f.key) || f.ntoken != x->ntoken || memcmp(f.token, x->token, 4 * (size_t)x->ntoken)))
        rc = err_set(e, ERR_FORMAT, "a kept prefix is not what it was");
    if (!rc)
        rc = sequence_load(s, f.state, f.nstate, e);
    if (!rc && (sequence_length(s) != x->ntoken || memcmp(sequence_tokens(s), x->token, 4 * (size_t)x->ntoken))) {
        sequence_roll_back(s, sequence_length(s), NULL);
        rc = err_set(e, ERR_FORMAT, "a kept prefix holds the state of other tokens");
    }
    file_unmap(&map);
    if (!rc)
        utimensat(AT_FDCWD, path.data, NULL, 0);
    buf_release(&path);
    return rc;
}

int prefix_disk_load(struct prefix_disk *d, struct sequence *s, const uint32_t *token, uint32_t n, const char *scope, struct err *e)
{
    size_t at = 0;
    uint32_t best = best_of(d, &at, token, n, scope);
    if (!best)
        return err_set(e, ERR_NOT_FOUND, "no kept prefix");
    int rc = load(d, s, &d->v[at], e);
    if (!rc)
        return sequence_roll_back(s, sequence_length(s) - best, e);
    if (rc == ERR_BUSY)
        return rc;
    remove_file(d->folder, d->v[at].name); /* damaged, or gone to make room */
    drop_entry(d, at);
    return err_set(e, ERR_NOT_FOUND, "no kept prefix");
}

/* The entry that the sequence continues (*at; d->n: none); false: it is there already. */
static bool is_new(const struct prefix_disk *d, size_t *at, const uint32_t *token, uint32_t n, const char *scope)
{
    *at = d->n;
    for (size_t i = 0; i < d->n; i++) {
        uint32_t k = strcmp(d->v[i].scope, scope) ? 0 : common(&d->v[i], token, n);
        if (k == n)
            return false;
        if (k && k == d->v[i].ntoken)
            *at = i;
    }
    return true;
}

void prefix_disk_keep(struct prefix_disk *d, const struct sequence *s, const struct gen_provenance *from)
{
    const char *scope = from->scope ? from->scope : "";
    uint32_t n = sequence_length(s);
    size_t at;
    pthread_mutex_lock(&d->lock);
    bool full = d->waiting >= PENDING_MAX;
    pthread_mutex_unlock(&d->lock);
    if (full || !from->ncontent || from->ncontent > GENERATE_SOURCES || n < PREFIX_LEAST || n > PREFIX_TOKENS_MAX ||
        strlen(scope) > PREFIX_SCOPE_MAX || !is_new(d, &at, sequence_tokens(s), n, scope))
        return;
    struct prefix_file f = {.content = from->content, .ncontent = (uint32_t)from->ncontent, .scope = scope,
                            .scope_len = (uint32_t)strlen(scope), .token = (const uint8_t *)sequence_tokens(s), .ntoken = n};
    struct pending *p = mem_zero(1, sizeof *p);
    memcpy(f.key, d->key, sizeof f.key);
    size_t began = prefix_file_begin(&p->bytes, &f);
    if (sequence_save(s, n, &p->bytes, NULL) || p->bytes.len > d->cap / 2) { /* a recurrent state that has gone on; larger than is good */
        buf_release(&p->bytes);
        free(p);
        return;
    }
    prefix_file_end(&p->bytes, began);
    struct hash128 name = hash128(p->bytes.data, p->bytes.len);
    hex_of(p->name, (const uint8_t *)&name, sizeof name);
    strcat(p->name, SUFFIX);
    if (at < d->n) {
        strcpy(p->replaces, d->v[at].name);
        drop_entry(d, at);
    }
    add_entry(d, p->name, &f);
    pthread_mutex_lock(&d->lock);
    struct pending **last = &d->queue;
    while (*last)
        last = &(*last)->link;
    *last = p;
    d->waiting++;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
}

static bool made_with(const uint8_t (*content)[20], uint32_t n, const uint8_t which[20])
{
    for (uint32_t i = 0; i < n; i++)
        if (!memcmp(content[i], which, 20))
            return true;
    return false;
}

void prefix_disk_forget(struct prefix_disk *d, const uint8_t content[20])
{
    pthread_mutex_lock(&d->lock);
    while (d->waiting)
        pthread_cond_wait(&d->idle, &d->lock);
    pthread_mutex_unlock(&d->lock);
    prefix_folder_forget(d->folder, content);
    for (size_t i = 0; i < d->n;)
        if (!content || made_with((const uint8_t(*)[20])d->v[i].content, d->v[i].ncontent, content))
            drop_entry(d, i);
        else
            i++;
}

void prefix_folder_forget(const char *folder, const uint8_t content[20])
{
    size_t n;
    struct listed *v = list_folder(folder, &n);
    struct buf path = BUF_INIT, bytes = BUF_INIT;
    struct prefix_file f;
    for (size_t i = 0; i < n; i++) {
        path_of(&path, folder, v[i].name);
        int rc = content ? read_index(&bytes, &f, path.data, NULL) : 0;
        if (!content || rc || made_with(f.content, f.ncontent, content)) /* what cannot be read may hold it too */
            unlink(path.data);
    }
    if (n)
        dir_sync(folder, NULL);
    free(v);
    buf_release(&path);
    buf_release(&bytes);
}
