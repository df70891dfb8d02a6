/* Where samples go: straight into the caller's array, as pixels of its type. Knows rows and strides,
   nothing of FLAC. */
#ifndef VF_SINK_H
#define VF_SINK_H

#include <stddef.h>
#include <stdint.h>

enum { VF_MAX_CHANNELS = 8 };

typedef struct {
    uint8_t *planes[VF_MAX_CHANNELS]; /* first pixel of each channel; NULL: not wanted */
    uint64_t width;                   /* pixels in a row; sample s stands in row s / width */
    ptrdiff_t row_stride;             /* bytes from a row to the next, of any sign */
    uint32_t offset;    /* what is added to a sample, modulo the size of an item */
    unsigned item_size; /* 1, 2 or 4 bytes: a pixel, in this machine's byte order */
} vf_sink;

/* Write count samples of a channel, the first of which is sample number first. The caller has made
   sure that so many pixels stand behind the plane. */
void vf_sink_put32(const vf_sink *sink, unsigned channel, uint64_t first, const int32_t *samples,
                   size_t count);
void vf_sink_put16(const vf_sink *sink, unsigned channel, uint64_t first, const int16_t *samples,
                   size_t count);

/* Write the same sample count times. */
void vf_sink_fill(const vf_sink *sink, unsigned channel, uint64_t first, int32_t sample,
                  uint64_t count);

#endif
