/* Where a stream stands: which frame may come next. Knows what STREAMINFO says and frame headers; must
   not know how a frame is decoded. */
#ifndef VF_CURSOR_H
#define VF_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "header.h"
#include "status.h"

/* What is to be decoded. */
typedef struct {
    const uint8_t *data; /* the whole stream */
    size_t size;         /* its bytes; less than 2**60 */
    size_t first_frame;  /* where the frames begin, at most size */
    uint32_t min_block_size, max_block_size;
    unsigned channels; /* 1 to 8 */
    unsigned depth;    /* bits per sample, 4 to 32 */
    uint64_t total;    /* samples of each channel that are wanted */
    uint64_t first_number; /* of the first frame's header: not 0 in a piece of a longer stream */
    bool sum_up;       /* whether the CRC-32 of all data is wanted */
    bool must_end;     /* a further frame behind them is an error */
    bool sizes_vary;   /* even where frames are counted, as old encoders wrote them */
    /* Frames decoded at once, at most: 0 for as many as this CPU likes. Tests compare all that it can do
       with 1, which is scalar code. */
    unsigned most_lanes;
} vf_stream;

/* As total: as many as there are, for a scan (see scan.h). */
#define VF_ALL UINT64_MAX

/* How far decoding got: the frame to come, or the one that is wrong. */
typedef struct {
    uint64_t frame;    /* its number, counted from 0 */
    uint64_t position; /* its first sample */
    size_t byte;       /* where it begins in the data */
    bool variable;     /* kind of numbers in this stream; known from the first frame on */
    uint32_t fixed_block_size;
    uint32_t crc32; /* of the first `summed` bytes of the data */
    size_t summed;
} vf_cursor;

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
