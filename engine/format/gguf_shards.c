/* The one or more .gguf files of a model: NAME.gguf, or NAME-00001-of-00003.gguf and its like, whose keys split.no (from 0),
 * split.count and split.tensors.count say so as well. Metadata is the first one's. */
#include "engine/format/model_inside.h"

#include "base/mem.h"
#include "config/paths.h"

#include <stdlib.h>

static int open_one(struct model_file *f, char *path /* taken over */, struct err *e)
{
    struct model_shard s = {path};
    int rc = file_map(&s.map, path, e);
    if (!rc && (rc = gguf_parse(&s.gguf, path, s.map.p, s.map.n, e)))
        file_unmap(&s.map);
    if (rc)
        free(path);
    else
        model_add_shard(f, s);
    return rc;
}

static int64_t number_of(const struct gguf *g, const char *key, int64_t fallback)
{
    struct meta m;
    return gguf_meta(g, key, &m) && m.kind == META_INT ? m.integer : fallback;
}

/* What the files say about themselves fits their names and each other. */
static int check_split(const struct model_file *f, struct err *e)
{
    size_t tensors = 0;
    for (size_t i = 0; i < f->shards; i++) {
        const struct model_shard *s = &f->shard[i];
        int64_t no = number_of(s->gguf, "split.no", 0), count = number_of(s->gguf, "split.count", 1);
        tensors += gguf_count(s->gguf);
        if (f->shards == 1 && count <= 1)
            continue; /* whatever it is called */
        if (no != (int64_t)i || count != (int64_t)f->shards)
            return err_set(e, ERR_FORMAT, "%s: says that it is file %lld of %lld, its name that it is %zu of %zu", s->name,
                           (long long)no + 1, (long long)count, i + 1, f->shards);
    }
    int64_t said = number_of(f->shard[0].gguf, "split.tensors.count", (int64_t)tensors);
    if (said != (int64_t)tensors)
        return err_set(e, ERR_FORMAT, "%s: %zu tensors in %zu files; the first says %lld", f->shard[0].name, tensors, f->shards,
                       (long long)said);
    return 0;
}

int model_open_gguf(struct model_file *f, const char *path, struct err *e)
{
    size_t stem = 0;
    unsigned count = model_shards(path, NULL, &stem);
    int rc = 0;
    if (count > MODEL_SHARDS_MAX)
        return err_set(e, ERR_LIMIT, "%s: more than %d files", path, MODEL_SHARDS_MAX);
    if (!count)
        rc = open_one(f, mem_str(path), e);
    for (unsigned i = 1; i <= count && !rc; i++) {
        struct buf one = BUF_INIT;
        buf_addf(&one, "%.*s" MODEL_SHARD_FORMAT, (int)stem, path, i, count);
        rc = open_one(f, buf_take(&one), e);
    }
    if (!rc)
        rc = check_split(f, e);
    for (size_t i = 0; i < f->shards && !rc; i++)
        for (size_t k = 0; k < gguf_count(f->shard[i].gguf); k++)
            model_add_tensor(f, gguf_at(f->shard[i].gguf, k));
    return rc;
}
