#include "engine/generate/prefix_file.h"

#include "base/hash.h"

#include <string.h>

#define MAGIC "capref01"

struct head {
    char magic[8];
    uint8_t key[16];
    uint32_t contents, scope, tokens, zero;
    uint64_t state;
};
_Static_assert(sizeof(struct head) == PREFIX_HEAD, "the head has no holes");

static size_t index_of(const struct head *h)
{
    return PREFIX_HEAD + (size_t)h->contents * 20 + h->scope + 4 * (size_t)h->tokens;
}

static int read_head(struct head *h, const uint8_t *p, size_t n, struct err *e)
{
    if (n < PREFIX_HEAD)
        return err_set(e, ERR_FORMAT, "a kept prefix of %zu bytes", n);
    memcpy(h, p, sizeof *h);
    if (memcmp(h->magic, MAGIC, sizeof h->magic) || h->zero || h->contents > GENERATE_SOURCES || h->scope > PREFIX_SCOPE_MAX ||
        h->tokens > PREFIX_TOKENS_MAX || h->state > (uint64_t)1 << 40)
        return err_set(e, ERR_FORMAT, "no kept prefix");
    return 0;
}

int prefix_file_sizes(size_t *index, uint64_t *whole, const uint8_t *p, size_t n, struct err *e)
{
    struct head h = {0};
    int rc = read_head(&h, p, n, e);
    if (rc)
        return rc;
    *index = index_of(&h);
    *whole = *index + h.state + sizeof(struct hash128);
    return 0;
}

int prefix_file_index(struct prefix_file *out, const uint8_t *p, size_t n, struct err *e)
{
    struct head h = {0};
    int rc = read_head(&h, p, n, e);
    if (!rc && n < index_of(&h))
        rc = err_set(e, ERR_FORMAT, "a kept prefix ends in the middle");
    if (rc)
        return rc;
    *out = (struct prefix_file){.ncontent = h.contents, .scope_len = h.scope, .ntoken = h.tokens, .nstate = h.state};
    memcpy(out->key, h.key, sizeof out->key);
    p += PREFIX_HEAD;
    out->content = (const uint8_t(*)[20])p;
    p += (size_t)h.contents * 20;
    out->scope = (const char *)p;
    out->token = p + h.scope;
    return 0;
}

int prefix_file_read(struct prefix_file *out, const uint8_t *p, size_t n, struct err *e)
{
    size_t index = 0;
    uint64_t whole = 0;
    struct hash128 hash;
    int rc = prefix_file_sizes(&index, &whole, p, n, e);
    if (!rc && whole != n)
        rc = err_set(e, ERR_FORMAT, "a kept prefix of %zu bytes says that it has %llu", n, (unsigned long long)whole);
    if (rc)
        return rc;
    hash = hash128(p, n - sizeof hash);
    if (memcmp(&hash, p + n - sizeof hash, sizeof hash))
        return err_set(e, ERR_FORMAT, "a kept prefix is damaged");
    rc = prefix_file_index(out, p, n, e);
    if (!rc)
        out->state = p + index;
    return rc;
}

size_t prefix_file_begin(struct buf *b, const struct prefix_file *f)
{
    struct head h = {.magic = MAGIC, .contents = f->ncontent, .scope = f->scope_len, .tokens = f->ntoken};
    size_t began = b->len;
    memcpy(h.key, f->key, sizeof h.key);
    buf_add(b, &h, sizeof h);
    buf_add(b, f->content, (size_t)f->ncontent * 20);
    buf_add(b, f->scope, f->scope_len);
    buf_add(b, f->token, 4 * (size_t)f->ntoken);
    return began;
}

void prefix_file_end(struct buf *b, size_t began)
{
    struct head h = {0};
    memcpy(&h, b->data + began, sizeof h);
    h.state = b->len - began - index_of(&h);
    memcpy(b->data + began, &h, sizeof h);
    struct hash128 hash = hash128(b->data + began, b->len - began);
    buf_add(b, &hash, sizeof hash);
}
