/* Whatever a model writes, in whatever pieces: the same text comes out, it is UTF-8, little is held back, no number is cited that no
 * source has, and nothing in it is active: checked with a Markdown parser that has every extension on. */
#include "base/mem.h"
#include "retriever/cited.h"

#include <md4c.h>
#include <stdlib.h>
#include <string.h>

static const char source_text[] = "int list_sum(const struct node *n)\n{\n    return n->v[2]; /* see also [1] */\n}\n";

static int no_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    if (type == MD_BLOCK_HTML)
        abort();
    return 0;
}

static int no_span(MD_SPANTYPE type, void *detail, void *arg)
{
    if (type == MD_SPAN_A || type == MD_SPAN_IMG || type == MD_SPAN_WIKILINK)
        abort();
    return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    return 0;
}

static int leave_span(MD_SPANTYPE type, void *detail, void *arg)
{
    return 0;
}

static int no_html(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size, void *arg)
{
    if (type == MD_TEXT_HTML || type == MD_TEXT_ENTITY || type == MD_TEXT_NULLCHAR)
        abort();
    return 0;
}

static void open_machine(struct cited *c, struct cited_source s[2])
{
    s[0] = (struct cited_source){.n = 1, .path = STR("src/list.c"), .text = STR(source_text), .title = "list_sum", .first = 3, .last = 6, .shown = 1};
    s[1] = (struct cited_source){.n = 2, .path = STR("shop/cart.py"), .text = STR("class Cart:\n    pass\n"), .title = "Cart", .first = 1, .last = 2};
    cited_open(c, s, 2, 2, "===fence");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cited whole, parts;
    struct cited_source a[2], b[2];
    if (n < 1 || n > 1 << 16)
        return 0;
    open_machine(&whole, a);
    open_machine(&parts, b);
    cited_feed(&whole, (const char *)data + 1, n - 1);
    for (size_t i = 1, step = data[0] % 32 + 1u; i < n; i += step) {
        size_t was = parts.shown.len;
        cited_feed(&parts, (const char *)data + i, n - i < step ? n - i : step);
        if (parts.held.len > CITED_HELD || parts.shown.len < was)
            abort();
    }
    cited_end(&whole);
    cited_end(&parts);
    if (whole.shown.len != parts.shown.len || (whole.shown.len && memcmp(whole.shown.data, parts.shown.data, whole.shown.len)))
        abort();
    if (memcmp(&whole.counts, &parts.counts, sizeof whole.counts))
        abort();
    MD_PARSER parser = {.flags = MD_FLAG_PERMISSIVEAUTOLINKS | MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS,
                        .enter_block = no_block, .leave_block = leave_block, .enter_span = no_span, .leave_span = leave_span, .text = no_html};
    if (whole.shown.len)
        md_parse(whole.shown.data, (MD_SIZE)whole.shown.len, &parser, NULL);
    cited_release(&whole);
    cited_release(&parts);
    return 0;
}
