/* The frames of a whole stream, one by one or in groups, to where their samples go. Must not know metadata
   blocks, nor how a frame is decoded. */
#include "zarr_flac.h"

#include <stdlib.h>

#include "decode/frame.h"
#include "decode/group.h"

/* Decode the frame at the cursor and move on. */
static vf_status decode_next(const vf_stream *stream, const vf_sink *sink,
                             int64_t *workspace, vf_cursor *cursor)
{
    const uint8_t *data = stream->data + cursor->byte;
    const size_t size = stream->size - cursor->byte;
    vf_header header;
    size_t length;
    vf_status status = vf_parse_header(data, size, &header);
    if (status == VF_OK)
        status = vf_check_header(stream, cursor, &header);
    if (status == VF_OK)
        status = vf_decode_frame(data, size, &header, stream->depth, sink, cursor->position,
                                 workspace, &length);
    if (status != VF_OK)
        return status;
    vf_advance(cursor, header.block_size, length);
    return VF_OK;
}

/* Bytes that are summed up at once: many enough that a call does not count, few enough to be in a cache. */
enum { PIECE = 1 << 16 };

/* Sum up to some byte. Called behind the decoder, it finds these bytes in a cache: to read them from memory
   for their CRC-32 alone would take five times as long. */
static void sum_up(const vf_stream *stream, size_t byte, vf_cursor *cursor)
{
    cursor->crc32 = vf_crc32(cursor->crc32, stream->data + cursor->summed, byte - cursor->summed);
    cursor->summed = byte;
}

static vf_status decode_frames(const vf_stream *stream, const vf_sink *sink,
                               int64_t *workspace, vf_group *group, vf_cursor *cursor)
{
    vf_header header;
    unsigned alone = 0; /* frames that are not worth trying together */
    while (cursor->position < stream->total) {
        if (stream->sum_up && cursor->byte - cursor->summed >= PIECE)
            sum_up(stream, cursor->byte, cursor);
        if (group && alone == 0) {
            alone = vf_group_decode(group, cursor);
            continue;
        }
        alone -= alone > 0;
        vf_status status = decode_next(stream, sink, workspace, cursor);
        if (status != VF_OK)
            return status;
    }
    if (stream->must_end && vf_parse_header(stream->data + cursor->byte,
                                            stream->size - cursor->byte, &header) == VF_OK)
        return VF_TOO_LONG;
    if (stream->sum_up)
        sum_up(stream, stream->size, cursor);
    return VF_OK;
}

vf_status vf_decode_stream(const vf_stream *stream, const vf_sink *sink, vf_cursor *cursor)
{
    int64_t *workspace =
        malloc(VF_FRAME_WORKSPACE(stream->channels, stream->max_block_size) * sizeof *workspace);
    if (!workspace)
        return VF_NO_MEMORY;
    *cursor = (vf_cursor){.byte = stream->first_frame};
    vf_group *group = vf_group_new(stream, sink, workspace);
    vf_status status = decode_frames(stream, sink, workspace, group, cursor);
    vf_group_free(group);
    free(workspace);
    return status;
}
