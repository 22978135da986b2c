/* NVIDIA's driver, opened at run time: a program with this backend starts on machines that have none. */
#ifndef CODEASK_KERNELS_CUDA_DRIVER_H
#define CODEASK_KERNELS_CUDA_DRIVER_H

#include "base/err.h"

#include <cuda.h>

/* Names as cuda.h maps them: cuMemAlloc is cuMemAlloc_v2 here and in the library. */
#define DRIVER_FUNCTIONS(X)                                                                                            \
    X(cuInit) X(cuDriverGetVersion) X(cuGetErrorString)                                                                \
    X(cuDeviceGetCount) X(cuDeviceGet) X(cuDeviceGetName) X(cuDeviceGetAttribute)                                      \
    X(cuDevicePrimaryCtxRetain) X(cuDevicePrimaryCtxRelease) X(cuCtxSetCurrent)                                        \
    X(cuMemAlloc) X(cuMemFree) X(cuMemGetAddressRange) X(cuMemsetD8) X(cuMemHostAlloc) X(cuMemFreeHost) X(cuMemGetInfo)                        \
    X(cuMemcpyHtoDAsync) X(cuMemcpyDtoHAsync) X(cuMemcpyDtoDAsync) X(cuStreamCreate) X(cuStreamDestroy) X(cuStreamSynchronize)              \
    X(cuModuleLoadData) X(cuModuleUnload) X(cuModuleGetFunction) X(cuFuncSetAttribute) X(cuLaunchKernel)                   \
    X(cuStreamBeginCapture) X(cuStreamEndCapture) X(cuGraphInstantiate) X(cuGraphLaunch) X(cuGraphDestroy) X(cuGraphExecDestroy)

struct driver {
#define X(f) __typeof__(f) *f;
    DRIVER_FUNCTIONS(X)
#undef X
};

/* The one driver of this process, never closed (its threads and handlers outlive any use of it). Any thread.
 * CODEASK_LIBCUDA names the library to open instead of libcuda.so.1: the tests run the kernels on an interpreter so.
 * ERR_UNSUPPORTED with the reason where there is none. */
int driver_open(const struct driver **out, struct err *e);

/* ERR_MEMORY for the driver's own "out of memory", else ERR_UNAVAILABLE, with the driver's text; 0 for CUDA_SUCCESS. */
int driver_check(const struct driver *d, CUresult code, const char *what, struct err *e);

#endif
