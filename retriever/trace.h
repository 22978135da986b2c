/* Understanding a stack trace, a compiler error or a log on standard input: a pure function from bytes to frames and quoted
 * pieces. Knows the shapes of Python, Java/Kotlin/Scala, JavaScript/TypeScript (V8, Firefox), Go panics, Rust panics and
 * backtraces, C/C++ (gdb, ASan, valgrind, glibc), Ruby, PHP, C#, Elixir, Lua, Perl, shells, make and
 * gcc/clang/rustc/tsc/javac/kotlinc/go errors. To add one: a function in trace_frames.c or trace_diag.c and its row in the
 * table of trace.c. */
#ifndef CODEASK_RETRIEVER_TRACE_H
#define CODEASK_RETRIEVER_TRACE_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum trace_frame_kind {
    TRACE_CALL,               /* a frame of a stack */
    TRACE_DIAGNOSTIC,         /* a compiler's error, or an interpreter's syntax error */
    TRACE_NOTE,               /* what a diagnostic refers to: a warning, a note, a previous declaration */
    TRACE_PLACE               /* path:line somewhere in a line */
};

struct trace_frame {
    struct str path;          /* as written, may be absolute or empty */
    uint32_t line;            /* 0: unknown */
    struct str function;      /* last component, or empty */
    struct str qualified;     /* "pkg.Class.method" as written, or empty */
    struct str note;          /* what a diagnostic says there, or empty */
    uint32_t depth;           /* in its stack; 0: where it was raised. Diagnostics have 0 */
    uint32_t group;           /* which stack; 0 is the root cause */
    enum trace_frame_kind kind;
};

struct trace {
    struct trace_frame *frame; /* by group, then depth: in order of evidence */
    size_t nframes;
    struct str *message;      /* constant pieces of error texts and log lines, worth looking up: numbers, hex, quoted values
                                 and paths are cut out, so one text may give several pieces */
    size_t nmessages;
    struct str *identifier;   /* other names that stand out (quoted symbols, exception classes) */
    size_t nidentifiers;
    struct str error;         /* the line that says best what went wrong, as written, or empty */
};

/* Strings point into text, which must outlive out, or into arena, where everything else lives. Finds nothing in prose: all
 * counts 0. Linear in len. Bounded: at most TRACE_FRAMES frames are kept (first and last half when there are more), and
 * TRACE_PIECES messages and identifiers each. */
#define TRACE_FRAMES 200
#define TRACE_PIECES 64
void trace_parse(struct trace *out, const char *text, size_t len, struct arena *arena);

#endif
