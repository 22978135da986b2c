#include "kernels/backends.h"

const struct backend *const backends[] = {&backend_cuda, &backend_cpu, NULL};
