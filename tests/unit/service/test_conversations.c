/* Conversations: whose they are, how long they are remembered, and how many. */
#include "service/conversations.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE (60 * 1000000000LL)

static struct config config;

static struct conversations *fresh(void)
{
    struct err e;
    assert_int_equal(config_open(&config, NULL, &e), 0);
    config.conversations = 3;
    config.conversation_minutes = 10;
    return conversations_new(&config);
}

static void done(struct conversations *v)
{
    conversations_free(v);
    config_close(&config);
}

/* A new one, asked and answered at that time. */
static char *talk(struct conversations *v, uid_t uid, uint64_t about, int64_t now)
{
    struct conversation *c;
    assert_int_equal(conversation_take(&c, v, NULL, uid, about, now, NULL), 0);
    char *id = mem_str(c->id);
    c->searched = mem_str("what is it?");
    conversation_give(v, c, true, now);
    return id;
}

static int look(struct conversations *v, const char *id, uid_t uid, uint64_t about, int64_t now, char got[CONVERSATION_ID])
{
    struct conversation *c;
    struct err e;
    int rc = conversation_take(&c, v, id, uid, about, now, &e);
    if (!rc) {
        strcpy(got, c->id);
        conversation_give(v, c, false, now);
    } else {
        assert_true(e.hint[0] || rc == ERR_BUSY);
    }
    return rc;
}

static void whose(void **state)
{
    struct conversations *v = fresh();
    char got[CONVERSATION_ID], *a = talk(v, 1, 7, 0), *b = talk(v, 1, 8, 1);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 33);
    assert_int_equal(look(v, a, 1, 99, 2, got), 0); /* by its id from anywhere */
    assert_int_equal(look(v, a, 2, 7, 2, got), ERR_NOT_FOUND);
    assert_int_equal(look(v, "", 1, 7, 2, got), 0);
    assert_string_equal(got, a);
    assert_int_equal(look(v, "", 1, 8, 2, got), 0);
    assert_string_equal(got, b);
    assert_int_equal(look(v, "", 1, 9, 2, got), ERR_NOT_FOUND);
    assert_int_equal(look(v, "", 2, 7, 2, got), ERR_NOT_FOUND);
    char *c = talk(v, 1, 7, 3);
    assert_int_equal(look(v, "", 1, 7, 4, got), 0);
    assert_string_equal(got, c); /* the latest */
    free(a);
    free(b);
    free(c);
    done(v);
}

static void age(void **state)
{
    struct conversations *v = fresh();
    char got[CONVERSATION_ID], *a = talk(v, 1, 7, 0);
    assert_int_equal(look(v, a, 1, 7, 9 * MINUTE, got), 0);
    assert_int_equal(look(v, a, 1, 7, 10 * MINUTE, got), ERR_NOT_FOUND); /* to look at it is not to use it */
    free(a);
    a = talk(v, 1, 7, 0);
    struct conversation *c;
    assert_int_equal(conversation_take(&c, v, a, 1, 7, 9 * MINUTE, NULL), 0);
    assert_int_equal(look(v, a, 1, 7, 9 * MINUTE, got), ERR_BUSY);
    free(talk(v, 1, 8, 30 * MINUTE)); /* what is in use does not go */
    conversation_give(v, c, true, 31 * MINUTE);
    assert_int_equal(look(v, a, 1, 7, 40 * MINUTE, got), 0);
    free(a);
    done(v);
}

static void caps(void **state)
{
    struct conversations *v = fresh();
    char got[CONVERSATION_ID], *id[4];
    for (int i = 0; i < 4; i++)
        id[i] = talk(v, 1, 7, i);
    assert_int_equal(look(v, id[0], 1, 7, 5, got), ERR_NOT_FOUND); /* the oldest of four */
    assert_int_equal(look(v, id[1], 1, 7, 5, got), 0);
    for (int i = 0; i < 4; i++)
        free(id[i]);
    done(v);
    assert_int_equal(config_open(&config, NULL, NULL), 0);
    config.conversation_bytes = 100000;
    v = conversations_new(&config);
    char *a = talk(v, 1, 7, 0), *big = mem_zero(1, 96000);
    memset(big, 'x', 95999);
    struct conversation *c;
    assert_int_equal(conversation_take(&c, v, NULL, 1, 7, 1, NULL), 0);
    c->searched = big;
    conversation_give(v, c, true, 1);
    assert_int_equal(look(v, a, 1, 7, 2, got), ERR_NOT_FOUND);
    assert_int_equal(look(v, "", 1, 7, 2, got), 0);
    free(a);
    done(v);
}

/* A first question that failed leaves nothing. */
static void failed(void **state)
{
    struct conversations *v = fresh();
    struct conversation *c;
    char got[CONVERSATION_ID];
    assert_int_equal(conversation_take(&c, v, NULL, 1, 7, 0, NULL), 0);
    conversation_give(v, c, false, 0);
    assert_int_equal(look(v, "", 1, 7, 0, got), ERR_NOT_FOUND);
    conversation_give(v, NULL, true, 0);
    done(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whose), cmocka_unit_test(age), cmocka_unit_test(caps), cmocka_unit_test(failed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
