#include "kernels/cpu/isa.h"

const struct cpu_isa *const cpu_isas[] = {&isa_scalar, NULL};
