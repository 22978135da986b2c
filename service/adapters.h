/* The adapters of a home: which one answers are written with, what each was made of, and one step back.
 *
 *   <home>/adapters/NAME/   adapter_config.json, adapter_model.safetensors, codeask.json (train/peft.h), corpus (train/corpus.h: what it was made of,
 *                           record by record), contents (holders.h), report.json (verdict.h), state
 *   state.mdb               "adapters": {"now": NAME or null, "before": [NAME …]}
 *                           "adapter/NAME": {"repos": [id …], "role": "answer" | "embed", "model": …, "context": tokens, "made": seconds}: its lineage, which outlives the folder */
#ifndef CODEASK_SERVICE_ADAPTERS_H
#define CODEASK_SERVICE_ADAPTERS_H

#include "service/core.h"
#include "service/models.h"

#define ADAPTER_NAME_MAX 64
#define ADAPTERS_BEFORE 16 /* steps back that are kept */

bool adapter_name_good(const char *name); /* letters, digits, '-', '_', '.', not first a '.' */
char *adapter_folder(const struct service *s, const char *name); /* the caller frees it */

/* Notes what it was made of, and how long its records may be (0: the default); before anything of it is on the disk. */
int adapter_note(struct service *s, const char *name, const uint32_t *repo, size_t repos, enum model_role role, const char *model, uint32_t context,
                 struct err *e);
/* Answers are written with it from now on. ERR_UNSUPPORTED: a purge has blocked it. */
int adapter_promote(struct service *s, const char *name, struct err *e);
/* The one before it, or none. *now: its name, "" for none; the caller frees it. ERR_NOT_FOUND where none is in use. */
int adapter_revert(char **now, struct service *s, struct err *e);
/* The one in use, "" for none. The caller frees it. */
char *adapter_now(struct service *s);
/* The folder that the request's answer is written with: NULL where none is in use, where a purge has blocked it, where it was made for another model than answers now, or of a repository
 * that the asker may not read. The caller frees it. */
char *adapter_for(const struct request *rq);
/* Whether it may be used for the request: its model has that role by now, no purge has blocked it, and the asker may read all that it learned. */
bool adapter_may_serve(const struct request *rq, const char *name, enum model_role role);
/* In use no more, and nothing to go back to. */
int adapter_forget(struct service *s, const char *name, struct err *e);
/* Its lineage; a new reference, NULL where there is none. */
json_t *adapter_lineage(struct service *s, const char *name);

#endif
