/* Understanding a stack trace, a compiler error or a log on standard input: a pure function from bytes to frames and quoted
 * pieces. Knows the shapes of Python, Java/Kotlin/Scala, JavaScript/TypeScript (V8, Firefox), Go panics, Rust panics and
 * backtraces, C/C++ (gdb, ASan, glibc), Ruby, PHP, C#, Elixir, gcc/clang/rustc/tsc/javac errors. */
#ifndef CODEASK_RETRIEVER_TRACE_H
#define CODEASK_RETRIEVER_TRACE_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct trace_frame {
    struct str path;          /* as written, may be absolute or empty */
    uint32_t line;            /* 0: unknown */
    struct str function;      /* last component, or empty */
    struct str qualified;     /* "pkg.Class.method" as written, or empty */
    uint32_t depth;           /* 0: where it was raised; order of evidence */
};

struct trace {
    struct trace_frame *frame;
    size_t nframes;
    struct str *message;      /* error texts and log lines worth searching for, variable parts cut off */
    size_t nmessages;
    struct str *identifier;   /* other names that stand out (quoted symbols, exception classes) */
    size_t nidentifiers;
};

/* Strings point into text, which must outlive out; arrays live in arena. Finds nothing in prose: all counts 0. Bounded:
 * at most TRACE_FRAMES frames are kept (first and last half when there are more). */
#define TRACE_FRAMES 200
void trace_parse(struct trace *out, const char *text, size_t len, struct arena *arena);

#endif
