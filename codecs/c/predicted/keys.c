#include "predicted/keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predicted/pixels.h"

static int64_t ordered_of(vf_dtype dtype, uint64_t bits)
{
    const unsigned rest = 64 - 8 * vf_dtype_size(dtype);
    const uint64_t half = UINT64_C(1) << (63 - rest);
    if (vf_dtype_is_unsigned(dtype))
        return (int64_t)(bits - half);
    const int64_t value = (int64_t)(bits << rest) >> rest;
    return vf_dtype_is_float(dtype) && value < 0 ? value ^ (int64_t)(half - 1) : value;
}

/* One row, of unsigned bits with their offset, or of signed ones; a loop that becomes vectors. */
#define READ_ROW(NAME, UNSIGNED, SIGNED, OUT)                                                      \
    static void NAME(const uint8_t *row, uint64_t width, UNSIGNED offset, OUT *restrict out)       \
    {                                                                                              \
        for (uint64_t x = 0; x < width; x++) {                                                     \
            UNSIGNED bits;                                                                         \
            memcpy(&bits, row + x * sizeof bits, sizeof bits);                                     \
            out[x] = (SIGNED)(UNSIGNED)(bits - offset);                                            \
        }                                                                                          \
    }
READ_ROW(narrow8, uint8_t, int8_t, int16_t)
READ_ROW(narrow16, uint16_t, int16_t, int16_t)
READ_ROW(read16, uint16_t, int16_t, int64_t)
READ_ROW(read32, uint32_t, int32_t, int64_t)
READ_ROW(read64, uint64_t, int64_t, int64_t)

/* What unsigned numbers have more than ordered integers. */
static uint64_t offset_of(vf_dtype dtype)
{
    return vf_dtype_is_unsigned(dtype) ? UINT64_C(1) << (8 * vf_dtype_size(dtype) - 1) : 0;
}

void vf_read_narrow(const vf_predicted *tile, const uint8_t *first, ptrdiff_t row_stride,
                    int16_t *out, ptrdiff_t pitch)
{
    const uint64_t offset = offset_of(tile->dtype);
    for (uint64_t y = 0; y < tile->height; y++, out += pitch) {
        const uint8_t *row = first + (ptrdiff_t)y * row_stride;
        if (vf_dtype_size(tile->dtype) == 1)
            narrow8(row, tile->width, (uint8_t)offset, out);
        else
            narrow16(row, tile->width, (uint16_t)offset, out);
    }
}

void vf_read_ordered(const vf_predicted *tile, const uint8_t *first, ptrdiff_t row_stride,
                     int64_t *out)
{
    const uint64_t width = tile->width;
    const unsigned size = vf_dtype_size(tile->dtype);
    const bool is_float = vf_dtype_is_float(tile->dtype);
    const int64_t others = (int64_t)((UINT64_C(1) << (8 * size - 1)) - 1);
    const uint64_t offset = offset_of(tile->dtype);
    for (uint64_t y = 0; y < tile->height; y++, out += width) {
        const uint8_t *row = first + (ptrdiff_t)y * row_stride;
        if (size == 2)
            read16(row, width, (uint16_t)offset, out);
        else if (size == 4)
            read32(row, width, (uint32_t)offset, out);
        else
            read64(row, width, offset, out);
        for (uint64_t x = 0; is_float && x < width; x++)
            out[x] ^= out[x] >> 63 & others;
    }
}

/* The float of an ordered integer, as a double, which holds all of them. */
static double double_of(vf_dtype dtype, int64_t ordered)
{
    if (dtype == VF_FLOAT64) {
        const uint64_t bits = (uint64_t)(ordered < 0 ? ordered ^ INT64_MAX : ordered);
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    if (dtype == VF_FLOAT32) {
        const uint32_t bits = (uint32_t)(ordered < 0 ? ordered ^ INT32_MAX : ordered);
        float value;
        memcpy(&value, &bits, sizeof value);
        return (double)value;
    }
    const uint16_t bits = (uint16_t)(ordered < 0 ? ordered ^ INT16_MAX : ordered);
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double size = exponent == 31  ? (mantissa ? (double)NAN : (double)INFINITY)
                        : exponent == 0 ? ldexp(mantissa, -24)
                                        : ldexp(mantissa + 1024, exponent - 25);
    return bits & 0x8000 ? -size : size;
}

/* Whether a quotient is this float, bit by bit, once it is rounded to the dtype. */
static bool is_quotient(vf_dtype dtype, double numerator, double divisor, double value)
{
    double quotient = numerator / divisor;
    if (dtype == VF_FLOAT32)
        quotient = (double)(float)quotient;
    /* Quotients that only round to a float16 are left out. -0.0 equals 0, but is not the same. */
    return quotient == value && !(value == 0 && signbit(value));
}

/* The nearest whole number, ties to even, of one below 2**51: what is added leaves no bits for a fraction. */
static inline double nearest_whole(double value)
{
    const double lot = 6755399441055744.0; /* 1.5 * 2**52 */
    return value + lot - lot;
}

/* Try a divisor. Numerators have up to 30 bits, so that sums of them are no trouble. */
static bool try_divisor(vf_dtype dtype, const int64_t *ordered, uint64_t count, uint64_t divisor,
                        int64_t *numerators, vf_keys *found)
{
    *found = (vf_keys){.divisor = divisor};
    for (uint64_t i = 0; i < count; i++) {
        if (i && ordered[i] == ordered[i - 1]) {
            numerators[i] = numerators[i - 1];
            continue;
        }
        const double value = double_of(dtype, ordered[i]);
        const double product = value * (double)divisor;
        if (fabs(product) < 1 << 30) {
            const double nearest = nearest_whole(product);
            if (is_quotient(dtype, nearest, (double)divisor, value)) {
                numerators[i] = (int64_t)nearest;
                continue;
            }
        }
        unsigned k = 0;
        while (k < found->special_count && found->specials[k] != ordered[i])
            k++;
        if (k == VF_MAX_SPECIALS)
            return false;
        found->specials[k] = ordered[i];
        found->special_count += k == found->special_count;
        numerators[i] = VF_LEAST_KEY - 1 - (int64_t)k;
    }
    return true;
}

vf_status vf_find_divisor(vf_dtype dtype, int64_t *keys, uint64_t count, vf_keys *found)
{
    static const uint16_t DIVISORS[] = {1,   2,   4,    5,    8,    10,   16,   20,   25,   32,   50,
                                        64,  100, 128,  200,  250,  256,  500,  512,  1000, 1024, 2000,
                                        2048, 4096, 5000, 8192, 10000, 16384};
    /* What is no divisor of some keys is none of all. */
    enum { SOME = 1024 };
    int64_t some[SOME], some_numerators[SOME];
    const uint64_t step = (count + SOME - 1) / SOME;
    uint64_t some_count = 0;
    for (uint64_t i = 0; i < count; i += step)
        some[some_count++] = keys[i];
    int64_t *numerators = NULL;
    bool any = false;
    for (size_t i = 0; !any && i < sizeof DIVISORS / sizeof *DIVISORS; i++) {
        if (!try_divisor(dtype, some, some_count, DIVISORS[i], some_numerators, found))
            continue;
        if (!numerators)
            numerators = malloc(count * sizeof *numerators);
        if (!numerators)
            return VF_NO_MEMORY;
        any = try_divisor(dtype, keys, count, DIVISORS[i], numerators, found);
    }
    if (any)
        memcpy(keys, numerators, count * sizeof *numerators);
    else
        *found = (vf_keys){0};
    free(numerators);
    return VF_OK;
}

int64_t vf_ordered_of_key(vf_dtype dtype, const vf_keys *keys, int64_t key)
{
    if (!keys->divisor)
        return key;
    if (key < VF_LEAST_KEY)
        return keys->specials[VF_LEAST_KEY - 1 - key];
    const double quotient = (double)key / (double)keys->divisor;
    if (dtype == VF_FLOAT32) {
        const float value = (float)quotient;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        return ordered_of(dtype, bits);
    }
    uint64_t bits;
    memcpy(&bits, &quotient, sizeof bits);
    if (dtype == VF_FLOAT64)
        return ordered_of(dtype, bits);
    return ordered_of(dtype, vf_half_bits(quotient));
}
