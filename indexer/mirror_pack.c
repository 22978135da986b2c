/* Each fetch that brought something leaves a pack, and libgit2 has no gc: past some, one pack is made of what the branches reach, and the
 * others go. Readers in the daemon keep those that they have mapped. */
#include "indexer/mirror_inside.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "indexer/git.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKS_MANY 24 /* a look-up asks every pack's index in turn; at 24 it still costs less than the page that it reads */

struct names {
    char **v;
    size_t n, cap;
};

static void list_packs(struct names *out, const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *de; d && (de = readdir(d));) {
        size_t n = strlen(de->d_name);
        if (n > 5 && !strcmp(de->d_name + n - 5, ".pack")) {
            VEC_ROOM(out->v, out->n, out->cap);
            out->v[out->n++] = mem_str(de->d_name);
        }
    }
    if (d)
        closedir(d);
}

static int write_one(git_repository *r, char name[64])
{
    git_packbuilder *b = NULL;
    git_revwalk *w = NULL;
    int code = git_packbuilder_new(&b, r);
    if (!code)
        code = git_revwalk_new(&w, r);
    if (!code)
        code = git_revwalk_push_glob(w, "refs/heads/*");
    if (!code)
        code = git_packbuilder_insert_walk(b, w);
    if (!code && !git_packbuilder_object_count(b))
        code = GIT_ENOTFOUND;
    if (!code)
        code = git_packbuilder_write(b, NULL, 0444, NULL, NULL);
    if (!code)
        snprintf(name, 64, "pack-%s.pack", git_packbuilder_name(b));
    git_revwalk_free(w);
    git_packbuilder_free(b);
    return code;
}

int mirror_repack(git_repository *r, const char *path, struct err *e)
{
    struct names packs = {0};
    struct buf folder = BUF_INIT, file = BUF_INIT;
    char fresh[64] = "";
    int rc = 0;
    buf_addf(&folder, "%s/objects/pack", path);
    list_packs(&packs, folder.data);
    if (packs.n >= PACKS_MANY && (rc = write_one(r, fresh)))
        rc = git_fail(e, rc, "making one pack of %zu", packs.n);
    for (size_t i = 0; i < packs.n; i++) {
        static const char *const ends[] = {"idx", "pack"}; /* a pack without its index is no pack: in this order nothing is half there */
        size_t stem = strlen(packs.v[i]) - 4;
        for (int k = 0; k < 2 && *fresh && strcmp(packs.v[i], fresh); k++) {
            buf_clear(&file);
            buf_addf(&file, "%s/%.*s%s", folder.data, (int)stem, packs.v[i], ends[k]);
            unlink(file.data);
        }
        free(packs.v[i]);
    }
    free(packs.v);
    buf_release(&folder);
    buf_release(&file);
    return rc;
}
