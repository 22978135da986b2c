/* feedback_show HOME: the rows of feedback, a JSON object a line, as evaluation and tuning read them. Not while a daemon runs. */
#include "store/feedback.h"

#include <stdio.h>

static int show(void *arg, uint64_t id, struct str json)
{
    return printf("%.*s\n", (int)json.n, json.p) < 0;
}

int main(int argc, char **argv)
{
    struct store *s = NULL;
    struct err e = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: feedback_show HOME\n");
        return 2;
    }
    int rc = store_open(&s, argv[1], NULL, &e);
    if (!rc)
        rc = feedback_each(s, show, NULL, &e);
    if (rc)
        fprintf(stderr, "feedback_show: %s\n", e.message);
    store_close(s);
    return rc ? 2 : 0;
}
