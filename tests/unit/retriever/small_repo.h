/* A small repository in a store of its own, cut by cut(): what the tests of answers and symbols look at. */
#ifndef TEST_RETRIEVER_SMALL_REPO_H
#define TEST_RETRIEVER_SMALL_REPO_H

#include "base/hash.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "retriever/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct err e_ = {0};                                                                                           \
        struct err *e = &e_;                                                                                           \
        if ((call))                                                                                                    \
            fail_msg("%s: %s", #call, e_.message);                                                                     \
        (void)e;                                                                                                       \
    } while (0)

struct small_file {
    const char *path, *text;
};

static const struct small_file small_files[] = {
    {"README.md", "# Shop\n\nA small shop.\n\n## Discounts\n\nTo give a discount, call `Cart.discount` with a rate:\n\n"
                  "```python\ncart.discount(0.1)\n```\n\nA rate above one is refused.\n"},
    {"shop/cart.py",
     "\"\"\"The cart of a customer.\"\"\"\nfrom shop import store\n\n\nclass CartError(Exception):\n    pass\n\n\n"
     "class Cart:\n    \"\"\"Items that a customer wants to buy.\n\n    <img src=x onerror=alert(1)> and [1] stay text.\n    \"\"\"\n\n"
     "    def __init__(self, user):\n        self.user = user\n        self.items = []\n\n"
     "    def add(self, sku, count):\n        \"\"\"Adds an item and returns its price.\n\n        :param sku: which one\n        \"\"\"\n"
     "        try:\n            price = store.price_of(sku)\n        except KeyError as why:\n"
     "            raise CartError(f\"no price for item {sku!r}\") from why\n        self.items.append((sku, count))\n"
     "        return price * count\n\n"
     "    def discount(self, rate):\n        \"\"\"Lowers all prices by a rate.\"\"\"\n        if rate > 1:\n"
     "            raise CartError(\"a discount above one\")\n        self.rate = rate\n        return self.total() * (1 - rate)\n\n"
     "    def total(self):\n        return sum(store.price_of(sku) * count for sku, count in self.items)\n"},
    {"shop/store.py", "PRICES = {\"apple\": 3}\nTOKEN = \"ghp_" "x7Kq2mWv9LrT4bNs8ZcYdFgH3jPaQe5uRi1o\"\n\n\n"
                      "def price_of(sku):\n    \"\"\"Looks a price up.\"\"\"\n    return _lookup(sku)\n\n\n"
                      "def _lookup(sku):\n    return PRICES[sku]\n"},
    {"shop/checkout.py", "from shop.cart import Cart\n\n\nclass GuestCart(Cart):\n    pass\n\n\n"
                         "def checkout(user, skus):\n    cart = Cart(user)\n    for sku in skus:\n        cart.add(sku, 1)\n"
                         "    return cart.total()\n"},
    {"src/list.c", "#include \"list.h\"\n\n/* Sums the values of a list. */\nint list_sum(const struct node *n)\n{\n    int sum = 0;\n"
                   "    for (; n; n = n->next)\n        sum += node_value(n);\n    return sum;\n}\n\n"
                   "int node_value(const struct node *n)\n{\n    return n->value;\n}\n"},
    {"tests/test_cart.py", "from shop.cart import Cart\n\n\ndef test_add():\n    assert Cart(\"bob\").add(\"apple\", 2) == 6\n"},
    {"docs/hostile.md", "# Hostile gloves\n\n<script>alert(1)</script> ![x](http://evil.example/x.png) "
                        "[click](http://evil.example) gloves are warm\xe2\x80\xae\n\n````\n```\nnot out\n```\n````\n"},
};
#define SMALL_FILES (sizeof small_files / sizeof *small_files)

struct small_repo {
    char home[256];
    struct store *store;
    struct retriever *retriever;
    struct repo_row row;
    struct search_target target;
    struct arena arena;
    const char *changed, *gone; /* paths that no longer read as they were indexed */
    unsigned reads;
};

static struct small_repo repo;

static struct oid small_oid(const char *text)
{
    struct oid o = {{0}};
    struct hash128 h = hash128(text, strlen(text));
    memcpy(o.byte, &h, sizeof h);
    return o;
}

static void small_cut(uint32_t *ids)
{
    struct cut_new c[SMALL_FILES];
    struct buf record[SMALL_FILES], text[SMALL_FILES];
    struct cut_batch *batch;
    struct txn *t;
    for (size_t i = 0; i < SMALL_FILES; i++) {
        const struct small_file *f = &small_files[i];
        const struct language *l = language_for(str_of(f->path), str_of(f->text));
        record[i] = text[i] = (struct buf)BUF_INIT;
        buf_adds(&text[i], f->text);
        OK(cut(&record[i], l, text[i].data, text[i].len, e));
        c[i] = (struct cut_new){.record = record[i].data, .record_len = record[i].len, .text = text[i].data, .text_len = text[i].len};
        c[i].key = (struct cut_key){.oid = small_oid(f->text), .version = language_version(l)};
        snprintf(c[i].key.language, sizeof c[i].key.language, "%s", l->name);
    }
    OK(cut_batch_build(&batch, c, SMALL_FILES, e));
    OK(store_write(&t, repo.store, e));
    OK(cut_batch_put(t, batch, ids, e));
    struct view_head head = {.repo = repo.row.id, .kind = VIEW_PLAIN};
    OK(view_new(t, &head, &repo.target.view, e));
    for (size_t i = 0; i < SMALL_FILES; i++) {
        struct occ o = {.path = str_of(small_files[i].path), .oid = c[i].key.oid, .cut = ids[i], .mode = 0100644, .size = text[i].len};
        OK(occ_put(t, repo.target.view, &o, e));
    }
    txn_bump(t);
    OK(txn_commit(t, e));
    cut_batch_free(batch);
    for (size_t i = 0; i < SMALL_FILES; i++) {
        buf_release(&record[i]);
        buf_release(&text[i]);
    }
}

static inline int small_open(void **state)
{
    uint32_t ids[SMALL_FILES];
    repo = (struct small_repo){0};
    const char *tmp = getenv("TMPDIR");
    snprintf(repo.home, sizeof repo.home, "%s/codeask-retriever-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(repo.home))
        return -1;
    arena_init(&repo.arena);
    OK(store_open(&repo.store, repo.home, NULL, e));
    OK(state_repo_add(repo.store, repo.home, true, &repo.row, e));
    repo.target.repo = &repo.row;
    small_cut(ids);
    OK(retriever_open(&repo.retriever, repo.store, e));
    return 0;
}

static inline int small_close(void **state)
{
    char command[300];
    retriever_close(repo.retriever);
    store_close(repo.store);
    repo_row_release(&repo.row);
    arena_release(&repo.arena);
    snprintf(command, sizeof command, "rm -rf '%s'", repo.home);
    return system(command);
}

/* What the sources say now. */
static inline int small_read(void *arg, const struct search_hit *h, struct buf *out, struct err *e)
{
    repo.reads++;
    for (size_t i = 0; i < SMALL_FILES; i++) {
        if (strlen(small_files[i].path) != h->path.n || memcmp(small_files[i].path, h->path.p, h->path.n))
            continue;
        if (repo.gone && !strcmp(repo.gone, small_files[i].path))
            break;
        buf_adds(out, small_files[i].text);
        if (repo.changed && !strcmp(repo.changed, small_files[i].path))
            for (size_t k = 0; k < out->len; k++) /* the same length, other words */
                out->data[k] = out->data[k] == 'e' ? 'E' : out->data[k];
        return 0;
    }
    return err_set(e, ERR_NOT_FOUND, "gone");
}

#endif
