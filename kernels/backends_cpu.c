#include "kernels/backends.h"

const struct backend *const backends[] = {&backend_cpu, NULL};
