/* A kept prefix as a file: a pure byte machine. Native byte order: it is read where it was made.
 *
 *   char  magic[8]        "capref01"
 *   u8    key[16]         model, type of the cache, window, build: whose state it is (prefix_disk.h)
 *   u32   contents        what it was made of: n git hashes
 *   u32   scope           bytes of the permission scope's name
 *   u32   tokens
 *   u32   zero
 *   u64   state           bytes that sequence_load reads
 *   u8    content[contents][20]
 *   char  scope[scope]
 *   u32   token[tokens]   (unaligned)
 *   u8    state[state]
 *   u8    hash[16]        XXH3 of all before: damage is found, nothing else is meant */
#ifndef CODEASK_ENGINE_GENERATE_PREFIX_FILE_H
#define CODEASK_ENGINE_GENERATE_PREFIX_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "engine/generate.h"

#define PREFIX_HEAD 48
#define PREFIX_SCOPE_MAX 256
#define PREFIX_TOKENS_MAX (1u << 20)
#define PREFIX_INDEX_MAX (PREFIX_HEAD + GENERATE_SOURCES * 20 + PREFIX_SCOPE_MAX + 4 * PREFIX_TOKENS_MAX) /* all but state and hash */

struct prefix_file { /* borrowed */
    uint8_t key[16];
    const uint8_t (*content)[20];
    uint32_t ncontent;
    const char *scope;
    uint32_t scope_len;
    const uint8_t *token; /* u32 each, any alignment */
    uint32_t ntoken;
    const uint8_t *state; /* NULL from prefix_file_index */
    uint64_t nstate;
};

/* Bytes before the state, from the head alone (n ≥ PREFIX_HEAD); *whole: of the file. ERR_FORMAT: no such head. */
int prefix_file_sizes(size_t *index, uint64_t *whole, const uint8_t *p, size_t n, struct err *e);
/* From those bytes; state stays NULL. */
int prefix_file_index(struct prefix_file *out, const uint8_t *p, size_t n, struct err *e);
/* The whole file: every length and the hash are checked. */
int prefix_file_read(struct prefix_file *out, const uint8_t *p, size_t n, struct err *e);
/* Appends all up to the state, then (the caller having added nstate bytes of state) the hash: begin, state, end. */
size_t prefix_file_begin(struct buf *b, const struct prefix_file *f); /* where it began in b */
void prefix_file_end(struct buf *b, size_t began);

#endif
