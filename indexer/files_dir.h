/* One directory of a worktree, for files_walk (all of them, by a few threads) and files_look (some of them): what is in it, by the rules
 * and by what is tracked. */
#ifndef CODEASK_INDEXER_FILES_DIR_H
#define CODEASK_INDEXER_FILES_DIR_H

#include "indexer/files.h"
#include "indexer/gitindex.h"
#include "indexer/rules.h"

#include <pthread.h>
#include <stdatomic.h>

#define FILES_MAX 5000000

/* Two chains of rules: git's ignore files hide what is not tracked; .codeaskignore hides everything, and is kept with the
 * attributes for the items. */
struct rules {
    const struct level *git, *own;
};

/* What is tracked, as seen from one repository: the outer one or a submodule. */
struct module {
    struct gitindex index;          /* of a submodule */
    const struct gitindex *tracked; /* NULL: by list, or nothing is tracked */
    const struct items *list;
    size_t prefix;                  /* length of its path with the slash */
    bool recorded;                  /* a submodule at the commit that the outer index names */
    struct module *next;
};

struct task {
    char *path; /* of a directory, with its slash; "" is the root */
    size_t len;
    struct rules rules;
    const struct module *module;
    bool only_tracked;
};

struct shared {
    const struct worktree *w;
    int root;
    atomic_size_t files;
    pthread_mutex_t lock;  /* what follows */
    pthread_cond_t moved;
    struct task *task;     /* [ntasks] a stack */
    size_t ntasks, cap;
    size_t busy;           /* tasks being worked on */
    struct module *modules;
    struct items *unreadable;
    bool too_many;
    bool looks, whole;     /* files_look: directories are not entered; it takes a walk after all */
    const char **child;    /* [nchildren] directories that were directly below the one at hand, sorted */
    size_t nchildren, child_cap;
};

/* One thread's part. */
struct walk {
    struct shared *s;
    struct items *out;
    const struct module *module;
    size_t at;       /* in what is tracked: the first not before the entry at hand */
    struct buf path; /* relative to the root */
    struct task *into; /* files_look: what entering a directory comes to is wanted here */
    size_t below;      /* known directories that were met */
};

/* Items for the files of the task's directory; what lies below comes to push: a task, or for files_look a note of it. */
void dir_read(struct walk *w, const struct task *t);
/* The directory `name` of fd, w->path is its path: pushed, unless the rules hide it. */
void dir_enter(struct walk *w, struct rules rules, bool only_tracked, int fd, const char *name);
/* The rules of a directory: its own files beside those of the directories above. seen: .gitignore, .codeaskignore, .gitattributes
 * are there; NULL: not known. */
void dir_rules(struct rules *rules, struct walk *w, int fd, const bool seen[3]);
int dir_by_text(const void *a, const void *b); /* const char * */

#endif
