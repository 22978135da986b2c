/* state_set HOME KEY TEXT: a value of state.mdb's table kv, for what would take a test minutes to bring about. Not while a daemon runs. */
#include "store/store.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct store *s = NULL;
    struct err e = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: state_set HOME KEY TEXT\n");
        return 2;
    }
    int rc = store_open(&s, argv[1], NULL, &e);
    if (!rc)
        rc = state_put(s, argv[2], argv[3], strlen(argv[3]), &e);
    if (rc)
        fprintf(stderr, "state_set: %s\n", e.message);
    store_close(s);
    return rc ? 2 : 0;
}
