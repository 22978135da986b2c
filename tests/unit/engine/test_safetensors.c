/* safetensors files that lie. */
#include "engine/format/safetensors.h"

#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct err e;

/* A file of a header and n zero bytes; the header's size is len, or lied. */
static struct buf file_of(const char *header, size_t n, int64_t lied)
{
    struct buf b = BUF_INIT;
    uint64_t len = lied >= 0 ? (uint64_t)lied : strlen(header);
    buf_add(&b, &len, 8);
    buf_adds(&b, header);
    memset(buf_room(&b, n), 0, n);
    b.len += n;
    return b;
}

/* Parses an exact copy, so that a sanitizer sees a read past the end. */
static int parse(struct safetensors **st, const void *bytes, size_t n)
{
    char *copy = mem_alloc(n);
    memcpy(copy, bytes, n);
    *st = NULL;
    memset(&e, 0, sizeof e);
    int rc = safetensors_parse(st, "t", copy, n, &e);
    if (rc) {
        assert_null(*st);
        assert_true(e.message[0]);
        free(copy);
        return rc;
    }
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < safetensors_count(*st); i++)
        for (size_t k = 0; k < safetensors_at(*st, i)->bytes; k++)
            sum += safetensors_at(*st, i)->data[k];
    safetensors_close(*st);
    free(copy);
    return 0;
}

static int parse_header(const char *header, size_t n)
{
    struct safetensors *st;
    struct buf b = file_of(header, n, -1);
    int rc = parse(&st, b.data, b.len);
    buf_release(&b);
    return rc;
}

static const char good[] = "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                           "\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]},"
                           "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[24,24]},"
                           "\"scalar\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[32,33]}}  ";

static void a_good_file(void **state)
{
    struct safetensors *st = NULL;
    struct buf b = file_of(good, 33, -1);
    assert_int_equal(safetensors_parse(&st, "t", b.data, b.len, &e), 0);
    assert_int_equal(safetensors_count(st), 4);
    const struct st_tensor *t = safetensors_find(st, "a");
    assert_non_null(t);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->bytes, 24);
    assert_int_equal(safetensors_find(st, "scalar")->bytes, 1);
    assert_null(safetensors_find(st, "__metadata__"));
    assert_null(safetensors_find(st, "c"));
    assert_int_equal(safetensors_finite(st, &e), 0);
    safetensors_close(st);
    buf_release(&b);
    assert_int_equal(parse_header("{}", 0), 0);
}

static void headers_that_lie(void **state)
{
#define T(dtype, shape, begin, end) "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}}"
    static const struct {
        const char *header;
        size_t bytes;
        int rc;
        const char *says;
    } bad[] = {
        {T("F32", "[2]", "0", "8"), 7, ERR_FORMAT, "outside"},
        {T("F32", "[2]", "0", "8"), 9, ERR_FORMAT, "belong to no tensor"},
        {T("F32", "[2]", "1", "9"), 9, ERR_FORMAT, "belong to no tensor"},
        {T("F32", "[2]", "8", "0"), 8, ERR_FORMAT, "outside"},
        {T("F32", "[2]", "-8", "0"), 8, ERR_FORMAT, "outside"},
        {T("F32", "[3]", "0", "8"), 8, ERR_FORMAT, "do not fit"},
        {T("F32", "[-2]", "0", "8"), 8, ERR_FORMAT, "no size"},
        {T("F32", "[2.0]", "0", "8"), 8, ERR_FORMAT, "no size"},
        {T("F32", "[\"2\"]", "0", "8"), 8, ERR_FORMAT, "no size"},
        {T("F32", "2", "0", "8"), 8, ERR_FORMAT, "no shape"},
        {T("F32", "[1,1,1,1,1,1,1,1,2]", "0", "8"), 8, ERR_FORMAT, "8 dimensions"},
        {T("F32", "[4611686018427387904,4]", "0", "0"), 0, ERR_FORMAT, "overflows"},
        {T("F32", "[9223372036854775807,9223372036854775807,9223372036854775807]", "0", "4"), 4, ERR_FORMAT, "overflows"},
        {T("F32", "[2147483648,2147483648]", "0", "0"), 0, ERR_FORMAT, "overflows"},
        {T("F32", "[2]", "18446744073709551608", "18446744073709551616"), 8, ERR_FORMAT, "JSON"},
        {T("F32", "[2]", "0.0", "8.0"), 8, ERR_FORMAT, "data_offsets"},
        {T("Q4_K", "[2]", "0", "8"), 8, ERR_UNSUPPORTED, "Q4_K"},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, ERR_FORMAT, "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, ERR_FORMAT, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}}", 8, ERR_FORMAT, "data_offsets"},
        {"{\"a\":7}", 0, ERR_FORMAT, "dtype"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
         8, ERR_FORMAT, "overlaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
         8, ERR_FORMAT, "overlaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
         8, ERR_FORMAT, "JSON"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT, "JSON"},
        {"[]", 0, ERR_FORMAT, "no JSON object"},
        {"{", 0, ERR_FORMAT, "JSON"},
        {"{}}", 0, ERR_FORMAT, "JSON"},
        {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT, "JSON"},
        {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT, "JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int rc = parse_header(bad[i].header, bad[i].bytes);
        if (rc != bad[i].rc || !strstr(e.message, bad[i].says))
            fail_msg("%s: %d %s", bad[i].header, rc, e.message);
    }
}

static void sizes_that_lie(void **state)
{
    struct safetensors *st;
    static const int64_t lied[] = {0, 1, 1 << 20, SAFETENSORS_HEADER_MAX, (int64_t)SAFETENSORS_HEADER_MAX + 1, INT64_MAX};
    for (size_t i = 0; i < sizeof lied / sizeof *lied; i++) {
        struct buf b = file_of(good, 33, lied[i]);
        assert_int_equal(parse(&st, b.data, b.len), ERR_FORMAT);
        uint64_t all = UINT64_MAX;
        memcpy(b.data, &all, 8);
        assert_int_equal(parse(&st, b.data, b.len), ERR_FORMAT);
        buf_release(&b);
    }
}

static void truncated_anywhere(void **state)
{
    struct safetensors *st;
    struct buf b = file_of(good, 33, -1);
    for (size_t n = 0; n < b.len; n++)
        assert_int_not_equal(parse(&st, b.data, n), 0);
    buf_release(&b);
}

static void deep_and_wide_json(void **state)
{
    struct buf b = BUF_INIT;
    struct safetensors *st;
    buf_adds(&b, "{\"a\":");
    for (int i = 0; i < 1000000; i++)
        buf_addc(&b, '[');
    struct buf f = file_of(b.data, 0, -1);
    assert_int_equal(parse(&st, f.data, f.len), ERR_FORMAT);
    assert_non_null(strstr(e.message, "nested"));
    buf_release(&f);
    buf_clear(&b);
    buf_adds(&b, "{\"a\":[0");
    for (int i = 0; i < 3000000; i++)
        buf_adds(&b, ",0");
    buf_adds(&b, "]}");
    f = file_of(b.data, 0, -1);
    assert_int_equal(parse(&st, f.data, f.len), ERR_LIMIT);
    buf_release(&f);
    buf_release(&b);
}

/* Any one bit, then random handfuls: no crash, and what is accepted lies inside the file (the sanitizers watch). */
static void flipped_bits(void **state)
{
    struct safetensors *st;
    struct buf b = file_of(good, 33, -1);
    uint32_t seed = 1;
    for (size_t i = 0; i < b.len * 8; i++) {
        b.data[i / 8] ^= (char)(1 << i % 8);
        parse(&st, b.data, b.len);
        b.data[i / 8] ^= (char)(1 << i % 8);
    }
    char *was = mem_alloc(b.len);
    memcpy(was, b.data, b.len);
    for (int round = 0; round < 20000; round++) {
        for (int k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            b.data[8 + (seed >> 8) % (b.len - 8)] = "0123456789[]{},:\"-eE .\\u"[(seed >> 3) % 24];
        }
        parse(&st, b.data, b.len);
        memcpy(b.data, was, b.len);
    }
    free(was);
    buf_release(&b);
}

static void numbers_that_are_none(void **state)
{
    static const struct {
        const char *dtype;
        size_t size;
        uint64_t bad[3];
    } type[] = {
        {"F64", 8, {0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000001}},
        {"F32", 4, {0x7F800000, 0xFF800000, 0x7FC00000}},
        {"F16", 2, {0x7C00, 0xFC00, 0x7E01}},
        {"BF16", 2, {0x7F80, 0xFF80, 0x7FC1}},
    };
    for (size_t i = 0; i < sizeof type / sizeof *type; i++)
        for (int k = 0; k < 3; k++) {
            size_t n = 5000, at = (size_t)(k * 2499); /* first, middle, near the end of odd blocks */
            struct buf h = BUF_INIT;
            struct safetensors *st = NULL;
            buf_addf(&h, "{\"ok\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"w\":{\"dtype\":\"%s\",\"shape\":[%zu],"
                         "\"data_offsets\":[1,%zu]}}", type[i].dtype, n, 1 + n * type[i].size);
            struct buf f = file_of(h.data, 1 + n * type[i].size, -1);
            memcpy(f.data + 8 + h.len + 1 + at * type[i].size, &type[i].bad[k], type[i].size);
            assert_int_equal(safetensors_parse(&st, "t", f.data, f.len, &e), 0);
            assert_int_equal(safetensors_finite(st, &e), ERR_FORMAT);
            char want[64];
            snprintf(want, sizeof want, "tensor w: element %zu is not", at);
            assert_non_null(strstr(e.message, want));
            safetensors_close(st);
            buf_release(&f);
            buf_release(&h);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file),
        cmocka_unit_test(headers_that_lie),
        cmocka_unit_test(sizes_that_lie),
        cmocka_unit_test(truncated_anywhere),
        cmocka_unit_test(deep_and_wide_json),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(numbers_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
