/* Where things are: the home, the configuration, the socket, the models.
 *
 *   home     $CODEASK_HOME, else $XDG_DATA_HOME/codeask, else ~/.local/share/codeask. Made absolute and free of links, so
 *            that two spellings of one home are one home.
 *   config   $CODEASK_CONFIG, else <home>/config where CODEASK_HOME is set, else $XDG_CONFIG_HOME/codeask/config,
 *            else ~/.config/codeask/config
 *   socket   <home>/codeaskd.sock; where that is too long for sun_path, <runtime>/<hash of the home>.sock, where runtime is
 *            a 0700 folder of this user: $XDG_RUNTIME_DIR/codeask, /run/user/<uid>/codeask or /tmp/codeask-<uid>
 *   models   <home>/models (written by the program), then read-only the folders of CODEASK_MODELS (colon-separated), then
 *            share/codeask/models beside the program, in its prefix, and in /usr
 *
 * Two homes never share a daemon, a socket or a file, models aside. */
#ifndef CODEASK_CONFIG_PATHS_H
#define CODEASK_CONFIG_PATHS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define PATHS_MODEL_DIRS 64 /* folders of CODEASK_MODELS past it are an error */

/* Owns its strings. Read-only once open: any thread may read it. */
struct paths {
    char *home, *config, *socket;
    char *runtime;      /* the folder of the socket where that is not the home; else NULL */
    char *models;       /* <home>/models */
    char *program_dir;  /* the folder of the running program */
    char **model_dirs;  /* in the order of look-up; [0] is models */
    size_t nmodel_dirs;
};

/* Reads the environment; makes nothing. ERR_USAGE names a variable that cannot be used. */
int paths_open(struct paths *out, struct err *e);
void paths_close(struct paths *p); /* a zeroed one is allowed */

/* Makes the home (0700), its models folder and the socket's runtime folder. ERR_DENIED where a folder that must be this
 * user's own is another's or open to others. Checks paths_check_local first. */
int paths_make(const struct paths *p, struct err *e);

/* ERR_UNSUPPORTED where path (or its deepest existing parent) lies on a network file system: the store maps its files and
 * locks them, which such systems do not do between machines. The hint is the way out. */
int paths_check_local(const char *path, struct err *e);
/* The name of a network file system, NULL for a local one. f_type as in statfs(2); mount_type as in mountinfo
 * ("fuse.sshfs"), may be NULL. Pure. */
const char *paths_network(long f_type, const char *mount_type);

/* A folder's or .gguf file's path by name; the caller frees it. A name is one path component; ERR_USAGE for another,
 * ERR_NOT_FOUND names the folders that were searched. */
int model_find(char **path, const struct paths *p, const char *name, struct err *e);

/* NAME-00002-of-00003.gguf is one of the files of a model: how many the name says that there are, 0 where it does not say. no:
 * which one it is, from 1; stem: bytes before the suffix, of MODEL_SHARD_FORMAT with no and count. Either may be NULL. */
#define MODEL_SHARD_FORMAT "-%05u-of-%05u.gguf"
unsigned model_shards(const char *path, unsigned *no, size_t *stem);

struct model_entry {
    char *name, *path;
    bool ours; /* in <home>/models: may be removed */
};
/* Every model that model_find would find, by name. Release with model_list_release. */
int model_list(struct model_entry **out, size_t *n, const struct paths *p, struct err *e);
void model_list_release(struct model_entry *list, size_t n);

#endif
