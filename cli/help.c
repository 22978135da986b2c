/* Help, from the rows. */
#include "cli/show.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void put_flag(struct buf *out, const struct look *l, const struct method_flag *f)
{
    char left[64];
    snprintf(left, sizeof left, "%s%c%s--%s%s%s", f->letter ? "-" : " ", f->letter ? f->letter : ' ', f->letter ? ", " : "  ",
             f->name, f->argument ? " " : "", f->argument ? f->argument : "");
    buf_adds(out, "  ");
    put_styled(out, l, STYLE_NAME, "%-26s", left);
    buf_addf(out, "  %s\n", f->help);
}

static void row_help(struct buf *out, const struct look *l, const struct method *m)
{
    buf_addf(out, "usage: codeask %s%s%s%s\n\n", m->name, m->flags ? " [OPTION]…" : "", m->arguments ? " " : "",
             m->arguments ? m->arguments : "");
    buf_addf(out, "%c%s.\n", toupper((unsigned char)m->help[0]), m->help + 1);
    if (m->detail)
        buf_addf(out, "\n%s\n", m->detail);
    buf_addc(out, '\n');
    for (const struct method_flag *f = m->flags; f && f->name; f++)
        put_flag(out, l, f);
}

void show_help(struct buf *out, const struct look *l, const struct method *row)
{
    if (row) {
        row_help(out, l, row);
        return;
    }
    buf_adds(out, "usage: codeask \"question\"              ask about the repository around the current directory\n"
                  "       codeask COMMAND [OPTION]… …\n\n");
    for (const struct method *m = methods; m->name; m++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", m->name, m->arguments ? " " : "", m->arguments ? m->arguments : "");
        buf_adds(out, "  ");
        put_styled(out, l, STYLE_NAME, "%-22s", left);
        buf_addf(out, "  %s\n", m->help);
    }
    buf_adds(out, "\nSeveral bare words are one question. -- ends options; - reads standard input.\n"
                  "codeask help COMMAND shows a command's options; codeask --version the version.\n"
                  "Exit status: 0 answered, 1 nothing found or not enough evidence, 2 wrong usage or failure.\n");
}
