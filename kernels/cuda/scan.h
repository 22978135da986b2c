/* kernels/scan.h on the device: rows are copied there once, a scan returns the best of them to the same struct scan_top.
 * Same scores to the last bit, same order, so a caller may mix both. One thread at a time. */
#ifndef CODEASK_KERNELS_CUDA_SCAN_H
#define CODEASK_KERNELS_CUDA_SCAN_H

#include "base/err.h"
#include "kernels/scan.h"

#define CUDA_SCAN_K_MAX 256 /* of a query; a larger k is the CPU's work */

struct cuda_scan;

/* dev: of backend_cuda.open, borrowed. Copies the rows; ERR_MEMORY where they do not fit, ERR_UNSUPPORTED for a dimension
 * over SCAN_DIM_MAX. */
int cuda_scan_new(struct cuda_scan **out, void *dev, const struct scan_rows *r, struct err *e);
void cuda_scan_free(struct cuda_scan *s); /* accepts NULL */
size_t cuda_scan_bytes(const struct cuda_scan *s);

/* As scan_topk: pushes the best rows for each query into top[i], whose k are at most CUDA_SCAN_K_MAX (ERR_LIMIT). candidates
 * covers every number of the mirrored rows, or is NULL. Blocks. */
int cuda_scan_topk(struct cuda_scan *s, const uint64_t *candidates, const struct scan_queries *q, struct scan_top *top,
                   struct err *e);

#endif
