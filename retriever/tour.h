/* A walk for somebody who is new to a repository: what it is, where it begins, how it is built and tested, its main modules with
 * the edges between them, and an order to read it in, with the reason for each stop. Everything out of the index; every place is
 * read again from its source and compared before it is given, and what does not hold is left out and counted. */
#ifndef CODEASK_RETRIEVER_TOUR_H
#define CODEASK_RETRIEVER_TOUR_H

#include "retriever/answer.h"
#include "retriever/manifest/manifest.h"

/* What a file, or a place in it, is there for. X(symbol, name in JSON) */
#define TOUR_ROLES(X)                                                                                                  \
    X(ROLE_MAIN, "main")                                                                                               \
    X(ROLE_TEST, "test")                                                                                               \
    X(ROLE_EXAMPLE, "example") /* examples, samples, benchmarks, documentation */                                      \
    X(ROLE_TOOL, "tool") /* of continuous integration and releases */                                                   \
    X(ROLE_VENDORED, "vendored")                                                                                       \
    X(ROLE_GENERATED, "generated")

enum tour_role {
#define X(sym, name) sym,
    TOUR_ROLES(X)
#undef X
    ROLE_COUNT
};
const char *tour_role_name(enum tour_role r);

struct tour_place {
    const struct search_hit *hit; /* NULL: there is none */
    uint32_t start_line, end_line;
};

struct tour_entry {
    const char *kind;             /* "program", "library", "plugin"; "main" for a main function that no manifest names */
    const char *name;
    const char **target;          /* [ntargets] as declared; several are variants of one (import, require, types) */
    size_t ntargets;
    const char *format;           /* "npm", "Cargo" …; NULL where no manifest declares it */
    enum tour_role role;
    bool implicit;                /* by convention of the format */
    struct tour_place declared;   /* in the manifest; none for a main function */
    struct tour_place at;         /* where it begins; none where that is not in the repository (build output) */
};

struct tour_command {
    enum command_purpose purpose;
    enum tour_role role;
    const char *typed, *runs;     /* runs: "" or what it stands for */
    const char *directory;        /* to type it in, with its slash; "": the root */
    bool implicit;
    struct tour_place at;         /* that declares it */
};

/* References from one module to another; at: one of them. */
struct tour_use {
    const char *path;
    uint32_t count;
    struct tour_place at;
};
struct tour_module {
    const char *path;             /* "lib/router/"; of a file that is a module of its own, that file */
    bool files_only;              /* without the directories below it: they are modules of their own */
    bool rest;                    /* of a flat directory whose largest files are modules of their own */
    uint32_t files, lines, definitions;
    uint32_t used, users;         /* references from other modules, and how many modules those are */
    struct tour_place hub;        /* what others use most of it */
    const struct tour_use *use;   /* [nuses], most first */
    size_t nuses;
};

struct tour_aside {               /* what is there beside the code itself */
    enum tour_role role;
    uint32_t files;
    const char *path[3];          /* the directories that hold most of it; NULL past the last */
};

struct tour_stop {
    struct tour_place at;
    const char *reason;
};

struct tour {
    const char *about;            /* NULL: nothing says what it is */
    struct tour_place about_at;
    struct tour_entry *entry;
    size_t nentries;
    struct tour_command *command;
    size_t ncommands;
    struct tour_module *module;   /* most important first */
    size_t nmodules;
    uint32_t other_modules;       /* that are not among them */
    struct tour_aside aside[ROLE_COUNT];
    size_t nasides;
    struct tour_stop *stop;
    size_t nstops;
    uint32_t unread_manifests;    /* broken, masked into something else, or past a limit */
    uint32_t dropped;             /* places that did not hold */
};

const char *command_purpose_name(enum command_purpose p);

/* The tour of one view, below prefix ("" for all; a directory with its slash). Everything in out lives in arena. */
int tour_make(struct tour *out, struct retriever *r, const struct search_target *target, const char *prefix, source_reader read,
              void *read_arg, struct arena *arena, struct err *e);

#endif
