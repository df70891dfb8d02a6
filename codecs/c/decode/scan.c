/* The frames of a stream that comes in pieces.

   A frame's length stands nowhere in it. But the frame behind it has a header with the one number that
   fits, and up to there the CRC-16 of the frame comes out as 0. Where both are so, the frame ends: a sync
   code within a frame that looks so by chance comes once in 2^50 bytes. So the work is a search and a
   checksum, at the speed of memory. Decoded is only a frame that has no other behind it, the last one,
   and one where the checksum agrees but the rest does not. */
#include "zarr_flac.h"

#include <stdlib.h>

#include "common/crc.h"
#include "decode/cursor.h"
#include "decode/frame.h"

/* Where a scan is: in front of a frame, in one whose header is known and whose end is looked for, in one
   where only decoding tells the end, or behind the last one. */
enum { BEFORE, WITHIN, DOUBTED, BEHIND };

/* Bytes of the longest header, and of what stands at least behind it: a subframe and a CRC. */
enum { LONGEST_HEADER = 16, SHORTEST_REST = 4 };

/* Bytes in which a frame has to end: STREAMINFO can tell of none that is longer. An endless run of zeros could
   be one residual. */
enum { LONGEST_FRAME = 1 << 24 };

static vf_cursor cursor_of(const vf_scan *scan)
{
    return (vf_cursor){
        .frame = scan->frame,
        .position = scan->position,
        .byte = (size_t)scan->byte,
        .variable = scan->variable,
        .fixed_block_size = scan->fixed_block_size,
    };
}

/* Enter the frame at scan->byte. */
static void enter(const vf_stream *stream, vf_scan *scan, const vf_header *header)
{
    const uint64_t plain = (uint64_t)header->channels * header->block_size * (stream->depth + 1) / 8;
    const bool final = header->block_size >= stream->total - scan->position;
    scan->place = final ? DOUBTED : WITHIN;
    scan->header = *header;
    scan->searched = scan->byte + header->size + SHORTEST_REST;
    scan->checked = scan->byte;
    scan->crc = 0;
    /* A frame that is twice as long as its samples written out is either strange or damaged. */
    scan->limit = 2 * plain + 1024;
    scan->enough = 0;
}

/* Report the frame and leave it, `length` bytes on. */
static bool leave(vf_scan *scan, uint64_t length, const vf_finder *finder)
{
    const vf_found found = {scan->byte, length, scan->position, scan->header.block_size};
    scan->place = BEFORE;
    scan->frame++;
    scan->position += scan->header.block_size;
    scan->byte += length;
    return finder->take(finder->context, &found);
}

/* Whether a header could be one of this stream's. */
static bool is_kindred(const vf_stream *stream, const vf_header *header)
{
    return header->channels == stream->channels &&
           (header->depth == 0 || header->depth == stream->depth);
}

/* Decode the frame to learn its length. */
static vf_status measure(const vf_stream *stream, const vf_scan *scan, size_t *length)
{
    const vf_sink nowhere = {.width = 1, .item_size = 1, .row_stride = 1};
    const size_t at = (size_t)(scan->byte - scan->base), left = stream->size - at;
    int64_t *workspace = malloc(
        VF_FRAME_WORKSPACE(scan->header.channels, scan->header.block_size) * sizeof *workspace);
    if (!workspace)
        return VF_NO_MEMORY;
    vf_status status =
        vf_decode_frame(stream->data + at, left < LONGEST_FRAME ? left : LONGEST_FRAME,
                        &scan->header, stream->depth, &nowhere, scan->position, workspace, length);
    free(workspace);
    return status == VF_TRUNCATED && left >= LONGEST_FRAME ? VF_BAD_RESIDUAL : status;
}

/* Whether the frame at scan->byte may end in front of byte `end`, where a header stands, as far as its
   checksum tells. */
static bool agrees(const vf_stream *stream, vf_scan *scan, uint64_t end)
{
    const uint8_t *from = stream->data + (scan->checked - scan->base);
    scan->crc = vf_crc16_continue(scan->crc, from, (size_t)(end - scan->checked));
    scan->checked = end;
    return scan->crc == 0;
}

/* Look for the end of this frame by the header behind it. Returns the frame's length, or 0: then its end is
   not there yet, or in doubt. Which of the two depends on the bytes up to the limit and on the header that
   begins there, never on how many more there are: else the verdict would depend on where pieces end. */
static size_t find_end(const vf_stream *stream, bool last, vf_scan *scan)
{
    const uint8_t *data = stream->data;
    const size_t begin = (size_t)(scan->byte - scan->base), left = stream->size - begin;
    const bool beyond = left > scan->limit;
    const size_t until = beyond ? begin + (size_t)scan->limit + 1 : stream->size;
    vf_cursor behind = cursor_of(scan);
    vf_advance(&behind, scan->header.block_size, 0);
    size_t at = (size_t)(scan->searched - scan->base);
    for (; (at = vf_find_sync(data, at, until, scan->variable)) < until; at++) {
        vf_header next;
        if (stream->size - at < LONGEST_HEADER && !last) {
            scan->searched = scan->base + at;
            return 0;
        }
        if (vf_parse_header(data + at, stream->size - at, &next) != VF_OK ||
            !is_kindred(stream, &next) || !agrees(stream, scan, scan->base + at))
            continue;
        /* Two frames in a row, or one and zeros behind it, have the checksum of one frame. */
        bool padded = !data[at - 1] && !data[at - 2];
        if (!padded && vf_check_header(stream, &behind, &next) == VF_OK)
            return at - begin;
        scan->place = DOUBTED;
        return 0;
    }
    if (beyond || last)
        scan->place = DOUBTED;
    else if (scan->searched < scan->base + stream->size)
        scan->searched = scan->base + stream->size - 1; /* it may be the first half of a sync code */
    return 0;
}

/* Behind the last frame of a stream that does not say how long it is, nothing may stand that could be one
   of its frames: else the one in between is damaged. */
static vf_status look_behind(const vf_stream *stream, bool last, vf_scan *scan)
{
    size_t at = (size_t)(scan->searched - scan->base);
    vf_header header;
    if (scan->ended == VF_OK || at >= stream->size) {
        scan->searched = scan->base + stream->size;
        return VF_OK;
    }
    for (; (at = vf_find_sync(stream->data, at, stream->size, scan->variable)) < stream->size; at++) {
        const size_t left = stream->size - at;
        if (left < LONGEST_HEADER && !last) {
            scan->searched = scan->base + at;
            return VF_OK;
        }
        if (vf_parse_header(stream->data + at, left, &header) == VF_OK &&
            is_kindred(stream, &header) &&
            header.number >= stream->first_number &&
            header.number - stream->first_number >=
                (scan->variable ? scan->position : scan->frame))
            return (vf_status)scan->ended;
    }
    scan->searched = scan->base + stream->size - 1;
    return VF_OK;
}

/* Parse the header of the frame to come, or find that none comes. */
static vf_status begin(const vf_stream *stream, vf_scan *scan)
{
    const size_t at = (size_t)(scan->byte - scan->base);
    vf_cursor cursor = cursor_of(scan);
    vf_header header;
    vf_status status = vf_parse_header(stream->data + at, stream->size - at, &header);
    if (status != VF_OK && stream->total == VF_ALL && scan->frame) {
        scan->place = BEHIND;
        scan->ended = (uint8_t)status;
        scan->searched = scan->byte;
        return VF_OK;
    }
    if (status == VF_OK)
        status = vf_check_header(stream, &cursor, &header);
    if (status != VF_OK)
        return status;
    scan->variable = cursor.variable;
    scan->fixed_block_size = cursor.fixed_block_size;
    enter(stream, scan, &header);
    return VF_OK;
}

static vf_status go_on(const vf_stream *stream, bool last, vf_scan *scan, const vf_finder *finder)
{
    for (;;) {
        const uint64_t left = scan->base + stream->size - scan->byte;
        size_t length;
        vf_status status;
        if (scan->place == BEHIND)
            return look_behind(stream, last, scan);
        if (scan->place == BEFORE) {
            if (scan->position >= stream->total) {
                scan->place = BEHIND;
                scan->ended = VF_OK;
                scan->searched = scan->byte;
                continue;
            }
            if (left < LONGEST_HEADER && !last)
                return VF_OK;
            if ((status = begin(stream, scan)) != VF_OK)
                return status;
            continue;
        }
        if (scan->place == WITHIN) {
            length = find_end(stream, last, scan);
            if (length == 0 && scan->place == WITHIN)
                return VF_OK;
        }
        if (scan->place == DOUBTED) {
            if (left < scan->enough && !last)
                return VF_OK;
            /* Small pieces are not tried again and again. */
            scan->enough = 2 * left < LONGEST_FRAME ? 2 * left : LONGEST_FRAME;
            status = measure(stream, scan, &length);
            if (status == VF_TRUNCATED && !last)
                return VF_OK;
            if (status != VF_OK)
                return status;
        }
        if (!leave(scan, length, finder))
            return VF_NO_MEMORY;
    }
}

vf_status vf_scan_frames(const vf_stream *stream, bool last, vf_scan *scan, const vf_finder *finder)
{
    vf_status status = go_on(stream, last, scan, finder);
    scan->base = scan->place == BEHIND ? scan->searched : scan->byte;
    return status;
}
