/* unsaved: what a file holds in the client's editor, over what is indexed of it, for this client's further requests. For editors. */
#include "service/method.h"

#include "indexer/language.h"
#include "service/cutting_apart.h"
#include "service/unsaved.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES (64u << 10) /* what language_for looks at, at most */

/* Its folder without links, as repositories are known by; the file need not be there. NULL: the folder is not. The caller frees. */
static char *real_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = mem_strn(path, (size_t)(slash - path) + (slash == path)), *real = realpath(folder, NULL);
    struct buf b = BUF_INIT;
    if (real)
        buf_addf(&b, "%s%s", strcmp(real, "/") ? real : "", slash);
    free(folder);
    free(real);
    return buf_take(&b);
}

static int make(struct unsaved_text **out, struct request *rq, const char *path, json_t *given, struct err *e)
{
    struct buf bytes = BUF_INIT;
    struct pool_result r = {0};
    size_t n = json_string_length(given);
    if (n > (size_t)rq->s->o.config->max_file_bytes)
        return err_set(e, ERR_LIMIT, "a text of more than max_file_bytes");
    buf_room(&bytes, n);
    buf_add(&bytes, json_string_value(given), n);
    const struct language *l = language_for(str_of(path), (struct str){bytes.data, n < HEAD_BYTES ? n : HEAD_BYTES});
    struct cut_new c = {.key = {.oid = source_hash(bytes.data, n), .version = language_version(l)}};
    memcpy(c.key.language, l->name, strlen(l->name));
    int rc = cut_apart(&r, rq->s, l, &bytes, e);
    if (!rc) {
        c.record = r.record.data;
        c.record_len = r.record.len;
        c.text = r.text.data ? r.text.data : "";
        c.text_len = r.text.len;
        rc = unsaved_text_new(out, &c, e);
        buf_release(&r.record);
        buf_release(&r.text);
    }
    buf_release(&bytes);
    return rc;
}

int method_unsaved(struct request *rq, json_t **result, struct err *e)
{
    const char *place = param_str(rq, "place");
    json_t *text = json_object_get(rq->params, "text");
    struct unsaved_text *made = NULL;
    if (!place || *place != '/')
        return err_set(e, ERR_USAGE, "an absolute path is wanted");
    char *path = real_path(place);
    int rc = path ? 0 : err_set(e, ERR_NOT_FOUND, "%s: its directory is not there", place);
    if (!rc && text)
        rc = make(&made, rq, path, text, e);
    if (!rc || rc == ERR_DENIED) { /* a purged content: what was there before it goes too */
        pthread_mutex_lock(&rq->s->mu);
        int kept = rq->session ? unsaved_keep_locked(rq->session, path, made, rc ? NULL : e) : 0;
        pthread_mutex_unlock(&rq->s->mu);
        rc = rc ? rc : kept;
    }
    unsaved_text_drop(made);
    free(path);
    if (!rc)
        *result = json_object();
    return rc;
}
