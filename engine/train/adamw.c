#include "engine/train/adamw.h"

#include <math.h>

double adamw_rate(const struct adamw_options *o, uint64_t step)
{
    if (step < o->warmup)
        return o->rate * (double)(step + 1) / (double)o->warmup;
    if (step >= o->steps)
        return o->rate * o->least;
    double done = (double)(step - o->warmup) / (double)(o->steps - o->warmup);
    return o->rate * (o->least + (1 - o->least) * (1 + cos(3.14159265358979323846 * done)) / 2);
}

double adamw_norm(const float *gradient, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)gradient[i] * gradient[i];
    return sqrt(sum);
}

void adamw_step(float *value, float *m, float *v, const float *gradient, size_t n, double norm, uint64_t step, const struct adamw_options *o)
{
    double rate = adamw_rate(o, step), scale = o->clip > 0 && o->clip < norm + 1e-6 ? o->clip / (norm + 1e-6) : 1;
    double first = 1 - pow(o->beta1, (double)(step + 1)), second = sqrt(1 - pow(o->beta2, (double)(step + 1)));
    for (size_t i = 0; i < n; i++) {
        double g = gradient[i] * scale, a = o->beta1 * m[i] + (1 - o->beta1) * g, b = o->beta2 * v[i] + (1 - o->beta2) * g * g;
        m[i] = (float)a;
        v[i] = (float)b;
        value[i] = (float)(value[i] - rate * o->decay * value[i] - rate / first * a / (sqrt(b) / second + o->eps));
    }
}
