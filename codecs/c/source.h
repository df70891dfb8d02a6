/* Where samples come from: pixels of the caller's array, whatever their type and strides. Knows how pixels
   stand for samples (the mapping `exact` of ../README.md), nothing of FLAC. The inverse of sink.h. */
#ifndef VF_SOURCE_H
#define VF_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { VF_SIGNED, VF_UNSIGNED, VF_FLOAT } vf_number;

typedef struct {
    const uint8_t *pixels;  /* the first pixel of the first plane */
    uint64_t width;         /* pixels in a row; pixel p of a plane stands in row p / width */
    ptrdiff_t plane_stride; /* bytes from a plane to the next, of any sign, as the other two */
    ptrdiff_t row_stride;
    ptrdiff_t pixel_stride;
    vf_number number;
    unsigned item_size; /* bytes of a pixel: 1, 2, 4 or 8; 2 to 8 for floats */
    unsigned depth;     /* bits of a sample; all those of an item (32 of 8 bytes) but for integers */
    bool swapped;       /* pixels are in the byte order that is not this machine's */
} vf_source;

/* Channels that a plane of the source becomes: two for items of 8 bytes, high and low half. */
static inline unsigned vf_source_channels(const vf_source *source)
{
    return source->item_size == 8 ? 2 : 1;
}

/* Write count samples of a channel to out, from number first on. Pixels may be aligned in any way.
   False when one of them does not fit the depth; out is then of no use. */
bool vf_source_read(const vf_source *source, unsigned channel, uint64_t first, uint32_t count,
                    int32_t *out);

#endif
