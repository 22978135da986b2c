#include "engine/endpoint/endpoint.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool take(void *arg, const struct gen_piece *p)
{
    buf_addf(arg, "%c%.*s|", p->channel == GEN_ANSWER ? 'a' : 'r', (int)p->len, p->text);
    return ((struct buf *)arg)->len < 40;
}

static struct endpoint_stream run(struct buf *out, struct gen_result *g, struct err *e, const char *const *events_, size_t n)
{
    struct endpoint_stream s = {.sink = take, .arg = out, .out = g, .e = e};
    for (size_t i = 0; i < n && !endpoint_event(&s, "message", str_of(events_[i])); i++)
        ;
    return s;
}

static void chats(void **state)
{
    static const char *const good[] = {"{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}",
                                       "{\"choices\":[{\"delta\":{\"content\":\"It \"}}]}", "{\"choices\":[{\"delta\":{\"content\":\"waits\"},\"finish_reason\":\"length\"}]}",
                                       "{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":2}}}", "[DONE]", "never read"};
    struct buf out = BUF_INIT;
    struct gen_result g = {0};
    struct err e = {0};
    struct endpoint_stream s = run(&out, &g, &e, good, 7);
    assert_string_equal(out.data, "rhm|aIt |awaits|");
    assert_true(s.done && s.ended && !s.rc && g.end == GEN_END_LENGTH && g.prompt_tokens == 7 && g.reused_tokens == 2 && g.answer_tokens == 3);
    static const char *const bad[] = {"nonsense", "[]", "{\"error\":{\"message\":\"out of memory\"}}", "\"\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s = run(&out, &g, &e, &bad[i], 1);
        assert_true(s.rc == (i == 2 ? ERR_UNAVAILABLE : ERR_FORMAT));
    }
    static const char *const odd[] = {"{}", "{\"choices\":7}", "{\"choices\":[{\"delta\":{\"content\":7}}]}", "{\"choices\":[{\"delta\":null,\"finish_reason\":null}]}", "{\"usage\":[],\"choices\":[[]]}"};
    buf_clear(&out);
    s = run(&out, &g, &e, odd, 5);
    assert_true(!s.rc && !s.ended && !s.done && !out.len);
    buf_release(&out);
}

static void vectors(void **state)
{
    float v[6];
    uint32_t dim = 0, tokens = 0;
    struct err e = {0};
    static const char two[] = "{\"data\":[{\"index\":1,\"embedding\":[0,3,4]},{\"index\":0,\"embedding\":[2,0,0]}],\"usage\":{\"prompt_tokens\":5}}";
    assert_int_equal(endpoint_vectors(NULL, &dim, 2, two, strlen(two), NULL, &e), 0);
    assert_int_equal(dim, 3);
    assert_int_equal(endpoint_vectors(v, &dim, 2, two, strlen(two), &tokens, &e), 0);
    assert_true(v[0] == 1 && v[1] == 0 && fabsf(v[4] - .6f) < 1e-6f && fabsf(v[5] - .8f) < 1e-6f && tokens == 5);
    static const char *const bad[] = {"", "{}", "[]", "{\"data\":[{\"embedding\":[1,2,3]}]}", "{\"data\":[{\"index\":0,\"embedding\":[1,2,3]},{\"index\":0,\"embedding\":[1,2,3]}]}",
                                      "{\"data\":[{\"index\":0,\"embedding\":[1,2,3]},{\"index\":-1,\"embedding\":[1,2,3]}]}", "{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[1,2]}]}",
                                      "{\"data\":[{\"embedding\":[0,0,0]},{\"embedding\":[1,2,3]}]}", "{\"data\":[{\"embedding\":[1,2,\"x\"]},{\"embedding\":[1,2,3]}]}",
                                      "{\"data\":[{\"embedding\":[1,2,1e300]},{\"embedding\":[1,2,3]}]}", "{\"data\":[{\"embedding\":\"AAAA\"},{\"embedding\":[1,2,3]}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (endpoint_vectors(v, &dim, 2, bad[i], strlen(bad[i]), NULL, &e) != ERR_FORMAT)
            fail_msg("%s", bad[i]);
}

static void texts(void **state)
{
    struct buf out = BUF_INIT;
    static const char text[] = "a < b; <|im_end|> v[0] </s>[INST] <string> <";
    endpoint_text(&out, text, strlen(text));
    assert_null(strstr(out.data, "<|"));
    assert_null(strstr(out.data, "</s>"));
    assert_null(strstr(out.data, "[INST]"));
    assert_non_null(strstr(out.data, "a < b; <"));
    assert_non_null(strstr(out.data, " v[0] "));
    assert_non_null(strstr(out.data, " <string> <"));
    buf_release(&out);
}

static void urls(void **state)
{
    char host[256];
    assert_int_equal(endpoint_check_url(host, "http://gpu1:8000/v1", NULL), 0);
    assert_string_equal(host, "gpu1:8000");
    static const char *const bad[] = {"", "gpu1:8000/v1", "ftp://gpu1/v1", "http:///v1", "http://ada:pw@gpu1/v1", "http://gpu1/v1?key=x", "http://gpu 1/v1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(endpoint_check_url(host, bad[i], NULL), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chats), cmocka_unit_test(vectors), cmocka_unit_test(texts), cmocka_unit_test(urls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
