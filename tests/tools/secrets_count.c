/* How many chunks of a home hold something masked:
 *   secrets_count HOME [-v]      -v: path of a content and line of each, for a person to judge */
#include "base/hash.h"
#include "store/cut.h"

#include <stdio.h>
#include <string.h>

struct totals {
    struct txn *t;
    bool list;
    unsigned long long chunks, masked;
};

static int count(void *arg, uint32_t cut)
{
    struct totals *n = arg;
    struct record r;
    struct oid oid;
    if (cut_get(n->t, cut, &r, NULL) || cut_oid(n->t, cut, &oid, NULL))
        return 0;
    n->chunks += r.head->nchunks;
    for (uint32_t i = 0; i < r.head->nchunks && r.head->nsecrets; i++) {
        bool masked = false;
        for (uint32_t k = 0; k < r.head->nsecrets; k++)
            masked |= r.secret[k].start < r.chunk[i].end && r.secret[k].end > r.chunk[i].start;
        n->masked += masked;
        if (masked && n->list) {
            char hex[41];
            hex_of(hex, oid.byte, 20);
            printf("%s %s:%u-%u\n", hex, r.head->language, r.chunk[i].start_line, r.chunk[i].end_line);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct store *s = NULL;
    struct err e = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: secrets_count HOME [-v]\n");
        return 2;
    }
    struct totals n = {.list = argc > 2 && !strcmp(argv[2], "-v")};
    int rc = store_open(&s, argv[1], NULL, &e);
    if (!rc && !(rc = store_read(&n.t, s, &e))) {
        rc = cuts_each(n.t, count, &n, &e);
        txn_end(n.t);
    }
    store_close(s);
    if (rc)
        fprintf(stderr, "%s\n", e.message);
    else
        printf("%llu of %llu chunks\n", n.masked, n.chunks);
    return rc ? 1 : 0;
}
