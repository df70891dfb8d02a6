#include "predicted/pixels.h"

#include <stdlib.h>
#include <string.h>

/* The most entries of a table of quotients; more are divided pixel by pixel. */
#define MOST_QUOTIENTS (UINT64_C(1) << 16)

/* --- Single values ------------------------------------------------------------------------------ */

uint16_t vf_half_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    const int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    const uint64_t mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    if (exponent > 15)
        return sign | 0x7c00;
    if (exponent < -25)
        return sign;
    /* Subnormal numbers lose one more bit for every power of two. */
    const unsigned lost = exponent >= -14 ? 42 : (unsigned)(42 - 14 - exponent);
    const uint64_t kept = mantissa >> lost, rest = mantissa & ((UINT64_C(1) << lost) - 1);
    const uint64_t tie = UINT64_C(1) << (lost - 1);
    uint64_t rounded = kept + (rest > tie || (rest == tie && kept & 1));
    if (exponent >= -14)
        rounded += (uint64_t)(exponent + 14) << 10; /* a carry goes where it belongs */
    return sign | (uint16_t)rounded;
}

static void put_float(vf_dtype dtype, double value, uint8_t *out)
{
    if (dtype == VF_FLOAT64) {
        memcpy(out, &value, sizeof value);
    } else if (dtype == VF_FLOAT32) {
        float narrow = (float)value;
        memcpy(out, &narrow, sizeof narrow);
    } else {
        uint16_t bits = vf_half_bits(value);
        memcpy(out, &bits, sizeof bits);
    }
}

/* The pixel of an ordered integer. */
static void put_ordered(vf_dtype dtype, int64_t ordered, uint8_t *out)
{
    const unsigned size = vf_dtype_size(dtype), bits = 8 * size;
    uint64_t value = (uint64_t)ordered;
    if (vf_dtype_is_unsigned(dtype))
        value += UINT64_C(1) << (bits - 1);
    else if (vf_dtype_is_float(dtype) && ordered < 0)
        value ^= (UINT64_C(1) << (bits - 1)) - 1;
    if (size == 1) {
        *out = (uint8_t)value;
    } else if (size == 2) {
        uint16_t narrow = (uint16_t)value;
        memcpy(out, &narrow, sizeof narrow);
    } else if (size == 4) {
        uint32_t narrow = (uint32_t)value;
        memcpy(out, &narrow, sizeof narrow);
    } else {
        memcpy(out, &value, sizeof value);
    }
}

static bool all_bool(const uint8_t *pixels, size_t count)
{
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= pixels[i];
    return any <= 1;
}

static double quotient(const vf_band *band, uint64_t index)
{
    int64_t number = (int64_t)((uint64_t)band->base + band->step * (index - band->special_count));
    return (double)number / (double)band->divisor;
}

/* --- Bands -------------------------------------------------------------------------------------- */

static void put_linear(const vf_pixels *pixels, uint64_t index, uint8_t *out)
{
    if (index < pixels->band->special_count)
        put_ordered(pixels->dtype, pixels->band->specials[index], out);
    else
        put_float(pixels->dtype, quotient(pixels->band, index), out);
}

static vf_status fill_ranks(const vf_band *band, const uint16_t *digits, vf_pixels *pixels)
{
    const int64_t most = (int64_t)((UINT64_C(1) << (8 * pixels->size - 1)) - 1);
    const uint64_t gaps = band->entries - 1;
    int64_t value = band->base;
    put_ordered(pixels->dtype, value, pixels->table);
    for (uint64_t i = 0; i < gaps; i++) {
        uint64_t gap = 0;
        for (unsigned place = 0; place < band->digit_count; place++)
            gap |= (uint64_t)digits[place * gaps + i] << 16 * place;
        /* modulo 2**64, where the difference of two signed numbers is right */
        uint64_t room = (uint64_t)most - (uint64_t)value;
        if (room == 0 || gap > room - 1)
            return VF_BAD_NUMBERS;
        value = (int64_t)((uint64_t)value + gap + 1);
        put_ordered(pixels->dtype, value, pixels->table + (i + 1) * pixels->size);
    }
    return VF_OK;
}

vf_status vf_pixels_prepare(const vf_predicted *tile, const vf_band *band, unsigned depth,
                            const uint16_t *digits, vf_pixels *pixels)
{
    *pixels = (vf_pixels){.band = band, .dtype = tile->dtype, .size = vf_dtype_size(tile->dtype)};
    if (band->map != VF_MAP_PLAIN && depth == 16 && band->entries > 32768)
        pixels->less = 32768;
    const bool quotients = band->map == VF_MAP_LINEAR && vf_dtype_is_float(tile->dtype) &&
                           band->entries <= MOST_QUOTIENTS;
    if (band->map != VF_MAP_RANKS && !quotients)
        return VF_OK;
    pixels->table = malloc(band->entries * pixels->size);
    if (!pixels->table)
        return VF_NO_MEMORY;
    vf_status status = VF_OK;
    if (quotients)
        for (uint64_t i = 0; i < band->entries; i++)
            put_linear(pixels, i, pixels->table + i * pixels->size);
    else
        status = fill_ranks(band, digits, pixels);
    if (status != VF_OK)
        vf_pixels_free(pixels);
    return status;
}

void vf_pixels_free(vf_pixels *pixels)
{
    free(pixels->table);
    pixels->table = NULL;
}

/* --- Rows --------------------------------------------------------------------------------------- */

#define VALUE int16_t
#define NAME(x) x##_of16
#define vf_pixels_row_of16 vf_pixels_row16
#include "predicted/pixels_rows.h"
#undef VALUE
#undef NAME

#define VALUE int32_t
#define NAME(x) x##_of32
#define vf_pixels_row_of32 vf_pixels_row32
#include "predicted/pixels_rows.h"
#undef VALUE
#undef NAME
