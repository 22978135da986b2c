#include "service/permission.h"

#include "base/clock.h"
#include "base/hash.h"
#include "engine/format/sha256.h"
#include "service/overlays.h"
#include "store/token.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TOKEN_HEAD "codeask_"
#define ID_HEX 16
#define SECRET_BYTES 32

int token_draw(char out[TOKEN_TEXT], struct token_row *row, struct err *e)
{
    uint8_t drawn[8 + SECRET_BYTES];
    char id[ID_HEX + 1], secret[2 * SECRET_BYTES + 1];
    if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
        return err_set(e, ERR_IO, "the system gives no random numbers");
    hex_of(id, drawn, 8);
    hex_of(secret, drawn + 8, SECRET_BYTES);
    row->id = strtoull(id, NULL, 16);
    snprintf(out, TOKEN_TEXT, TOKEN_HEAD "%s_%s", id, secret);
    return sha256(row->hash, drawn + 8, SECRET_BYTES, e);
}

/* Takes as long whatever the bytes are. */
static bool same_bytes(const uint8_t *a, const uint8_t *b, size_t n)
{
    volatile uint8_t differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= a[i] ^ b[i];
    return !differ;
}

/* The parts of a token's text. */
static bool token_parts(uint64_t *id, uint8_t secret[SECRET_BYTES], const char *text)
{
    uint8_t number[8];
    char hex[ID_HEX + 1];
    size_t head = sizeof TOKEN_HEAD - 1;
    if (strlen(text) != head + ID_HEX + 1 + 2 * SECRET_BYTES || strncmp(text, TOKEN_HEAD, head) || text[head + ID_HEX] != '_')
        return false;
    memcpy(hex, text + head, ID_HEX);
    hex[ID_HEX] = 0;
    if (hex_to(number, hex, 8) < 0 || hex_to(secret, text + head + ID_HEX + 1, SECRET_BYTES) < 0)
        return false;
    *id = strtoull(hex, NULL, 16);
    return true;
}

int service_authenticate(struct caller *out, struct service *s, const char *token, struct err *e)
{
    struct token_row row = {0};
    struct user_row user;
    uint8_t secret[SECRET_BYTES], hash[TOKEN_HASH];
    uint64_t id;
    *out = (struct caller){0};
    if (!token_parts(&id, secret, token))
        return err_set(e, ERR_DENIED, "the token is not valid");
    int rc = sha256(hash, secret, sizeof secret, e), there = rc ? rc : token_get(&row, s->store, id, e);
    if (there && there != ERR_NOT_FOUND)
        return err_set(e, ERR_UNAVAILABLE, "tokens cannot be read");
    if (!same_bytes(hash, row.hash, sizeof hash) || there || (row.expires_ns && row.expires_ns <= clock_wall_ns()))
        return err_set(e, ERR_DENIED, "the token is not valid"); /* forged, revoked, expired: one answer */
    if ((rc = people_user_by_id(&user, s->store, row.user, e)))
        return err_set(e, rc == ERR_NOT_FOUND ? ERR_DENIED : ERR_UNAVAILABLE, rc == ERR_NOT_FOUND ? "the token is not valid" : "users cannot be read");
    *out = (struct caller){.access = row.access, .user = row.user, .token = row.id};
    memcpy(out->name, user.name, sizeof out->name);
    return 0;
}

int service_named(struct caller *out, struct service *s, const char *name, struct err *e)
{
    struct user_row user;
    *out = (struct caller){0};
    int rc = people_name_ok(name) ? people_user(&user, s->store, name, false, e) : ERR_NOT_FOUND;
    if (rc)
        return err_set(e, rc == ERR_NOT_FOUND ? ERR_DENIED : ERR_UNAVAILABLE, rc == ERR_NOT_FOUND ? "the user is not known here" : "users cannot be read");
    unsigned access;
    access_of(&access, ACCESS_DEFAULT);
    *out = (struct caller){.access = access, .user = user.id};
    memcpy(out->name, user.name, sizeof out->name);
    return 0;
}

static void is_good(void *arg, const struct token_row *t)
{
    *(bool *)arg |= !t->expires_ns || t->expires_ns > clock_wall_ns();
}

int service_tokens(struct service *s, bool *any, struct err *e)
{
    *any = false;
    return token_each(s->store, is_good, any, e);
}

static bool among(const uint32_t *ids, size_t n, uint32_t id)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && ids[lo] == id;
}

int readable_repos(struct repo_row **rows, size_t *n, const struct request *rq, struct err *e)
{
    uint32_t *ids = NULL;
    size_t nids = 0, kept = 0;
    *rows = NULL;
    *n = 0;
    if (!rq->who.local && people_may_read(&ids, &nids, rq->s->store, rq->who.user, NULL))
        return err_set(e, ERR_UNAVAILABLE, "permissions cannot be read");
    int rc = state_repos(rq->s->store, rows, n, e);
    if (!rc && !rq->who.local) {
        for (size_t i = 0; i < *n; i++)
            if (among(ids, nids, (*rows)[i].id)) {
                struct repo_row keep = (*rows)[i];
                (*rows)[i] = (*rows)[kept];
                (*rows)[kept++] = keep;
            }
        for (size_t i = kept; i < *n; i++)
            repo_row_release(&(*rows)[i]);
        *n = kept;
    }
    free(ids);
    return rc;
}

void service_revoked(struct service *s, uint64_t token, uint32_t user)
{
    struct err e;
    err_set(&e, ERR_DENIED, "the token was revoked");
    overlays_revoked(s->overlays, token, user);
    pthread_mutex_lock(&s->mu);
    for (struct request *rq = s->requests; rq; rq = rq->next)
        if (!rq->who.local && !rq->terminal && (rq->who.token == token || (user && rq->who.user == user)))
            request_fail_locked(rq, &e);
    pthread_mutex_unlock(&s->mu);
}
