/* The embedder's adapter as a file that comes from elsewhere: whatever the bytes are, they are refused with a reason or become numbers. */
#include "engine/train/query_map.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct query_map *m = NULL;
    struct err e = {0};
    if (query_map_parse(&m, "fuzz", data, size, &e)) {
        if (!e.message[0] || m)
            abort();
        return 0;
    }
    if (m->dim < 1 || m->dim > QUERY_MAP_DIM)
        abort();
    for (size_t i = 0; i < (size_t)m->dim * m->dim + m->dim; i++)
        if (!isfinite(m->weight[i]))
            abort();
    query_map_drop(m);
    return 0;
}
