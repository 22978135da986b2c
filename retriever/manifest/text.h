/* Small readers that the formats share. Everything works on borrowed text; lines count from 1. Private to retriever/manifest/. */
#ifndef CODEASK_RETRIEVER_MANIFEST_TEXT_H
#define CODEASK_RETRIEVER_MANIFEST_TEXT_H

#include "retriever/manifest/manifest.h"
#include "retriever/str.h"

#include <string.h>

/* One line after another, without its end. */
struct lines {
    struct str rest;
    uint32_t number; /* of the line that was given last */
};
struct lines lines_of(struct str text);
bool lines_next(struct lines *l, struct str *line);

/* Calls in code-like files: name(…), name (…) or name {…}, outside of comments and quotes. */
struct calls {
    struct str text;
    const char *comment;     /* "#", "//", "--": to the end of the line */
    size_t at;
    uint32_t line, line_at;  /* the line of byte line_at */
    unsigned found;
};
struct call {
    struct str inside;       /* between the brackets */
    uint32_t line, end_line;
};
struct calls calls_of(struct str text, const char *comment);
bool calls_next(struct calls *c, const char *name, struct call *out);

/* The next quoted string of *rest ("…" or '…'), which moves behind it. */
bool quoted_next(struct str *rest, struct str *out);
/* The quoted string, or bare word, that follows `name:`, `name =` or `name =>` as a word of its own. Empty where there is none. */
struct str value_of(struct str text, const char *name);
/* What follows `name` in brackets, quoted: name: ["a", "b"] → all of the brackets' inside. */
struct str list_of(struct str text, const char *name);
/* The next word of *rest, parted by white space and commas. */
bool word_next(struct str *rest, struct str *out);
uint32_t line_in(struct str text, const char *at); /* of a pointer into text */

/* -- data: facts --------------------------------------------------------------------------------------------------------- */
/* A data file as a flat list of (path of keys, text): "bin/x" → "./cli.js". An array's element has the key "[]". */
#define FACT_DEPTH 12     /* of keys, as deep as Maven nests a main class; deeper ones are left out */
#define FACTS_MAX 20000   /* of one file, 240 bytes each */
struct fact {
    struct str key[FACT_DEPTH];
    unsigned depth;
    uint32_t group;        /* equal for what stands in one table, element or object of an array */
    struct str value;      /* text, unquoted; numbers and the like as written; empty where there is none */
    uint32_t line;
};
struct facts {
    struct fact *v;        /* heap */
    size_t n, cap;
    bool broken;
};
void facts_release(struct facts *f);
struct fact *facts_add(struct facts *f, const struct str *key, unsigned depth); /* NULL past a limit */
void facts_json(struct facts *out, struct str text, struct arena *a);
void facts_toml(struct facts *out, struct str text, struct arena *a);
void facts_ini(struct facts *out, struct str text, struct arena *a);  /* a key's further lines are facts of the same key */
void facts_xml(struct facts *out, struct str text, struct arena *a);  /* attributes have the key "@name" */
/* pattern: keys parted by '/', "*" for any one of them, "**" at the end for any number. '\1' stands for a slash inside a key. */
bool fact_is(const struct fact *f, const char *pattern);
const struct fact *facts_find(const struct facts *f, const char *pattern); /* the first; NULL */
struct str facts_text(const struct facts *f, const char *pattern);         /* its value; empty */
const struct fact *facts_in(const struct facts *f, uint32_t group, const char *last); /* of that group whose last key is so */

/* -- what is declared ------------------------------------------------------------------------------------------------------ */
struct declared *declare(struct manifest *m, enum declared_kind kind, struct str name, struct str target, uint32_t line);
/* A command: what is typed, what it runs. NULL past the limit. */
struct declared *declare_command(struct manifest *m, enum command_purpose p, struct str typed, struct str runs, uint32_t line);
/* One that the format has by convention, without a line of its own. typed: literal, or in the arena. */
struct declared *declare_usual(struct manifest *m, enum command_purpose p, const char *typed, uint32_t line);
enum command_purpose purpose_of(struct str name); /* of a target or script called so: "build", "test:unit", "lint" */
bool manifest_has(const struct manifest *m, struct str path); /* relative to its directory */
bool manifest_hass(const struct manifest *m, const char *path);
struct str manifest_folder(const struct manifest *m, const char *otherwise); /* the last component of its directory */

#endif
