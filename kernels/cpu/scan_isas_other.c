#include "kernels/cpu/scan.h"

const struct scan *const scans[] = {&scan_scalar, NULL};
