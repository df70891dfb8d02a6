/* The loops themselves, included once by each file that names vectors: TARGET is the attribute that asks
   for them, ITEMS how many items of 32 bits a vector has, LOOPS the vf_loops to define, supported() says
   whether a CPU has them. No include guard. */
#include <string.h>

#include "common/simd_begin.h"

/* ---- What samples are like --------------------------------------------------------------------- */

TARGET static void survey(const int32_t *x, uint32_t count, vf_survey *survey)
{
    uint32_t differ = 0, any = 0, reach = 0;
    for (uint32_t i = 0; i < count; i++) {
        differ |= (uint32_t)(x[i] ^ x[0]);
        any |= (uint32_t)x[i];
        reach |= (uint32_t)(x[i] ^ x[i] >> 31);
    }
    *survey = (vf_survey){differ, any, reach};
}

TARGET static void shift(const int32_t *x, uint32_t count, unsigned shift, int32_t *restrict out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = x[i] >> shift;
}

TARGET static void shrink(const int32_t *x, uint32_t count, int16_t *restrict out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = (int16_t)x[i];
}

TARGET static bool steps(const int32_t *x, uint32_t count, int32_t *restrict out, uint32_t *reach)
{
    uint32_t all = 0, misfits = 0;
    out[0] = 0;
    for (uint32_t i = 1; i < count; i++) {
        const int32_t step = (int32_t)((uint32_t)x[i] - (uint32_t)x[i - 1]);
        /* Too far when the two have different signs, and the step that of the first one. */
        misfits |= (uint32_t)((x[i] ^ x[i - 1]) & (x[i] ^ step));
        all |= (uint32_t)(step ^ step >> 31);
        out[i] = step;
    }
    *reach = all;
    return misfits >> 31 == 0;
}

/* The residuals of the fixed predictors of the sample at X: differences of differences. */
#define DIFFERENCES(TYPE, X)                                                                       \
    const TYPE a0 = (X)[0], a1 = (X)[-1], a2 = (X)[-2], a3 = (X)[-3], a4 = (X)[-4];                \
    const TYPE b0 = a0 - a1, b1 = a1 - a2, b2 = a2 - a3, b3 = a3 - a4;                             \
    const TYPE c0 = b0 - b1, c1 = b1 - b2, c2 = b2 - b3;                                           \
    const TYPE d0 = c0 - c1, d1 = c1 - c2;                                                         \
    const TYPE r[VF_FIXED_ORDERS] = {a0, b0, c0, d0, d0 - d1};

#define SIZES(TYPE, BITS)                                                                          \
    for (; i < end; i++) {                                                                         \
        DIFFERENCES(TYPE, x + i)                                                                   \
        UNROLL for (unsigned order = 0; order < VF_FIXED_ORDERS; order++)                          \
            part[order] += (uint##BITS##_t)(r[order] < 0 ? -r[order] : r[order]);                  \
    }

TARGET static void fixed_sums(const int32_t *x, uint32_t count, bool wide,
                              uint64_t sums[VF_FIXED_ORDERS])
{
    enum { PIECE = 512 }; /* 23 bits a number: see NARROW_BITS in encode/encode_subframe.c */
    memset(sums, 0, VF_FIXED_ORDERS * sizeof *sums);
    if (wide) {
        uint64_t part[VF_FIXED_ORDERS] = {0};
        uint32_t i = VF_FIXED_ORDERS - 1, end = count;
        SIZES(int64_t, 64)
        memcpy(sums, part, sizeof part);
        return;
    }
    for (uint32_t i = VF_FIXED_ORDERS - 1; i < count;) {
        uint32_t part[VF_FIXED_ORDERS] = {0};
        uint32_t end = count - i < PIECE ? count : i + PIECE;
        SIZES(int32_t, 32)
        for (unsigned order = 0; order < VF_FIXED_ORDERS; order++)
            sums[order] += part[order];
    }
}

/* ---- Residuals --------------------------------------------------------------------------------- */

TEMPLATE uint32_t fold(int32_t residual)
{
    return (uint32_t)residual << 1 ^ (uint32_t)(residual >> 31);
}

/* Bits above the lowest 32 when a residual is none: less than -2**31 + 1, or more than 2**31 - 1. */
TEMPLATE uint64_t excess(int64_t residual)
{
    return (uint64_t)(residual + 0x7FFFFFFF) | (uint64_t)(residual + 0x80000000);
}

TEMPLATE bool fixed_any(const int32_t *x, uint32_t count, const unsigned order, const bool wide,
                        uint32_t *restrict folded)
{
    uint64_t misfits = 0;
    memset(folded, 0, order * sizeof *folded);
    if (wide)
        for (uint32_t i = order; i < count; i++) {
            DIFFERENCES(int64_t, x + i)
            misfits |= excess(r[order]);
            folded[i] = fold((int32_t)r[order]);
        }
    else
        for (uint32_t i = order; i < count; i++) {
            DIFFERENCES(uint32_t, x + i) /* those of higher orders may wrap */
            folded[i] = fold((int32_t)r[order]);
        }
    return misfits >> 32 == 0;
}

TARGET static bool fixed(const int32_t *x, uint32_t count, unsigned order, bool wide,
                         uint32_t *folded)
{
    switch (order + VF_FIXED_ORDERS * wide) {
    case 0: return fixed_any(x, count, 0, false, folded);
    case 1: return fixed_any(x, count, 1, false, folded);
    case 2: return fixed_any(x, count, 2, false, folded);
    case 3: return fixed_any(x, count, 3, false, folded);
    case 4: return fixed_any(x, count, 4, false, folded);
    case 5: return fixed_any(x, count, 0, true, folded);
    case 6: return fixed_any(x, count, 1, true, folded);
    case 7: return fixed_any(x, count, 2, true, folded);
    case 8: return fixed_any(x, count, 3, true, folded);
    default: return fixed_any(x, count, 4, true, folded);
    }
}

/* taps is `order` rounded up to a multiple of VF_TAP_STEP, so samples in front of x are read, and nothing
   made of them. */
TEMPLATE bool linear_any(const int32_t *x, uint32_t count, const int32_t *coefficients,
                         const unsigned taps, unsigned order, unsigned shift, const bool wide,
                         uint32_t *restrict folded)
{
    int32_t c[VF_MOST_TAPS];
    uint64_t misfits = 0;
    memcpy(c, coefficients, taps * sizeof *c);
    if (wide)
        for (uint32_t i = order; i < count; i++) {
            int64_t sum = 0;
            UNROLL for (unsigned j = 0; j < taps; j++)
                sum += (int64_t)c[j] * x[(int64_t)i - 1 - j];
            const int64_t r = x[i] - (sum >> shift);
            misfits |= excess(r);
            folded[i] = fold((int32_t)r);
        }
    else
        for (uint32_t i = order; i < count; i++) {
            int32_t sum = 0;
            UNROLL for (unsigned j = 0; j < taps; j++)
                sum += c[j] * x[(int64_t)i - 1 - j];
            folded[i] = fold(x[i] - (sum >> shift));
        }
    return misfits >> 32 == 0;
}

#ifndef LINEAR_PAIRS
/* Without an instruction for pairs of small numbers they are as good as others. */
TEMPLATE void linear_pairs(const int32_t *x, const int16_t *small, uint32_t count,
                           const int32_t *coefficients, const unsigned taps, unsigned order,
                           unsigned shift, uint32_t *folded)
{
    (void)small;
    linear_any(x, count, coefficients, taps, order, shift, false, folded);
}
#endif

#define LINEAR(TAPS)                                                                               \
    TARGET static __attribute__((noinline)) bool linear_##TAPS(                                    \
        const int32_t *x, const int16_t *small, uint32_t count, const int32_t *taps,               \
        unsigned order, unsigned shift, bool wide, uint32_t *folded)                               \
    {                                                                                              \
        if (wide)                                                                                  \
            return linear_any(x, count, taps, TAPS, order, shift, true, folded);                   \
        if (small)                                                                                 \
            linear_pairs(x, small, count, taps, TAPS, order, shift, folded);                       \
        else                                                                                       \
            linear_any(x, count, taps, TAPS, order, shift, false, folded);                         \
        return true;                                                                               \
    }
LINEAR(4) LINEAR(8) LINEAR(12) LINEAR(16) LINEAR(20) LINEAR(24) LINEAR(28) LINEAR(32)

TARGET static bool linear(const int32_t *x, const int16_t *small, uint32_t count,
                          const int32_t *taps, unsigned order, unsigned shift, bool wide,
                          uint32_t *folded)
{
    static bool (*const EACH[])(const int32_t *, const int16_t *, uint32_t, const int32_t *,
                                unsigned, unsigned, bool, uint32_t *) = {
        linear_4, linear_8, linear_12, linear_16, linear_20, linear_24, linear_28, linear_32,
    };
    memset(folded, 0, order * sizeof *folded);
    return EACH[(order - 1) / VF_TAP_STEP](x, small, count, taps, order, shift, wide, folded);
}

/* ---- Autocorrelation ---------------------------------------------------------------------------- */

TARGET static void window(const int32_t *x, const uint16_t *window, uint32_t count, unsigned shift,
                          bool wide, int32_t *restrict out)
{
    if (wide)
        for (uint32_t i = 0; i < count; i++)
            out[i] = (int32_t)((int64_t)x[i] * window[i] >> shift);
    else
        for (uint32_t i = 0; i < count; i++)
            out[i] = x[i] * window[i] >> shift;
}

#ifndef AUTOCORRELATE
enum { LAG_STEP = 4 };

TEMPLATE void autocorrelate_some(const int32_t *y, uint32_t count, unsigned first, int64_t *r)
{
    int64_t sums[LAG_STEP] = {0};
    for (uint32_t i = 0; i < count; i++)
        UNROLL for (unsigned l = 0; l < LAG_STEP; l++)
            sums[l] += (int64_t)y[i] * y[(int64_t)i - first - l];
    memcpy(r + first, sums, sizeof sums);
}
#endif

/* Sums for more lags than are wanted may come into being. */
TARGET static void autocorrelate(const int32_t *y, uint32_t count, unsigned lags, int64_t *r)
{
    for (unsigned first = 0; first <= lags; first += LAG_STEP)
        autocorrelate_some(y, count, first, r);
}

/* ---- Partitions --------------------------------------------------------------------------------- */

/* Vectors of ITEMS partitions: 4, 8 or 16. */
typedef uint32_t numbers __attribute__((vector_size(4 * ITEMS)));
typedef int32_t integers __attribute__((vector_size(4 * ITEMS)));

#define LOAD(VECTOR, FROM) memcpy(&(VECTOR), (FROM), sizeof(VECTOR))
#define STORE(TO, VECTOR) memcpy((TO), &(VECTOR), sizeof(VECTOR))

TEMPLATE unsigned bit_length(uint32_t value)
{
    return value ? 32 - (unsigned)__builtin_clz(value) : 0;
}

/* Whether a tally works with columns: partitions side by side. */
TEMPLATE bool in_columns(uint32_t size, unsigned order)
{
    return order >= 4 && size % 16 == 0 && size << order <= 16 * VF_COLUMNS;
}

#ifndef TRANSPOSE_OWN
/* The columns of 16 rows of 16; where each row begins in the data stands in rows. */
TEMPLATE void transpose(const uint32_t *data, const uint32_t rows[16], uint32_t columns[16][16])
{
    for (unsigned j = 0; j < 16; j++)
        for (unsigned i = 0; i < 16; i++)
            columns[i][j] = data[rows[j] + i];
}
#endif

/* Put residuals in columns. */
TARGET static void spread(const uint32_t *folded, uint32_t size, unsigned order, vf_tally *tally)
{
    uint32_t(*columns)[16] = tally->columns;
    for (uint32_t p = 0; p < 1u << order; p += 16) {
        uint32_t rows[16];
        for (unsigned i = 0; i < 16; i++)
            rows[i] = size * vf_reversed(p + i, order);
        for (uint32_t done = 0; done < size; done += 16, columns += 16)
            transpose(folded + done, rows, columns);
    }
}

TARGET static void begin(const uint32_t *folded, uint32_t size, unsigned order, vf_tally *tally,
                         vf_sums *sums)
{
    const uint32_t count = 1u << order;
    uint32_t largest = 0, sum[VF_MOST_PARTITIONS];
    for (uint32_t i = 0; i < size << order; i++)
        largest = folded[i] > largest ? folded[i] : largest;
    /* So that 32 bits hold every sum. */
    const unsigned bits = bit_length(largest) + bit_length(size), shift = bits > 32 ? bits - 32 : 0;
    if (in_columns(size, order)) {
        spread(folded, size, order, tally);
        for (uint32_t p = 0; p < count; p += ITEMS) {
            uint32_t(*columns)[16] = tally->columns + p / 16 * size;
            numbers all = {0}, most = {0}, x;
            for (uint32_t i = 0; i < size; i++) {
                LOAD(x, columns[i] + p % 16);
                const numbers more = (numbers)(x > most);
                most = (x & more) | (most & ~more);
                all += x >> shift;
            }
            STORE(tally->most + p, most);
            STORE(sum + p, all);
        }
    } else {
        for (uint32_t p = 0; p < count; p++) {
            const uint32_t *from = folded + (size_t)size * vf_reversed(p, order);
            uint32_t all = 0, most = 0;
            for (uint32_t i = 0; i < size; i++) {
                all += from[i] >> shift;
                most = from[i] > most ? from[i] : most;
            }
            sum[p] = all;
            tally->most[p] = most;
        }
    }
    *sums = (vf_sums){.least = UINT64_MAX, .largest = largest};
    for (uint32_t p = 0; p < count; p++) {
        const uint64_t all = (uint64_t)sum[p] << shift;
        sums->total += all;
        sums->least = all < sums->least ? all : sums->least;
        sums->most = all > sums->most ? all : sums->most;
        tally->width[p] = bit_length(tally->most[p]);
    }
}

TARGET static void tally(const uint32_t *folded, uint32_t size, unsigned order, unsigned least,
                         unsigned most, bool wide, vf_tally *tally)
{
    if (!wide && in_columns(size, order)) {
        for (uint32_t p = 0; p < 1u << order; p += ITEMS) {
            uint32_t(*columns)[16] = tally->columns + p / 16 * size;
            for (unsigned k = least; k <= most; k++) {
                numbers sums = {0}, x;
                for (uint32_t i = 0; i < size; i += 16)
                    UNROLL for (unsigned j = 0; j < 16; j++) {
                        LOAD(x, columns[i + j] + p % 16);
                        sums += x >> k;
                    }
                STORE(tally->sums.narrow[k] + p, sums);
            }
        }
        return;
    }
    for (uint32_t p = 0; p < 1u << order; p++) {
        const uint32_t *from = folded + (size_t)size * vf_reversed(p, order);
        for (unsigned k = least; k <= most; k++) {
            uint64_t s = 0;
            for (uint32_t i = 0; i < size; i++)
                s += from[i] >> k;
            if (wide)
                tally->sums.wide[k][p] = (int64_t)s;
            else
                tally->sums.narrow[k][p] = (int32_t)s;
        }
    }
}

/* Rows are longer than they need be: with fewer than ITEMS partitions there is something to add, too. */
TARGET static void merge(vf_tally *tally, unsigned order, unsigned least, unsigned most, bool wide)
{
    const uint32_t half = 1u << order;
    for (unsigned k = least; k <= most; k++)
        if (wide)
            for (uint32_t p = 0; p < half; p++)
                tally->sums.wide[k][p] += tally->sums.wide[k][half + p];
        else
            for (uint32_t p = 0; p < half; p += ITEMS) {
                integers a, b;
                LOAD(a, tally->sums.narrow[k] + p);
                LOAD(b, tally->sums.narrow[k] + half + p);
                a += b;
                STORE(tally->sums.narrow[k] + p, a);
            }
    for (uint32_t p = 0; p < half; p += ITEMS) {
        numbers a, b;
        LOAD(a, tally->width + p);
        LOAD(b, tally->width + half + p);
        const numbers more = (numbers)(b > a);
        a = (b & more) | (a & ~more);
        STORE(tally->width + p, a);
    }
}

static uint64_t choose_wide(vf_tally *tally, uint32_t size, uint32_t partitions, unsigned fewer,
                            unsigned least, unsigned most, bool escapes)
{
    int64_t total = 0;
    for (uint32_t p = 0; p < partitions; p++) {
        const int64_t count = size - (p ? 0 : fewer);
        int64_t cost = INT64_MAX;
        if (escapes && tally->width[p] < 32) {
            cost = 5 + count * tally->width[p];
            tally->choice[p] = (int32_t)(VF_ESCAPE + tally->width[p]);
        }
        for (unsigned k = least; k <= most; k++) {
            const int64_t all = tally->sums.wide[k][p] + count * (k + 1);
            if (all < cost) {
                cost = all;
                tally->choice[p] = (int32_t)k;
            }
        }
        total += cost;
    }
    return (uint64_t)total;
}

TARGET static uint64_t choose(vf_tally *tally, uint32_t size, unsigned order, unsigned fewer,
                              unsigned least, unsigned most, bool wide, bool escapes)
{
    const uint32_t partitions = 1u << order;
    if (wide)
        return choose_wide(tally, size, partitions, fewer, least, most, escapes);
    integers totals = {0}, counts = totals + (int32_t)size;
    int64_t total = 0;
    counts[0] -= (int32_t)fewer;
    for (uint32_t p = 0; p < partitions; p += ITEMS, counts = totals * 0 + (int32_t)size) {
        integers width, cost, choice, better, all;
        LOAD(width, tally->width + p);
        cost = counts * width + 5;
        choice = width + VF_ESCAPE;
        /* Five bits say how many a number has. */
        better = (width < 32) & -(int32_t)escapes;
        cost = (cost & better) | (INT32_MAX & ~better);
        for (unsigned k = least; k <= most; k++) {
            LOAD(all, tally->sums.narrow[k] + p);
            all += counts * (int32_t)(k + 1);
            better = all < cost;
            cost = (all & better) | (cost & ~better);
            choice = ((int32_t)k & better) | (choice & ~better);
        }
        STORE(tally->choice + p, choice);
        if (partitions >= ITEMS)
            totals += cost;
        else
            for (uint32_t i = 0; i < partitions; i++)
                total += cost[i];
    }
    for (uint32_t i = 0; i < ITEMS; i++)
        total += totals[i];
    return (uint64_t)total;
}

/* ---- Codes -------------------------------------------------------------------------------------- */

/* A code: as many zeros as the upper bits say, a 1, the lower bits. */
TEMPLATE void write_code(vf_bitwriter *writer, uint32_t folded, unsigned parameter)
{
    vf_write_zeros(writer, folded >> parameter);
    vf_write(writer, 1ull << parameter | (folded & ((1ull << parameter) - 1)), parameter + 1);
}

/* Codes of up to 28 bits are joined in pairs, in vectors where there are shifts for that; and pairs once
   more, where that is possible. */
TARGET static void write_codes(vf_bitwriter *writer, const uint32_t *folded, uint32_t count,
                               unsigned parameter, uint32_t most)
{
    enum { PAIRS = 64 };
    vf_bitwriter w = *writer;
    uint64_t pair[PAIRS], bits[PAIRS], four[PAIRS / 2], four_bits[PAIRS / 2], most_bits;
    const uint64_t stop = 1ull << parameter, mask = stop - 1;
    if ((most >> parameter) + parameter + 1 > VF_MOST_BITS / 2) {
        for (uint32_t i = 0; i < count; i++)
            write_code(&w, folded[i], parameter);
        *writer = w;
        return;
    }
    while (count >= 4) {
        const uint32_t pairs = count < 2 * PAIRS ? count / 4 * 2 : PAIRS;
        for (uint32_t i = 0; i < pairs; i++) {
            uint64_t both;
            memcpy(&both, folded + 2 * i, sizeof both);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            const uint64_t a = both & 0xFFFFFFFF, b = both >> 32;
#else
            const uint64_t a = both >> 32, b = both & 0xFFFFFFFF;
#endif
            const uint64_t later = (b >> parameter) + parameter + 1;
            pair[i] = ((a & mask) | stop) << later | (b & mask) | stop;
            bits[i] = (a >> parameter) + parameter + 1 + later;
        }
        most_bits = 0;
        for (uint32_t i = 0; i < pairs / 2; i++) {
            const uint64_t both = bits[2 * i] + bits[2 * i + 1];
            four[i] = pair[2 * i] << bits[2 * i + 1] | pair[2 * i + 1];
            four_bits[i] = both;
            most_bits = both > most_bits ? both : most_bits;
        }
        if (most_bits <= VF_MOST_BITS)
            for (uint32_t i = 0; i < pairs / 2; i++)
                vf_write(&w, four[i], (unsigned)four_bits[i]);
        else
            for (uint32_t i = 0; i < pairs; i++)
                vf_write(&w, pair[i], (unsigned)bits[i]);
        folded += 2 * pairs;
        count -= 2 * pairs;
    }
    for (uint32_t i = 0; i < count; i++)
        write_code(&w, folded[i], parameter);
    *writer = w;
}

extern const vf_loops LOOPS;
const vf_loops LOOPS = {
    .supported = supported,
    .survey = survey,
    .shift = shift,
    .shrink = shrink,
    .steps = steps,
    .fixed_sums = fixed_sums,
    .fixed = fixed,
    .linear = linear,
    .window = window,
    .autocorrelate = autocorrelate,
    .begin = begin,
    .tally = tally,
    .merge = merge,
    .choose = choose,
    .write_codes = write_codes,
};
