/* The interval of a figure over records that were measured twice, base and tuned together: a paired bootstrap. */
#ifndef CODEASK_SERVICE_BOOTSTRAP_H
#define CODEASK_SERVICE_BOOTSTRAP_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define BOOTSTRAP_RESAMPLES 2000
#define BOOTSTRAP_SHARE .95 /* of the resamples that the interval holds */

struct figure {
    double value, low, high;
};
/* of: the figure of rows pick[0 … n); one that is no number is left out. The same seed gives the same interval. */
typedef double (*figure_of)(const void *rows, const size_t *pick, size_t n);
struct figure bootstrap(const void *rows, size_t n, figure_of of, uint64_t seed);
/* {"value", "low", "high"} */
json_t *figure_json(const struct figure *f);

#endif
