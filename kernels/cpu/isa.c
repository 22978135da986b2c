#include "kernels/cpu/isa.h"

#include <string.h>

const struct cpu_isa *cpu_isa_find(const char *name)
{
    for (const struct cpu_isa *const *i = cpu_isas; *i; i++)
        if ((name == NULL || strcmp((*i)->name, name) == 0) && (*i)->there())
            return *i;
    return NULL;
}
