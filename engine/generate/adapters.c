#include "engine/generate/adapters.h"

#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct adapters {
    struct decoder *d;
    struct peft_base base;
    pthread_mutex_t lock; /* guards all below, and is held while one is read */
    size_t n;
    struct kept {
        char *folder;
        struct timespec written; /* its weights, when they were read */
        uint64_t key;
        struct lora *lora;
    } v[ADAPTERS_MAX];
};

struct adapters *adapters_new(struct decoder *d, const struct peft_base *base)
{
    struct adapters *a = mem_zero(1, sizeof *a);
    a->d = d;
    a->base = *base;
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void adapters_free(struct adapters *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++) {
        free(a->v[i].folder);
        lora_free(a->v[i].lora);
    }
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static struct timespec written(const char *folder)
{
    struct stat st = {0};
    char *weights = peft_weights(folder);
    if (stat(weights, &st))
        st.st_mtim = (struct timespec){0};
    free(weights);
    return st.st_mtim;
}

static int read_one(struct kept *k, const struct adapters *a, const char *folder, struct timespec when, struct err *e)
{
    *k = (struct kept){.written = when};
    int rc = peft_read(&k->lora, a->d, folder, &a->base, e);
    if (rc)
        return rc;
    k->folder = mem_str(folder);
    k->key = hash64_seed(k->lora->value, k->lora->count * sizeof *k->lora->value, hash64(&k->lora->scale, sizeof k->lora->scale));
    return 0;
}

int adapters_get(const struct lora **out, uint64_t *key, struct adapters *a, const char *folder, struct err *e)
{
    struct timespec when = written(folder);
    size_t i = 0;
    int rc = 0;
    pthread_mutex_lock(&a->lock);
    while (i < a->n && (strcmp(a->v[i].folder, folder) || a->v[i].written.tv_sec != when.tv_sec || a->v[i].written.tv_nsec != when.tv_nsec))
        i++;
    if (i == ADAPTERS_MAX) {
        rc = err_set(e, ERR_LIMIT, "%d adapters are open", ADAPTERS_MAX);
        err_hint(e, "codeask stop ends the daemon; the next one opens what is asked for");
    } else if (i == a->n && !(rc = read_one(&a->v[i], a, folder, when, e))) {
        a->n++;
    }
    if (!rc) {
        *out = a->v[i].lora;
        *key = a->v[i].key;
    }
    pthread_mutex_unlock(&a->lock);
    return rc;
}
