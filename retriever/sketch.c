#include "retriever/sketch.h"

#include "base/mem.h"
#include "kernels/scan.h"

#include <stdlib.h>
#include <string.h>

/* Runs at the front that are the same in both: numbers are not given again, so as many of them between the same ends are the same. */
static size_t same_runs(const struct sketch *before, const struct sketch *s)
{
    size_t n = 0;
    while (n < before->nruns && n < s->nruns && !memcmp(&before->run[n], &s->run[n], sizeof s->run[n]))
        n++;
    return n;
}

struct sketch *sketch_new(const struct sketch *before, uint16_t model, const struct dense_rows *rows, uint32_t dim)
{
    struct sketch *s = mem_zero(1, sizeof *s);
    size_t words = SCAN_SIGN_WORDS(dim), from = 0;
    *s = (struct sketch){.refs = 1, .model = model, .mark = rows->mark, .nruns = rows->nruns};
    s->bits = mem_alloc(((size_t)rows->n + 1) * words * sizeof *s->bits);
    s->factor = mem_alloc(((size_t)rows->n + 1) * sizeof *s->factor);
    s->run = mem_zero(rows->nruns + 1, sizeof *s->run);
    for (size_t i = 0; i < rows->nruns; i++)
        s->run[i] = (struct sketch_run){rows->run[i].first, vector_run_end(&rows->run[i]), rows->run[i].n};
    if (before && before->model == model)
        from = same_runs(before, s);
    if (from) {
        memcpy(s->bits, before->bits, rows->row[from] * words * sizeof *s->bits);
        memcpy(s->factor, before->factor, rows->row[from] * sizeof *s->factor);
    }
    for (size_t i = from; i < rows->nruns; i++) {
        struct scan_rows r = {rows->run[i].q, rows->run[i].scale, rows->run[i].n, dim, 0};
        scan_signs_make(&r, s->bits + rows->row[i] * words, s->factor + rows->row[i]);
    }
    return s;
}

void sketch_drop(struct sketch *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
        return;
    free(s->bits);
    free(s->factor);
    free(s->run);
    free(s);
}
