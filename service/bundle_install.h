/* Putting an unpacked bundle into its home: all of it or nothing, whenever the process is killed.
 *
 *   <home>/importing/            what is unpacked: config, index.mdb, state.mdb, bundle.json, adapters/, models/
 *   <home>/importing/ready       it is whole and was checked: from then on it goes in, now or when anything opens the home next */
#ifndef CODEASK_SERVICE_BUNDLE_INSTALL_H
#define CODEASK_SERVICE_BUNDLE_INSTALL_H

#include "base/err.h"
#include "config/paths.h"

#include <jansson.h>

/* The folder, empty; what a killed import left in it goes. The caller frees the path. */
int install_begin(char **staged, const struct paths *p, struct err *e);
void install_drop_tree(const char *path); /* never through a link */
void install_drop(const struct paths *p);
/* It is whole. */
int install_ready(const struct paths *p, struct err *e);
/* Brings in what is ready; nothing where there is none. The caller holds the home (home_hold). aside: gets the paths of what was there before and
 * is kept; NULL. */
int install_finish(json_t *aside, const struct paths *p, struct err *e);
/* The same for who is about to open the home. */
int install_pending(const struct paths *p, struct err *e);
/* What killed imports and exports have left in the home, for who has it open: contents that a purge does not look into. */
void bundle_clear(const struct paths *p);

#endif
