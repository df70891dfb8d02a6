/* One frame, by plain C: the reference that every faster way falls back to. */
#ifndef VF_FRAME_H
#define VF_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "decode/header.h"
#include "decode/sink.h"
#include "zarr_flac.h"

/* How many int64 of workspace vf_decode_frame() needs for a frame. */
#define VF_FRAME_WORKSPACE(channels, block_size) ((size_t)(channels) * (block_size))

/* Decode the frame at data, whose header was parsed, and check its CRC-16. Reads at most size bytes.
   depth: bits per sample. Writes header->block_size samples of each channel to sink, the first of
   them as number first; when it fails the sink may have received rubbish. *length becomes the bytes
   of the frame. No allocation. VF_OK or what is wrong. */
vf_status vf_decode_frame(const uint8_t *data, size_t size, const vf_header *header, unsigned depth,
                          const vf_sink *sink, uint64_t first, int64_t *workspace, size_t *length);

/* Check what stands behind the last subframe: zero bits up to a whole byte, and the CRC-16 of the
   frame at data. position: the first bit behind the subframes, counted from data. */
vf_status vf_finish_frame(const uint8_t *data, size_t size, uint64_t position, size_t *length);

/* Bits of a sample in a channel of a frame: one more in a side channel. */
static inline unsigned vf_channel_depth(vf_stereo stereo, unsigned channel, unsigned depth)
{
    bool side = stereo == VF_SIDE_RIGHT ? channel == 0 : stereo != VF_INDEPENDENT && channel == 1;
    return depth + side;
}

#endif
