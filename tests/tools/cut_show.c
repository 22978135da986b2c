/* Shows what cut() makes of files: cut_show [-l LANGUAGE] [-w hsrc] [-e] FILE…
 * -w: which parts (head, symbols, references, chunks); -e: the texts that are embedded. */
#include "base/file.h"
#include "indexer/cut.h"
#include "tests/tools/cut_dump.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *name = NULL, *parts = "hsrc";
    bool embedded = false;
    int opt;
    while ((opt = getopt(argc, argv, "l:w:e")) != -1) {
        if (opt == 'l')
            name = optarg;
        else if (opt == 'w')
            parts = optarg;
        else if (opt == 'e')
            embedded = true;
        else
            return 2;
    }
    unsigned what = (strchr(parts, 'h') ? DUMP_HEAD : 0) | (strchr(parts, 's') ? DUMP_SYMBOLS : 0) |
                    (strchr(parts, 'r') ? DUMP_REFS : 0) | (strchr(parts, 'c') ? DUMP_CHUNKS : 0);
    struct cutter *c = cutter_new();
    int failed = 0;
    for (int i = optind; i < argc; i++) {
        struct buf text = BUF_INIT, record = BUF_INIT, out = BUF_INIT;
        struct record r;
        struct err e;
        if (file_read(&text, argv[i], (size_t)1 << 30, &e)) {
            fprintf(stderr, "%s\n", e.message);
            failed = 2;
            continue;
        }
        struct str whole = {text.data ? text.data : "", text.len};
        const struct language *l = name ? language_named(name) : language_for(str_of(argv[i]), whole);
        if (!l || cutter_cut(c, &record, l, text.data, text.len, &e) || record_check(&r, record.data, record.len, &e)) {
            fprintf(stderr, "%s: %s\n", argv[i], l ? e.message : "no such language");
            failed = 2;
        } else {
            cut_dump(&out, &r, whole, what);
            if (embedded) {
                card_embed_text(&out, &r, str_of(argv[i]), whole);
                for (uint32_t k = 0; k < r.head->nchunks; k++) {
                    buf_addf(&out, "\n--- %u-%u\n", r.chunk[k].start_line, r.chunk[k].end_line);
                    chunk_embed_text(&out, &r, k, whole);
                }
                buf_addc(&out, '\n');
            }
            printf("== %s\n%s", argv[i], out.data ? out.data : "");
        }
        buf_release(&text);
        buf_release(&record);
        buf_release(&out);
    }
    cutter_free(c);
    return failed;
}
