/* bench_engine_wordpiece MODEL_DIR FILE: FILE holds texts, each ended by a NUL. For every line on standard input: tokenizes
 * all of them once and prints "seconds of CPU time, ids in all". wordpiece.py drives it. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/tokenizer/wordpiece.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct wordpiece *w = NULL;
    struct buf texts = BUF_INIT;
    struct err e = {0};
    if (argc != 3 || wordpiece_open(&w, argv[1], &e) || file_read(&texts, argv[2], 1u << 30, &e)) {
        fprintf(stderr, "%s\n", argc == 3 ? e.message : "usage: bench_engine_wordpiece MODEL_DIR FILE");
        return 2;
    }
    struct wordpiece_memory *memory = wordpiece_memory_new();
    size_t cap = texts.len + 2, total;
    uint32_t *ids = mem_alloc(cap * sizeof *ids);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        int64_t t = clock_cpu_ns();
        total = 0;
        for (const char *s = texts.data, *end = s + texts.len; s < end;) {
            size_t n = strlen(s);
            total += wordpiece_encode(w, memory, s, n, ids, cap);
            s += n + 1;
        }
        printf("%.9f %zu\n", (double)(clock_cpu_ns() - t) / 1e9, total);
        fflush(stdout);
    }
    free(ids);
    wordpiece_memory_free(memory);
    wordpiece_close(w);
    buf_release(&texts);
    return 0;
}
