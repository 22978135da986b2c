/* Languages: one row in languages.c and one query file each; no `if (language == …)` anywhere else. */
#ifndef CODEASK_INDEXER_LANGUAGE_H
#define CODEASK_INDEXER_LANGUAGE_H

#include "store/record.h"

#include <tree_sitter/api.h>

struct language {
    const char *name;                         /* "python": shown in JSON and taken by --lang; < LANGUAGE_NAME_MAX */
    const char *const *suffix;                /* NULL-terminated: ".py"; a whole file name without a dot: "Makefile" */
    const char *const *interpreter;           /* NULL-terminated or NULL: "#!" programs */
    const TSLanguage *(*grammar)(void);       /* NULL: cut by lines */
    const char *tags_scm;                     /* the query file's text, embedded at build time; NULL: cut by lines */
    uint16_t version;                         /* raised when the query changes: cuts of the old one are made anew */
    uint8_t visibility;                       /* enum visibility: how the syntax says that a definition is public */
    uint8_t habits;                           /* enum habit */
    const struct language *(*refine)(struct str head); /* a suffix that two languages share: decides by content, or NULL */
};

enum habit {
    CLAUSES = 1,           /* a function is written as several definitions of one name in a row: they are one symbol */
    DOC_BELOW = 2,         /* a comment right below a declaration documents it */
};

enum visibility {
    PUBLIC_EXPORTED,       /* where an `export` stands around it, or a word like `pub` or `public` before it */
    PUBLIC_UNLESS_PRIVATE, /* unless private, internal, static or local is said */
    PUBLIC_UNDERSCORE,     /* unless the name begins with `_` */
    PUBLIC_CAPITAL,        /* where the name begins with a capital */
};

/* By file name, then by the "#!" line in head (the first bytes of the content; may be empty; of a `.h` file up to 64 KiB
 * are looked at to tell C from C++). Never NULL: the last row is
 * plain text. Case matters only where a row says so (.C is C++ by custom). Thread-safe. */
const struct language *language_for(struct str path, struct str head);
/* By name or a common alias ("c++", "js", "ts", "golang"), NULL when unknown. */
const struct language *language_named(const char *name);
/* All rows, NULL-terminated by a row without a name. */
extern const struct language languages[];

/* Version of cut() and of this language together: part of the cut key. */
uint16_t language_version(const struct language *l);

#endif
