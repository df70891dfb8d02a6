#include "decode/frame.h"

#include "common/bitreader.h"
#include "common/crc.h"
#include "decode/subframe.h"

enum { PIECE = 256 };

vf_status vf_finish_frame(const uint8_t *data, size_t size, uint64_t position, size_t *length)
{
    uint64_t end = (position + 7) >> 3;
    if (end + 2 > size)
        return VF_TRUNCATED;
    unsigned padding = (unsigned)(end * 8 - position);
    if (data[end - 1] & ((1u << padding) - 1))
        return VF_BAD_PADDING;
    if (vf_crc16(data, end) != (data[end] << 8 | data[end + 1]))
        return VF_BAD_FRAME_CRC;
    *length = end + 2;
    return VF_OK;
}

/* Turn two stored channels into left and right, in place. Returns 0 when both fit the depth. */
static uint64_t decorrelate(vf_stereo stereo, int64_t *a, int64_t *b, uint32_t count,
                            unsigned depth)
{
    const int64_t half = (int64_t)1 << (depth - 1);
    uint64_t misfits = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t x = a[i], y = b[i];
        if (stereo == VF_LEFT_SIDE) {
            y = x - y;
        } else if (stereo == VF_SIDE_RIGHT) {
            x += y;
        } else { /* the mid lost its lowest bit, which is also that of the side */
            int64_t sum = x * 2 + (y & 1);
            x = (sum + y) >> 1;
            y = (sum - y) >> 1;
        }
        misfits |= (uint64_t)(x + half) >> depth | (uint64_t)(y + half) >> depth;
        a[i] = x;
        b[i] = y;
    }
    return misfits;
}

static void put64(const vf_sink *sink, unsigned channel, uint64_t first, const int64_t *samples,
                  uint32_t count)
{
    int32_t piece[PIECE];
    for (uint32_t done = 0, here; done < count; done += here) {
        here = count - done < PIECE ? count - done : PIECE;
        for (uint32_t i = 0; i < here; i++)
            piece[i] = (int32_t)samples[done + i];
        vf_sink_put32(sink, channel, first + done, piece, here);
    }
}

vf_status vf_decode_frame(const uint8_t *data, size_t size, const vf_header *header, unsigned depth,
                          const vf_sink *sink, uint64_t first, int64_t *workspace, size_t *length)
{
    const unsigned channels = header->channels;
    const uint32_t count = header->block_size;
    vf_bits bits = {data, size, header->size * 8u};
    uint32_t fills = 0; /* channels that are one value: bits of a set */
    int64_t value[VF_MAX_CHANNELS];

    for (unsigned channel = 0; channel < channels; channel++) {
        vf_subframe subframe;
        int64_t *samples = workspace + (size_t)channel * count;
        unsigned own_depth = vf_channel_depth(header->stereo, channel, depth);
        vf_status status = vf_subframe_open(&subframe, &bits, count, own_depth);
        if (status == VF_OK && subframe.kind == VF_CONSTANT &&
            (header->stereo == VF_INDEPENDENT || fills == channel)) {
            /* Not written out, unless the other channel of a pair turns out to need it. */
            value[channel] = (int64_t)((uint64_t)subframe.first[0] << subframe.wasted);
            fills |= 1u << channel;
            continue;
        }
        if (status == VF_OK && header->stereo != VF_INDEPENDENT && fills) {
            for (uint32_t i = 0; i < count; i++)
                workspace[i] = value[0];
            fills = 0;
        }
        if (status == VF_OK)
            status = vf_subframe_finish(&subframe, &bits, count, samples);
        if (status != VF_OK)
            return status;
    }
    vf_status status = vf_finish_frame(data, size, bits.position, length);
    if (status != VF_OK)
        return status;

    if (header->stereo != VF_INDEPENDENT) {
        uint64_t misfits =
            fills ? decorrelate(header->stereo, value, value + 1, 1, depth)
                  : decorrelate(header->stereo, workspace, workspace + count, count, depth);
        if (misfits)
            return VF_SAMPLE_OUT_OF_RANGE;
    }
    for (unsigned channel = 0; channel < channels; channel++) {
        if (fills >> channel & 1)
            vf_sink_fill(sink, channel, first, (int32_t)value[channel], count);
        else
            put64(sink, channel, first, workspace + (size_t)channel * count, count);
    }
    return VF_OK;
}
