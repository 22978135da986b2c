#define _GNU_SOURCE /* memmem */
#include "service/purge.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "service/answers.h"
#include "service/audit.h"
#include "service/conversations.h"
#include "service/holders.h"
#include "service/models.h"
#include "service/overlays.h"
#include "service/quotes.h"
#include "service/unsaved.h"
#include "store/purge.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMPACT_TRIES 10 /* each waits two seconds for readers to end */

bool purge_pending(struct service *s)
{
    struct purge_row *row = NULL;
    size_t n = 0;
    bool any = purge_list(s->store, &row, &n, NULL) != 0;
    for (size_t i = 0; i < n; i++)
        any |= !row[i].done_ns;
    free(row);
    return any;
}

struct purge {
    struct service *s;
    struct purge_row *row; /* all tombstones: what a restore or another index brought back goes as well */
    size_t n;
    struct quotes *quotes;
    bool only_look;
    uint64_t masked;
};

static bool is_purged(void *arg, const struct oid *oid)
{
    const struct purge *p = arg;
    return purged(p->s->store, oid);
}

/* -- what people wrote ------------------------------------------------------------------------------------------------------ */

/* A row of feedback: {"question", "shown": [places], "expected": place, …}. */
static bool names_content(const struct purge *p, struct str row)
{
    char hex[2 * OID_MAX + 1];
    for (size_t i = 0; i < p->n; i++) {
        hex_of(hex, p->row[i].oid.byte, 20);
        if (memmem(row.p, row.n, hex, 40))
            return true;
    }
    return false;
}

static bool feedback_goes(void *arg, struct str row)
{
    struct purge *p = arg;
    json_t *o = json_loadb(row.p, row.n, JSON_ALLOW_NUL, NULL);
    json_t *question = json_object_get(o, "question");
    struct str text = {json_is_string(question) ? json_string_value(question) : "", json_string_length(question)};
    bool goes = false;
    if (p->only_look)
        quotes_look(p->quotes, text);
    else
        goes = names_content(p, row) || quotes_in(p->quotes, text);
    json_decref(o);
    return goes;
}

static bool question_masked(void *arg, char *query, size_t n)
{
    struct purge *p = arg;
    if (p->only_look) {
        quotes_look(p->quotes, (struct str){query, n});
        return false;
    }
    bool any = quotes_mask(p->quotes, query, n);
    p->masked += any;
    return any;
}

static int each_text(struct purge *p, struct err *e)
{
    int rc = audit_each(p->s->audit, question_masked, p, e);
    return rc ? rc : state_forget(p->s->store, feedback_goes, p, &p->masked, e);
}

static int forget_quotes(struct purge *p, struct err *e)
{
    p->only_look = true;
    int rc = each_text(p, e);
    p->only_look = false;
    if (!rc)
        rc = quotes_settle(p->quotes, p->s->store, e);
    return rc ? rc : each_text(p, e);
}

/* -- memory ----------------------------------------------------------------------------------------------------------------- */

static void forget_memory(struct purge *p)
{
    struct service *s = p->s;
    retriever_forget(s->retriever);
    conversations_forget(s->conversations, is_purged, p);
    answers_forget(s->answers, is_purged, p);
    models_forget(s, NULL); /* all: a prompt that tells of earlier questions does not name its contents */
    pages_forget(s);
    overlays_forget(s->overlays);
    pthread_mutex_lock(&s->mu);
    for (struct session *c = s->sessions; c; c = c->next)
        unsaved_forget_purged_locked(c, s->store);
    memset(s->shares, 0, sizeof s->shares);
    pthread_mutex_unlock(&s->mu);
}

static int compact(struct store *s, struct err *e)
{
    bool did = false;
    int rc = 0;
    for (int i = 0; i < COMPACT_TRIES && !rc && !did; i++)
        rc = store_compact_now(s, &did, e);
    return rc || did ? rc : err_set(e, ERR_BUSY, "the index is being read for too long: its free pages still hold what was purged");
}

int purge_run(struct service *s, struct err *e)
{
    struct purge p = {.s = s, .quotes = quotes_new()};
    int rc = purge_list(s->store, &p.row, &p.n, e);
    for (size_t i = 0; i < p.n; i++)
        p.row[i].contents = p.row[i].places = p.row[i].quotes = 0; /* of this time */
    for (size_t i = 0; i < p.n && !rc; i++)
        if (!(rc = holders_block(s, &p.row[i].oid, e)))
            rc = quotes_learn(p.quotes, s->store, &p.row[i].oid, e);
    if (!rc) /* while the index can still tell their words: a purge that is killed behind it has nothing left to do here */
        rc = forget_quotes(&p, e);
    if (!rc)
        rc = index_purge(s->indexer, p.row, p.n, e);
    if (!rc)
        forget_memory(&p);
    if (!rc) /* what was asked meanwhile */
        rc = forget_quotes(&p, e);
    if (!rc)
        rc = compact(s->store, e);
    if (!rc)
        rc = store_drop_aside(s->store, e);
    for (size_t i = 0; i < p.n && !rc; i++)
        if (!p.row[i].done_ns) { /* of several that go together nobody knows whose word it was */
            p.row[i].quotes = (uint32_t)p.masked;
            break;
        }
    if (!rc)
        rc = purge_done(s->store, p.row, p.n, e);
    quotes_free(p.quotes);
    free(p.row);
    return rc;
}
