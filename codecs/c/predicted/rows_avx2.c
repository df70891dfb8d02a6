/* Rows of predicted tiles with AVX2: what predicted/rows_avx512.c, which explains it, does. Numbers go back to
   their columns by shuffles from a table, 16 columns at a time; the wave is 16 rows high. */
#include "predicted/rows.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,bmi,bmi2,popcnt")))
#include "common/simd_begin.h"
#include "common/simd_x86.h"
#include "predicted/spread.h"

static bool supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

/* ---- Order ------------------------------------------------------------------------------------ */

enum { COLUMNS = 16 };

typedef __m256i counts;
typedef unsigned set;

TEMPLATE __m256i load(const void *from)
{
    return _mm256_loadu_si256(from);
}
TEMPLATE void store(void *to, __m256i value)
{
    _mm256_storeu_si256(to, value);
}
TEMPLATE counts all_of(uint16_t value)
{
    return _mm256_set1_epi16((short)value);
}
TEMPLATE counts add(counts a, counts b)
{
    return _mm256_add_epi16(a, b);
}
TEMPLATE counts either(counts a, counts b)
{
    return _mm256_or_si256(a, b);
}
TEMPLATE bool any_of(counts a)
{
    return !_mm256_testz_si256(a, a);
}
TEMPLATE set at_least(set wanted, counts a, counts b)
{
    const __m256i met = _mm256_cmpeq_epi16(_mm256_max_epu16(a, b), a);
    return wanted & (set)_mm_movemask_epi8(_mm_packs_epi16(_mm256_castsi256_si128(met),
                                                           _mm256_extracti128_si256(met, 1)));
}

/* The first `left` columns of a vector. */
TEMPLATE set first_columns(ptrdiff_t left)
{
    return left >= COLUMNS ? 0xFFFF : left <= 0 ? 0 : (1u << left) - 1;
}

/* The low halves of the 32-bit items of two vectors; the high halves. */
TEMPLATE counts evens_of(counts left, counts right)
{
    const __m256i low = _mm256_set1_epi32(0xFFFF);
    __m256i packed = _mm256_packus_epi32(_mm256_and_si256(left, low), _mm256_and_si256(right, low));
    return _mm256_permute4x64_epi64(packed, 0xD8);
}
TEMPLATE counts odds_of(counts left, counts right)
{
    __m256i packed = _mm256_packus_epi32(_mm256_srli_epi32(left, 16), _mm256_srli_epi32(right, 16));
    return _mm256_permute4x64_epi64(packed, 0xD8);
}
/* Write evens and odds in turn. */
TEMPLATE void store_in_turn(uint16_t *to, counts evens, counts odds)
{
    __m256i low = _mm256_unpacklo_epi16(evens, odds), high = _mm256_unpackhi_epi16(evens, odds);
    store(to, _mm256_permute2x128_si256(low, high, 0x20));
    store(to + COLUMNS, _mm256_permute2x128_si256(low, high, 0x31));
}

typedef struct {
    __m128i part[2];
} numbers16;

/* The next numbers of a class, to the columns of a set. */
TEMPLATE void spread16(numbers16 *found, const int16_t **next, set here)
{
    UNROLL for (unsigned i = 0; i < 2; i++) {
        const set part = here >> 8 * i & 255;
        const __m128i numbers = _mm_loadu_si128((const void *)*next);
        const __m128i shuffle = _mm_loadu_si128((const void *)SPREAD16[part]);
        found->part[i] = _mm_or_si128(found->part[i], _mm_shuffle_epi8(numbers, shuffle));
        *next += _mm_popcnt_u32(part);
    }
}
TEMPLATE __m256i joined(numbers16 numbers)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(numbers.part[0]), numbers.part[1], 1);
}
TEMPLATE counts sizes16(numbers16 numbers, unsigned shift)
{
    const __m256i sizes =
        _mm256_srl_epi16(_mm256_abs_epi16(joined(numbers)), _mm_cvtsi32_si128((int)shift));
    return _mm256_min_epu16(sizes, _mm256_set1_epi16(VF_MAX_MAGNITUDE));
}
TEMPLATE numbers16 load_numbers16(const uint8_t *from)
{
    return (numbers16){{_mm_loadu_si128((const void *)from), _mm_loadu_si128((const void *)(from + 16))}};
}
TEMPLATE void store_numbers16(void *to, numbers16 numbers)
{
    store(to, joined(numbers));
}
TEMPLATE void store_in_turn16(int16_t *to, numbers16 evens, numbers16 odds)
{
    store_in_turn((uint16_t *)to, joined(evens), joined(odds));
}

typedef struct {
    __m256i part[2];
} numbers32;

TEMPLATE void spread32(numbers32 *found, const int32_t **next, set here)
{
    UNROLL for (unsigned i = 0; i < 2; i++) {
        const set part = here >> 8 * i & 255;
        const __m256i places =
            _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)SPREAD32[part]));
        const __m256i numbers = _mm256_permutevar8x32_epi32(load(*next), places);
        found->part[i] = _mm256_castps_si256(
            _mm256_blendv_ps(_mm256_castsi256_ps(found->part[i]), _mm256_castsi256_ps(numbers),
                             _mm256_castsi256_ps(places)));
        *next += _mm_popcnt_u32(part);
    }
}
TEMPLATE counts sizes32(numbers32 numbers, unsigned shift)
{
    __m256i sizes[2];
    UNROLL for (unsigned i = 0; i < 2; i++) {
        sizes[i] = _mm256_srl_epi32(_mm256_abs_epi32(numbers.part[i]), _mm_cvtsi32_si128((int)shift));
        sizes[i] = _mm256_min_epu32(sizes[i], _mm256_set1_epi32(VF_MAX_MAGNITUDE));
    }
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(sizes[0], sizes[1]), 0xD8);
}
TEMPLATE numbers32 load_numbers32(const uint8_t *from)
{
    return (numbers32){{load(from), load(from + 32)}};
}
TEMPLATE void store_numbers32(void *to, numbers32 numbers)
{
    store(to, numbers.part[0]);
    store((int32_t *)to + 8, numbers.part[1]);
}
TEMPLATE void store_in_turn32(int32_t *to, numbers32 evens, numbers32 odds)
{
    UNROLL for (unsigned i = 0; i < 2; i++, to += COLUMNS) {
        const __m256i low = _mm256_unpacklo_epi32(evens.part[i], odds.part[i]);
        const __m256i high = _mm256_unpackhi_epi32(evens.part[i], odds.part[i]);
        store(to, _mm256_permute2x128_si256(low, high, 0x20));
        store(to + 8, _mm256_permute2x128_si256(low, high, 0x31));
    }
}

#include "predicted/sorters.h"

/* ---- Prediction ------------------------------------------------------------------------------- */

enum { LANES = 8, HALVES = 2, WAVE = LANES * HALVES };
enum { FLIPPED = 1 << 15 }; /* of values of 32 bits in a linear prediction */

/* What each lane sees at its column x; a number behind a name: columns further on. */
typedef struct {
    __m256i west[HALVES], west_west[HALVES];
    __m256i north1[HALVES], north[HALVES], north_west[HALVES];
    __m256i above1[HALVES], above2[HALVES], above3[HALVES], above[HALVES]; /* row above the one above */
    __m256i taps[VF_TAPS], high_taps[VF_TAPS]; /* in the lower halves and in the upper ones */
} wave;

/* The sum over the neighbours. */
TEMPLATE __m256i weighed(const wave *w, const __m256i taps[VF_TAPS], unsigned half,
                         __m256i west_west, __m256i sum)
{
    __m256i a = _mm256_add_epi32(_mm256_madd_epi16(w->north[half], taps[VF_TAP_N]),
                                 _mm256_madd_epi16(w->north_west[half], taps[VF_TAP_NW]));
    __m256i b = _mm256_add_epi32(_mm256_madd_epi16(w->north1[half], taps[VF_TAP_NE]),
                                 _mm256_madd_epi16(w->above[half], taps[VF_TAP_NN]));
    sum = _mm256_add_epi32(_mm256_madd_epi16(west_west, taps[VF_TAP_WW]), sum);
    sum = _mm256_add_epi32(_mm256_add_epi32(a, b), sum);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(w->west[half], taps[VF_TAP_W]));
}

TEMPLATE __m256i predicted(const wave *w, unsigned half, __m256i west_west, __m256i residual,
                           const bool linear, const unsigned bits)
{
    const __m256i west = w->west[half], north = w->north[half];
    __m256i value;
    if (!linear) {
        __m256i most = _mm256_max_epi32(north, west), least = _mm256_min_epi32(north, west);
        __m256i between = _mm256_max_epi32(least, _mm256_min_epi32(most, w->north_west[half]));
        value = _mm256_sub_epi32(_mm256_add_epi32(north, west), between);
        value = _mm256_add_epi32(value, residual);
    } else if (bits == 16) {
        __m256i left = _mm256_add_epi32(_mm256_slli_epi32(residual, 8), _mm256_set1_epi32(128));
        value = _mm256_srai_epi32(weighed(w, w->taps, half, west_west, left), 8);
    } else {
        const __m256i zero = _mm256_setzero_si256();
        __m256i low =
            weighed(w, w->taps, half, west_west, _mm256_set1_epi32(128 + 256 * FLIPPED));
        __m256i high = weighed(w, w->high_taps, half, west_west, zero);
        value = _mm256_add_epi32(_mm256_slli_epi32(high, 8), residual);
        value = _mm256_add_epi32(value, _mm256_srai_epi32(low, 8));
        return _mm256_xor_si256(value, _mm256_set1_epi32(FLIPPED));
    }
    return bits == 16 ? _mm256_srai_epi32(_mm256_slli_epi32(value, 16), 16) : value;
}

/* The lanes of two vectors one further on, the first one from memory. */
TEMPLATE void move_on(__m256i to[HALVES], const __m256i from[HALVES], const int32_t *first)
{
    const __m256i turn = _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6);
    __m256i low = _mm256_permutevar8x32_epi32(from[0], turn);
    __m256i high = _mm256_permutevar8x32_epi32(from[1], turn);
    to[0] = _mm256_blend_epi32(low, _mm256_castsi128_si256(_mm_cvtsi32_si128(*first)), 1);
    to[1] = _mm256_blend_epi32(high, low, 1);
}

TEMPLATE void step(wave *w, const vf_strip *strip, ptrdiff_t time, const __m256i residuals[HALVES],
                   __m256i values[HALVES], const bool linear, const unsigned bits,
                   const bool edge)
{
    const __m256i behind = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    UNROLL for (unsigned half = 0; half < HALVES; half++) {
        __m256i x = behind, west_west = w->west_west[half];
        if (edge) {
            x = _mm256_sub_epi32(_mm256_set1_epi32((int)(time - 2 * LANES * (ptrdiff_t)half)), behind);
            west_west = _mm256_blendv_epi8(west_west, w->north[half],
                                           _mm256_cmpeq_epi32(x, _mm256_setzero_si256()));
        }
        __m256i value = predicted(w, half, west_west, residuals[half], linear, bits);
        if (edge) { /* what stands beside a row */
            value = _mm256_blendv_epi8(value, w->north1[half],
                                       _mm256_cmpeq_epi32(x, _mm256_set1_epi32(-1)));
            value = _mm256_blendv_epi8(
                value, w->west[half], _mm256_cmpeq_epi32(x, _mm256_set1_epi32((int)strip->width)));
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

TEMPLATE void steps(wave *w, const vf_strip *strip, ptrdiff_t time, __m256i in[HALVES][LANES],
                    __m256i out[HALVES][LANES], const bool linear, const unsigned bits,
                    const bool edge)
{
    UNROLL for (unsigned i = 0; i < LANES; i++) {
        const __m256i residuals[HALVES] = {in[0][i], in[1][i]};
        __m256i values[HALVES];
        step(w, strip, time + i, residuals, values, linear, bits, edge);
        out[0][i] = values[0];
        out[1][i] = values[1];
    }
}

TEMPLATE __m256i load_columns(const void *row, ptrdiff_t x, const unsigned bits)
{
    return bits == 16
               ? _mm256_cvtepi16_epi32(_mm_loadu_si128((const void *)((const int16_t *)row + x)))
               : load((const int32_t *)row + x);
}
TEMPLATE void store_columns(void *row, ptrdiff_t x, __m256i columns, const bool linear,
                            const unsigned bits)
{
    if (bits == 16)
        _mm_storeu_si128((void *)((int16_t *)row + x),
                         _mm_packs_epi32(_mm256_castsi256_si128(columns),
                                         _mm256_extracti128_si256(columns, 1)));
    else
        store((int32_t *)row + x,
              linear ? _mm256_xor_si256(columns, _mm256_set1_epi32(FLIPPED)) : columns);
}

TEMPLATE void predict(const vf_strip *strip, const void *residuals, void *values,
                      const bool linear, const unsigned bits)
{
    wave w = {0};
    for (unsigned i = 0; i < VF_TAPS; i++) {
        w.taps[i] = _mm256_set1_epi32((uint16_t)strip->plane->taps[i]);
        w.high_taps[i] = _mm256_slli_epi32(w.taps[i], 16);
    }
    const ptrdiff_t end = (ptrdiff_t)strip->width + 2 * (ptrdiff_t)strip->rows - 1;
    for (ptrdiff_t time = -LANES; time < end; time += LANES) {
        __m256i in[HALVES][LANES], out[HALVES][LANES], columns[LANES];
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                columns[i] = load_columns(residuals, row * strip->pitch + time - 2 * row, bits);
            }
            transpose8(columns, in[half]);
        }
        if (time < 2 * WAVE || time + LANES > (ptrdiff_t)strip->width)
            steps(&w, strip, time, in, out, linear, bits, true);
        else
            steps(&w, strip, time, in, out, linear, bits, false);
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            transpose8(out[half], columns);
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                store_columns(values, row * strip->pitch + time - 2 * row, columns[i], linear,
                              bits);
            }
        }
    }
}

#include "predicted/predictors.h"

const vf_row_kernel VF_AVX2_ROWS = {LANES, supported, sort16, sort32, predict16, predict32};

#endif
