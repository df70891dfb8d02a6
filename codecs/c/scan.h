/* The frames of a stream that comes in pieces: where each begins and ends, without decoding them.

   A frame's length stands nowhere in it. But the frame behind it has a header with the one number that
   fits, and up to there the CRC-16 of the frame comes out as 0. Where both are so, the frame ends: a sync
   code within a frame that looks so by chance comes once in 2^50 bytes. So the work is a search and a
   checksum, at the speed of memory. Decoded is only a frame that has no other behind it, the last one,
   and one where the checksum agrees but the rest does not.

   What is found, and what is said of damage, does not depend on where the pieces end. */
#ifndef VF_SCAN_H
#define VF_SCAN_H

#include "cursor.h"
#include "header.h"

/* What a scan remembers from piece to piece. Zeros, and the byte of the first frame, to begin with.
   Bytes are counted from the start of the stream; data[0] of a piece is number base. */
typedef struct {
    uint64_t base;
    uint64_t frame, position; /* as in vf_cursor: the frame to come, or whose end is looked for */
    uint64_t byte;
    uint64_t searched; /* no frame begins between `byte` and here */
    uint64_t checked;  /* the CRC-16 from `byte` up to here is crc */
    uint64_t limit;    /* bytes of the frame in which its end is looked for, before it is decoded */
    uint64_t enough;   /* bytes of it that have to be there to try that (again) */
    vf_header header;  /* of that frame */
    uint32_t fixed_block_size;
    uint16_t crc;
    uint8_t place; /* see scan.c */
    uint8_t ended; /* a vf_status: why no further frame began behind the last one */
    bool variable;
} vf_scan;

typedef struct {
    uint64_t byte, length, first, block_size;
} vf_found;

/* Called for each frame. May return false to stop for want of memory. */
typedef struct {
    bool (*take)(void *context, const vf_found *frame);
    void *context;
} vf_finder;

/* Go on with the bytes in stream->data, of which the first are those of number scan->base and up that
   the call before left over. last: no more will come. Of stream, first_frame, must_end and most_lanes do
   not matter; total may be VF_ALL: then the stream ends where no further frame begins.
   VF_OK, or what is wrong with the frame at scan->byte: then the scan is over. Sets scan->base to the
   first byte that has to be there again the next time. What it wants to keep is less than four frames, and
   never 16 MiB, even of a stream that is damaged. Allocates a workspace when it has to decode. */
vf_status vf_scan_frames(const vf_stream *stream, bool last, vf_scan *scan, const vf_finder *finder);

#endif
