/* Where a stream stands: which frame may come next. Knows what STREAMINFO says and frame headers; must
   not know how a frame is decoded. */
#ifndef VF_CURSOR_H
#define VF_CURSOR_H

#include "decode/header.h"
#include "zarr_flac.h"

/* Check a header against stream and cursor; on VF_OK the frame may stand there. The first one
   settles the kind of numbers in *cursor. */
vf_status vf_check_header(const vf_stream *stream, vf_cursor *cursor, const vf_header *header);

/* Move the cursor behind a frame of `bytes` bytes. */
static inline void vf_advance(vf_cursor *cursor, uint32_t block_size, size_t bytes)
{
    cursor->frame++;
    cursor->position += block_size;
    cursor->byte += bytes;
}

#endif
