/* Parallel variants of one thing: directories of versions (v3 beside v4) and of platforms (src/win beside src/unix). Decided by
 * what stands side by side, never by a name alone: "windows/" without a sibling of another platform is just a word. */
#include "retriever/snapshot.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct entry {
    struct str path;  /* of the directory, or of a file without its suffixes */
    uint32_t parent;  /* bytes of path that are the parent's */
    bool older, foreign;
};

static int entry_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    /* siblings stand together: first by parent, then by name */
    struct str p = {x->path.p, x->parent}, q = {y->path.p, y->parent};
    size_t n = p.n < q.n ? p.n : q.n;
    int c = n ? memcmp(p.p, q.p, n) : 0;
    if (!c)
        c = (p.n > q.n) - (p.n < q.n);
    if (c)
        return c;
    p = (struct str){x->path.p + x->parent, x->path.n - x->parent};
    q = (struct str){y->path.p + y->parent, y->path.n - y->parent};
    n = p.n < q.n ? p.n : q.n;
    c = n ? memcmp(p.p, q.p, n) : 0;
    return c ? c : (p.n > q.n) - (p.n < q.n);
}

static struct str name_of(const struct entry *e)
{
    return (struct str){e->path.p + e->parent, e->path.n - e->parent};
}

/* "v4", "v4.1", "4.x" -> its number; -1 for anything else. */
static double version_of(struct str s)
{
    size_t i = s.n && (s.p[0] | 32) == 'v';
    double number = 0, unit = 1;
    if (i == s.n || !isdigit((unsigned char)s.p[i]) || (!i && s.n > 4))
        return -1;
    bool fraction = false;
    for (; i < s.n; i++) {
        if (isdigit((unsigned char)s.p[i])) {
            unit = fraction ? unit / 10 : 1;
            number = fraction ? number + unit * (s.p[i] - '0') : number * 10 + (s.p[i] - '0');
        } else if ((s.p[i] == '.' || s.p[i] == '_') && !fraction) {
            fraction = true;
        } else {
            return -1;
        }
    }
    return number < 1000 ? number : -1; /* a year is no version */
}

enum platform { NO_PLATFORM, UNIX, LINUX, WINDOWS, DARWIN, OTHER_UNIX, MOBILE };

static enum platform platform_word(const char *p, size_t n)
{
    static const struct {
        const char *word;
        enum platform platform;
    } table[] = {
        {"unix", UNIX}, {"posix", UNIX}, {"linux", LINUX}, {"win", WINDOWS}, {"win32", WINDOWS}, {"windows", WINDOWS},
        {"mingw", WINDOWS}, {"msvc", WINDOWS}, {"cygwin", WINDOWS}, {"darwin", DARWIN}, {"macos", DARWIN}, {"osx", DARWIN},
        {"mac", DARWIN}, {"freebsd", OTHER_UNIX}, {"openbsd", OTHER_UNIX}, {"netbsd", OTHER_UNIX}, {"dragonfly", OTHER_UNIX},
        {"bsd", OTHER_UNIX}, {"sunos", OTHER_UNIX}, {"solaris", OTHER_UNIX}, {"aix", OTHER_UNIX}, {"hpux", OTHER_UNIX},
        {"haiku", OTHER_UNIX}, {"hurd", OTHER_UNIX}, {"os390", OTHER_UNIX}, {"ibmi", OTHER_UNIX}, {"qnx", OTHER_UNIX},
        {"android", MOBILE}, {"ios", MOBILE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t k = 0;
        while (k < n && table[i].word[k] && tolower((unsigned char)p[k]) == table[i].word[k])
            k++;
        if (k == n && !table[i].word[k])
            return table[i].platform;
    }
    return NO_PLATFORM;
}

/* The whole name, or one of its words between '-', '_' and '.': "darwin-proctitle", "process_linux". */
static enum platform platform_of(struct str s)
{
    size_t at = 0;
    for (size_t i = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            continue;
        enum platform p = platform_word(s.p + at, i - at);
        if (p)
            return p;
        at = i + 1;
    }
    return NO_PLATFORM;
}

bool is_platform(struct str word)
{
    return platform_word(word.p, word.n) != NO_PLATFORM;
}

static bool is_own(enum platform p)
{
    static const struct {
        const char *system;
        enum platform own[2];
    } table[] = {{"Linux", {UNIX, LINUX}}, {"Darwin", {UNIX, DARWIN}}};
    struct utsname u;
    if (uname(&u))
        return true;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(u.sysname, table[i].system))
            return p == table[i].own[0] || p == table[i].own[1];
    return p == UNIX || p == OTHER_UNIX;
}

static void judge_siblings(struct entry *e, size_t n)
{
    double newest = -1;
    unsigned platforms = 0;
    for (size_t i = 0; i < n; i++) {
        double v = version_of(name_of(&e[i]));
        newest = v > newest ? v : newest;
        enum platform p = platform_of(name_of(&e[i]));
        if (p)
            platforms |= 1u << p;
    }
    bool several = platforms & (platforms - 1);
    for (size_t i = 0; i < n; i++) {
        double v = version_of(name_of(&e[i]));
        e[i].older = v >= 0 && v < newest;
        enum platform p = platform_of(name_of(&e[i]));
        e[i].foreign = several && p && !is_own(p);
    }
}

void variants_find(struct snapshot *s)
{
    struct entry *e = NULL;
    size_t n = 0, cap = 0, unique = 0;
    for (uint32_t i = 0; i < s->nfiles; i++) {
        struct str path = s->file[i].path;
        size_t parent = 0;
        /* the directories that are new against the file before it: paths are in order */
        struct str before = i ? s->file[i - 1].path : STR("");
        for (size_t k = 0; k < s->file[i].stem; k++) {
            if (path.p[k] != '/')
                continue;
            if (before.n <= k || memcmp(before.p, path.p, k + 1)) {
                VEC_ROOM(e, n, cap);
                e[n++] = (struct entry){{path.p, k}, (uint32_t)parent, false, false};
            }
            parent = k + 1;
        }
        VEC_ROOM(e, n, cap);
        e[n++] = (struct entry){{path.p, (size_t)s->file[i].stem + s->file[i].stem_len}, (uint32_t)parent, false, false};
    }
    if (n)
        qsort(e, n, sizeof *e, entry_order);
    for (size_t i = 0; i < n; i++)
        if (!unique || entry_order(&e[unique - 1], &e[i]))
            e[unique++] = e[i];
    for (size_t i = 0, k; i < unique; i = k) {
        for (k = i + 1; k < unique && e[k].parent == e[i].parent && !memcmp(e[k].path.p, e[i].path.p, e[i].parent); k++)
            ;
        judge_siblings(e + i, k - i);
    }
    for (uint32_t i = 0; i < s->nfiles; i++) {
        struct snap_file *f = &s->file[i];
        size_t parent = 0, stem_end = (size_t)f->stem + f->stem_len;
        for (size_t k = 0; k <= stem_end; k++) {
            if (k < stem_end && (f->path.p[k] != '/' || k >= f->stem))
                continue;
            struct entry key = {{f->path.p, k}, (uint32_t)parent, false, false};
            struct entry *at = bsearch(&key, e, unique, sizeof *e, entry_order);
            if (at) {
                f->is.older = at->older ? 1 : f->is.older;
                f->is.foreign = at->foreign ? 1 : f->is.foreign;
            }
            parent = k + 1;
        }
    }
    free(e);
}
