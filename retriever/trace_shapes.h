/* Between trace.c (lines, groups, limits) and the shapes of lines that it knows (trace_frames.c, trace_diag.c, trace_log.c).
 * A shape looks at one line and either takes it (true) or leaves everything as it was. Private to retriever/trace*.c. */
#ifndef CODEASK_RETRIEVER_TRACE_SHAPES_H
#define CODEASK_RETRIEVER_TRACE_SHAPES_H

#include "retriever/str.h"
#include "retriever/trace.h"

#define TRACE_LINE_MAX 4096 /* of a longer line only the beginning is read */
#define TRACE_GROUPS 64

enum trace_order { INNERMOST_FIRST, OUTERMOST_FIRST };

struct trace_group {
    uint32_t chain;              /* groups of one chain of causes stay together */
    int32_t rank;                /* within the chain; the root cause is lowest */
    uint32_t first, last;        /* sequence numbers of frames */
    uint32_t place;              /* its index after sorting */
    enum trace_order order;
};

struct tracer {
    struct arena *arena;
    struct trace *out;
    struct trace_frame head[TRACE_FRAMES / 2], tail[TRACE_FRAMES / 2]; /* tail is a ring */
    uint32_t head_seq[TRACE_FRAMES / 2], tail_seq[TRACE_FRAMES / 2];
    uint32_t nframes;            /* seen; also the next sequence number */
    struct trace_frame last;     /* to drop the repetitions of a recursion */
    struct trace_group group[TRACE_GROUPS];
    uint32_t ngroups;
    bool open;                   /* the current group still takes frames */
    struct str function;         /* named by the line before (Go, Rust), for the next one */
    struct str in_function;      /* gcc: for the diagnostics that follow */
    struct str diagnostic;       /* "error[E0308]: mismatched types", waiting for its "-->" */
    bool diagnostic_is_note;
    bool want_message;           /* the next line is the text of a panic */
    int error_weight;            /* of out->error: a better one replaces it */
    uint32_t causes;             /* lines that announce another link of a chain */
};

/* -- what shapes report ------------------------------------------------------------------------------------------------ */
/* A frame of a stack; path or function may be empty. order says how this runtime prints its stacks. */
void tracer_call(struct tracer *t, struct str path, uint32_t line, struct str qualified, enum trace_order order);
/* Names the frame before, for runtimes that print the callee beside the place of the call. */
void tracer_name_last(struct tracer *t, struct str qualified);
/* A diagnostic, note or bare place. */
void tracer_place(struct tracer *t, enum trace_frame_kind kind, struct str path, uint32_t line, struct str function,
                  struct str note);
void tracer_end_group(struct tracer *t);             /* the next call frame begins another stack */
void tracer_cause(struct tracer *t);                 /* … which is the cause of the current one */
/* The text of an error or a log line: its constant pieces and quoted names are kept; weight 0 only those, more: a
 * candidate for out->error. */
void tracer_error(struct tracer *t, struct str text, int weight);
void tracer_identifier(struct tracer *t, struct str name);
void tracer_literal(struct tracer *t, struct str text); /* kept as a message without being cut */

/* -- reading a line ------------------------------------------------------------------------------------------------------ */
bool str_number(struct str *s, uint32_t *n);         /* removes decimal digits; saturates; false when there are none */
bool char_ident(char c);                             /* letter, digit, _, $ or beyond ASCII */
/* "path:12", "path:12:5" at the end of s, or "path(12)", "path(12,5)": splits; path non-empty and without blanks. */
bool str_place(struct str s, struct str *path, uint32_t *line);
/* The same at the beginning; rest is what follows the last number and its colon. */
bool str_place_head(struct str s, struct str *path, uint32_t *line, struct str *rest);
bool str_pathlike(struct str s);                     /* has a file's suffix, or a directory and no blank */
/* "pkg.Class$Inner.lambda$place$0" → "place"; empty when nothing in it is a name. */
struct str function_of(struct str qualified);

/* -- shapes: rows of the table in trace.c --------------------------------------------------------------------------------- */
bool shape_python(struct tracer *t, struct str s);
bool shape_at(struct tracer *t, struct str s);       /* JVM, V8, .NET, valgrind, rust's second lines */
bool shape_hash(struct tracer *t, struct str s);     /* gdb, ASan, PHP */
bool shape_go(struct tracer *t, struct str s);
bool shape_rust(struct tracer *t, struct str s);
bool shape_ruby(struct tracer *t, struct str s);
bool shape_php(struct tracer *t, struct str s);
bool shape_perl(struct tracer *t, struct str s);
bool shape_firefox(struct tracer *t, struct str s);
bool shape_elixir(struct tracer *t, struct str s);
bool shape_lua(struct tracer *t, struct str s);
bool shape_assert(struct tracer *t, struct str s);
bool shape_paren_diagnostic(struct tracer *t, struct str s); /* tsc, MSBuild: path(6,39): error … */
bool shape_rustc(struct tracer *t, struct str s);
bool shape_kotlinc(struct tracer *t, struct str s);
bool shape_in_function(struct tracer *t, struct str s);
bool shape_included_from(struct tracer *t, struct str s);
bool shape_make(struct tracer *t, struct str s);
bool shape_shell(struct tracer *t, struct str s);
bool shape_colon_diagnostic(struct tracer *t, struct str s); /* gcc, clang, javac, go, tsc --pretty, node's first line */
bool shape_exception(struct tracer *t, struct str s);
bool shape_log(struct tracer *t, struct str s);
bool shape_place(struct tracer *t, struct str s);

/* Removes what a log shipper puts before a line: "web_1  | ", "==123== ". */
struct str log_unship(struct str s);
/* Removes a timestamp and "host app[12]: ". Never the level. */
struct str log_unprefix(struct str s);

#endif
