/* What a project's own files declare: its programs and libraries, and the commands that build and test it. One row a format
 * (manifest.c), one small function each. Pure functions over foreign bytes: bounded, and fuzzed where they are defined.
 *
 * To add a format: a function in a manifest_*.c of this folder, declared in formats.h, and a row in manifest.c. */
#ifndef CODEASK_RETRIEVER_MANIFEST_H
#define CODEASK_RETRIEVER_MANIFEST_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>

#define MANIFEST_BYTES ((size_t)1 << 20) /* of one file; lock files and other generated data are larger, what people write is not */
#define MANIFEST_ITEMS 1000              /* of one file; the largest package.json met declares 150 */

enum declared_kind {
    DECLARED_PROGRAM, /* something that runs: a binary, a script that is installed, a main class */
    DECLARED_LIBRARY, /* what others import or link */
    DECLARED_PLUGIN,  /* called by another program that looks for it: Python's entry points */
    DECLARED_COMMAND  /* what a person types to build or test it */
};
enum command_purpose { COMMAND_BUILD, COMMAND_TEST, COMMAND_RUN, COMMAND_CHECK, COMMAND_OTHER };

struct declared {
    enum declared_kind kind;
    enum command_purpose purpose; /* of a command */
    bool implicit;                /* by the format's convention, not by a line of its own */
    bool test;                    /* the format says that it is for testing alone */
    struct str name;              /* as it is called from outside; of a command: the command line */
    struct str target;            /* where it begins, as declared: a path relative to the manifest's directory, "flask.cli:main",
                                     "com.foo.Main"; of a command: what it runs; may be empty */
    struct str sources;           /* files that it is made of, space-separated, where the format lists them; may be empty */
    uint32_t line, end_line;      /* that declare it */
};

/* Which files there are beside the manifest: what a format finds by convention (src/main.rs). Paths are from the repository's root. */
struct manifest_files {
    bool (*has)(void *arg, struct str path);
    /* Files in a directory (with its slash, "": the root) and below it, in path order; stops on false. */
    void (*below)(void *arg, struct str dir, bool (*each)(void *each_arg, struct str path), void *each_arg);
    void *arg;
};

struct manifest {
    struct str path, dir;       /* dir: with its slash; empty in the root */
    struct str text;            /* without a byte order mark */
    struct declared *v;         /* heap */
    size_t n, cap;
    const struct manifest_files *files;
    struct arena *arena;        /* of the strings that are not in text */
    struct str about;           /* its one line of description; may be empty */
    uint32_t about_line;
    bool broken;                /* not what its name says */
};

struct manifest_format {
    const char *file;           /* "package.json"; "*.csproj" by ending; "dir/", a star and ".yml" by directory and ending */
    const char *name;           /* for people: "npm" */
    void (*read)(struct manifest *m);
};

/* The format of a path; NULL when it is no manifest. */
const struct manifest_format *manifest_format_of(struct str path);
/* Reads text (masked bytes of the file). Strings in out live in text, path and arena. Release with manifest_release. */
void manifest_read(struct manifest *out, const struct manifest_format *f, struct str path, struct str text,
                   const struct manifest_files *files, struct arena *arena);
void manifest_release(struct manifest *m);
extern const struct manifest_format manifest_formats[]; /* ended by a NULL file */

#endif
