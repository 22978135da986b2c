/* page: keeps a text as a file that an editor shows, below the home and for this user alone. The last few stay. */
#include "service/method.h"

#include "service/purge.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGES_KEPT 20          /* answers that somebody may still look at */
#define PAGE_MAX (4u << 20)    /* bytes; an answer has a few thousand */
#define PAGES_SEEN 1000        /* files looked at when old ones are taken away */
#define TITLE_BYTES 40

/* "explain-send": what a file's name can say of its title. */
static void slug(char out[TITLE_BYTES + 1], const char *title)
{
    size_t n = 0;
    for (; *title && n < TITLE_BYTES; title++) {
        char c = *title >= 'A' && *title <= 'Z' ? (char)(*title | 32) : *title;
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        if (word || (n && out[n - 1] != '-'))
            out[n++] = word ? c : '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    out[n] = 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names begin with the time, so the oldest come first. keep: so many stay. */
static void drop_old(const char *dir, size_t keep)
{
    char *name[PAGES_SEEN];
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *x; d && n < PAGES_SEEN && (x = readdir(d));)
        if (x->d_name[0] != '.')
            name[n++] = mem_str(x->d_name);
    if (d)
        closedir(d);
    qsort(name, n, sizeof *name, by_name);
    for (size_t i = 0; i < n; i++) {
        struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", dir, name[i]);
        if (i + keep < n)
            unlink(path.data);
        buf_release(&path);
        free(name[i]);
    }
}

int method_page(struct request *rq, json_t **result, struct err *e)
{
    const char *title = param_str(rq, "title"), *text = param_str(rq, "text");
    char words[TITLE_BYTES + 1];
    struct buf dir = BUF_INIT, path = BUF_INIT;
    if (!title || !text)
        return err_set(e, ERR_USAGE, "a title and a text are wanted");
    if (strlen(text) > PAGE_MAX)
        return err_set(e, ERR_LIMIT, "a page of more than %u MiB", PAGE_MAX >> 20);
    slug(words, title);
    buf_addf(&dir, "%s/pages", rq->s->o.paths->home);
    buf_addf(&path, "%s/%015lld-%s.md", dir.data, (long long)(clock_wall_ns() / 1000000), words);
    int rc = dir_make(dir.data, 0700, e);
    if (!rc)
        rc = file_write(path.data, text, strlen(text), 0400, e);
    if (!rc) {
        drop_old(dir.data, PAGES_KEPT);
        *result = json_pack("{so}", "path", json_cstr(path.data));
    }
    buf_release(&dir);
    buf_release(&path);
    return rc;
}

void pages_forget(struct service *s)
{
    struct buf dir = BUF_INIT;
    buf_addf(&dir, "%s/pages", s->o.paths->home);
    drop_old(dir.data, 0);
    buf_release(&dir);
}
