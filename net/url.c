#include "net/url.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/uri.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define USER_MAX 64
#define HOST_MAX 253 /* RFC 1035 */

static bool word(const char *s, const char *also, size_t most)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr(also, s[i]))
            return false;
    return n <= most && (!n || isalnum((unsigned char)*s) || (*s == ':' && strchr(also, ':')));
}

static bool clean(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

static char *part(CURLU *u, CURLUPart which, unsigned flags)
{
    char *v = NULL, *own;
    if (curl_url_get(u, which, &v, flags))
        return mem_str("");
    own = mem_str(v);
    curl_free(v);
    return own;
}

/* host:port/path, without ".git" and the slashes at both ends, so that the ways to one repository are one. */
static char *key_of(const char *host, unsigned port, unsigned usual, const char *path)
{
    struct buf b = BUF_INIT;
    while (*path == '/')
        path++;
    size_t n = strlen(path);
    while (n && path[n - 1] == '/')
        n--;
    if (n > 4 && !strncmp(path + n - 4, ".git", 4))
        n -= 4;
    buf_adds(&b, host);
    if (port && port != usual)
        buf_addf(&b, ":%u", port);
    buf_addc(&b, '/');
    buf_add(&b, path, n);
    return buf_take(&b);
}

static void lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

/* [USER@]HOST:PATH, as scp and git write it: a colon before any slash. */
static bool scp_form(struct url *out, const char *text)
{
    size_t colon = strcspn(text, ":/"), at = strcspn(text, "@");
    if (text[colon] != ':' || !colon || strstr(text, "://"))
        return false;
    struct buf user = BUF_INIT, host = BUF_INIT;
    if (at < colon)
        buf_add(&user, text, at);
    buf_add(&host, text + (at < colon ? at + 1 : 0), colon - (at < colon ? at + 1 : 0));
    out->scheme = URL_SSH;
    out->user = user.data ? buf_take(&user) : mem_str("");
    out->host = host.data ? buf_take(&host) : mem_str("");
    out->path = mem_str(text + colon + 1);
    return true;
}

static int whole_form(struct url *out, const char *text, struct err *e)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *password = NULL, *port = NULL, *rest = NULL, *raw = NULL;
    int rc = 0;
    if (!u || curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME)) {
        rc = err_set(e, ERR_USAGE, "\"%.200s\" is no address", text);
        goto out;
    }
    scheme = part(u, CURLUPART_SCHEME, 0);
    password = part(u, CURLUPART_PASSWORD, 0);
    port = part(u, CURLUPART_PORT, 0);
    out->user = part(u, CURLUPART_USER, CURLU_URLDECODE);
    out->host = part(u, CURLUPART_HOST, 0);
    raw = part(u, CURLUPART_QUERY, 0);
    rest = part(u, CURLUPART_FRAGMENT, 0);
    if (!strcmp(scheme, "https"))
        out->scheme = URL_HTTPS;
    else if (!strcmp(scheme, "ssh") || !strcmp(scheme, "git+ssh") || !strcmp(scheme, "ssh+git"))
        out->scheme = URL_SSH;
    else if (!strcmp(scheme, "file"))
        out->scheme = URL_FILE;
    else {
        rc = err_set(e, ERR_USAGE, "%.40s:// is not fetched from", scheme);
        err_hint(e, "https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH or file:///PATH");
        goto out;
    }
    out->path = part(u, CURLUPART_PATH, out->scheme == URL_HTTPS ? 0 : CURLU_URLDECODE);
    out->port = (uint16_t)strtoul(port, NULL, 10);
    if (*password || (*out->user && out->scheme == URL_HTTPS)) {
        rc = err_set(e, ERR_USAGE, "an address holds no user and no password: it is shown, and kept in the open");
        err_hint(e, "--credentials FILE: machine HOST login USER password TOKEN, mode 0600");
    } else if (*raw || *rest) {
        rc = err_set(e, ERR_USAGE, "the address of a repository has no ? and no #");
    }
out:
    free(scheme);
    free(password);
    free(port);
    free(rest);
    free(raw);
    curl_url_cleanup(u);
    return rc;
}

static int check(struct url *u, struct err *e)
{
    size_t n = strlen(u->host);
    if (n > 2 && u->host[0] == '[' && u->host[n - 1] == ']') {
        memmove(u->host, u->host + 1, n - 2);
        u->host[n - 2] = 0;
    }
    lower(u->host);
    if (u->scheme == URL_FILE) {
        if (*u->host && strcmp(u->host, "localhost"))
            return err_set(e, ERR_USAGE, "file: of the machine %.100s cannot be read here", u->host);
        u->host[0] = 0;
    } else if (!*u->host || !word(u->host, strchr(u->host, ':') ? ":.%" : ".-_", HOST_MAX)) {
        return err_set(e, ERR_USAGE, "\"%.200s\": the host is no name and no address", u->text);
    }
    if (!word(u->user, "._-+", USER_MAX))
        return err_set(e, ERR_USAGE, "\"%.200s\": the user has letters, digits and . _ - + alone", u->text);
    if (!clean(u->path) || !*u->path || !strcmp(u->path, "/") || *u->path == '-')
        return err_set(e, ERR_USAGE, "\"%.200s\": the path names no repository", u->text);
    return 0;
}

int url_parse(struct url *out, const char *text, struct err *e)
{
    *out = (struct url){0};
    if (strlen(text) > URL_BYTES_MAX || !clean(text) || strchr(text, ' '))
        return err_set(e, ERR_USAGE, "an address has no control characters and no spaces, and %d bytes at most", URL_BYTES_MAX);
    out->text = mem_str(text);
    int rc = scp_form(out, text) ? 0 : whole_form(out, text, e);
    if (!rc)
        rc = check(out, e);
    if (rc)
        url_release(out);
    else
        out->key = out->scheme == URL_FILE ? key_of("file", 0, 0, out->path)
                                           : key_of(out->host, out->port, out->scheme == URL_HTTPS ? 443 : 22, out->path);
    return rc;
}

void url_release(struct url *u)
{
    free(u->text);
    free(u->user);
    free(u->host);
    free(u->path);
    free(u->key);
    *u = (struct url){0};
}

char *url_key(const char *text)
{
    struct url u;
    struct buf b = BUF_INIT;
    char *key = NULL;
    if (strlen(text) > URL_BYTES_MAX)
        return NULL;
    bool plain = !strncmp(text, "http://", 7) || !strncmp(text, "git://", 6);
    if (plain)
        buf_addf(&b, "https%s", strchr(text, ':'));
    if (!url_parse(&u, plain ? b.data : text, NULL) && u.scheme != URL_FILE) {
        key = u.key;
        u.key = NULL;
    }
    url_release(&u);
    buf_release(&b);
    return key;
}
