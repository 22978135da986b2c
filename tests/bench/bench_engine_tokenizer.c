/* bench_engine_tokenizer FILE TEXTS: FILE is a tokenizer.json or a .gguf, TEXTS holds texts, each ended by a NUL. For every line
 * on standard input: encodes all of them once and prints "seconds of CPU time, ids in all". tokenizer.py drives it. */
#include "base/clock.h"
#include "base/file.h"
#include "engine/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct tokenizer *t = NULL;
    struct model_file *f = NULL;
    struct buf texts = BUF_INIT, json = BUF_INIT;
    struct err e = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: bench_engine_tokenizer FILE TEXTS\n");
        return 2;
    }
    bool gguf = strlen(argv[1]) > 5 && !strcmp(argv[1] + strlen(argv[1]) - 5, ".gguf");
    int rc = file_read(&texts, argv[2], 1u << 30, &e);
    if (!rc)
        rc = gguf ? model_file_open(&f, argv[1], &e) : file_read(&json, argv[1], 1u << 28, &e);
    if (!rc)
        rc = gguf ? tokenizer_open(&t, f, &e) : tokenizer_from_json(&t, argv[1], json.data, json.len, &e);
    if (rc) {
        fprintf(stderr, "%s\n", e.message);
        return 2;
    }
    uint32_t *ids = NULL;
    size_t cap = 0;
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        struct tokenizer_memory *memory = tokenizer_memory_new(); /* nothing is remembered of the round before */
        size_t total = 0;
        int64_t at = clock_cpu_ns();
        for (const char *s = texts.data, *end = s + texts.len; s < end;) {
            size_t n = strlen(s), k = 0;
            tokenizer_encode(t, memory, s, n, NULL, &ids, &k, &cap);
            total += k;
            s += n + 1;
        }
        printf("%.9f %zu\n", (double)(clock_cpu_ns() - at) / 1e9, total);
        fflush(stdout);
        tokenizer_memory_free(memory);
    }
    free(ids);
    tokenizer_close(t);
    model_file_close(f);
    buf_release(&texts);
    buf_release(&json);
    return 0;
}
