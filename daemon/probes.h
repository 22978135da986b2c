/* What other programs look at: /healthz, /readyz, and /metrics in Prometheus' text format
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). */
#ifndef CODEASK_DAEMON_PROBES_H
#define CODEASK_DAEMON_PROBES_H

#include "daemon/exchange.h"

extern const struct http_codec health_codec, ready_codec, metrics_codec, hook_codec;

#endif
