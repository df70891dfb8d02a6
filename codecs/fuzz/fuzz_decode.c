/* A libFuzzer target: any bytes as a FLAC stream, decoded in all ways, which must agree.

   STREAMINFO is read leniently (what is impossible is bent into range), since the C core trusts what
   Python has checked; from the first frame on every byte is the decoder's own business. Input and
   output live in blocks of exactly their size, so that AddressSanitizer sees a single byte too many.

   Rows, strides and pieces are drawn at random, from a seed that is a hash of the input: the same input
   gives the same ones. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zarr_flac.h"

#ifdef ANY_CRC /* see crc_any.c */
uint16_t fuzz_crc16(const uint8_t *data, size_t size);
#define TRUE_CRC16 fuzz_crc16
#else
#define TRUE_CRC16 vf_crc16
#endif

enum { HEAD = 42, MOST_BYTES_OUT = 1 << 20 };

static void must(int fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "fuzz_decode: %s\n", what);
        abort();
    }
}

static unsigned number(const uint8_t *data, int bytes)
{
    unsigned value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | data[i];
    return value;
}

/* CRC-32 by every way of this CPU, which must agree. */
static uint32_t crc32(const uint8_t *data, size_t size)
{
    const uint32_t best = vf_crc32(0, data, size);
    uint32_t other;
    bool enough;
    for (unsigned way = 0; vf_crc32_by(way, data, size, &enough, &other); way++)
        must(!enough || best == other, "two ways to a CRC-32 differ");
    return best;
}

/* Skip the metadata blocks. Returns where the frames begin, 0 when this is no FLAC file. */
static size_t find_frames(const uint8_t *data, size_t size)
{
    if (size < HEAD || memcmp(data, "fLaC", 4))
        return 0;
    size_t at = 4;
    for (;;) {
        int last = data[at] & 0x80;
        at += 4 + number(data + at + 1, 3);
        if (at > size)
            return 0;
        if (last)
            return at;
        if (at + 4 > size)
            return 0;
    }
}

static uint64_t fnv1a(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *byte = data;
    while (size--)
        hash = (hash ^ *byte++) * 0x100000001B3;
    return hash;
}

/* A random number below `below`, which is not 0. */
static uint64_t draw(uint64_t *seed, uint64_t below)
{
    uint64_t mixed = *seed += 0x9E3779B97F4A7C15; /* splitmix64 */
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB;
    return (mixed ^ mixed >> 31) % below;
}

/* An array to decode into: its pixels, and between them bytes that are none. */
typedef struct {
    vf_sink sink; /* without planes */
    size_t first[VF_MAX_CHANNELS]; /* byte of the first pixel of each channel */
    bool wanted[VF_MAX_CHANNELS];
    size_t size;
    uint8_t *is_pixel; /* for each byte */
} target;

static void mark_pixels(const vf_stream *stream, target *to, size_t most)
{
    const vf_sink *sink = &to->sink;
    to->is_pixel = calloc(most, 1);
    must(to->is_pixel != NULL, "out of memory");
    for (unsigned channel = 0; channel < stream->channels; channel++)
        for (uint64_t row = 0, left = stream->total, here; left && to->wanted[channel];
             row++, left -= here) {
            here = left < sink->width ? left : sink->width;
            size_t at = to->first[channel] + (size_t)((ptrdiff_t)row * sink->row_stride);
            size_t end = at + here * sink->item_size;
            must(end <= most, "a target with too little room");
            memset(to->is_pixel + at, 1, end - at);
            to->size = end > to->size ? end : to->size;
        }
}

/* Rows of any width with or without gaps, from top to bottom or from bottom to top, channels behind each
   other or row by row, some of them left out, at any address. */
static target random_target(const vf_stream *stream, uint64_t seed)
{
    target to = {0};
    const unsigned kind = (unsigned)draw(&seed, 4);
    const uint64_t width = kind == 0   ? stream->total
                           : kind == 1 ? 1 + draw(&seed, 61)
                           : kind == 2 ? 1 + draw(&seed, stream->total)
                                       : stream->max_block_size + draw(&seed, 2);
    const uint64_t rows = (stream->total + width - 1) / width;
    to.sink.width = width;
    to.sink.item_size = 1u << draw(&seed, 3);
    to.sink.offset = draw(&seed, 2) ? 1u << (stream->depth - 1) : 0;
    const size_t row = (width < stream->total ? width : stream->total) * to.sink.item_size;
    const size_t pitch = row + (draw(&seed, 2) ? draw(&seed, row + 8) : 0);
    const bool row_by_row = draw(&seed, 2), upwards = draw(&seed, 2), all = draw(&seed, 2);
    const size_t step = row_by_row ? pitch : pitch * rows, margin = draw(&seed, 8);
    const size_t stride = row_by_row ? pitch * stream->channels : pitch;
    to.sink.row_stride = upwards ? -(ptrdiff_t)stride : (ptrdiff_t)stride;
    for (unsigned channel = 0; channel < stream->channels; channel++) {
        to.first[channel] = margin + channel * step + (upwards ? (rows - 1) * stride : 0);
        to.wanted[channel] = all || draw(&seed, 2);
    }
    mark_pixels(stream, &to, margin + pitch * rows * stream->channels);
    return to;
}

typedef struct {
    vf_status status;
    vf_cursor cursor;
    uint8_t *pixels;
} outcome;

/* lanes: how many frames at once, at most. */
static outcome decode(vf_stream stream, const target *to, unsigned lanes)
{
    outcome result = {0};
    vf_sink sink = to->sink;
    result.pixels = malloc(to->size);
    must(result.pixels != NULL || to->size == 0, "out of memory");
    memset(result.pixels, 0xA5, to->size);
    for (unsigned channel = 0; channel < stream.channels; channel++)
        if (to->wanted[channel])
            sink.planes[channel] = result.pixels + to->first[channel];
    stream.most_lanes = lanes;
    result.status = vf_decode_stream(&stream, &sink, &result.cursor);
    /* What lies between the rows is the caller's. */
    for (size_t i = 0; i < to->size; i++)
        must(to->is_pixel[i] || result.pixels[i] == 0xA5, "gap overwritten");
    if (result.status == VF_OK) {
        must(result.cursor.position == stream.total, "fewer samples than wanted");
        must(result.cursor.crc32 == vf_crc32(0, stream.data, stream.size), "another CRC-32");
    }
    must(result.cursor.byte <= stream.size, "cursor behind the data");
    must(result.cursor.position <= stream.total, "more samples than wanted");
    return result;
}

/* Decode several frames at once, which must come to the same as scalar code. */
static void compare(vf_stream stream, const target *to, const outcome *plain, unsigned lanes)
{
    outcome fast = decode(stream, to, lanes);
    must(plain->status == fast.status, "scalar and lanes judge differently");
    must(plain->cursor.position == fast.cursor.position && plain->cursor.byte == fast.cursor.byte &&
             plain->cursor.frame == fast.cursor.frame,
         "scalar and lanes end in different places");
    if (plain->status == VF_OK)
        must(!memcmp(plain->pixels, fast.pixels, to->size),
             "scalar and lanes give different samples");
    free(fast.pixels);
}

/* The frames found, and what was said of the rest. */
typedef struct {
    vf_status status;
    uint64_t byte, position, frames, digest;
} listing;

static bool count_frame(void *context, const vf_found *frame)
{
    listing *seen = context;
    must(frame->byte == seen->byte && frame->first == seen->position, "frames do not follow each other");
    must(frame->length > 4 && frame->block_size > 0, "an empty frame");
    seen->byte += frame->length;
    seen->position += frame->block_size;
    seen->frames++;
    seen->digest = fnv1a(seen->digest, frame, sizeof *frame);
    return true;
}

/* A random piece of so many bytes; all pieces are of one kind, or of any. */
static size_t draw_piece(uint64_t *seed, unsigned kind, size_t size)
{
    static const uint64_t BELOW[] = {2, 20, 100, 5000}; /* none at all is a piece, too */
    return draw(seed, BELOW[kind < 4 ? kind : draw(seed, 4)] * (1 + size / 10000));
}

/* List the frames without decoding them, whole or from pieces, each in memory of exactly its size. */
static listing list(vf_stream stream, bool whole, uint64_t seed)
{
    const uint8_t *all = stream.data;
    const size_t size = stream.size;
    const unsigned kind = (unsigned)draw(&seed, 5);
    size_t end = stream.first_frame;
    listing seen = {.byte = end};
    vf_scan scan = {.base = end, .byte = end};
    vf_finder finder = {count_frame, &seen};
    bool last = false;
    while (seen.status == VF_OK && !last) {
        size_t piece = whole ? size : draw_piece(&seed, kind, size);
        last = piece >= size - end;
        end = last ? size : end + piece;
        must(scan.base <= end, "more done with than there is");
        stream.size = end - scan.base;
        uint8_t *copy = malloc(stream.size);
        must(copy != NULL || stream.size == 0, "out of memory");
        memcpy(copy, all + scan.base, stream.size);
        stream.data = copy;
        seen.status = vf_scan_frames(&stream, last, &scan, &finder);
        free(copy);
    }
    must(seen.byte <= size, "a frame behind the data");
    must(scan.byte == seen.byte && scan.position == seen.position && scan.frame == seen.frames,
         "the scan stands elsewhere than behind its frames");
    return seen;
}

/* A stream of the file at data, whose frames begin at `start`. */
static vf_stream open_stream(const uint8_t *data, size_t size, size_t start)
{
    uint64_t packed = (uint64_t)number(data + 18, 4) << 32 | number(data + 22, 4);
    vf_stream stream = {
        .data = data,
        .size = size,
        .first_frame = start,
        .min_block_size = number(data + 8, 2),
        .max_block_size = number(data + 10, 2),
        .channels = (packed >> 41 & 7) + 1,
        .depth = (packed >> 36 & 31) + 1,
        .total = packed & ((1ull << 36) - 1),
        .must_end = data[41] & 1, /* of the MD5, which the C core does not look at */
        .sum_up = true,
    };
    if (stream.depth < 4)
        stream.depth += 4;
    if (stream.max_block_size == 0)
        stream.max_block_size = 1;
    if (stream.min_block_size > stream.max_block_size)
        stream.min_block_size = stream.max_block_size;
    return stream;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    size_t start = find_frames(input, size);
    if (!start)
        return 0;
    uint8_t *data = malloc(size);
    must(data != NULL, "out of memory");
    memcpy(data, input, size);
    vf_stream stream = open_stream(data, size, start);
    const uint64_t seed = fnv1a(0xCBF29CE484222325, data, size);

    /* Where frames are; with an unknown total too. */
    vf_stream all = stream;
    if (stream.total == 0 || data[40] & 64)
        all.total = VF_ALL;
    const listing whole = list(all, true, seed), pieces = list(all, false, seed);
    must(whole.status == pieces.status, "whole and pieces are judged differently");
    must(whole.byte == pieces.byte && whole.position == pieces.position &&
             whole.frames == pieces.frames && whole.digest == pieces.digest,
         "other frames in pieces than in the whole");
    if (stream.total == 0 && whole.status == VF_OK)
        stream.total = whole.position;

    if (stream.total && stream.total * stream.channels * 8 <= MOST_BYTES_OUT) {
        target to = random_target(&stream, seed);
        outcome plain = decode(stream, &to, 1);
        for (unsigned kernel = 0; vf_lanes_of(kernel); kernel++)
            compare(stream, &to, &plain, vf_lanes_of(kernel));
#ifndef ANY_CRC
        if (plain.status == VF_OK && all.total == stream.total)
            must(whole.status == VF_OK && whole.byte == plain.cursor.byte, "frames not found");
#endif
        free(plain.pixels);
        free(to.is_pixel);
    }
    must(vf_crc16_tables(data, size) == TRUE_CRC16(data, size), "the two CRC-16 differ");
    crc32(data, size);
    free(data);
    return 0;
}
