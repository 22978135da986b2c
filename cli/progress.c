#include "cli/progress.h"

#include "base/clock.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PATIENCE_NS 250000000LL /* what is done sooner needs no bar */
#define REDRAW_NS 60000000LL
#define BAR 24

void progress_open(struct progress *p)
{
    struct winsize w;
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    *p = (struct progress){.tty = isatty(STDERR_FILENO), .width = 80, .began_ns = clock_ns()};
    if (term && !strcmp(term, "dumb"))
        p->tty = false;
    p->color = p->tty && !(no && *no);
    if (p->tty && !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col)
        p->width = w.ws_col;
}

/* ━━━━━━━━╸─────── in eighths would flicker; halves are enough. */
static void bar(struct buf *b, double share, bool color)
{
    int halves = (int)(share * BAR * 2 + 0.5);
    halves = halves < 0 ? 0 : halves > BAR * 2 ? BAR * 2 : halves;
    buf_adds(b, color ? "\033[36m" : "");
    for (int i = 0; i < halves / 2; i++)
        buf_adds(b, "━");
    if (halves % 2)
        buf_adds(b, "╸");
    buf_adds(b, color ? "\033[90m" : "");
    for (int i = (halves + 1) / 2; i < BAR; i++)
        buf_adds(b, color ? "━" : "─");
    buf_adds(b, color ? "\033[0m" : "");
}

static double number(json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void put_left(struct buf *b, double seconds, double share)
{
    if (seconds > 1 && share > 0.01 && share < 1) {
        long left = (long)(seconds / share - seconds + 0.5);
        buf_addf(b, "  ETA %ld:%02ld", left / 60, left % 60);
    }
}

void progress_show(void *progress, json_t *o)
{
    struct progress *p = progress;
    int64_t now = clock_ns();
    const char *stage = json_string_value(json_object_get(o, "stage"));
    const char *repo = json_string_value(json_object_get(o, "repo"));
    if (!p->tty || !stage)
        return;
    if (strcmp(stage, p->stage)) {
        snprintf(p->stage, sizeof p->stage, "%s", stage);
        p->stage_ns = now;
        p->drawn_ns = 0;
    }
    if (now - p->began_ns < PATIENCE_NS || now - p->drawn_ns < REDRAW_NS)
        return;
    p->drawn_ns = now;
    bool texts = !strcmp(stage, "embedding"), tokens = !strcmp(stage, "reading"), objects = !strcmp(stage, "fetching") || !strcmp(stage, "resolving");
    bool steps = json_object_get(o, "steps") != NULL;
    double all = number(o, steps ? "steps" : texts ? "texts" : tokens ? "tokens" : "files");
    double done = number(o, steps ? "step" : texts ? "texts_done" : tokens ? "tokens_done" : "files_done");
    double seconds = number(o, "seconds"), bytes = number(o, "bytes_done"), total = number(o, "bytes");
    double share = total > 0 && !texts ? bytes / total : all > 0 ? done / all : 0;
    char size[32];
    struct buf b = BUF_INIT;
    buf_adds(&b, "\r");
    put_cleans(&b, stage);
    buf_adds(&b, " ");
    put_cleans(&b, repo);
    if (!(all > 0) && total > 0) { /* bytes alone: a file on its way */
        buf_adds(&b, "  ");
        bar(&b, share, p->color);
        buf_addf(&b, "  %s", human_bytes(size, bytes));
        buf_addf(&b, " of %s", human_bytes(size, total));
        if (seconds > 0.5)
            buf_addf(&b, "  %s/s", human_bytes(size, bytes / seconds));
        put_left(&b, seconds, share);
    } else if (all > 0) {
        buf_adds(&b, "  ");
        bar(&b, share, p->color);
        buf_addf(&b, "  %.0f/%.0f %s", done, all, steps ? "steps" : texts ? "texts" : tokens ? "tokens of sources" : objects ? "objects" : "files");
        if (seconds > 0.5 && bytes > 0 && !texts)
            buf_addf(&b, "  %s/s", human_bytes(size, bytes / seconds));
        if (seconds > 0.5 && texts)
            buf_addf(&b, "  %.0f/s", done / seconds);
        put_left(&b, seconds, share);
        if (steps && number(o, "loss") > 0) {
            long left = (long)(number(o, "eta_s") + .5);
            buf_addf(&b, "  loss %.3f  %.0f tokens/s  %s  ETA %ld:%02ld", number(o, "loss"), number(o, "tokens_per_s"), human_bytes(size, number(o, "memory")), left / 60,
                     left % 60);
        }
        if (steps && json_is_true(json_object_get(o, "paused")))
            buf_adds(&b, "  stands still for a question");
    } else {
        buf_adds(&b, " …");
    }
    int columns = 0, w;
    size_t cut = 0;
    while (cut < b.len && columns < p->width) {
        cut += char_at(b.data + cut, b.len - cut, &w);
        columns += b.data[cut - 1] == '\r' ? 0 : w;
    }
    fprintf(stderr, "%.*s\033[0m\033[K", (int)cut, b.data);
    fflush(stderr);
    buf_release(&b);
    p->shown = true;
}

void progress_close(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}
