/* An answer: its text, then its sources. */
#include "cli/show.h"

#include <string.h>

static bool holds_n(json_t *rows, int64_t n)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
        if (int_of(row, "n") == n)
            return true;
    return false;
}

size_t put_citations(struct buf *out, const struct look *l, json_t *rows, json_t *answer, json_t *except)
{
    size_t i, put = 0;
    json_t *c;
    bool repo = many_repos(rows);
    json_array_foreach(rows, i, c) {
        if (holds_n(except, int_of(c, "n")))
            continue;
        put_styled(out, l, STYLE_CITE, "[%lld]", (long long)int_of(c, "n"));
        buf_addc(out, ' ');
        put_place(out, l, c, repo, true);
        if (*text_of(c, "symbol"))
            put_styled(out, l, STYLE_DIM, "  %s", text_of(c, "symbol"));
        put_uncommitted(out, l, c, answer);
        buf_addc(out, '\n');
        put++;
    }
    return put;
}

static void put_footer(struct buf *out, const struct look *l, json_t *r)
{
    struct buf f = BUF_INIT;
    put_state(&f, r);
    buf_addc(out, '\n');
    buf_adds(out, style(l, STYLE_DIM));
    put_cleans(out, text_of(r, "mode"));
    if (!strcmp(text_of(r, "mode"), "generated")) {
        buf_adds(out, " by ");
        put_cleans(out, text_of(r, "model"));
        if (int_of(r, "dropped_citations"))
            buf_addf(out, ", %lld citation%s taken out", (long long)int_of(r, "dropped_citations"), int_of(r, "dropped_citations") == 1 ? "" : "s");
    }
    buf_addf(out, " · %s · %.0f ms", f.data ? f.data : "", json_number_value(json_object_get(json_object_get(r, "timings"), "total")));
    buf_adds(out, style(l, STYLE_NONE));
    buf_addc(out, '\n');
    if (l->tty)
        put_styled(out, l, STYLE_DIM, "was this right? codeask feedback %s good|bad · to go on: codeask ask --continue …\n", text_of(r, "id"));
    buf_release(&f);
    put_note(out, l, r);
}

void show_ask_rest(struct buf *out, const struct look *l, json_t *r, bool text_shown, json_t *listed)
{
    const char *answer = text_of(r, "answer");
    struct buf sources = BUF_INIT;
    if (!text_shown)
        put_markdown(out, l, answer, strlen(answer));
    if (put_citations(&sources, l, json_object_get(r, "citations"), r, listed)) {
        buf_addc(out, '\n');
        if (!l->color)
            buf_adds(out, "Sources:\n");
        buf_add(out, sources.data, sources.len);
    }
    buf_release(&sources);
    put_footer(out, l, r);
}

void show_ask(struct buf *out, const struct look *l, json_t *r)
{
    show_ask_rest(out, l, r, false, NULL);
}
