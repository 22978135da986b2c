#include "kernels/cuda/driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NAME(f) NAME_OF(f)
#define NAME_OF(f) #f

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static struct driver driver;
static int opened; /* 1 once driver is filled */

static int resolve(void *library, const char *path, struct err *e)
{
    struct driver d;
    void *found;
#define X(f)                                                                                                           \
    found = dlsym(library, NAME(f));                                                                                   \
    if (!found)                                                                                                        \
        return err_set(e, ERR_UNSUPPORTED, "%s has no %s: the NVIDIA driver is too old", path, NAME(f));               \
    memcpy(&d.f, &found, sizeof found);
    DRIVER_FUNCTIONS(X)
#undef X
    driver = d;
    return 0;
}

int driver_open(const struct driver **out, struct err *e)
{
    const char *named = getenv("CODEASK_LIBCUDA"), *path = named && *named ? named : "libcuda.so.1";
    int rc = 0;
    pthread_mutex_lock(&lock);
    if (!opened) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library)
            rc = named && *named ? err_set(e, ERR_UNSUPPORTED, "no NVIDIA driver: %.200s", dlerror())
                                 : err_set(e, ERR_UNSUPPORTED, "no NVIDIA driver: %s", path);
        else
            rc = resolve(library, path, e);
        opened = rc == 0;
    }
    pthread_mutex_unlock(&lock);
    if (!rc)
        *out = &driver;
    return rc;
}

int driver_check(const struct driver *d, CUresult code, const char *what, struct err *e)
{
    const char *text = NULL;
    if (code == CUDA_SUCCESS)
        return 0;
    if (d->cuGetErrorString(code, &text) != CUDA_SUCCESS || !text)
        text = "unknown error";
    return err_set(e, code == CUDA_ERROR_OUT_OF_MEMORY ? ERR_MEMORY : ERR_UNAVAILABLE, "GPU: %s: %s (%d)", what, text,
                   (int)code);
}
