#include "kernels/backend.h"

#include <string.h>

/* Best first. To add a backend: its folder and a row. */
static const struct backend *const backends[] = {&backend_cpu};

const struct backend *backend_find(const char *name)
{
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (name == NULL || strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}
