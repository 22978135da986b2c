#include "cli/stream.h"

#include "cli/show.h"

#include <string.h>

void stream_open(struct stream *s, const struct look *l, struct progress *bar, FILE *to)
{
    *s = (struct stream){.look = l, .bar = bar, .to = to};
}

void stream_release(struct stream *s)
{
    buf_release(&s->text);
    json_decref(s->first);
    s->first = NULL;
}

static void write_out(struct stream *s, struct buf *b)
{
    if (b->len) {
        progress_close(s->bar);
        fwrite(b->data, 1, b->len, s->to);
        fflush(s->to);
    }
    buf_release(b);
}

/* The first n bytes that wait: whole blocks, or where there is no colour anything. */
static void show_first(struct stream *s, size_t n)
{
    struct buf out = BUF_INIT;
    size_t blank = 0;
    if (s->look->color) {
        while (blank < n && s->text.data[blank] == '\n')
            blank++;
        if (blank < n && s->wrote)
            buf_addc(&out, '\n');
        if (blank < n)
            put_markdown(&out, s->look, s->text.data + blank, n - blank);
    } else {
        put_clean(&out, s->text.data, n);
    }
    s->wrote |= blank < n;
    write_out(s, &out);
    buf_drop_front(&s->text, n);
}

/* Where the last block that is whole ends: an empty line outside of code. */
static size_t whole_blocks(struct stream *s)
{
    size_t end = 0;
    for (;;) {
        const char *p = s->text.data + s->scanned, *nl = memchr(p, '\n', s->text.len - s->scanned);
        if (!nl)
            return end;
        if (!s->fence && nl == p)
            end = s->scanned + 1;
        if ((p[0] == '`' || p[0] == '~') && nl - p >= 3 && p[1] == p[0] && p[2] == p[0] && (!s->fence || s->fence == p[0]))
            s->fence = s->fence ? 0 : p[0]; /* the service writes them in the first column */
        s->scanned += (size_t)(nl - p) + 1;
    }
}

static void add_text(struct stream *s, const char *text)
{
    buf_adds(&s->text, text);
    size_t n = s->look->color ? whole_blocks(s) : s->text.len;
    if (n) {
        show_first(s, n);
        s->scanned -= s->look->color ? n : s->scanned;
    }
}

static void list_sources(struct stream *s)
{
    struct buf out = BUF_INIT;
    s->listed = put_citations(&out, s->look, json_object_get(s->first, "citations"), s->first, NULL) > 0;
    if (s->listed)
        buf_addc(&out, '\n');
    write_out(s, &out);
}

void stream_part(void *stream, json_t *part)
{
    struct stream *s = stream;
    json_t *first = json_object_get(part, "extractive"), *delta = json_object_get(part, "delta");
    if (first && !s->first) {
        s->first = json_incref(first);
        if (s->look->tty)
            list_sources(s);
    }
    if (json_is_string(delta))
        add_text(s, json_string_value(delta));
}

void stream_end(struct stream *s, struct buf *out, json_t *result)
{
    bool stands = !strcmp(text_of(result, "mode"), "generated");
    bool here = json_is_false(json_object_get(json_object_get(result, "server"), "answered")); /* it went away on the way */
    json_t *listed = s->listed && !here ? json_object_get(s->first, "citations") : NULL;
    if (stands && s->text.len)
        show_first(s, s->text.len);
    if (!stands && s->wrote)
        put_styled(out, s->look, STYLE_WARN, here ? "\n\nThe server went away.\n\n" : "\n\nThis is taken back: its sources do not support it.\n\n");
    show_ask_rest(out, s->look, result, stands && s->wrote, stands || !s->wrote ? listed : NULL);
}
