/* bench_engine_grammar: what a mask over a vocabulary of 150,000 tokens costs when its state is met for the first time, while an
 * answer with citations is written under its JSON schema. The vocabulary is pieces of this repository's own text. One core. */
#define _GNU_SOURCE /* nftw */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/sample/grammar.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VOCAB 150000u
#define SLOTS (1u << 19)
#define FILE_MOST (1u << 20)

static const char schema[] = "{\"type\": \"object\", \"properties\": {\"answer\": {\"type\": \"string\"}, \"citations\": {\"type\": \"array\", \"items\": "
                             "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\", \"maxLength\": 200}, \"line\": "
                             "{\"type\": \"integer\", \"minimum\": 1}}, \"required\": [\"path\", \"line\"]}}}, \"required\": [\"answer\", \"citations\"]}";
static const char answer[] = "{\"answer\": \"Files are read whole, up to a limit that the caller names.\", \"citations\": [{\"path\": \"base/file.c\", "
                             "\"line\": 12}, {\"path\": \"base/file.h\", \"line\": 7}]}";

static struct str token[VOCAB]; /* nftw takes no argument */
static uint32_t tokens, slot[SLOTS];

static void add(const char *s, size_t n)
{
    uint32_t at = (uint32_t)hash64(s, n) % SLOTS;
    for (; slot[at]; at = (at + 1) % SLOTS)
        if (str_same(token[slot[at] - 1], (struct str){s, n}))
            return;
    if (tokens == VOCAB)
        return;
    token[tokens] = (struct str){mem_strn(s, n), n};
    slot[at] = ++tokens;
}

/* Pieces as a tokenizer makes them: up to 9 bytes, most begin with a blank or a letter. */
static int pieces(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    struct buf b = BUF_INIT;
    if (kind == FTW_F && st->st_size && st->st_size < FILE_MOST && !file_read(&b, path, FILE_MOST, NULL))
        for (size_t i = 0, n; i < b.len && tokens < VOCAB; i += n) {
            n = 1 + hash64(b.data + i, b.len - i < 8 ? b.len - i : 8) % 9;
            n = n < b.len - i ? n : b.len - i;
            add(b.data + i, n);
        }
    buf_release(&b);
    return 0;
}

static const char *bytes(void *arg, uint32_t id, size_t *n)
{
    *n = token[id].n;
    return token[id].p;
}

int main(void)
{
    static const char *const folder[] = {"engine", "indexer", "store", "retriever", "service", "docs", "tests", "kernels"};
    struct grammar *g = NULL;
    struct err e = {0};
    for (int c = 0; c < 256; c++)
        add(&(char){(char)c}, 1);
    for (size_t i = 0; i < sizeof folder / sizeof *folder; i++) {
        char path[1024];
        snprintf(path, sizeof path, TEST_SOURCE_DIR "/%s", folder[i]);
        nftw(path, pieces, 16, FTW_PHYS);
    }
    json_t *j = json_loads(schema, 0, NULL);
    if (grammar_from_schema(&g, j, &e)) {
        fprintf(stderr, "%s\n", e.message);
        return 2;
    }
    struct grammar_vocab *v = grammar_vocab_new(tokens, bytes, NULL);
    struct matcher *m = matcher_new(g, v);
    uint32_t state = MATCHER_START;
    double sum = 0, worst = 0;
    int masks = 0;
    for (const char *s = answer; *s; s++) {
        int64_t t = clock_cpu_ns();
        if (!matcher_mask(m, state, &e))
            return 2;
        double ms = (double)(clock_cpu_ns() - t) / 1e6;
        sum += ms;
        worst = ms > worst ? ms : worst;
        masks++;
        if (!matcher_accept(m, &state, s, 1))
            return 2;
    }
    printf("{\"name\": \"grammar.mask_ms\", \"value\": %.3f, \"unit\": \"ms\", \"against\": null, \"ratio\": null, \"goal\": 2}\n", sum / masks);
    printf("{\"name\": \"grammar.mask_worst_ms\", \"value\": %.3f, \"unit\": \"ms\", \"against\": null, \"ratio\": null, \"goal\": null}\n", worst);
    matcher_free(m);
    grammar_vocab_free(v);
    grammar_free(g);
    json_decref(j);
    for (uint32_t i = 0; i < tokens; i++)
        free((char *)token[i].p);
    return 0;
}
