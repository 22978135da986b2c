#include "service/bootstrap.h"

#include "base/mem.h"
#include "engine/train/random.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct figure bootstrap(const void *rows, size_t n, figure_of of, uint64_t seed)
{
    size_t *pick = mem_alloc((n + 1) * sizeof *pick), kept = 0;
    double *value = mem_alloc(BOOTSTRAP_RESAMPLES * sizeof *value);
    struct figure f = {0};
    for (size_t i = 0; i < n; i++)
        pick[i] = i;
    f.value = of(rows, pick, n);
    for (uint64_t s = 0; s < BOOTSTRAP_RESAMPLES; s++) {
        uint64_t stream = random_bits(seed, s);
        for (size_t i = 0; i < n; i++)
            pick[i] = random_bits(stream, i) % n;
        double x = of(rows, pick, n);
        if (isfinite(x))
            value[kept++] = x;
    }
    if (kept) {
        qsort(value, kept, sizeof *value, by_value);
        f.low = value[(size_t)((1 - BOOTSTRAP_SHARE) / 2 * (double)(kept - 1))];
        f.high = value[(size_t)((1 + BOOTSTRAP_SHARE) / 2 * (double)(kept - 1))];
    }
    free(pick);
    free(value);
    return f;
}

json_t *figure_json(const struct figure *f)
{
    return json_pack("{sf, sf, sf}", "value", f->value, "low", f->low, "high", f->high);
}
