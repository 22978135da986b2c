/* Finds commits for questions in a home without its daemon, to see what vectors of messages do:
 *   why_run HOME DIR [-m MODEL_FOLDER] [-e] <questions
 * Questions are lines of standard input; each gives one line: of the ten best commits HASH:COSINE, best first. The history is read in
 * first where it lacks. -m: with vectors, which -e makes first. The daemon of that home must not run. */
#include "base/clock.h"
#include "base/hash.h"
#include "engine/engine.h"
#include "indexer/git.h"
#include "indexer/history.h"
#include "retriever/commits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEST 10

static bool show(void *arg, const struct index_progress *p)
{
    (void)arg;
    if (p->texts_done == p->texts)
        fprintf(stderr, "%s: %llu in %.1f s\n", p->stage, (unsigned long long)p->texts, p->seconds);
    return true;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct config config = {0};
    struct store *s = NULL;
    struct indexer *x = NULL;
    struct repo_row repo = {0};
    git_repository *git = NULL;
    struct git_target head;
    struct engine *en = NULL;
    struct model *m = NULL;
    const char *folder = NULL;
    char *line = NULL;
    size_t cap = 0, n = 0;
    ssize_t len;
    bool embed = false;
    double ms = 0;
    for (int i = 3; i < argc; i++) {
        embed |= !strcmp(argv[i], "-e");
        folder = !strcmp(argv[i], "-m") && i + 1 < argc ? argv[i + 1] : folder;
    }
    if (argc < 3 || config_open(&config, NULL, &e) || store_open(&s, argv[1], NULL, &e) || indexer_open(&x, s, &config, "", &e) ||
        state_repo_add(s, argv[2], false, &repo, &e) || repo_open(&git, argv[2], &e) || repo_target(&head, git, NULL, &e) ||
        history_index(x, &repo, &head.commit, NULL, NULL, &e) ||
        (folder && (engine_open(&en, &(struct engine_options){0}, &e) || model_open(&m, en, folder, &e))) ||
        (m && embed && history_embed(x, m, &head.commit, show, NULL, &e))) {
        fprintf(stderr, "%s\n", argc < 3 ? "usage: why_run HOME DIR [-m MODEL_FOLDER] [-e]" : e.message);
        return 2;
    }
    while ((len = getline(&line, &cap, stdin)) > 0) {
        struct arena a;
        struct commit_hit *hit;
        size_t hits;
        line[strcspn(line, "\n")] = 0;
        arena_init(&a);
        int64_t began = clock_ns();
        struct commits_query q = {line, &head.commit, BEST, m ? model_info(m) : NULL, commits_vector(m, line, &a)};
        if (commits_search(&hit, &hits, s, &q, &a, &e))
            hits = 0;
        ms += (double)(clock_ns() - began) / 1e6;
        n++;
        for (size_t i = 0; i < hits; i++) {
            char hex[2 * GIT_ID_BYTES + 1];
            hex_of(hex, hit[i].oid.byte, GIT_ID_BYTES);
            printf("%s%s:%.2f", i ? " " : "", hex, hit[i].near);
        }
        putchar('\n');
        arena_release(&a);
    }
    if (n)
        fprintf(stderr, "%zu questions, %.2f ms each\n", n, ms / (double)n);
    free(line);
    if (m)
        model_close(m);
    engine_close(en);
    repo_close(git);
    indexer_close(x);
    store_close(s);
    repo_row_release(&repo);
    config_close(&config);
    return 0;
}
