/* self: who is asking, and what his token is good for. */
#include "service/method.h"

#include <string.h>

int method_self(struct request *rq, json_t **result, struct err *e)
{
    char text[ACCESS_TEXT];
    json_t *names = json_array();
    access_text(text, rq->who.local ? ACCESS_ANY : rq->who.access);
    for (const char *p = text; *p; p += strspn(p, ",")) {
        size_t n = strcspn(p, ",");
        json_array_append_new(names, json_stringn(p, n));
        p += n;
    }
    *result = json_pack("{ss?, sb, so}", "user", rq->who.local ? NULL : rq->who.name, "owner", rq->who.local, "access", names);
    return 0;
}
