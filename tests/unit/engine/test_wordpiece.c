/* WordPiece against the ids of `tokenizers`: tests/parity/wordpiece_vectors.json and, where it is there, llama.cpp's
 * vectors in ../shared/tokenizers. */
#define _GNU_SOURCE
#include "tiny_model.h"

#include "engine/tokenizer/trie.h"
#include "engine/tokenizer/wordpiece.h"

#include <jansson.h>

static struct err e;
static struct wordpiece *words; /* of the real model; NULL: not here */
static struct wordpiece_memory *memory;
static uint32_t ids[1 << 16];

static void need_model(void)
{
    if (!words) {
        print_message("no all-MiniLM-L6-v2 here: skipped\n");
        skip();
    }
}

static void the_ids_of_tokenizers(void **state)
{
    need_model();
    json_error_t why;
    json_t *root = json_load_file(TEST_SOURCE_DIR "/tests/parity/wordpiece_vectors.json", JSON_ALLOW_NUL, &why), *row;
    size_t i, k;
    assert_non_null(root);
    assert_true(json_array_size(root) > 200);
    json_array_foreach(root, i, row) {
        const json_t *text = json_array_get(row, 0), *want = json_array_get(row, 1);
        json_t *id;
        for (int round = 0; round < 2; round++) { /* the second from memory */
            size_t n = wordpiece_encode(words, memory, json_string_value(text), json_string_length(text), ids, 1 << 16);
            if (n != json_array_size(want))
                fail_msg("text %zu: %zu ids, not %zu", i, n, json_array_size(want));
            json_array_foreach(want, k, id) {
                if (ids[k] != (uint32_t)json_integer_value(id))
                    fail_msg("text %zu: piece %zu is %u, not %d", i, k, ids[k], (int)json_integer_value(id));
            }
        }
        size_t n = json_array_size(want); /* cut anywhere, it is the beginning of the same */
        for (size_t max = 2; max < n && max < 12; max++) {
            assert_int_equal(wordpiece_encode(words, memory, json_string_value(text), json_string_length(text), ids, max), max);
            assert_int_equal(ids[max - 1], json_integer_value(json_array_get(want, n - 1)));
            for (k = 0; k + 1 < max; k++)
                assert_int_equal(ids[k], json_integer_value(json_array_get(want, k)));
        }
    }
    json_decref(root);
}

static void the_vectors_of_llama_cpp(void **state)
{
    need_model();
    const char *shared = getenv("CODEASK_SHARED");
    char path[512];
    struct buf in = BUF_INIT, out = BUF_INIT;
    if (!shared)
        shared = TEST_SOURCE_DIR "/../shared";
    snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-bert-bge.gguf.inp", shared);
    if (file_read(&in, path, 1 << 20, NULL)) {
        print_message("no %s: skipped\n", path);
        skip();
    }
    snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-bert-bge.gguf.out", shared);
    assert_int_equal(file_read(&out, path, 1 << 20, &e), 0);
    static const char mark[] = "\n__ggml_vocab_test__\n";
    int texts = 0;
    const char *want = out.data;
    for (char *s = in.data, *next; s; s = next, texts++) {
        next = memmem(s, in.len - (size_t)(s - in.data), mark, sizeof mark - 1);
        size_t len = next ? (size_t)(next - s) : in.len - (size_t)(s - in.data);
        if (!next && !len)
            break;
        next = next ? next + sizeof mark - 1 : NULL;
        size_t n = wordpiece_pieces(words, memory, s, len, ids, 1 << 16);
        struct buf got = BUF_INIT;
        buf_adds(&got, "");
        for (size_t i = 0; i < n; i++)
            buf_addf(&got, " %u", ids[i]);
        size_t line = strcspn(want, "\n");
        if (line != got.len || memcmp(want, got.data, line))
            fail_msg("text %d: %s, not %.*s", texts, got.data, (int)line, want);
        buf_release(&got);
        want += line + (want[line] == '\n');
    }
    assert_true(texts > 40);
    buf_release(&in);
    buf_release(&out);
}

static void json_and_vocab_are_one(void **state)
{
    need_model();
    struct wordpiece *w = NULL;
    struct buf vocab = BUF_INIT;
    const struct unicode_options o = {true, true, true, true};
    char path[600];
    snprintf(path, sizeof path, "%s/vocab.txt", real_model());
    if (file_read(&vocab, path, 1 << 24, NULL)) {
        print_message("no model: skipped\n");
        skip();
    }
    assert_int_equal(wordpiece_from_vocab(&w, path, vocab.data, vocab.len, &o, &e), 0);
    static uint32_t other[1 << 16];
    struct wordpiece_memory *m = wordpiece_memory_new();
    size_t n = wordpiece_encode(words, memory, vocab.data, vocab.len, ids, 1 << 16);
    assert_int_equal(wordpiece_encode(w, m, vocab.data, vocab.len, other, 1 << 16), n);
    assert_memory_equal(ids, other, n * sizeof *ids);
    assert_int_equal(wordpiece_vocab(w), wordpiece_vocab(words));
    wordpiece_memory_free(m);
    wordpiece_close(w);
    buf_release(&vocab);
}

/* A trie finds what a list finds. */
static void longest_keys(void **state)
{
    enum { N = 3000 };
    static char text[N][8];
    static struct trie_key key[N];
    struct trie t;
    uint32_t seed = 5, value = 0;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t n = 1 + (seed >> 8) % 7;
        for (uint32_t k = 0; k < n; k++) {
            seed = seed * 1664525u + 1013904223u;
            text[i][k] = (char)(1 + (seed >> 10) % (k > 2 ? 255 : 3));
        }
        key[i] = (struct trie_key){text[i], n, i};
    }
    trie_init(&t, key, N);
    for (int round = 0; round < 20000; round++) {
        char s[10];
        uint32_t want = 0;
        size_t best = 0;
        for (int k = 0; k < 10; k++) {
            seed = seed * 1664525u + 1013904223u;
            s[k] = (char)(1 + (seed >> 10) % (k > 2 ? 255 : 3));
        }
        for (uint32_t i = 0; i < N; i++)
            if (key[i].n >= best && !memcmp(key[i].s, s, key[i].n) && (key[i].n > best || key[i].value > want)) {
                best = key[i].n;
                want = key[i].value;
            }
        assert_int_equal(trie_longest(&t, s, sizeof s, &value), best);
        if (best)
            assert_int_equal(value, want);
    }
    trie_release(&t);
    trie_init(&t, key, 0);
    assert_int_equal(trie_longest(&t, "a", 1, &value), 0);
    trie_release(&t);
}

#define MODEL(model) "\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":{" model "}"
#define VOCAB "\"vocab\":{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"a\":3,\"##b\":4}"

static void tokenizers_that_are_not_ours(void **state)
{
    static const struct {
        const char *json;
        int rc;
        const char *says;
    } bad[] = {
        {"", ERR_FORMAT, "JSON"},
        {"[]", ERR_FORMAT, "no model"},
        {"{}", ERR_FORMAT, "no model"},
        {"{\"model\":{\"type\":\"BPE\"}}", ERR_UNSUPPORTED, "BPE"},
        {"{\"model\":{\"type\":\"WordPiece\"}}", ERR_UNSUPPORTED, "normalizer"},
        {"{\"normalizer\":{\"type\":\"BertNormalizer\"},\"model\":{\"type\":\"WordPiece\"}}", ERR_UNSUPPORTED, "pre_tokenizer"},
        {"{" MODEL("\"type\":\"WordPiece\"") "}", ERR_FORMAT, "vocabulary"},
        {"{" MODEL("\"vocab\":[]") "}", ERR_FORMAT, "vocabulary"},
        {"{" MODEL("\"vocab\":{\"a\":-1}") "}", ERR_FORMAT, "good id"},
        {"{" MODEL("\"vocab\":{\"a\":1000000000000}") "}", ERR_FORMAT, "good id"},
        {"{" MODEL("\"vocab\":{\"a\":\"x\"}") "}", ERR_FORMAT, "good id"},
        {"{" MODEL("\"vocab\":{\"a\":1,\"a\":2}") "}", ERR_FORMAT, "JSON"},
        {"{" MODEL("\"vocab\":{\"a\":1}") "}", ERR_FORMAT, "[CLS]"},
        {"{" MODEL(VOCAB ",\"unk_token\":\"none\"") "}", ERR_FORMAT, "none"},
        {"{" MODEL(VOCAB ",\"max_input_chars_per_word\":100000000") "}", ERR_FORMAT, "max_input_chars"},
        {"{" MODEL(VOCAB ",\"continuing_subword_prefix\":\"\"") "}", ERR_UNSUPPORTED, "prefix"},
        {"{\"added_tokens\":[{\"content\":\"foo\",\"special\":false}]," MODEL(VOCAB) "}", ERR_UNSUPPORTED, "foo"},
        {"{\"post_processor\":{\"type\":\"RobertaProcessing\"}," MODEL(VOCAB) "}", ERR_UNSUPPORTED, "Roberta"},
        {"{\"post_processor\":{\"type\":\"BertProcessing\"}," MODEL(VOCAB) "}", ERR_FORMAT, "names no tokens"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wordpiece *w = NULL;
        int rc = wordpiece_from_json(&w, "t", bad[i].json, strlen(bad[i].json), &e);
        if (rc != bad[i].rc || !strstr(e.message, bad[i].says) || w)
            fail_msg("%s: %d %s", bad[i].json, rc, e.message);
    }
    struct wordpiece *w = NULL;
    const char *ok = "{" MODEL(VOCAB) "}";
    assert_int_equal(wordpiece_from_json(&w, "t", ok, strlen(ok), &e), 0);
    assert_int_equal(wordpiece_encode(w, memory, "ab [SEP]", 8, ids, 100), 7); /* [CLS] a ##b [ sep ] [SEP] */
    assert_int_equal(ids[4], 0);
    wordpiece_close(w);
}

int main(void)
{
    if (real_model() && wordpiece_open(&words, real_model(), &e)) {
        fprintf(stderr, "%s\n", e.message);
        return 1;
    }
    memory = wordpiece_memory_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ids_of_tokenizers),
        cmocka_unit_test(the_vectors_of_llama_cpp),
        cmocka_unit_test(json_and_vocab_are_one),
        cmocka_unit_test(longest_keys),
        cmocka_unit_test(tokenizers_that_are_not_ours),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wordpiece_memory_free(memory);
    wordpiece_close(words);
    return failed;
}
