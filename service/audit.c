#define _GNU_SOURCE /* memmem */
#include "service/audit.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define AUDIT_FILE_MAX ((size_t)4 << 30) /* of a file that is gone through: more than audit_bytes can be */

struct audit {
    const struct config *config;
    char *path;
    pthread_mutex_t mu; /* of the rest; nothing else is taken under it */
    int fd;             /* -1: not open */
    bool failed;        /* said so already */
};

struct audit *audit_new(const struct paths *p, const struct config *c)
{
    struct audit *a = mem_zero(1, sizeof *a);
    struct buf path = BUF_INIT;
    buf_addf(&path, "%s/audit.jsonl", p->home);
    *a = (struct audit){.config = c, .path = buf_take(&path), .fd = -1};
    pthread_mutex_init(&a->mu, NULL);
    return a;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    if (a->fd >= 0)
        close(a->fd);
    pthread_mutex_destroy(&a->mu);
    free(a->path);
    free(a);
}

/* -- the file ------------------------------------------------------------------------------------------------------------- */

/* Open and still the one of that name: others may have moved it. */
static int open_locked(struct audit *a, struct stat *st, struct err *e)
{
    struct stat there;
    if (a->fd >= 0 && !fstat(a->fd, st) && !lstat(a->path, &there) && st->st_ino == there.st_ino && st->st_dev == there.st_dev)
        return 0;
    if (a->fd >= 0)
        close(a->fd);
    a->fd = open(a->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (a->fd < 0 || fstat(a->fd, st) || fchmod(a->fd, 0600))
        return err_errno(e, errno, "%.300s", a->path);
    return S_ISREG(st->st_mode) ? 0 : err_set(e, ERR_IO, "%.300s is no file", a->path);
}

static void rotate_locked(struct audit *a)
{
    struct buf from = BUF_INIT, to = BUF_INIT;
    for (int i = AUDIT_KEPT; i > 0; i--) {
        from.len = to.len = 0;
        buf_addf(&to, "%s.%d", a->path, i);
        if (i > 1)
            buf_addf(&from, "%s.%d", a->path, i - 1);
        else
            buf_adds(&from, a->path);
        rename(from.data, to.data); /* the first times there is nothing yet */
    }
    buf_release(&from);
    buf_release(&to);
    close(a->fd);
    a->fd = -1;
}

static void put(struct audit *a, const char *line, size_t n)
{
    struct stat st;
    struct err e = {0};
    pthread_mutex_lock(&a->mu);
    int rc = open_locked(a, &st, &e);
    if (!rc && st.st_size && (uint64_t)st.st_size + n > a->config->audit_bytes) {
        rotate_locked(a);
        rc = open_locked(a, &st, &e);
    }
    if (!rc)
        rc = fd_write(a->fd, line, n, &e);
    bool say = rc && !a->failed;
    a->failed = rc != 0;
    pthread_mutex_unlock(&a->mu);
    if (say)
        log_err(LOG_ERROR, "who asked what cannot be written down", &e);
}

/* The rows of one file: a quote inside of a string is escaped, so that the key is found as it stands. True: some were changed. */
static bool each_query(struct buf *b, bool (*each)(void *arg, char *query, size_t n), void *arg)
{
    static const char key[] = "\"query\":\"";
    bool changed = false;
    for (char *p = b->data, *end = p + b->len; p && p < end && (p = memmem(p, (size_t)(end - p), key, sizeof key - 1));) {
        char *from = p + sizeof key - 1;
        for (p = from; p < end && *p != '"' && *p != '\n'; p++)
            p += *p == '\\' && p + 1 < end;
        changed |= each(arg, from, (size_t)(p - from));
    }
    return changed;
}

static int each_in_file(const char *path, size_t most, bool (*each)(void *arg, char *query, size_t n), void *arg, struct err *e)
{
    struct buf b = BUF_INIT;
    int rc = file_exists(path) ? file_read(&b, path, most, e) : 0, fd = -1;
    if (!rc && b.len && each_query(&b, each, arg)) {
        fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || pwrite(fd, b.data, b.len, 0) != (ssize_t)b.len || fsync(fd))
            rc = err_errno(e, errno, "%.300s", path);
    }
    if (fd >= 0)
        close(fd);
    buf_release(&b);
    return rc;
}

int audit_each(struct audit *a, bool (*each)(void *arg, char *query, size_t n), void *arg, struct err *e)
{
    struct buf path = BUF_INIT;
    int rc = 0;
    pthread_mutex_lock(&a->mu); /* rows wait: what is read is what is written back */
    for (int i = 0; i <= AUDIT_KEPT && !rc; i++) {
        path.len = 0;
        buf_adds(&path, a->path);
        if (i)
            buf_addf(&path, ".%d", i);
        rc = each_in_file(path.data, AUDIT_FILE_MAX, each, arg, e);
    }
    pthread_mutex_unlock(&a->mu);
    buf_release(&path);
    return rc;
}

/* -- rows ----------------------------------------------------------------------------------------------------------------- */

/* At most AUDIT_QUERY_BYTES, whole characters. */
static json_t *shortened(const char *text)
{
    size_t n = strlen(text);
    if (n > AUDIT_QUERY_BYTES)
        for (n = AUDIT_QUERY_BYTES; n && (text[n] & 0xC0) == 0x80; n--)
            ;
    char *part = mem_strn(text, n);
    json_t *out = text_masked(part);
    free(part);
    return out;
}

/* What was asked: the positional parameters, or the last of a list of messages or texts. */
static json_t *query_of(const struct method *row, json_t *params)
{
    struct buf b = BUF_INIT;
    json_t *list = json_object_get(params, "messages"), *out;
    for (const char *p = row->params; p && *p;) {
        size_t n = strcspn(p, " "), bare = n > 3 && !memcmp(p + n - 3, "…", 3) ? n - 3 : n;
        char *name = mem_strn(p, bare);
        const char *v = json_string_value(json_object_get(params, name));
        if (v)
            buf_addf(&b, "%s%s", b.len ? " " : "", v);
        free(name);
        p += n + (p[n] == ' ');
    }
    if (!json_is_array(list))
        list = json_object_get(params, "text");
    json_t *last = json_is_array(list) && json_array_size(list) ? json_array_get(list, json_array_size(list) - 1) : NULL;
    const char *said = json_string_value(json_is_object(last) ? json_object_get(last, "text") : last);
    if (!b.len && said)
        buf_adds(&b, said);
    out = b.len ? shortened(b.data) : json_null();
    buf_release(&b);
    return out;
}

static void add_chunk(json_t *chunks, json_t *seen, json_t *row)
{
    json_t *blob = json_object_get(row, "blob"), *first = json_object_get(row, "start_line"), *last = json_object_get(row, "end_line");
    char key[160];
    if (!json_is_string(blob) || json_array_size(chunks) >= AUDIT_CHUNKS)
        return;
    snprintf(key, sizeof key, "%.100s %lld %lld", json_string_value(blob), (long long)json_integer_value(first), (long long)json_integer_value(last));
    if (json_object_get(seen, key))
        return;
    json_object_set_new(seen, key, json_true());
    json_array_append_new(chunks, json_pack("{sO, sO*, sO*}", "blob", blob, "start_line", first, "end_line", last));
}

/* What a model read, then what the result shows: wherever in it a place in the code stands. */
static json_t *chunks_of(json_t *read, json_t *result)
{
    json_t *chunks = json_array(), *seen = json_object(), *list, *row;
    const char *key;
    size_t i;
    json_array_foreach(read, i, row)
        add_chunk(chunks, seen, row);
    add_chunk(chunks, seen, result);
    json_object_foreach(result, key, list)
        json_array_foreach(list, i, row)
            add_chunk(chunks, seen, row);
    json_decref(seen);
    return chunks;
}

static json_t *now(void)
{
    int64_t ns = clock_wall_ns();
    time_t s = (time_t)(ns / 1000000000);
    struct tm tm;
    char day[32], text[48];
    gmtime_r(&s, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%03dZ", day, (int)(ns / 1000000 % 1000));
    return json_string(text);
}

static void write_row(struct service *s, const struct caller *who, const struct method *row, json_t *params, json_t *repos, json_t *read,
                      json_t *result, int outcome)
{
    struct audit *a = s->audit;
    char actor[80], method[32] = "";
    if (who->local)
        snprintf(actor, sizeof actor, "uid:%u", (unsigned)who->uid);
    else
        snprintf(actor, sizeof actor, "%s", who->name);
    for (size_t i = 0; row->name[i] && i + 1 < sizeof method; i++)
        method[i] = row->name[i] == ' ' ? '.' : row->name[i];
    json_t *model = json_object_get(result, "model");
    json_t *o = json_pack("{so, ss, ss, so, so, so, sO?, ss}", "ts", now(), "actor", actor, "method", method, "repos",
                          repos ? json_incref(repos) : json_array(), "query", a->config->audit == AUDIT_REDACTED ? json_null() : query_of(row, params),
                          "chunks", chunks_of(read, result), "model", json_is_string(model) ? model : NULL, "outcome", outcome ? err_name(outcome) : "done");
    size_t n;
    char *line = json_line(o, &n);
    struct buf b = BUF_INIT;
    buf_add(&b, line, n);
    buf_addc(&b, '\n');
    put(a, b.data, b.len); /* one write: rows of several threads never mix */
    buf_release(&b);
    free(line);
}

static bool is_on(const struct service *s)
{
    return s->o.config->audit != AUDIT_NO;
}

void audit_repos(struct request *rq, const struct repo_row *repo, size_t n)
{
    if (!is_on(rq->s))
        return;
    json_decref(rq->audit.repos);
    rq->audit.repos = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(rq->audit.repos, json_cstr(repo[i].name));
}

void audit_chunk(struct request *rq, const struct oid *oid, uint8_t oid_len, uint32_t first, uint32_t last)
{
    char hex[2 * OID_MAX + 1];
    if (!is_on(rq->s))
        return;
    hex_of(hex, oid->byte, oid_len ? oid_len : 20);
    if (!rq->audit.chunks)
        rq->audit.chunks = json_array();
    json_array_append_new(rq->audit.chunks, json_pack("{ss, sI, sI}", "blob", hex, "start_line", (json_int_t)first, "end_line", (json_int_t)last));
}

void audit_request(struct request *rq, json_t *result, int outcome)
{
    if (is_on(rq->s) && !rq->audit.written)
        write_row(rq->s, &rq->who, rq->row, rq->params, rq->audit.repos, rq->audit.chunks, result, outcome);
    rq->audit.written = true;
}

void audit_refused(struct service *s, const struct caller *who, const struct method *row, json_t *params, int code)
{
    if (is_on(s) && code != ERR_BUSY)
        write_row(s, who, row, params, NULL, NULL, NULL, code);
}
