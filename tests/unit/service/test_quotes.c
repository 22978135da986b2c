/* Words that only a purged content has, in what people wrote. */
#include "../store/help.h"

#include "service/quotes.h"
#include "store/purge.h"

static void put(struct store *s, uint8_t id, const char *text)
{
    struct buf record = BUF_INIT;
    struct rng r = {9};
    struct cut_batch *b;
    struct txn *t;
    uint32_t cut;
    random_record(&record, &r, 1, 3);
    struct cut_new c = {{{{id}}, "c", 1}, record.data, record.len, text, strlen(text)};
    OK(cut_batch_build(&b, &c, 1, e));
    OK(store_write(&t, s, e));
    OK(cut_batch_put(t, b, &cut, e));
    OK(txn_commit(t, e));
    cut_batch_free(b);
    buf_release(&record);
}

static void masks(const struct quotes *q, const char *text, const char *want)
{
    char *own = mem_str(text);
    bool any = strcmp(text, want) != 0;
    assert_int_equal(quotes_in(q, str_of(text)), any);
    assert_int_equal(quotes_mask(q, own, strlen(own)), any);
    assert_string_equal(own, want);
    free(own);
}

static void only_its_own(void **state)
{
    struct store *s;
    struct oid goes = {{1}}, nowhere = {{7}};
    static const char *const said[] = {"what does Quixotic_Zephyr return?", "common_name and \\nquixotic_zephyr", "Stra\u00dfenbahnen fahren", "short tin"};
    OK(store_open(&s, home, NULL, e));
    put(s, 1, "int Quixotic_Zephyr(common_name); /* Stra\u00dfenbahnen, tin, unasked_word */");
    put(s, 2, "common_name COMMON_name something_else");
    OK(purge_add(s, &goes, e));
    struct quotes *q = quotes_new();
    OK(quotes_learn(q, s, &nowhere, e));
    OK(quotes_learn(q, s, &goes, e));
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        quotes_look(q, str_of(said[i]));
    OK(quotes_settle(q, s, e));
    masks(q, said[0], "what does *************** return?");
    masks(q, said[1], "common_name and \\n***************"); /* an escaped line end is no part of the word */
    masks(q, said[2], "************** fahren");
    masks(q, said[3], said[3]);
    masks(q, "QUIXOTIC_ZEPHYR, quixotic_zephyrs", "***************, quixotic_zephyrs");
    masks(q, "unasked_word", "unasked_word"); /* it was in nothing that was looked at, so nobody asked who has it */
    masks(q, "\\", "\\");
    masks(q, "ends in \\u00", "ends in \\u00");
    quotes_free(q);
    q = quotes_new();
    masks(q, said[0], said[0]);
    quotes_free(q);
    quotes_free(NULL);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(only_its_own, home_make, home_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
