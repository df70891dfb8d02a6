/* A whole stream, from pixels to frames and to what STREAMINFO says of them. What stream.h reads. Must not
   know metadata blocks. */
#ifndef VF_ENCODE_STREAM_H
#define VF_ENCODE_STREAM_H

#include "encode_frame.h"
#include "source.h"
#include "status.h"

/* What RFC 9639 permits: samples of a channel in a stream, and in each frame but the last one. */
#define VF_MOST_TOTAL ((UINT64_C(1) << 36) - 1)
enum { VF_LEAST_BLOCK = 16, VF_MOST_BLOCK = 65535 };

/* What STREAMINFO says, beside what the caller knows. */
typedef struct {
    uint32_t block_size; /* of all frames but the last one; no longer than the stream, if that has 16 or more */
    uint32_t min_frame_size, max_frame_size; /* bytes */
    uint8_t md5[16];                         /* zeros when it was not asked for */
} vf_stream_facts;

/* Bytes that the frames of a stream may take, and that vf_encode_stream() may write to; SIZE_MAX when they
   are more than that. */
size_t vf_stream_room(const vf_framing *framing, uint64_t total);

/* Encode `total` samples of each channel, at least 1, in frames of framing->max_block_size (VF_LEAST_BLOCK to
   VF_MOST_BLOCK; the last one may have fewer), to out, which has vf_stream_room() bytes. The source has planes
   for framing->channels, and the same depth. *size becomes how many bytes the frames have.
   VF_OK, VF_SAMPLE_OUT_OF_RANGE, VF_NO_MEMORY. Allocates a workspace. */
vf_status vf_encode_stream(const vf_framing *framing, const vf_source *source, uint64_t total,
                           bool md5, uint8_t *out, size_t *size, vf_stream_facts *facts);

#endif
