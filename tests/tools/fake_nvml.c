/* NVML as kernels/nvml.c asks for it: two GPUs, of which the second says nothing but its name. */
#include <stdio.h>
#include <string.h>

struct memory_info { unsigned long long total, free, used; };
int nvmlInit_v2(void);
int nvmlDeviceGetCount_v2(unsigned *n);
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **device);
int nvmlDeviceGetName(void *device, char *text, unsigned size);
int nvmlDeviceGetClockInfo(void *device, int which, unsigned *mhz);
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius);
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts);
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *bits);
int nvmlDeviceGetMemoryInfo(void *device, struct memory_info *m);

enum { NOT_SUPPORTED = 3 };
static char devices[2];

int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **device) { *device = &devices[i]; return 0; }
int nvmlDeviceGetName(void *device, char *text, unsigned size)
{
    snprintf(text, size, "NVIDIA Fake %d", device == &devices[0] ? 1 : 2);
    return 0;
}
int nvmlDeviceGetClockInfo(void *device, int which, unsigned *mhz)
{
    *mhz = which == 1 ? 1980 : 2619;
    return device == &devices[0] ? 0 : NOT_SUPPORTED;
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius)
{
    *celsius = 71;
    return device == &devices[0] ? 0 : NOT_SUPPORTED;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts)
{
    *milliwatts = 654321;
    return device == &devices[0] ? 0 : NOT_SUPPORTED;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *bits)
{
    *bits = 0x4 | 0x1;
    return device == &devices[0] ? 0 : NOT_SUPPORTED;
}
int nvmlDeviceGetMemoryInfo(void *device, struct memory_info *m)
{
    *m = (struct memory_info){80ull << 30, 60ull << 30, 20ull << 30};
    return device == &devices[0] ? 0 : NOT_SUPPORTED;
}
