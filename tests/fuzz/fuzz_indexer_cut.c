/* cut() on any bytes: the first one selects the language. Whatever comes in, the record must pass record_check() and keep
 * its chunks in order and apart. */
#include "base/mem.h"
#include "indexer/cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cutter *c;
    static uint32_t nlanguages;
    struct buf out = BUF_INIT;
    struct record r;
    struct err e = {0};
    if (!c) {
        c = cutter_new();
        while (languages[nlanguages].name)
            nlanguages++;
    }
    if (!size)
        return 0;
    const struct language *l = &languages[data[0] % nlanguages];
    char *text = mem_strn((const char *)data + 1, size - 1);
    if (cutter_cut(c, &out, l, text, size - 1, &e) || record_check(&r, out.data, out.len, &e)) {
        fprintf(stderr, "%s: %s\n", l->name, e.message);
        abort();
    }
    for (uint32_t i = 0; i < r.head->nchunks; i++)
        if (r.chunk[i].end <= r.chunk[i].start || (i && r.chunk[i].start < r.chunk[i - 1].end))
            abort();
    struct buf embed = BUF_INIT;
    for (uint32_t i = 0; i < r.head->nchunks && i < 4; i++)
        chunk_embed_text(&embed, &r, i, (struct str){text, size - 1});
    card_embed_text(&embed, &r, STR("a/b.c"), (struct str){text, size - 1});
    buf_release(&embed);
    buf_release(&out);
    free(text);
    return 0;
}
