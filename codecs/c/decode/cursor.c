#include "decode/cursor.h"

vf_status vf_check_header(const vf_stream *stream, vf_cursor *cursor, const vf_header *header)
{
    if (header->channels != stream->channels)
        return VF_WRONG_CHANNELS;
    if (header->depth && header->depth != stream->depth)
        return VF_WRONG_DEPTH;
    if (header->block_size > stream->max_block_size ||
        header->block_size > stream->total - cursor->position)
        return VF_WRONG_BLOCK_SIZE;
    if (cursor->frame == 0) {
        bool equal = stream->min_block_size == stream->max_block_size;
        cursor->variable = header->variable;
        cursor->fixed_block_size = equal ? stream->max_block_size : header->block_size;
    }
    if (header->variable != cursor->variable)
        return VF_OUT_OF_ORDER;
    if (header->number < stream->first_number)
        return VF_OUT_OF_ORDER;
    const uint64_t number = header->number - stream->first_number;
    if (header->variable)
        return number == cursor->position ? VF_OK : VF_OUT_OF_ORDER;
    if (number != cursor->frame)
        return VF_OUT_OF_ORDER;
    if (stream->sizes_vary)
        return VF_OK;
    /* Frames of a fixed size are counted; all but the last one have it. */
    if (number * cursor->fixed_block_size != cursor->position)
        return VF_OUT_OF_ORDER;
    return header->block_size <= cursor->fixed_block_size ? VF_OK : VF_WRONG_BLOCK_SIZE;
}
