/* stop: the program drains and ends. */
#include "service/method.h"

#include <unistd.h>

int method_stop(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    *result = json_pack("{sI}", "pid", (json_int_t)getpid());
    pthread_mutex_lock(&s->mu);
    s->stop_asked = true;
    pthread_mutex_unlock(&s->mu);
    return 0;
}
