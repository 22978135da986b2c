#include "engine/run/rowset.h"
#include "base/mem.h"

#include <stdlib.h>

float *tensor_floats(const struct tensor *t, uint64_t first_row, uint64_t rows)
{
    uint64_t k = t->shape[t->rank - 1];
    const struct block_format *f = &block_formats[t->type];
    float *out = mem_zero(rows, k * sizeof *out);
    void *scratch = mem_alloc(block_row_bytes(t->type, k));
    for (uint64_t r = 0; r < rows; r++) {
        f->decode(out + r * k, tensor_row(t, first_row + r, scratch), (size_t)(k / f->values));
        for (uint64_t c = 0; c < k && t->scale != 1; c++)
            out[r * k + c] *= t->scale;
    }
    free(scratch);
    return out;
}

enum block_type piece_type(const struct piece *p)
{
    return p->transposed ? BLOCK_F32 : piece_tensor(p, 0)->type;
}

const struct tensor *piece_tensor(const struct piece *p, uint32_t expert)
{
    return p->of_expert ? p->of_expert[expert] : p->t;
}

static uint64_t place(const struct piece *p, uint32_t i)
{
    return p->offset + (p->run ? (uint64_t)(i / p->run) * p->step + i % p->run : i);
}

uint64_t piece_row(const struct piece *p, uint32_t expert, uint32_t i)
{
    return p->first + (p->of_expert ? 0 : expert * p->expert_rows) + place(p, i);
}

static const void *transposed(struct rowset *s, const struct piece *p, uint32_t expert, uint32_t i)
{
    const struct tensor *t = piece_tensor(p, expert);
    uint64_t from = p->first + (p->of_expert ? 0 : expert * p->expert_rows), cols = t->shape[t->rank - 1];
    uint64_t col = place(p, i);
    float *to = s->row;
    if (s->turned_from != t || s->turned_first != from || !s->turned) {
        free(s->turned);
        s->turned = tensor_floats(t, from, s->k);
        s->turned_from = t;
        s->turned_first = from;
    }
    for (uint32_t c = 0; c < s->k; c++)
        to[c] = s->turned[c * cols + col];
    return to;
}

static bool lies_there(const struct piece *p, uint32_t expert)
{
    return !p->transposed && piece_tensor(p, expert)->data;
}

const void *rowset_row(void *rowset, uint32_t row)
{
    struct rowset *s = rowset;
    uint32_t expert = row / s->n, i = row % s->n;
    const struct piece *p = s->piece;
    for (; i >= p->rows; p++)
        i -= p->rows;
    if (lies_there(p, expert)) /* nothing of s is written to: rowset_stays() */
        return tensor_row(piece_tensor(p, expert), piece_row(p, expert, i), NULL);
    if (!s->row)
        s->row = mem_alloc(s->k * sizeof(float) + 256); /* no type has more than 4 bytes a value */
    if (p->transposed)
        return transposed(s, p, expert, i);
    return tensor_row(piece_tensor(p, expert), piece_row(p, expert, i), s->row);
}

bool rowset_stays(const struct rowset *s, uint32_t experts)
{
    for (int i = 0; i < s->pieces; i++)
        for (uint32_t e = 0; e < experts; e++)
            if (!lies_there(&s->piece[i], e))
                return false;
    return true;
}

void rowset_release(struct rowset *s)
{
    free(s->turned);
    free(s->row);
    s->turned = NULL;
    s->row = NULL;
}
