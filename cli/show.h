/* Results for people: what the daemon's JSON looks like on a terminal. */
#ifndef CODEASK_CLI_SHOW_H
#define CODEASK_CLI_SHOW_H

#include "base/err.h"
#include "cli/text.h"
#include "service/methods.h"

/* Appends the text of a method's result and returns the exit status: 0, or 1 where nothing was found. */
int show_result(struct buf *out, const struct look *l, const struct method *row, json_t *result);
/* The exit status alone, for --json. */
int result_status(const struct method *row, json_t *result);
void show_error(struct buf *out, const struct look *l, const struct err *e);

/* show_status.c */
void show_status(struct buf *out, const struct look *l, json_t *r);
void show_inspect(struct buf *out, const struct look *l, json_t *r);
/* show_people.c */
void show_token(struct buf *out, const struct look *l, json_t *r);
void show_tokens(struct buf *out, const struct look *l, json_t *r);
void show_revoked(struct buf *out, const struct look *l, json_t *r);
void show_users(struct buf *out, const struct look *l, json_t *r);
void show_user_removed(struct buf *out, const struct look *l, json_t *r);
void show_member(struct buf *out, const struct look *l, json_t *r);
void show_grant(struct buf *out, const struct look *l, json_t *r);
void show_access(struct buf *out, const struct look *l, json_t *r);
void show_repos(struct buf *out, const struct look *l, json_t *r);
void show_models(struct buf *out, const struct look *l, json_t *r);

/* show_purge.c */
void show_purge(struct buf *out, const struct look *l, json_t *r);
void show_bundle(struct buf *out, const struct look *l, json_t *r);
void show_import(struct buf *out, const struct look *l, json_t *r);
void show_purge_question(struct buf *out, const struct look *l, json_t *r); /* what would be purged */

/* show_history.c */
void show_history(struct buf *out, const struct look *l, json_t *r);

/* show_ask.c */
void show_ask(struct buf *out, const struct look *l, json_t *r);
/* The same for a result of which a part was shown before: its text, and all of these citations (NULL: none). */
void show_ask_rest(struct buf *out, const struct look *l, json_t *r, bool text_shown, json_t *listed);
/* One citation a line; those whose n is in except (rows as these) are left out. Returns how many. */
size_t put_citations(struct buf *out, const struct look *l, json_t *rows, json_t *answer, json_t *except);

/* show_tune.c */
void show_merged(struct buf *out, const struct look *l, json_t *r);
void show_tune(struct buf *out, const struct look *l, json_t *r);
bool not_used(json_t *r);   /* an adapter is done, and answers are written without it */
bool not_better(json_t *r); /* the same, measured only */

/* show_tour.c */
void show_tour(struct buf *out, const struct look *l, json_t *r);

/* shared */
void put_place(struct buf *out, const struct look *l, json_t *row, bool repo, bool range); /* "src/a.c:12", range: "…:12-20" */
const char *text_of(json_t *o, const char *key);  /* "" when absent */
int64_t int_of(json_t *o, const char *key);
void put_freshness(struct buf *out, json_t *freshness); /* "3f2a91c +2 uncommitted · 64% embedded" */
void put_state(struct buf *out, json_t *r); /* of an answer: how fresh, and from which server it is */

bool many_repos(json_t *rows);                    /* then a place names its repository */
void put_uncommitted(struct buf *out, const struct look *l, json_t *row, json_t *answer);
void put_note(struct buf *out, const struct look *l, json_t *r);

/* help.c */
void show_help(struct buf *out, const struct look *l, const struct method *row);
/* complete.c: bash, zsh, fish, man; false for another topic */
bool show_completion(struct buf *out, const char *topic);
/* doctor.c: the exit status */
struct paths;
int doctor(struct buf *out, const struct look *l, const struct paths *p, bool privacy /* what may leave the machine, instead of what is there */, bool as_json);

#endif
