/* Tokenizers: llama.cpp's vectors for GGUF where ../shared is, the ids of `tokenizers` for the small tokenizer.json files of
 * tests/parity/tokenizers, who may write special tokens, bytes back, foreign files that lie. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/format/gguf.h"
#include "engine/tokenizer/tokenizer_data.h"
#include "gguf_bytes.h"

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
    if (!seen) {
        print_message("no ../shared/tokenizers: skipped\n");
        skip();
    }
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
    if (!seen) {
        print_message("no ../shared/tokenizers: skipped\n");
        skip();
    }
}

/* JSON */

static void same_ids(const char *name, const json_t *text, const json_t *want, const struct tokenizer *t, const uint8_t *literal)
{
    for (int round = 0; round < 2; round++) { /* the second from memory */
        size_t n = encode(t, json_string_value(text), json_string_length(text), literal);
        for (size_t k = 0; k < n && k < json_array_size(want); k++)
            if (ids[k] != (uint32_t)json_integer_value(json_array_get(want, k)))
                fail_msg("%s, %s: %s: token %zu is %u, not %d", name, literal ? "literal" : "user", json_string_value(text), k, ids[k],
                         (int)json_integer_value(json_array_get(want, k)));
        if (n != json_array_size(want))
            fail_msg("%s, %s: %s: %zu tokens, not %zu", name, literal ? "literal" : "user", json_string_value(text), n, json_array_size(want));
    }
}

static void the_ids_of_tokenizers(void **state)
{
    const char *folder = TEST_SOURCE_DIR "/tests/parity/tokenizers";
    static uint8_t literal[10000];
    DIR *d = opendir(folder);
    int seen = 0;
    memset(literal, 1, sizeof literal);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        struct tokenizer *t = NULL;
        struct buf json = BUF_INIT;
        char path[600];
        json_error_t why;
        size_t i, len = strlen(entry->d_name);
        const json_t *row;
        if (len < 5 || strcmp(entry->d_name + len - 5, ".json"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        assert_int_equal(file_read(&json, path, 1 << 22, &e), 0);
        if (tokenizer_from_json(&t, entry->d_name, json.data, json.len, &e))
            fail_msg("%s", e.message);
        memcpy(strrchr(path, '.'), ".ids", 5);
        json_t *rows = json_load_file(path, JSON_ALLOW_NUL, &why);
        assert_true(json_array_size(rows) > 20);
        json_array_foreach(rows, i, row) {
            assert_true(json_string_length(json_array_get(row, 0)) <= sizeof literal);
            same_ids(entry->d_name, json_array_get(row, 0), json_array_get(row, 1), t, literal);
            same_ids(entry->d_name, json_array_get(row, 0), json_array_get(row, 2), t, NULL);
        }
        json_decref(rows);
        tokenizer_close(t);
        buf_release(&json);
        seen++;
    }
    closedir(d);
    assert_true(seen >= 15);
}

static void files_that_lie(void **state)
{
#define ADDED(x) "{\"added_tokens\":[" x "],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}"
#define BPE(x) "{\"model\":{\"type\":\"BPE\"," x "}}"
#define PART(name, x) "{\"" name "\":" x ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}"
    static const struct {
        const char *json;
        int rc;
        const char *says;
    } bad[] = {
        {"", ERR_FORMAT, "JSON"},
        {"[]", ERR_FORMAT, "no model"},
        {"{\"model\":{\"type\":\"Other\",\"vocab\":{\"a\":0}}}", ERR_UNSUPPORTED, "Other"},
        {BPE("\"merges\":[]"), ERR_FORMAT, "no vocabulary"},
        {BPE("\"vocab\":{},\"merges\":[]"), ERR_FORMAT, "empty"},
        {BPE("\"vocab\":{\"a\":-1},\"merges\":[]"), ERR_FORMAT, "no id"},
        {BPE("\"vocab\":{\"a\":1000000},\"merges\":[]"), ERR_FORMAT, "no id"},
        {BPE("\"vocab\":{\"a\":0.5},\"merges\":[]"), ERR_FORMAT, "no id"},
        {BPE("\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]"), ERR_FORMAT, "same id"},
        {BPE("\"vocab\":{\"a\":0}"), ERR_FORMAT, "merges"},
        {BPE("\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\"]"), ERR_FORMAT, "merges"},
        {BPE("\"vocab\":{\"a\":0,\"ac\":1},\"merges\":[\"a c\"]"), ERR_FORMAT, "merges"},
        {BPE("\"vocab\":{\"a\":0},\"merges\":[\"a\"]"), ERR_FORMAT, "merges"},
        {BPE("\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]"), ERR_FORMAT, "merges"},
        {BPE("\"vocab\":{\"a\":0},\"merges\":[],\"end_of_word_suffix\":\"</w>\""), ERR_UNSUPPORTED, "end_of_word_suffix"},
        {ADDED("{\"id\":3}"), ERR_FORMAT, "content"},
        {ADDED("{\"id\":-3,\"content\":\"x\"}"), ERR_FORMAT, "no id"},
        {ADDED("{\"content\":\"x\"}"), ERR_FORMAT, "no id"},
        {ADDED("{\"id\":0,\"content\":\"x\"}"), ERR_FORMAT, "same id"},
        {ADDED("{\"id\":5,\"content\":\"a\"}"), ERR_FORMAT, "both"},
        {PART("normalizer", "{\"type\":\"Other\"}"), ERR_UNSUPPORTED, "normalizer Other"},
        {PART("normalizer", "{\"type\":\"Replace\",\"content\":\"x\"}"), ERR_FORMAT, "pattern"},
        {PART("normalizer", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}"), ERR_FORMAT, "base64"},
        {PART("normalizer", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"////////\"}"), ERR_FORMAT, "charsmap"},
        {PART("pre_tokenizer", "{\"type\":\"Other\"}"), ERR_UNSUPPORTED, "pre_tokenizer Other"},
        {PART("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a\"},\"behavior\":\"Isolated\"}"), ERR_FORMAT, "set without end"},
        {PART("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Odd\"}"), ERR_UNSUPPORTED, "Odd"},
        {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":9,\"vocab\":[[\"a\",0]]}}", ERR_FORMAT, "unk_id"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", ERR_FORMAT, "text and number"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0],[\"a\",1]]}}", ERR_FORMAT, "both"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tokenizer *t = NULL;
        int rc = tokenizer_from_json(&t, "t", bad[i].json, strlen(bad[i].json), &e);
        if (rc != bad[i].rc || !strstr(e.message, bad[i].says) || t)
            fail_msg("%s: %d %s", bad[i].json, rc, e.message);
    }
}

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

/* GGUF's metadata, from memory */

static bool in_gguf(const void *from, const char *key, struct meta *out)
{
    return gguf_meta(from, key, out);
}

static void put_texts(struct buf *b, const char *key, const char *const *text, size_t n)
{
    put_text(b, key);
    put32(b, KIND_ARRAY);
    put32(b, KIND_TEXT);
    put64(b, n);
    for (size_t i = 0; i < n; i++)
        put_text(b, text[i]);
}

static void put_numbers(struct buf *b, const char *key, uint32_t kind, const void *number, size_t n)
{
    put_text(b, key);
    put32(b, KIND_ARRAY);
    put32(b, kind);
    put64(b, n);
    buf_add(b, number, 4 * n);
}

enum lie { TRUTH, NO_MODEL, ODD_MODEL, ODD_PRE, TWICE, FEW_KINDS, FEW_SCORES, ODD_MERGE, NO_SUCH_MERGE, NO_MERGES, FAR_BOS, NO_TOKENS, NO_NUMBER };

static int from_lie(struct tokenizer **t, const char *model, enum lie lie)
{
    const char *text[] = {"<unk>", "<s>", "</s>", "a", "b", "ab", "<0x0A>", "\xe2\x96\x81", lie == TWICE ? "a" : "<|x|>"};
    const char *merge[] = {lie == ODD_MERGE ? "ab" : lie == NO_SUCH_MERGE ? "a c" : "a b"};
    const uint32_t kind[] = {2, 3, 3, 1, 1, 1, 6, 1, 1};
    const float score[] = {0, 0, 0, -1, -2, lie == NO_NUMBER ? (float)(0.0 / 0.0) : -3, 0, -4, 0};
    struct buf b = BUF_INIT;
    struct gguf *g = NULL;
    put_head(&b, 0, 0);
    uint64_t keys = 0;
#define PUT(call) call, keys++
    if (lie != NO_MODEL) {
        PUT(put_text(&b, "tokenizer.ggml.model"));
        put32(&b, KIND_TEXT);
        put_text(&b, lie == ODD_MODEL ? "odd" : model);
    }
    PUT(put_text(&b, "tokenizer.ggml.pre"));
    put32(&b, KIND_TEXT);
    put_text(&b, lie == ODD_PRE ? "odd" : "gpt-2");
    if (lie != NO_TOKENS)
        PUT(put_texts(&b, "tokenizer.ggml.tokens", text, 9));
    PUT(put_numbers(&b, "tokenizer.ggml.token_type", 5, kind, lie == FEW_KINDS ? 8 : 9));
    PUT(put_numbers(&b, "tokenizer.ggml.scores", KIND_F32, score, lie == FEW_SCORES ? 8 : 9));
    if (lie != NO_MERGES)
        PUT(put_texts(&b, "tokenizer.ggml.merges", merge, 1));
    PUT(put_u32(&b, "tokenizer.ggml.bos_token_id", lie == FAR_BOS ? 9 : 1));
    PUT(put_u32(&b, "tokenizer.ggml.eos_token_id", 2));
    memcpy(b.data + 16, &keys, 8);
    put_data(&b, 0);
    if (gguf_parse(&g, "lie", b.data, b.len, &e))
        fail_msg("%s", e.message);
    const struct meta_source source = {in_gguf, g};
    int rc = tokenizer_from_gguf(t, &source, &e);
    gguf_close(g);
    buf_release(&b);
    return rc;
}

static void metadata_that_lies(void **state)
{
    static const struct {
        const char *model;
        enum lie lie;
        int rc;
        const char *says;
    } bad[] = {
        {"gpt2", NO_MODEL, ERR_FORMAT, "tokenizer.ggml.model"},        {"gpt2", ODD_MODEL, ERR_UNSUPPORTED, "kind odd"},
        {"gpt2", ODD_PRE, ERR_UNSUPPORTED, "tokenizer.ggml.pre"},      {"gpt2", TWICE, ERR_FORMAT, "tokenizer.ggml.tokens"},
        {"llama", TWICE, ERR_FORMAT, "tokenizer.ggml.tokens"},         {"gpt2", FEW_KINDS, ERR_FORMAT, "tokenizer.ggml.token_type"},
        {"llama", FEW_SCORES, ERR_FORMAT, "tokenizer.ggml.scores"},    {"gpt2", ODD_MERGE, ERR_FORMAT, "tokenizer.ggml.merges"},
        {"gpt2", NO_SUCH_MERGE, ERR_FORMAT, "tokenizer.ggml.merges"},  {"gpt2", NO_MERGES, ERR_FORMAT, "tokenizer.ggml.merges"},
        {"llama", FAR_BOS, ERR_FORMAT, "tokenizer.ggml.bos_token_id"}, {"t5", NO_TOKENS, ERR_FORMAT, "tokenizer.ggml.tokens"},
        {"t5", NO_NUMBER, ERR_FORMAT, "tokenizer.ggml.scores"},        {"bert", FAR_BOS, ERR_FORMAT, "tokenizer.ggml.bos_token_id"},
    };
    static const char *const model[] = {"gpt2", "llama", "t5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tokenizer *t = NULL;
        int rc = from_lie(&t, bad[i].model, bad[i].lie);
        if (rc != bad[i].rc || !strstr(e.message, bad[i].says) || t)
            fail_msg("%s, lie %d: %d %s", bad[i].model, bad[i].lie, rc, e.message);
    }
    for (int i = 0; i < 3; i++) {
        struct tokenizer *t = NULL;
        if (from_lie(&t, model[i], TRUTH))
            fail_msg("%s: %s", model[i], e.message);
        assert_string_equal(tokenizer_info(t)->kind, i == 0 ? "bpe" : i == 1 ? "spm" : "unigram");
        ids_are(t, "ab", "", i == 1 ? "7 5 " : "5 ");
        ids_are(t, "<s>ab", "xxx..", i == 1 ? "1 7 5 " : "1 5 ");
        ids_are(t, "<|x|>", "xxxxx", "8 "); /* ordinary in its file, but a mark */
        if (i == 1)
            ids_are(t, "a\nc", "", "7 3 6 0 ");
        tokenizer_close(t);
    }
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
    if (!t || !s) {
        print_message("no ../shared/tokenizers: skipped\n");
        skip();
    }
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
        cmocka_unit_test(the_ids_of_tokenizers),
        cmocka_unit_test(files_that_lie),
        cmocka_unit_test(special_tokens_are_the_template_s),
        cmocka_unit_test(metadata_that_lies),
        cmocka_unit_test(a_memory_changes_hands),
        cmocka_unit_test(a_megabyte_without_a_blank),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tokenizer_memory_free(memory);
    free(ids);
    return failed;
}
