/* Configurations of editors as arbitrary bytes: what is put in is there once, comes out again, and nothing else changes. */
#define _GNU_SOURCE /* memmem */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/editor_text.h"

static const char *const path[] = {"servers", "codeask", NULL};
#define VALUE STR("{\n  \"command\": [\"codeask\", \"lsp\"]\n}")
#define BODY STR("args = 1\n")

typedef int (*change)(struct buf *out, struct str text);

static int put_member(struct buf *out, struct str text)
{
    return member_put(out, text, path, VALUE, NULL);
}

static int drop_member(struct buf *out, struct str text)
{
    return member_drop(out, text, path, NULL);
}

static int put_block(struct buf *out, struct str text)
{
    return block_put(out, text, "#", "helix", BODY, NULL);
}

static int drop_block(struct buf *out, struct str text)
{
    return block_drop(out, text, "#", NULL);
}

static struct str all(const struct buf *b)
{
    return (struct str){b->data ? b->data : "", b->len};
}

static void add_dense(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(" \t\r\n", s.p[i]) || !s.p[i])
            buf_addc(out, s.p[i]);
}

static void check(bool good)
{
    if (!good)
        abort();
}

static void round_trip(struct str text, change put, change drop, bool fresh)
{
    struct buf with = BUF_INIT, again = BUF_INIT, without = BUF_INIT, a = BUF_INIT, b = BUF_INIT;
    if (!put(&with, text)) {
        check(!put(&again, all(&with)) && str_same(all(&again), all(&with)));
        check(!drop(&without, all(&with)));
        add_dense(&a, text);
        add_dense(&b, all(&without));
        check(!fresh || str_same(all(&a), all(&b)) || text_says_nothing(text) || (b.len == a.len + 2 && !memcmp(b.data + a.len, "{}", 2)));
    }
    buf_release(&with);
    buf_release(&again);
    buf_release(&without);
    buf_release(&a);
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct str text = {(const char *)bytes, n};
    bool ours = n >= 7 && (memmem(bytes, n, "codeask", 7) || memmem(bytes, n, "servers", 7));
    round_trip(text, put_member, drop_member, !ours);
    round_trip(text, put_block, drop_block, !ours);
    return 0;
}
