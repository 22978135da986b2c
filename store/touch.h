/* What one commit did to one path, as one byte string. A line of the path at this commit is traced to a parent through it
 * without reading any content.
 *
 *   kind u8 · same u8 · nsides u8 · sides
 *   same    k + 1 where the content equals that of parent k (a merge took it from there) and the first parent's differs: no
 *           sides then
 *   side    how u8 (enum touch_how) [· path id varint, of a rename] · if the lines are known: hunks (a counted list)
 *   hunk    gap to the hunk before in the new file, lines there * 2 + elsewhere, gap and lines of the old file: varints.
 *           Whitespace is ignored (git's -w), no context, so what is between hunks is the same line for line
 *
 * Lines are counted from 0 here. The reader checks bounds: a damaged row is an error, never a bad access. */
#ifndef CODEASK_STORE_TOUCH_H
#define CODEASK_STORE_TOUCH_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum touch_kind { TOUCH_CHANGED, TOUCH_ADDED, TOUCH_DELETED };
enum touch_how {
    TOUCH_ABSENT,      /* the parent has neither it nor what it was renamed from */
    TOUCH_HERE,        /* under the same path */
    TOUCH_RENAMED,
    TOUCH_HERE_UNREAD, /* the lines were not compared (large file, commit that touched very many files, missing content) */
    TOUCH_RENAMED_UNREAD,
    TOUCH_UNSOUGHT,    /* the parent has it not; what it was renamed from was not looked for (very many files came and went) */
};

struct touch_hunk {
    uint32_t at, n, old_at, old_n;
    bool elsewhere;           /* a piece of its lines stands in the old file too, long enough to have been moved (-M). Which lines
                                 were is told by the contents, for it depends on the lines that are traced */
};
struct touch_side {
    uint8_t how;
    uint32_t from;            /* path id of a rename's source */
    struct touch_hunk *hunk;
    uint32_t nhunks;
};
#define TOUCH_SIDES 32
struct touch {
    uint8_t kind, same, nsides;
    struct touch_side side[TOUCH_SIDES]; /* lists on the heap: touch_release */
};
void touch_release(struct touch *t);
void touch_copy(struct touch *to, const struct touch *from); /* what was in *to is not released */
void touch_write(struct buf *out, const struct touch *t);
int touch_read(struct touch *out, struct str bytes, struct err *e); /* ERR_CORRUPT */

#endif
