/* Rows of predicted tiles with NEON, on 64-bit ARM: what predicted/rows_avx512.c, which explains it, does. Numbers
   go back to their columns by shuffles from a table, 8 columns at a time; the wave is 8 rows high. */
#include "predicted/rows.h"

#include "decode/lanes.h"

#if VF_HAS_NEON

#include <arm_neon.h>

#define TARGET /* NEON is part of the baseline */
#include "common/simd_begin.h"
#include "predicted/spread.h"

static bool supported(void)
{
    return true;
}

/* ---- Order ------------------------------------------------------------------------------------ */

enum { COLUMNS = 8 };

typedef uint16x8_t counts;
typedef unsigned set;

TEMPLATE counts load(const uint16_t *from)
{
    return vld1q_u16(from);
}
TEMPLATE void store(uint16_t *to, counts value)
{
    vst1q_u16(to, value);
}
TEMPLATE counts all_of(uint16_t value)
{
    return vdupq_n_u16(value);
}
TEMPLATE counts add(counts a, counts b)
{
    return vaddq_u16(a, b);
}
TEMPLATE counts either(counts a, counts b)
{
    return vorrq_u16(a, b);
}
TEMPLATE bool any_of(counts a)
{
    return vmaxvq_u16(a) != 0;
}
TEMPLATE set at_least(set wanted, counts a, counts b)
{
    static const uint16_t BITS[COLUMNS] = {1, 2, 4, 8, 16, 32, 64, 128};
    return wanted & vaddvq_u16(vandq_u16(vcgeq_u16(a, b), vld1q_u16(BITS)));
}

/* The first `left` columns of a vector. */
TEMPLATE set first_columns(ptrdiff_t left)
{
    return left >= COLUMNS ? 0xFF : left <= 0 ? 0 : (1u << left) - 1;
}

TEMPLATE counts evens_of(counts left, counts right)
{
    return vuzp1q_u16(left, right);
}
TEMPLATE counts odds_of(counts left, counts right)
{
    return vuzp2q_u16(left, right);
}
TEMPLATE void store_in_turn(uint16_t *to, counts evens, counts odds)
{
    store(to, vzip1q_u16(evens, odds));
    store(to + COLUMNS, vzip2q_u16(evens, odds));
}

typedef int16x8_t numbers16;

/* The next numbers of a class, to the columns of a set. How many they are stands in a table: NEON counts bits in
   its own registers only, and where the next numbers are is waited for. */
TEMPLATE void spread16(numbers16 *found, const int16_t **next, set here)
{
    const int8x16_t numbers = vreinterpretq_s8_s16(vld1q_s16(*next));
    const int8x16_t spread = vqtbl1q_s8(numbers, vld1q_u8(SPREAD16[here]));
    *found = vorrq_s16(*found, vreinterpretq_s16_s8(spread));
    *next += SIZE_OF[here];
}
TEMPLATE counts sizes16(numbers16 numbers, unsigned shift)
{
    const counts sizes = vreinterpretq_u16_s16(vabsq_s16(numbers));
    return vminq_u16(vshlq_u16(sizes, vdupq_n_s16((int16_t)-(int)shift)),
                     vdupq_n_u16(VF_MAX_MAGNITUDE));
}
TEMPLATE numbers16 load_numbers16(const uint8_t *from)
{
    return vreinterpretq_s16_u8(vld1q_u8(from));
}
TEMPLATE void store_numbers16(void *to, numbers16 numbers)
{
    vst1q_u8(to, vreinterpretq_u8_s16(numbers));
}
TEMPLATE void store_in_turn16(int16_t *to, numbers16 evens, numbers16 odds)
{
    store_in_turn((uint16_t *)to, vreinterpretq_u16_s16(evens), vreinterpretq_u16_s16(odds));
}

typedef struct {
    int32x4_t part[2];
} numbers32;

TEMPLATE void spread32(numbers32 *found, const int32_t **next, set here)
{
    UNROLL for (unsigned i = 0; i < 2; i++) {
        const set part = here >> 4 * i & 15;
        const int8x16_t numbers = vreinterpretq_s8_s32(vld1q_s32(*next));
        const int8x16_t spread = vqtbl1q_s8(numbers, vld1q_u8(SPREAD_FOUR[part]));
        found->part[i] = vorrq_s32(found->part[i], vreinterpretq_s32_s8(spread));
        *next += SIZE_OF[part];
    }
}
TEMPLATE counts sizes32(numbers32 numbers, unsigned shift)
{
    uint32x4_t sizes[2];
    UNROLL for (unsigned i = 0; i < 2; i++) {
        sizes[i] = vreinterpretq_u32_s32(vabsq_s32(numbers.part[i]));
        sizes[i] = vminq_u32(vshlq_u32(sizes[i], vdupq_n_s32(-(int)shift)),
                             vdupq_n_u32(VF_MAX_MAGNITUDE));
    }
    return vcombine_u16(vmovn_u32(sizes[0]), vmovn_u32(sizes[1]));
}
TEMPLATE numbers32 load_numbers32(const uint8_t *from)
{
    return (numbers32){
        {vreinterpretq_s32_u8(vld1q_u8(from)), vreinterpretq_s32_u8(vld1q_u8(from + 16))}};
}
TEMPLATE void store_numbers32(void *to, numbers32 numbers)
{
    vst1q_u8(to, vreinterpretq_u8_s32(numbers.part[0]));
    vst1q_u8((uint8_t *)to + 16, vreinterpretq_u8_s32(numbers.part[1]));
}
TEMPLATE void store_in_turn32(int32_t *to, numbers32 evens, numbers32 odds)
{
    UNROLL for (unsigned i = 0; i < 2; i++, to += COLUMNS) {
        vst1q_s32(to, vzip1q_s32(evens.part[i], odds.part[i]));
        vst1q_s32(to + 4, vzip2q_s32(evens.part[i], odds.part[i]));
    }
}

#include "predicted/sorters.h"

/* ---- Prediction ------------------------------------------------------------------------------- */

enum { LANES = 4, HALVES = 2, WAVE = LANES * HALVES };
enum { FLIPPED = 0 }; /* products of 32 bits are there */

TEMPLATE void transpose4(int32x4_t rows[LANES])
{
    int64x2_t a[LANES];
    UNROLL for (unsigned i = 0; i < 4; i += 2) {
        a[i] = vreinterpretq_s64_s32(vtrn1q_s32(rows[i], rows[i + 1]));     /* columns 0 and 2 */
        a[i + 1] = vreinterpretq_s64_s32(vtrn2q_s32(rows[i], rows[i + 1])); /* columns 1 and 3 */
    }
    UNROLL for (unsigned i = 0; i < 2; i++) {
        rows[i] = vreinterpretq_s32_s64(vtrn1q_s64(a[i], a[i + 2]));
        rows[i + 2] = vreinterpretq_s32_s64(vtrn2q_s64(a[i], a[i + 2]));
    }
}

/* What each lane sees at its column x; a number behind a name: columns further on. */
typedef struct {
    int32x4_t west[HALVES], west_west[HALVES];
    int32x4_t north1[HALVES], north[HALVES], north_west[HALVES];
    int32x4_t above1[HALVES], above2[HALVES], above3[HALVES], above[HALVES]; /* row above the one above */
    int32x4_t taps[VF_TAPS];
} wave;

/* The prediction of 32 bits, modulo that: the sums are exact, of two columns a vector. */
TEMPLATE int32x4_t predicted_wide(const wave *w, const int32x4_t seen[VF_TAPS])
{
    int64x2_t low = vdupq_n_s64(0), high = low;
    UNROLL for (unsigned i = VF_TAPS; i-- > 0;) { /* west is the first: it is known last */
        low = vmlal_s32(low, vget_low_s32(seen[i]), vget_low_s32(w->taps[i]));
        high = vmlal_high_s32(high, seen[i], w->taps[i]);
    }
    return vrshrn_high_n_s64(vrshrn_n_s64(low, 8), high, 8);
}

TEMPLATE int32x4_t predicted(const wave *w, unsigned half, int32x4_t west_west, int32x4_t residual,
                             const bool linear, const unsigned bits)
{
    const int32x4_t west = w->west[half], north = w->north[half];
    int32x4_t value;
    if (!linear) {
        const int32x4_t most = vmaxq_s32(north, west), least = vminq_s32(north, west);
        const int32x4_t between = vmaxq_s32(least, vminq_s32(most, w->north_west[half]));
        value = vaddq_s32(vsubq_s32(vaddq_s32(north, west), between), residual);
    } else {
        const int32x4_t seen[VF_TAPS] = {[VF_TAP_W] = west,
                                         [VF_TAP_N] = north,
                                         [VF_TAP_NW] = w->north_west[half],
                                         [VF_TAP_NE] = w->north1[half],
                                         [VF_TAP_WW] = west_west,
                                         [VF_TAP_NN] = w->above[half]};
        if (bits == 32)
            return vaddq_s32(predicted_wide(w, seen), residual);
        value = vorrq_s32(vshlq_n_s32(residual, 8), vdupq_n_s32(128));
        UNROLL for (unsigned i = VF_TAPS; i-- > 0;)
            value = vmlaq_s32(value, seen[i], w->taps[i]);
        value = vshrq_n_s32(value, 8);
    }
    return bits == 16 ? vmovl_s16(vmovn_s32(value)) : value;
}

/* The lanes of two vectors one further on, the first one from memory. */
TEMPLATE void move_on(int32x4_t to[HALVES], const int32x4_t from[HALVES], const int32_t *first)
{
    const int32x4_t low = from[0];
    to[1] = vextq_s32(low, from[1], 3);
    to[0] = vextq_s32(vld1q_dup_s32(first), low, 3);
}

TEMPLATE void step(wave *w, const vf_strip *strip, ptrdiff_t time, const int32x4_t residuals[HALVES],
                   int32x4_t values[HALVES], const bool linear, const unsigned bits,
                   const bool edge)
{
    static const int32_t BEHIND[LANES] = {0, 2, 4, 6};
    UNROLL for (unsigned half = 0; half < HALVES; half++) {
        int32x4_t x = vdupq_n_s32(0), west_west = w->west_west[half];
        if (edge) {
            x = vsubq_s32(vdupq_n_s32((int)(time - 2 * LANES * (ptrdiff_t)half)), vld1q_s32(BEHIND));
            west_west = vbslq_s32(vceqzq_s32(x), w->north[half], west_west);
        }
        int32x4_t value = predicted(w, half, west_west, residuals[half], linear, bits);
        if (edge) { /* what stands beside a row */
            value = vbslq_s32(vceqq_s32(x, vdupq_n_s32(-1)), w->north1[half], value);
            value =
                vbslq_s32(vceqq_s32(x, vdupq_n_s32((int)strip->width)), w->west[half], value);
        }
        values[half] = value;
        w->west_west[half] = w->west[half];
        w->west[half] = value;
        w->north_west[half] = w->north[half];
        w->north[half] = w->north1[half];
        w->above[half] = w->above3[half];
        w->above3[half] = w->above2[half];
        w->above2[half] = w->above1[half];
    }
    move_on(w->north1, values, strip->scratch[0] + time + 2);
    if (linear)
        move_on(w->above1, w->north1, strip->scratch[1] + time + 4);
}

TEMPLATE void steps(wave *w, const vf_strip *strip, ptrdiff_t time, int32x4_t in[HALVES][LANES],
                    int32x4_t out[HALVES][LANES], const bool linear, const unsigned bits,
                    const bool edge)
{
    UNROLL for (unsigned i = 0; i < LANES; i++) {
        const int32x4_t residuals[HALVES] = {in[0][i], in[1][i]};
        int32x4_t values[HALVES];
        step(w, strip, time + i, residuals, values, linear, bits, edge);
        out[0][i] = values[0];
        out[1][i] = values[1];
    }
}

TEMPLATE int32x4_t load_columns(const void *row, ptrdiff_t x, const unsigned bits)
{
    return bits == 16 ? vmovl_s16(vld1_s16((const int16_t *)row + x))
                      : vld1q_s32((const int32_t *)row + x);
}
TEMPLATE void store_columns(void *row, ptrdiff_t x, int32x4_t columns, const unsigned bits)
{
    if (bits == 16)
        vst1_s16((int16_t *)row + x, vmovn_s32(columns));
    else
        vst1q_s32((int32_t *)row + x, columns);
}

TEMPLATE void predict(const vf_strip *strip, const void *residuals, void *values,
                      const bool linear, const unsigned bits)
{
    wave w = {0};
    for (unsigned i = 0; i < VF_TAPS; i++)
        w.taps[i] = vdupq_n_s32(strip->plane->taps[i]);
    const ptrdiff_t end = (ptrdiff_t)strip->width + 2 * (ptrdiff_t)strip->rows - 1;
    for (ptrdiff_t time = -LANES; time < end; time += LANES) {
        int32x4_t in[HALVES][LANES], out[HALVES][LANES];
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                in[half][i] = load_columns(residuals, row * strip->pitch + time - 2 * row, bits);
            }
            transpose4(in[half]);
        }
        if (time < 2 * WAVE || time + LANES > (ptrdiff_t)strip->width)
            steps(&w, strip, time, in, out, linear, bits, true);
        else
            steps(&w, strip, time, in, out, linear, bits, false);
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            transpose4(out[half]);
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                store_columns(values, row * strip->pitch + time - 2 * row, out[half][i], bits);
            }
        }
    }
}

#include "predicted/predictors.h"

const vf_row_kernel VF_NEON_ROWS = {LANES, supported, sort16, sort32, predict16, predict32};

#endif
