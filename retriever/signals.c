#include "retriever/rank.h"

#include <math.h>
#include <string.h>

/* -- chunk ------------------------------------------------------------------------------------------------------------ */

static const struct chunk_score *chunk_score(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return &r->lex->chunk[universe_chunk(r->u, f->gid, c->n)];
}

static float chunk_bm25(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return chunk_score(r, f, c)->bm25;
}

static float chunk_dense(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    float cosine = r->dense ? r->dense[universe_chunk(r->u, f->gid, c->n)] : 0;
    return cosine > 0 ? cosine : 0;
}

static float chunk_definition(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return c->def;
}

/* share of the question, by idf, that names defined here hold */
static float chunk_names(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    float cover = 0;
    for (uint32_t m = chunk_score(r, f, c)->symbol_mask; m; m &= m - 1) {
        const struct query_term *t = &r->q->term[__builtin_ctz(m)];
        if (!t->joined && !t->whole)
            cover += t->idf;
    }
    return r->q->total_idf > 0 ? cover / r->q->total_idf : 0;
}

/* share of the question, by idf, that this one chunk holds: all words together beat one word often */
static float chunk_cover(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    float cover = 0;
    for (uint32_t m = chunk_score(r, f, c)->mask; m; m &= m - 1) {
        const struct query_term *t = &r->q->term[__builtin_ctz(m)];
        if (!t->joined && !t->whole)
            cover += t->idf;
    }
    return r->q->total_idf > 0 ? cover / r->q->total_idf : 0;
}

/* -- file ------------------------------------------------------------------------------------------------------------- */

static float file_bm25(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return r->lex->file[f->gid].bm25;
}

static float file_symbols(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return r->lex->file[f->gid].symbol;
}

static float file_symbol_cover(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return r->lex->file[f->gid].symbol_cover;
}

static float file_sum(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return r->lex->file[f->gid].sum_chunk;
}

static float file_root_sum(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return sqrtf(r->lex->file[f->gid].sum_chunk);
}

static float idf_of(const struct query *q, uint64_t mask)
{
    float sum = 0;
    for (; mask; mask &= mask - 1) {
        const struct query_term *t = &q->term[__builtin_ctzll(mask)];
        if (!t->joined && !t->whole)
            sum += t->file_idf;
    }
    return sum;
}

static float question_idf(const struct query *q)
{
    float sum = 0;
    for (unsigned i = 0; i < q->nterms; i++)
        if (!q->term[i].joined && !q->term[i].whole)
            sum += q->term[i].file_idf;
    return sum > 0 ? sum : 1;
}

static float file_stem(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return idf_of(r->q, f->stem_mask) / question_idf(r->q);
}

/* share of the stem's own words that the question names: "background" for background.py, but not for background_jobs_v2 */
static float file_whole_stem(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    unsigned words = 0, named = 0;
    for (uint32_t k = 0; k < f->file->nwords; k++) {
        const struct path_word *w = &f->snap->path_word[f->file->word + k];
        if (w->role != PATH_STEM)
            continue;
        bool hit = false;
        for (unsigned i = 0; i < r->q->nterms && !hit; i++)
            hit = r->q->term[i].term == w->term;
        if (w->whole && hit)
            return 1; /* typed or joined as one word */
        if (!w->whole) {
            words++;
            named += hit;
        }
    }
    return words ? (float)named / (float)words : 0;
}

static float file_directories(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return idf_of(r->q, f->dir_mask & ~f->stem_mask) / question_idf(r->q);
}

/* auth.c for "authentication", config for "configuration"; and "request" for requests_toolbelt's req.py not at all */
static float file_abbreviation(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    float sum = 0;
    for (uint32_t k = 0; k < f->file->nwords; k++) {
        const struct path_word *w = &f->snap->path_word[f->file->word + k];
        const char *text = f->snap->words + w->text;
        if (w->role != PATH_STEM || w->len < 3)
            continue;
        char stem[WORD_MAX]; /* impls -> impl, for "implementations" */
        memcpy(stem, text, w->len);
        unsigned m = (unsigned)word_stem(stem, w->len); /* once a word: once a term it was 5 % of a search */
        for (unsigned i = 0; i < r->q->nterms; i++) {
            const struct query_term *t = &r->q->term[i];
            if (t->joined || t->term == w->term || t->len < 4)
                continue;
            unsigned n = m < t->len ? m : t->len;
            if (n >= 3 && m != t->len && !memcmp(stem, t->text, n) && (n >= 4 || m < t->len))
                sum += t->file_idf * (float)n / (float)(m > t->len ? m : t->len);
        }
    }
    return sum / question_idf(r->q);
}

static float file_imported(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    return logf(1 + (float)f->file->imported_by);
}

/* mean of the best three chunks */
static float file_dense(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    if (!r->dense)
        return 0;
    float best[3] = {0};
    for (uint32_t i = 0; i < f->cut->nchunks; i++) {
        float v = r->dense[universe_chunk(r->u, f->gid, i)];
        for (int k = 0; k < 3; k++)
            if (v > best[k]) {
                float t = best[k];
                best[k] = v;
                v = t;
            }
    }
    unsigned n = f->cut->nchunks < 3 ? f->cut->nchunks : 3;
    return n ? (best[0] + best[1] + best[2]) / (float)n : 0;
}

static float file_card(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    float cosine = r->card ? r->card[f->gid] : 0;
    return cosine > 0 ? cosine : 0;
}

/* -- late: what the first scores of other files say ------------------------------------------------------------------- */

static const struct rank_file *row_of(const struct ranking *r, const struct rank_file *f, uint32_t number)
{
    uint32_t row = r->row[r->path0[f->target] + number];
    return row == FILE_NONE ? NULL : &r->file[row];
}

/* files that import it or that it imports, when they are among the best themselves */
static float file_neighbours(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    float best = 0;
    const uint32_t *list[] = {f->snap->edge + f->file->import, f->snap->back_edge + f->file->importer};
    uint32_t count[] = {f->file->nimports, f->file->nimporters};
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < count[side] && i < 60; i++) {
            const struct rank_file *other = row_of(r, f, list[side][i]);
            if (other && other != f && other->first_score > best)
                best = other->first_score;
        }
    return best;
}

/* which package does the question mean: the one whose best files score together */
static float file_package(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    float sum = 0, weight = 1;
    unsigned n = 0;
    if (f->snap->npackages < 2)
        return 0;
    for (uint32_t i = 0; i < r->nfiles && i < 40 && n < 4; i++) { /* rows stand in order of first score by now */
        const struct rank_file *other = &r->file[i];
        if (other->target != f->target || other->file->package != f->file->package)
            continue;
        sum += weight * other->first_score;
        weight *= .6f;
        n++;
    }
    return sum;
}

#define VARIANTS 4 /* files of one name: more are a convention (index.ts, mod.rs), not variants of one thing */

static bool same_name(const struct rank_file *a, const struct rank_file *b)
{
    if (a->name != b->name)
        return false;
    struct str p = a->file->path, q = b->file->path;
    size_t n = p.n - a->file->stem, m = q.n - b->file->stem;
    return a->target == b->target && n == m && !memcmp(p.p + a->file->stem, q.p + b->file->stem, n);
}

/* A file of the same name in another directory that matches better, and the question names no directory that this one alone is
 * in: one variant (jdbc, r2dbc; classic, mini) leads and the others follow below what else there is. */
static float file_variant(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)
{
    bool led = false;
    unsigned same = 0;
    for (uint32_t i = 0; i < r->nfiles; i++) { /* rows stand in order of first score by now */
        const struct rank_file *other = &r->file[i];
        if (other == f || !same_name(other, f))
            continue;
        same++;
        led |= other < f && !(f->dir_mask & ~other->dir_mask);
    }
    return led && same < VARIANTS ? -1 : 0;
}

/* -- factors ---------------------------------------------------------------------------------------------------------- */

/* "v3 compatibility", "on Windows": the question itself chooses among variants */
static bool names_version(const struct query *q)
{
    for (unsigned i = 0; i < q->nterms; i++)
        if (q->term[i].text[0] == 'v' && q->term[i].text[1] >= '0' && q->term[i].text[1] <= '9')
            return true;
    return false;
}

static bool names_platform(const struct query *q)
{
    for (unsigned i = 0; i < q->nterms; i++)
        if (is_platform((struct str){q->term[i].text, q->term[i].len}))
            return true;
    return false;
}

/* 1 - most · p: p is how sure we are that the file is of that nature. A question that names that kind of place may also be
 * about the library's own code for it ("testing client"), so the factor is then smaller, not gone. */
#define ASKED .4f
#define NATURE(field, most, unless)                                                                                    \
    static float nature_##field(const struct ranking *r, const struct rank_file *f, const struct rank_chunk *c)        \
    {                                                                                                                  \
        return f->file->is.field <= 0 ? 1 : 1 - ((unless) ? ASKED : 1) * (most)*f->file->is.field;                     \
    }
NATURE(test, .7f, r->q->about_tests)
NATURE(example, .65f, r->q->about_examples || r->q->about_tests)
NATURE(doc, .5f, r->q->about_docs)
NATURE(config, .6f, r->q->about_config)
NATURE(generated, .5f, false)
NATURE(vendored, .6f, false)
NATURE(declaration, .5f, r->q->about_types) /* a header promises, the code beside it answers */
NATURE(reexport, .4f, false)
NATURE(script, .4f, r->q->about_config)
NATURE(older, .25f, names_version(r->q))
NATURE(foreign, .25f, names_platform(r->q))

/* Weights: round numbers that two halves of the yardstick's repositories, fitted apart, agreed on in direction; each half's fit
 * also raised the other half. Those of definition, names, cover, whole stem, declaration and repeat were moved last, where questions
 * about other repositories (tests/bench/retrieval_own.py) and both halves rose or stood still together (docs/measurements.md). */
const struct signal signals[] = {
    {"bm25", "words of the question in the chunk", SIGNAL_CHUNK, true, 0.4f, chunk_bm25},
    {"dense", "similarity of meaning", SIGNAL_CHUNK, true, 1.2f, chunk_dense},
    {"definition", "defines a name that was asked for", SIGNAL_CHUNK, false, 0.6f, chunk_definition},
    {"names", "words of the question in names defined here", SIGNAL_CHUNK, false, 0.3f, chunk_names},
    {"cover", "all words of the question together", SIGNAL_CHUNK, false, 0.4f, chunk_cover},
    {"file bm25", "words of the question in the whole file", SIGNAL_FILE, true, 0.4f, file_bm25},
    {"file names", "words of the question in the file's definitions", SIGNAL_FILE, true, 0.1f, file_symbols},
    {"file name cover", "one definition of the file named by many words", SIGNAL_FILE, false, 0.15f, file_symbol_cover},
    {"sum", "many chunks of the file match", SIGNAL_FILE, true, 0.25f, file_sum},
    {"root sum", "several chunks of the file match", SIGNAL_FILE, true, 0.3f, file_root_sum},
    {"stem", "the file's name holds words of the question", SIGNAL_FILE, false, 1, file_stem},
    {"whole stem", "the file's name is named", SIGNAL_FILE, false, 0.5f, file_whole_stem},
    {"directory", "a directory's name holds words of the question", SIGNAL_FILE, false, 0.6f, file_directories},
    {"abbreviation", "the file's name abbreviates a word of the question", SIGNAL_FILE, false, 0.6f, file_abbreviation},
    {"imported", "other files import it", SIGNAL_FILE, true, 0.15f, file_imported},
    {"file dense", "its best chunks are similar in meaning", SIGNAL_FILE, true, 0.3f, file_dense},
    {"card", "its card (path, header, names) is similar in meaning", SIGNAL_FILE, true, 0.3f, file_card},
    {"neighbours", "imports, or is imported by, a file that matches", SIGNAL_LATE, true, 0.15f, file_neighbours},
    {"package", "its package is the one that is meant", SIGNAL_LATE, true, 0.3f, file_package},
    {"variant", "a file of the same name matches better", SIGNAL_LATE, false, 0.5f, file_variant},
    {"test", "it is a test", SIGNAL_FACTOR, false, 1, nature_test},
    {"example", "it is an example", SIGNAL_FACTOR, false, 1, nature_example},
    {"documentation", "it is documentation", SIGNAL_FACTOR, false, 1, nature_doc},
    {"configuration", "it is configuration or data", SIGNAL_FACTOR, false, 1, nature_config},
    {"generated", "it is generated or minified", SIGNAL_FACTOR, false, 1, nature_generated},
    {"vendored", "it is a copy of another project", SIGNAL_FACTOR, false, 1, nature_vendored},
    {"declaration", "it only declares", SIGNAL_FACTOR, false, 1, nature_declaration},
    {"re-export", "it passes on what others define", SIGNAL_FACTOR, false, 1, nature_reexport},
    {"script", "it is tooling", SIGNAL_FACTOR, false, 1, nature_script},
    {"older", "a newer version stands beside it", SIGNAL_FACTOR, false, 1, nature_older},
    {"other platform", "the asker's platform stands beside it", SIGNAL_FACTOR, false, 1, nature_foreign},
    {NULL, NULL, 0, false, 0, NULL},
};

size_t signal_count(void)
{
    return sizeof signals / sizeof *signals - 1;
}

const char *signal_name(size_t i)
{
    return signals[i].name;
}
