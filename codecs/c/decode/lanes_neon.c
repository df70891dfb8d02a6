/* The lanes with NEON, on 64-bit ARM: eight bit readers side by side in the general registers, and rows of
   eight 32-bit columns in two vectors, lane l in column l. The same as decode/lanes_avx2.c, which explains it;
   here stands what NEON does another way. */
#include "decode/lanes.h"

#if VF_HAS_NEON

#include <arm_neon.h>

#define TARGET /* NEON is part of the baseline */
#include "common/simd_begin.h"

/* A Rice code, half decoded: the zeros in front of the stop bit; the stop bit, at the top, and what follows
   it. A row of codes has slot l for lane l. */
typedef union {
    struct {
        uint32_t zeros, tail;
    };
    uint64_t whole;
} vf_code;

enum { LANES = 8 };

static const uint8_t COLUMN[LANES] = {0, 1, 2, 3, 4, 5, 6, 7};

static bool supported(void)
{
    return true;
}

/* ---- Reading codes ---------------------------------------------------------------------------- */

/* The next bits at a position, left aligned, at least 56; the last bit loaded is the sentinel. Reads eight
   bytes: vf_lanes_run() makes sure that they are there. */
TEMPLATE uint64_t open_window(const uint8_t *data, uint64_t position)
{
    return (vf_load64(data + (position >> 3)) | 1) << (position & 7);
}

/* Take one code off a window: a count of zeros, two shifts, and an insertion that makes one register, and so
   one store, of a slot. CLZ gives 64 for an empty window, which stays empty; said in C, some compilers make
   a branch of that. */
TEMPLATE vf_code take_code(uint64_t *window, uint64_t code_bits)
{
    uint64_t zeros;
    __asm__("clz %0, %1" : "=r"(zeros) : "r"(*window));
    vf_code code = {.whole = *window << (zeros & 63)};
    *window = code.whole << (code_bits & 63);
    code.zeros = (uint32_t)zeros;
    return code;
}

static void place(vf_lanes *lanes, unsigned lane, uint32_t row, const int32_t *residuals,
                  uint32_t count)
{
    const unsigned parameter = lanes->parameter[lane];
    vf_code *to = (vf_code *)lanes->codes + row * LANES + lane;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t folded = (uint32_t)residuals[i] << 1 ^ (uint32_t)(residuals[i] >> 31);
        uint32_t low = (folded & ((1u << parameter) - 1)) | 1u << parameter;
        to[i * LANES] = (vf_code){{folded >> parameter, low << (31 - parameter)}};
    }
}

/* ---- Rows ------------------------------------------------------------------------------------- */

/* Columns 0 to 3, and 4 to 7. */
typedef struct {
    int32x4_t half[2];
} vf_row;

TEMPLATE vf_row load_row(const void *from)
{
    return (vf_row){{vld1q_s32(from), vld1q_s32((const int32_t *)from + 4)}};
}

TEMPLATE void store_row(void *to, vf_row row)
{
    vst1q_s32(to, row.half[0]);
    vst1q_s32((int32_t *)to + 4, row.half[1]);
}

/* What a predictor carries from row to row. NEON shifts to the left by a number of each column; by one
   below 0, to the right. */
typedef struct {
    const vf_code *codes; /* of the next row */
    vf_row last;          /* the newest sample */
    vf_row least, most;
    vf_row parameter, down; /* the Rice parameter; that less 31 */
    vf_row right;           /* the predictor's shift, less than 0 */
} state;

TEMPLATE void begin(state *s, const vf_lanes *lanes, uint32_t row)
{
    s->codes = (const vf_code *)lanes->codes + row * LANES;
    s->least = load_row(lanes->least);
    s->most = load_row(lanes->most);
    s->parameter = load_row(lanes->parameter);
    s->right = load_row(lanes->shift);
    UNROLL for (unsigned h = 0; h < 2; h++) {
        s->down.half[h] = vsubq_s32(s->parameter.half[h], vdupq_n_s32(31));
        s->right.half[h] = vnegq_s32(s->right.half[h]);
    }
}

TEMPLATE void end(const state *s, vf_lanes *lanes)
{
    store_row(lanes->least, s->least);
    store_row(lanes->most, s->most);
}

/* A row of codes -> half a row of residuals. */
TEMPLATE int32x4_t residuals(const state *s, const unsigned h)
{
    const uint32x4_t one = vdupq_n_u32(1);
    const uint32_t *codes = (const uint32_t *)(s->codes + 4 * h);
    uint32x4_t a = vld1q_u32(codes), b = vld1q_u32(codes + 4);
    uint32x4_t zeros = vuzp1q_u32(a, b), tail = vuzp2q_u32(a, b);
    /* zeros * 2**parameter + (stop bit and low bits) - stop bit */
    uint32x4_t quotient = vshlq_u32(vsubq_u32(zeros, one), s->parameter.half[h]);
    uint32x4_t folded = vaddq_u32(quotient, vshlq_u32(tail, s->down.half[h]));
    int32x4_t sign = vnegq_s32(vreinterpretq_s32_u32(vandq_u32(folded, one)));
    return veorq_s32(vreinterpretq_s32_u32(vshrq_n_u32(folded, 1)), sign);
}

/* Make half a row of samples of residuals and sums of products. */
TEMPLATE void add_up(state *s, const unsigned h, int32x4_t sum)
{
    int32x4_t sample = vaddq_s32(residuals(s, h), vshlq_s32(sum, s->right.half[h]));
    s->least.half[h] = vminq_s32(s->least.half[h], sample);
    s->most.half[h] = vmaxq_s32(s->most.half[h], sample);
    s->last.half[h] = sample;
}

/* ---- Samples of up to 16 bits ----------------------------------------------------------------- */

typedef struct {
    state s;
    uint32_t *row;      /* the next row of pairs */
    vf_row pair, pair2; /* the two newest ones */
    vf_row newest;
    vf_row older[16];
} narrow;

TEMPLATE void narrow_begin(narrow *n, const vf_lanes *lanes, uint32_t row, const unsigned pairs)
{
    begin(&n->s, lanes, row);
    n->row = (uint32_t *)lanes->pairs + (VF_HISTORY + row) * LANES;
    n->pair = load_row(n->row - LANES);
    n->pair2 = load_row(n->row - 2 * LANES);
    n->newest = load_row(lanes->newest);
    UNROLL for (unsigned h = 0; h < 2; h++) {
        n->s.last.half[h] = vshrq_n_s32(n->pair.half[h], 16);
        n->newest.half[h] = vshrq_n_s32(vshlq_n_s32(n->newest.half[h], 16), 16);
    }
    UNROLL for (unsigned j = 0; j < pairs; j++)
        n->older[j] = load_row(lanes->older[j]);
}

/* Predict one row. NEON multiplies 16-bit numbers of two columns at a time, adding to 32-bit ones: the two
   products of each pair are summed up on their own, and added at the end. */
TEMPLATE void narrow_step(narrow *n, const unsigned pairs)
{
    const vf_row pair2 = n->pair2;
    n->pair2 = n->pair;
    UNROLL for (unsigned h = 0; h < 2; h++) {
        int32x4_t sum;
        if (pairs) {
            int16x8_t x = vreinterpretq_s16_s32(pair2.half[h]);
            int16x8_t tap = vreinterpretq_s16_s32(n->older[0].half[h]);
            int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(tap));
            int32x4_t high = vmull_high_s16(x, tap);
            UNROLL for (unsigned j = pairs - 1; j >= 1; j--) {
                x = vld1q_s16((const int16_t *)(n->row - (2 + 2 * j) * LANES + 4 * h));
                tap = vreinterpretq_s16_s32(n->older[j].half[h]);
                low = vmlal_s16(low, vget_low_s16(x), vget_low_s16(tap));
                high = vmlal_high_s16(high, x, tap);
            }
            sum = vmlaq_s32(vpaddq_s32(low, high), n->s.last.half[h], n->newest.half[h]);
        } else {
            sum = vmulq_s32(n->s.last.half[h], n->newest.half[h]);
        }
        const int32x4_t before = n->s.last.half[h];
        add_up(&n->s, h, sum);
        n->pair.half[h] = vsliq_n_s32(before, n->s.last.half[h], 16);
    }
    store_row(n->row, n->pair);
    n->row += LANES;
    n->s.codes += LANES;
}

/* In each step, read `codes` codes of each lane, and predict the rows of the step before at the same
   time. Every lane has_room() for that. False when reading fails, or an extraordinary code used up the
   room. pairs < 0: do not predict. */
TEMPLATE bool run(vf_lanes *lanes, uint32_t row, uint32_t steps, const unsigned codes,
                  const int pairs)
{
    narrow n;
    vf_code *to = (vf_code *)lanes->codes + row * LANES;
    const uint8_t *const data = lanes->data;
    uint64_t window[LANES], bits[LANES];
    UNROLL for (unsigned lane = 0; lane < LANES; lane++)
        bits[lane] = lanes->code_bits[lane];
    if (pairs >= 0)
        narrow_begin(&n, lanes, row, (unsigned)pairs);
    for (uint32_t step = 0; step < steps; step++) {
        UNROLL for (unsigned lane = 0; lane < LANES; lane++)
            window[lane] = open_window(data, lanes->position[lane]);
        UNROLL for (unsigned j = 0; j < codes; j++, to += LANES) {
            UNROLL for (unsigned lane = 0; lane < LANES; lane++)
                to[lane] = take_code(&window[lane], bits[lane]);
            if (pairs >= 0 && VF_LIKELY(step > 0))
                narrow_step(&n, (unsigned)pairs);
        }
        UNROLL for (unsigned lane = 0; lane < LANES; lane++) {
            if (VF_LIKELY(window[lane] != 0)) {
                uint64_t used = (uint64_t)__builtin_ctzll(window[lane]);
                lanes->position[lane] = (lanes->position[lane] & ~7ull) + used;
            } else if (!vf_lanes_read_slowly(lanes, lane, row + step * codes, codes,
                                             steps - step - 1)) {
                return false;
            }
        }
    }
    if (pairs >= 0) {
        for (unsigned j = 0; j < codes; j++)
            narrow_step(&n, (unsigned)pairs);
        end(&n.s, lanes);
    }
    return true;
}

/* Predict only, with all taps there can be. */
TEMPLATE void narrow_rows(vf_lanes *lanes, uint32_t row, uint32_t count)
{
    narrow n;
    narrow_begin(&n, lanes, row, 16);
    for (uint32_t i = 0; i < count; i++)
        narrow_step(&n, 16);
    end(&n.s, lanes);
}

/* ---- Samples of more than 16 bits ------------------------------------------------------------- */

TEMPLATE void middle_rows(vf_lanes *lanes, uint32_t row, uint32_t count, const unsigned taps)
{
    state s;
    int32_t *to = lanes->whole + (VF_HISTORY + row) * LANES;
    begin(&s, lanes, row);
    s.last = load_row(to - LANES);
    for (uint32_t i = 0; i < count; i++, to += LANES, s.codes += LANES) {
        UNROLL for (unsigned h = 0; h < 2; h++) {
            const int32_t *column = to + 4 * h;
            int32x4_t sum = vdupq_n_s32(0);
            UNROLL for (unsigned j = 1; j < taps; j++)
                sum = vmlaq_s32(sum, vld1q_s32(column - (j + 1) * LANES),
                                vld1q_s32(lanes->whole_taps[j] + 4 * h));
            if (taps)
                sum = vmlaq_s32(sum, s.last.half[h], vld1q_s32(lanes->whole_taps[0] + 4 * h));
            add_up(&s, h, sum);
        }
        store_row(to, s.last);
    }
    end(&s, lanes);
}

/* Doubles hold every sum exactly: see decode/lanes_avx2.c. Two columns a vector. */
TEMPLATE void wide_rows(vf_lanes *lanes, uint32_t row, uint32_t count, const unsigned taps)
{
    enum { PARTS = LANES / 2 };
    state s;
    double *to = lanes->wide + (VF_HISTORY + row) * LANES;
    int32_t *whole = lanes->whole + (VF_HISTORY + row) * LANES;
    float64x2_t least[PARTS], most[PARTS], last[PARTS];
    begin(&s, lanes, row);
    UNROLL for (unsigned p = 0; p < PARTS; p++) {
        least[p] = vld1q_f64(lanes->least_wide + 2 * p);
        most[p] = vld1q_f64(lanes->most_wide + 2 * p);
        last[p] = vld1q_f64(to - LANES + 2 * p);
    }
    for (uint32_t i = 0; i < count; i++, to += LANES, whole += LANES, s.codes += LANES) {
        const vf_row residual = {{residuals(&s, 0), residuals(&s, 1)}};
        float64x2_t sum[PARTS];
        UNROLL for (unsigned p = 0; p < PARTS; p++)
            sum[p] = vdupq_n_f64(0);
        UNROLL for (unsigned j = taps - 1; j >= 1; j--)
            UNROLL for (unsigned p = 0; p < PARTS; p++)
                sum[p] = vfmaq_f64(sum[p], vld1q_f64(to - (j + 1) * LANES + 2 * p),
                                   vld1q_f64(lanes->wide_taps[j] + 2 * p));
        UNROLL for (unsigned p = 0; p < PARTS; p++) {
            const int32x4_t four = residual.half[p / 2];
            int64x2_t two = p & 1 ? vmovl_high_s32(four) : vmovl_s32(vget_low_s32(four));
            sum[p] = vfmaq_f64(sum[p], last[p], vld1q_f64(lanes->wide_taps[0] + 2 * p));
            last[p] = vaddq_f64(vcvtq_f64_s64(two), vrndmq_f64(sum[p]));
            least[p] = vminnmq_f64(last[p], least[p]); /* the other one where one is NaN */
            most[p] = vmaxnmq_f64(last[p], most[p]);
            vst1q_f64(to + 2 * p, last[p]);
            vst1_s32(whole + 2 * p, vmovn_s64(vcvtq_s64_f64(last[p])));
        }
    }
    UNROLL for (unsigned p = 0; p < PARTS; p++) {
        vst1q_f64(lanes->least_wide + 2 * p, least[p]);
        vst1q_f64(lanes->most_wide + 2 * p, most[p]);
    }
}

/* ---- Output ----------------------------------------------------------------------------------- */

/* Transpose four rows, `stride` items from one to the next, of four 32-bit columns: out[c] gets column c. */
TEMPLATE void transpose4(const int32_t *rows, size_t stride, int32x4_t out[4])
{
    int64x2_t a[4];
    UNROLL for (unsigned j = 0; j < 4; j += 2) {
        int32x4_t p = vld1q_s32(rows + j * stride), q = vld1q_s32(rows + (j + 1) * stride);
        a[j] = vreinterpretq_s64_s32(vtrn1q_s32(p, q));     /* columns 0 and 2 */
        a[j + 1] = vreinterpretq_s64_s32(vtrn2q_s32(p, q)); /* columns 1 and 3 */
    }
    UNROLL for (unsigned c = 0; c < 2; c++) {
        out[c] = vreinterpretq_s32_s64(vtrn1q_s64(a[c], a[c + 2]));
        out[c + 2] = vreinterpretq_s32_s64(vtrn2q_s64(a[c], a[c + 2]));
    }
}

static void transpose(vf_lanes *lanes, uint32_t count, vf_predictor by)
{
    int32x4_t out[4];
    if (by != VF_NARROW) {
        const int32_t *rows = lanes->whole + VF_HISTORY * LANES;
        for (uint32_t row = 0; row < count; row += 4, rows += 4 * LANES)
            UNROLL for (unsigned first = 0; first < LANES; first += 4) {
                transpose4(rows + first, LANES, out);
                UNROLL for (unsigned c = 0; c < 4; c++)
                    vst1q_s32(lanes->out32[first + c] + row, out[c]);
            }
        return;
    }
    /* Every second row of pairs has all samples. After an odd count the last one needs a pair. */
    uint32_t *pairs = lanes->pairs + VF_HISTORY * LANES;
    if (count & 1)
        UNROLL for (unsigned c = 0; c < LANES; c += 4)
            vst1q_u32(pairs + count * LANES + c,
                      vshrq_n_u32(vld1q_u32(pairs + (count - 1) * LANES + c), 16));
    for (uint32_t row = 0; row < count; row += 8)
        UNROLL for (unsigned first = 0; first < LANES; first += 4) {
            transpose4((const int32_t *)pairs + (row + 1) * LANES + first, 2 * LANES, out);
            UNROLL for (unsigned c = 0; c < 4; c++)
                vst1q_s16(lanes->out16[first + c] + row, vreinterpretq_s16_s32(out[c]));
        }
}

#define KERNEL VF_NEON
#include "decode/lanes_end.h"

#else
typedef int vf_no_neon; /* ISO C wants something in every file */
#endif
