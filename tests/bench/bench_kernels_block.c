/* Encodes for quantize_error.py: reads "TYPE N\n" and N floats, writes the seconds it took as text, a newline, and the blocks;
 * until its input ends. Every value weighs the same. */
#include "base/clock.h"
#include "base/mem.h"
#include "kernels/block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char name[16];
    size_t n;
    while (scanf("%15s %zu", name, &n) == 2 && getchar() == '\n') {
        const struct block_format *f = NULL;
        for (int i = 0; i < BLOCK_COUNT; i++)
            if (!strcmp(block_formats[i].name, name))
                f = &block_formats[i];
        if (!f || !f->encode || n % f->values)
            return 2;
        float *x = mem_alloc(n * sizeof *x), *one = mem_alloc(n * sizeof *one);
        uint8_t *to = mem_alloc(n / f->values * f->bytes);
        if (fread(x, sizeof *x, n, stdin) != n)
            return 2;
        for (size_t i = 0; i < n; i++)
            one[i] = 1;
        int64_t began = clock_ns();
        f->encode(to, x, one, n / f->values);
        printf("%.6f\n", (double)(clock_ns() - began) / 1e9);
        fwrite(to, f->bytes, n / f->values, stdout);
        fflush(stdout);
        free(x);
        free(one);
        free(to);
    }
    return 0;
}
