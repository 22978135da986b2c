#include "kernels/cpu/scan.h"

const struct scan *const scans[] = {&scan_avx512, &scan_avx2, &scan_scalar, NULL};
