/* Where samples come from: pixels of the caller's array, whatever their type and strides. Knows how pixels
   stand for samples (the mapping `exact` of ../README.md), nothing of FLAC. The inverse of decode/sink.h. */
#ifndef VF_SOURCE_H
#define VF_SOURCE_H

#include "zarr_flac.h"

/* Write count samples of a channel to out, from number first on. Pixels may be aligned in any way.
   False when one of them does not fit the depth; out is then of no use. */
bool vf_source_read(const vf_source *source, unsigned channel, uint64_t first, uint32_t count,
                    int32_t *out);

#endif
