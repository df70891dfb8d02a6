/* Rows of predicted tiles with AVX2: what predicted/rows_avx512.c, which explains it, does. Numbers go back to
   their columns by shuffles from a table, 16 columns at a time; the wave is 16 rows high. */
#include "predicted/rows.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,bmi,bmi2,popcnt")))
#include "common/simd_begin.h"
#include "common/simd_x86.h"

static bool supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

TEMPLATE __m256i load(const void *from)
{
    return _mm256_loadu_si256(from);
}

TEMPLATE void store(void *to, __m256i value)
{
    _mm256_storeu_si256(to, value);
}

/* ---- Order ------------------------------------------------------------------------------------ */

enum { MOST_CLASSES = 8, COLUMNS = 16 };

/* For each set of eight columns, the bytes that bring the next numbers there; elsewhere 0. */
#define BIT(SET, I) ((SET) >> (I) & 1)
#define BELOW(SET, I)                                                                              \
    ((I > 0) * BIT(SET, 0) + (I > 1) * BIT(SET, 1) + (I > 2) * BIT(SET, 2) + (I > 3) * BIT(SET, 3) + \
     (I > 4) * BIT(SET, 4) + (I > 5) * BIT(SET, 5) + (I > 6) * BIT(SET, 6))
#define PAIR(SET, I)                                                                               \
    BIT(SET, I) ? 2 * BELOW(SET, I) : 0x80, BIT(SET, I) ? 2 * BELOW(SET, I) + 1 : 0x80
#define ENTRY(SET)                                                                                 \
    {PAIR(SET, 0), PAIR(SET, 1), PAIR(SET, 2), PAIR(SET, 3),                                       \
     PAIR(SET, 4), PAIR(SET, 5), PAIR(SET, 6), PAIR(SET, 7)}
#define FOUR(SET) ENTRY(SET), ENTRY(SET + 1), ENTRY(SET + 2), ENTRY(SET + 3)
#define SIXTEEN(SET) FOUR(SET), FOUR(SET + 4), FOUR(SET + 8), FOUR(SET + 12)
#define SIXTY_FOUR(SET) SIXTEEN(SET), SIXTEEN(SET + 16), SIXTEEN(SET + 32), SIXTEEN(SET + 48)
static const uint8_t SPREAD[256][16] = {SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128),
                                        SIXTY_FOUR(192)};

/* The classes of a plane, `count` of them, a constant; those that are too many are never met. */
typedef struct {
    const int16_t *next[MOST_CLASSES];
    __m256i thresholds[MOST_CLASSES];
    __m128i shift;
    __m256i any; /* magnitudes so far */
} classes;

TEMPLATE void begin_classes(classes *c, const vf_row *row, const int16_t **next,
                            const unsigned count)
{
    UNROLL for (unsigned i = 0; i < count; i++) {
        const bool met = i < row->plane->classes;
        c->next[i] = next[met ? i : 0];
        c->thresholds[i] = _mm256_set1_epi16(met ? (short)row->plane->thresholds[i] : -1);
    }
    c->shift = _mm_cvtsi32_si128((int)row->plane->shift);
    c->any = _mm256_setzero_si256();
}

TEMPLATE bool end_classes(const classes *c, const vf_row *row, const int16_t **next,
                          const unsigned count)
{
    UNROLL for (unsigned i = 0; i < count; i++)
        if (i < row->plane->classes)
            next[i] = c->next[i];
    return !_mm256_testz_si256(c->any, c->any);
}

/* The next eight numbers of a class, in the columns of a set. */
TEMPLATE __m128i spread(const int16_t **next, unsigned set)
{
    __m128i numbers = _mm_loadu_si128((const void *)*next);
    *next += _mm_popcnt_u32(set);
    return _mm_shuffle_epi8(numbers, _mm_loadu_si128((const void *)SPREAD[set]));
}

/* The next numbers for the columns of `wanted`. */
TEMPLATE __m256i take(classes *c, __m256i activity, unsigned wanted, const unsigned count)
{
    __m128i low = _mm_setzero_si128(), high = low;
    unsigned reached = wanted;
    UNROLL for (unsigned i = 0; i < count; i++) {
        unsigned higher = 0;
        if (i + 1 < count) {
            const __m256i threshold = c->thresholds[i + 1];
            __m256i met = _mm256_cmpeq_epi16(_mm256_max_epu16(activity, threshold), activity);
            higher = wanted & (unsigned)_mm_movemask_epi8(_mm_packs_epi16(
                                  _mm256_castsi256_si128(met), _mm256_extracti128_si256(met, 1)));
        }
        const unsigned here = reached & ~higher;
        low = _mm_or_si128(low, spread(&c->next[i], here & 255));
        high = _mm_or_si128(high, spread(&c->next[i], here >> 8));
        reached = higher;
    }
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* Magnitudes of numbers, which are 0 in columns that are not wanted. */
TEMPLATE __m256i magnitudes(classes *c, __m256i numbers)
{
    __m256i sizes = _mm256_srl_epi16(_mm256_abs_epi16(numbers), c->shift);
    sizes = _mm256_min_epu16(sizes, _mm256_set1_epi16(VF_MAX_MAGNITUDE));
    c->any = _mm256_or_si256(c->any, sizes);
    return sizes;
}

/* The activity of 16 columns without their neighbours in the row. */
TEMPLATE __m256i activity_of(const vf_row *row, size_t x, const bool weighs)
{
    const uint16_t *m = row->above + x, *n = row->higher + x;
    __m256i near = _mm256_add_epi16(_mm256_add_epi16(load(m - 1), load(m)), load(m + 1));
    __m256i far = _mm256_add_epi16(load(m - 2), load(m + 2));
    __m256i higher = _mm256_add_epi16(_mm256_add_epi16(load(n - 1), load(n)), load(n + 1));
    __m256i sum = _mm256_add_epi16(_mm256_add_epi16(near, near), _mm256_add_epi16(far, higher));
    if (weighs) {
        const uint16_t *q = row->reference[1] + x;
        __m256i here = load(q);
        __m256i sides = _mm256_add_epi16(load(q - 1), load(q + 1));
        __m256i ends = _mm256_add_epi16(load(row->reference[0] + x), load(row->reference[2] + x));
        sum = _mm256_add_epi16(sum, _mm256_add_epi16(here, here));
        sum = _mm256_add_epi16(sum, _mm256_add_epi16(sides, ends));
    }
    return sum;
}

/* The first `left` columns of a vector. */
TEMPLATE unsigned first_columns(ptrdiff_t left)
{
    return left >= COLUMNS ? 0xFFFF : left <= 0 ? 0 : (1u << left) - 1;
}

TEMPLATE bool sort_plain(const vf_row *row, const int16_t **next, int16_t *e, const bool weighs,
                         const unsigned count)
{
    classes c;
    begin_classes(&c, row, next, count);
    for (size_t x = 0; x < row->width; x += COLUMNS) {
        const unsigned wanted = first_columns((ptrdiff_t)(row->width - x));
        __m256i numbers = take(&c, activity_of(row, x, weighs), wanted, count);
        store(e + x, numbers);
        store(row->magnitudes + x, magnitudes(&c, numbers));
    }
    return end_classes(&c, row, next, count);
}

/* The low halves of the 32-bit items of two vectors; the high halves. */
TEMPLATE __m256i evens_of(__m256i left, __m256i right)
{
    const __m256i low = _mm256_set1_epi32(0xFFFF);
    __m256i packed = _mm256_packus_epi32(_mm256_and_si256(left, low), _mm256_and_si256(right, low));
    return _mm256_permute4x64_epi64(packed, 0xD8);
}
TEMPLATE __m256i odds_of(__m256i left, __m256i right)
{
    __m256i packed = _mm256_packus_epi32(_mm256_srli_epi32(left, 16), _mm256_srli_epi32(right, 16));
    return _mm256_permute4x64_epi64(packed, 0xD8);
}

/* Write evens and odds in turn. */
TEMPLATE void store_in_turn(void *to, __m256i evens, __m256i odds)
{
    __m256i low = _mm256_unpacklo_epi16(evens, odds), high = _mm256_unpackhi_epi16(evens, odds);
    store(to, _mm256_permute2x128_si256(low, high, 0x20));
    store((uint16_t *)to + COLUMNS, _mm256_permute2x128_si256(low, high, 0x31));
}

TEMPLATE bool sort_even_odd(const vf_row *row, const int16_t **next, int16_t *e, const bool weighs,
                            const unsigned count)
{
    const ptrdiff_t width = (ptrdiff_t)row->width, evens = (width + 1) / 2, odds = width / 2;
    uint16_t *odd_activity = row->scratch[0], *even_sizes = row->scratch[1];
    uint16_t *even_numbers = row->scratch[2];
    classes c;
    begin_classes(&c, row, next, count);
    for (ptrdiff_t at = 0; at < evens; at += COLUMNS) {
        __m256i left = activity_of(row, (size_t)(2 * at), weighs);
        __m256i right = activity_of(row, (size_t)(2 * at + COLUMNS), weighs);
        __m256i mine = evens_of(left, right);
        __m256i numbers =
            take(&c, _mm256_add_epi16(mine, mine), first_columns(evens - at), count);
        store(odd_activity + at, odds_of(left, right));
        store(even_numbers + at, numbers);
        store(even_sizes + at, magnitudes(&c, numbers));
    }
    store(even_sizes + evens, _mm256_setzero_si256());
    for (ptrdiff_t at = 0; at < evens; at += COLUMNS) {
        __m256i sizes = load(even_sizes + at), numbers = load(even_numbers + at);
        __m256i sides = _mm256_add_epi16(sizes, load(even_sizes + at + 1));
        __m256i sum = _mm256_add_epi16(load(odd_activity + at), sides);
        sum = _mm256_add_epi16(sum, _mm256_slli_epi16(sides, 2));
        __m256i others = take(&c, sum, first_columns(odds - at), count);
        store_in_turn(e + 2 * at, numbers, others);
        store_in_turn(row->magnitudes + 2 * at, sizes, magnitudes(&c, others));
    }
    return end_classes(&c, row, next, count);
}

#include "predicted/sorters.h"

/* ---- Prediction ------------------------------------------------------------------------------- */

enum { LANES = 8, HALVES = 2, WAVE = LANES * HALVES };

/* What each lane sees at its column x; a number behind a name: columns further on. */
typedef struct {
    __m256i west[HALVES], west_west[HALVES];
    __m256i north1[HALVES], north[HALVES], north_west[HALVES];
    __m256i above1[HALVES], above2[HALVES], above3[HALVES], above[HALVES]; /* row above the one above */
    __m256i taps[VF_TAPS];
} wave;

TEMPLATE __m256i predicted(const wave *w, unsigned half, __m256i west_west, __m256i residual,
                           const bool linear)
{
    const __m256i west = w->west[half], north = w->north[half];
    if (!linear) {
        __m256i most = _mm256_max_epi32(north, west), least = _mm256_min_epi32(north, west);
        __m256i plane = _mm256_sub_epi32(_mm256_add_epi32(north, west), w->north_west[half]);
        plane = _mm256_max_epi32(least, _mm256_min_epi32(most, plane));
        return _mm256_add_epi32(plane, residual);
    }
    __m256i a = _mm256_add_epi32(_mm256_madd_epi16(north, w->taps[VF_TAP_N]),
                                 _mm256_madd_epi16(w->north_west[half], w->taps[VF_TAP_NW]));
    __m256i b = _mm256_add_epi32(_mm256_madd_epi16(w->north1[half], w->taps[VF_TAP_NE]),
                                 _mm256_madd_epi16(w->above[half], w->taps[VF_TAP_NN]));
    __m256i c = _mm256_add_epi32(_mm256_madd_epi16(west_west, w->taps[VF_TAP_WW]),
                                 _mm256_slli_epi32(residual, 8));
    c = _mm256_add_epi32(c, _mm256_set1_epi32(128));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(a, b), c);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(west, w->taps[VF_TAP_W]));
    return _mm256_srai_epi32(sum, 8);
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
                   __m256i values[HALVES], const bool linear, const bool edge)
{
    const __m256i behind = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    UNROLL for (unsigned half = 0; half < HALVES; half++) {
        __m256i x = behind, west_west = w->west_west[half];
        if (edge) {
            x = _mm256_sub_epi32(_mm256_set1_epi32((int)(time - 2 * LANES * (ptrdiff_t)half)), behind);
            west_west = _mm256_blendv_epi8(west_west, w->north[half],
                                           _mm256_cmpeq_epi32(x, _mm256_setzero_si256()));
        }
        __m256i value = predicted(w, half, west_west, residuals[half], linear);
        value = _mm256_srai_epi32(_mm256_slli_epi32(value, 16), 16);
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
                    __m256i out[HALVES][LANES], const bool linear, const bool edge)
{
    UNROLL for (unsigned i = 0; i < LANES; i++) {
        const __m256i residuals[HALVES] = {in[0][i], in[1][i]};
        __m256i values[HALVES];
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
        w.taps[i] = _mm256_set1_epi32((uint16_t)strip->plane->taps[i]);
    const ptrdiff_t rows = strip->rows < WAVE ? strip->rows : WAVE;
    const ptrdiff_t end = (ptrdiff_t)strip->width + 2 * rows - 1;
    for (ptrdiff_t time = -LANES; time < end; time += LANES) {
        __m256i in[HALVES][LANES], out[HALVES][LANES], columns[LANES];
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                columns[i] = _mm256_cvtepi16_epi32(_mm_loadu_si128(
                    (const void *)(residuals + row * strip->pitch + time - 2 * row)));
            }
            transpose8(columns, in[half]);
        }
        if (time < 2 * WAVE || time + LANES > (ptrdiff_t)strip->width)
            steps(&w, strip, time, in, out, linear, true);
        else
            steps(&w, strip, time, in, out, linear, false);
        UNROLL for (unsigned half = 0; half < HALVES; half++) {
            transpose8(out[half], columns);
            UNROLL for (unsigned i = 0; i < LANES; i++) {
                const ptrdiff_t row = LANES * half + i;
                _mm_storeu_si128((void *)(values + row * strip->pitch + time - 2 * row),
                                 _mm_packs_epi32(_mm256_castsi256_si128(columns[i]),
                                                 _mm256_extracti128_si256(columns[i], 1)));
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
    vf_strip part = *strip;
    for (unsigned done = 0; done < strip->rows; done += WAVE) {
        part.rows = strip->rows - done;
        part.second = strip->second && done == 0;
        vf_widen_above(&part, values);
        (strip->plane->linear ? predict_linear : predict_median)(&part, residuals, values);
        residuals += WAVE * strip->pitch;
        values += WAVE * strip->pitch;
    }
}

static void predict32(const vf_strip *strip, const int32_t *residuals, int32_t *values)
{
    VF_SCALAR_ROWS.predict32(strip, residuals, values);
}

const vf_row_kernel VF_AVX2_ROWS = {LANES, supported, sort16, sort32, predict16, predict32};

#endif
