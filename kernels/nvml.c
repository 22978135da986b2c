#include "kernels/nvml.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* of nvml.h, which need not be there */
enum { CLOCK_SM = 1, CLOCK_MEMORY = 2, SENSOR_GPU = 0 };
struct memory_info { unsigned long long total, free, used; };
struct utilization { unsigned gpu, memory; };

struct library {
    int (*init)(void);
    int (*shutdown)(void);
    int (*count)(unsigned *n);
    int (*handle)(unsigned i, void **device);
    int (*name)(void *device, char *text, unsigned size);
    int (*clock)(void *device, int which, unsigned *mhz);
    int (*temperature)(void *device, int sensor, unsigned *celsius);
    int (*power)(void *device, unsigned *milliwatts);
    int (*throttle)(void *device, unsigned long long *bits);
    int (*memory)(void *device, struct memory_info *m);
    int (*utilization)(void *device, struct utilization *u);
};

static void find(void *lib, const char *name, void *to)
{
    void *f = dlsym(lib, name);
    memcpy(to, &f, sizeof f);
}

static void resolve(struct library *l, void *lib)
{
    find(lib, "nvmlInit_v2", &l->init);
    find(lib, "nvmlShutdown", &l->shutdown);
    find(lib, "nvmlDeviceGetCount_v2", &l->count);
    find(lib, "nvmlDeviceGetHandleByIndex_v2", &l->handle);
    find(lib, "nvmlDeviceGetName", &l->name);
    find(lib, "nvmlDeviceGetClockInfo", &l->clock);
    find(lib, "nvmlDeviceGetTemperature", &l->temperature);
    find(lib, "nvmlDeviceGetPowerUsage", &l->power);
    find(lib, "nvmlDeviceGetCurrentClocksEventReasons", &l->throttle);
    if (!l->throttle) /* its name before driver 535 */
        find(lib, "nvmlDeviceGetCurrentClocksThrottleReasons", &l->throttle);
    find(lib, "nvmlDeviceGetMemoryInfo", &l->memory);
    find(lib, "nvmlDeviceGetUtilizationRates", &l->utilization);
}

static uint64_t clock_of(const struct library *l, void *device, int which)
{
    unsigned v;
    return l->clock && !l->clock(device, which, &v) ? v : NVML_UNKNOWN;
}

static void read_one(struct nvml_gpu *g, const struct library *l, void *device)
{
    unsigned v;
    unsigned long long bits;
    struct memory_info m;
    struct utilization u;
    if (!l->name || l->name(device, g->name, sizeof g->name))
        strcpy(g->name, "GPU");
    g->name[sizeof g->name - 1] = 0;
    g->sm_mhz = clock_of(l, device, CLOCK_SM);
    g->memory_mhz = clock_of(l, device, CLOCK_MEMORY);
    g->celsius = l->temperature && !l->temperature(device, SENSOR_GPU, &v) ? v : NVML_UNKNOWN;
    g->milliwatts = l->power && !l->power(device, &v) ? v : NVML_UNKNOWN;
    g->throttle = l->throttle && !l->throttle(device, &bits) ? bits : 0;
    g->busy_percent = l->utilization && !l->utilization(device, &u) ? u.gpu : NVML_UNKNOWN;
    bool known = l->memory && !l->memory(device, &m); /* of unified memory it knows nothing */
    g->memory_used = known ? m.used : NVML_UNKNOWN;
    g->memory_total = known ? m.total : NVML_UNKNOWN;
}

size_t nvml_read(struct nvml_gpu *out, size_t most)
{
    const char *named = getenv("CODEASK_LIBNVML");
    struct library l;
    unsigned n = 0;
    size_t got = 0;
    void *lib = dlopen(named && *named ? named : "libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL), *device;
    if (!lib)
        return 0;
    resolve(&l, lib);
    if (l.init && l.count && l.handle && !l.init()) {
        for (unsigned i = 0; !l.count(&n) && i < n && got < most; i++)
            if (!l.handle(i, &device))
                read_one(&out[got++], &l, device);
        if (l.shutdown)
            (void)l.shutdown();
    }
    dlclose(lib);
    return got;
}

const char *nvml_throttle(size_t i, uint64_t *bit)
{
    static const struct {
        uint64_t bit;
        const char *name;
    } rows[] = {{0x4, "power cap"},          {0x8, "hardware slowdown"},      {0x20, "temperature"},
                {0x40, "temperature (hardware)"}, {0x80, "power brake"}, {0x10, "synchronised clocks"}};
    if (i >= sizeof rows / sizeof *rows)
        return NULL;
    *bit = rows[i].bit;
    return rows[i].name;
}
