/* trace_parse over real traces (tests/corpora/traces), prose and hostile bytes.
 *
 * A NAME.want is what report() below writes:
 *   error TEXT
 *   GROUP.DEPTH KIND PATH:LINE [FUNCTION] [| NOTE]     a frame; FUNCTION is - where there is none
 *   message TEXT
 *   name IDENTIFIER
 * TRACE_WRITE=1 writes the files anew instead of comparing: read the difference before it is committed. */
#include "retriever/trace.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CORPUS TEST_SOURCE_DIR "/tests/corpora/traces/"

static void add(struct buf *out, struct str s)
{
    buf_add(out, s.p, s.n);
}

static void report(struct buf *out, const struct trace *t)
{
    static const char *const kinds[] = {"call", "diagnostic", "note", "place"};
    if (t->error.n) {
        buf_adds(out, "error ");
        add(out, t->error);
        buf_addc(out, '\n');
    }
    for (size_t i = 0; i < t->nframes; i++) {
        const struct trace_frame *f = &t->frame[i];
        buf_addf(out, "%u.%u %s ", f->group, f->depth, kinds[f->kind]);
        add(out, f->path);
        buf_addf(out, ":%u ", f->line);
        add(out, f->function.n ? f->function : STR("-"));
        if (f->note.n) {
            buf_adds(out, " | ");
            add(out, f->note);
        }
        buf_addc(out, '\n');
    }
    for (size_t i = 0; i < t->nmessages; i++) {
        buf_adds(out, "message ");
        add(out, t->message[i]);
        buf_addc(out, '\n');
    }
    for (size_t i = 0; i < t->nidentifiers; i++) {
        buf_adds(out, "name ");
        add(out, t->identifier[i]);
        buf_addc(out, '\n');
    }
}

static void real_traces(void **state)
{
    glob_t g;
    assert_int_equal(glob(CORPUS "*.txt", 0, NULL, &g), 0);
    assert_true(g.gl_pathc >= 30);
    size_t differ = 0;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        struct buf text = BUF_INIT, want = BUF_INIT, got = BUF_INIT;
        struct arena arena;
        struct trace t;
        char name[4096];
        snprintf(name, sizeof name, "%.*s.want", (int)strlen(g.gl_pathv[i]) - 4, g.gl_pathv[i]);
        arena_init(&arena);
        assert_int_equal(file_read(&text, g.gl_pathv[i], 1 << 20, NULL), 0);
        trace_parse(&t, text.data, text.len, &arena);
        report(&got, &t);
        if (getenv("TRACE_WRITE")) {
            assert_int_equal(file_write(name, got.data, got.len, 0644, NULL), 0);
        } else if (file_read(&want, name, 1 << 20, NULL) || want.len != got.len || memcmp(want.data, got.data, got.len)) {
            print_message("%s: want\n%s\ngot\n%s\n", name, want.data ? want.data : "(nothing)", got.data);
            differ++;
        }
        arena_release(&arena);
        buf_release(&text);
        buf_release(&want);
        buf_release(&got);
    }
    globfree(&g);
    assert_int_equal(differ, 0);
}

static void prose(void **state)
{
    static const char *const texts[] = {
        "",
        "\n\n  \n",
        "The session keeps connections open. At the end of each request, the adapter (see the docs) is asked whether\n"
        "it wants to stay. In practice: most do. It was introduced in 2019 and costs 3.5% of the time.\n",
        "# Errors\n\nAn error is a value. A warning is not: it goes to the log. Exceptions are raised at the edge,\n"
        "e.g. by the HTTP layer (RFC 9110), and mapped to one of 4 classes.\n\n1. first\n2. second: more\n#1 is the best\n",
        "Why does login at 10:30 fail for user bob? Is there a time limit at all?",
        "see https://example.org:8080/docs/index.html and mail ann@example.org:25",
        "Dear all,\nfrom: Ann\nto: Bob\nsubject: error handling\nAt 12:45 we met (in room 3).\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct arena arena;
        struct trace t;
        struct buf got = BUF_INIT;
        arena_init(&arena);
        trace_parse(&t, texts[i], strlen(texts[i]), &arena);
        report(&got, &t);
        assert_string_equal(got.data ? got.data : "", "");
        buf_release(&got);
        arena_release(&arena);
    }
}

/* A runaway recursion of two functions: bounded, with its beginning and its end. */
static void deep_stack(void **state)
{
    struct buf text = BUF_INIT;
    struct arena arena;
    struct trace t;
    arena_init(&arena);
    buf_adds(&text, "java.lang.StackOverflowError\n");
    for (int i = 0; i < 5000; i++)
        buf_addf(&text, "\tat com.acme.A.f%d(A.java:%d)\n", i % 2, i);
    trace_parse(&t, text.data, text.len, &arena);
    assert_int_equal(t.nframes, TRACE_FRAMES);
    assert_int_equal(t.frame[0].depth, 0);
    assert_int_equal(t.frame[0].line, 0);
    assert_int_equal(t.frame[TRACE_FRAMES - 1].line, 4999);
    assert_int_equal(t.frame[TRACE_FRAMES - 1].depth, 4999);
    assert_int_equal(t.frame[TRACE_FRAMES / 2 - 1].line, TRACE_FRAMES / 2 - 1);
    buf_release(&text);
    arena_release(&arena);
}

/* Lines that invite quadratic work: a megabyte of each takes no more than a moment. */
static void hostile(void **state)
{
    static const char *const units[] = {"(", ")", "'", "\"a ", "at (", "<", "{(<", ": ", ":1", " in ", "#0 ", "\n#0 0x1 in f(", "\n1: a::",
                                        "\x1b[", "\nCaused by: X: ", " | ", "'a':", "[", "\\", "\nat a.b(c.d:1)", "0x", "\n\"msg\":\""};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        struct buf text = BUF_INIT;
        struct arena arena;
        struct trace t;
        arena_init(&arena);
        while (text.len < 1 << 20)
            buf_adds(&text, units[u]);
        double began = clock_ms();
        trace_parse(&t, text.data, text.len, &arena);
        assert_true(clock_ms() - began < 5000); /* sanitizers and busy machines included; about 20 ms without */
        assert_true(t.nframes <= TRACE_FRAMES && t.nmessages <= TRACE_PIECES && t.nidentifiers <= TRACE_PIECES);
        buf_release(&text);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_traces),
        cmocka_unit_test(prose),
        cmocka_unit_test(deep_stack),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
