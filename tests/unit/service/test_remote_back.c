/* What a server said, as this home says it. */
#include "service/remote_clone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HERE "cccccccccccccccccccccccccccccccccccccccc"
#define OLD "1111111111111111111111111111111111111111"
#define OWN "2222222222222222222222222222222222222222"

static struct oid oid(uint8_t byte)
{
    struct oid o = {0};
    memset(o.byte, byte, 20);
    return o;
}

static void back(const char *said, const char *want, bool pushed)
{
    struct remote_file file[] = {{.path = "a.c", .oid = oid(0x22), .committed = true}, {.path = "b.c", .oid = oid(0x22)},
                                 {.path = "c.c", .oid = oid(0x22), .unsaved = true}};
    struct remote_view v = {.repo = "theirs", .local = "mine", .root = "/m", .base = oid(0xbb), .commit = oid(0xcc), .file = file, .n = 3, .pushed = pushed,
                            .dirty = 2};
    json_t *o = json_loads(said, 0, NULL), *w = json_loads(want, 0, NULL);
    assert_non_null(o);
    assert_non_null(w);
    remote_back(o, &v, 1);
    char *is = json_dumps(o, JSON_SORT_KEYS), *should = json_dumps(w, JSON_SORT_KEYS);
    assert_string_equal(is, should);
    free(is), free(should);
    json_decref(o), json_decref(w);
}

#define ROW(repo, path, commit, blob, more) "{\"repo\":\"" repo "\",\"path\":\"" path "\",\"commit\":" commit ",\"blob\":\"" blob "\"" more "}"

static void places(void **state)
{
    back(ROW("theirs", "x.c", "\"" BASE "\"", OLD, ""), ROW("mine", "x.c", "\"" HERE "\"", OLD, ""), true);
    back(ROW("theirs", "a.c", "null", OLD, ",\"unsaved\":true"), ROW("mine", "a.c", "\"" HERE "\"", OWN, ""), true);
    back(ROW("theirs", "b.c", "null", OLD, ",\"unsaved\":true"), ROW("mine", "b.c", "null", OWN, ""), true);
    back(ROW("theirs", "c.c", "null", OLD, ",\"unsaved\":true"), ROW("mine", "c.c", "null", OWN, ",\"unsaved\":true"), true);
    /* where nothing was sent, the answer is of the server's commit */
    back(ROW("theirs", "a.c", "\"" BASE "\"", OLD, ""), ROW("mine", "a.c", "\"" BASE "\"", OLD, ""), false);
    /* of another repository; and one that is called as this one is here */
    back(ROW("other", "a.c", "\"" BASE "\"", OLD, ""), ROW("other", "a.c", "\"" BASE "\"", OLD, ""), true);
    back(ROW("mine", "a.c", "\"" BASE "\"", OLD, ""), ROW("server/mine", "a.c", "\"" BASE "\"", OLD, ""), true);
    back("{\"results\":[" ROW("theirs", "../../etc/x", "null", OLD, "") "," ROW("theirs", "/etc/x", "null", OLD, "") "]}",
         "{\"results\":[" ROW("mine", "", "null", OLD, "") "," ROW("mine", "", "null", OLD, "") "]}", true);
    back("{\"freshness\":{\"commit\":\"" BASE "\",\"dirty\":true,\"overlay_files\":3}}", "{\"freshness\":{\"commit\":\"" HERE "\",\"dirty\":true,\"overlay_files\":2}}", true);
    back("{\"freshness\":{\"commit\":\"" BASE "\",\"dirty\":false}}", "{\"freshness\":{\"commit\":\"" BASE "\",\"dirty\":false}}", false);
    back("{\"a\":[1,null,[{\"repo\":7,\"path\":8,\"blob\":9}],{\"freshness\":1}]}", "{\"a\":[1,null,[{\"repo\":7,\"path\":8,\"blob\":9}],{\"freshness\":1}]}", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
