/* What the steps of a tour share. Private to retriever/. */
#ifndef CODEASK_RETRIEVER_TOUR_INSIDE_H
#define CODEASK_RETRIEVER_TOUR_INSIDE_H

#include "retriever/answer_parts.h"
#include "retriever/manifest/text.h"
#include "retriever/tour.h"

#define CITE_NONE 0u

struct tour_work {
    struct lookup l;              /* over one target */
    const struct snapshot *s;
    struct str prefix;
    uint8_t *role;                /* [s->nfiles] enum tour_role */
    struct parts cites;           /* what is cited, in order; a cite is its index + 1 */
    struct raw_entry *entry;      /* heap */
    size_t nentries, entries_cap;
    struct raw_command *command;  /* heap */
    size_t ncommands, commands_cap;
    struct raw_module *module;    /* in the arena */
    size_t nmodules;
    struct raw_stop *stop;        /* in the arena */
    size_t nstops;
    const char *about;
    uint32_t about_cite;
    struct arena *arena;
    struct tour *out;
};

/* As in struct tour, with cites for places. */
struct raw_entry {
    const char *kind, *name, *format;
    const char **target;
    size_t ntargets;
    enum tour_role role;
    bool implicit;
    uint32_t declared, at;
    uint32_t file, symbol;        /* of `at`; FILE_NONE, RECORD_NONE */
    uint32_t declared_file;       /* FILE_NONE */
};
struct raw_command {
    enum command_purpose purpose;
    enum tour_role role;
    const char *typed, *runs, *directory;
    bool implicit;
    uint32_t at;
};

struct raw_module {
    struct tour_module m;
    uint32_t hub;
    struct tour_use *use;
    uint32_t *use_at;             /* [m.nuses] */
};
struct raw_stop {
    uint32_t cite, file, symbol;
    const char *reason;
};

/* tour.c */
bool tour_inside(const struct tour_work *w, uint32_t file);          /* below the prefix */
/* A place to be cited: the lines [first, last] of a file, and the symbol that they are. CITE_NONE where it cannot be read. */
uint32_t tour_cite(struct tour_work *w, uint32_t file, uint32_t symbol, uint32_t first, uint32_t last);
bool tour_record(struct record *out, struct tour_work *w, uint32_t file); /* false: it was not cut */
/* The symbol of a file that is called so, a function or module before others; RECORD_NONE. */
uint32_t tour_symbol(struct tour_work *w, uint32_t file, struct str name);
const char *tour_text(struct tour_work *w, struct str s);            /* a copy in the arena */

/* tour_about.c */
void tour_about(struct tour_work *w);
/* tour_entries.c: entries and commands out of manifests, and main functions out of the symbols */
int tour_entries(struct tour_work *w, struct err *e);
/* tour_resolve.c: the file, and in it the symbol (RECORD_NONE: the whole), where something declared begins; FILE_NONE */
uint32_t tour_resolve(uint32_t *symbol, struct tour_work *w, const struct manifest *m, const struct declared *d);

#endif
