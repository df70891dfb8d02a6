/* A libFuzzer target: any bytes as a FLAC stream, decoded in all ways, which must agree.

   STREAMINFO is read leniently (what is impossible is bent into range), since the C core trusts what
   Python has checked; from the first frame on every byte is the decoder's own business. Input and
   output live in blocks of exactly their size, so that AddressSanitizer sees a single byte too many. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc.h"
#include "crc32.h"
#include "lanes.h"
#include "scan.h"
#include "stream.h"

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
    const uint32_t best = vf_crc32(data, size);
    for (const vf_crc32_way *const *way = VF_CRC32_WAYS; *way; way++)
        if (size >= (*way)->least && (*way)->supported())
            must(best == ~(*way)->run(~UINT32_C(0), data, size), "two ways to a CRC-32 differ");
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

typedef struct {
    vf_status status;
    vf_cursor cursor;
    uint8_t *pixels;
} outcome;

/* lanes: how many frames at once, at most. */
static outcome decode(vf_stream stream, unsigned layout, unsigned lanes)
{
    outcome result = {0};
    vf_sink sink = {.width = stream.total, .item_size = 1u << layout % 3};
    if (layout & 4) /* rows with a gap between them */
        sink.width = 1 + layout * 7 % 61;
    uint64_t rows = (stream.total + sink.width - 1) / sink.width;
    uint64_t row = sink.width * sink.item_size, stride = row + (layout & 8 ? 3 : 0);
    sink.row_stride = (ptrdiff_t)stride;
    sink.offset = layout & 16 ? 1u << (stream.depth - 1) : 0;
    uint64_t last = stream.total - (rows - 1) * sink.width;
    size_t plane = (rows - 1) * stride + last * sink.item_size;
    result.pixels = malloc(plane * stream.channels);
    must(result.pixels != NULL, "out of memory");
    memset(result.pixels, 0xA5, plane * stream.channels);
    for (unsigned channel = 0; channel < stream.channels; channel++)
        if (!(layout & 32) || channel % 2 == 0) /* or leave every other channel out */
            sink.planes[channel] = result.pixels + channel * plane;
    stream.most_lanes = lanes;
    result.status = vf_decode_stream(&stream, &sink, &result.cursor);
    /* What lies between the rows is the caller's. */
    for (unsigned channel = 0; stride > row && channel < stream.channels; channel++)
        for (uint64_t i = 0; i + 1 < rows; i++)
            for (uint64_t j = row; j < stride; j++)
                must(result.pixels[channel * plane + i * stride + j] == 0xA5, "gap overwritten");
    if (result.status == VF_OK)
        must(result.cursor.position == stream.total, "fewer samples than wanted");
    must(result.cursor.byte <= stream.size, "cursor behind the data");
    must(result.cursor.position <= stream.total, "more samples than wanted");
    return result;
}

/* Decode several frames at once, which must come to the same as scalar code. */
static void compare(vf_stream stream, unsigned layout, const outcome *plain, unsigned lanes)
{
    outcome fast = decode(stream, layout, lanes);
    must(plain->status == fast.status, "scalar and lanes judge differently");
    must(plain->cursor.position == fast.cursor.position && plain->cursor.byte == fast.cursor.byte &&
             plain->cursor.frame == fast.cursor.frame,
         "scalar and lanes end in different places");
    if (plain->status == VF_OK) {
        uint64_t width = layout & 4 ? 1 + layout * 7 % 61 : stream.total;
        uint64_t rows = (stream.total + width - 1) / width, item = 1u << layout % 3;
        uint64_t stride = width * item + (layout & 8 ? 3 : 0);
        size_t plane = (rows - 1) * stride + (stream.total - (rows - 1) * width) * item;
        must(!memcmp(plain->pixels, fast.pixels, plane * stream.channels),
             "scalar and lanes give different samples");
    }
    free(fast.pixels);
}

typedef struct {
    uint64_t byte, position;
} tiling;

static bool count_frame(void *context, const vf_found *frame)
{
    tiling *seen = context;
    must(frame->byte == seen->byte && frame->first == seen->position, "frames do not follow each other");
    must(frame->length > 4 && frame->block_size > 0, "an empty frame");
    seen->byte += frame->length;
    seen->position += frame->block_size;
    return true;
}

/* List the frames without decoding them, from pieces of some size, each in memory of exactly its size. */
static vf_status list(vf_stream stream, size_t piece, tiling *seen)
{
    const uint8_t *all = stream.data;
    const size_t size = stream.size;
    size_t end = stream.first_frame;
    vf_scan scan = {.base = end, .byte = end};
    vf_finder finder = {count_frame, seen};
    vf_status status = VF_OK;
    *seen = (tiling){.byte = end};
    bool last = false;
    while (status == VF_OK && !last) {
        last = piece >= size - end;
        end = last ? size : end + piece;
        must(scan.base <= end, "more done with than there is");
        stream.size = end - scan.base;
        uint8_t *copy = malloc(stream.size);
        must(copy != NULL || stream.size == 0, "out of memory");
        memcpy(copy, all + scan.base, stream.size);
        stream.data = copy;
        status = vf_scan_frames(&stream, last, &scan, &finder);
        free(copy);
    }
    must(seen->byte <= size, "a frame behind the data");
    return status;
}

/* A stream of the file at data, whose frames begin at `start`; *layout says how to decode it. */
static vf_stream open_stream(const uint8_t *data, size_t size, size_t start, unsigned *layout)
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
    };
    *layout = data[40];
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
    unsigned layout;
    vf_stream stream = open_stream(data, size, start, &layout);

    /* Where frames are; with an unknown total too. */
    vf_stream all = stream;
    if (stream.total == 0 || layout & 64)
        all.total = VF_ALL;
    tiling whole, pieces;
    vf_status listed = list(all, size, &whole);
    list(all, 1 + layout * 5 % 97, &pieces);
    if (stream.total == 0 && listed == VF_OK)
        stream.total = whole.position;

    if (stream.total && stream.total * stream.channels * 8 <= MOST_BYTES_OUT) {
        outcome plain = decode(stream, layout, 1);
        for (const vf_kernel *const *kernel = VF_KERNELS; *kernel; kernel++)
            if ((*kernel)->supported())
                compare(stream, layout, &plain, (*kernel)->lanes);
#ifndef ANY_CRC
        if (plain.status == VF_OK && all.total == stream.total)
            must(listed == VF_OK && whole.byte == plain.cursor.byte, "frames not found");
#endif
        free(plain.pixels);
    }
    must(vf_crc16_tables(data, size) == TRUE_CRC16(data, size), "the two CRC-16 differ");
    crc32(data, size);
    free(data);
    return 0;
}
