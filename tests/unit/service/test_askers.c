/* Turns and limits over a queue of stand-in requests. */
#include "service/askers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000LL

static struct service *fresh(struct config *c)
{
    struct service *s = calloc(1, sizeof *s);
    s->o.config = c;
    s->queue_last = &s->queue_first;
    return s;
}

static void queue(struct service *s, struct request *rq, struct asker *a, uint64_t id)
{
    *rq = (struct request){.asker = a, .id = id};
    *s->queue_last = rq;
    s->queue_last = &rq->queue_next;
}

static void enter(struct asker **a, struct service *s, uint32_t user)
{
    struct err e;
    unsigned wait;
    assert_int_equal(asker_enter_locked(a, s, &(struct caller){.user = user}, SECOND, &wait, &e), 0);
}

/* One asks for eight things, then two others for one each: they come second and third, and the crowd keeps its order. */
static void a_crowd_delays_nobody(void **state)
{
    struct config c = {.user_burst = 100, .user_open = 100};
    struct service *s = fresh(&c);
    struct request rq[10];
    struct asker *crowd = NULL, *b, *d;
    for (size_t i = 0; i < 8; i++) {
        enter(&crowd, s, 1);
        queue(s, &rq[i], crowd, i + 1);
    }
    enter(&b, s, 2);
    queue(s, &rq[8], b, 21);
    enter(&d, s, 3);
    queue(s, &rq[9], d, 31);
    static const uint64_t order[] = {1, 21, 31, 2, 3, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < 10; i++) { /* one worker: each ends before the next begins */
        struct request *next = askers_next_locked(s);
        assert_int_equal(next->id, order[i]);
        next->asker->running--;
    }
    assert_null(s->queue_first);
    assert_ptr_equal(s->queue_last, &s->queue_first);
    askers_free(s);
    free(s);
}

/* Two workers: who has one running waits behind who has none, however long ago his turn was. */
static void the_fewest_running_go_first(void **state)
{
    struct config c = {.user_burst = 100, .user_open = 100};
    struct service *s = fresh(&c);
    struct request rq[4];
    struct asker *a = NULL, *b;
    for (size_t i = 0; i < 3; i++) {
        enter(&a, s, 1);
        queue(s, &rq[i], a, i + 1);
    }
    assert_int_equal(askers_next_locked(s)->id, 1);
    enter(&b, s, 2);
    queue(s, &rq[3], b, 21);
    assert_int_equal(askers_next_locked(s)->id, 21);
    b->running--;
    assert_int_equal(askers_next_locked(s)->id, 2);
    assert_int_equal(askers_next_locked(s)->id, 3);
    assert_int_equal(a->running, 3);
    askers_free(s);
    free(s);
}

static void the_bucket_is_each_users_own(void **state)
{
    struct config c = {.user_rate = 60, .user_burst = 2, .user_open = 10};
    struct service *s = fresh(&c);
    struct asker *a;
    struct err e;
    unsigned wait = 0;
    struct caller one = {.user = 1}, other = {.user = 2}, owner = {.local = true, .uid = 1};
    int64_t now = 5 * SECOND;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(asker_enter_locked(&a, s, &one, now, &wait, &e), 0);
    assert_int_equal(asker_enter_locked(&a, s, &one, now, &wait, &e), ERR_BUSY);
    assert_int_equal(wait, 1);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(asker_enter_locked(&a, s, &owner, now, &wait, &e), 0);
    assert_int_equal(asker_enter_locked(&a, s, &other, now, &wait, &e), 0);
    asker_leave_locked(s, a);
    assert_int_equal(asker_enter_locked(&a, s, &one, now + SECOND / 2, &wait, &e), ERR_BUSY);
    assert_int_equal(asker_enter_locked(&a, s, &one, now + SECOND, &wait, &e), 0); /* one a second */
    assert_int_equal(asker_enter_locked(&a, s, &one, now + SECOND, &wait, &e), ERR_BUSY);
    assert_int_equal(asker_enter_locked(&a, s, &one, now + 100 * SECOND, &wait, &e), 0); /* no more than the burst is saved */
    assert_int_equal(asker_enter_locked(&a, s, &one, now + 100 * SECOND, &wait, &e), 0);
    assert_int_equal(asker_enter_locked(&a, s, &one, now + 100 * SECOND, &wait, &e), ERR_BUSY);
    c.user_rate = 1;
    assert_int_equal(asker_enter_locked(&a, s, &one, now + 101 * SECOND, &wait, &e), ERR_BUSY);
    assert_in_range(wait, 58, 60);
    /* the other has nothing open and a full bucket: nothing is remembered of him */
    for (struct asker *x = s->askers; x; x = x->next)
        assert_true(x->key != ((uint64_t)1 << 32 | 2));
    askers_free(s);
    free(s);
}

static void what_is_open_is_limited(void **state)
{
    struct config c = {.user_burst = 100, .user_open = 2};
    struct service *s = fresh(&c);
    struct asker *a;
    struct err e;
    unsigned wait;
    enter(&a, s, 1);
    enter(&a, s, 1);
    assert_int_equal(asker_enter_locked(&a, s, &(struct caller){.user = 1}, SECOND, &wait, &e), ERR_BUSY);
    asker_leave_locked(s, a);
    enter(&a, s, 1);
    askers_free(s);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_delays_nobody),
        cmocka_unit_test(the_fewest_running_go_first),
        cmocka_unit_test(the_bucket_is_each_users_own),
        cmocka_unit_test(what_is_open_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
