#include "engine/train/corpus.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "cacorp01"
#define HASH 16
#define RECORD_LEAST (4 + 4 + 8 + 2 + 3 * 4) /* bytes: one without contents and with empty texts */

static const struct {
    const char *name;
    bool chat;
} kinds[CORPUS_KIND_COUNT] = {
#define X(symbol, name, chat) {name, chat},
    CORPUS_KINDS(X)
#undef X
};

const char *corpus_kind_name(enum corpus_kind k)
{
    return kinds[k].name;
}

bool corpus_is_chat(enum corpus_kind k)
{
    return kinds[k].chat;
}

/* -- writing -------------------------------------------------------------------------------------------------------------- */

static void put(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_addc(b, (char)(v >> 8 * i));
}

static void put_text(struct buf *b, struct str s)
{
    put(b, s.n, 4);
    buf_add(b, s.n ? s.p : "", s.n);
}

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* Where the number of records stands. */
static size_t count_at(const struct buf *b)
{
    return 16 + 4 + 4 * (size_t)get((const uint8_t *)b->data + 16, 4);
}

void corpus_begin(struct buf *out, uint64_t seed, const uint32_t *repo, uint32_t repos)
{
    buf_clear(out);
    buf_add(out, MAGIC, 8);
    put(out, seed, 8);
    put(out, repos, 4);
    for (uint32_t i = 0; i < repos; i++)
        put(out, repo[i], 4);
    put(out, 0, 4);
}

uint32_t corpus_count(const struct buf *out)
{
    return (uint32_t)get((const uint8_t *)out->data + count_at(out), 4);
}

void corpus_add(struct buf *out, const struct corpus_record *r)
{
    uint32_t n = corpus_count(out) + 1;
    for (int i = 0; i < 4; i++)
        out->data[count_at(out) + (size_t)i] = (char)(n >> 8 * i);
    put(out, r->kind, 1);
    put(out, r->held, 1);
    put(out, r->right, 1);
    put(out, r->texts, 1);
    put(out, r->repo, 4);
    put(out, (uint64_t)r->time, 8);
    put(out, r->blobs, 2);
    buf_add(out, r->blobs ? (const void *)r->blob : "", (size_t)r->blobs * 20);
    put_text(out, r->prompt);
    put_text(out, r->suffix);
    for (int i = 0; i < r->texts; i++)
        put_text(out, r->text[i]);
}

void corpus_end(struct buf *out)
{
    struct hash128 h = hash128(out->data, out->len);
    buf_add(out, &h, sizeof h);
}

/* -- reading -------------------------------------------------------------------------------------------------------------- */

struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
    if (c->bad || (size_t)(c->end - c->p) < n) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += n;
    return at;
}

static uint64_t take_int(struct cursor *c, int bytes)
{
    const uint8_t *p = take(c, (size_t)bytes);
    return p ? get(p, bytes) : 0;
}

static struct str take_text(struct cursor *c)
{
    size_t n = take_int(c, 4);
    const uint8_t *p = take(c, n);
    return (struct str){p ? (const char *)p : "", p ? n : 0};
}

/* false: not what a record looks like. */
static bool take_record(struct corpus_record *r, struct cursor *c)
{
    uint64_t kind = take_int(c, 1), held = take_int(c, 1);
    r->right = (uint8_t)take_int(c, 1);
    r->texts = (uint8_t)take_int(c, 1);
    r->repo = (uint32_t)take_int(c, 4);
    r->time = (int64_t)take_int(c, 8);
    r->blobs = (uint16_t)take_int(c, 2);
    if (c->bad || kind >= CORPUS_KIND_COUNT || held > 1 || r->texts < 1 || r->texts > CORPUS_TEXTS || r->right >= r->texts ||
        (r->texts > 1 && !held) || r->blobs > CORPUS_BLOBS)
        return false;
    r->kind = (enum corpus_kind)kind;
    r->held = held;
    r->blob = take(c, (size_t)r->blobs * 20);
    r->prompt = take_text(c);
    r->suffix = take_text(c);
    for (int i = 0; i < r->texts; i++)
        r->text[i] = take_text(c);
    return !c->bad;
}

int corpus_read(struct corpus *out, const void *bytes, size_t n, struct err *e)
{
    *out = (struct corpus){0};
    struct cursor c = {bytes, (const uint8_t *)bytes + (n > HASH ? n - HASH : 0), false};
    const uint8_t *magic = take(&c, 8);
    if (!magic || memcmp(magic, MAGIC, 8))
        return err_set(e, ERR_FORMAT, "these are no records for tuning");
    struct hash128 h = hash128(bytes, n - HASH);
    if (memcmp(&h, c.end, HASH))
        return err_set(e, ERR_CORRUPT, "the records for tuning are damaged");
    out->seed = take_int(&c, 8);
    uint64_t repos = take_int(&c, 4);
    if (repos > CORPUS_REPOS || repos * 4 > (size_t)(c.end - c.p))
        return err_set(e, ERR_CORRUPT, "records for tuning of %llu repositories", (unsigned long long)repos);
    out->repo = mem_zero(repos + 1, sizeof *out->repo);
    for (out->repos = 0; out->repos < repos; out->repos++)
        out->repo[out->repos] = (uint32_t)take_int(&c, 4);
    uint64_t records = take_int(&c, 4);
    if (records > (size_t)(c.end - c.p) / RECORD_LEAST)
        return err_set(e, ERR_CORRUPT, "%llu records in %zu bytes", (unsigned long long)records, n);
    out->record = mem_zero(records + 1, sizeof *out->record);
    for (out->records = 0; out->records < records; out->records++)
        if (!take_record(&out->record[out->records], &c))
            return err_set(e, ERR_CORRUPT, "record %u for tuning is damaged", out->records);
    return !c.bad && c.p == c.end ? 0 : err_set(e, ERR_CORRUPT, c.bad ? "the records for tuning are cut off" : "the records for tuning go on behind their end");
}

void corpus_release(struct corpus *c)
{
    free(c->repo);
    free(c->record);
    *c = (struct corpus){0};
}

struct hash128 corpus_hash(const struct corpus_record *r)
{
    struct buf b = BUF_INIT;
    put(&b, r->kind, 1);
    put_text(&b, r->prompt);
    put_text(&b, r->suffix);
    for (int i = 0; i < r->texts; i++)
        put_text(&b, r->text[i]);
    struct hash128 h = hash128(b.data, b.len);
    buf_release(&b);
    return h;
}
