/* Frames, from planes of samples to bytes: what decode/frame.h reads. Must not know pixels, nor what a stream's
   head says. */
#ifndef VF_ENCODE_FRAME_H
#define VF_ENCODE_FRAME_H

#include "zarr_flac.h"

typedef struct vf_frame_encoder vf_frame_encoder;

/* Allocates all that encoding takes; NULL: out of memory. For one thread at a time. */
vf_frame_encoder *vf_frame_encoder_new(const vf_framing *framing);
void vf_frame_encoder_free(vf_frame_encoder *encoder);

/* Bytes that a frame of so many samples may take, and that vf_encode_frame() may write to behind it. */
size_t vf_frame_room(const vf_framing *framing, uint32_t block_size);

/* Encode one frame of block_size samples of each channel, of which each fits the depth. number: of the
   frame, or of its first sample where they are variable, less than 2**36. Writes to out, which has
   vf_frame_room() bytes. Returns how many bytes the frame has. */
size_t vf_encode_frame(vf_frame_encoder *encoder, const int32_t *const *planes, uint32_t block_size,
                       uint64_t number, uint8_t *out);

#endif
