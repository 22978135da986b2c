/* What this build can compute on, best first, NULL at the end: backends_cpu.c or backends_cuda.c, as the build was configured.
 * To add a backend: its folder, and a row there. */
#ifndef CODEASK_KERNELS_BACKENDS_H
#define CODEASK_KERNELS_BACKENDS_H

#include "kernels/backend.h"
#include "kernels/graphs.h"

extern const struct backend backend_cuda;
extern const struct graph_ops cuda_graphs;
extern const struct backend *const backends[];

#endif
