/* Decoding and encoding of blocks beside what the package gguf made of the same bytes: tests/parity/block_vectors.py. */
#include "kernels/block.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "kernels/block/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VALUES = 1 << 18 };

static uint64_t word(uint64_t seed, uint64_t i)
{
    uint64_t z = (i + 1 + (seed << 32)) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* numbers() of the script */
static float number_at(uint64_t seed, uint64_t i)
{
    uint64_t run = i / 64, w = word(seed, run % 16 == 5 ? run * 64 : i);
    if (!(word(seed, i) & 15) || run % 16 == 9)
        return 0;
    return ldexpf((float)((int64_t)(w >> 40) - (1 << 23)), -23 - (int)(run % 40) + 8);
}

static const struct block_format *format_of(const char *name)
{
    for (size_t i = 0; i < BLOCK_COUNT; i++)
        if (!strcmp(block_formats[i].name, name))
            return &block_formats[i];
    fail_msg("no type %s", name);
    return NULL;
}

static void canonical(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]))
            x[i] = f32_from_bits(0x7FC00000);
}

static void same_hex(const char *name, const char *hex, const void *bytes, size_t n)
{
    char *ours = mem_alloc(2 * n + 1);
    hex_of(ours, bytes, n);
    if (strcmp(ours, hex))
        fail_msg("%s: the first block is\n%s and not\n%s", name, ours, hex);
    free(ours);
}

static void check_decode(const struct block_format *f, size_t blocks, const char *hash, const char *from, const char *to)
{
    size_t bytes = blocks * f->bytes, values = blocks * f->values;
    uint64_t *raw = mem_zero(bytes / 8 + 1, 8);
    float *x = mem_alloc(values * sizeof *x);
    char ours[17];
    for (size_t i = 0; i < (bytes + 7) / 8; i++)
        raw[i] = word(f->gguf, i);
    f->decode(x, raw, blocks);
    canonical(x, values);
    same_hex(f->name, from, raw, f->bytes);
    same_hex(f->name, to, x, f->values * sizeof *x);
    snprintf(ours, sizeof ours, "%016llx", (unsigned long long)hash64(x, values * sizeof *x));
    assert_string_equal(ours, hash);
    free(raw);
    free(x);
}

static void check_encode(const struct block_format *f, size_t blocks, const char *hash, const char *from, const char *to)
{
    size_t bytes = blocks * f->bytes, values = blocks * f->values;
    uint8_t *raw = mem_alloc(bytes);
    float *x = mem_alloc(values * sizeof *x);
    char ours[17];
    for (size_t i = 0; i < values; i++)
        x[i] = number_at(f->gguf + 1, i);
    f->encode(raw, x, NULL, blocks);
    same_hex(f->name, from, x, f->values * sizeof *x);
    same_hex(f->name, to, raw, f->bytes);
    snprintf(ours, sizeof ours, "%016llx", (unsigned long long)hash64(raw, bytes));
    assert_string_equal(ours, hash);
    free(raw);
    free(x);
}

/* Every line of the file whose first word is way; returns how many. */
static int each_vector(const char *way, void (*check)(const struct block_format *, size_t, const char *, const char *, const char *))
{
    struct buf text = BUF_INIT;
    struct err e;
    int n = 0;
    assert_int_equal(file_read(&text, TEST_SOURCE_DIR "/tests/parity/block_vectors.txt", 1 << 20, &e), 0);
    for (char *line = text.data, *save = NULL; (line = strtok_r(line, "\n", &save)); line = NULL) {
        char *words[6], *at = NULL;
        for (int i = 0; i < 6; i++)
            assert_non_null(words[i] = strtok_r(i ? NULL : line, " ", &at));
        if (strcmp(words[0], way))
            continue;
        check(format_of(words[1]), strtoul(words[2], NULL, 10), words[3], words[4], words[5]);
        n++;
    }
    buf_release(&text);
    return n;
}

static void decodes_as_the_reference(void **state)
{
    (void)state;
    assert_int_equal(each_vector("decode", check_decode), BLOCK_COUNT - 1 /* F8_E4M3, below */);
}

static void encodes_as_the_reference(void **state)
{
    (void)state;
    assert_int_equal(each_vector("encode", check_encode), 8);
}

/* The search finds the same bytes on every machine, whatever its vectors; and what it leaves of a normal distribution is no
 * more than this part of it, by root of mean squares (llama.cpp: .0714, .0178, .1152, .0952, .0762). */
static const struct {
    enum block_type type;
    const char *hash;
    double error;
} searched[] = {
    {BLOCK_Q4_K, "1d7d36f3ec765fe2", .0702}, {BLOCK_Q6_K, "8b8e5951637c25c5", .0170}, {BLOCK_MXFP4, "9846ed8ce0c325cc", .1125}, {BLOCK_NVFP4, "c0d12406a4aa7935", .0815}, {BLOCK_IQ4_NL, "29282d718e3bf128", .0738},
};

static void searching_encoders(void **state)
{
    float *x = mem_alloc(VALUES * sizeof *x), *y = mem_alloc(VALUES * sizeof *y), *one = mem_alloc(VALUES * sizeof *one);
    uint8_t *raw = mem_alloc(VALUES);
    (void)state;
    for (size_t i = 0; i < VALUES; i++) { /* a sum of twelve has a bell */
        x[i] = 0;
        one[i] = 1;
        for (uint64_t k = 0; k < 12; k++)
            x[i] += (float)(word(12, i * 12 + k) >> 40) * 0x1p-24f - .5f;
    }
    for (size_t t = 0; t < sizeof searched / sizeof *searched; t++) {
        const struct block_format *f = &block_formats[searched[t].type];
        size_t blocks = VALUES / f->values;
        char ours[17];
        double all = 0, off = 0;
        f->encode(raw, x, one, blocks);
        f->decode(y, raw, blocks);
        for (size_t i = 0; i < VALUES; i++) {
            all += (double)x[i] * (double)x[i];
            off += ((double)y[i] - (double)x[i]) * ((double)y[i] - (double)x[i]);
        }
        if (sqrt(off / all) > searched[t].error)
            fail_msg("%s: an error of %.4f", f->name, sqrt(off / all));
        snprintf(ours, sizeof ours, "%016llx", (unsigned long long)hash64(raw, blocks * f->bytes));
        if (strcmp(ours, searched[t].hash))
            fail_msg("%s: %s", f->name, ours);
    }
    free(x);
    free(y);
    free(one);
    free(raw);
}

/* Blocks that no scale fits: nothing in them, one number, numbers at the ends of what F16 holds. */
static void odd_blocks(void **state)
{
    float x[256], y[256];
    uint8_t raw[1024];
    static const float filling[] = {0, 1, -1, 1e-30f, -1e-30f, 65504, -65504, 1e-7f};
    (void)state;
    for (int t = 0; t < BLOCK_COUNT; t++) {
        const struct block_format *f = &block_formats[t];
        if (!f->encode || f->values == 1)
            continue;
        for (size_t k = 0; k < 2 * sizeof filling / sizeof *filling; k++) {
            for (int i = 0; i < 256; i++)
                x[i] = k % 2 || i == 17 ? filling[k / 2] : 0;
            f->encode(raw, x, NULL, 256 / f->values);
            f->decode(y, raw, 256 / f->values);
            for (int i = 0; i < 256; i++) {
                assert_true(isfinite(y[i]));
                if (fabsf(x[i]) >= 1 && t != BLOCK_NVFP4 /* whose largest is 2688 */)
                    assert_true(fabsf(y[i] - x[i]) <= .26f * fabsf(x[i]));
            }
        }
    }
}

/* Values that weigh nothing do not pull at the scale. */
static void importance_counts(void **state)
{
    static const enum block_type types[] = {BLOCK_Q4_K, BLOCK_Q6_K, BLOCK_IQ4_NL, BLOCK_NVFP4};
    float x[256], y[256], w[256];
    uint8_t raw[1024];
    (void)state;
    for (int i = 0; i < 256; i++) {
        x[i] = number_at(3, (uint64_t)i + 64 * 40) + (i % 16 == 3 ? 900 : 0);
        w[i] = i % 16 == 3 ? 1e-12f : 1;
    }
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        const struct block_format *f = &block_formats[types[t]];
        double off[2] = {0};
        for (int k = 0; k < 2; k++) {
            f->encode(raw, x, k ? w : NULL, 256 / f->values);
            f->decode(y, raw, 256 / f->values);
            for (int i = 0; i < 256; i++)
                off[k] += i % 16 == 3 ? 0 : (double)((y[i] - x[i]) * (y[i] - x[i]));
        }
        if (!(off[1] < off[0]))
            fail_msg("%s: %g with importance, %g without", f->name, off[1], off[0]);
    }
}

/* Every number of 16 and of 8 bits comes back from its float. */
static void small_numbers_come_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = f32_from_f16((uint16_t)h);
        if (!isnan(x))
            assert_int_equal(f16_from_f32(x), h);
        else
            assert_true(isnan(f32_from_f16(f16_from_f32(x))));
        x = f32_from_bf16((uint16_t)h);
        if (!isnan(x))
            assert_int_equal(bf16_from_f32(x), h);
    }
    for (uint32_t b = 0; b < 256; b++)
        if ((b & 127) != 127)
            assert_int_equal(e4m3_from_f32(f32_from_e4m3((uint8_t)b)), b);
    assert_int_equal(e4m3_from_f32(1e9f), 0x7E);
    assert_int_equal(e4m3_from_f32(0x1.1p0f), 0x38);  /* a tie goes to the even one */
    assert_int_equal(e4m3_from_f32(0x1.3p0f), 0x3A);
    assert_int_equal(e4m3_from_f32(0x1p-10f), 0);     /* half of the least: to even */
    assert_int_equal(e4m3_from_f32(0x1.8p-9f), 2);
}

/* Every byte under a scale of 2, beside the standard's own words for some of them. */
static void fp8_decodes(void **state)
{
    uint8_t block[36] = {0, 0, 0, 0x40, 0x00, 0x01, 0x07, 0x08, 0x38, 0xB8, 0x39, 0x7E, 0xFE, 0x80};
    const float expect[] = {0, 0x1p-9f, 7 * 0x1p-9f, 0x1p-6f, 1, -1, 1.125f, 448, -448, -0.f};
    float x[32];
    (void)state;
    block_formats[BLOCK_F8_E4M3].decode(x, block, 1);
    for (size_t i = 0; i < sizeof expect / sizeof *expect; i++)
        assert_true(x[i] == 2 * expect[i]);
    assert_true(signbit(x[9]));
}

static void rows_are_whole_blocks(void **state)
{
    (void)state;
    assert_int_equal(block_row_bytes(BLOCK_Q4_K, 512), 288);
    assert_int_equal(block_row_bytes(BLOCK_Q4_K, 896), 0);
    assert_int_equal(block_row_bytes(BLOCK_F32, 3), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_as_the_reference),
        cmocka_unit_test(encodes_as_the_reference),
        cmocka_unit_test(searching_encoders),
        cmocka_unit_test(odd_blocks),
        cmocka_unit_test(importance_counts),
        cmocka_unit_test(small_numbers_come_back),
        cmocka_unit_test(fp8_decodes),
        cmocka_unit_test(rows_are_whole_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
