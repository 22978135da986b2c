/* What both NEON products of bytes share: codes become signed bytes. */
#define ROWS 4
#define PARTS 4
#define START_128 0
#define MANY_CASES(b) MANY_CASE(1, b) MANY_CASE(2, b) MANY_CASE(3, b) MANY_CASE(4, b)

typedef int8x16_t vw;
static inline vw w_small(vb codes) { return vreinterpretq_s8_u8(codes); }
static inline vw w_biased(vb codes) { return vreinterpretq_s8_u8(veorq_u8(codes, vdupq_n_u8(0x80))); }
static inline int8x16_t four_of(const int8_t *four)
{
    int32_t x;
    memcpy(&x, four, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(x));
}
