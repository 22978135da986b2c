/* Fair turns and limits. An asker is a user, or the owner, over however many connections. All under the service's lock.
 *
 * Turns: a worker takes the request of the asker who has the fewest running, among equals of the one whose last turn is longest ago; an
 * asker's own requests keep their order. So one who asks a thousand things at once delays another by one request a worker at most.
 * Limits, of users alone: a token bucket (user_rate a minute, user_burst at once) and user_open requests that wait or run. */
#ifndef CODEASK_SERVICE_ASKERS_H
#define CODEASK_SERVICE_ASKERS_H

#include "service/core.h"

struct asker {
    struct asker *next;
    uint64_t key;           /* caller_key */
    unsigned open, running; /* requests */
    unsigned writing;       /* of them, those whose answer a model writes */
    uint64_t turn;          /* when its last one began, counted in turns */
    double tokens;          /* in the bucket */
    int64_t filled_ns;      /* until when */
};

/* Takes a place; asker_leave_locked gives it back. now: clock_ns. ERR_BUSY: the limits; *wait_s, at least 1, is when to try again. */
int asker_enter_locked(struct asker **out, struct service *s, const struct caller *who, int64_t now, unsigned *wait_s, struct err *e);
void asker_leave_locked(struct service *s, struct asker *a);
void askers_free(struct service *s);

/* Takes the request whose turn it is out of the queue and counts it as running; the queue is not empty. */
struct request *askers_next_locked(struct service *s);

#endif
