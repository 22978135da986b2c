/* Texts, and files of tokenizers: bytes that begin with '{' are read as tokenizer.json, all as a text. Whatever the text:
 * ids of the vocabulary, the same from memory, and a cut is a beginning. */
#include "engine/tokenizer/wordpiece.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX 4096

static struct wordpiece *words[16]; /* by options */
static struct wordpiece_memory *memory[16];

static struct wordpiece *tokenizer(int i)
{
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nA\n##a\n##b\n##c\nab\n##bc\nthe\n##ing\n.\n(\n)\n_\n\xc3\xa9\n"
                                "e\n##e\n\xe4\xb8\xad\n\xe1\x84\x80\n##\xe1\x85\xa1\nx\n##x\n1\n##1\n##\xcc\x81\n##\xe3\x80\xae\n";
    struct unicode_options o = {i & 1, i & 2, i & 4, i & 8};
    if (!words[i]) {
        if (wordpiece_from_vocab(&words[i], "fuzz", vocab, sizeof vocab - 1, &o, NULL))
            abort();
        memory[i] = wordpiece_memory_new();
    }
    return words[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint32_t once[MAX], twice[MAX], cut[MAX];
    if (size && data[0] == '{') {
        struct wordpiece *w = NULL;
        struct err e = {0};
        if (!wordpiece_from_json(&w, "fuzz", data, size, &e)) {
            struct wordpiece_memory *m = wordpiece_memory_new();
            size_t n = wordpiece_encode(w, m, (const char *)data, size, once, MAX);
            for (size_t i = 0; i < n; i++)
                if (once[i] >= wordpiece_vocab(w))
                    abort();
            wordpiece_memory_free(m);
            wordpiece_close(w);
        } else if (!e.message[0]) {
            abort();
        }
    }
    int i = size ? data[0] & 15 : 15;
    struct wordpiece *w = tokenizer(i);
    const char *text = (const char *)data;
    size_t n = wordpiece_encode(w, memory[i], text, size, once, MAX);
    if (n > MAX || n < 2 || n != wordpiece_encode(w, memory[i], text, size, twice, MAX) || memcmp(once, twice, n * 4))
        abort();
    for (size_t k = 0; k < n; k++)
        if (once[k] >= wordpiece_vocab(w))
            abort();
    size_t max = 2 + size % 7, m = wordpiece_encode(w, memory[i], text, size, cut, max);
    if (m != (n < max ? n : max) || memcmp(once, cut, (m - 1) * 4))
        abort();
    return 0;
}
