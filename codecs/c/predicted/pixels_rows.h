/* The rows of predicted/pixels.c for one type of values: VALUE, NAME(x). Included once for each. */

/* Unsigned integers and bool have their offset, 2**(n-1); floats are put in the order of integers. */
#define PLAIN_ROW(TO, SIGNED, BITS)                                                                \
    static bool NAME(plain##BITS)(const VALUE *restrict values, size_t count,                      \
                                  TO *restrict out, bool is_unsigned, bool is_float)               \
    {                                                                                              \
        const TO half = (TO)((TO)1 << (BITS - 1)), offset = is_unsigned ? half : 0;                \
        bool wrong = false;                                                                        \
        for (size_t i = 0; i < count; i++)                                                         \
            wrong |= (SIGNED)values[i] != values[i];                                               \
        if (is_float)                                                                              \
            for (size_t i = 0; i < count; i++) {                                                   \
                TO bits = (TO)values[i];                                                           \
                out[i] = bits & half ? (TO)(bits ^ (TO)(half - 1)) : bits;                         \
            }                                                                                      \
        else                                                                                       \
            for (size_t i = 0; i < count; i++)                                                     \
                out[i] = (TO)((TO)values[i] + offset);                                             \
        return !wrong;                                                                             \
    }
PLAIN_ROW(uint8_t, int8_t, 8)
PLAIN_ROW(uint16_t, int16_t, 16)
PLAIN_ROW(uint32_t, int32_t, 32)
#undef PLAIN_ROW

static bool NAME(plain64)(const VALUE *restrict high, const VALUE *restrict low, size_t count,
                          uint64_t *restrict out, bool is_unsigned, bool is_float)
{
    const uint64_t half = UINT64_C(1) << 63;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = ((uint64_t)(int64_t)high[i] << 32) + (uint64_t)(int64_t)low[i] + (half >> 32);
        if (is_float)
            bits = bits & half ? bits ^ (half - 1) : bits;
        out[i] = is_unsigned ? bits + half : bits;
    }
    return true;
}

/* Whether all values of a row are indices. */
static bool NAME(indices)(const VALUE *restrict values, size_t count, const vf_pixels *pixels)
{
    const uint32_t less = (uint32_t)pixels->less;
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t index = (uint32_t)(int32_t)values[i] + less;
        most = index > most ? index : most;
    }
    return most < pixels->band->entries;
}

#define TABLE_ROW(TYPE, BITS)                                                                      \
    static void NAME(table##BITS)(const VALUE *restrict values, size_t count,                      \
                                  const uint8_t *restrict table, uint32_t less,                    \
                                  TYPE *restrict out)                                              \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            uint32_t index = (uint32_t)(int32_t)values[i] + less;                                  \
            memcpy(&out[i], table + index * sizeof(TYPE), sizeof(TYPE));                           \
        }                                                                                          \
    }
TABLE_ROW(uint8_t, 8)
TABLE_ROW(uint16_t, 16)
TABLE_ROW(uint32_t, 32)
TABLE_ROW(uint64_t, 64)
#undef TABLE_ROW

/* Integers base + step * (index - specials), modulo their size, which the description keeps in range. */
#define LINEAR_ROW(TYPE, BITS)                                                                     \
    static void NAME(linear##BITS)(const VALUE *restrict values, size_t count,                     \
                                   const vf_pixels *pixels, uint64_t offset, TYPE *restrict out)   \
    {                                                                                              \
        const vf_band *band = pixels->band;                                                        \
        const TYPE step = (TYPE)band->step;                                                        \
        const TYPE base = (TYPE)((uint64_t)band->base + offset +                                   \
                                 band->step * (pixels->less - band->special_count));               \
        for (size_t i = 0; i < count; i++)                                                         \
            out[i] = (TYPE)(base + step * (TYPE)values[i]);                                        \
        for (unsigned k = 0; k < band->special_count; k++) {                                       \
            const VALUE found = (VALUE)((uint64_t)k - pixels->less);                               \
            const TYPE special = (TYPE)((uint64_t)band->specials[k] + offset);                     \
            for (size_t i = 0; i < count; i++)                                                     \
                out[i] = values[i] == found ? special : out[i];                                    \
        }                                                                                          \
    }
LINEAR_ROW(uint8_t, 8)
LINEAR_ROW(uint16_t, 16)
LINEAR_ROW(uint32_t, 32)
LINEAR_ROW(uint64_t, 64)
#undef LINEAR_ROW

/* Floats that stand in no table. */
static void NAME(quotients)(const VALUE *values, size_t count, const vf_pixels *pixels, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t index = (uint32_t)(int32_t)values[i] + pixels->less;
        put_linear(pixels, index, out + i * pixels->size);
    }
}

/* Into memory that is aligned as its type wants it. */
static bool NAME(aligned_row)(const vf_pixels *pixels, const VALUE *high, const VALUE *values,
                              size_t count, void *out)
{
    const bool is_unsigned = vf_dtype_is_unsigned(pixels->dtype);
    const bool is_float = vf_dtype_is_float(pixels->dtype);
    if (pixels->band->map == VF_MAP_PLAIN) {
        switch (pixels->size) {
        case 1:
            return NAME(plain8)(values, count, out, is_unsigned, is_float) &&
                   (pixels->dtype != VF_BOOL || all_bool(out, count));
        case 2:
            return NAME(plain16)(values, count, out, is_unsigned, is_float);
        case 4:
            return NAME(plain32)(values, count, out, is_unsigned, is_float);
        default:
            return NAME(plain64)(high, values, count, out, is_unsigned, is_float);
        }
    }
    if (!NAME(indices)(values, count, pixels))
        return false;
    if (!pixels->table && is_float) {
        NAME(quotients)(values, count, pixels, out);
        return true;
    }
    const uint32_t less = (uint32_t)pixels->less;
    const uint64_t offset = is_unsigned ? UINT64_C(1) << (8 * pixels->size - 1) : 0;
    switch (pixels->size) {
    case 1:
        if (pixels->table)
            NAME(table8)(values, count, pixels->table, less, out);
        else
            NAME(linear8)(values, count, pixels, offset, out);
        return pixels->dtype != VF_BOOL || all_bool(out, count);
    case 2:
        if (pixels->table)
            NAME(table16)(values, count, pixels->table, less, out);
        else
            NAME(linear16)(values, count, pixels, offset, out);
        return true;
    case 4:
        if (pixels->table)
            NAME(table32)(values, count, pixels->table, less, out);
        else
            NAME(linear32)(values, count, pixels, offset, out);
        return true;
    default:
        if (pixels->table)
            NAME(table64)(values, count, pixels->table, less, out);
        else
            NAME(linear64)(values, count, pixels, offset, out);
        return true;
    }
}

bool NAME(vf_pixels_row)(const vf_pixels *pixels, const VALUE *high, const VALUE *values,
                         size_t count, uint8_t *out)
{
    if ((uintptr_t)out % pixels->size == 0)
        return NAME(aligned_row)(pixels, high, values, count, out);
    _Alignas(64) uint8_t piece[8 * 512];
    for (size_t at = 0; at < count; at += 512) {
        size_t here = count - at < 512 ? count - at : 512;
        if (!NAME(aligned_row)(pixels, high ? high + at : NULL, values + at, here, piece))
            return false;
        memcpy(out + at * pixels->size, piece, here * pixels->size);
    }
    return true;
}
