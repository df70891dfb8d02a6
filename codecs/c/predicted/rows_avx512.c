/* Rows of predicted tiles with AVX-512. Numbers go back to their columns by expanding loads, 32
   columns at a time. The prediction is undone by a wave: vectors of 32-bit columns, of which lane i works
   on row i of the strip, two columns behind lane i - 1, so that all its neighbours are known.

   Values of 32 bits are weighed in halves, as sums of products of 16 bits: a linear prediction is
   high * 2**8 + (low >> 8), where high and low are the sums over the upper and the lower halves. Products are
   of signed numbers, so the top bit of each lower half is flipped while values are in the wave, which
   takes 2**15 from them. As taps add up to 256, it takes 2**23 from the sum. */
#include "predicted/rows.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET                                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi2,bmi,bmi2,popcnt")))
#include "common/simd_begin.h"

static bool supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx512vbmi2");
}

/* ---- Order ------------------------------------------------------------------------------------ */

enum { COLUMNS = 32 };

typedef __m512i counts;
typedef __mmask32 set;

TEMPLATE __m512i load(const void *from)
{
    return _mm512_loadu_si512(from);
}
TEMPLATE void store(void *to, __m512i value)
{
    _mm512_storeu_si512(to, value);
}
TEMPLATE counts all_of(uint16_t value)
{
    return _mm512_set1_epi16((short)value);
}
TEMPLATE counts add(counts a, counts b)
{
    return _mm512_add_epi16(a, b);
}
TEMPLATE counts either(counts a, counts b)
{
    return _mm512_or_si512(a, b);
}
TEMPLATE bool any_of(counts a)
{
    return _mm512_test_epi16_mask(a, a) != 0;
}
TEMPLATE set at_least(set wanted, counts a, counts b)
{
    return _mm512_mask_cmpge_epu16_mask(wanted, a, b);
}

/* The first `left` columns of a vector. */
TEMPLATE set first_columns(ptrdiff_t left)
{
    return left >= COLUMNS ? ~(set)0 : left <= 0 ? 0 : (set)_bzhi_u32(~0u, (unsigned)left);
}

/* Even and odd items of two vectors; and the way back. */
static const uint16_t EVEN[32] = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                                  32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
static const uint16_t LOW[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
static const uint32_t LOW_WIDE[16] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};

TEMPLATE counts evens_of(counts left, counts right)
{
    return _mm512_permutex2var_epi16(left, load(EVEN), right);
}
TEMPLATE counts odds_of(counts left, counts right)
{
    return _mm512_permutex2var_epi16(left, add(load(EVEN), all_of(1)), right);
}
TEMPLATE void store_in_turn(uint16_t *to, counts evens, counts odds)
{
    store(to, _mm512_permutex2var_epi16(evens, load(LOW), odds));
    store(to + COLUMNS, _mm512_permutex2var_epi16(evens, add(load(LOW), all_of(16)), odds));
}

typedef __m512i numbers16;

/* The next numbers of a class, to the columns of a set. */
TEMPLATE void spread16(numbers16 *found, const int16_t **next, set here)
{
    *found = _mm512_mask_expand_epi16(*found, here, load(*next));
    *next += _mm_popcnt_u32(here);
}
TEMPLATE counts sizes16(numbers16 numbers, unsigned shift)
{
    const __m512i sizes = _mm512_srl_epi16(_mm512_abs_epi16(numbers), _mm_cvtsi32_si128((int)shift));
    return _mm512_min_epu16(sizes, _mm512_set1_epi16(VF_MAX_MAGNITUDE));
}
TEMPLATE numbers16 load_numbers16(const void *from)
{
    return load(from);
}
TEMPLATE void store_numbers16(void *to, numbers16 numbers)
{
    store(to, numbers);
}
TEMPLATE void store_in_turn16(int16_t *to, numbers16 evens, numbers16 odds)
{
    store_in_turn((uint16_t *)to, evens, odds);
}

typedef struct {
    __m512i part[2];
} numbers32;

TEMPLATE void spread32(numbers32 *found, const int32_t **next, set here)
{
    UNROLL for (unsigned i = 0; i < 2; i++) {
        const __mmask16 part = (__mmask16)(here >> 16 * i);
        found->part[i] = _mm512_mask_expand_epi32(found->part[i], part, load(*next));
        *next += _mm_popcnt_u32(part);
    }
}
TEMPLATE counts sizes32(numbers32 numbers, unsigned shift)
{
    __m256i narrow[2];
    UNROLL for (unsigned i = 0; i < 2; i++) {
        const __m512i sizes =
            _mm512_srl_epi32(_mm512_abs_epi32(numbers.part[i]), _mm_cvtsi32_si128((int)shift));
        narrow[i] =
            _mm512_cvtepi32_epi16(_mm512_min_epu32(sizes, _mm512_set1_epi32(VF_MAX_MAGNITUDE)));
    }
    return _mm512_inserti64x4(_mm512_castsi256_si512(narrow[0]), narrow[1], 1);
}
TEMPLATE numbers32 load_numbers32(const void *from)
{
    return (numbers32){{load(from), load((const int32_t *)from + 16)}};
}
TEMPLATE void store_numbers32(void *to, numbers32 numbers)
{
    store(to, numbers.part[0]);
    store((int32_t *)to + 16, numbers.part[1]);
}
TEMPLATE void store_in_turn32(int32_t *to, numbers32 evens, numbers32 odds)
{
    const __m512i low = load(LOW_WIDE), high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    UNROLL for (unsigned i = 0; i < 2; i++, to += COLUMNS) {
        store(to, _mm512_permutex2var_epi32(evens.part[i], low, odds.part[i]));
        store(to + 16, _mm512_permutex2var_epi32(evens.part[i], high, odds.part[i]));
    }
}

#include "predicted/sorters.h"

/* ---- Prediction ------------------------------------------------------------------------------- */

enum { LANES = 16, HALVES = 2, WAVE = LANES * HALVES };
enum { FLIPPED = 1 << 15 }; /* of values of 32 bits in a linear prediction */

TEMPLATE void transpose16(__m512i rows[LANES])
{
    __m512i a[LANES];
    UNROLL for (unsigned i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    UNROLL for (unsigned i = 0; i < 16; i += 4) {
        rows[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        rows[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        rows[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        rows[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    UNROLL for (unsigned i = 0; i < 4; i++) {
        a[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
        a[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xDD);
        a[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
        a[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xDD);
    }
    UNROLL for (unsigned i = 0; i < 4; i++) {
        rows[i] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0x88);
        rows[i + 8] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0xDD);
        rows[i + 4] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0x88);
        rows[i + 12] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0xDD);
    }
}

/* What each lane sees at its column x; a number behind a name: columns further on. */
typedef struct {
    __m512i west[HALVES], west_west[HALVES];
    __m512i north1[HALVES], north[HALVES], north_west[HALVES];
    __m512i above1[HALVES], above2[HALVES], above3[HALVES], above[HALVES]; /* row above the one above */
    __m512i taps[VF_TAPS], high_taps[VF_TAPS]; /* in the lower halves and in the upper ones */
} wave;

/* The sum over the neighbours. West comes last: it is known last. */
TEMPLATE __m512i weighed(const wave *w, const __m512i taps[VF_TAPS], unsigned half,
                         __m512i west_west, __m512i sum)
{
    __m512i a = _mm512_add_epi32(_mm512_madd_epi16(w->north[half], taps[VF_TAP_N]),
                                 _mm512_madd_epi16(w->north_west[half], taps[VF_TAP_NW]));
    __m512i b = _mm512_add_epi32(_mm512_madd_epi16(w->north1[half], taps[VF_TAP_NE]),
                                 _mm512_madd_epi16(w->above[half], taps[VF_TAP_NN]));
    sum = _mm512_add_epi32(_mm512_madd_epi16(west_west, taps[VF_TAP_WW]), sum);
    sum = _mm512_add_epi32(_mm512_add_epi32(a, b), sum);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(w->west[half], taps[VF_TAP_W]));
}

/* The prediction and what is left, of `bits` bits. */
TEMPLATE __m512i predicted(const wave *w, unsigned half, __m512i west_west, __m512i residual,
                           const bool linear, const unsigned bits)
{
    const __m512i west = w->west[half], north = w->north[half];
    __m512i value;
    if (!linear) { /* modulo 2**32, where this is right though the sum of two values may not be */
        __m512i most = _mm512_max_epi32(north, west), least = _mm512_min_epi32(north, west);
        __m512i between = _mm512_max_epi32(least, _mm512_min_epi32(most, w->north_west[half]));
        value = _mm512_sub_epi32(_mm512_add_epi32(north, west), between);
        value = _mm512_add_epi32(value, residual);
    } else if (bits == 16) { /* 256ths of what is left are added to the sum before it is cut */
        __m512i left = _mm512_add_epi32(_mm512_slli_epi32(residual, 8), _mm512_set1_epi32(128));
        value = _mm512_srai_epi32(weighed(w, w->taps, half, west_west, left), 8);
    } else {
        const __m512i zero = _mm512_setzero_si512();
        __m512i low =
            weighed(w, w->taps, half, west_west, _mm512_set1_epi32(128 + 256 * FLIPPED));
        __m512i high = weighed(w, w->high_taps, half, west_west, zero);
        value = _mm512_add_epi32(_mm512_slli_epi32(high, 8), residual);
        value = _mm512_add_epi32(value, _mm512_srai_epi32(low, 8));
        return _mm512_xor_si512(value, _mm512_set1_epi32(FLIPPED));
    }
    return bits == 16 ? _mm512_srai_epi32(_mm512_slli_epi32(value, 16), 16) : value;
}

/* One column of every lane: `time` less twice its number. */
TEMPLATE void step(wave *w, const vf_strip *strip, ptrdiff_t time, const __m512i residuals[HALVES],
                   __m512i values[HALVES], const bool linear, const unsigned bits,
                   const bool edge)
{
    const __m512i behind = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    UNROLL for (unsigned half = 0; half < HALVES; half++) {
        __m512i x, west_west = w->west_west[half];
        if (edge) {
            x = _mm512_sub_epi32(_mm512_set1_epi32((int)(time - 2 * LANES * (ptrdiff_t)half)), behind);
            const __mmask16 first = _mm512_cmpeq_epi32_mask(x, _mm512_setzero_si512());
            west_west = _mm512_mask_mov_epi32(west_west, first, w->north[half]);
        }
        __m512i value = predicted(w, half, west_west, residuals[half], linear, bits);
        if (edge) { /* what stands beside a row */
            const __mmask16 before = _mm512_cmpeq_epi32_mask(x, _mm512_set1_epi32(-1));
            const __mmask16 behind_row =
                _mm512_cmpeq_epi32_mask(x, _mm512_set1_epi32((int)strip->width));
            value = _mm512_mask_mov_epi32(value, before, w->north1[half]);
            value = _mm512_mask_mov_epi32(value, behind_row, w->west[half]);
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
    /* Each lane sees what the lane above had; the first one what stands above the strip. */
    w->north1[0] = _mm512_alignr_epi32(values[0], load(strip->scratch[0] + time + 2 - 15), 15);
    w->north1[1] = _mm512_alignr_epi32(values[1], values[0], 15);
    if (linear) {
        w->above1[0] = _mm512_alignr_epi32(w->north1[0], load(strip->scratch[1] + time + 4 - 15), 15);
        w->above1[1] = _mm512_alignr_epi32(w->north1[1], w->north1[0], 15);
    }
}

TEMPLATE void steps(wave *w, const vf_strip *strip, ptrdiff_t time, __m512i in[HALVES][LANES],
                    __m512i out[HALVES][LANES], const bool linear, const unsigned bits,
                    const bool edge)
{
    UNROLL for (unsigned i = 0; i < LANES; i++) {
        const __m512i residuals[HALVES] = {in[0][i], in[1][i]};
        __m512i values[HALVES];
        step(w, strip, time + i, residuals, values, linear, bits, edge);
        out[0][i] = values[0];
        out[1][i] = values[1];
    }
}

/* Columns of a row of numbers, from and to memory. */
TEMPLATE __m512i load_columns(const void *row, ptrdiff_t x, const unsigned bits)
{
    return bits == 16
               ? _mm512_cvtepi16_epi32(_mm256_loadu_si256((const void *)((const int16_t *)row + x)))
               : load((const int32_t *)row + x);
}
TEMPLATE void store_columns(void *row, ptrdiff_t x, __m512i columns, const bool linear,
                            const unsigned bits)
{
    if (bits == 16)
        _mm256_storeu_si256((void *)((int16_t *)row + x), _mm512_cvtepi32_epi16(columns));
    else
        store((int32_t *)row + x,
              linear ? _mm512_xor_si512(columns, _mm512_set1_epi32(FLIPPED)) : columns);
}

TEMPLATE void predict(const vf_strip *strip, const void *residuals, void *values,
                      const bool linear, const unsigned bits)
{
    wave w = {0};
    for (unsigned i = 0; i < VF_TAPS; i++) {
        w.taps[i] = _mm512_set1_epi32((uint16_t)strip->plane->taps[i]);
        w.high_taps[i] = _mm512_slli_epi32(w.taps[i], 16);
    }
    const ptrdiff_t end = (ptrdiff_t)strip->width + 2 * (ptrdiff_t)strip->rows - 1;
    for (ptrdiff_t time = -LANES; time < end; time += LANES) {
        __m512i in[HALVES][LANES], out[HALVES][LANES];
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                in[half][i] = load_columns(residuals, row * strip->pitch + time - 2 * row, bits);
            }
            transpose16(in[half]);
        }
        if (time < 2 * WAVE || time + LANES > (ptrdiff_t)strip->width)
            steps(&w, strip, time, in, out, linear, bits, true);
        else
            steps(&w, strip, time, in, out, linear, bits, false);
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            transpose16(out[half]);
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                store_columns(values, row * strip->pitch + time - 2 * row, out[half][i], linear,
                              bits);
            }
        }
    }
}

#include "predicted/predictors.h"

const vf_row_kernel VF_AVX512_ROWS = {LANES, supported, sort16, sort32, predict16, predict32};

#endif
