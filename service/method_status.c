/* status: what runs, what is in, what it costs. */
#include "service/method.h"

#include "base/clock.h"
#include "base/hash.h"
#include "config/machine.h"
#include "kernels/nvml.h"
#include "service/counts.h"
#include "service/jobs.h"
#include "service/mirrors.h"
#include "service/models.h"
#include "service/permission.h"
#include "service/pins.h"
#include "service/remote.h"
#include "service/scope.h"
#include "store/cut.h"
#include "store/feedback.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUARANTINE_SHOWN 50

/* Pages of a process: all that are resident, and those of files and shared memory among them (the mapped index). */
static bool statm(pid_t pid, uint64_t *resident, uint64_t *shared)
{
    char path[64];
    unsigned long long size, rss, shr;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool good = fscanf(f, "%llu %llu %llu", &size, &rss, &shr) == 3;
    fclose(f);
    if (!good)
        return false;
    *resident = rss * (uint64_t)sysconf(_SC_PAGESIZE);
    *shared = shr * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

/* The engine and the cut workers. */
static uint64_t children_resident(unsigned *count)
{
    uint64_t sum = 0;
    *count = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *de; d && (de = readdir(d));) {
        char path[300], line[512];
        int ppid = 0;
        uint64_t r, sh;
        if (de->d_name[0] < '0' || de->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/stat", de->d_name);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        const char *after = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
        if (after && sscanf(after, ") %*c %d", &ppid) == 1 && ppid == getpid() && statm(atoi(de->d_name), &r, &sh)) {
            sum += r;
            ++*count;
        }
        fclose(f);
    }
    if (d)
        closedir(d);
    return sum;
}

static json_t *memory_json(const struct service *s)
{
    uint64_t resident = 0, shared = 0;
    unsigned children;
    statm(getpid(), &resident, &shared);
    uint64_t sum = children_resident(&children);
    return json_pack("{sI, sI, sI, sI, sI}", "resident", (json_int_t)resident, "mapped", (json_int_t)shared, "children",
                     (json_int_t)children, "children_resident", (json_int_t)sum, "engine_cap",
                     (json_int_t)engine_memory_of(s->o.config, machine_memory()));
}

static void set_known(json_t *row, const char *key, uint64_t value)
{
    if (value != NVML_UNKNOWN)
        json_object_set_new(row, key, json_integer((json_int_t)value));
}

/* The NVIDIA GPUs of the machine as they are now, whoever uses them; empty without their library. */
static json_t *gpus_json(void)
{
    struct nvml_gpu gpu[NVML_GPUS_MAX];
    size_t n = nvml_read(gpu, NVML_GPUS_MAX);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_object(), *reasons = json_array();
        const char *reason;
        uint64_t bit;
        json_object_set_new(row, "name", json_cstr(gpu[i].name));
        set_known(row, "sm_mhz", gpu[i].sm_mhz);
        set_known(row, "memory_mhz", gpu[i].memory_mhz);
        set_known(row, "celsius", gpu[i].celsius);
        set_known(row, "milliwatts", gpu[i].milliwatts);
        set_known(row, "busy_percent", gpu[i].busy_percent);
        set_known(row, "memory_used", gpu[i].memory_used);
        set_known(row, "memory_total", gpu[i].memory_total);
        for (size_t k = 0; (reason = nvml_throttle(k, &bit)); k++)
            if (gpu[i].throttle & bit)
                json_array_append_new(reasons, json_string(reason));
        json_object_set_new(row, "throttled", reasons);
        json_array_append_new(list, row);
    }
    return list;
}

static void each_table(void *arg, const char *table, uint64_t bytes)
{
    json_object_set_new(arg, table, json_integer((json_int_t)bytes));
}

static int each_quarantine(void *arg, const struct quarantine_row *q)
{
    json_t *list = arg;
    char hex[2 * OID_MAX + 1];
    if (json_array_size(list) == QUARANTINE_SHOWN)
        return 1;
    hex_of(hex, q->key.oid.byte, 20);
    json_array_append_new(list, json_pack("{ss, so, sI, so}", "blob", hex, "language",
                                          json_text(q->key.language, strnlen(q->key.language, LANGUAGE_NAME_MAX)), "attempts",
                                          (json_int_t)q->attempts, "reason", json_cstr(q->reason)));
    return 0;
}

static json_t *repo_json(struct request *rq, const struct repo_row *r)
{
    struct service *s = rq->s;
    struct seen seen;
    struct counts_row counted = {0};
    json_t *row = json_pack("{so, so}", "repo", json_cstr(r->name), "path", json_cstr(r->path));
    bool in = !view_lookup(&seen, s, r, NULL, NULL);
    if (in)
        counts_of(&counted, s->counts, s->store, r->id, seen.view);
    const struct repo_disk *d = &counted.disk;
    json_object_set_new(row, "freshness", in ? freshness_json(rq, r, &seen) : json_null());
    json_object_set_new(row, "quarantined", json_integer((json_int_t)counted.quarantined));
    json_object_set_new(row, "bytes", json_integer(in ? (json_int_t)seen.bytes : 0));
    json_object_set_new(row, "files", json_integer(in ? (json_int_t)seen.files : 0));
    if (rq->who.local)
        json_object_set_new(row, "pinned", json_boolean(repo_pinned(s, r->id)));
    json_t *mirror = mirror_json(s, r->id, rq->who.local);
    if (mirror)
        json_object_set_new(row, "mirror", mirror);
    if (!rq->who.local) /* tables and watches are shared out among all repositories: their shares tell of the others */
        return row;
    json_object_set_new(row, "watch", jobs_watch_json(s, r->id));
    json_object_set_new(row, "disk", json_pack("{sI, sI, sI, sI}", "contents", (json_int_t)d->contents, "words", (json_int_t)d->words,
                                               "vectors", (json_int_t)d->vectors, "paths", (json_int_t)d->paths));
    return row;
}

static int repos_json(json_t **out, struct request *rq, struct err *e)
{
    struct repo_row *rows = NULL;
    size_t n = 0;
    int rc = readable_repos(&rows, &n, rq, e);
    if (rc)
        return rc;
    *out = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(*out, repo_json(rq, &rows[i]));
    state_repos_free(rows, n);
    return 0;
}

static uint64_t file_bytes(const struct service *s, const char *name)
{
    char path[4200];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", s->o.paths->home, name);
    return stat(path, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

/* What anybody may know who is not the owner: counts and sizes of the whole home would tell of repositories that he may not read. */
static json_t *status_for_others(struct service *s, json_t *repos)
{
    char provider[64];
    json_t *models = models_json(s, provider);
    return json_pack("{ss, sI, ss, so, so, s[], s{}}", "version", CODEASK_VERSION, "pid", (json_int_t)getpid(), "provider", provider, "models", models,
                     "repos", repos, "jobs", "memory");
}

int method_status(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    struct txn *t;
    char provider[64];
    json_t *repos = NULL;
    int rc = repos_json(&repos, rq, e);
    if (rc)
        return rc;
    if (!rq->who.local) {
        *result = status_for_others(s, repos);
        return 0;
    }
    json_t *models = models_json(s, provider), *tables = json_object(), *quarantine = json_array();
    uint64_t generation = 0, feedback = 0;
    struct store_writes writes;
    if ((rc = store_read(&t, s->store, e))) {
        json_decref(repos);
        json_decref(models);
        json_decref(tables);
        json_decref(quarantine);
        return rc;
    }
    generation = txn_generation(t);
    store_tables(t, each_table, tables, NULL);
    quarantine_each(t, each_quarantine, quarantine, NULL);
    txn_end(t);
    feedback_count(&feedback, s->store, NULL);
    pthread_mutex_lock(&s->mu);
    unsigned requests = s->nrequests, sessions = 0;
    for (struct session *c = s->sessions; c; c = c->next)
        sessions++;
    pthread_mutex_unlock(&s->mu);
    *result = json_pack("{ss, sI, ss, so, so, so, so}", "version", CODEASK_VERSION, "pid", (json_int_t)getpid(), "provider",
                        provider, "models", models, "repos", repos, "jobs", jobs_json(s), "memory", memory_json(s));
    json_object_set_new(*result, "home", json_cstr(s->o.paths->home));
    json_object_set_new(*result, "uptime_seconds", json_integer((clock_ns() - s->started_ns) / 1000000000));
    json_object_set_new(*result, "clients", json_integer(sessions));
    json_object_set_new(*result, "requests", json_integer(requests));
    json_object_set_new(*result, "generation", json_integer((json_int_t)generation));
    json_object_set_new(*result, "disk", json_pack("{sI, sI, so}", "index", (json_int_t)file_bytes(s, "index.mdb"), "state",
                                                   (json_int_t)file_bytes(s, "state.mdb"), "tables", tables));
    store_writes(s->store, &writes);
    json_object_set_new(*result, "writes", json_pack("{sI, sf, sf, sI}", "transactions", (json_int_t)writes.n, "p99_ms", writes.p99_ms,
                                                     "longest_ms", writes.longest_ms, "over_50_ms", (json_int_t)writes.over));
    json_object_set_new(*result, "gpus", gpus_json());
    json_object_set_new(*result, "device_memory", models_residency(s));
    json_object_set_new(*result, "quarantine", quarantine);
    json_object_set_new(*result, "feedback", json_integer((json_int_t)feedback));
    json_t *server = remote_status(rq);
    if (server)
        json_object_set_new(*result, "server", server);
    return 0;
}
