/* What NVIDIA's management library says of the GPUs of this machine. It is opened at run time; that it is absent is no error. */
#ifndef CODEASK_KERNELS_NVML_H
#define CODEASK_KERNELS_NVML_H

#include <stddef.h>
#include <stdint.h>

#define NVML_GPUS_MAX 16
#define NVML_UNKNOWN UINT64_MAX /* the library or the device does not say */

struct nvml_gpu {
    char name[96];
    uint64_t sm_mhz, memory_mhz, celsius, milliwatts, busy_percent;
    uint64_t memory_used, memory_total; /* bytes */
    uint64_t throttle; /* bits: see nvml_throttle() */
};

/* Up to `most` GPUs into out; their number, 0 where there is no library or no GPU. CODEASK_LIBNVML names the library to open instead
 * of libnvidia-ml.so.1. Any thread; some tens of milliseconds. */
size_t nvml_read(struct nvml_gpu *out, size_t most);

/* The name of the i-th reason that a GPU is slower than it could be ("power cap"), and its bit; NULL past the last. That it is idle, or
 * that somebody has set its clocks, is none. */
const char *nvml_throttle(size_t i, uint64_t *bit);

#endif
