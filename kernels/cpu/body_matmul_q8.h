/* Body for instruction sets whose registers hold half a panel of outputs: up to 4 rows pass one half of a panel of Q8 weights,
 * then the other, while both are in L1. Include it behind tile_of(rows, tile, x, scale, stride, panel, blocks, half), which
 * computes `rows` (a constant) rows of one half. */

static inline void half_panels(struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                               const struct rows *r)
{
    float tile[ROWS * PANEL];
    uint32_t rows = r->used[0], blocks = round_up(w->k, QUANT_BLOCK) / QUANT_BLOCK;
    for (uint32_t n = 0; n < w->n; n += PANEL) {
        const struct q8_block *panel = (const struct q8_block *)w->data + (size_t)(n / PANEL) * (w->k_padded / QUANT_BLOCK);
        for (uint32_t i = 0, some; i < rows; i += some) {
            const uint8_t *from = (const uint8_t *)x->data + (size_t)i * x->stride;
            const float *scale = x->scale + (size_t)i * (x->stride / QUANT_BLOCK);
            some = rows - i >= 4 ? 4 : rows - i >= 2 ? 2 : 1;
            for (uint32_t half = 0; half < PANEL / HALF; half++)
                if (some == 4)
                    tile_of(4, tile, from, scale, x->stride, panel, blocks, half);
                else if (some == 2)
                    tile_of(2, tile, from, scale, x->stride, panel, blocks, half);
                else
                    tile_of(1, tile, from, scale, x->stride, panel, blocks, half);
            finish(tile, some, PANEL, y, i, n, w->n, how);
        }
    }
}
