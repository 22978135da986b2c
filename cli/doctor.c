/* doctor: is everything there that codeask needs? Never starts the daemon. To add a check, write a function and its row. */
#include "cli/client.h"
#include "cli/show.h"

#include "base/file.h"
#include "config/config.h"
#include "config/paths.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum state { GOOD, WARN, FAIL };

struct finding {
    enum state state;
    char message[700], hint[400];
};

struct patient {
    const struct paths *p;
    struct config config;
    int config_rc;
    struct err config_err;
    bool running;
    struct client client;
    json_t *status;
};

static struct finding of(enum state s, const char *hint, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static struct finding of(enum state s, const char *hint, const char *fmt, ...)
{
    struct finding f = {.state = s};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f.message, sizeof f.message, fmt, ap);
    va_end(ap);
    snprintf(f.hint, sizeof f.hint, "%s", hint ? hint : "");
    return f;
}

static struct finding of_err(enum state s, const struct err *e)
{
    return of(s, e->hint, "%s", e->message);
}

static struct finding check_version(struct patient *x)
{
    char mine[BUILD_MAX], *program = NULL;
    struct err e;
    if (daemon_program(&program, x->p, &e))
        return of_err(FAIL, &e);
    build_name(mine, program);
    free(program);
    if (x->running && strcmp(mine, x->client.build))
        return of(WARN, "the next question replaces an older one; a daemon run by systemd wants a restart",
                  "this is build %s, the daemon that runs is %s", mine, x->client.build);
    return of(GOOD, NULL, "build %s, protocol %d", mine, PROTOCOL_VERSION);
}

static struct finding check_home(struct patient *x)
{
    struct stat st;
    const char *home = x->p->home;
    if (lstat(home, &st)) {
        char up[4096];
        snprintf(up, sizeof up, "%s", home);
        for (char *slash; !file_exists(up) && !dir_exists(up) && (slash = strrchr(up, '/')) && slash != up;)
            *slash = 0;
        return access(up, W_OK) ? of(FAIL, "set CODEASK_HOME to a folder that you may write", "%s cannot be made: %s is not "
                                     "writable", home, up)
                                : of(GOOD, NULL, "%s (made at the first question)", home);
    }
    if (!S_ISDIR(st.st_mode))
        return of(FAIL, "set CODEASK_HOME to a folder", "%s is not a folder", home);
    if (st.st_uid != geteuid() || (st.st_mode & 077))
        return of(FAIL, "it holds your code: chmod 700", "%s is open to others", home);
    if (access(home, W_OK))
        return of(FAIL, "set CODEASK_HOME to a folder that you may write", "%s is not writable", home);
    return of(GOOD, NULL, "%s", home);
}

static struct finding check_file_system(struct patient *x)
{
    struct err e;
    return paths_check_local(x->p->home, &e) ? of_err(FAIL, &e) : of(GOOD, NULL, "local, files can be mapped and locked");
}

static struct finding check_disk(struct patient *x)
{
    struct statvfs v;
    char up[4096], a[32];
    snprintf(up, sizeof up, "%s", x->p->home);
    for (char *slash; statvfs(up, &v) && (slash = strrchr(up, '/')) && slash != up;)
        *slash = 0;
    if (statvfs(up, &v))
        return of(WARN, NULL, "%s: %s", up, strerror(errno));
    double left = (double)v.f_bavail * (double)v.f_frsize;
    return of(left < 1e9 ? WARN : GOOD, left < 1e9 ? "an index takes about twice the size of the source" : NULL, "%s free",
              human_bytes(a, left));
}

static struct finding check_config(struct patient *x)
{
    if (x->config_rc)
        return of_err(FAIL, &x->config_err);
    return of(GOOD, NULL, "%s%s", x->p->config, file_exists(x->p->config) ? "" : " (not there: defaults)");
}

static struct finding check_socket(struct patient *x)
{
    struct stat st;
    if (x->running)
        return of(GOOD, NULL, "%s, pid %d%s", x->p->socket, x->client.pid, x->client.autostarted ? ", started by a client" : "");
    if (lstat(x->p->socket, &st))
        return of(GOOD, NULL, "%s (no daemon runs; a question starts one)", x->p->socket);
    if (!S_ISSOCK(st.st_mode))
        return of(FAIL, "move it away", "%s is not a socket", x->p->socket);
    return of(GOOD, NULL, "%s was left behind by a daemon that was killed; the next one replaces it", x->p->socket);
}

static struct finding check_model(struct patient *x)
{
    struct err e;
    char *path = NULL;
    json_t *m = json_array_get(json_object_get(x->status, "models"), 0);
    const char *name = m ? text_of(m, "name") : x->config_rc ? "all-MiniLM-L6-v2" : x->config.embed_model;
    if (!x->config_rc && !x->config.embed)
        return of(WARN, "set embed = yes", "embedding is switched off: words and symbols alone");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(x->status, "models"), i, row) /* those that answer and rerank too */
        if (!strcmp(text_of(row, "state"), "unavailable"))
            return of(WARN, "codeask model verify NAME; codeask model use NAME", "%s (%s): %s", text_of(row, "name"), text_of(row, "role"),
                      text_of(row, "message"));
    if (model_find(&path, x->p, name, &e))
        return of_err(WARN, &e); /* answers come from words and symbols */
    struct finding f = of(GOOD, NULL, "%s at %s", name, path);
    free(path);
    return f;
}

static struct finding check_provider(struct patient *x)
{
    static const char *const want[] = {" amx_int8", " avx512_vnni", " avx512f", " avx2", " asimddp", " asimd", NULL};
    static const char *const name[] = {"AMX", "AVX-512 VNNI", "AVX-512", "AVX2", "NEON with dot products", "NEON"};
    const char *now = text_of(x->status, "provider");
    if (*now && strcmp(now, "none"))
        return of(GOOD, NULL, "%s", now);
    FILE *f = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t cap = 0;
    int best = -1;
    while (f && best < 0 && getline(&line, &cap, f) > 0)
        if (!strncmp(line, "flags", 5) || !strncmp(line, "Features", 8))
            for (int i = 0; want[i] && best < 0; i++)
                if (strstr(line, want[i]))
                    best = i;
    free(line);
    if (f)
        fclose(f);
    return best < 0 ? of(WARN, "embedding will be slow", "the processor has none of the instructions that the kernels use")
                    : of(GOOD, NULL, "cpu with %s", name[best]);
}

/* What NVIDIA's library says to the daemon. */
static struct finding check_gpus(struct patient *x)
{
    struct finding f = of(GOOD, NULL, x->running ? "none that NVIDIA's library (NVML) tells of" : "told when a daemon runs");
    json_t *row, *reason;
    size_t i, k, n = 0;
    json_array_foreach(json_object_get(x->status, "gpus"), i, row) {
        char *to = f.message + n;
        size_t room = sizeof f.message - n;
        const json_t *mhz = json_object_get(row, "sm_mhz"), *celsius = json_object_get(row, "celsius");
        int len = snprintf(to, room, "%s%.90s%s", i ? "; " : "", text_of(row, "name"), json_object_get(row, "milliwatts") ? "" : " (says little)");
        if (mhz && celsius)
            len = snprintf(to, room, "%s%.90s: %lld MHz, %lld °C, %lld W", i ? "; " : "", text_of(row, "name"), json_integer_value(mhz),
                           json_integer_value(celsius), (long long)int_of(row, "milliwatts") / 1000);
        n += (size_t)len < room ? (size_t)len : room - 1;
        json_array_foreach(json_object_get(row, "throttled"), k, reason) {
            f.state = WARN;
            len = snprintf(f.message + n, sizeof f.message - n, "%s%s", k ? ", " : ", slowed by ", json_string_value(reason));
            n += (size_t)len < sizeof f.message - n ? (size_t)len : sizeof f.message - n - 1;
        }
    }
    return f;
}

/* The plan of the GPU's memory: the budget, and who has or would have how much of it. */
static struct finding check_plan(struct patient *x)
{
    json_t *plan = json_object_get(x->status, "device_memory"), *row;
    char a[32], b[32], c[32];
    size_t i;
    if (!json_object_get(plan, "budget"))
        return of(GOOD, NULL, x->running ? "no model is on a GPU; what the CPU computes with is capped by engine_memory" : "told when a daemon runs");
    struct finding f = of(GOOD, NULL, "budget %s, %s held, of %s%s", human_bytes(a, (double)int_of(plan, "budget")),
                          human_bytes(b, (double)int_of(plan, "held")), human_bytes(c, (double)int_of(plan, "total")),
                          json_is_true(json_object_get(plan, "unified")) ? " that the GPU shares with the host" : "");
    json_array_foreach(json_object_get(plan, "tenants"), i, row) {
        size_t n = strlen(f.message);
        const char *state = text_of(row, "state");
        snprintf(f.message + n, sizeof f.message - n, "; %s %.40s (priority %lld): %s, floor %s, ceiling %s", text_of(row, "tenant"),
                 text_of(row, "model"), (long long)int_of(row, "priority"),
                 strcmp(state, "released") ? human_bytes(a, (double)int_of(row, "bytes")) : state, human_bytes(b, (double)int_of(row, "floor")),
                 human_bytes(c, (double)int_of(row, "ceiling")));
    }
    return f;
}

static struct finding check_memory(struct patient *x)
{
    char line[256], a[32];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "MemAvailable: %llu", &kb) != 1)
        ;
    if (f)
        fclose(f);
    return of(kb && kb < 1000000 ? WARN : GOOD, NULL, "%s available", human_bytes(a, (double)kb * 1024));
}

static long long number_in(const char *path)
{
    FILE *f = fopen(path, "re");
    long long n = -1;
    if (f && fscanf(f, "%lld", &n) != 1)
        n = -1;
    if (f)
        fclose(f);
    return n;
}

static struct finding check_watches(struct patient *x)
{
    long long watches = number_in("/proc/sys/fs/inotify/max_user_watches");
    if (watches < 0)
        return of(WARN, NULL, "this kernel tells no limit");
    return of(watches < 65536 ? WARN : GOOD,
              watches < 65536 ? "raise fs.inotify.max_user_watches with sysctl; until then changes are looked for every ten seconds"
                              : NULL,
              "%lld folders can be watched", watches);
}

static struct finding check_files(struct patient *x)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r))
        return of(WARN, NULL, "%s", strerror(errno));
    return of(r.rlim_cur < 1024 ? WARN : GOOD, r.rlim_cur < 1024 ? "ulimit -n 1024" : NULL, "%llu open files",
              (unsigned long long)r.rlim_cur);
}

struct check {
    const char *name;
    struct finding (*check)(struct patient *x);
};

static const struct check checks[] = {
    {"version", check_version}, {"home", check_home},         {"file system", check_file_system}, {"disk", check_disk},
    {"settings", check_config}, {"socket", check_socket},     {"model", check_model},             {"provider", check_provider},
    {"gpu", check_gpus},       {"gpu memory", check_plan}, {"memory", check_memory},   {"watches", check_watches},   {"files", check_files},       {NULL},
};

/* -- --privacy: every way by which something may leave the machine. sessions/privacy watches that there is no other ------------- */

static struct finding check_sends(struct patient *x)
{
    return of(GOOD, NULL, "nothing by itself: no telemetry, no search for updates, no report of a crash");
}

static struct finding check_listens(struct patient *x)
{
    const char *at = x->config_rc ? "" : x->config.listen;
    if (x->config_rc)
        return of_err(FAIL, &x->config_err);
    if (!*at)
        return of(GOOD, NULL, "nowhere but on its socket, as `listen` is empty; `codeask serve --listen` is somebody's own word");
    return of(GOOD, NULL, "%s, for who shows a token and, on this machine, for its own user; other machines only by TLS", at);
}

static struct finding check_server(struct patient *x)
{
    const char *env = getenv("CODEASK_SERVER");
    bool set = env && *env;
    if (x->config_rc && !set)
        return of_err(FAIL, &x->config_err);
    const char *url = set ? env : x->config.server;
    if (!*url || !strcmp(url, "none"))
        return of(GOOD, NULL, "none: questions go to no team's server (CODEASK_SERVER and `server` are empty)");
    return of(GOOD, NULL, "questions, the addresses of a repository's remotes and hashes of its commits go to %s, as %s says; %s", url,
              set ? "CODEASK_SERVER" : "`server`",
              !x->config_rc && x->config.push_overlay ? "what differs here from its commit goes there too, secrets masked, for the session (push-overlay = yes)"
                                                      : "code does not (push-overlay = no)");
}

static struct finding check_door(struct patient *x)
{
    struct stat st;
    if (lstat(x->p->socket, &st))
        return of(GOOD, NULL, "%s (no daemon runs)", x->p->socket);
    if (st.st_mode & 077)
        return of(FAIL, "stop the daemon and start it again", "%s is open to others (mode %04o)", x->p->socket, st.st_mode & 07777);
    return of(GOOD, NULL, "%s, mode %04o: its user alone", x->p->socket, st.st_mode & 07777);
}

static struct finding check_pull(struct patient *x)
{
    return of(GOOD, NULL, "only what `codeask model pull URL` names, and when that is run: the address goes there, no code");
}

/* Where git servers are spoken to: those of `repo add URL`, and no other. */
static struct finding check_remotes(struct patient *x)
{
    char list[500] = "";
    size_t i, n = 0, shown = 0;
    json_t *row;
    json_array_foreach(json_object_get(x->status, "repos"), i, row) {
        const char *url = text_of(json_object_get(row, "mirror"), "url");
        if (!*url)
            continue;
        n++;
        if (strlen(list) + strlen(url) + 3 < sizeof list) {
            shown++;
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "", url);
        }
    }
    if (!x->running)
        return of(GOOD, "`codeask status` names them while the daemon runs", "only those of `codeask repo add URL`, which are fetched from; no code goes there");
    if (!n)
        return of(GOOD, NULL, "none: repositories are read from this disk; hooks, filters and configured programs never run");
    return of(GOOD, shown < n ? "`codeask repo list` shows all" : NULL, "fetched from, nothing but that: %s", list);
}

static struct finding check_models(struct patient *x)
{
    const char *answer = x->config_rc ? "" : x->config.answer_endpoint, *embed = x->config_rc ? "" : x->config.embed_endpoint;
    size_t i, pinned = 0;
    json_t *row;
    if (!*answer && !*embed)
        return of(GOOD, NULL, "all run in processes of this machine; questions, code and answers go to no service");
    json_array_foreach(json_object_get(x->status, "repos"), i, row)
        pinned += json_is_true(json_object_get(row, "pinned"));
    return of(GOOD, "codeask repo pin NAME local keeps a repository's text here", "%s%s%s%s%s%s; of %zu repositories, %zu pinned to this machine",
              *answer ? "questions with their sources go to " : "", answer, *answer && *embed ? "; " : "", *embed ? "code and questions, to be embedded, go to " : "", embed,
              x->running ? "" : " (no daemon runs)", json_array_size(json_object_get(x->status, "repos")), pinned);
}

static struct finding check_readers(struct patient *x)
{
    return of(GOOD, NULL, "repositories are cut by processes that can open no file and no socket (seccomp)");
}

static struct finding check_bundles(struct patient *x)
{
    char path[PATH_MAX];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/bundles", x->p->home);
    DIR *d = opendir(path);
    for (struct dirent *one; d && (one = readdir(d));) {
        const char *dot = strrchr(one->d_name, '.');
        n += dot && !strcmp(dot, ".contents");
    }
    if (d)
        closedir(d);
    else if (errno != ENOENT)
        return of(WARN, NULL, "%s: %s", path, strerror(errno));
    if (!n)
        return of(GOOD, NULL, "none was made: `codeask bundle export` alone writes code into a file");
    return of(GOOD, "`codeask purge` names those that hold a content", "%zu made by `codeask bundle export`: files with code, which go where they are carried", n);
}

static const struct check privacy_checks[] = {
    {"sends", check_sends},     {"listens", check_listens}, {"server", check_server},   {"socket", check_door},     {"home", check_home},
    {"downloads", check_pull},  {"remotes", check_remotes}, {"models", check_models},   {"readers", check_readers},
    {"bundles", check_bundles}, {NULL},
};

int doctor(struct buf *out, const struct look *l, const struct paths *p, bool privacy, bool as_json)
{
    static const char *const word[] = {"ok", "warn", "fail"};
    static const enum style color[] = {STYLE_GOOD, STYLE_WARN, STYLE_BAD};
    struct patient x = {.p = p};
    struct err e;
    bool failed = false;
    json_t *rows = json_array();
    x.config_rc = config_open(&x.config, p->config, &x.config_err);
    x.running = !client_open(&x.client, p, MEET_RUNNING, NULL, &e);
    if (x.running && client_call(&x.status, &x.client, "status", NULL, NULL, NULL, &e))
        x.status = NULL;
    for (const struct check *c = privacy ? privacy_checks : checks; c->name; c++) {
        struct finding f = c->check(&x);
        failed |= f.state == FAIL;
        json_array_append_new(rows, json_pack("{ss, ss, so, so}", "name", c->name, "state", word[f.state], "message",
                                              json_clean(f.message, strlen(f.message)), "hint",
                                              json_clean(f.hint, strlen(f.hint))));
        put_styled(out, l, color[f.state], "%-5s", word[f.state]);
        buf_addf(out, "%-12s ", c->name);
        put_cleans(out, f.message);
        buf_addc(out, '\n');
        if (f.hint[0]) {
            buf_addf(out, "%18s", "");
            put_cleans(out, f.hint);
            buf_addc(out, '\n');
        }
    }
    if (as_json) {
        json_t *o = json_pack("{sb, so}", "ok", !failed, "checks", rows);
        char *text = json_dumps(o, JSON_COMPACT);
        buf_clear(out);
        buf_addf(out, "%s\n", text);
        free(text);
        json_decref(o);
    } else {
        json_decref(rows);
    }
    json_decref(x.status);
    if (x.running)
        client_close(&x.client);
    if (!x.config_rc)
        config_close(&x.config);
    return failed;
}
