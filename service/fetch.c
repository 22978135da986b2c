#include "service/fetch.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/format/sha256.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define FROM_MAX 8192 /* bytes of a .part.from: an address and a validator */

struct transfer {
    const struct fetch *f;
    CURL *curl;
    int fd;
    char *part, *from;   /* paths */
    char validator[512]; /* of what the part is of; empty: none, so that nothing can be resumed */
    char seen[512];      /* of the answer that comes in */
    bool begun, ranges;  /* an answer comes in; it goes on where the part ends */
    uint64_t range_at, range_all; /* of its Content-Range */
    uint64_t have, all;  /* bytes of the part; of the whole, 0 while not known */
    struct err *e;       /* of a callback that ended the transfer */
    int rc;
};

int fetch_host(char out[256], const char *url, struct err *e)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    bool well = u && !curl_url_set(u, CURLUPART_URL, url, 0) && !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
                !curl_url_get(u, CURLUPART_HOST, &host, 0) && (!strcmp(scheme, "http") || !strcmp(scheme, "https"));
    if (well) {
        curl_url_get(u, CURLUPART_PORT, &port, 0);
        snprintf(out, 256, "%s%s%s", host, port ? ":" : "", port ? port : "");
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return well ? 0 : err_set(e, ERR_USAGE, "\"%.200s\" is no http:// or https:// address", url);
}

static int stop(struct transfer *t, int rc)
{
    t->rc = rc;
    return rc;
}

/* A disk without room says how much is missing. */
static int full(struct transfer *t)
{
    struct statvfs v;
    uint64_t room = fstatvfs(t->fd, &v) ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
    err_set(t->e, ERR_FULL, "%s: no space left on the disk", t->part);
    if (t->all > t->have)
        err_hint(t->e, "%.1f GB more are wanted and %.1f GB are free; what is there stays, and the same command goes on from it",
                 (double)(t->all - t->have) / 1e9, (double)room / 1e9);
    else
        err_hint(t->e, "make room; what is there stays, and the same command goes on from it");
    return ERR_FULL;
}

static bool header_is(const char *line, size_t n, const char *name, char *value, size_t size)
{
    size_t k = strlen(name);
    if (n <= k || strncasecmp(line, name, k))
        return false;
    while (k < n && (line[k] == ' ' || line[k] == '\t'))
        k++;
    while (n > k && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' '))
        n--;
    if (n - k >= size)
        return false;
    memcpy(value, line + k, n - k);
    value[n - k] = 0;
    return true;
}

static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
    struct transfer *t = arg;
    char value[512];
    n *= one;
    if (n > 5 && !strncmp(line, "HTTP/", 5)) /* the answer after a redirect begins anew */
        t->seen[0] = 0;
    else if (header_is(line, n, "etag:", value, sizeof value) && value[0] == '"') /* a weak one proves nothing */
        snprintf(t->seen, sizeof t->seen, "%s", value);
    else if (header_is(line, n, "last-modified:", value, sizeof value) && t->seen[0] != '"')
        snprintf(t->seen, sizeof t->seen, "%s", value);
    else if (header_is(line, n, "content-range:", value, sizeof value) && !strncmp(value, "bytes ", 6)) {
        const char *all = strchr(value, '/');
        t->range_at = strtoull(value + 6, NULL, 10);
        t->range_all = all ? strtoull(all + 1, NULL, 10) : 0;
    }
    return n;
}

static int remember(struct transfer *t)
{
    struct buf b = BUF_INIT;
    snprintf(t->validator, sizeof t->validator, "%s", t->seen);
    buf_addf(&b, "%s\n%s\n", t->f->url, t->validator);
    int rc = file_write(t->from, b.data, b.len, 0600, t->e);
    buf_release(&b);
    return rc;
}

/* Before the first byte of an answer: is it the rest or the whole? Is there room? */
static int begin_answer(struct transfer *t)
{
    long status = 0;
    curl_off_t length = -1;
    struct statvfs v;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    t->begun = true;
    t->ranges = status == 206;
    if (t->ranges && t->range_at != t->have)
        return err_set(t->e, ERR_UNAVAILABLE, "%.300s: asked for what follows byte %llu, it sends from %llu", t->f->url,
                       (unsigned long long)t->have, (unsigned long long)t->range_at);
    if (!t->ranges && (ftruncate(t->fd, 0) || lseek(t->fd, 0, SEEK_SET)))
        return err_errno(t->e, errno, "%s", t->part);
    if (!t->ranges)
        t->have = 0;
    t->all = length >= 0 ? t->have + (uint64_t)length : 0;
    if (t->all > t->f->max)
        return err_set(t->e, ERR_LIMIT, "%s: %llu bytes are more than %llu", t->f->url, (unsigned long long)t->all,
                       (unsigned long long)t->f->max);
    if (t->all && !fstatvfs(t->fd, &v) && (uint64_t)v.f_bavail * v.f_frsize < t->all - t->have)
        return full(t);
    return t->ranges ? 0 : remember(t);
}

static size_t on_bytes(char *bytes, size_t one, size_t n, void *arg)
{
    struct transfer *t = arg;
    struct err e = {0};
    n *= one;
    if (!t->begun && stop(t, begin_answer(t)))
        return 0;
    if (t->have + n > t->f->max) {
        stop(t, err_set(t->e, ERR_LIMIT, "%s: more than %llu bytes", t->f->url, (unsigned long long)t->f->max));
        return 0;
    }
    int rc = fd_write(t->fd, bytes, n, &e);
    if (rc == ERR_FULL) {
        stop(t, full(t));
    } else if (rc) {
        if (t->e)
            *t->e = e;
        stop(t, rc);
    }
    t->have += rc ? 0 : n;
    return rc ? 0 : n;
}

static int on_progress(void *arg, curl_off_t all, curl_off_t now, curl_off_t up, curl_off_t sent)
{
    struct transfer *t = arg;
    (void)all, (void)now, (void)up, (void)sent;
    if (t->f->progress && t->f->progress(t->f->arg, t->have, t->all))
        return stop(t, err_set(t->e, ERR_CANCELED, "interrupted; the same command goes on from what is there"));
    return 0;
}

static int set_up(struct transfer *t, struct err *e)
{
    bool tls = !strncasecmp(t->f->url, "https:", 6);
    CURL *c = t->curl = curl_easy_init();
    if (!c)
        return err_set(e, ERR_INTERNAL, "libcurl does not start");
    curl_easy_setopt(c, CURLOPT_URL, t->f->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https"); /* never from TLS to none */
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)FETCH_REDIRECTS);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "codeask");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)FETCH_CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)FETCH_STALL_SECONDS);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    return 0;
}

/* One request for what is still missing. 1: worth another try. */
static int request(struct transfer *t, struct err *e)
{
    struct curl_slist *headers = NULL;
    char line[600], range[32], said[CURL_ERROR_SIZE] = "", host[256] = "";
    long status = 0;
    if (t->have && t->validator[0]) {
        snprintf(line, sizeof line, "If-Range: %s", t->validator);
        headers = curl_slist_append(NULL, line);
        snprintf(range, sizeof range, "%llu-", (unsigned long long)t->have);
        curl_easy_setopt(t->curl, CURLOPT_RANGE, range);
    } else {
        curl_easy_setopt(t->curl, CURLOPT_RANGE, NULL);
    }
    curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, said);
    t->all = t->range_at = t->range_all = 0;
    t->begun = false;
    t->rc = 0;
    CURLcode code = curl_easy_perform(t->curl);
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, NULL);
    fetch_host(host, t->f->url, NULL);
    if (t->rc)
        return t->rc; /* a callback's */
    if (!code && (!t->all || t->have == t->all))
        return 0;
    if (status == 416 && t->have && t->range_all == t->have) {
        t->ranges = true;
        return 0; /* nothing is missing */
    }
    if (status == 416 && t->have) { /* the file is shorter than the part: from the start */
        t->have = 0;
        t->validator[0] = 0;
        return ftruncate(t->fd, 0) || lseek(t->fd, 0, SEEK_SET) ? err_errno(e, errno, "%s", t->part) : 1;
    }
    if (status == 404 || status == 410)
        return err_set(e, ERR_NOT_FOUND, "%s has no such file (%ld): %.300s", host, status, t->f->url);
    if (status == 401 || status == 403)
        return err_set(e, ERR_DENIED, "%s does not give this file to everybody (%ld): %.300s", host, status, t->f->url);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_PEER_FAILED_VERIFICATION ||
        (status >= 400 && status < 500 && status != 408 && status != 429))
        return err_set(e, ERR_UNAVAILABLE, "%s: %s", host, said[0] ? said : curl_easy_strerror(code));
    err_set(e, ERR_UNAVAILABLE, "%s: %s", host, said[0] ? said : curl_easy_strerror(code));
    return 1;
}

static int transfer(struct transfer *t, struct err *e)
{
    int rc = 1;
    for (int left = FETCH_TRIES; rc == 1 && left; left--) {
        uint64_t had = t->have;
        if (left < FETCH_TRIES) /* ¼, ½, 1, 2 s */
            nanosleep(&(struct timespec){left == 1 ? 2 : left == 2, left > 2 ? 1000000000L >> (left - 2) : 0}, NULL);
        rc = request(t, e);
        if (rc == 1 && t->have > had)
            left = FETCH_TRIES; /* it goes on */
    }
    if (rc == 1) {
        rc = ERR_UNAVAILABLE;
        if (t->have)
            err_hint(e, "what is there stays, and the same command goes on from it");
    }
    return rc;
}

/* What an earlier attempt left, if it was of this address. */
static int open_part(struct transfer *t, struct err *e)
{
    struct buf from = BUF_INIT;
    struct stat st;
    t->fd = open(t->part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (t->fd < 0)
        return err_errno(e, errno, "%s", t->part);
    if (flock(t->fd, LOCK_EX | LOCK_NB))
        return err_set(e, ERR_BUSY, "%s: another process fetches it", t->part);
    if (fstat(t->fd, &st))
        return err_errno(e, errno, "%s", t->part);
    size_t url = strlen(t->f->url);
    if (st.st_size > 0 && !file_read(&from, t->from, FROM_MAX, NULL) && from.len > url + 1 && !memcmp(from.data, t->f->url, url) &&
        from.data[url] == '\n') {
        size_t len = strcspn(from.data + url + 1, "\n");
        if (len && len < sizeof t->validator) {
            memcpy(t->validator, from.data + url + 1, len);
            t->have = (uint64_t)st.st_size;
        }
    }
    buf_release(&from);
    if ((!t->have && ftruncate(t->fd, 0)) || lseek(t->fd, (off_t)t->have, SEEK_SET) < 0)
        return err_errno(e, errno, "%s", t->part);
    return 0;
}

static int check_hash(const struct transfer *t, struct err *e)
{
    struct file_map map;
    uint8_t is[32];
    char hex[65], want[65];
    if (!t->f->sha256)
        return 0;
    int rc = file_map(&map, t->part, e);
    if (rc)
        return rc;
    rc = sha256(is, map.p, map.n, e);
    file_unmap(&map);
    if (rc || !memcmp(is, t->f->sha256, 32))
        return rc;
    hex_of(hex, is, 32);
    hex_of(want, t->f->sha256, 32);
    unlink(t->part);
    unlink(t->from);
    return err_set(e, ERR_FORMAT, "%.250s: its SHA-256 is %s, not %s", t->f->url, hex, want);
}

static int finish(struct transfer *t, struct err *e)
{
    int rc = fsync(t->fd) ? err_errno(e, errno, "%s", t->part) : check_hash(t, e);
    if (!rc && rename(t->part, t->f->path))
        rc = err_errno(e, errno, "%s", t->f->path);
    if (!rc)
        unlink(t->from);
    return rc;
}

int fetch_file(struct fetched *out, const struct fetch *f, struct err *e)
{
    struct transfer t = {.f = f, .fd = -1, .e = e};
    struct buf part = BUF_INIT, from = BUF_INIT;
    const char *url = NULL;
    *out = (struct fetched){0};
    buf_addf(&part, "%s.part", f->path);
    buf_addf(&from, "%s.part.from", f->path);
    t.part = part.data;
    t.from = from.data;
    int rc = fetch_host(out->host, f->url, e);
    if (rc || (rc = open_part(&t, e)) || (rc = set_up(&t, e)))
        goto out;
    out->resumed = t.have;
    if ((rc = transfer(&t, e)))
        goto out;
    if (!curl_easy_getinfo(t.curl, CURLINFO_EFFECTIVE_URL, &url) && url)
        fetch_host(out->host, url, NULL);
    if (!t.ranges)
        out->resumed = 0;
    out->bytes = t.have;
    rc = finish(&t, e);
out:
    if (t.curl)
        curl_easy_cleanup(t.curl);
    if (t.fd >= 0)
        close(t.fd);
    if (rc && !t.have && rc != ERR_BUSY) { /* nothing to go on from */
        unlink(t.part);
        unlink(t.from);
    }
    buf_release(&part);
    buf_release(&from);
    return rc;
}
