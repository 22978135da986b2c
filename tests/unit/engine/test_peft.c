/* Adapters as files: what is written is read again, a GGUF base and a safetensors base read and write the same files, foreign types are
 * read, what does not fit is refused; and sequences with several adapters share steps, each as if it were alone. */
#include "engine/train/lora_gguf.h"
#include "tests/unit/engine/gguf_bytes.h"
#include "tests/unit/engine/tiny_decoder_gguf.h"
#include "tests/unit/engine/tiny_train.h"

static const struct peft_base base = {{9, 8, 7}, "tiny"};

struct folder {
    char path[64];
};

static struct folder folder_new(void)
{
    struct folder f = {"/tmp/codeask-adapter-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    return f;
}

static void folder_remove(const struct folder *f)
{
    char command[120];
    snprintf(command, sizeof command, "rm -rf %s", f->path);
    assert_int_equal(system(command), 0);
}

static void read_file(struct buf *out, const struct folder *f, const char *name)
{
    char path[200];
    struct err e;
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    buf_clear(out);
    if (file_read(out, path, 1 << 22, &e))
        fail_msg("%s", e.message);
}

static void put(const struct folder *f, const char *name, const char *bytes, size_t n)
{
    tiny_write(f->path, name, bytes, n);
}

static void write_adapter(const struct folder *f, const struct lora *l)
{
    struct err e;
    if (peft_write(f->path, l, &base, &e))
        fail_msg("%s", e.message);
}

static double loss_with(struct tiny_train *b, struct lora *l)
{
    struct gradient *g;
    struct err e;
    double loss = 0;
    if (gradient_new(&g, b->d, l, ACTIVATIONS_RECOMPUTE, &e) || gradient_loss(g, b->x, TINY_TEXTS, &loss, &e))
        fail_msg("%s", e.message);
    gradient_free(g);
    return loss / b->learned;
}

static void written_and_read(void **state)
{
    static const char *const models[] = {"llama", "qwen2", "phi3_short"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct tiny_train b;
        struct folder f = folder_new();
        struct lora *l = NULL;
        struct err e;
        tiny_train_open(&b, models[m], NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
        write_adapter(&f, b.l);
        if (peft_read(&l, b.d, f.path, &base, &e))
            fail_msg("%s", e.message);
        assert_int_equal(l->count, b.l->count);
        assert_memory_equal(l->value, b.l->value, l->count * sizeof *l->value);
        assert_true(l->scale == b.l->scale);
        double loss = loss_with(&b, l); /* and does what the reference says */
        assert_true(fabs(loss - b.loss) <= 1e-6 * b.loss);
        lora_free(l);
        folder_remove(&f);
        tiny_train_close(&b);
    }
}

/* The GGUF file holds queries and keys in pairs. */
static void one_adapter_for_both_kinds_of_files(void **state)
{
    struct tiny_train b, g;
    struct folder f = folder_new(), again = folder_new();
    struct buf one = BUF_INIT, two = BUF_INIT;
    struct model_file *file;
    struct lora *l = NULL;
    struct err e;
    char path[200];
    tiny_train_open(&b, "llama", NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
    write_adapter(&f, b.l);
    snprintf(path, sizeof path, "%s/model.gguf", f.path);
    write_gguf(&b.t, "llama", path);
    if (model_file_open(&file, path, &e))
        fail_msg("%s", e.message);
    tiny_train_open(&g, "llama", file, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
    assert_true(g.d->w.k.interleaved && !b.d->w.k.interleaved);
    if (peft_read(&l, g.d, f.path, &base, &e))
        fail_msg("%s", e.message);
    double loss = loss_with(&g, l);
    if (!(fabs(loss - b.loss) <= 1e-6 * b.loss))
        fail_msg("over GGUF: a loss of %g for %g", loss, b.loss);
    write_adapter(&again, l);
    read_file(&one, &f, "adapter_model.safetensors");
    read_file(&two, &again, "adapter_model.safetensors");
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    lora_free(l);
    model_file_close(file);
    tiny_train_close(&g);
    tiny_train_close(&b);
    buf_release(&one);
    buf_release(&two);
    folder_remove(&f);
    folder_remove(&again);
}

/* -- llama.cpp's files ------------------------------------------------------------------------------------------------------------ */

static void as_gguf(char path[200], const struct folder *f, const struct lora *l)
{
    struct err e;
    snprintf(path, 200, "%s/" LORA_GGUF_FILE, f->path);
    if (lora_gguf_write(path, l, &base, &e))
        fail_msg("%s", e.message);
}

static void gguf_written_and_read(void **state)
{
    static const char *const models[] = {"llama", "qwen2", "phi3_short"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct tiny_train b;
        struct folder f = folder_new();
        struct lora *l = NULL;
        struct err e;
        char path[200];
        tiny_train_open(&b, models[m], NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
        as_gguf(path, &f, b.l);
        for (int file = 0; file < 2; file++) { /* the folder that holds it, and itself */
            if (peft_read(&l, b.d, file ? path : f.path, &base, &e))
                fail_msg("%s: %s", models[m], e.message);
            assert_int_equal(l->count, b.l->count);
            assert_memory_equal(l->value, b.l->value, l->count * sizeof *l->value);
            double loss = loss_with(&b, l);
            assert_true(fabs(loss - b.loss) <= 1e-6 * b.loss);
            lora_free(l);
        }
        folder_remove(&f);
        tiny_train_close(&b);
    }
}

/* Written over safetensors it serves the GGUF model, whose queries and keys lie in pairs, and is the file that would be written there. */
static void gguf_rows_in_pairs(void **state)
{
    struct tiny_train b, g;
    struct folder f = folder_new(), again = folder_new();
    struct buf one = BUF_INIT, two = BUF_INIT;
    struct model_file *file;
    struct lora *l = NULL;
    struct err e;
    char path[200], model[200];
    tiny_train_open(&b, "llama", NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
    as_gguf(path, &f, b.l);
    snprintf(model, sizeof model, "%s/model.gguf", again.path);
    write_gguf(&b.t, "llama", model);
    if (model_file_open(&file, model, &e))
        fail_msg("%s", e.message);
    tiny_train_open(&g, "llama", file, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
    if (peft_read(&l, g.d, f.path, &base, &e))
        fail_msg("%s", e.message);
    double loss = loss_with(&g, l);
    if (!(fabs(loss - b.loss) <= 1e-6 * b.loss))
        fail_msg("over GGUF: a loss of %g for %g", loss, b.loss);
    as_gguf(path, &again, l);
    read_file(&one, &f, LORA_GGUF_FILE);
    read_file(&two, &again, LORA_GGUF_FILE);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    lora_free(l);
    model_file_close(file);
    tiny_train_close(&g);
    tiny_train_close(&b);
    buf_release(&one);
    buf_release(&two);
    folder_remove(&f);
    folder_remove(&again);
}

/* One by hand, of a single map, with something else in it. */
struct gguf_case {
    const char *type, *architecture;
    float alpha;
    const char *a, *b;  /* names; b NULL: it lacks */
    uint32_t rank_a, rank_b, inputs;
    float value;
    int rc;
    const char *says;
};

static void put_case(struct buf *out, const struct gguf_case *c)
{
    uint64_t tensors = c->b ? 2 : 1, bytes = (uint64_t)c->rank_a * c->inputs * 4, at = (bytes + 31) / 32 * 32;
    put_head(out, tensors, 4);
    put_text(out, "general.type"), put32(out, KIND_TEXT), put_text(out, c->type);
    put_text(out, "general.architecture"), put32(out, KIND_TEXT), put_text(out, c->architecture);
    put_text(out, "adapter.type"), put32(out, KIND_TEXT), put_text(out, "lora");
    put_text(out, "adapter.lora.alpha"), put32(out, KIND_F32), buf_add(out, &c->alpha, sizeof c->alpha);
    put_tensor(out, c->a, c->inputs, c->rank_a, 0, 0);
    if (c->b)
        put_tensor(out, c->b, c->rank_b, 32, 0, at);
    buf_zero_to(out, 32);
    for (uint64_t i = 0; i < at / 4; i++)
        buf_add(out, &c->value, sizeof c->value);
    for (uint32_t i = 0; c->b && i < (32 * c->rank_b + 7) / 8 * 8; i++)
        buf_add(out, &c->value, sizeof c->value);
}

#define MAP "blk.1.attn_k.weight.lora_"
static void gguf_foreign(void **state)
{
    static const struct gguf_case cases[] = {
        {"adapter", "llama", 4, MAP "a", MAP "b", 2, 2, 64, .5f, 0, NULL},
        {"model", "llama", 4, MAP "a", MAP "b", 2, 2, 64, .5f, ERR_FORMAT, "no adapter"},
        {"adapter", "qwen3", 4, MAP "a", MAP "b", 2, 2, 64, .5f, ERR_USAGE, "qwen3"},
        {"adapter", "llama", 0, MAP "a", MAP "b", 2, 2, 64, .5f, ERR_FORMAT, "alpha"},
        {"adapter", "llama", NAN, MAP "a", MAP "b", 2, 2, 64, .5f, ERR_FORMAT, "alpha"},
        {"adapter", "llama", 4, MAP "a", NULL, 2, 2, 64, .5f, ERR_FORMAT, "has no tensor blk.1.attn_k.weight.lora_b"},
        {"adapter", "llama", 4, MAP "a", MAP "b", 2, 1, 64, .5f, ERR_UNSUPPORTED, "several ranks"},
        {"adapter", "llama", 4, MAP "a", MAP "b", 2, 2, 32, .5f, ERR_FORMAT, "does not fit"},
        {"adapter", "llama", 4, MAP "a", "output.weight.lora_b", 2, 2, 64, .5f, ERR_UNSUPPORTED, "output.weight"},
        {"adapter", "llama", 4, MAP "a", "blk.9.attn_k.weight.lora_b", 2, 2, 64, .5f, ERR_FORMAT, "does not fit"},
        {"adapter", "llama", 4, MAP "a", MAP "b", 2, 2, 64, NAN, ERR_FORMAT, "no number"},
    };
    struct tiny_train b;
    tiny_train_open(&b, "llama", NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf bytes = BUF_INIT;
        struct lora *l = NULL;
        struct err e;
        put_case(&bytes, &cases[i]);
        int rc = lora_gguf_parse(&l, b.d, "x.gguf", bytes.data, bytes.len, &base, &e);
        if (rc != cases[i].rc || (rc && !strstr(e.message, cases[i].says)))
            fail_msg("case %zu: %d, %s", i, rc, rc ? e.message : "");
        for (size_t n = 0; !rc && n < bytes.len; n += 11) { /* cut off anywhere */
            struct lora *none = NULL;
            assert_int_not_equal(lora_gguf_parse(&none, b.d, "x.gguf", bytes.data, n, &base, &e), 0);
            assert_null(none);
        }
        if (!rc) {
            assert_true(l->scale == 2 && l->o.rank == 2 && l->value[l->part[1].a] == .5f && l->value[l->part[0].a] == 0);
            lora_free(l);
        }
        buf_release(&bytes);
    }
    struct folder f = folder_new(); /* of another base, by name */
    struct peft_base other = {{9, 8, 6}, "another"};
    struct lora *l = NULL;
    struct err e;
    char path[200];
    as_gguf(path, &f, b.l);
    assert_int_equal(lora_gguf_read(&l, b.d, path, &other, &e), ERR_USAGE);
    assert_true(strstr(e.message, "tiny") && strstr(e.message, "another"));
    assert_int_equal(lora_gguf_read(&l, b.d, "/nowhere.gguf", &base, &e), ERR_NOT_FOUND);
    folder_remove(&f);
    tiny_train_close(&b);
}

/* A small adapter by hand: bf16, one map of one layer. */
#define CONFIG "{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 2, \"target_modules\": [\"k_proj\"]%s}"
#define TENSOR "base_model.model.model.layers.1.self_attn.k_proj.lora_"
static void by_hand(const struct folder *f, const char *more, const char *name_a, const char *shape_a, const char *name_b)
{
    char text[1000];
    struct buf all = BUF_INIT;
    uint16_t value[64 + 32];
    for (int i = 0; i < 96; i++)
        value[i] = (uint16_t)(0x3f80 + i); /* 1 and a bit more */
    put(f, "adapter_config.json", text, (size_t)snprintf(text, sizeof text, CONFIG, more));
    int n = snprintf(text, sizeof text, "{\"%s\":{\"dtype\":\"BF16\",\"shape\":%s,\"data_offsets\":[0,128]},"
                     "\"%s\":{\"dtype\":\"BF16\",\"shape\":[32,1],\"data_offsets\":[128,192]}}", name_a, shape_a, name_b);
    uint64_t size = (uint64_t)n;
    buf_add(&all, &size, sizeof size);
    buf_add(&all, text, size);
    buf_add(&all, value, sizeof value);
    put(f, "adapter_model.safetensors", all.data, all.len);
    buf_release(&all);
}

static void foreign(void **state)
{
    static const struct {
        const char *more, *a, *shape, *b;
        int rc;
        const char *says;
    } cases[] = {
        {"", TENSOR "A.weight", "[1,64]", TENSOR "B.weight", 0, NULL},
        {", \"modules_to_save\": [], \"rank_pattern\": {}", TENSOR "A.weight", "[1,64]", TENSOR "B.weight", 0, NULL},
        {", \"use_dora\": true", TENSOR "A.weight", "[1,64]", TENSOR "B.weight", ERR_UNSUPPORTED, "DoRA"},
        {", \"alora_invocation_tokens\": [1, 2]", TENSOR "A.weight", "[1,64]", TENSOR "B.weight", ERR_UNSUPPORTED, "that kind"},
        {", \"use_qalora\": true", TENSOR "A.weight", "[1,64]", TENSOR "B.weight", ERR_UNSUPPORTED, "that kind"},
        {", \"use_qalora\": false, \"lora_bias\": true", TENSOR "A.weight", "[1,64]", TENSOR "B.weight", ERR_UNSUPPORTED, "biases"},
        {", \"bias\": \"all\"", TENSOR "A.weight", "[1,64]", TENSOR "B.weight", ERR_UNSUPPORTED, "biases"},
        {", \"rank_pattern\": {\"q\": 2}", TENSOR "A.weight", "[1,64]", TENSOR "B.weight", ERR_UNSUPPORTED, "ranks"},
        {", \"modules_to_save\": [\"lm_head\"]", TENSOR "A.weight", "[1,64]", TENSOR "B.weight", ERR_UNSUPPORTED, "modules"},
        {"", TENSOR "A.weight", "[64,1]", TENSOR "B.weight", ERR_FORMAT, "does not fit"},
        {"", TENSOR "A.weight", "[64]", TENSOR "B.weight", ERR_FORMAT, "does not fit"},
        {"", TENSOR "A.weight", "[1,64]", "base_model.model.model.layers.1.mlp.up_proj.lora_B.weight", ERR_FORMAT, "has no tensor"},
        {"", TENSOR "A.weight", "[1,64]", "base_model.model.lm_head.lora_B.weight", ERR_UNSUPPORTED, "lm_head"},
        {"", "base_model.model.model.layers.9.self_attn.k_proj.lora_A.weight", "[1,64]",
         "base_model.model.model.layers.9.self_attn.k_proj.lora_B.weight", ERR_FORMAT, "does not fit"},
    };
    struct tiny_train b;
    tiny_train_open(&b, "llama", NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct folder f = folder_new();
        struct lora *l = NULL;
        struct err e;
        by_hand(&f, cases[i].more, cases[i].a, cases[i].shape, cases[i].b);
        int rc = peft_read(&l, b.d, f.path, &base, &e);
        if (rc != cases[i].rc || (rc && !strstr(e.message, cases[i].says)))
            fail_msg("case %zu: %d, %s", i, rc, rc ? e.message : "");
        if (!rc) {
            assert_true(l->scale == 2 && l->parts == 3); /* the other layers' stay as they are */
            assert_true(l->value[l->part[1].a] == 1 && l->value[l->part[1].b + 1] == 1 + 65 / 128.f && l->value[l->part[0].a] == 0);
            lora_free(l);
        }
        folder_remove(&f);
    }
    tiny_train_close(&b);
}

static void another_base_is_refused_by_name(void **state)
{
    struct tiny_train b;
    struct folder f = folder_new();
    struct lora *l = NULL;
    struct err e;
    struct buf file = BUF_INIT;
    tiny_train_open(&b, "llama", NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
    assert_int_equal(peft_read(&l, b.d, "/nowhere", &base, &e), ERR_NOT_FOUND);
    write_adapter(&f, b.l);
    struct peft_base other = {{9, 8, 6}, "another"};
    assert_int_equal(peft_read(&l, b.d, f.path, &other, &e), ERR_USAGE);
    assert_true(strstr(e.message, "tiny") && strstr(e.message, "another") && strstr(e.message, "090807"));
    read_file(&file, &f, "adapter_model.safetensors");
    put(&f, "adapter_model.safetensors", file.data, file.len - 4);
    assert_int_equal(peft_read(&l, b.d, f.path, &base, &e), ERR_FORMAT);
    float nan = NAN;
    memcpy(file.data + file.len - 4, &nan, sizeof nan);
    put(&f, "adapter_model.safetensors", file.data, file.len);
    assert_int_equal(peft_read(&l, b.d, f.path, &base, &e), ERR_FORMAT);
    put(&f, "adapter_config.json", "[]", 2);
    assert_int_equal(peft_read(&l, b.d, f.path, &base, &e), ERR_FORMAT);
    buf_release(&file);
    folder_remove(&f);
    tiny_train_close(&b);
}

/* Logits of the last tokens of a text, read in steps of 5 tokens beside others, each with the adapter at its place. */
#define SIDE 3
#define STEP 5
#define READ 30
static void read_beside(struct tiny_train *b, struct lora *const *with, size_t n, float *logits)
{
    struct sequence *s[SIDE];
    struct err e;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(sequence_new(&s[i], b->d, &e), 0);
        assert_int_equal(sequence_adapt(s[i], with[i] ? &with[i]->adapt : NULL, &e), 0);
    }
    for (uint32_t at = 0; at < READ; at += STEP) {
        struct step_part part[SIDE];
        for (size_t i = 0; i < n; i++)
            part[i] = (struct step_part){s[i], b->x[2].token + at, STEP, 1};
        assert_int_equal(decoder_step(b->d, part, n, logits, &e), 0);
    }
    assert_int_equal(sequence_adapt(s[0], NULL, &e), ERR_USAGE); /* it has read */
    struct sequence *fork;
    assert_int_equal(sequence_fork(&fork, s[n - 1], &e), 0);
    assert_int_equal(decoder_step(b->d, &(struct step_part){fork, b->x[2].token + READ, 1, 1}, 1, logits + n * b->t.vocab, &e), 0);
    sequence_free(fork);
    for (size_t i = 0; i < n; i++)
        sequence_free(s[i]);
}

static void side_by_side(void **state)
{
    struct tiny_train b;
    struct lora *other;
    struct err e;
    tiny_train_open(&b, "qwen3", NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_SAVE);
    assert_int_equal(lora_new(&other, b.d, &(struct lora_options){.rank = 5, .alpha = 10, .targets = 1u << LORA_V | 1u << LORA_UP}, &e), 0);
    lora_draw(other, 3);
    for (size_t i = 0; i < other->count; i++)
        other->value[i] += .125f;
    struct lora *with[SIDE] = {b.l, NULL, other};
    size_t line = b.t.vocab;
    float *all = mem_alloc((SIDE + 1) * line * sizeof *all), *one = mem_alloc(2 * line * sizeof *one);
    read_beside(&b, with, SIDE, all);
    for (size_t i = 0; i < SIDE; i++) {
        read_beside(&b, &with[i], 1, one);
        if (memcmp(one, all + i * line, line * sizeof *one))
            fail_msg("sequence %zu: other bytes than alone", i);
        for (size_t j = 0; j < i; j++) /* and each adapter does something of its own */
            assert_true(memcmp(all + i * line, all + j * line, line * sizeof *all) != 0);
    }
    assert_memory_equal(one + line, all + SIDE * line, line * sizeof *one); /* the fork of the last */
    free(all);
    free(one);
    lora_free(other);
    tiny_train_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_read), cmocka_unit_test(one_adapter_for_both_kinds_of_files), cmocka_unit_test(foreign), cmocka_unit_test(gguf_written_and_read),
                                       cmocka_unit_test(gguf_rows_in_pairs), cmocka_unit_test(gguf_foreign),
        cmocka_unit_test(another_base_is_refused_by_name), cmocka_unit_test(side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
