/* "Did you mean". */
#include "cli/options.h"

#include <string.h>

#define LONGEST 24

/* Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
static unsigned distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned row[3][LONGEST + 1] = {{0}};
    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= m; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

/* One slip in a short word, two in a longer one: more, and ordinary words of questions would count as commands. */
static bool near(const char *word, const char *name, unsigned *best)
{
    unsigned d = distance(word, name), most = strlen(name) >= 6 ? 2 : strlen(name) >= 3 ? 1 : 0;
    if (d > most || d >= *best)
        return false;
    *best = d;
    return true;
}

const char *near_command(const char *word)
{
    const char *found = NULL;
    unsigned best = LONGEST;
    for (const struct method *m = methods; m->name; m++) {
        char first[LONGEST + 1];
        size_t n = strcspn(m->name, " ");
        if (n > LONGEST)
            continue;
        memcpy(first, m->name, n);
        first[n] = 0;
        if (near(word, first, &best))
            found = n == strlen(m->name) ? m->name : m->name[0] == 'r' ? "repo …" : m->name[0] == 'e' ? "editor …" : "model …";
    }
    if (near(word, "help", &best))
        found = "help";
    return found;
}

const char *near_word(const char *word, const char *const *words)
{
    const char *found = NULL;
    unsigned best = LONGEST;
    for (; *words; words++)
        if (near(word, *words, &best))
            found = *words;
    return found;
}
