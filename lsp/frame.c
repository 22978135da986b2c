#include "lsp/frame.h"

#include <string.h>
#include <strings.h>

static struct str trimmed(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct str){p, (size_t)(end - p)};
}

static bool named(struct str s, const char *name)
{
    return s.n == strlen(name) && !strncasecmp(s.p, name, s.n);
}

static int read_length(uint64_t *out, struct str value, struct err *e)
{
    uint64_t v = 0;
    size_t i = 0;
    while (i < value.n && value.p[i] >= '0' && value.p[i] <= '9' && v <= FRAME_LENGTH_MAX)
        v = v * 10 + (uint64_t)(value.p[i++] - '0');
    if (!value.n || i < value.n || v > FRAME_LENGTH_MAX || (*out != FRAME_HEAD && *out != v))
        return err_set(e, ERR_FORMAT, "Content-Length: one number of bytes is wanted");
    *out = v;
    return 0;
}

/* "application/vscode-jsonrpc; charset=utf-8" is what may be said; "utf8" was once. */
static int check_type(struct str value, struct err *e)
{
    static const char key[] = "charset=";
    for (size_t i = 0; i + sizeof key - 1 <= value.n; i++)
        if (!strncasecmp(value.p + i, key, sizeof key - 1)) {
            struct str set = trimmed(value.p + i + sizeof key - 1, value.p + value.n);
            const char *end = memchr(set.p, ';', set.n);
            set.n = end ? (size_t)(end - set.p) : set.n;
            if (set.n > 1 && set.p[0] == '"' && set.p[set.n - 1] == '"')
                set = (struct str){set.p + 1, set.n - 2};
            if (!named(set, "utf-8") && !named(set, "utf8"))
                return err_set(e, ERR_FORMAT, "Content-Type: only utf-8 is understood");
        }
    return 0;
}

/* head: the fields, each with its line end. */
static int read_head(uint64_t *body, struct str head, struct err *e)
{
    const char *p = head.p, *end = p + head.n;
    int rc = 0;
    *body = FRAME_HEAD;
    while (p < end && !rc) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl - 1;
        const char *colon = memchr(p, ':', (size_t)(nl - p));
        if (stop < p || *stop != '\r' || !colon)
            return err_set(e, ERR_FORMAT, "a header field is \"Name: value\" with CR LF behind it");
        struct str name = trimmed(p, colon), value = trimmed(colon + 1, stop);
        if (named(name, "Content-Length"))
            rc = read_length(body, value, e);
        else if (named(name, "Content-Type"))
            rc = check_type(value, e);
        p = nl + 1;
    }
    if (!rc && *body == FRAME_HEAD)
        rc = err_set(e, ERR_FORMAT, "a header without Content-Length");
    return rc;
}

/* Takes bytes up to the header's empty line; returns how many, or a negative code. */
static long take_head(struct frame *f, const char *bytes, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (f->held.len >= FRAME_HEAD_MAX)
            return err_set(e, ERR_FORMAT, "a header of more than %d bytes", FRAME_HEAD_MAX);
        buf_addc(&f->held, bytes[i]);
        if (bytes[i] != '\n')
            continue;
        const char *h = f->held.data;
        size_t len = f->held.len;
        bool empty = (len == 2 && h[0] == '\r') || (len > 2 && h[len - 2] == '\r' && h[len - 3] == '\n');
        if (!empty && len > 1 && h[len - 2] == '\r')
            continue;
        if (!empty)
            return err_set(e, ERR_FORMAT, "header lines end in CR LF");
        int rc = read_head(&f->body, (struct str){h, len - 2}, e);
        buf_clear(&f->held);
        if (rc)
            return rc;
        f->too_long = f->body > FRAME_MAX;
        f->skip = f->too_long ? f->body : 0;
        return (long)(i + 1);
    }
    return (long)n;
}

/* The body's bytes; *at moves on. */
static int take_body(struct frame *f, const char *bytes, size_t n, size_t *at, frame_cb each, void *arg)
{
    size_t left = n - *at, want = (size_t)(f->too_long ? f->skip : f->body - f->held.len), got = left < want ? left : want;
    const char *p = bytes + *at;
    *at += got;
    if (f->too_long) {
        if ((f->skip -= got))
            return 0;
        p = NULL;
    } else if (got < want || f->held.len) {
        buf_add(&f->held, p, got);
        if (got < want)
            return 0;
        p = f->held.data;
    }
    struct buf whole = f->held;
    size_t len = (size_t)f->body;
    *f = (struct frame)FRAME_INIT;
    int rc = each(arg, p, len);
    buf_release(&whole);
    return rc;
}

int frame_feed(struct frame *f, const char *bytes, size_t n, frame_cb each, void *arg, struct err *e)
{
    size_t at = 0;
    int rc = 0;
    while (!rc && (at < n || (f->body != FRAME_HEAD && f->body == 0))) {
        if (f->body == FRAME_HEAD) {
            long got = take_head(f, bytes + at, n - at, e);
            if (got < 0)
                return (int)got;
            at += (size_t)got;
        } else {
            rc = take_body(f, bytes, n, &at, each, arg);
        }
    }
    return rc;
}

void frame_put(struct buf *out, const char *body, size_t n)
{
    buf_addf(out, "Content-Length: %zu\r\n\r\n", n);
    buf_add(out, body, n);
}

void frame_release(struct frame *f)
{
    buf_release(&f->held);
}
