#include "kernels/cuda/cuda.h"

#include <assert.h>

static_assert(RT_EXPERTS == EXPERTS_MAX && RT_USED == EXPERTS_USED_MAX && RT_USED == 32, "a lane a choice");
static_assert((int)ROUTE_SOFTMAX == 0 && (int)ROUTE_SIGMOID == 1 && (int)ROUTE_LATE == 2, "kinds in route.cu");

void cuda_route(void *queue, struct slots *s, const struct mat *logits, const struct route *how, const struct rows *r)
{
    struct cuda_queue *q = ready(queue, logits, NULL, NULL);
    if (!q)
        return;
    if (how->experts > EXPERTS_MAX || how->used > EXPERTS_USED_MAX || how->used > how->experts) {
        err_set(&q->first, ERR_INTERNAL, "%u of %u experts", how->used, how->experts);
        return;
    }
    struct route_params p = {
        .logits = logits->data, .bias = how->bias, .used = r->used, .group = s->group, .from = s->from, .of_row = s->of_row,
        .weight = s->weight, .stride = logits->stride, .experts = how->experts, .slots = how->used, .groups = how->groups,
        .top_groups = how->top_groups, .kind = how->kind, .group_max = how->group_max, .normalise = how->normalise, .scale = how->scale,
    };
    launch(q, KERNEL_route_choose, r->max_rows, 1, 0, &p);
    launch(q, KERNEL_route_sort, 1, 1, 0, &p);
}
