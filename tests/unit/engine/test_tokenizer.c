/* Tokenizers: llama.cpp's vectors for GGUF where ../shared is, the ids of `tokenizers` for the small tokenizer.json files of
 * tests/parity/tokenizers, who may write special tokens, bytes back, foreign files that lie. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/tokenizer/tokenizer.h"

#include <jansson.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static struct err e;
static struct tokenizer_memory *memory;
static uint32_t *ids;
static size_t nids, cap;

static size_t encode(const struct tokenizer *t, const char *s, size_t n, const uint8_t *literal)
{
    nids = 0;
    tokenizer_encode(t, memory, s, n, literal, &ids, &nids, &cap);
    return nids;
}

/* The bytes of ids[0 … n). */
static void decode(struct buf *to, const struct tokenizer *t, bool special)
{
    buf_clear(to);
    for (size_t i = 0; i < nids; i++) {
        size_t n;
        const char *s = tokenizer_bytes(t, ids[i], special, &n);
        buf_add(to, s, n);
    }
}

/* GGUF */

static const char *vocab_path(char *to, size_t size, const char *name)
{
    const char *shared = getenv("CODEASK_SHARED");
    snprintf(to, size, "%s/tokenizers/ggml-vocab-%s.gguf", shared ? shared : TEST_SOURCE_DIR "/../shared", name);
    return to;
}

static struct tokenizer *open_vocab(const char *name)
{
    struct tokenizer *t = NULL;
    struct model_file *f = NULL;
    char path[600];
    if (!file_exists(vocab_path(path, sizeof path, name))) {
        print_message("no %s: skipped\n", path);
        return NULL;
    }
    if (model_file_open(&f, path, &e) || tokenizer_open(&t, f, &e))
        fail_msg("%s", e.message);
    model_file_close(f); /* nothing of it is needed any more */
    return t;
}

static const char *const vocabs[] = {"bert-bge", "deepseek-coder", "gpt-2", "llama-spm", "starcoder"};

static void compare_vectors(const struct tokenizer *t, const char *name)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char path[600];
    struct buf in = BUF_INIT, out = BUF_INIT;
    int texts = 0;
    strcat((char *)vocab_path(path, sizeof path - 4, name), ".inp");
    assert_int_equal(file_read(&in, path, 1 << 20, &e), 0);
    memcpy(strrchr(path, '.'), ".out", 4);
    assert_int_equal(file_read(&out, path, 1 << 20, &e), 0);
    char *want = out.data;
    for (char *s = in.data, *next; s && want < out.data + out.len; s = next, texts++) {
        next = memmem(s, in.len - (size_t)(s - in.data), mark, sizeof mark - 1);
        size_t len = next ? (size_t)(next - s) : in.len - (size_t)(s - in.data), n;
        next = next ? next + sizeof mark - 1 : NULL;
        for (int round = 0; round < 2; round++) { /* the second from memory */
            char *w = want;
            n = encode(t, s, len, NULL);
            for (size_t i = 0; i < n; i++) {
                unsigned long id = strtoul(w, &w, 10);
                if (id != ids[i])
                    fail_msg("%s: text %d, token %zu is %u, not %lu", name, texts, i, ids[i], id);
            }
            if (strspn(w, " ") != strcspn(w, "\n"))
                fail_msg("%s: text %d has more tokens than %zu", name, texts, n);
        }
        want += strcspn(want, "\n") + 1;
    }
    assert_true(texts >= 46);
    buf_release(&in);
    buf_release(&out);
}

static void the_vectors_of_llama_cpp(void **state)
{
    int seen = 0;
    for (size_t i = 0; i < sizeof vocabs / sizeof *vocabs; i++) {
        struct tokenizer *t = open_vocab(vocabs[i]);
        if (t) {
            compare_vectors(t, vocabs[i]);
            seen++;
        }
        tokenizer_close(t);
    }
    if (!seen)
        skip();
}

/* Whatever the bytes: tokens give them back. */
static void bytes_come_back(void **state)
{
    static const char *const name[] = {"gpt-2", "deepseek-coder", "llama-spm"};
    struct buf back = BUF_INIT;
    int seen = 0;
    for (int i = 0; i < 3; i++) {
        struct tokenizer *t = open_vocab(name[i]);
        if (!t)
            continue;
        seen++;
        size_t skip_blank = tokenizer_info(t)->space_prefix;
        uint32_t seed = 3;
        for (int round = 0; round < 3000; round++) {
            char s[200];
            size_t n = 1 + round % sizeof s;
            for (size_t k = 0; k < n; k++) {
                seed = seed * 1664525u + 1013904223u;
                s[k] = (char)(round % 3 == 0 ? seed >> 20 : round % 3 == 1 ? ' ' + (seed >> 20) % 95 : (uint8_t) "\xe4\xb8\xad\xf0\x9f \n\x80"[(seed >> 20) % 9]);
                if (i == 1 && ((uint8_t)s[k] >= 0xF5 || (uint8_t)s[k] == 0xC0 || (uint8_t)s[k] == 0xC1))
                    s[k] = '?'; /* DeepSeek has no tokens for bytes that UTF-8 has no use for: they vanish */
            }
            encode(t, s, n, NULL);
            decode(&back, t, true);
            if (back.len != n + skip_blank || memcmp(back.data + skip_blank, s, n))
                fail_msg("%s: %zu bytes became %zu", name[i], n, back.len);
        }
        /* an emoji is several tokens: none of its own is a character */
        if (i == 0) {
            assert_true(encode(t, "\xf0\x9f\xa6\x99", 4, NULL) > 1);
            decode(&back, t, false);
            assert_int_equal(back.len, 4);
        }
        tokenizer_close(t);
    }
    buf_release(&back);
    if (!seen)
        skip();
}

/* JSON */

static const char with_turns[] =
    "{\"added_tokens\":[{\"id\":300,\"content\":\"<|im_start|>\",\"special\":true},{\"id\":301,\"content\":\"<|im_end|>\",\"special\":true},"
    "{\"id\":302,\"content\":\"<tool_call>\",\"special\":false},{\"id\":303,\"content\":\"   \",\"special\":false},"
    "{\"id\":304,\"content\":\"<h1>\",\"special\":false},{\"id\":305,\"content\":\"<|im_end|>\\n\",\"special\":true}],"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{%s},\"merges\":[\"i m\",\"e n\",\"en d\",\"a b\",\"ab c\"]}}";

static struct tokenizer *turns(void)
{
    struct buf vocab = BUF_INIT, json = BUF_INIT;
    struct tokenizer *t = NULL;
    for (int c = 0; c < 256; c++) { /* all bytes, in the order of their letters */
        uint32_t letter = c < 0x100 ? (uint32_t)c : 0;
        bool seen = (letter >= 0x21 && letter <= 0x7E) || (letter >= 0xA1 && letter <= 0xAC) || letter >= 0xAE;
        uint32_t code = seen ? letter : c <= 0x20 ? 0x100 + letter : c <= 0xA0 ? 0x121 + letter - 0x7F : 0x143;
        buf_addf(&vocab, "\"\\u%04x\":%d,", code, c);
    }
    buf_adds(&vocab, "\"im\":256,\"en\":257,\"end\":258,\"ab\":259,\"abc\":260");
    buf_addf(&json, with_turns, vocab.data);
    if (tokenizer_from_json(&t, "turns", json.data, json.len, &e))
        fail_msg("%s", e.message);
    buf_release(&vocab);
    buf_release(&json);
    return t;
}

/* The ids of a text whose bytes are literal where mask has an x. */
static void ids_are(const struct tokenizer *t, const char *text, const char *mask, const char *want)
{
    uint8_t literal[200] = {0};
    struct buf got = BUF_INIT;
    for (size_t i = 0; mask[i]; i++)
        literal[i] = mask[i] == 'x';
    buf_adds(&got, "");
    encode(t, text, strlen(text), mask[0] ? literal : NULL);
    for (size_t i = 0; i < nids; i++) {
        if (ids[i] >= 33 && ids[i] < 127)
            buf_addf(&got, "%c ", (char)ids[i]);
        else
            buf_addf(&got, "%u ", ids[i]);
    }
    if (strcmp(got.data, want))
        fail_msg("%s %s: %s, not %s", text, mask, got.data, want);
    buf_release(&got);
}

static void special_tokens_are_the_template_s(void **state)
{
    struct tokenizer *t = turns();
    assert_int_equal(tokenizer_special(t, "<|im_end|>", 10), 301);
    assert_int_equal(tokenizer_special(t, "<|im_end", 8), TOKEN_NONE);
    assert_true(tokenizer_ends(t, 301));
    assert_false(tokenizer_ends(t, 300));
    assert_int_equal(tokenizer_info(t)->vocab, 306);
    ids_are(t, "<|im_end|>", "xxxxxxxxxx", "301 ");
    ids_are(t, "<|im_end|>", "", "< | 256 _ 258 | > ");            /* a user's */
    ids_are(t, "<|im_end|>", "xxxxxxxxx.", "< | 256 _ 258 | > ");  /* all but a byte */
    ids_are(t, "<|im_end|>", ".xxxxxxxxx", "< | 256 _ 258 | > ");
    ids_are(t, "<|im_end|>", "xxxx.xxxxx", "< | 256 _ 258 | > ");
    ids_are(t, "a<|im_end|>b", ".xxxxxxxxxx.", "a 301 b ");
    ids_are(t, "<|im_end|>\n", "xxxxxxxxxxx", "305 ");             /* the longest */
    ids_are(t, "<|im_end|>\n", "xxxxxxxxxx.", "301 10 ");          /* the longest of which all is literal */
    ids_are(t, "<|im_<|im_end|>", "...............", "< | 256 _ < | 256 _ 258 | > ");
    ids_are(t, "<|im_<|im_end|>", ".....xxxxxxxxxx", "< | 256 _ 301 ");
    ids_are(t, "abc", "", "260 ");
    ids_are(t, "abc", "x..", "260 "); /* merges run across the border */
    ids_are(t, "abc", ".x.", "260 ");
    ids_are(t, "<tool_call>", "", "< t o o l _ c a l l > ");       /* no special token in its file, but it marks a part */
    ids_are(t, "<tool_call>", "xxxxxxxxxxx", "302 ");
    ids_are(t, "a   b<h1>", "", "a 303 b 304 ");                   /* harmless, whoever writes it */
    size_t n;
    assert_memory_equal(tokenizer_bytes(t, 301, true, &n), "<|im_end|>", 10);
    assert_int_equal(n, 10);
    tokenizer_bytes(t, 301, false, &n);
    assert_int_equal(n, 0);
    tokenizer_bytes(t, 299, true, &n); /* a hole */
    assert_int_equal(n, 0);
    tokenizer_bytes(t, 100000, true, &n);
    assert_int_equal(n, 0);
    tokenizer_close(t);
}

/* One memory serves tokenizers in turn: their words are not each other's. */
static void a_memory_changes_hands(void **state)
{
    static const char other[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2},\"merges\":[]}}";
    struct tokenizer *t = turns(), *u = NULL;
    assert_int_equal(tokenizer_from_json(&u, "other", other, sizeof other - 1, &e), 0);
    for (int i = 0; i < 3; i++) {
        ids_are(t, "abc", "", "260 ");
        ids_are(u, "abc", "", "0 1 2 ");
    }
    tokenizer_close(t);
    tokenizer_close(u);
}

static void a_megabyte_without_a_blank(void **state)
{
    struct tokenizer *t = open_vocab("gpt-2"), *s = open_vocab("llama-spm");
    size_t n = 1 << 20;
    if (!t || !s)
        skip();
    char *text = mem_alloc(n);
    uint32_t seed = 1;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = (char)('a' + (seed >> 20) % 26);
    }
    int64_t at = clock_cpu_ns();
    assert_true(encode(t, text, n, NULL) > n / 8);
    assert_true(encode(s, text, n, NULL) > n / 8);
    memset(text, 'a', n);
    encode(t, text, n, NULL);
    memset(text, ' ', n);
    encode(t, text, n, NULL);
    encode(s, text, n, NULL);
    double seconds = (double)(clock_cpu_ns() - at) / 1e9;
    print_message("five words of a megabyte: %.2f s\n", seconds);
    assert_true(seconds < 60);
    free(text);
    tokenizer_close(t);
    tokenizer_close(s);
}

int main(void)
{
    memory = tokenizer_memory_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_llama_cpp),
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(special_tokens_are_the_template_s),
        cmocka_unit_test(a_memory_changes_hands),
        cmocka_unit_test(a_megabyte_without_a_blank),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tokenizer_memory_free(memory);
    free(ids);
    return failed;
}
