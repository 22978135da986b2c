#include "indexer/cut.h"

#include "base/mem.h"
#include "indexer/cutter.h"
#include "indexer/parse_memory.h"

#include <stdlib.h>
#include <string.h>

#define PARSE_MAX ((uint32_t)16 << 20) /* bytes: larger sources are tables that a program wrote */

struct cutter *cutter_new(void)
{
    struct cutter *c = mem_zero(1, sizeof *c);
    c->memo = word_memo_new();
    return c;
}

void cutter_free(struct cutter *c)
{
    if (!c)
        return;
    word_memo_free(c->memo);
    free(c->lines.v);
    free(c->secrets.v);
    free(c->defs.v);
    free(c->refs.v);
    free(c->comments.v);
    free(c->attrs.v);
    free(c->wraps.v);
    free(c->docs.v);
    free(c->evidence.v);
    free(c->inner_evidence.v);
    free(c->headers.v);
    free(c->frames.v);
    free(c->declared.v);
    free(c->chunks.v);
    free(c->breaks.v);
    free(c->stack.v);
    free(c->words.v);
    free(c->names.v);
    buf_release(&c->strings);
    free(c);
}

static void begin(struct cutter *c, const struct language *lang, char *bytes, uint32_t n)
{
    c->lang = lang;
    c->text = bytes;
    c->n = n;
    c->tree = NULL;
    c->flags = 0;
    c->salvage = false;
    c->lines.n = c->secrets.n = c->defs.n = c->refs.n = c->comments.n = c->attrs.n = c->wraps.n = c->docs.n = 0;
    c->frames.n = c->declared.n = c->evidence.n = c->inner_evidence.n = c->headers.n = c->chunks.n = c->words.n = c->stack.n = 0;
    c->ntests = c->nprototypes = c->nimports = c->nexports = c->comment_bytes = c->header_start = c->header_end = 0;
    buf_clear(&c->strings);
    if (c->names.n > 1 << 14 && c->nnames < c->names.n / 8) { /* after a large one: clearing it costs more than growing */
        free(c->names.v);
        c->names.v = NULL;
        c->names.n = c->names.cap = 0;
    }
    if (c->names.n)
        memset(c->names.v, 0, c->names.n * sizeof *c->names.v);
    c->nnames = 0;
}

/* One entry a line and one more at the end; a content that does not end with a line end has a last line all the same. */
static void find_lines(struct cutter *c)
{
    const char *p = c->text, *end = p + c->n;
    while (p < end) {
        VEC_ADD(c->lines, (uint32_t)(p - c->text));
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        p = nl ? nl + 1 : end;
    }
    VEC_ADD(c->lines, c->n);
}

uint32_t cut_line_of(const struct cutter *c, uint32_t byte)
{
    uint32_t lo = 0, hi = c->lines.n - 1;
    while (lo + 1 < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->lines.v[mid] <= byte)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

bool cut_line_has_word(const struct cutter *c, uint32_t line)
{
    for (uint32_t i = c->lines.v[line]; i < c->lines.v[line + 1]; i++) {
        unsigned char ch = (unsigned char)c->text[i];
        if (ch >= 128 || (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z'))
            return true;
    }
    return false;
}

struct input {
    const char *text;
    uint32_t n;
    uint64_t calls, max_calls;
};

static const char *read_text(void *payload, uint32_t at, TSPoint point, uint32_t *n)
{
    const struct input *in = payload;
    *n = at < in->n ? in->n - at : 0;
    return in->text + (at < in->n ? at : in->n);
}

/* Called by the parser after every hundred or so of its steps: counted, not timed, so that cut() stays a pure function. */
static bool too_slow(TSParseState *state)
{
    struct input *in = state->payload;
    return ++in->calls > in->max_calls;
}

/* Real sources, broken ones included, take at most 23 calls of too_slow() a kilobyte (forty repositories); recovery from
 * errors in bytes that are no source can take any number. */
static void parse(struct cutter *c)
{
    struct input in = {c->text, c->n, 0, 1000 + (uint64_t)c->n / 4};
    TSInput input = {&in, read_text, TSInputEncodingUTF8, NULL};
    TSParser *parser = ts_parser_new(); /* a content's own: what a parser keeps would outlive the memory of the parse */
    if (ts_parser_set_language(parser, c->lang->grammar()))
        c->tree = ts_parser_parse_with_options(parser, NULL, input, (TSParseOptions){&in, too_slow});
    ts_parser_delete(parser);
}

static void drop_tree(struct cutter *c)
{
    if (!parse_memory_end() && c->tree)
        ts_tree_delete(c->tree);
    c->tree = NULL;
}

static void cut_syntax(struct cutter *c)
{
    const struct tags *t = tags_of(c->lang); /* kept for good, so before the memory of this parse */
    parse_memory_begin();
    if (t && c->n > PARSE_MAX)
        c->flags |= RECORD_TRUNCATED;
    if (t && c->n <= PARSE_MAX && !(c->flags & RECORD_MINIFIED))
        parse(c);
    TSNode root;
    if (c->tree && (root = ts_tree_root_node(c->tree), ts_node_descendant_count(root) > CUT_MAX_NODES)) {
        drop_tree(c);
        c->flags |= RECORD_TRUNCATED;
    }
    if (!c->tree) {
        c->flags |= RECORD_BY_LINES;
        return;
    }
    if (ts_node_has_error(root))
        c->flags |= RECORD_HAS_ERRORS;
    cut_run_query(c, t);
    cut_symbols(c);
}

int cutter_cut(struct cutter *c, struct buf *out, const struct language *lang, char *bytes, size_t n, struct err *e)
{
    if (n > (size_t)1 << 30)
        return err_set(e, ERR_LIMIT, "cut: %zu bytes are more than 1 GiB", n);
    begin(c, lang, bytes, (uint32_t)n);
    cut_check_bytes(c);
    if (!(c->flags & (RECORD_BINARY | RECORD_LFS)) && n) {
        find_lines(c);
        cut_check_lines(c);
        cut_secrets(c);
        cut_syntax(c);
        cut_chunks(c);
        cut_evidence(c);
        cut_words(c);
    }
    cut_record(out, c);
    drop_tree(c);
    return 0;
}

int cut(struct buf *out, const struct language *lang, char *bytes, size_t n, struct err *e)
{
    struct cutter *c = cutter_new();
    int rc = cutter_cut(c, out, lang, bytes, n, e);
    cutter_free(c);
    return rc;
}
