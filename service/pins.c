#include "service/pins.h"

#include "service/scope.h"

#include <stdlib.h>

#define STATE_PINS "local_only"

/* The list, a new reference; NULL: it cannot be read. */
static json_t *list_of(struct service *s)
{
    struct buf b = BUF_INIT;
    struct err e = {0};
    int rc = state_get(s->store, STATE_PINS, &b, &e);
    json_t *list = rc == ERR_NOT_FOUND ? json_array() : rc ? NULL : json_loadb(b.data ? b.data : "", b.len, 0, NULL);
    buf_release(&b);
    if (json_is_array(list))
        return list;
    json_decref(list);
    return NULL;
}

static size_t place_of(json_t *list, uint32_t repo)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
        if (json_integer_value(one) == repo)
            return i;
    return json_array_size(list);
}

bool repo_pinned(struct service *s, uint32_t repo)
{
    json_t *list = list_of(s);
    bool pinned = !list || place_of(list, repo) < json_array_size(list);
    json_decref(list);
    return pinned;
}

int repo_pin(struct service *s, uint32_t repo, bool pin, struct err *e)
{
    json_t *list = list_of(s);
    size_t len;
    if (!list)
        return err_set(e, ERR_CORRUPT, "the list of pinned repositories cannot be read");
    size_t i = place_of(list, repo);
    if (pin && i == json_array_size(list))
        json_array_append_new(list, json_integer(repo));
    else if (!pin)
        json_array_remove(list, i);
    char *text = json_line(list, &len);
    int rc = state_put(s->store, STATE_PINS, text, len, e);
    free(text);
    return rc;
}

enum model_role embed_role(struct service *s, uint32_t repo)
{
    return *s->o.config->embed_endpoint && !repo_pinned(s, repo) ? ROLE_FAR_EMBED : ROLE_EMBED;
}

bool scope_may_leave(struct service *s, const struct scope *sc)
{
    json_t *list = list_of(s);
    bool may = list != NULL;
    for (size_t i = 0; i < sc->n && may; i++)
        may = place_of(list, sc->repo[i].id) == json_array_size(list);
    json_decref(list);
    return may;
}
