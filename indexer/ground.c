/* What of a repository is worth watching: the directories that its last walk looked into, and git's own. */
#include "indexer/job.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REF_DIRS_MAX 256 /* branches may be named by the thousand: past it the reconcile of every ten seconds sees them */

static void add(struct buf *out, const char *path)
{
    buf_add(out, path, strlen(path) + 1);
}

/* refs/heads and below: path ends in a slash. */
static void add_refs(struct buf *out, const char *path, int *left)
{
    DIR *d = (*left)-- > 0 ? opendir(path) : NULL;
    if (!d)
        return;
    add(out, path);
    for (struct dirent *de; (de = readdir(d)) != NULL;) {
        char below[PATH_MAX];
        int n = snprintf(below, sizeof below, "%s%s/", path, de->d_name);
        if (de->d_type == DT_DIR && de->d_name[0] != '.' && n > 0 && (size_t)n < sizeof below)
            add_refs(out, below, left);
    }
    closedir(d);
}

static void add_git(struct buf *out, git_repository *r)
{
    const char *own = git_repository_path(r), *common = git_repository_commondir(r);
    char path[PATH_MAX];
    int left = REF_DIRS_MAX;
    add(out, own);
    if (strcmp(own, common) != 0)
        add(out, common);
    snprintf(path, sizeof path, "%srefs/heads/", common);
    add_refs(out, path, &left);
    snprintf(path, sizeof path, "%sinfo/", common);
    if (file_exists(path))
        add(out, path);
}

static struct ground *ground_of(struct indexer *x, uint32_t repo)
{
    for (size_t i = 0; i < x->nground; i++)
        if (x->ground[i].repo == repo)
            return &x->ground[i];
    return NULL;
}

void ground_set(struct job *j, struct buf *dirs, struct buf *git)
{
    struct indexer *x = j->x;
    if (j->git)
        add_git(git, j->git);
    pthread_mutex_lock(&x->seen);
    struct ground *g = ground_of(x, j->repo->id);
    if (!g) {
        VEC_ROOM(x->ground, x->nground, x->cap_ground);
        g = &x->ground[x->nground++];
        *g = (struct ground){.repo = j->repo->id};
    }
    buf_release(&g->dirs);
    buf_release(&g->git);
    g->dirs = *dirs;
    g->git = *git;
    *dirs = *git = (struct buf)BUF_INIT;
    pthread_mutex_unlock(&x->seen);
}

void ground_forget(struct indexer *x, uint32_t repo)
{
    pthread_mutex_lock(&x->seen);
    struct ground *g = ground_of(x, repo);
    if (g) {
        buf_release(&g->dirs);
        buf_release(&g->git);
        *g = x->ground[--x->nground];
    }
    pthread_mutex_unlock(&x->seen);
}

void index_ground(struct indexer *x, uint32_t repo, struct buf *dirs, struct buf *git)
{
    pthread_mutex_lock(&x->seen);
    const struct ground *g = ground_of(x, repo);
    if (g) {
        buf_add(dirs, g->dirs.data, g->dirs.len);
        buf_add(git, g->git.data, g->git.len);
    }
    pthread_mutex_unlock(&x->seen);
}
