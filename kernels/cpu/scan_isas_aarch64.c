#include "kernels/cpu/scan.h"

const struct scan *const scans[] = {&scan_neon, &scan_scalar, NULL};
