/* trace_parse on any bytes: within its limits, its strings inside the text or the arena (the sanitizers see to that). */
#include "retriever/trace.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static volatile size_t sink;
    struct arena arena;
    struct trace t;
    char *text = malloc(size + 1); /* exactly as long as it is: reading past it shows */
    if (!text)
        return 0;
    memcpy(text, data, size);
    arena_init(&arena);
    trace_parse(&t, text, size, &arena);
    if (t.nframes > TRACE_FRAMES || t.nmessages > TRACE_PIECES || t.nidentifiers > TRACE_PIECES)
        abort();
    for (size_t i = 0; i < t.nframes; i++)
        sink += touch(t.frame[i].path) + touch(t.frame[i].function) + touch(t.frame[i].qualified) + touch(t.frame[i].note);
    for (size_t i = 0; i < t.nmessages; i++)
        sink += touch(t.message[i]);
    for (size_t i = 0; i < t.nidentifiers; i++)
        sink += touch(t.identifier[i]);
    sink += touch(t.error);
    arena_release(&arena);
    free(text);
    return 0;
}
