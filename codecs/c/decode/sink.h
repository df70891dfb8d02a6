/* Where samples go: straight into the caller's array, as pixels of its type. Knows rows and strides,
   nothing of FLAC. */
#ifndef VF_SINK_H
#define VF_SINK_H

#include "zarr_flac.h"

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
