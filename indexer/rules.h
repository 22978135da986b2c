/* Rules by path: .gitignore and .codeaskignore (which files there are), .gitattributes (what they are). Patterns as in
 * gitignore(5) and gitattributes(5); cost is polynomial whatever the pattern, for repositories are foreign. */
#ifndef CODEASK_INDEXER_RULES_H
#define CODEASK_INDEXER_RULES_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define RULES_MAX_BYTES (1 << 20) /* a larger rule file is no rule file */

#define IGNORE_FILE ".codeaskignore"
#define ATTRIBUTES_FILE ".gitattributes"

struct pattern;
struct attribute_rule;

/* The rules of one directory over those of its parents. Lives in an arena; immutable once built: any thread may read. */
struct level {
    struct str dir;                   /* "" or "a/b/": the patterns see the rest of the path */
    struct pattern *ignore;           /* [nignore], in file order: the last match decides */
    size_t nignore;
    struct attribute_rule *attribute; /* [nattribute], in file order: a later one wins */
    size_t nattribute;
    const struct level *up;
};

/* A level over up with nothing in it yet. */
struct level *level_new(struct arena *mem, struct str dir, const struct level *up);
void level_ignore(struct level *l, struct arena *mem, struct str text);     /* adds the lines of an ignore file */
void level_attributes(struct level *l, struct arena *mem, struct str text); /* adds the lines of a .gitattributes */

/* Is it ignored by a rule of its own (not by a parent directory, which the walk does not enter)? */
bool level_ignores(const struct level *l, struct str path, bool is_dir);
/* enum occ_flag from the attributes: OCC_GENERATED, OCC_VENDORED, OCC_DOCUMENTATION, their NOTs, OCC_SKIPPED for binary. */
uint32_t level_flags(const struct level *l, struct str path);

/* For tests: does a pattern line match this path? */
bool pattern_matches(const char *pattern, const char *path, bool is_dir);

#endif
