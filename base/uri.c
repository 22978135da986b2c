#include "base/uri.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool plain(char c, bool slash)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c)) || (slash && c == '/');
}

void uri_escape(struct buf *out, const char *s, bool slash)
{
    for (; *s; s++)
        if (plain(*s, slash))
            buf_addc(out, *s);
        else
            buf_addf(out, "%%%02X", (unsigned char)*s);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

char *uri_unescape(const char *s, size_t n)
{
    char *out = mem_alloc(n + 1), *to = out;
    for (size_t i = 0; i < n; i++) {
        bool coded = s[i] == '%' && n - i > 2 && digit(s[i + 1]) >= 0 && digit(s[i + 2]) >= 0;
        if ((s[i] == '%' && !coded) || !s[i]) {
            free(out);
            return NULL;
        }
        *to = coded ? (char)(digit(s[i + 1]) * 16 + digit(s[i + 2])) : s[i];
        i += coded ? 2 : 0;
        if (!*to++) {
            free(out);
            return NULL;
        }
    }
    *to = 0;
    return out;
}

void uri_of_path(struct buf *out, const char *path)
{
    buf_adds(out, "file://");
    uri_escape(out, path, true);
}

char *uri_path(const char *uri)
{
    static const char scheme[] = "file://", host[] = "localhost";
    if (strncmp(uri, scheme, sizeof scheme - 1))
        return NULL;
    uri += sizeof scheme - 1;
    if (!strncmp(uri, host, sizeof host - 1))
        uri += sizeof host - 1;
    return *uri == '/' ? uri_unescape(uri, strcspn(uri, "?#")) : NULL;
}

bool uri_remote(const char *s)
{
    size_t n = strcspn(s, ":/");
    return s[n] == ':' && n && (strncmp(s + n, "://", 3) == 0 || s[n + 1]);
}
