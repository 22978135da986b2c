#include "engine/embed/tensors.h"

#include "base/mem.h"
#include "engine/run/rowset.h"

#include <stdlib.h>
#include <string.h>

bool embed_tensors_find(void *self, const char *name, struct tensor_view *out)
{
    struct embed_tensors *s = self;
    const struct tensor *t = model_file_find(s->file, name);
    if (!t || t->rank < 1)
        return false;
    *out = (struct tensor_view){.rank = t->rank};
    uint64_t rows = 1;
    for (int i = 0; i < t->rank; i++) {
        out->shape[i] = (int64_t)t->shape[i];
        rows *= i + 1 < t->rank ? t->shape[i] : 1;
    }
    bool plain = t->data && !t->parts && !t->scales && t->scale == 1;
    if (plain && (t->type == BLOCK_F32 || t->type == BLOCK_F16 || t->type == BLOCK_BF16)) {
        out->data = t->data;
        out->type = t->type == BLOCK_F32 ? TYPE_F32 : t->type == BLOCK_F16 ? TYPE_F16 : TYPE_BF16;
        return true;
    }
    VEC_ROOM(s->made, s->nmade, s->cap);
    out->data = s->made[s->nmade++] = tensor_floats(t, 0, rows);
    out->type = TYPE_F32;
    return true;
}

void embed_tensors_release(struct embed_tensors *t)
{
    for (size_t i = 0; i < t->nmade; i++)
        free(t->made[i]);
    free(t->made);
    *t = (struct embed_tensors){0};
}
