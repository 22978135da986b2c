#include "cli/serve.h"

#include "cli/client.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define DRAIN_SECONDS 60

/* The home has one daemon: an autostarted one makes room, its queue resumes. */
static int make_room(const struct paths *p, struct err *e)
{
    struct client c = {.fd = -1};
    static const volatile sig_atomic_t never = 0;
    json_t *params = json_object(), *result = NULL;
    int rc = client_open(&c, p, MEET_STOP, NULL, e);
    if (rc) {
        rc = c.fd < 0 && rc == ERR_UNAVAILABLE ? 0 : rc; /* none runs */
    } else if (!c.autostarted) {
        rc = err_set(e, ERR_BUSY, "a daemon of this home runs already (pid %d)", c.pid);
        err_hint(e, "set listen = HOST:PORT in %.200s and restart it, or: codeask stop", p->config);
    } else if (!(rc = client_call(&result, &c, "stop", params, &(struct client_watch){0}, &never, e))) {
        rc = client_wait_end(&c, DRAIN_SECONDS, e);
    }
    json_decref(result);
    json_decref(params);
    client_close(&c);
    return rc;
}

int serve(const struct paths *p, const char *listen, struct err *e)
{
    char *program = NULL;
    int rc = daemon_program(&program, p, e);
    if (!rc)
        rc = make_room(p, e);
    if (!rc) {
        char *argv[] = {program, "--serve", listen ? "--listen" : NULL, (char *)listen, NULL};
        signal(SIGINT, SIG_DFL);
        execv(program, argv);
        rc = err_errno(e, errno, "%s", program);
    }
    free(program);
    return rc;
}
