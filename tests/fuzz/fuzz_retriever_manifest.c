/* Every reader of manifests on any bytes: the first byte chooses the format, the rest is the file. Strings must lie in readable
 * memory (the sanitizers see to that), lines inside the text, and what is declared within the limit. */
#include "retriever/manifest/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t touch(struct str s)
{
    size_t sum = 0;
    for (size_t i = 0; i < s.n; i++)
        sum += (unsigned char)s.p[i];
    return sum;
}

static bool has(void *arg, struct str path)
{
    return touch(path) % 3 == 0;
}

static void below(void *arg, struct str dir, bool (*each)(void *each_arg, struct str path), void *each_arg)
{
    static const char *const path[] = {"src/bin/one.rs", "src/bin/two/main.rs", "bin/tool", "src/main/java/App.java", NULL};
    for (size_t i = 0; path[i]; i++)
        if (strlen(path[i]) >= dir.n && !memcmp(path[i], dir.p, dir.n) && !each(each_arg, str_of(path[i])))
            return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static volatile size_t sink;
    static const struct manifest_files files = {has, below, NULL};
    struct arena arena;
    struct manifest m;
    size_t formats = 0;
    while (manifest_formats[formats].file)
        formats++;
    if (!size)
        return 0;
    char *text = malloc(size); /* exactly as long as it is: reading past it shows */
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    arena_init(&arena);
    manifest_read(&m, &manifest_formats[data[0] % formats], STR("some/dir/manifest"), (struct str){text, size - 1}, &files, &arena);
    size_t lines = 1;
    for (size_t i = 0; i + 1 < size; i++)
        lines += text[i] == '\n';
    if (m.n > MANIFEST_ITEMS)
        abort();
    for (size_t i = 0; i < m.n; i++) {
        const struct declared *d = &m.v[i];
        sink += touch(d->name) + touch(d->target) + touch(d->sources);
        if (!d->name.n || !d->line || d->end_line < d->line || d->end_line > lines)
            abort();
    }
    sink += touch(m.about);
    manifest_release(&m);
    arena_release(&arena);
    free(text);
    return 0;
}
