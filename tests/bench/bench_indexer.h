/* What the benchmarks of the indexer share: a folder of their own with a home in it, and their own program as cut worker. */
#include "indexer/indexer.h"

#include "base/file.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[64], program[PATH_MAX];
static struct err e;
static struct config config;
static struct store *store;
static struct indexer *indexer;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, e.message);
    exit(2);
}
#define ok(call) ((call) ? fail(#call) : (void)0)

static void sh(const char *cmd)
{
    char line[1024];
    snprintf(line, sizeof line, "cd '%s' && %s", root, cmd);
    if (system(line))
        fail(cmd);
}

static void open_home(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    ok(dir_make(path, 0700, &e));
    ok(store_open(&store, path, NULL, &e));
    ok(indexer_open(&indexer, store, &config, program, &e));
}

static void close_home(void)
{
    indexer_close(indexer);
    store_close(store);
}

static void begin(void)
{
    strcpy(root, "/tmp/codeask-bench-XXXXXX");
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    if (!mkdtemp(root))
        exit(2);
    ok(config_open(&config, NULL, &e));
}

static void end(void)
{
    sh("cd / && rm -rf -- \"$OLDPWD\"");
    config_close(&config);
}
