/* Who uses what, as far as names, imports and directories tell: the references of the code itself, each resolved to one definition or
 * left out. From it come modules (directories, or the files of a flat one) and the edges between them. Private to retriever/. */
#ifndef CODEASK_RETRIEVER_TOUR_GRAPH_H
#define CODEASK_RETRIEVER_TOUR_GRAPH_H

#include "retriever/tour_inside.h"

#define MODULES_MAX 64 /* told apart: a bit each in a definition's users */
#define MODULE_NONE 255

struct tour_def {
    uint64_t name;       /* hash */
    uint32_t file, symbol;
    uint32_t uses;       /* from other definitions' files, tests and examples left out */
    uint64_t users;      /* bits of the modules they are in */
    uint32_t lines;
    uint8_t kind, module;
};

struct tour_edge {
    uint32_t count;
    uint32_t file, line; /* of one reference; FILE_NONE */
};

struct tour_mod {
    struct str dir;      /* with its slash; of a file: its path */
    bool direct;         /* only the files right in dir */
    bool file;
    bool rest;           /* direct, without the files that are modules of their own */
    uint32_t nfiles, lines, ndefs;
    uint32_t used, users; /* references from other modules, and how many modules those are */
    uint32_t hub;        /* index into def: what others use most of it; UINT32_MAX */
    double weight;
};

struct tour_graph {
    struct tour_def *def; /* [ndefs] heap, by name */
    size_t ndefs, cap;
    struct tour_mod mod[MODULES_MAX];
    unsigned nmods;
    uint8_t *module;      /* [nfiles] index into mod, or MODULE_NONE */
    struct tour_edge (*edge)[MODULES_MAX]; /* heap, [from][to] */
    uint32_t lines;       /* of the code itself */
    bool whole;           /* one module: nothing to part */
};

/* tour_modules.c: parts the code below the prefix into modules */
void tour_modules(struct tour_graph *g, struct tour_work *w);
void tour_list_modules(struct tour_work *w, const struct tour_graph *g); /* the most important ones, cited, with their edges */
/* tour_graph.c: fills def and edge; then hub, used and weight of the modules. */
void tour_graph(struct tour_graph *g, struct tour_work *w);
void tour_graph_release(struct tour_graph *g);
/* A reference's definition, UINT32_MAX where it cannot be told. from: the file it stands in; receiver: what a call of a plain word is
 * made on, empty where it is made on nothing. */
uint32_t tour_resolve_ref(const struct tour_graph *g, struct tour_work *w, uint32_t from, struct str name, enum ref_kind kind, struct str receiver);
bool tour_is_code(const struct tour_work *w, uint32_t file); /* the code itself, below the prefix */
bool tour_is_type(uint8_t kind);
/* How much a definition tells a newcomer: by who uses it, types before functions, long ones before short ones. */
double tour_worth(const struct tour_def *d);
/* tour_reading.c */
void tour_reading(struct tour_work *w, struct tour_graph *g);

#endif
