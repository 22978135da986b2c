/* A view in memory: its occurrences with their paths, what each file is, and the import graph. Immutable once loaded,
 * counted by reference, cached by (view, generation); about 150 bytes a file. Loading reads every record's head and
 * imports once (measured: see docs/retriever.md).
 *
 * File numbers are indices into file[], in path order; ucut numbers are indices into cut[], in order of cut id. */
#ifndef CODEASK_RETRIEVER_SNAPSHOT_H
#define CODEASK_RETRIEVER_SNAPSHOT_H

#include "base/arena.h"
#include "store/segment.h"
#include "store/unsaved.h"
#include "store/vector.h"
#include "store/view.h"

#define FILE_NONE UINT32_MAX

/* What a file is, from evidence (its bytes, who imports it, attributes) with names as one soft vote: 0 … 1 each. */
struct file_nature {
    float test, example, doc, config, generated, vendored, declaration, reexport, script;
    float older, foreign;        /* variants.c: a newer version, or the asker's platform, stands beside it */
};

struct snap_file {
    struct str path;
    struct oid oid;
    uint32_t cut, ucut;          /* CUT_NONE / FILE_NONE when it was not cut */
    uint32_t flags;              /* enum occ_flag */
    bool uncommitted;            /* comes from the overlay itself */
    uint16_t stem, stem_len;     /* of the file's name without its suffixes, in path */
    uint32_t word, nwords;       /* its path words, in path_word[] order of the path */
    uint32_t package;            /* index into package[] */
    uint32_t imported_by;        /* files that import it, tests and examples excluded */
    uint32_t import, nimports;   /* its resolved imports, in edge[] */
    uint32_t importer, nimporters; /* who imports it, in back_edge[] */
    struct file_nature is;
    const char *language;
};

struct snap_cut {
    uint32_t cut, file, nfiles;  /* its occurrences: by_cut[file … file + nfiles) */
    uint32_t nchunks, flags, ntests, nsymbols, nprototypes, nimports, nexports, lines;
};

enum path_role { PATH_STEM, PATH_DIR };
struct path_word {
    uint64_t term;               /* term_of(TERM_WORD) of the stemmed word, as in the index */
    uint32_t text;               /* offset of the folded word in snapshot.words */
    uint8_t len, role, depth;    /* depth: 0 the file's own directory, 1 its parent … (for PATH_DIR) */
    bool whole;
};

struct snap_package {
    struct str path;             /* directory that holds a manifest; "" is the root */
    uint32_t files;
};

struct snapshot {
    uint32_t refs;
    uint64_t serial;             /* no other one of this process has it */
    uint64_t rows;               /* hash of the view's rows: the same rows make the same snapshot */
    uint64_t stamp;              /* view_stamp when they were last compared; whoever owns the cache writes it */
    struct view_head head;
    uint64_t generation;
    struct arena arena;
    struct snap_file *file;
    uint32_t nfiles;
    struct snap_cut *cut;
    uint32_t ncuts;
    uint32_t *by_cut;            /* file numbers, grouped by ucut */
    struct path_word *path_word;
    struct path_index {          /* sorted by term */
        uint64_t term;
        uint32_t file, word;
    } *path_index;
    uint32_t npath_words;
    char *words;
    uint32_t *edge, *back_edge;  /* file numbers */
    struct snap_package *package;
    uint32_t npackages;
    uint64_t nchunks;
    bool renewed;                /* made from the one before it */
};

/* A loaded view, with u (NULL) over it, and one reference more: give it back with snapshot_drop. before: an earlier snapshot of the view, or NULL;
 * where the paths are the same ones and few contents changed (a save), most is taken over from it. */
int snapshot_load(struct snapshot **out, struct store *s, uint32_t view, const struct unsaved *u, const struct snapshot *before, struct err *e);
void snapshot_drop(struct snapshot *s);
/* Whether the view's rows are still those it was made of. */
int snapshot_unchanged(bool *out, struct snapshot *s, struct store *store, const struct unsaved *u, struct err *e);
size_t snapshot_bytes(const struct snapshot *s);

/* FILE_NONE when the cut is not in the view. */
uint32_t snapshot_ucut(const struct snapshot *s, uint32_t cut);
uint32_t snapshot_file(const struct snapshot *s, struct str path);
/* map: [seg->ncuts] out, ucut numbers or FILE_NONE; returns how many are visible. */
uint32_t snapshot_map(const struct snapshot *s, const struct segment *seg, uint32_t *map);
/* Path index entries with that term: returns the first, *n their number. */
const struct path_index *snapshot_path(const struct snapshot *s, uint64_t term, size_t *n);

/* nature.c: fills is, from everything else but the graph. */
void nature_of(struct file_nature *is, const struct snap_file *f, const struct snap_cut *c);
/* variants.c: fills is.older and is.foreign. */
void variants_find(struct snapshot *s);
bool is_platform(struct str word); /* "windows", "darwin" … */
/* imports.c: resolves the imports of all files and counts. names: per file its import targets as written. */
struct import_row {
    uint32_t file;
    struct str target;
    bool reexport;
};
void imports_resolve(struct snapshot *s, const struct import_row *row, size_t n);
/* The same for a snapshot of the paths of before, of which only the changed files' contents differ: row holds theirs. */
void imports_renew(struct snapshot *s, const struct snapshot *before, const bool *changed, const struct import_row *row, size_t n);

#endif
