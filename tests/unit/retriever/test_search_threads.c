/* Searches at the same time as the index changes under them; what they share is made anew only when it has to be. */
#include "base/clock.h"
#include "kernels/quant.h"
#include "retriever/cache.h"
#include "retriever/sketch.h"
#include "retriever/snapshot.h"
#include "small_repo.h"

#include <pthread.h>

#define THREADS 4
#define SEARCHES 40
#define CHANGES 60

static struct cache cache;
static struct engine *engine;
static struct model *model; /* NULL where it was not fetched: then words alone are searched */

static const char *const question[] = {"how is a discount given", "price of an item", "Cart", "sum of a list", "checkout of a guest", "gloves"};

static int open_all(void **state)
{
    if (small_open(state))
        return -1;
    if (engine_open(&engine, &(struct engine_options){.threads = 1}, NULL) ||
        model_open(&model, engine, TEST_BUILD_DIR "/share/codeask/models/all-MiniLM-L6-v2", NULL))
        model = NULL;
    return 0;
}

static int close_all(void **state)
{
    model_close(model);
    engine_close(engine);
    return small_close(state);
}

static struct search_result ask(const char *text, struct arena *arena)
{
    struct search_request q = {.text = text, .target = &repo.target, .ntargets = 1, .kind = -1, .limit = 10, .embedder = model};
    struct search_result r;
    OK(search(&r, repo.retriever, &q, arena, e));
    return r;
}

static bool shows(const struct search_result *r, const char *path)
{
    for (size_t i = 0; i < r->n; i++)
        if (strlen(path) == r->hit[i].path.n && !memcmp(path, r->hit[i].path.p, r->hit[i].path.n))
            return true;
    return false;
}

/* A row of the view for a content that is there already: another path of shop/cart.py. */
static void change(const char *path, bool there)
{
    struct txn *t;
    struct occ o;
    OK(store_write(&t, repo.store, e));
    OK(occ_get(t, repo.target.view, STR("src/list.c"), &o, e));
    o.path = str_of(path);
    if (there)
        OK(occ_put(t, repo.target.view, &o, e));
    else
        OK(occ_drop(t, repo.target.view, o.path, e));
    txn_bump(t);
    OK(txn_commit(t, e));
}

struct embedding {
    struct txn *t;
    uint16_t model;
    unsigned round;
};

static int embed_file(void *arg, const struct occ *o)
{
    struct embedding *x = arg;
    struct record r;
    size_t n;
    const struct model_info *info = model_info(model);
    OK(cut_get(x->t, o->cut, &r, e));
    n = r.head->nchunks;
    struct hash128 *hash = mem_zero(n + 1, sizeof *hash);
    int8_t *q = mem_zero(n + 1, info->dim);
    float *scale = mem_zero(n + 1, sizeof *scale);
    uint32_t *number = mem_zero(n + 1, sizeof *number);
    for (size_t i = 0; i < n; i++) {
        hash[i] = (struct hash128){o->cut + i * 1000, x->round};
        for (uint32_t k = 0; k < info->dim; k++)
            q[i * info->dim + k] = (int8_t)(hash64_seed(&k, sizeof k, hash[i].lo) % 255 - 127);
        scale[i] = 1.f / 1500;
    }
    OK(vector_put(x->t, x->model, hash, q, scale, n, number, e));
    OK(vecof_put(x->t, x->model, o->cut, 0, number, n, e));
    free(hash);
    free(q);
    free(scale);
    free(number);
    return 0;
}

static int collect_file(void *arg, const struct occ *o)
{
    struct occ *list = arg;
    list[list[0].mode++] = (struct occ){.cut = o->cut};
    return 0;
}

/* More vectors for what is there, as embedding adds them. */
static void embed(unsigned round)
{
    struct embedding x = {.round = round};
    struct occ list[32] = {{.mode = 1}}; /* [0].mode: how many */
    if (!model)
        return;
    OK(store_write(&x.t, repo.store, e));
    OK(vector_model(x.t, model_info(model)->hash, model_info(model)->dim, &x.model, e));
    OK(occ_each(x.t, repo.target.view, STR(""), collect_file, list, e));
    for (uint32_t i = 1; i < list[0].mode; i++)
        embed_file(&x, &list[i]);
    txn_bump(x.t);
    OK(txn_commit(x.t, e));
}

static void *searcher(void *arg)
{
    size_t at = (size_t)(uintptr_t)arg;
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < SEARCHES; i++) {
        struct search_result r = ask(question[(at + i) % (sizeof question / sizeof *question)], &arena);
        assert_true(r.n > 0);
        for (size_t k = 0; k < r.n; k++)
            assert_true(r.hit[k].snippet.n > 0 && r.hit[k].path.n > 0);
        arena_release(&arena);
    }
    return NULL;
}

static void test_while_the_index_changes(void **state)
{
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, searcher, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < CHANGES; i++) {
        change("late/copy.c", i % 2 == 0);
        if (i % 8 == 0)
            embed(i);
        if (i % 4 == 0) /* all that no search holds at this moment goes */
            retriever_rest(repo.retriever, clock_ns() + 2 * RETRIEVER_KEEPS * 1000000000LL);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void test_a_changed_view_is_seen(void **state)
{
    change("late/list_of_nodes.c", true);
    struct search_result r = ask("late list of nodes", &repo.arena);
    assert_true(shows(&r, "late/list_of_nodes.c") || shows(&r, "src/list.c"));
    struct search_request only = {.text = "sum of a list", .target = &repo.target, .ntargets = 1, .kind = -1, .path_prefix = "late"};
    OK(search(&r, repo.retriever, &only, &repo.arena, e));
    assert_true(shows(&r, "late/list_of_nodes.c"));
    change("late/list_of_nodes.c", false);
    OK(search(&r, repo.retriever, &only, &repo.arena, e));
    assert_int_equal(r.n, 0);
}

static void test_an_unchanged_view_is_kept(void **state)
{
    struct snapshot *a, *b;
    struct txn *t;
    OK(retriever_snapshot(&a, repo.retriever, &repo.target, e));
    OK(store_write(&t, repo.store, e));
    txn_bump(t); /* something else changed */
    OK(txn_commit(t, e));
    OK(retriever_snapshot(&b, repo.retriever, &repo.target, e));
    assert_ptr_equal(a, b);
    change("late/other.c", true);
    snapshot_drop(b);
    OK(retriever_snapshot(&b, repo.retriever, &repo.target, e));
    assert_ptr_not_equal(a, b);
    assert_int_equal(a->nfiles + 1, b->nfiles); /* a search in flight keeps what it saw */
    snapshot_drop(a);
    snapshot_drop(b);
    change("late/other.c", false);
}

static struct dense_map *map_now(struct snapshot *s, uint16_t number)
{
    struct txn *t;
    OK(store_read(&t, repo.store, e));
    struct dense_map *m = cache_map(&cache, s, number, t);
    txn_end(t);
    return m;
}

/* A content whose texts are all known from others gets their numbers without a new vector; the map finds them, keeps what it knew,
 * and is not made again when nothing was added. */
static void test_known_texts_are_seen(void **state)
{
    static const uint8_t hash[32] = {7};
    struct snapshot *s;
    struct dense_map *a, *b, *c;
    struct txn *t;
    uint16_t number;
    uint32_t *some;
    cache_init(&cache, repo.store);
    OK(cache_snapshot(&s, &cache, repo.target.view, NULL, e));
    assert_true(s->ncuts > 2 && s->cut[0].nchunks && s->cut[1].nchunks);
    OK(store_write(&t, repo.store, e));
    OK(vector_model(t, hash, 8, &number, e));
    some = mem_zero(s->cut[0].nchunks + s->cut[1].nchunks, sizeof *some);
    for (uint32_t i = 0; i < s->cut[0].nchunks + s->cut[1].nchunks; i++)
        some[i] = i;
    OK(vecof_put(t, number, s->cut[0].cut, 0, some, s->cut[0].nchunks, e));
    OK(txn_commit(t, e));
    a = map_now(s, number);
    assert_int_equal(a->chunk[0], 0);
    assert_int_equal(a->chunk[a->chunk0[1]], VECTOR_NONE);
    b = map_now(s, number);
    assert_ptr_equal(a, b);
    OK(store_write(&t, repo.store, e));
    OK(vecof_put(t, number, s->cut[1].cut, 0, some, s->cut[1].nchunks, e));
    OK(vecof_put(t, number, s->file[0].cut, vecof_card(s->file[0].path), some + 1, 1, e));
    OK(txn_commit(t, e));
    c = map_now(s, number);
    assert_ptr_not_equal(a, c);
    assert_int_equal(c->chunk[0], 0);
    assert_int_equal(c->chunk[c->chunk0[1]], 0);
    assert_int_equal(c->card[0], 1);
    assert_int_equal(a->chunk[a->chunk0[1]], VECTOR_NONE); /* a search in flight keeps what it saw */
    dense_map_drop(a);
    dense_map_drop(b);
    dense_map_drop(c);
    snapshot_drop(s);
    free(some);
    cache_release(&cache);
}

/* The same content seen through two targets is one place, of the first; a filter that only the second passes shows it there. */
static void test_one_content_in_two_targets(void **state)
{
    struct view_head head = {.repo = repo.row.id, .kind = VIEW_PLAIN};
    struct search_target two[2] = {repo.target, repo.target};
    struct txn *t;
    struct occ o;
    OK(store_write(&t, repo.store, e));
    OK(occ_get(t, repo.target.view, STR("shop/cart.py"), &o, e));
    o.path = STR("fork/cart.py");
    OK(view_new(t, &head, &two[1].view, e));
    OK(occ_put(t, two[1].view, &o, e));
    txn_bump(t);
    OK(txn_commit(t, e));
    struct search_request q = {.text = "how is a discount given", .target = two, .ntargets = 2, .kind = -1};
    struct search_result r;
    OK(search(&r, repo.retriever, &q, &repo.arena, e));
    assert_true(shows(&r, "shop/cart.py") && !shows(&r, "fork/cart.py"));
    q.path_prefix = "fork";
    OK(search(&r, repo.retriever, &q, &repo.arena, e));
    assert_true(r.n > 0 && shows(&r, "fork/cart.py"));
    for (size_t i = 0; i < r.n; i++)
        assert_int_equal(r.hit[i].target, 1);
}

/* Text that has no gram is read for in a bounded number of bytes, and what was left out is counted; other quoted text is not bounded. */
static void test_short_quoted_text_is_bounded(void **state)
{
    static const char *const asked[] = {"\"]\"", "price \"]\"", "\"->\""};
    struct search_result r;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct search_request q = {.text = asked[i], .target = &repo.target, .ntargets = 1, .kind = -1, .limit = 100, .lines = true};
        OK(search(&r, repo.retriever, &q, &repo.arena, e));
        assert_true(r.n > 0 && r.left_out.blind == 0);
        q.blind_bytes = 1; /* the first content alone */
        size_t all = r.n;
        OK(search(&r, repo.retriever, &q, &repo.arena, e));
        assert_true(r.n < all && r.left_out.blind >= SMALL_FILES - 1);
    }
    struct search_request q = {.text = "\"sum\"", .target = &repo.target, .ntargets = 1, .kind = -1, .limit = 100, .lines = true, .blind_bytes = 1};
    OK(search(&r, repo.retriever, &q, &repo.arena, e));
    assert_true(r.n >= 3 && r.left_out.blind == 0);
}

/* Where signs choose among the vectors, what is ranked is ranked by cosines all the same. */
static void test_signs_choose(void **state)
{
    if (!model)
        skip();
    for (size_t i = 0; i < sizeof question / sizeof *question; i++) {
        retriever_sketch_from(repo.retriever, UINT32_MAX);
        struct search_result all = ask(question[i], &repo.arena);
        retriever_sketch_from(repo.retriever, 0);
        struct search_result some = ask(question[i], &repo.arena);
        assert_true(all.dense_used && some.dense_used);
        assert_int_equal(all.n, some.n);
        assert_true(all.evidence.dense == some.evidence.dense);
        for (size_t k = 0; k < all.n; k++) {
            assert_true(all.hit[k].score == some.hit[k].score);
            assert_true(all.hit[k].path.n == some.hit[k].path.n && !memcmp(all.hit[k].path.p, some.hit[k].path.p, some.hit[k].path.n));
        }
    }
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, searcher, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < 8; i++)
        embed(1000 + i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    retriever_sketch_from(repo.retriever, SKETCH_FROM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_while_the_index_changes),
        cmocka_unit_test(test_a_changed_view_is_seen),
        cmocka_unit_test(test_an_unchanged_view_is_kept),
        cmocka_unit_test(test_known_texts_are_seen),
        cmocka_unit_test(test_one_content_in_two_targets),
        cmocka_unit_test(test_short_quoted_text_is_bounded),
        cmocka_unit_test(test_signs_choose),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
