/* What people hold over a repository: their own, capped, and gone in time. */
#include "service/overlays.h"

#include "base/clock.h"
#include "indexer/cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct repo_row courier = {.id = 7, .name = "courier"}, vault = {.id = 8, .name = "vault"};

static struct unsaved_text *text_of(const char *s)
{
    struct buf record = BUF_INIT;
    struct unsaved_text *x;
    struct err e;
    char copy[64];
    strcpy(copy, s);
    const struct language *l = language_named("text");
    assert_int_equal(cut(&record, l, copy, strlen(copy), &e), 0);
    struct cut_new c = {.key = {.oid = source_hash(s, strlen(s)), .version = language_version(l)}, .record = record.data, .record_len = record.len,
                        .text = copy, .text_len = strlen(copy)};
    memcpy(c.key.language, l->name, strlen(l->name));
    assert_int_equal(unsaved_text_new(&x, &c, &e), 0);
    buf_release(&record);
    return x;
}

static struct service *service_of(struct config *c)
{
    struct service *s = calloc(1, sizeof *s);
    s->o.config = c;
    s->overlays = overlays_new();
    return s;
}

static struct request asks(struct service *s, uint32_t user, uint64_t token)
{
    return (struct request){.s = s, .who = {.user = user, .token = token}, .params = json_object()};
}

static int keep(struct request *rq, const char *path, const char *text, size_t bytes)
{
    struct err e;
    struct unsaved_text *x = text_of(text);
    int rc = overlay_keep(rq, path, x, bytes, &e);
    unsaved_text_drop(x);
    return rc;
}

static bool make(char id[OVERLAY_ID], struct request *rq, const struct repo_row *repo, const char *path, const char *text)
{
    struct oid commit = {{1}};
    struct overlay_file f[2] = {{.path = path, .blob = source_hash(text, strlen(text))}, {.path = "z", .gone = true}};
    bool missing[2] = {false, false};
    overlay_make(id, missing, rq, repo, "HEAD", &commit, f, 2);
    assert_false(missing[1]);
    assert_true(missing[0] == !*id);
    return *id;
}

static bool takes(struct request *rq, const char *id, uint32_t repo)
{
    struct overlay *o;
    struct err e;
    json_object_set_new(rq->params, "overlay", json_string(id));
    int rc = overlay_take(&o, rq, repo, &e);
    bool there = o != NULL;
    overlay_drop(o);
    return !rc && there;
}

static void each_ones_own(void **state)
{
    struct config c = {0};
    struct service *s = service_of(&c);
    struct request ada = asks(s, 1, 11), bob = asks(s, 2, 22), other = asks(s, 1, 12);
    char id[OVERLAY_ID], again[OVERLAY_ID];
    assert_false(make(id, &ada, &courier, "a", "one"));
    assert_int_equal(keep(&ada, "a", "one", 10), 0);
    assert_false(make(id, &bob, &courier, "a", "one")); /* what others sent is not there for him */
    assert_false(make(id, &ada, &courier, "b", "one"));
    assert_true(make(id, &ada, &courier, "a", "one"));
    assert_true(make(again, &ada, &courier, "a", "one"));
    assert_string_equal(id, again);
    assert_true(make(again, &ada, &vault, "a", "one"));
    assert_string_not_equal(id, again);
    assert_true(takes(&ada, id, courier.id));
    assert_false(takes(&ada, id, vault.id));
    assert_false(takes(&bob, id, courier.id));
    assert_false(takes(&other, id, courier.id));
    overlay_forget(&bob, id);
    assert_true(takes(&ada, id, courier.id));
    overlay_forget(&ada, id);
    assert_false(takes(&ada, id, courier.id));
    assert_true(overlay_has(&ada, "a", &(struct oid){0}) == false);
    overlay_forget(&ada, again);
    struct oid blob = source_hash("one", 3);
    assert_false(overlay_has(&ada, "a", &blob)); /* no overlay has it any more */
    overlays_free(s->overlays);
    json_decref(ada.params), json_decref(bob.params), json_decref(other.params);
    free(s);
}

static void gone_in_time(void **state)
{
    struct config c = {0};
    struct service *s = service_of(&c);
    struct request ada = asks(s, 1, 11);
    char id[OVERLAY_ID];
    struct overlay *held;
    struct err e;
    keep(&ada, "a", "one", 10);
    assert_true(make(id, &ada, &courier, "a", "one"));
    overlays_rest(s->overlays, clock_ns() + OVERLAY_IDLE_NS / 2);
    assert_true(takes(&ada, id, courier.id));
    assert_int_equal(overlay_take(&held, &ada, courier.id, &e), 0);
    overlays_rest(s->overlays, clock_ns() + OVERLAY_IDLE_NS + 1000000000); /* a request has it */
    assert_true(takes(&ada, id, courier.id));
    overlays_revoked(s->overlays, 0, 1);
    assert_false(takes(&ada, id, courier.id));
    struct unsaved *u = unsaved_new();
    assert_int_equal(overlay_over(u, held, 5), 2); /* until the request is over */
    unsaved_drop(u);
    overlay_drop(held);
    keep(&ada, "a", "one", 10);
    assert_true(make(id, &ada, &courier, "a", "one"));
    overlays_rest(s->overlays, clock_ns() + OVERLAY_IDLE_NS + 1000000000);
    assert_false(takes(&ada, id, courier.id));
    keep(&ada, "a", "one", 10);
    assert_true(make(id, &ada, &courier, "a", "one"));
    overlays_forget(s->overlays);
    assert_false(takes(&ada, id, courier.id));
    overlays_free(s->overlays);
    json_decref(ada.params);
    free(s);
}

static void capped(void **state)
{
    struct config c = {0};
    struct service *s = service_of(&c);
    struct request ada = asks(s, 1, 11), bob = asks(s, 2, 22);
    char id[OVERLAY_ID], first[OVERLAY_ID], path[16];
    assert_int_equal(keep(&ada, "a", "one", OVERLAY_OWN_BYTES - 10), 0);
    assert_int_equal(keep(&ada, "b", "two", 20), ERR_LIMIT);
    assert_int_equal(keep(&ada, "a", "one", OVERLAY_OWN_BYTES), 0); /* it is there already */
    assert_int_equal(keep(&bob, "b", "two", 5), 0);
    for (uint32_t user = 3; user < 3 + OVERLAY_ALL_BYTES / OVERLAY_OWN_BYTES - 1; user++) {
        struct request rq = asks(s, user, user);
        assert_int_equal(keep(&rq, "a", "one", OVERLAY_OWN_BYTES), 0);
        json_decref(rq.params);
    }
    assert_int_equal(keep(&bob, "c", "three", 20), ERR_LIMIT);
    for (int i = 0; i <= OVERLAYS_OWN; i++) {
        struct oid commit = {{1}};
        struct overlay_file f = {.path = path, .gone = true};
        bool missing;
        snprintf(path, sizeof path, "f%d", i);
        overlay_make(i ? id : first, &missing, &bob, &courier, "HEAD", &commit, &f, 1);
    }
    assert_false(takes(&bob, first, courier.id));
    assert_true(takes(&bob, id, courier.id));
    overlays_free(s->overlays);
    json_decref(ada.params), json_decref(bob.params);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_ones_own), cmocka_unit_test(gone_in_time), cmocka_unit_test(capped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
