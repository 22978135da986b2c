/* A tiny model that writes, as a folder: the qwen2 of tests/parity/decoders with a byte-level vocabulary and ChatML. */
#ifndef CODEASK_TESTS_TINY_WRITER_H
#define CODEASK_TESTS_TINY_WRITER_H

#include "tiny_decoder.h"

#define TINY_BYTES 256
#define TINY_SPECIALS 4
#define TINY_HARMONY 7
#define TINY_VOCAB 272 /* padded beyond the tokenizer's 260, as real ones are */

static const char *const tiny_special[TINY_SPECIALS] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>"};
static const char *const tiny_harmony[TINY_HARMONY] = {"<|endoftext|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>"};

#define TINY_CHATML "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" \
                    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
#define TINY_HARMONY_TEMPLATE "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}" \
                              "{# <|channel|> <|call|> <|return|> #}{% if add_generation_prompt %}<|start|>assistant{% endif %}"

/* GPT-2's printable stand-in of a byte, as UTF-8. */
static void tiny_byte(char out[4], int byte)
{
    int c = byte, next = 256;
    for (int b = 0; b <= byte; b++) {
        bool plain = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        if (b == byte)
            c = plain ? b : next;
        next += !plain;
    }
    int n = c < 0x80 ? 1 : 2;
    out[0] = (char)(n == 1 ? c : 0xc0 | c >> 6);
    out[1] = (char)(n == 1 ? 0 : 0x80 | (c & 0x3f));
    out[n] = 0;
}

static void tiny_json(const char *folder, const char *name, json_t *value)
{
    char *text = json_dumps(value, 0);
    tiny_write(folder, name, text, strlen(text));
    free(text);
    json_decref(value);
}

/* config.json and the weights, with so many rows of embeddings. */
static inline void tiny_writer_weights(const char *folder, int vocab)
{
    json_error_t error;
    json_t *root = json_load_file(TEST_SOURCE_DIR "/tests/parity/decoders/qwen2.json", 0, &error);
    assert_non_null(root);
    json_t *config = json_object_get(root, "config"), *tensors = json_object_get(root, "tensors"), *t;
    json_object_set_new(config, "vocab_size", json_integer(vocab));
    json_object_set_new(config, "max_position_embeddings", json_integer(512));
    size_t i;
    json_array_foreach(tensors, i, t)
        if (strstr(json_string_value(json_array_get(t, 0)), "embed_tokens"))
            json_array_set_new(t, 1, json_pack("[i, i]", vocab, 64));
    tiny_weights(folder, tensors);
    tiny_json(folder, "config.json", json_incref(config));
    json_decref(root);
}

static inline void tiny_writer_of(char folder[64], const char *const *special, int specials, const char *eos, const char *template)
{
    strcpy(folder, "/tmp/codeask-writer-XXXXXX");
    assert_non_null(mkdtemp(folder));
    tiny_writer_weights(folder, TINY_VOCAB);
    json_t *vocab = json_object(), *added = json_array();
    for (int b = 0; b < TINY_BYTES; b++) {
        char text[4];
        tiny_byte(text, b);
        json_object_set_new(vocab, text, json_integer(b));
    }
    for (int s = 0; s < specials; s++)
        json_array_append_new(added, json_pack("{si, ss, sb, sb, sb, sb, sb}", "id", TINY_BYTES + s, "content", special[s],
                                               "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
    json_t *level = json_pack("{ss, sb, sb, sb}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 1);
    tiny_json(folder, "tokenizer.json",
              json_pack("{ss, sn, sn, so, sn, sO, sO, s{ss, so, s[]}}", "version", "1.0", "truncation", "padding", "added_tokens",
                        added, "normalizer", "pre_tokenizer", level, "decoder", level, "model", "type", "BPE", "vocab", vocab,
                        "merges"));
    json_decref(level);
    tiny_json(folder, "tokenizer_config.json",
              json_pack("{ss, ss}", "eos_token", eos, "chat_template", template));
}

static inline void tiny_writer(char folder[64])
{
    tiny_writer_of(folder, tiny_special, TINY_SPECIALS, "<|im_end|>", TINY_CHATML);
}

static void tiny_writer_remove(const char *folder)
{
    static const char *const name[] = {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"};
    char path[200];
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, name[i]);
        unlink(path);
    }
    rmdir(folder);
}

#endif
