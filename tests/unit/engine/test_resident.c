/* A model's weights are in memory once: what is repacked is, the file that it was repacked of is not, neither while it is loaded nor
 * after; and sequences stay within the budget of the cache. Seen by what the system says of this very process. */
#include "base/mem.h"
#include "engine/format/gguf_write.h"
#include "engine/format/model_file.h"
#include "engine/run/decoder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* 98 MB in Q8_0, so that what else comes and goes in the process is little beside it. */
enum { HIDDEN = 1024, WIDE = 4096, LAYERS = 6, HEADS = 16, KV_HEADS = 4, VOCAB = 8192, CONTEXT = 2048, PROMPT = 700 };
#define KV_BUDGET ((size_t)10 << 20)
#define SLACK ((size_t)6 << 20) /* the allocator's, and pages of a library that is called for the first time */

static char path_[] = "/tmp/codeask-resident-XXXXXX";

struct named {
    const char *name;
    uint32_t rows, k;
};
static const struct named of_layer[] = {
    {"attn_q.weight", HIDDEN, HIDDEN}, {"attn_k.weight", HIDDEN / HEADS * KV_HEADS, HIDDEN}, {"attn_v.weight", HIDDEN / HEADS * KV_HEADS, HIDDEN},
    {"attn_output.weight", HIDDEN, HIDDEN}, {"ffn_gate.weight", WIDE, HIDDEN}, {"ffn_up.weight", WIDE, HIDDEN}, {"ffn_down.weight", HIDDEN, WIDE},
    {"attn_norm.weight", 1, HIDDEN}, {"ffn_norm.weight", 1, HIDDEN},
};
#define OF_LAYER (sizeof of_layer / sizeof *of_layer)

static void each_tensor(void (*fn)(void *, const char *, const struct named *), void *arg)
{
    static const struct named embed = {"", VOCAB, HIDDEN}, norm = {"", 1, HIDDEN};
    char name[64];
    fn(arg, "token_embd.weight", &embed);
    for (int i = 0; i < LAYERS; i++)
        for (size_t j = 0; j < OF_LAYER; j++) {
            snprintf(name, sizeof name, "blk.%d.%s", i, of_layer[j].name);
            fn(arg, name, &of_layer[j]);
        }
    fn(arg, "output_norm.weight", &norm);
}

static void announce(void *arg, const char *name, const struct named *t)
{
    uint64_t shape[2] = {t->rows, t->k};
    bool vector = t->rows == 1;
    gguf_write_tensor(arg, name, vector ? BLOCK_F32 : BLOCK_Q8_0, vector ? 1 : 2, vector ? shape + 1 : shape);
}

static void write_rows(void *arg, const char *name, const struct named *t)
{
    static uint8_t row[WIDE * 4];
    bool vector = t->rows == 1;
    size_t bytes = block_row_bytes(vector ? BLOCK_F32 : BLOCK_Q8_0, t->k);
    for (size_t i = 0; i < bytes; i++)
        row[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t i = 0; i < bytes && !vector; i += 34)
        memcpy(row + i, (uint8_t[]){0, 0x10}, 2); /* f16: 2^-11 */
    for (size_t i = 0; i < t->k && vector; i++)
        memcpy(row + 4 * i, &(float){1}, 4);
    for (uint32_t r = 0; r < t->rows; r++)
        assert_int_equal(gguf_write_bytes(arg, row, bytes, r + 1 == t->rows, NULL), 0);
}

static void write_model(int fd)
{
    struct gguf_writer w;
    gguf_writer_init(&w);
    gguf_write_text(&w, "general.architecture", "qwen2");
    gguf_write_u32(&w, "qwen2.context_length", CONTEXT);
    gguf_write_u32(&w, "qwen2.embedding_length", HIDDEN);
    gguf_write_u32(&w, "qwen2.block_count", LAYERS);
    gguf_write_u32(&w, "qwen2.feed_forward_length", WIDE);
    gguf_write_u32(&w, "qwen2.attention.head_count", HEADS);
    gguf_write_u32(&w, "qwen2.attention.head_count_kv", KV_HEADS);
    gguf_write_f32(&w, "qwen2.attention.layer_norm_rms_epsilon", 1e-6f);
    gguf_write_f32(&w, "qwen2.rope.freq_base", 1e6f);
    each_tensor(announce, &w);
    assert_int_equal(gguf_write_begin(&w, fd, NULL), 0);
    each_tensor(write_rows, &w);
    gguf_writer_release(&w);
}

/* Of /proc/self/FILE: bytes behind the first line that begins with key, after a line that holds `after` (NULL: from the beginning). */
static size_t said(const char *file, const char *after, const char *key)
{
    char line[512];
    unsigned long kb = 0;
    bool in = !after;
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        in = in || strstr(line, after);
        if (in && strncmp(line, key, strlen(key)) == 0) {
            assert_int_equal(sscanf(line + strlen(key), " %lu kB", &kb), 1);
            break;
        }
    }
    fclose(f);
    return (size_t)kb << 10;
}

static size_t resident(void)
{
    return said("/proc/self/smaps_rollup", NULL, "Rss:");
}

static void forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    assert_non_null(f);
    fputs("5", f);
    assert_int_equal(fclose(f), 0);
}

static void at_most(const char *what, size_t have, size_t most)
{
    if (have > most)
        fail_msg("%s: %zu KB in memory, where at most %zu KB should be", what, have >> 10, most >> 10);
}

static void read_prompts(struct decoder *d)
{
    enum { SEQUENCES = 2, PART = 350 };
    struct sequence *s[SEQUENCES];
    uint32_t token[PROMPT];
    float *logits = mem_alloc(VOCAB * sizeof *logits);
    for (uint32_t i = 0; i < PROMPT; i++)
        token[i] = i * 7919 % VOCAB;
    for (int i = 0; i < SEQUENCES; i++) {
        assert_int_equal(sequence_new(&s[i], d, NULL), 0);
        for (uint32_t at = 0; at < PROMPT; at += PART)
            assert_int_equal(decoder_step(d, &(struct step_part){s[i], token + at, PART, 1}, 1, logits, NULL), 0);
    }
    for (int i = 0; i < SEQUENCES; i++)
        sequence_free(s[i]);
    free(logits);
}

static void once(void **state)
{
    struct decoder_options o = {.threads = 2, .kv = KV_F16, .kv_bytes = KV_BUDGET};
    struct decoder_needs needs;
    struct decoder_info info;
    struct model_file *f;
    struct decoder *d;
    struct err e;
    uint8_t hash[32];
    void *dev;
    int fd = mkstemp(path_);
    assert_true(fd >= 0);
    write_model(fd);
    close(fd);
    assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, &e), 0);
    size_t before = resident();
    if (model_file_open(&f, path_, &e) || decoder_needs(&needs, f, &backend_cpu, dev, &o, CONTEXT, &e))
        fail_msg("%s", e.message);
    assert_int_equal(model_file_finite(f, &e), 0); /* as whoever opens a model does: all of the file has been read */
    assert_int_equal(model_file_hash(f, hash, &e), 0);
    assert_true(said("/proc/self/smaps", path_, "Rss:") > (size_t)90 << 20);
    forget_peak();
    if (decoder_new(&d, f, &backend_cpu, dev, &o, &e))
        fail_msg("%s", e.message);
    decoder_info(d, &info);
    size_t loaded = resident() - before, peak = said("/proc/self/status", NULL, "VmHWM:") - before, work = (size_t)needs.work + SLACK;
    assert_true(info.weight_bytes > (size_t)90 << 20 && info.weight_bytes <= needs.weights + needs.weights / 50);
    assert_true(loaded >= info.weight_bytes);
    at_most("weights, with the file open", loaded, info.weight_bytes + work);
    at_most("weights, while they were loaded", peak, info.weight_bytes + (size_t)VOCAB * HIDDEN * 2 + work);
    at_most("the file", said("/proc/self/smaps", path_, "Rss:"), 1 << 20);
    model_file_close(f);
    assert_true(info.kv_bytes <= KV_BUDGET);
    read_prompts(d);
    at_most("weights, work and the cache of two sequences", resident() - before, info.weight_bytes + info.kv_bytes + work);
    decoder_free(d);
    at_most("what a decoder leaves", resident() > before ? resident() - before : 0, info.weight_bytes / 4); /* the allocator keeps some */
    backend_cpu.close(dev);
    unlink(path_);
}

int main(void)
{
    if (SANITIZED || getenv("CODEASK_TEST_EMULATED")) {
        puts("a sanitizer's or an emulator's memory is in it too");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
