/* What the files of corpus/ share: one corpus_make on its way. */
#ifndef CODEASK_RETRIEVER_CORPUS_INSIDE_H
#define CODEASK_RETRIEVER_CORPUS_INSIDE_H

#include "engine/train/random.h"
#include "retriever/corpus/make.h"
#include "retriever/lookup.h"

#define BLOB 20 /* bytes of a content's name */

struct lesson {
    struct corpus_record r; /* its texts are in the maker's arena */
    struct hash128 hash;    /* of what is learned: the texts */
    bool dropped;
};

/* A definition that questions with several sources are made of (choices.c). */
struct known {
    bool held;
    uint8_t kind;           /* enum symbol_kind */
    uint32_t repo, first, last;
    uint8_t blob[BLOB];
    struct str path, name, signature, code, says; /* says: the first sentence of its comment */
};

struct maker {
    const struct corpus_order *o;
    struct corpus_told *told;
    struct arena arena, scratch; /* texts; what one batch of files looks up */
    struct lookup l;             /* of the batch */
    struct lesson *v;
    size_t n, cap, bytes;
    struct known *known;
    size_t nknown, known_cap;
    uint64_t held_below;         /* a file is held out where its number is below it */
    /* the file at work */
    uint32_t target, file;
    const struct snapshot *snap;
    struct buf text;
    bool held;
};

/* Contents of a record, each once. */
struct contents {
    uint8_t v[CORPUS_BLOBS][BLOB];
    uint16_t n;
    bool full, held;             /* full: there were more; held: one of them is held out */
};
bool file_is_held(const struct maker *m, const struct oid *o);
void contents_add(struct contents *c, const struct maker *m, const uint8_t blob[BLOB], bool held);
void contents_file(struct contents *c, const struct maker *m, uint32_t target, uint32_t file);

/* Room for one more of that kind on that side. */
bool lesson_wanted(const struct maker *m, enum corpus_kind kind, bool held);
struct draft {
    enum corpus_kind kind;
    uint32_t repo;
    int64_t time;
    struct str prompt, suffix, text[CORPUS_TEXTS];
    uint8_t texts, right;
};
/* Copies; nothing where the contents are too many, or where it would be learned and one of them is held out. */
void lesson_add(struct maker *m, bool held, const struct draft *d, const struct contents *c);

/* The next number of a stream that a place in the index names, below n. */
uint32_t drawn(const struct maker *m, const void *key, size_t len, uint64_t i, uint32_t n);
/* A comment as a sentence: without its marks, on one line, to the first full stop; empty where nothing is left. */
struct str arena_sentence(struct arena *arena, struct str comment);
struct str kept_text(struct maker *m, struct str s);
struct str trimmed(struct str s);
const char *path_of(struct maker *m, uint32_t target, uint32_t file); /* NUL-terminated, in the scratch arena */

void lessons_of_code(struct maker *m, const struct record *r);      /* code.c: doc, code, fill, section */
int lessons_of_graph(struct maker *m, const struct record *r, struct err *e); /* graph.c: where, callers, returns, breaks */
int lessons_of_commits(struct maker *m, uint32_t target, struct err *e);      /* commits.c: commit, change */
void lessons_of_choice(struct maker *m);                            /* choices.c: refuse, source, and what is measured by choice */

#endif
