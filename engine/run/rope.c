/* Frequencies of rotary embeddings and their scalings, as the papers give them:
 * YaRN: Peng et al., 2023, section 3.2; llama3: Dubey et al., 2024, with the published model's constants; longrope: Ding et al.,
 * 2024. */
#include "engine/run/arch.h"

#include <math.h>

#define TURN 6.283185307179586

double rope_yarn_magnitude(double factor, double m)
{
    return factor <= 1 ? 1 : 1 + .1 * m * log(factor);
}

/* The column whose frequency turns `turns` times over the original context. */
static double column_of(const struct rope_knobs *r, double turns)
{
    return r->dims * log(r->original / (turns * TURN)) / (2 * log(r->base));
}

static double yarn(const struct rope_knobs *r, double frequency, uint32_t i)
{
    double low = column_of(r, r->high), high = column_of(r, r->low);
    if (r->whole) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, r->dims - 1);
    if (low == high)
        high += .001;
    double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
    return frequency / r->factor * ramp + frequency * (1 - ramp);
}

static double llama3(const struct rope_knobs *r, double frequency)
{
    double turns = r->original * frequency / TURN;
    if (turns < r->low)
        return frequency / r->factor;
    if (turns > r->high)
        return frequency;
    double smooth = (turns - r->low) / (r->high - r->low);
    return (1 - smooth) * frequency / r->factor + smooth * frequency;
}

void rope_frequencies(float *out, const struct rope_knobs *r)
{
    for (uint32_t i = 0; i < r->dims / 2; i++) {
        double f = pow(r->base, -2.0 * i / r->dims);
        if (r->divided)
            f /= r->divide[i];
        if (r->scaling == ROPE_LINEAR)
            f /= r->factor;
        else if (r->scaling == ROPE_YARN)
            f = yarn(r, f, i);
        else if (r->scaling == ROPE_LLAMA3)
            f = llama3(r, f);
        out[i] = (float)f;
    }
}
