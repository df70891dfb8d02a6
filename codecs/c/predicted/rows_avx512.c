/* Rows of predicted tiles with AVX-512. Numbers of 16 bits go back to their columns by expanding loads, 32
   columns at a time. The prediction is undone by a wave: vectors of 32-bit columns, of which lane i works
   on row i of the strip, two columns behind lane i - 1, so that all its neighbours are known. */
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

TEMPLATE __m512i load(const void *from)
{
    return _mm512_loadu_si512(from);
}

/* ---- Order ------------------------------------------------------------------------------------ */

enum { MOST_CLASSES = 8, COLUMNS = 32 };

/* The classes of a plane, `count` of them, a constant; those that are too many are never met. */
typedef struct {
    const int16_t *next[MOST_CLASSES];
    __m512i thresholds[MOST_CLASSES];
    __m128i shift;
    __m512i any; /* magnitudes so far */
} classes;

TEMPLATE void begin_classes(classes *c, const vf_row *row, const int16_t **next,
                            const unsigned count)
{
    UNROLL for (unsigned i = 0; i < count; i++) {
        const bool met = i < row->plane->classes;
        c->next[i] = next[met ? i : 0];
        c->thresholds[i] = _mm512_set1_epi16(met ? (short)row->plane->thresholds[i] : -1);
    }
    c->shift = _mm_cvtsi32_si128((int)row->plane->shift);
    c->any = _mm512_setzero_si512();
}

TEMPLATE bool end_classes(const classes *c, const vf_row *row, const int16_t **next,
                          const unsigned count)
{
    UNROLL for (unsigned i = 0; i < count; i++)
        if (i < row->plane->classes)
            next[i] = c->next[i];
    return _mm512_test_epi16_mask(c->any, c->any) != 0;
}

/* The next numbers for the columns of `wanted`. */
TEMPLATE __m512i take(classes *c, __m512i activity, __mmask32 wanted, const unsigned count)
{
    __m512i found = _mm512_setzero_si512();
    __mmask32 reached = wanted;
    UNROLL for (unsigned i = 0; i < count; i++) {
        const __mmask32 higher =
            i + 1 < count ? _mm512_mask_cmpge_epu16_mask(wanted, activity, c->thresholds[i + 1])
                          : 0;
        const __mmask32 here = reached & ~higher;
        found = _mm512_mask_expand_epi16(found, here, load(c->next[i]));
        c->next[i] += _mm_popcnt_u32(here);
        reached = higher;
    }
    return found;
}

/* Magnitudes of numbers, 0 in columns that are not wanted. */
TEMPLATE __m512i magnitudes(classes *c, __m512i numbers, __mmask32 wanted)
{
    __m512i sizes = _mm512_srl_epi16(_mm512_abs_epi16(numbers), c->shift);
    sizes = _mm512_maskz_min_epu16(wanted, sizes, _mm512_set1_epi16(VF_MAX_MAGNITUDE));
    c->any = _mm512_or_si512(c->any, sizes);
    return sizes;
}

/* The activity of 32 columns without their neighbours in the row. */
TEMPLATE __m512i activity_of(const vf_row *row, size_t x, const bool weighs)
{
    const uint16_t *m = row->above + x, *n = row->higher + x;
    __m512i near = _mm512_add_epi16(_mm512_add_epi16(load(m - 1), load(m)), load(m + 1));
    __m512i far = _mm512_add_epi16(load(m - 2), load(m + 2));
    __m512i higher = _mm512_add_epi16(_mm512_add_epi16(load(n - 1), load(n)), load(n + 1));
    __m512i sum = _mm512_add_epi16(_mm512_add_epi16(near, near), _mm512_add_epi16(far, higher));
    if (weighs) {
        const uint16_t *q = row->reference[1] + x;
        __m512i here = load(q);
        __m512i sides = _mm512_add_epi16(load(q - 1), load(q + 1));
        __m512i ends = _mm512_add_epi16(load(row->reference[0] + x), load(row->reference[2] + x));
        sum = _mm512_add_epi16(sum, _mm512_add_epi16(here, here));
        sum = _mm512_add_epi16(sum, _mm512_add_epi16(sides, ends));
    }
    return sum;
}

/* The first `left` columns of a vector. */
TEMPLATE __mmask32 first_columns(ptrdiff_t left)
{
    return left >= COLUMNS ? ~(__mmask32)0 : left <= 0 ? 0 : (__mmask32)_bzhi_u32(~0u, (unsigned)left);
}

TEMPLATE bool sort_plain(const vf_row *row, const int16_t **next, int16_t *e, const bool weighs,
                         const unsigned count)
{
    classes c;
    begin_classes(&c, row, next, count);
    for (size_t x = 0; x < row->width; x += COLUMNS) {
        const __mmask32 wanted = first_columns((ptrdiff_t)(row->width - x));
        __m512i numbers = take(&c, activity_of(row, x, weighs), wanted, count);
        _mm512_storeu_si512(e + x, numbers);
        _mm512_storeu_si512(row->magnitudes + x, magnitudes(&c, numbers, wanted));
    }
    return end_classes(&c, row, next, count);
}

/* Even and odd items of two vectors; and the way back. */
static const uint16_t EVEN[32] = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                                  32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
static const uint16_t LOW[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};

TEMPLATE bool sort_even_odd(const vf_row *row, const int16_t **next, int16_t *e, const bool weighs,
                            const unsigned count)
{
    const __m512i even = load(EVEN), odd = _mm512_add_epi16(even, _mm512_set1_epi16(1));
    const __m512i low = load(LOW), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    const ptrdiff_t width = (ptrdiff_t)row->width, evens = (width + 1) / 2, odds = width / 2;
    uint16_t *odd_activity = row->scratch[0], *even_sizes = row->scratch[1];
    uint16_t *even_numbers = row->scratch[2];
    classes c;
    begin_classes(&c, row, next, count);
    for (ptrdiff_t at = 0; at < evens; at += COLUMNS) {
        __m512i left = activity_of(row, (size_t)(2 * at), weighs);
        __m512i right = activity_of(row, (size_t)(2 * at + COLUMNS), weighs);
        __m512i mine = _mm512_permutex2var_epi16(left, even, right);
        const __mmask32 wanted = first_columns(evens - at);
        __m512i numbers = take(&c, _mm512_add_epi16(mine, mine), wanted, count);
        _mm512_storeu_si512(odd_activity + at, _mm512_permutex2var_epi16(left, odd, right));
        _mm512_storeu_si512(even_numbers + at, numbers);
        _mm512_storeu_si512(even_sizes + at, magnitudes(&c, numbers, wanted));
    }
    _mm512_storeu_si512(even_sizes + evens, _mm512_setzero_si512());
    for (ptrdiff_t at = 0; at < evens; at += COLUMNS) {
        __m512i sizes = load(even_sizes + at), numbers = load(even_numbers + at);
        __m512i sides = _mm512_add_epi16(sizes, load(even_sizes + at + 1));
        __m512i sum = _mm512_add_epi16(load(odd_activity + at), sides);
        sum = _mm512_add_epi16(sum, _mm512_slli_epi16(sides, 2));
        const __mmask32 wanted = first_columns(odds - at);
        __m512i others = take(&c, sum, wanted, count);
        __m512i other_sizes = magnitudes(&c, others, wanted);
        _mm512_storeu_si512(e + 2 * at, _mm512_permutex2var_epi16(numbers, low, others));
        _mm512_storeu_si512(e + 2 * at + COLUMNS, _mm512_permutex2var_epi16(numbers, high, others));
        _mm512_storeu_si512(row->magnitudes + 2 * at,
                            _mm512_permutex2var_epi16(sizes, low, other_sizes));
        _mm512_storeu_si512(row->magnitudes + 2 * at + COLUMNS,
                            _mm512_permutex2var_epi16(sizes, high, other_sizes));
    }
    return end_classes(&c, row, next, count);
}

#include "predicted/sorters.h"

/* ---- Prediction ------------------------------------------------------------------------------- */

enum { LANES = 16, HALVES = VF_STRIP / LANES };

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
    __m512i taps[VF_TAPS];
} wave;

/* The prediction and what is left, 256ths of it added to the sum before it is cut. */
TEMPLATE __m512i predicted(const wave *w, unsigned half, __m512i west_west, __m512i residual,
                           const bool linear)
{
    const __m512i west = w->west[half], north = w->north[half];
    if (!linear) {
        __m512i most = _mm512_max_epi32(north, west), least = _mm512_min_epi32(north, west);
        __m512i plane = _mm512_sub_epi32(_mm512_add_epi32(north, west), w->north_west[half]);
        plane = _mm512_max_epi32(least, _mm512_min_epi32(most, plane));
        return _mm512_add_epi32(plane, residual);
    }
    /* Each column's low half times a tap; the high half of a tap is 0. West comes last: it is known last. */
    __m512i a = _mm512_add_epi32(_mm512_madd_epi16(north, w->taps[VF_TAP_N]),
                                 _mm512_madd_epi16(w->north_west[half], w->taps[VF_TAP_NW]));
    __m512i b = _mm512_add_epi32(_mm512_madd_epi16(w->north1[half], w->taps[VF_TAP_NE]),
                                 _mm512_madd_epi16(w->above[half], w->taps[VF_TAP_NN]));
    __m512i c = _mm512_add_epi32(_mm512_madd_epi16(west_west, w->taps[VF_TAP_WW]),
                                 _mm512_slli_epi32(residual, 8));
    c = _mm512_add_epi32(c, _mm512_set1_epi32(128));
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(a, b), c);
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(west, w->taps[VF_TAP_W]));
    return _mm512_srai_epi32(sum, 8);
}

/* One column of every lane: `time` less twice its number. */
TEMPLATE void step(wave *w, const vf_strip *strip, ptrdiff_t time, const __m512i residuals[HALVES],
                   __m512i values[HALVES], const bool linear, const bool edge)
{
    const __m512i behind = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    UNROLL for (unsigned half = 0; half < HALVES; half++) {
        __m512i x, west_west = w->west_west[half];
        if (edge) {
            x = _mm512_sub_epi32(_mm512_set1_epi32((int)(time - 2 * LANES * (ptrdiff_t)half)), behind);
            const __mmask16 first = _mm512_cmpeq_epi32_mask(x, _mm512_setzero_si512());
            west_west = _mm512_mask_mov_epi32(west_west, first, w->north[half]);
        }
        __m512i value = predicted(w, half, west_west, residuals[half], linear);
        value = _mm512_srai_epi32(_mm512_slli_epi32(value, 16), 16);
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
                    __m512i out[HALVES][LANES], const bool linear, const bool edge)
{
    UNROLL for (unsigned i = 0; i < LANES; i++) {
        const __m512i residuals[HALVES] = {in[0][i], in[1][i]};
        __m512i values[HALVES];
        step(w, strip, time + i, residuals, values, linear, edge);
        out[0][i] = values[0];
        out[1][i] = values[1];
    }
}

TEMPLATE void predict(const vf_strip *strip, const int16_t *residuals, int16_t *values,
                      const bool linear)
{
    wave w = {0};
    for (unsigned i = 0; i < VF_TAPS; i++)
        w.taps[i] = _mm512_set1_epi32((uint16_t)strip->plane->taps[i]);
    const ptrdiff_t end = (ptrdiff_t)strip->width + 2 * (ptrdiff_t)strip->rows - 1;
    for (ptrdiff_t time = -LANES; time < end; time += LANES) {
        __m512i in[HALVES][LANES], out[HALVES][LANES];
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                in[half][i] = _mm512_cvtepi16_epi32(_mm256_loadu_si256(
                    (const void *)(residuals + row * strip->pitch + time - 2 * row)));
            }
            transpose16(in[half]);
        }
        if (time < 2 * VF_STRIP || time + LANES > (ptrdiff_t)strip->width)
            steps(&w, strip, time, in, out, linear, true);
        else
            steps(&w, strip, time, in, out, linear, false);
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            transpose16(out[half]);
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                _mm256_storeu_si256((void *)(values + row * strip->pitch + time - 2 * row),
                                    _mm512_cvtepi32_epi16(out[half][i]));
            }
        }
    }
}

TARGET static void predict_linear(const vf_strip *strip, const int16_t *residuals, int16_t *values)
{
    predict(strip, residuals, values, true);
}
TARGET static void predict_median(const vf_strip *strip, const int16_t *residuals, int16_t *values)
{
    predict(strip, residuals, values, false);
}

static void predict16(const vf_strip *strip, const int16_t *residuals, int16_t *values)
{
    vf_widen_above(strip, values);
    (strip->plane->linear ? predict_linear : predict_median)(strip, residuals, values);
}

static void predict32(const vf_strip *strip, const int32_t *residuals, int32_t *values)
{
    VF_SCALAR_ROWS.predict32(strip, residuals, values);
}

const vf_row_kernel VF_AVX512_ROWS = {LANES, supported, sort16, sort32, predict16, predict32};

#endif
