/* wordpiece_ids MODEL_DIR: reads texts from standard input (u32 length, bytes), writes their pieces (u32 count, u32 ids).
 * wordpiece_compare.py and wordpiece_speed.py drive it. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/tokenizer/wordpiece.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct wordpiece *w = NULL;
    struct err e = {0};
    uint32_t n;
    if (argc != 2 || wordpiece_open(&w, argv[1], &e)) {
        fprintf(stderr, "%s\n", argc == 2 ? e.message : "usage: wordpiece_ids MODEL_DIR");
        return 2;
    }
    struct wordpiece_memory *m = wordpiece_memory_new();
    while (fread(&n, 4, 1, stdin) == 1) {
        char *text = mem_alloc((size_t)n + 1);
        uint32_t *ids = mem_alloc(((size_t)n * 4 + 1) * sizeof *ids);
        if (n && fread(text, n, 1, stdin) != 1)
            return 2;
        uint32_t k = (uint32_t)wordpiece_pieces(w, m, text, n, ids, (size_t)n * 4);
        fwrite(&k, 4, 1, stdout);
        fwrite(ids, 4, k, stdout);
        free(text);
        free(ids);
    }
    wordpiece_memory_free(m);
    wordpiece_close(w);
    return 0;
}
