/* GGUF files that are what they say, and files that lie. */
#include "engine/format/gguf.h"

#include "base/file.h"
#include "base/mem.h"
#include "gguf_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct err e;

/* Parses an exact copy, so that a sanitizer sees a read past the end. */
static int parse(const void *bytes, size_t n)
{
    struct gguf *g = NULL;
    char *copy = mem_alloc(n);
    memcpy(copy, bytes, n);
    memset(&e, 0, sizeof e);
    int rc = gguf_parse(&g, "t", copy, n, &e);
    assert_true(rc ? !g && e.message[0] : g != NULL);
    gguf_close(g);
    free(copy);
    return rc;
}

/* Parses and releases b; the message holds what. */
static void refused(struct buf *b, int code, const char *what)
{
    assert_int_equal(parse(b->data, b->len), code);
    if (!strstr(e.message, what))
        fail_msg("\"%s\" does not say \"%s\"", e.message, what);
    buf_release(b);
}

static void the_reference_file(void **state)
{
    struct buf b = BUF_INIT;
    struct gguf *g = NULL;
    struct meta m;
    size_t len;
    (void)state;
    assert_int_equal(file_read(&b, TEST_SOURCE_DIR "/tests/fuzz/corpus/engine_gguf/good", 1 << 20, &e), 0);
    assert_int_equal(gguf_parse(&g, "good", b.data, b.len, &e), 0);
    static const struct {
        const char *key;
        int64_t value;
    } ints[] = {{"k.u8", 200}, {"k.i8", -7}, {"k.u16", 60000}, {"k.i16", -30000}, {"k.u32", 4000000000}, {"k.i32", -2000000000},
                {"k.u64", (int64_t)1 << 62}, {"k.i64", -((int64_t)1 << 62)}};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        assert_true(gguf_meta(g, ints[i].key, &m) && m.kind == META_INT);
        assert_true(m.integer == ints[i].value && m.number == (double)ints[i].value);
    }
    assert_true(gguf_meta(g, "k.f32", &m) && m.kind == META_FLOAT && m.number == 1.5);
    assert_true(gguf_meta(g, "k.f64", &m) && m.kind == META_FLOAT && m.number == -0.1);
    assert_true(gguf_meta(g, "k.yes", &m) && m.kind == META_BOOL && m.integer == 1);
    assert_true(gguf_meta(g, "k.text", &m) && m.kind == META_TEXT && m.len == 6 && !strcmp(m.text, "naïve"));
    assert_true(gguf_meta(g, "k.ints", &m) && m.kind == META_INTS && m.len == 3 && meta_int(&m, 1) == -2);
    assert_true(gguf_meta(g, "k.floats", &m) && m.kind == META_FLOATS && m.len == 2 && meta_float(&m, 1) == -1.25);
    assert_true(gguf_meta(g, "k.bools", &m) && m.kind == META_INTS && meta_int(&m, 0) == 1 && meta_int(&m, 1) == 0);
    assert_true(gguf_meta(g, "tokenizer.ggml.tokens", &m) && m.kind == META_TEXTS && m.len == 4);
    assert_memory_equal(meta_text(&m, 3, &len), "ö", 2);
    assert_int_equal(len, 2);
    meta_text(&m, 4, &len);
    assert_int_equal(len, 0);
    assert_false(gguf_meta(g, "k.none", &m));

    assert_int_equal(gguf_count(g), 4);
    const struct tensor *t = gguf_at(g, 0);
    assert_string_equal(t->name, "a.weight");
    assert_true(t->rank == 3 && t->shape[0] == 2 && t->shape[1] == 3 && t->shape[2] == 4 && t->type == BLOCK_F32);
    float x[64];
    block_formats[t->type].decode(x, t->data, 24);
    assert_true(x[0] == -128 && x[23] == -105);
    t = gguf_at(g, 1);
    assert_true(t->rank == 2 && t->shape[0] == 4 && t->shape[1] == 64 && t->type == BLOCK_Q8_0);
    block_formats[t->type].decode(x, t->data, 2);
    assert_true(x[0] < -127.9f && x[0] > -128.1f);
    t = gguf_at(g, 3);
    assert_true(t->type == BLOCK_BF16 && t->shape[1] == 128);
    gguf_close(g);
    for (size_t n = 0; n < b.len; n++)
        assert_int_not_equal(parse(b.data, n), 0); /* cut anywhere */
    buf_release(&b);
}

static struct buf small(uint32_t type, uint64_t in, uint64_t out, uint64_t offset, size_t data)
{
    struct buf b = BUF_INIT;
    put_head(&b, 1, 1);
    put_u32(&b, "k", 1);
    put_tensor(&b, "w", in, out, type, offset);
    put_data(&b, data);
    return b;
}

static void every_flipped_bit(void **state)
{
    struct buf b = small(8, 32, 2, 0, 68);
    (void)state;
    assert_int_equal(parse(b.data, b.len), 0);
    for (size_t i = 0; i < b.len * 8; i++) {
        b.data[i / 8] ^= (char)(1 << i % 8);
        parse(b.data, b.len); /* accepted or refused: never out of bounds */
        b.data[i / 8] ^= (char)(1 << i % 8);
    }
    buf_release(&b);
}

static void other_files(void **state)
{
    struct buf b = BUF_INIT;
    (void)state;
    assert_int_equal(parse("", 0), ERR_FORMAT);
    buf_adds(&b, "PK\3\4 a zip");
    refused(&b, ERR_FORMAT, "no GGUF file");
    buf_add(&b, "GGUF\1\0\0\0", 8);
    refused(&b, ERR_UNSUPPORTED, "version 1;");
    buf_add(&b, "GGUF\0\0\0\3", 8);
    refused(&b, ERR_UNSUPPORTED, "big-endian");
    put_head(&b, 0, 0);
    assert_int_equal(parse(b.data, b.len), 0);
    b.data[4] = 2;
    assert_int_equal(parse(b.data, b.len), 0); /* the version before lies the same */
    buf_release(&b);
}

static void counts_that_lie(void **state)
{
    static const uint64_t many[] = {3, 1000, GGUF_KEYS_MAX + 1, 1ull << 32, 1ull << 61, UINT64_MAX};
    struct buf b = BUF_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        put_head(&b, 0, many[i]);
        put_u32(&b, "a", 1);
        refused(&b, ERR_FORMAT, "");
        put_head(&b, many[i], 0);
        put_tensor(&b, "w", 1, 1, 0, 0);
        refused(&b, ERR_FORMAT, "");
        put_head(&b, 0, 1); /* an array of so many texts */
        put_text(&b, "a");
        put32(&b, KIND_ARRAY);
        put32(&b, KIND_TEXT);
        put64(&b, many[i]);
        put_text(&b, "one");
        refused(&b, ERR_FORMAT, "");
        put_head(&b, 0, 1); /* of so many numbers */
        put_text(&b, "a");
        put32(&b, KIND_ARRAY);
        put32(&b, KIND_U64);
        put64(&b, many[i]);
        put64(&b, 1);
        refused(&b, ERR_FORMAT, "");
        put_head(&b, 0, 1); /* a text of so many bytes */
        put_text(&b, "a");
        put32(&b, KIND_TEXT);
        put64(&b, many[i]);
        buf_adds(&b, "ab");
        refused(&b, ERR_FORMAT, "");
    }
}

static void keys_that_lie(void **state)
{
    struct buf b = BUF_INIT;
    (void)state;
    put_head(&b, 0, 2);
    put_u32(&b, "twin", 1);
    put_u32(&b, "twin", 1);
    refused(&b, ERR_FORMAT, "key twin: is there twice");
    put_head(&b, 0, 1);
    put_u32(&b, "esc\033[2J", 1);
    refused(&b, ERR_FORMAT, "a key with the byte 27");
    put_head(&b, 0, 1);
    put_u32(&b, "", 1);
    refused(&b, ERR_FORMAT, "a key of 0 bytes");
    put_head(&b, 0, 1);
    put_text(&b, "odd");
    put32(&b, 13);
    put64(&b, 0);
    refused(&b, ERR_FORMAT, "key odd: unknown kind 13");
    put_head(&b, 0, 1);
    put_text(&b, "nest");
    put32(&b, KIND_ARRAY);
    put32(&b, KIND_ARRAY);
    put64(&b, 1);
    refused(&b, ERR_UNSUPPORTED, "key nest: an array of arrays");
    put_head(&b, 0, 1);
    put_text(&b, "yes");
    put32(&b, KIND_BOOL);
    buf_addc(&b, 2);
    refused(&b, ERR_FORMAT, "key yes: a truth value");
    put_head(&b, 0, 1);
    put_text(&b, "big");
    put32(&b, KIND_U64);
    put64(&b, 1ull << 63);
    refused(&b, ERR_FORMAT, "key big: a number past 2^63");
    static const uint32_t alignment[] = {0, 3, 48, 1u << 21, UINT32_MAX};
    for (size_t i = 0; i < sizeof alignment / sizeof *alignment; i++) {
        put_head(&b, 0, 1);
        put_u32(&b, "general.alignment", alignment[i]);
        refused(&b, ERR_FORMAT, "general.alignment");
    }
}

static void tensors_that_lie(void **state)
{
    struct buf b;
    (void)state;
    b = small(16, 256, 1, 0, 66);
    refused(&b, ERR_UNSUPPORTED, "tensor w: type IQ2_XXS (16)");
    b = small(99, 256, 1, 0, 66);
    refused(&b, ERR_UNSUPPORTED, "tensor w: type unknown (99)");
    b = small(BLOCK_NOT_GGUF, 32, 1, 0, 64);
    refused(&b, ERR_UNSUPPORTED, "type unknown");
    b = small(0, 4, 4, 0, 63);
    refused(&b, ERR_FORMAT, "tensor w: lies past the end");
    b = small(0, 4, 4, 64, 96);
    refused(&b, ERR_FORMAT, "tensor w: lies past the end");
    b = small(0, 4, 4, UINT64_MAX - 31, 64);
    refused(&b, ERR_FORMAT, "tensor w: lies past the end");
    b = small(0, 4, 4, 4, 96);
    refused(&b, ERR_FORMAT, "not aligned");
    b = small(0, 0, 4, 0, 64);
    refused(&b, ERR_FORMAT, "a dimension of 0");
    b = small(0, 1ull << 62, 1ull << 62, 0, 64);
    refused(&b, ERR_FORMAT, "overflows");
    b = small(0, 1ull << 62, 4, 0, 64);
    refused(&b, ERR_FORMAT, "overflows");
    b = small(8, 33, 1, 0, 64);
    refused(&b, ERR_FORMAT, "no whole blocks of Q8_0");
    struct buf c = BUF_INIT;
    put_head(&c, 1, 0);
    put_text(&c, "w");
    put32(&c, 5);
    for (int i = 0; i < 5; i++)
        put64(&c, 1);
    put32(&c, 0);
    put64(&c, 0);
    put_data(&c, 32);
    refused(&c, ERR_FORMAT, "more than 4 dimensions");
}

static void tensors_beside_each_other(void **state)
{
    struct buf b = BUF_INIT;
    (void)state;
    put_head(&b, 2, 0);
    put_tensor(&b, "a", 16, 1, 0, 32);
    put_tensor(&b, "b", 16, 1, 0, 0);
    put_data(&b, 96);
    refused(&b, ERR_FORMAT, "tensor a: overlaps b");
    put_head(&b, 2, 0);
    put_tensor(&b, "a", 16, 1, 0, 0);
    put_tensor(&b, "b", 16, 1, 0, 0);
    put_data(&b, 64);
    refused(&b, ERR_FORMAT, "overlaps");
    put_head(&b, 2, 0);
    put_tensor(&b, "a", 8, 1, 0, 32);
    put_tensor(&b, "b", 8, 1, 0, 0);
    put_data(&b, 64);
    assert_int_equal(parse(b.data, b.len), 0); /* any order */
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_file),  cmocka_unit_test(every_flipped_bit), cmocka_unit_test(other_files),
        cmocka_unit_test(counts_that_lie),     cmocka_unit_test(keys_that_lie),     cmocka_unit_test(tensors_that_lie),
        cmocka_unit_test(tensors_beside_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
