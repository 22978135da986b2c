/* NEON with the dot product instructions: signed by signed, 16 products an instruction. */
#include "kernels/cpu/scan.h"

#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#define HWCAP_DOT (1 << 20) /* HWCAP_ASIMDDP, asm/hwcap.h */

static inline int8x16_t part(const int8_t *row, size_t left)
{
    if (left >= 16)
        return vld1q_s8(row);
    int8_t end[16] = {0};
    memcpy(end, row, left);
    return vld1q_s8(end);
}

static int32_t one(const int8_t *row, size_t dim, const struct scan_query *q)
{
    int32x4_t acc = vdupq_n_s32(0);
    for (size_t c = 0; c < dim; c += 16)
        acc = vdotq_s32(acc, part(row + c, dim - c), vld1q_s8(q->q + c));
    return vaddvq_s32(acc);
}

static inline void store_sums(int32_t *out, const int32x4_t acc[4])
{
    vst1q_s32(out, vpaddq_s32(vpaddq_s32(acc[0], acc[1]), vpaddq_s32(acc[2], acc[3])));
}

static inline void tile_1(int32_t *out, const int8_t *rows, size_t dim, const struct scan_query *q)
{
    for (int k = 0; k < 4; k++, rows += 4 * dim) {
        int32x4_t acc[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
        for (size_t c = 0; c < dim; c += 16) {
            int8x16_t y = vld1q_s8(q->q + c);
            for (int i = 0; i < 4; i++)
                acc[i] = vdotq_s32(acc[i], part(rows + i * dim + c, dim - c), y);
        }
        store_sums(out + 4 * k, acc);
    }
}

/* Four rows by four queries in registers, four times over. */
static inline void tile_4(int32_t (*out)[16], const int8_t *rows, size_t dim, const struct scan_query *q)
{
    for (int k = 0; k < 16; k += 4, rows += 4 * dim) {
        int32x4_t acc[4][4];
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                acc[i][j] = vdupq_n_s32(0);
        for (size_t c = 0; c < dim; c += 16) {
            int8x16_t x[4];
            for (int j = 0; j < 4; j++)
                x[j] = part(rows + j * dim + c, dim - c);
            for (int i = 0; i < 4; i++) {
                int8x16_t y = vld1q_s8(q[i].q + c);
                for (int j = 0; j < 4; j++)
                    acc[i][j] = vdotq_s32(acc[i][j], x[j], y);
            }
        }
        for (int i = 0; i < 4; i++)
            store_sums(out[i] + k, acc[i]);
    }
}

#include "kernels/cpu/body_scan.h"

static bool there(void)
{
    return getauxval(AT_HWCAP) & HWCAP_DOT;
}

const struct scan scan_neon = {"neon", there, body_topk, body_scores, body_pick, NULL};
