/* One request without a socket: `codeaskd --once METHOD PARAMS`, for what the client must do while no daemon runs and none
 * is to be started (`model …`). */
#ifndef CODEASK_DAEMON_ONCE_H
#define CODEASK_DAEMON_ONCE_H

#include "service/service.h"

/* Opens the service, runs the request, prints its result, or its error as the object of EVENT_FAIL, as one line of standard
 * output. The program's exit status: 0, or 2. */
int once_run(const struct service_options *o, const char *method, const char *params);

/* True, and the exit status, when the method needs no service and was run (service_alone). */
bool once_alone(int *status, const struct paths *p, const char *method, const char *params);

#endif
