/* tokenizer_ids FILE: reads texts from standard input (u32 length, bytes, u8: 1 where all of it is literal), writes their ids
 * (u32 count, u32 ids). FILE: a tokenizer.json, or a .gguf. tokenizer_compare.py drives it. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct tokenizer *t = NULL;
    struct model_file *f = NULL;
    struct buf file = BUF_INIT;
    struct err e = {0};
    uint32_t n, *ids = NULL;
    size_t cap = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: tokenizer_ids FILE\n");
        return 2;
    }
    size_t len = strlen(argv[1]);
    int rc = len > 5 && !strcmp(argv[1] + len - 5, ".gguf") ? model_file_open(&f, argv[1], &e) : file_read(&file, argv[1], 1u << 28, &e);
    if (!rc)
        rc = f ? tokenizer_open(&t, f, &e) : tokenizer_from_json(&t, argv[1], file.data, file.len, &e);
    if (rc) {
        fprintf(stderr, "%s\n", e.message);
        return 2;
    }
    struct tokenizer_memory *m = tokenizer_memory_new();
    while (fread(&n, 4, 1, stdin) == 1) {
        char *text = mem_alloc((size_t)n + 1);
        uint8_t *literal = mem_alloc((size_t)n + 1), all = 0;
        size_t k = 0;
        if ((n && fread(text, n, 1, stdin) != 1) || fread(&all, 1, 1, stdin) != 1)
            return 2;
        memset(literal, all, n);
        tokenizer_encode(t, m, text, n, literal, &ids, &k, &cap);
        uint32_t count = (uint32_t)k;
        fwrite(&count, 4, 1, stdout);
        fwrite(ids, 4, k, stdout);
        free(text);
        free(literal);
    }
    free(ids);
    tokenizer_memory_free(m);
    tokenizer_close(t);
    model_file_close(f);
    buf_release(&file);
    return 0;
}
