/* The reference: plain C, which compilers vectorise for the least of their machine. */
#include "kernels/cpu/scan.h"

static int32_t one(const int8_t *row, size_t dim, const struct scan_query *q)
{
    int32_t sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += row[i] * q->q[i];
    return sum;
}

static void tile_1(int32_t *out, const int8_t *rows, size_t dim, const struct scan_query *q)
{
    for (size_t i = 0; i < 16; i++)
        out[i] = one(rows + i * dim, dim, q);
}

static void tile_4(int32_t (*out)[16], const int8_t *rows, size_t dim, const struct scan_query *q)
{
    for (size_t i = 0; i < 4; i++)
        tile_1(out[i], rows, dim, &q[i]);
}

#include "kernels/cpu/body_scan.h"

static bool there(void)
{
    return true;
}

const struct scan scan_scalar = {"scalar", there, body_topk, body_scores, body_pick, NULL};
