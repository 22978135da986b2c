/* Trees of the object database: all files of one, or what differs between two (equal subtrees are not entered). */
#ifndef CODEASK_INDEXER_TREE_H
#define CODEASK_INDEXER_TREE_H

#include "indexer/git.h"
#include "indexer/items.h"
#include "indexer/rules.h"

#define TREE_MAX_FILES 5000000 /* a tree of trees can stand for 10^10 files; nobody works in such a one */
#define TREE_MAX_PATH 4095

/* Items are FROM_ODB, with flags by the tree's own .gitattributes; what its .codeaskignore names is left out; links and
 * submodules are OCC_SKIPPED and done. A subtree that cannot be read is one item, OCC_QUARANTINED, with the mode of a tree.
 * Levels live in the list's arena. */
int tree_list(struct items *out, git_repository *r, const struct oid *tree, struct err *e);

/* What to changes to become from -> to; removed paths carry OCC_DELETED. *rules: a rule file differs, so that files which are
 * equal may have other flags now: the result is then useless, list the tree. ERR_NOT_FOUND when from is gone. */
int tree_diff(struct items *out, git_repository *r, const struct oid *from, const struct oid *to, bool *rules, struct err *e);

#endif
