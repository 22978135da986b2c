/* Models of several files, and weights whose scales are tensors of their own. */
#include "engine/format/model_file.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/format/sha256.h"
#include "gguf_bytes.h"
#include "kernels/block/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct err e;
static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/codeask-model-XXXXXX");
    memset(&e, 0, sizeof e);
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static const char *in(const char *name)
{
    static char path[4][128];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void write_out(const char *name, const struct buf *b)
{
    assert_int_equal(file_write(in(name), b->data, b->len, 0600, &e), 0);
}

/* A safetensors file in the making. */
struct st_out {
    struct buf header, data;
};

static void st_add(struct st_out *o, const char *name, const char *dtype, const char *shape, const void *bytes, size_t n)
{
    buf_addf(&o->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", o->header.len ? "," : "{", name, dtype,
             shape, o->data.len, o->data.len + n);
    buf_add(&o->data, bytes, n);
}

static void st_write(struct st_out *o, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addc(&o->header, '}');
    uint64_t len = o->header.len;
    buf_add(&b, &len, 8);
    buf_add(&b, o->header.data, o->header.len);
    buf_add(&b, o->data.data, o->data.len);
    write_out(name, &b);
    buf_release(&b);
    buf_release(&o->header);
    buf_release(&o->data);
}

static struct model_file *opened(const char *path)
{
    struct model_file *f = NULL;
    if (model_file_open(&f, path, &e))
        fail_msg("%s", e.message);
    return f;
}

static void refused(const char *path, int code, const char *what)
{
    struct model_file *f = NULL;
    assert_int_equal(model_file_open(&f, path, &e), code);
    assert_null(f);
    if (!strstr(e.message, what))
        fail_msg("\"%s\" does not say \"%s\"", e.message, what);
}

static float value(const struct tensor *t, uint64_t row, uint64_t column)
{
    const struct block_format *f = &block_formats[t->type];
    uint64_t k = t->shape[t->rank - 1];
    uint8_t *to = mem_alloc(block_row_bytes(t->type, k));
    float *x = mem_alloc(k * sizeof *x);
    f->decode(x, tensor_row(t, row, to), k / f->values);
    float v = x[column] * t->scale;
    free(to);
    free(x);
    return v;
}

/* -- GGUF -------------------------------------------------------------------------------------------------------------- */

static void write_split(unsigned no, unsigned count, unsigned said_no, unsigned said_count, const char *tensor)
{
    struct buf b = BUF_INIT;
    char name[64];
    put_head(&b, 1, 3);
    put_u32(&b, "split.no", said_no);
    put_u32(&b, "split.count", said_count);
    put_u32(&b, "split.tensors.count", 3);
    put_tensor(&b, tensor, 8, 2, 0, 0);
    put_data(&b, 64);
    ((float *)(void *)(b.data + b.len - 64))[9] = (float)no;
    snprintf(name, sizeof name, "m-%05u-of-%05u.gguf", no, count);
    write_out(name, &b);
    buf_release(&b);
}

static void a_model_in_three_files(void **state)
{
    uint8_t hash[32], expect[32];
    struct buf all = BUF_INIT;
    (void)state;
    write_split(1, 3, 0, 3, "b");
    write_split(2, 3, 1, 3, "c");
    write_split(3, 3, 2, 3, "a");
    struct model_file *f = opened(in("m-00002-of-00003.gguf")); /* any of them */
    assert_true(model_file_is_gguf(f));
    assert_null(model_file_folder(f));
    assert_int_equal(model_file_count(f), 3);
    assert_string_equal(model_file_at(f, 0)->name, "a");
    assert_true(value(model_file_find(f, "a"), 1, 1) == 3 && value(model_file_find(f, "b"), 1, 1) == 1);
    assert_null(model_file_find(f, "d"));
    assert_int_equal(model_file_finite(f, &e), 0);
    assert_int_equal(model_file_hash(f, hash, &e), 0);
    model_file_close(f);
    for (int i = 1; i <= 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "m-%05d-of-00003.gguf", i);
        assert_int_equal(file_read(&all, in(name), 1 << 20, &e), 0);
    }
    assert_int_equal(sha256(expect, all.data, all.len, &e), 0);
    assert_memory_equal(hash, expect, 32);
    buf_release(&all);
    write_split(3, 3, 2, 3, "c");
    refused(in("m-00001-of-00003.gguf"), ERR_FORMAT, "tensor c: is there twice");
    write_split(3, 3, 1, 3, "a");
    refused(in("m-00001-of-00003.gguf"), ERR_FORMAT, "says that it is file 2 of 3, its name that it is 3 of 3");
    unlink(in("m-00003-of-00003.gguf"));
    refused(in("m-00001-of-00003.gguf"), ERR_NOT_FOUND, "m-00003-of-00003.gguf");
}

static void one_of_several_alone(void **state)
{
    (void)state;
    write_split(1, 1, 0, 3, "a");
    refused(in("m-00001-of-00001.gguf"), ERR_FORMAT, "says that it is file 1 of 3");
}

static void numbers_that_are_none(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t in;
        size_t bytes, at;
        uint8_t low, high;
    } bad[] = {{0, 32, 128, 30, 0x80, 0x7F}, {1, 32, 64, 62, 0x00, 0xFE}, {30, 32, 64, 62, 0x80, 0xFF}, {8, 64, 68, 34, 0x00, 0x7C},
               {3, 64, 40, 22, 0x00, 0x7C}, {12, 512, 288, 146, 0x00, 0x7C}, {14, 512, 420, 418, 0x01, 0xFC},
               {39, 64, 34, 17, 0xFF, 0}, {40, 128, 72, 39, 0x7F, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf b = BUF_INIT;
        put_head(&b, 1, 0);
        put_tensor(&b, "w", bad[i].in, 1, bad[i].type, 0);
        put_data(&b, bad[i].bytes);
        for (int k = 0; k < 2; k++) {
            write_out("n.gguf", &b);
            struct model_file *f = opened(in("n.gguf"));
            assert_int_equal(model_file_finite(f, &e), k ? ERR_FORMAT : 0);
            assert_true(!k || strstr(e.message, "tensor w:"));
            model_file_close(f);
            b.data[b.len - bad[i].bytes + bad[i].at] = (char)bad[i].low;
            if (bad[i].high)
                b.data[b.len - bad[i].bytes + bad[i].at + 1] = (char)bad[i].high;
        }
        buf_release(&b);
    }
}

/* -- safetensors ------------------------------------------------------------------------------------------------------- */

static void an_index_of_two_files(void **state)
{
    struct st_out o = {BUF_INIT, BUF_INIT};
    struct buf index = BUF_INIT;
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint16_t h[4] = {0x3F80, 0x4000, 0, 0xBF80};
    uint8_t hash[32];
    (void)state;
    st_add(&o, "a", "F32", "2,4", x, sizeof x);
    st_write(&o, "one.safetensors");
    st_add(&o, "b", "BF16", "4", h, sizeof h);
    st_add(&o, "position_ids", "I64", "1", "12345678", 8);
    st_write(&o, "two.safetensors");
    buf_adds(&index, "{\"metadata\":{\"total_size\":48},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
    write_out("model.safetensors.index.json", &index);
    struct model_file *f = opened(dir);
    assert_false(model_file_is_gguf(f));
    assert_string_equal(model_file_folder(f), dir);
    assert_int_equal(model_file_count(f), 2);
    assert_true(value(model_file_find(f, "a"), 1, 3) == 8 && value(model_file_find(f, "b"), 0, 3) == -1);
    assert_int_equal(model_file_hash(f, hash, &e), 0);
    model_file_close(f);
    f = opened(in("one.safetensors"));
    assert_int_equal(model_file_count(f), 1);
    assert_string_equal(model_file_folder(f), dir);
    model_file_close(f);
    static const struct {
        const char *map, *says;
        int code;
    } lies[] = {{"{\"a\":\"../one.safetensors\"}", "tensor a: its file is no plain name", ERR_FORMAT},
                {"{\"a\":\"\"}", "no plain name", ERR_FORMAT},
                {"{\"a\":3}", "no plain name", ERR_FORMAT},
                {"{}", "names no file", ERR_FORMAT},
                {"[]", "no weight_map", ERR_FORMAT},
                {"{\"a\":\"three.safetensors\"}", "three.safetensors", ERR_NOT_FOUND},
                {"{\"a\":\"one.safetensors\",\"z\":\"two.safetensors\"}", "tensor z: is not in two.safetensors", ERR_FORMAT}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        buf_clear(&index);
        buf_addf(&index, "{\"weight_map\":%s}", lies[i].map);
        write_out("model.safetensors.index.json", &index);
        refused(dir, lies[i].code, lies[i].says);
    }
    buf_release(&index);
}

enum { OUT = 130, IN = 192 }; /* no whole tiles of 128 */

static void fp8_under_tiles(void **state)
{
    struct st_out o = {BUF_INIT, BUF_INIT};
    uint8_t *w = mem_zero(OUT, IN);
    float tile[2][2] = {{1, 2}, {4, 8}}, row[OUT], one = .5f;
    (void)state;
    for (int i = 0; i < OUT * IN; i++)
        w[i] = (uint8_t)(0x38 + i % 8); /* 1 + i%8/8 */
    for (int i = 0; i < OUT; i++)
        row[i] = (float)i;
    st_add(&o, "a.weight", "F8_E4M3", "130,192", w, OUT * IN);
    st_add(&o, "a.weight_scale_inv", "F32", "2,2", tile, sizeof tile);
    st_add(&o, "b.weight", "F8_E4M3", "130,192", w, OUT * IN);
    st_add(&o, "b.weight_scale", "F32", "130,1", row, sizeof row);
    st_add(&o, "c.weight", "F8_E4M3", "130,192", w, OUT * IN);
    st_add(&o, "c.weight_scale", "F32", "", &one, 4);
    st_add(&o, "c.input_scale", "F32", "", &one, 4);
    st_add(&o, "d.weight", "F8_E4M3", "65,2,192", w, OUT * IN); /* a scale a row, of each of 65 experts */
    st_add(&o, "d.weight_scale", "F32", "65,2,1", row, sizeof row);
    st_write(&o, "model.safetensors");
    struct model_file *f = opened(dir);
    assert_int_equal(model_file_count(f), 5);
    const struct tensor *a = model_file_find(f, "a.weight");
    assert_true(a->type == BLOCK_F8_E4M3 && a->shape[0] == OUT && a->shape[1] == IN && !a->data);
    for (uint64_t r = 0; r < OUT; r += 43)
        for (uint64_t c = 0; c < IN; c += 5) {
            float v = 1 + (float)((r * IN + c) % 8) / 8;
            assert_true(value(a, r, c) == v * tile[r / 128][c / 128]);
            assert_true(value(model_file_find(f, "b.weight"), r, c) == v * row[r]);
            assert_true(value(model_file_find(f, "c.weight"), r, c) == v * .5f);
            assert_true(value(model_file_find(f, "d.weight"), r, c) == v * row[r]);
        }
    assert_int_equal(model_file_finite(f, &e), 0);
    model_file_close(f);
    w[777] = 0xFF;
    st_add(&o, "a.weight", "F8_E4M3", "130,192", w, OUT * IN);
    st_write(&o, "model.safetensors");
    f = opened(dir);
    assert_int_equal(model_file_finite(f, &e), ERR_FORMAT);
    assert_non_null(strstr(e.message, "a.weight: element 777"));
    model_file_close(f);
    st_add(&o, "a.weight", "F8_E4M3", "130,192", w, OUT * IN);
    st_add(&o, "a.weight_scale_inv", "F32", "2,3", row, 24);
    st_write(&o, "model.safetensors");
    refused(dir, ERR_FORMAT, "tensor a.weight: scales of a type or shape");
    free(w);
}

/* Bytes whose nibbles are the codes 1, 2, 3 … in turn, the first of a pair low. */
static void fill_codes(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)((2 * i + 1) % 16 | (2 * i + 2) % 16 << 4);
}

static float e2m1(size_t i)
{
    return (float)e2m1_twice[(i + 1) % 16] / 2;
}

static void mxfp4_of_two_tensors(void **state)
{
    struct st_out o = {BUF_INIT, BUF_INIT};
    uint8_t w[2 * 3 * 2 * 16], s[12] = {127, 128, 126, 127, 130, 131, 127, 127, 120, 127, 127, 129};
    (void)state;
    fill_codes(w, sizeof w);
    st_add(&o, "e.proj_blocks", "U8", "2,3,2,16", w, sizeof w);
    st_add(&o, "e.proj_scales", "U8", "2,3,2", s, sizeof s);
    st_add(&o, "p.weight_packed", "U8", "6,32", w, sizeof w);
    st_add(&o, "p.weight_scale", "U8", "6,2", s, sizeof s);
    st_write(&o, "model.safetensors");
    struct model_file *f = opened(dir);
    assert_int_equal(model_file_count(f), 2);
    const struct tensor *t = model_file_find(f, "e.proj"), *p = model_file_find(f, "p.weight");
    assert_true(t && t->type == BLOCK_MXFP4 && t->rank == 3 && t->shape[0] == 2 && t->shape[1] == 3 && t->shape[2] == 64);
    assert_true(p && p->type == BLOCK_MXFP4 && p->rank == 2 && p->shape[0] == 6 && p->shape[1] == 64);
    for (uint64_t i = 0; i < 6 * 64; i++) {
        float v = ldexpf(e2m1(i), s[i / 32] - 127);
        assert_true(value(t, i / 64, i % 64) == v && value(p, i / 64, i % 64) == v);
    }
    assert_int_equal(model_file_finite(f, &e), 0);
    model_file_close(f);
    s[7] = 255;
    st_add(&o, "e.proj_blocks", "U8", "2,3,2,16", w, sizeof w);
    st_add(&o, "e.proj_scales", "U8", "2,3,2", s, sizeof s);
    st_write(&o, "model.safetensors");
    f = opened(dir);
    assert_int_equal(model_file_finite(f, &e), ERR_FORMAT);
    assert_non_null(strstr(e.message, "e.proj_scales: scale 7"));
    model_file_close(f);
    st_add(&o, "e.proj_blocks", "U8", "2,3,2,16", w, sizeof w);
    st_add(&o, "e.proj_scales", "U8", "2,2,3", s, sizeof s);
    st_write(&o, "model.safetensors");
    refused(dir, ERR_FORMAT, "e.proj_blocks: blocks of MXFP4 without scales that fit");
}

static void nvfp4_of_three_tensors(void **state)
{
    struct st_out o = {BUF_INIT, BUF_INIT};
    uint8_t w[2 * 32], s[8] = {0x38, 0x40, 0x30, 0x3C, 0x39, 0x7E, 0x01, 0x00};
    float all = .25f, over = 4, none = 0;
    (void)state;
    fill_codes(w, sizeof w);
    st_add(&o, "a.weight", "U8", "2,32", w, sizeof w);
    st_add(&o, "a.weight_scale", "F8_E4M3", "2,4", s, sizeof s);
    st_add(&o, "a.weight_scale_2", "F32", "", &all, 4);
    st_add(&o, "b.weight_packed", "U8", "2,32", w, sizeof w);
    st_add(&o, "b.weight_scale", "F8_E4M3", "2,4", s, sizeof s);
    st_add(&o, "b.weight_global_scale", "F32", "1", &over, 4);
    st_write(&o, "model.safetensors");
    struct model_file *f = opened(dir);
    assert_int_equal(model_file_count(f), 2);
    const struct tensor *a = model_file_find(f, "a.weight"), *b = model_file_find(f, "b.weight");
    assert_true(a && a->type == BLOCK_NVFP4 && a->shape[1] == 64 && a->scale == .25f);
    assert_true(b && b->type == BLOCK_NVFP4 && b->scale == .25f);
    for (uint64_t i = 0; i < 128; i++) {
        float v = e2m1(i) * f32_from_e4m3(s[i / 16]) * .25f;
        assert_true(value(a, i / 64, i % 64) == v && value(b, i / 64, i % 64) == v);
    }
    assert_int_equal(model_file_finite(f, &e), 0);
    model_file_close(f);
    s[3] = 0xBC;
    st_add(&o, "a.weight", "U8", "2,32", w, sizeof w);
    st_add(&o, "a.weight_scale", "F8_E4M3", "2,4", s, sizeof s);
    st_write(&o, "model.safetensors");
    f = opened(dir);
    assert_true(model_file_find(f, "a.weight")->scale == 1);
    assert_int_equal(model_file_finite(f, &e), ERR_FORMAT);
    assert_non_null(strstr(e.message, "a.weight_scale: scale 3"));
    model_file_close(f);
    st_add(&o, "a.weight", "U8", "2,32", w, sizeof w);
    st_add(&o, "a.weight_scale", "F8_E4M3", "2,4", s, sizeof s);
    st_add(&o, "a.weight_scale_2", "F32", "", &none, 4);
    st_write(&o, "model.safetensors");
    refused(dir, ERR_FORMAT, "a.weight: a scale of the whole tensor");
}

static void types_that_are_not_read(void **state)
{
    struct st_out o = {BUF_INIT, BUF_INIT};
    float x[40] = {0};
    (void)state;
    st_add(&o, "q.qweight", "I32", "2,4", x, 32);
    st_write(&o, "model.safetensors");
    refused(dir, ERR_UNSUPPORTED, "tensor q.qweight: type I32");
    st_add(&o, "q.weight", "F8_E5M2", "2,4", x, 8);
    st_write(&o, "model.safetensors");
    refused(dir, ERR_UNSUPPORTED, "tensor q.weight: type F8_E5M2");
    st_add(&o, "q.weight", "U8", "2,4", x, 8);
    st_write(&o, "model.safetensors");
    refused(dir, ERR_UNSUPPORTED, "tensor q.weight: bytes that are neither");
    st_add(&o, "q.weight", "F8_E4M3", "2,4", x, 8);
    st_write(&o, "model.safetensors");
    refused(dir, ERR_UNSUPPORTED, "rows of 4 values");
    st_add(&o, "q.weight", "F32", "1,1,1,1,2", x, 8);
    st_write(&o, "model.safetensors");
    refused(dir, ERR_UNSUPPORTED, "more than 4 dimensions");
    unlink(in("model.safetensors"));
    refused(dir, ERR_NOT_FOUND, "model.safetensors");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_in_three_files), TEST(one_of_several_alone), TEST(numbers_that_are_none),  TEST(an_index_of_two_files),
        TEST(fp8_under_tiles),        TEST(mxfp4_of_two_tensors), TEST(nvfp4_of_three_tensors), TEST(types_that_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
