/* Names of what the tests of sudden ends write, step by step: whoever opens the store afterwards knows what must be there. */
#ifndef CODEASK_TESTS_STORE_STEPS_H
#define CODEASK_TESTS_STORE_STEPS_H

#include "help.h"

static struct oid oid_of(uint32_t step, uint32_t i)
{
    struct oid o = {{1}};
    memcpy(o.byte + 4, &step, sizeof step);
    memcpy(o.byte + 8, &i, sizeof i);
    return o;
}

static void path_of(char out[64], uint32_t step, uint32_t i)
{
    snprintf(out, 64, "dir%u/step%06u-%u.c", step % 5, step, i);
}

#endif
