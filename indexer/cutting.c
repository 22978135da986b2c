#include "indexer/cutting.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "indexer/files.h"
#include "indexer/git.h"
#include "store/purge.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_BYTES ((size_t)8 << 20) /* of source and its records: a write transaction of some 2 MB, of 8 MB where every word is a new one; 28 to 60 ms here */
#define BATCH_LEAST ((size_t)256 << 10)
#define WRITE_MS 40.0                 /* a transaction that took longer makes the next batch smaller: none over 50 ms, so that other
                                         writers need not wait */
#define NEAR_END 6                    /* cutting takes five to ten times as long as writing the same bytes */
#define BATCH_MS 100.0                /* what a killed daemon has to do again, and how late a saved file may be seen */
#define LARGE_BYTES ((uint64_t)128 << 10)
#define PROGRESS_MS 50.0
#define LANGUAGE_HEAD ((size_t)64 << 10) /* of a content, to tell its language by: licences and guards come first in headers */
#define HEAD_START 32                 /* contents read before the others are sorted by size: what two workers and the pool's queue take */
#define FIND_ROWS 8192                /* look-ups a read transaction: about 10 ms */

struct copy {
    uint32_t item, of; /* same content, same language */
};

struct run {
    struct cutting *c;
    struct items *items;
    uint32_t *todo;           /* [ntodo] items to read */
    struct copy *copy;        /* items that get what another one gets */
    size_t ntodo, ncopy, cap_copy;
    const struct language *plain; /* the row for what no name tells: the first line decides */
    size_t batch_bytes;       /* of the next batch */
    int worktree;             /* where the files of the commits may lie as well; -1: nowhere */
    atomic_bool stop;

    pthread_mutex_t lock;     /* what follows, between the reader and the caller */
    pthread_cond_t moved;
    size_t submitted, received, read;
    uint64_t total_bytes, gone_bytes; /* of what was to be read, and of what of it needs no cutting after all */
    bool finished;            /* the reader has ended */
    struct err failed;        /* of the reader: code 0 while all is well */
    struct quarantine_row *refused;
    size_t nrefused, cap_refused;
};

static struct cut_key key_of(const struct item *i)
{
    struct cut_key k = {.oid = i->oid, .version = language_version(i->lang)};
    snprintf(k.language, sizeof k.language, "%s", i->lang->name);
    return k;
}

static const struct language *plain_text(void)
{
    const struct language *l = languages;
    while (l->name && l[1].name)
        l++;
    return l;
}

/* -- what is there already -------------------------------------------------------------------------------------------------- */

/* Nothing of a purged content is cut again: its place reads as skipped. */
static bool is_purged(const struct run *r, struct item *i)
{
    if (!purged(r->c->store, &i->oid))
        return false;
    i->cut = CUT_NONE;
    i->flags |= OCC_SKIPPED;
    return i->done = true;
}

static bool find(const struct run *run, struct txn *t, struct item *i)
{
    struct cut_key k = key_of(i);
    struct quarantine_row q;
    struct record r;
    uint64_t max_bytes = run->c->max_bytes;
    if (is_purged(run, i))
        return true;
    i->cut = cut_find(t, &k);
    if (i->cut != CUT_NONE) {
        if (cut_get(t, i->cut, &r, NULL) == 0)
            i->size = r.head->source_bytes;
        if (i->size > max_bytes) { /* made when the limit was another one */
            i->cut = CUT_NONE;
            i->flags |= OCC_SKIPPED;
        }
        return i->done = true;
    }
    if (quarantine_get(t, &k, &q) && q.attempts > 0) { /* 0: it could not be read; that is tried again */
        i->flags |= OCC_QUARANTINED;
        return i->done = true;
    }
    return false;
}

/* Looks up every item whose key is known. Returns the number that is not done. */
static int find_all(struct run *r, size_t *left, struct err *e)
{
    struct txn *t = NULL;
    int rc = 0;
    *left = 0;
    for (size_t n = 0; n < r->items->n; n++) {
        struct item *i = &r->items->v[n];
        if (i->done)
            continue;
        if (i->flags & OCC_SKIPPED && i->from == FROM_ODB) {
            i->done = true;
            continue;
        }
        if (i->from == FROM_ODB && !i->lang) {
            const struct language *l = language_for(i->path, (struct str){"", 0});
            i->lang = l != r->plain && !l->refine ? l : NULL; /* a .h is C or C++ by what it holds */
        }
        if (i->lang) {
            if (!t && (rc = store_read(&t, r->c->store, e)) != 0)
                break;
            find(r, t, i);
        }
        *left += !i->done;
        if (t && n % FIND_ROWS == FIND_ROWS - 1) {
            txn_end(t);
            t = NULL;
        }
    }
    txn_end(t);
    return rc;
}

/* One of equal contents is enough. */
static void list_todo(struct run *r, size_t left)
{
    size_t size = 64;
    while (size < left * 2)
        size *= 2;
    uint32_t *seen = mem_zero(size, sizeof *seen);
    r->todo = mem_zero(left + 1, sizeof *r->todo);
    for (size_t n = 0; n < r->items->n; n++) {
        const struct item *i = &r->items->v[n];
        if (i->done)
            continue;
        if (i->from == FROM_ODB && i->lang) {
            size_t at = hash64(i->oid.byte, GIT_ID_BYTES) & (size - 1);
            const struct item *j = NULL;
            for (; seen[at]; at = (at + 1) & (size - 1)) {
                j = &r->items->v[seen[at] - 1];
                if (j->lang == i->lang && oid_same(&j->oid, &i->oid))
                    break;
            }
            if (seen[at]) {
                VEC_ROOM(r->copy, r->ncopy, r->cap_copy);
                r->copy[r->ncopy++] = (struct copy){(uint32_t)n, seen[at] - 1};
                continue;
            }
            seen[at] = (uint32_t)n + 1;
        }
        r->todo[r->ntodo++] = (uint32_t)n;
    }
    free(seen);
}

/* -- the reader's thread ------------------------------------------------------------------------------------------------------ */

static void refuse(struct run *r, struct item *i, uint32_t attempts, const struct err *why)
{
    i->flags |= OCC_QUARANTINED;
    i->done = true;
    if (oid_zero(&i->oid))
        return; /* a file that could not be opened has no content to be known by: its row in the view tells */
    if (!i->lang)
        i->lang = language_for(i->path, (struct str){"", 0});
    struct quarantine_row q = {.key = key_of(i), .attempts = attempts};
    snprintf(q.reason, sizeof q.reason, "%.199s", why->message);
    pthread_mutex_lock(&r->lock);
    VEC_ROOM(r->refused, r->nrefused, r->cap_refused);
    r->refused[r->nrefused++] = q;
    pthread_mutex_unlock(&r->lock);
}

/* 0 with bytes; ERR_LIMIT; anything else is a content that cannot be read. */
static int read_blob(struct buf *out, const struct run *r, git_odb *odb, struct item *i, struct err *e)
{
    if (!i->size) /* one of the first, before sizes_first() */
        i->size = blob_size(odb, &i->oid);
    if (i->size > r->c->max_bytes)
        return err_set(e, ERR_LIMIT, "larger than max_file_bytes");
    /* A checked-out file is read for a third of what inflating costs. That its bytes are the blob's is proved by their hash; one that is not in
     * memory is left where it is: a disk reads one pack sooner than many files. */
    if (i->size && r->worktree >= 0 && files_cached(out, r->worktree, i->path.p, i->size)) {
        struct oid is = oid_hash(out->data, out->len);
        if (oid_same(&is, &i->oid))
            return 0;
    }
    buf_clear(out);
    int rc = blob_read(out, odb, &i->oid, e);
    i->size = rc ? i->size : out->len;
    return rc;
}

static int read_file(struct buf *out, const struct run *r, git_repository *repo, struct item *i, struct err *e)
{
    struct stat st = {0};
    int64_t now = clock_wall_ns();
    int rc = files_read(out, &st, repo, r->c->root, i->path.p, r->c->max_bytes, e);
    if (rc == 0 || rc == ERR_LIMIT)
        item_stat(i, &st, now);
    if (rc == 0) {
        if (S_ISLNK(st.st_mode)) {
            i->mode = MODE_LINK;
            i->flags |= OCC_SYMLINK | OCC_SKIPPED;
        } else if (i->mode == MODE_LINK) {
            i->mode = MODE_FILE;
            i->flags &= ~(uint32_t)(OCC_SYMLINK | OCC_SKIPPED);
        }
        i->oid = oid_hash(out->data, out->len);
        i->size = out->len;
    }
    return rc;
}

/* A file too large to be read, of HEAD's size: is it HEAD's? Hashed once, for its stat data is kept. */
static void hash_large(const struct run *r, struct item *i)
{
    struct buf path = BUF_INIT;
    git_oid id;
    buf_addf(&path, "%s/", r->c->root);
    buf_add(&path, i->path.p, i->path.n);
    if (git_odb_hashfile(&id, path.data, GIT_OBJECT_BLOB) == 0)
        i->oid = oid_of(&id);
    buf_release(&path);
}

/* Is the content of no interest, now that it is known? */
static bool settled(struct item *i)
{
    if (i->from == FROM_FILE && i->head && oid_same(&i->oid, &i->head->oid)) {
        i->cut = i->head->cut;
        i->flags |= i->head->flags & (OCC_SKIPPED | OCC_QUARANTINED);
        return i->done = true;
    }
    return i->flags & OCC_SKIPPED ? (i->done = true) : false;
}

static int read_one(struct run *r, size_t n, git_repository *repo, git_odb *odb, struct err *e)
{
    struct item *i = &r->items->v[n];
    struct buf b = BUF_INIT;
    struct err why = {0};
    struct txn *t = NULL;
    int rc = i->from == FROM_FILE ? read_file(&b, r, repo, i, &why) : read_blob(&b, r, odb, i, &why);
    if (rc == ERR_LIMIT && i->from == FROM_FILE && i->head && i->head->size == i->size)
        hash_large(r, i);
    if (rc == ERR_LIMIT) {
        i->flags |= OCC_SKIPPED;
        i->done = true;
        rc = 0;
        goto out;
    }
    if (rc == ERR_NOT_FOUND && i->from == FROM_FILE) {
        i->flags |= OCC_DELETED; /* it went away between the walk and now */
        i->done = true;
        rc = 0;
        goto out;
    }
    if (rc) {
        refuse(r, i, 0, &why);
        rc = 0;
        goto out;
    }
    if (settled(i))
        goto out;
    if (!i->lang) {
        i->lang = language_for(i->path, (struct str){b.data ? b.data : "", b.len < LANGUAGE_HEAD ? b.len : LANGUAGE_HEAD});
        if ((rc = store_read(&t, r->c->store, e)) != 0)
            goto out;
        uint64_t size = i->size;
        bool known = find(r, t, i);
        i->size = size;
        txn_end(t);
        if (known)
            goto out;
    }
    rc = pool_submit(r->c->pool, n, i->lang, &b, e);
    if (!rc) { /* not before: collect() would go round and round until it is there, .07 s of a core in 6 */
        pthread_mutex_lock(&r->lock);
        r->submitted++;
        pthread_cond_signal(&r->moved);
        pthread_mutex_unlock(&r->lock);
    }
out:
    buf_release(&b);
    return rc;
}

struct large {
    uint64_t size;
    uint32_t item;
};

static int largest_first(const void *a, const void *b)
{
    const struct large *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size ? 1 : -1) : (x->item > y->item) - (x->item < y->item);
}

/* Sizes of what will be read, todo[from] and on, and the large ones to the front: one that came last would keep one core busy alone. The
 * rest stays in path order, which is the order of the deltas in a pack. */
static void sizes_first(struct run *r, git_odb *odb, size_t from)
{
    struct large *large = mem_zero(r->ntodo + 1, sizeof *large);
    size_t nlarge = 0, rest = r->ntodo;
    uint64_t total = 0;
    for (size_t k = 0; k < from; k++)
        total += r->items->v[r->todo[k]].size <= r->c->max_bytes ? r->items->v[r->todo[k]].size : 0;
    for (size_t k = from; k < r->ntodo; k++) {
        struct item *i = &r->items->v[r->todo[k]];
        if (i->from == FROM_ODB && odb)
            i->size = blob_size(odb, &i->oid);
        if (i->size <= r->c->max_bytes)
            total += i->size;
        if (i->size > LARGE_BYTES)
            large[nlarge++] = (struct large){i->size, r->todo[k]};
    }
    for (size_t k = r->ntodo; k-- > from;)
        if (r->items->v[r->todo[k]].size <= LARGE_BYTES)
            r->todo[--rest] = r->todo[k];
    if (nlarge)
        qsort(large, nlarge, sizeof *large, largest_first);
    for (size_t k = 0; k < nlarge; k++)
        r->todo[from + k] = large[k].item;
    free(large);
    pthread_mutex_lock(&r->lock);
    r->total_bytes = total;
    pthread_mutex_unlock(&r->lock);
}

static void *reader(void *arg)
{
    struct run *r = arg;
    git_repository *repo = NULL;
    git_odb *odb = NULL;
    struct err e = {0};
    int rc = r->c->git ? repo_open(&repo, r->c->git, &e) : 0;
    if (!rc && repo && git_repository_odb(&odb, repo) != 0)
        rc = git_fail(&e, GIT_ERROR, "%s", r->c->git);
    r->worktree = repo && !git_repository_is_bare(repo) ? open(r->c->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    for (size_t k = 0; k < r->ntodo && !rc && !atomic_load(&r->stop); k++) {
        if (k == HEAD_START || (!k && r->ntodo <= HEAD_START))
            sizes_first(r, odb, k);
        const struct item *i = &r->items->v[r->todo[k]];
        size_t before = r->submitted; /* written by this thread alone */
        rc = read_one(r, r->todo[k], repo, odb, &e);
        pthread_mutex_lock(&r->lock);
        r->read++;
        if (r->submitted == before && i->size <= r->c->max_bytes)
            r->gone_bytes += i->size;
        pthread_mutex_unlock(&r->lock);
    }
    if (r->worktree >= 0)
        close(r->worktree);
    git_odb_free(odb);
    repo_close(repo);
    pthread_mutex_lock(&r->lock);
    r->failed = rc ? e : (struct err){0};
    r->finished = true;
    pthread_cond_signal(&r->moved);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* -- the calling thread ------------------------------------------------------------------------------------------------------- */

struct batch {
    struct cut_new *cut;
    struct pool_result *from; /* owns what cut[] points at */
    size_t n, cap, cap_from, bytes;
    double since;
};

static void batch_clear(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        buf_release(&b->from[i].record);
        buf_release(&b->from[i].text);
    }
    b->n = b->bytes = 0;
}

static void batch_release(struct batch *b)
{
    batch_clear(b);
    free(b->cut);
    free(b->from);
}

static int write_refused(struct run *r, struct txn *t, struct err *e)
{
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->nrefused && !rc; i++)
        rc = quarantine_put(t, &r->refused[i], e);
    r->nrefused = 0;
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* How much the next batch may hold, by how long this one held the store. */
static void pace(struct run *r, double ms)
{
    if (ms > WRITE_MS)
        r->batch_bytes = r->batch_bytes / 2 > BATCH_LEAST ? r->batch_bytes / 2 : BATCH_LEAST;
    else if (ms < WRITE_MS / 3)
        r->batch_bytes = r->batch_bytes * 2 < BATCH_BYTES ? r->batch_bytes * 2 : BATCH_BYTES;
}

static int batch_write(struct run *r, struct batch *b, struct err *e)
{
    struct cut_batch *built = NULL;
    struct txn *t = NULL;
    uint32_t *ids = mem_zero(b->n + 1, sizeof *ids);
    int rc = b->n && r->c->max_index ? store_room(r->c->store, b->bytes, r->c->max_index, e) : 0;
    if (!rc && b->n)
        rc = cut_batch_build(&built, b->cut, b->n, e);
    if (!rc)
        rc = store_write(&t, r->c->store, e);
    double begun = clock_ms();
    if (!rc && b->n)
        rc = cut_batch_put(t, built, ids, e);
    if (!rc)
        rc = write_refused(r, t, e);
    if (rc)
        txn_end(t);
    else
        rc = txn_commit(t, e);
    pace(r, clock_ms() - begun);
    for (size_t i = 0; i < b->n && !rc; i++) {
        struct item *item = &r->items->v[b->from[i].tag];
        item->cut = ids[i];
        item->done = true;
    }
    r->c->cuts_made += rc ? 0 : b->n;
    cut_batch_free(built);
    free(ids);
    batch_clear(b);
    return rc;
}

static void batch_add(struct run *r, struct batch *b, struct pool_result *got)
{
    struct item *i = &r->items->v[got->tag];
    VEC_ROOM(b->cut, b->n, b->cap);
    VEC_ROOM(b->from, b->n, b->cap_from);
    if (!b->n)
        b->since = clock_ms();
    b->cut[b->n] = (struct cut_new){.key = key_of(i), .record = got->record.data, .record_len = got->record.len,
                                    .text = got->text.data, .text_len = got->text.len};
    b->bytes += got->text.len + got->record.len;
    b->from[b->n++] = *got;
}

/* Waits until something is in flight; false when nothing will come any more. */
static bool more(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->submitted == r->received && !r->finished)
        pthread_cond_wait(&r->moved, &r->lock);
    bool yes = r->submitted > r->received;
    pthread_mutex_unlock(&r->lock);
    return yes;
}

static bool tell(struct run *r, double *last, bool now)
{
    struct cutting *c = r->c;
    double ms = clock_ms();
    if (!c->cb || (!now && ms - *last < PROGRESS_MS))
        return true;
    *last = ms;
    return c->cb(c->arg, c->progress);
}

static int collect(struct run *r, struct err *e)
{
    struct batch b = {0};
    struct pool_result got;
    double begun = clock_ms(), last = 0;
    uint64_t before = r->items->n - r->ntodo;
    uint64_t done = 0, left; /* bytes that were cut, and that will be */
    int rc = 0;
    while (more(r)) {
        if (!pool_next(r->c->pool, &got))
            continue;
        pthread_mutex_lock(&r->lock);
        r->received++;
        r->c->progress->files_done = before + r->read - (r->submitted - r->received);
        r->c->progress->bytes = r->total_bytes;
        r->c->progress->bytes_done += r->items->v[got.tag].size;
        done += r->items->v[got.tag].size;
        left = !r->total_bytes ? UINT64_MAX : r->total_bytes > r->gone_bytes + done ? r->total_bytes - r->gone_bytes - done : 0;
        pthread_mutex_unlock(&r->lock);
        r->c->progress->seconds = (clock_ms() - begun) / 1e3;
        if (got.code == ERR_UNAVAILABLE) { /* nobody's fault: the run ends, the next one tries again */
            atomic_store(&r->stop, true);
            if (!rc && e)
                *e = got.why;
            rc = rc ? rc : ERR_UNAVAILABLE;
        } else if (got.code) {
            refuse(r, &r->items->v[got.tag], 2, &got.why);
            r->c->progress->quarantined++;
            log_line(LOG_INFO, "%s: quarantined: %s", r->items->v[got.tag].path.p, got.why.message);
        }
        if (got.code || rc) { /* after an error the rest is only drained */
            buf_release(&got.record);
            buf_release(&got.text);
            continue;
        }
        if (b.n && b.bytes + got.text.len + got.record.len > r->batch_bytes) /* two large contents are two transactions */
            rc = batch_write(r, &b, e);
        batch_add(r, &b, &got);
        /* while the last ones are cut: what is left to write when nothing is left to cut has the other cores idle */
        bool now = left <= b.bytes / NEAR_END && b.bytes >= BATCH_LEAST;
        if (!rc && (now || b.bytes >= r->batch_bytes || clock_ms() - b.since >= BATCH_MS))
            rc = batch_write(r, &b, e);
        if (!rc && !tell(r, &last, false))
            rc = err_set(e, ERR_CANCELED, "indexing was stopped");
        if (rc)
            atomic_store(&r->stop, true);
    }
    if ((!rc || rc == ERR_CANCELED || rc == ERR_UNAVAILABLE) && (b.n || r->nrefused)) {
        int wrote = batch_write(r, &b, rc ? NULL : e);
        rc = rc ? rc : wrote;
    }
    if (r->c->progress->quarantined)
        log_line(LOG_WARN, "%s: %u contents were quarantined", r->c->root, r->c->progress->quarantined);
    batch_release(&b);
    return rc;
}

int cutting_run(struct cutting *c, struct items *items, struct err *e)
{
    struct run r = {.c = c, .items = items, .plain = plain_text(), .batch_bytes = BATCH_BYTES};
    pthread_t thread;
    size_t left;
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.moved, NULL);
    c->progress->stage = "indexing";
    c->progress->files = items->n;
    int rc = find_all(&r, &left, e);
    if (rc || !left)
        goto out;
    if (!c->pool && (rc = indexer_pool(&c->pool, c->indexer, e)) != 0)
        goto out;
    list_todo(&r, left);
    c->progress->files_done = items->n - r.ntodo;
    if (pthread_create(&thread, NULL, reader, &r) != 0) {
        rc = err_set(e, ERR_INTERNAL, "no thread to read with");
        goto out;
    }
    rc = collect(&r, e);
    pthread_join(thread, NULL);
    if (!rc && r.failed.code) {
        if (e)
            *e = r.failed;
        rc = r.failed.code;
    }
    for (size_t k = 0; k < r.ncopy && !rc; k++) {
        struct item *i = &items->v[r.copy[k].item], *of = &items->v[r.copy[k].of];
        i->cut = of->cut;
        i->size = of->size;
        i->flags |= of->flags & (OCC_QUARANTINED | OCC_SKIPPED);
        i->done = true;
    }
out:
    c->progress->files_done = items->n;
    free(r.todo);
    free(r.copy);
    free(r.refused);
    pthread_cond_destroy(&r.moved);
    pthread_mutex_destroy(&r.lock);
    return rc;
}
