/* Notes a content's tombstone as one that is still to be gone through, as a kill behind it leaves it:
 *   purge_again HOME BLOB */
#include "base/hash.h"
#include "store/purge.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct store *s = NULL;
    struct err e = {0};
    struct oid oid = {{0}};
    if (argc != 3 || strlen(argv[2]) != 40 || hex_to(oid.byte, argv[2], 20) != 20) {
        fprintf(stderr, "usage: purge_again HOME BLOB\n");
        return 2;
    }
    int rc = store_open(&s, argv[1], NULL, &e);
    if (!rc)
        rc = purge_add(s, &oid, &e);
    store_close(s);
    if (rc)
        fprintf(stderr, "%s\n", e.message);
    return rc ? 1 : 0;
}
