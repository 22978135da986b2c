/* What `history` answers: gathered from the index, then written as JSON. */
#ifndef CODEASK_SERVICE_HISTORY_VIEW_H
#define CODEASK_SERVICE_HISTORY_VIEW_H

#include "indexer/history.h"
#include "service/scope.h"

struct history_question {
    const struct repo_row *repo;
    struct oid tip;
    uint32_t view, base;      /* base: of an overlay; VIEW_NONE without one */
    const char *path;
    uint32_t first, last;     /* 0: the whole file */
    size_t limit;             /* commits that are listed */
    bool people;
};

struct history_commit {
    struct touching touch;
    struct commit_row row;    /* its texts in the arena */
    bool found;
};
struct history_person {
    struct str name, mail;
    double share;             /* of what is known of this part, newer work counting more */
    uint32_t commits;
    int64_t last;             /* time of the newest */
};
struct history_answer {
    uint32_t first, last, lines; /* what was asked, in the file as it is now; lines: of the file */
    bool dirty, untracked;
    struct traced *line;      /* [nlines] of the file as it is now; commit COMMIT_NONE: not committed */
    struct history_commit *by; /* [nlines] */
    size_t nlines;
    struct history_commit *commit; /* newest first */
    size_t ncommits;
    int reason;               /* index into line of the commit that wrote most of the asked lines; -1 */
    struct history_person *person;
    size_t npeople;
    bool unfinished;
};
/* ERR_NOT_FOUND for a file that is not there (the hint names near ones), ERR_USAGE for a line past its end. */
int history_answer(struct history_answer *out, struct store *s, struct history_question *q, struct arena *arena, struct err *e);
json_t *history_json(const struct history_answer *h, const struct scope *sc, const struct history_question *q);

#endif
