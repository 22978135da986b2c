#include "engine/sample/stop.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* One string's matcher after Knuth, Morris and Pratt. */
struct one {
    char text[STOP_BYTES_MAX];
    uint16_t n, at;                  /* at: bytes that match so far */
    uint16_t fall[STOP_BYTES_MAX + 1]; /* [i]: the longest end of the first i bytes that is also their beginning */
};

struct stop {
    size_t n;
    int found;
    struct buf held;
    struct one one[];
};

static void prepare(struct one *o, struct str s)
{
    memcpy(o->text, s.p, s.n);
    o->n = (uint16_t)s.n;
    for (uint16_t i = 1, k = 0; i < o->n; i++) {
        while (k && o->text[i] != o->text[k])
            k = o->fall[k];
        k += o->text[i] == o->text[k];
        o->fall[i + 1] = k;
    }
}

int stop_open(struct stop **out, const struct str *string, size_t n, struct err *e)
{
    if (n > STOP_STRINGS_MAX)
        return err_set(e, ERR_USAGE, "%zu stop strings; %d are the most", n, STOP_STRINGS_MAX);
    for (size_t i = 0; i < n; i++)
        if (!string[i].n || string[i].n > STOP_BYTES_MAX)
            return err_set(e, ERR_USAGE, "a stop string of %zu bytes; it has 1 to %d", string[i].n, STOP_BYTES_MAX);
    struct stop *s = mem_zero(1, sizeof *s + n * sizeof *s->one);
    s->n = n;
    s->found = -1;
    for (size_t i = 0; i < n; i++)
        prepare(&s->one[i], string[i]);
    *out = s;
    return 0;
}

void stop_close(struct stop *s)
{
    if (!s)
        return;
    buf_release(&s->held);
    free(s);
}

int stop_found(const struct stop *s)
{
    return s->found;
}

/* Bytes at the end that begin a character and do not finish it. */
static size_t unfinished(const char *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        uint8_t c = (uint8_t)p[n - back];
        if ((c & 0xC0) == 0x80)
            continue;
        size_t whole = c >= 0xF0 && c < 0xF8 ? 4 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xC2 && c < 0xE0 ? 2 : 1;
        return whole > back ? back : 0;
    }
    return 0;
}

/* Steps all matchers; the longest that ends here, or -1. */
static int step(struct stop *s, char c, size_t *longest)
{
    int found = -1;
    *longest = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct one *o = &s->one[i];
        while (o->at && o->text[o->at] != c)
            o->at = o->fall[o->at];
        o->at += o->text[o->at] == c;
        if (o->at == o->n) {
            if (found < 0 || o->n > s->one[found].n)
                found = (int)i;
            o->at = o->fall[o->at];
        }
        if (o->at > *longest)
            *longest = o->at;
    }
    return found;
}

bool stop_feed(struct stop *s, struct buf *out, const char *bytes, size_t n)
{
    size_t longest = 0;
    for (size_t i = 0; i < s->n; i++)
        longest = s->one[i].at > longest ? s->one[i].at : longest;
    for (size_t i = 0; i < n && s->found < 0; i++) {
        buf_addc(&s->held, bytes[i]);
        s->found = step(s, bytes[i], &longest);
    }
    if (s->found >= 0) {
        size_t before = s->held.len ? s->held.len - s->one[s->found].n : 0;
        if (s->held.len)
            buf_add(out, s->held.data, before);
        buf_clear(&s->held);
        return true;
    }
    size_t keep = unfinished(s->held.data, s->held.len);
    keep = keep > longest ? keep : longest;
    buf_add(out, s->held.data, s->held.len - keep);
    buf_drop_front(&s->held, s->held.len - keep);
    return false;
}

void stop_end(struct stop *s, struct buf *out)
{
    size_t rest = unfinished(s->held.data, s->held.len);
    if (s->held.len)
        buf_add(out, s->held.data, s->held.len - rest);
    if (rest)
        buf_adds(out, "\xEF\xBF\xBD");
    buf_clear(&s->held);
}
