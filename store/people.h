/* People: who may read which repository. In state.mdb, for it cannot be derived.
 *
 *   table     key                                             value
 *   user      name                                            user id u32 · added i64 (wall clock, ns)
 *   member    user id u32 · group's name                      nothing
 *   grant     'u' user id u32 · repo id u32                   nothing
 *             'g' repo id u32 · group's name                  nothing
 *
 * Ids are never given again, neither a user's nor a repository's: a grant dies with what it names. Integers are big-endian in keys. */
#ifndef CODEASK_STORE_PEOPLE_H
#define CODEASK_STORE_PEOPLE_H

#include "store/store.h"

#define PEOPLE_NAME_MAX 64 /* bytes of a user's or a group's name: letters, digits and . _ - @ */

struct user_row {
    uint32_t id;
    int64_t added_ns;
    char name[PEOPLE_NAME_MAX + 1];
};

bool people_name_ok(const char *name);
/* make: one that is not there is added. ERR_NOT_FOUND, ERR_USAGE for a name that is none. */
int people_user(struct user_row *out, struct store *s, const char *name, bool make, struct err *e);
int people_user_by_id(struct user_row *out, struct store *s, uint32_t id, struct err *e);
int people_user_remove(struct store *s, const struct user_row *user, struct err *e); /* memberships, grants and tokens too */
int people_users(struct store *s, void (*each)(void *arg, const struct user_row *u), void *arg, struct err *e);

int people_join(struct store *s, uint32_t user, const char *group, bool in, struct err *e); /* ERR_NOT_FOUND: was not in it */
int people_groups(struct store *s, uint32_t user, void (*each)(void *arg, const char *group), void *arg, struct err *e);

/* To a user, or (user 0) to a group. ERR_NOT_FOUND when there was nothing to take. */
int people_grant(struct store *s, uint32_t user, const char *group, uint32_t repo, bool on, struct err *e);
int people_grants(struct store *s, void (*each)(void *arg, uint32_t user, const char *group, uint32_t repo), void *arg, struct err *e);

/* The repositories that a user may read by a grant of his own or of a group's: ids in order, the caller frees. One snapshot. ERR_NOT_FOUND:
 * there is no such user (any more). */
int people_may_read(uint32_t **repos, size_t *n, struct store *s, uint32_t user, struct err *e);

#endif
