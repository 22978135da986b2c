#include "kernels/backends.h"

const struct backend *const backends[] = {&backend_cpu, NULL};

const struct graph_ops *graphs_of(const struct backend *b)
{
    return NULL;
}
