#include "encode/source.h"

#include <string.h>

/* One piece of a row: pixels of one type -> samples. memcpy, because a caller's array may be aligned in any
   way. Where pixels stand side by side the stride is a constant, and compilers make vectors of the loop. */
#define PIECE(NAME, TYPE, SWAP, SAMPLE)                                                            \
    static inline __attribute__((always_inline)) void NAME##_any(                                  \
        const uint8_t *from, ptrdiff_t stride, uint32_t count, uint32_t offset, bool swapped,      \
        int32_t *restrict out)                                                                     \
    {                                                                                              \
        (void)offset;                                                                              \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            TYPE v;                                                                                \
            memcpy(&v, from + (ptrdiff_t)i * stride, sizeof v);                                    \
            if (swapped)                                                                           \
                v = (TYPE)SWAP(v);                                                                 \
            out[i] = (int32_t)(SAMPLE);                                                            \
        }                                                                                          \
    }                                                                                              \
    static void NAME(const uint8_t *from, ptrdiff_t stride, uint32_t count, uint32_t offset,       \
                     bool swapped, int32_t *out)                                                   \
    {                                                                                              \
        if (stride == sizeof(TYPE) && !swapped)                                                    \
            NAME##_any(from, sizeof(TYPE), count, offset, false, out);                             \
        else                                                                                       \
            NAME##_any(from, stride, count, offset, swapped, out);                                 \
    }
#define SAME(V) V

/* Floats as integers of the same order: the lower bits of negative ones are flipped. */
#define SORTED16(V) ((V) ^ (int16_t)(((V) >> 15) & 0x7FFF))
#define SORTED32(V) ((V) ^ (((V) >> 31) & 0x7FFFFFFF))
#define SORTED64(V) ((V) ^ (((V) >> 63) & 0x7FFFFFFFFFFFFFFF))

#define HIGH(V) (uint32_t)((uint64_t)(V) >> 32)
#define LOW(V) ((uint32_t)(V) ^ 0x80000000)

PIECE(signed8, int8_t, SAME, v)
PIECE(signed16, int16_t, __builtin_bswap16, v)
PIECE(signed32, int32_t, __builtin_bswap32, v)
PIECE(unsigned8, uint8_t, SAME, v - offset)
PIECE(unsigned16, uint16_t, __builtin_bswap16, v - offset)
PIECE(unsigned32, uint32_t, __builtin_bswap32, v - offset)
PIECE(float16, int16_t, __builtin_bswap16, SORTED16(v))
PIECE(float32, int32_t, __builtin_bswap32, SORTED32(v))
PIECE(signed64_high, int64_t, __builtin_bswap64, HIGH(v))
PIECE(unsigned64_high, uint64_t, __builtin_bswap64, HIGH(v) ^ 0x80000000)
PIECE(integer64_low, uint64_t, __builtin_bswap64, LOW(v))
PIECE(float64_high, int64_t, __builtin_bswap64, HIGH(SORTED64(v)))
PIECE(float64_low, int64_t, __builtin_bswap64, LOW(SORTED64(v)))

typedef void piece(const uint8_t *, ptrdiff_t, uint32_t, uint32_t, bool, int32_t *);

static piece *piece_of(const vf_source *source, unsigned channel)
{
    const vf_number number = source->number;
    switch (source->item_size) {
    case 1: return number == VF_UNSIGNED ? unsigned8 : signed8;
    case 2: return number == VF_UNSIGNED ? unsigned16 : number == VF_FLOAT ? float16 : signed16;
    case 4: return number == VF_UNSIGNED ? unsigned32 : number == VF_FLOAT ? float32 : signed32;
    default:
        if (number == VF_FLOAT)
            return channel % 2 ? float64_low : float64_high;
        if (channel % 2)
            return integer64_low;
        return number == VF_UNSIGNED ? unsigned64_high : signed64_high;
    }
}

/* Whether all samples fit the depth. */
static bool fit(const int32_t *samples, uint32_t count, unsigned depth)
{
    const uint32_t half = 1u << (depth - 1);
    uint32_t misfits = 0;
    for (uint32_t i = 0; i < count; i++)
        misfits |= (uint32_t)samples[i] + half;
    return depth == 32 || misfits >> depth == 0;
}

bool vf_source_read(const vf_source *source, unsigned channel, uint64_t first, uint32_t count,
                    int32_t *out)
{
    piece *read = piece_of(source, channel);
    const unsigned plane = channel / vf_source_channels(source);
    const uint8_t *pixels = source->pixels + (ptrdiff_t)plane * source->plane_stride;
    const uint32_t offset = 1u << (source->depth - 1);
    uint64_t row = first / source->width, column = first % source->width;
    for (uint32_t done = 0, here; done < count; done += here, row++, column = 0) {
        here = count - done < source->width - column ? count - done
                                                     : (uint32_t)(source->width - column);
        read(pixels + (ptrdiff_t)row * source->row_stride +
                 (ptrdiff_t)column * source->pixel_stride,
             source->pixel_stride, here, offset, source->swapped, out + done);
    }
    return source->depth == (source->item_size < 4 ? 8 * source->item_size : 32) ||
           fit(out, count, source->depth);
}
