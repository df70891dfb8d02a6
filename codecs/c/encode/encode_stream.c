/* A whole stream, from pixels to frames and to what STREAMINFO says of them. What decode/stream.c reads. Must
   not know metadata blocks. */
#include "zarr_flac.h"

#include <stdlib.h>
#include <string.h>

#include "common/md5.h"
#include "encode/encode_frame.h"
#include "encode/source.h"

enum { MD5_PIECE = 4096 };

static uint64_t frames_of(const vf_framing *framing, uint64_t total)
{
    return total / framing->max_block_size + (total % framing->max_block_size > 0);
}

size_t vf_stream_room(const vf_framing *framing, uint64_t total)
{
    const uint64_t each = vf_frame_room(framing, framing->max_block_size);
    const uint64_t frames = frames_of(framing, total);
    return frames > SIZE_MAX / 2 / each ? SIZE_MAX : (size_t)(frames * each);
}

/* Write the low bytes of samples, little end first, with what other channels have in between. */
static inline __attribute__((always_inline)) void
put_bytes(uint8_t *to, size_t stride, const int32_t *samples, uint32_t count, const unsigned bytes)
{
    for (uint32_t i = 0; i < count; i++)
        for (unsigned byte = 0; byte < bytes; byte++)
            to[i * stride + byte] = (uint8_t)((uint32_t)samples[i] >> 8 * byte);
}

/* STREAMINFO's MD5 is that of the samples in turn, in whole bytes, little end first. */
static void add_samples(vf_md5 *md5, const vf_framing *framing, int32_t *const *planes,
                        uint32_t count)
{
    const unsigned bytes = (framing->depth + 7) / 8, channels = framing->channels;
    const size_t stride = (size_t)bytes * channels;
    uint8_t piece[MD5_PIECE];
    for (uint32_t done = 0, here; done < count; done += here) {
        here = (uint32_t)(MD5_PIECE / stride) < count - done ? (uint32_t)(MD5_PIECE / stride)
                                                             : count - done;
        for (unsigned channel = 0; channel < channels; channel++) {
            const int32_t *samples = planes[channel] + done;
            uint8_t *to = piece + bytes * channel;
            switch (stride == bytes ? bytes : 4 + bytes) {
            case 1: put_bytes(to, 1, samples, here, 1); break;
            case 2: put_bytes(to, 2, samples, here, 2); break;
            case 3: put_bytes(to, 3, samples, here, 3); break;
            case 4: put_bytes(to, 4, samples, here, 4); break;
            case 5: put_bytes(to, stride, samples, here, 1); break;
            case 6: put_bytes(to, stride, samples, here, 2); break;
            case 7: put_bytes(to, stride, samples, here, 3); break;
            default: put_bytes(to, stride, samples, here, 4);
            }
        }
        vf_md5_add(md5, piece, here * stride);
    }
}

static vf_status encode_frames(const vf_framing *framing, const vf_source *source, uint64_t total,
                               vf_frame_encoder *encoder, int32_t *const *planes, vf_md5 *md5,
                               uint8_t *out, size_t *size, vf_stream_facts *facts)
{
    uint8_t *at = out;
    uint64_t number = 0;
    for (uint64_t first = 0; first < total; number++) {
        const uint32_t count = total - first < framing->max_block_size ? (uint32_t)(total - first)
                                                                       : framing->max_block_size;
        for (unsigned channel = 0; channel < framing->channels; channel++)
            if (!vf_source_read(source, channel, first, count, planes[channel]))
                return VF_SAMPLE_OUT_OF_RANGE;
        if (md5)
            add_samples(md5, framing, planes, count);
        const size_t bytes = vf_encode_frame(encoder, (const int32_t *const *)planes, count,
                                             framing->variable ? first : number, at);
        facts->min_frame_size = bytes < facts->min_frame_size ? (uint32_t)bytes : facts->min_frame_size;
        facts->max_frame_size = bytes > facts->max_frame_size ? (uint32_t)bytes : facts->max_frame_size;
        at += bytes;
        first += count;
    }
    *size = (size_t)(at - out);
    return VF_OK;
}

vf_status vf_encode_stream(const vf_framing *given, const vf_source *source, uint64_t total,
                           bool md5, uint8_t *out, size_t *size, vf_stream_facts *facts)
{
    vf_md5 sum;
    int32_t *planes[VF_MAX_CHANNELS];
    vf_framing shorter = *given, *framing = &shorter;
    if (total < given->max_block_size)
        shorter.max_block_size = total < VF_LEAST_BLOCK ? VF_LEAST_BLOCK : (uint32_t)total;
    vf_frame_encoder *encoder = vf_frame_encoder_new(framing);
    int32_t *samples =
        malloc((size_t)framing->max_block_size * framing->channels * sizeof *samples);
    vf_status status = VF_NO_MEMORY;
    if (encoder && samples) {
        for (unsigned channel = 0; channel < framing->channels; channel++)
            planes[channel] = samples + (size_t)channel * framing->max_block_size;
        *facts = (vf_stream_facts){.block_size = framing->max_block_size,
                                   .min_frame_size = UINT32_MAX};
        vf_md5_start(&sum);
        status = encode_frames(framing, source, total, encoder, planes, md5 ? &sum : NULL, out, size,
                               facts);
        if (md5)
            vf_md5_finish(&sum, facts->md5);
    }
    free(samples);
    vf_frame_encoder_free(encoder);
    return status;
}
