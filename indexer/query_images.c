/* Run when the program is built: compiles the query of every language and writes query_images.h, which tags.c includes.
 *   query_images OUT */
#include "indexer/language.h"

#include "third_party/query_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_one(FILE *f, const struct language *l)
{
    uint32_t at;
    TSQueryError why;
    char *bytes;
    TSQuery *q = ts_query_new(l->grammar(), l->tags_scm, (uint32_t)strlen(l->tags_scm), &at, &why);
    if (!q)
        return fprintf(stderr, "queries/%s.scm: error %d near: %.60s\n", l->name, (int)why, l->tags_scm + at), 1;
    size_t n = query_image_write(&bytes, q, l->tags_scm, strlen(l->tags_scm));
    fprintf(f, "static const unsigned char image_%s[] = {", l->name);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%u,", (unsigned char)bytes[i]);
    fputs("};\n", f);
    free(bytes);
    ts_query_delete(q);
    return n ? 0 : 1;
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "w") : NULL;
    int failed = 0;
    if (!f)
        return fprintf(stderr, "usage: query_images OUT\n"), 2;
    fputs("/* made by query_images from the queries: compiled, as third_party/query_image.h reads them */\n", f);
    for (const struct language *l = languages; l->name; l++)
        if (l->grammar && l->tags_scm)
            failed |= write_one(f, l);
    fputs("static const struct {\n    const char *name;\n    const unsigned char *bytes;\n    size_t n;\n} images[] = {\n", f);
    for (const struct language *l = languages; l->name; l++)
        if (l->grammar && l->tags_scm)
            fprintf(f, "    {\"%s\", image_%s, sizeof image_%s},\n", l->name, l->name, l->name);
    fputs("};\n", f);
    failed |= fclose(f) != 0;
    if (failed)
        remove(argv[1]);
    return failed;
}
