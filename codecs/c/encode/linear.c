#include "encode/linear.h"

#include <string.h>

#if defined(__FAST_MATH__) || (defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0)
#error "doubles have to be IEEE 754's: no -ffast-math, no x87"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* ---- Doubles ----------------------------------------------------------------------------------- */

static double size_of(double x)
{
    return x < 0 ? -x : x;
}

/* 2 to a power from -1022 to 1023. */
static double power_of_two(int exponent)
{
    const uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* The least exponent of a power of two that is more than x, which is positive. */
static int exponent_above(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (int)(bits >> 52) - 1022;
}

/* log2 of a positive number, within a thousandth: libraries of mathematics round each in its own way. */
static double binary_logarithm(double x)
{
    const int exponent = exponent_above(x) - 1;
    const double m = x * power_of_two(-exponent); /* 1 to 2 */
    const double t = (m - 1) / (m + 1), s = t * t;
    return exponent + t * (2.885390081777927 + s * (0.961796693925976 + s * 0.577078016355585));
}

/* ---- Windows ----------------------------------------------------------------------------------- */

/* Tapered over their first and last `taper` thousandths. Most predictors are best found by the first two: one
   that looks at samples, and one at steps, for samples far from 0. Others look at parts, for blocks that are
   not alike from end to end. */
static const struct {
    uint16_t first, end, taper; /* in thousandths */
    bool steps;
} WINDOWS[VF_WINDOWS] = {
    {0, 1000, 250, false}, {0, 1000, 250, true}, {0, 500, 100, false},
    {500, 1000, 100, false}, {0, 1000, 50, false}, {0, 1000, 500, false},
};

vf_view vf_window_view(unsigned window, uint32_t block_size)
{
    const uint32_t first = block_size * WINDOWS[window].first / 1000;
    const uint32_t end = block_size * WINDOWS[window].end / 1000;
    return (vf_view){first, end - first, WINDOWS[window].steps};
}

/* (1 - cos(pi x)) / 2 for x from 0 to 1, within a part in 10**5. */
static double rise(double x)
{
    const double t = x - 0.5, s = t * t * 9.869604401089358;
    /* The sine of pi t, by its power series. */
    const double sine =
        t * 3.141592653589793 *
        (1 + s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880)))));
    return 0.5 + 0.5 * sine;
}

void vf_make_window(unsigned window, uint32_t block_size, uint16_t *out)
{
    const uint32_t count = vf_window_view(window, block_size).count;
    const uint32_t taper = (uint32_t)((uint64_t)count * WINDOWS[window].taper / 1000);
    for (uint32_t i = 0; i < count; i++)
        out[i] = 1 << VF_WINDOW_BITS;
    for (uint32_t i = 0; i < taper; i++) {
        const double height = rise((i + 0.5) / taper);
        out[i] = out[count - 1 - i] = (uint16_t)(height * (1 << VF_WINDOW_BITS) + 0.5);
    }
}

/* ---- From autocorrelation to coefficients ------------------------------------------------------ */

/* Bits of a Rice code of numbers with such a mean square that are distributed as e^-|x|: log2 of ln 2 times
   the mean of their sizes. */
static double expected_bits(double square)
{
    const double scaled = square * 0.2402265069591007;
    return scaled > 1 ? 0.5 * binary_logarithm(scaled) : 0;
}

void vf_analyse(const int64_t *autocorrelation, unsigned orders, uint32_t count, int scale,
                bool steps, vf_analysis *analysis)
{
    double *r = analysis->correlation, taps[VF_MOST_TAPS] = {0};
    for (unsigned lag = 0; lag <= orders; lag++)
        r[lag] = (double)autocorrelation[lag] * power_of_two(-2 * scale) / count;
    double error = r[0];
    analysis->orders = 0;
    analysis->steps = steps;
    /* The recursion of Levinson and Durbin. */
    for (unsigned i = 0; i < orders && error > 0; i++) {
        double reflection = r[i + 1];
        for (unsigned j = 0; j < i; j++)
            reflection -= taps[j] * r[i - j];
        reflection /= error;
        taps[i] = reflection;
        for (unsigned j = 0; j < i / 2; j++) {
            const double a = taps[j], b = taps[i - 1 - j];
            taps[j] = a - reflection * b;
            taps[i - 1 - j] = b - reflection * a;
        }
        if (i % 2)
            taps[i / 2] -= reflection * taps[i / 2];
        error *= 1 - reflection * reflection;
        memcpy(analysis->taps[i], taps, sizeof taps);
        analysis->error[i] = error;
        analysis->bits[i] = expected_bits(error);
        analysis->orders = i + 1;
    }
}

/* What rounding by so much for each tap adds to the mean square of residuals. */
static double added_by(const double *rounded, unsigned order, const double *correlation)
{
    double sum = 0;
    for (unsigned lag = 0; lag < order; lag++) {
        double products = 0;
        for (unsigned i = lag; i < order; i++)
            products += rounded[i] * rounded[i - lag];
        sum += (lag ? 2 : 1) * products * correlation[lag];
    }
    return sum > 0 ? sum : 0;
}

/* Decoders sum up samples of so many bits in 32 bits if sums permit; deeper ones never. */
enum { DEEPEST_OF_32_BITS = 20 };

bool vf_round_taps(const vf_analysis *analysis, unsigned order, unsigned precision, unsigned depth,
                   vf_linear *linear)
{
    const double *taps = analysis->taps[order - 1];
    const bool steps = analysis->steps;
    double largest = 0, sum = 0, last = steps ? -1 : 0;
    for (unsigned i = 0; i < order + steps; i++) {
        const double tap = i < order ? taps[i] : 0, size = size_of(tap - last);
        last = steps ? tap : 0;
        largest = size > largest ? size : largest;
        sum += size;
    }
    if (!(largest > 0) || !(sum < 1e6))
        return false;
    const int exponent = exponent_above(largest);
    int shift = (int)precision - 1 - exponent;
    if (depth <= DEEPEST_OF_32_BITS) {
        /* Sums stay below 2**30. */
        const double most = (double)(1u << (31 - depth)) - order - 1;
        while (shift > 0 && sum * power_of_two(shift) > most)
            shift--;
    }
    shift = shift > 15 ? 15 : shift;
    if (shift < 0 || shift + exponent < 0)
        return false;
    precision = (unsigned)(shift + exponent + 1);

    const int32_t limit = 1 << (precision - 1);
    double rest = 0; /* what was lost in rounding goes to the next one */
    double rounded[VF_MOST_TAPS];
    int32_t any = 0;
    memset(linear->taps, 0, sizeof linear->taps);
    for (unsigned i = 0; i < order; i++) {
        rest += taps[i] * power_of_two(shift);
        int32_t tap = (int32_t)(rest < 0 ? rest - 0.5 : rest + 0.5);
        tap = tap >= limit ? limit - 1 : tap < -limit ? -limit : tap;
        rest -= tap;
        linear->taps[i] = tap;
        rounded[i] = taps[i] - tap * power_of_two(-shift);
        any |= tap;
    }
    linear->bits = expected_bits(analysis->error[order - 1] +
                                 added_by(rounded, order, analysis->correlation));
    if (steps) {
        /* The next sample is the newest one and its predicted step. */
        for (unsigned i = order; i > 0; i--)
            linear->taps[i] -= linear->taps[i - 1];
        linear->taps[0] += 1 << shift;
        order++;
        for (unsigned i = 0; i < order; i++)
            if (linear->taps[i] >= limit || linear->taps[i] < -limit)
                return false;
    }
    linear->order = (uint8_t)order;
    linear->precision = (uint8_t)precision;
    linear->shift = (uint8_t)shift;
    return any != 0;
}
