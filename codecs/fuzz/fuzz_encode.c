/* A libFuzzer target: pixels of any type, encoded with any effort, come back from the decoder.

   The input says how to encode, and then has the pixels, which a generator makes of its bytes: as they are,
   summed up, repeated or mostly equal. All loops of this CPU must come to the same bytes. Pixels and output
   live in blocks of exactly their size, so that AddressSanitizer sees a single byte too many. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zarr_flac.h"

enum { PARAMETERS = 24, MOST_PIXELS = 1 << 13 };

static void must(int fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "fuzz_encode: %s\n", what);
        abort();
    }
}

static void *get_memory(size_t size)
{
    void *memory = malloc(size);
    must(memory != NULL, "out of memory");
    return memory;
}

/* ---- What to encode ---------------------------------------------------------------------------- */

typedef struct {
    vf_framing framing;
    vf_source source;
    uint64_t total;
    unsigned planes;
    uint8_t *memory;  /* of the pixels, and what lies between them */
    uint64_t *values; /* the pixels, plane by plane, in as many bits as they have */
} subject;

static const struct {
    uint8_t size, number;
} TYPES[] = {{1, VF_SIGNED}, {2, VF_SIGNED}, {4, VF_SIGNED}, {8, VF_SIGNED},
             {1, VF_UNSIGNED}, {2, VF_UNSIGNED}, {4, VF_UNSIGNED}, {8, VF_UNSIGNED},
             {2, VF_FLOAT}, {4, VF_FLOAT}, {8, VF_FLOAT}, {2, VF_SIGNED}};

/* Pixel number i of so many bits, made of the bytes at data. */
static uint64_t make_pixel(unsigned kind, unsigned bits, const uint8_t *data, size_t size, uint64_t i,
                           uint64_t last)
{
    uint64_t raw = 0;
    for (unsigned byte = 0; size && byte < (bits + 7) / 8; byte++)
        raw = raw << 8 | data[(i * ((bits + 7) / 8) + byte) % size];
    const uint64_t each = size ? data[i % size] : 0;
    switch (kind % 6) {
    case 0: return raw;
    case 1: return last + each - 128;                 /* a walk */
    case 2: return last + (each - 128) * (each - 128) * (each - 128); /* with jumps */
    case 3: return each > 250 ? raw : 7;              /* spikes */
    case 4: return each & 1 ? 0 : (uint64_t)1 << (bits - 1); /* extremes */
    default: return raw << (bits / 3);                /* wasted bits */
    }
}

static void choose_effort(const uint8_t *p, vf_effort *effort)
{
    *effort = vf_effort_of(p[0] % (VF_MOST_EFFORT + 1u));
    if (p[0] < 128)
        return;
    *effort = (vf_effort){
        .fixed_orders = p[1] & 31,
        .fixed_trials = p[2] % 6,
        .linear_order = p[3] % 33,
        .windows = p[4] % 7,
        .linear_trials = p[5] % 4,
        .precision_trials = p[6] % 3,
        .partition_order = p[7] % 9,
        .least_partition = (uint16_t)(16 + p[8] % 100),
        .escapes = p[9] & 1,
        .stereo = p[9] & 2,
        .stereo_trials = p[9] & 4,
    };
}

/* Lay the pixels out with gaps, in rows that run in any direction. */
static void lay_out(subject *s, const uint8_t *p, unsigned size, unsigned kind, const uint8_t *data,
                    size_t data_size)
{
    const uint64_t width = s->source.width, rows = (s->total + width - 1) / width;
    const uint64_t pixel = size + (p[0] & 1 ? 3 : 0), row = width * pixel + (p[0] & 2 ? 5 : 0);
    const uint64_t plane = rows * row, odd = p[0] >> 2 & 1;
    const unsigned bits = s->source.depth < 8 * size && size < 8 ? s->source.depth : 8 * size;
    s->memory = get_memory(plane * s->planes + odd);
    s->values = get_memory(s->total * s->planes * sizeof *s->values);
    memset(s->memory, 0x5A, plane * s->planes + odd);
    uint8_t *first = s->memory + odd;
    s->source.plane_stride = (ptrdiff_t)plane;
    s->source.row_stride = (ptrdiff_t)row;
    s->source.pixel_stride = (ptrdiff_t)pixel;
    if (p[0] & 8) { /* upside down */
        first += (rows - 1) * row;
        s->source.row_stride = -s->source.row_stride;
    }
    s->source.pixels = first;
    uint64_t last = 0;
    for (unsigned channel = 0; channel < s->planes; channel++)
        for (uint64_t i = 0; i < s->total; i++) {
            uint64_t value = make_pixel(kind, bits, data, data_size, i + channel, last);
            if (bits < 64)
                value &= ((uint64_t)1 << bits) - 1;
            if (bits < 8 * size && s->source.number == VF_SIGNED) /* a negative number of fewer bits */
                value = (uint64_t)((int64_t)(value << (64 - bits)) >> (64 - bits));
            last = value;
            if (size < 8)
                value &= ((uint64_t)1 << 8 * size) - 1;
            s->values[channel * s->total + i] = value;
            uint8_t *to = first + (ptrdiff_t)channel * s->source.plane_stride +
                          (ptrdiff_t)(i / width) * s->source.row_stride +
                          (ptrdiff_t)(i % width) * s->source.pixel_stride;
            const unsigned big = (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) != s->source.swapped;
            for (unsigned byte = 0; byte < size; byte++)
                to[big ? size - 1 - byte : byte] = (uint8_t)(value >> 8 * byte);
        }
}

static subject read_subject(const uint8_t *p, const uint8_t *data, size_t size)
{
    subject s = {0};
    const unsigned type = p[0] % (sizeof TYPES / sizeof *TYPES);
    const unsigned item = TYPES[type].size, own = item < 4 ? 8 * item : 32;
    const bool all_bits = item == 8 || TYPES[type].number == VF_FLOAT;
    const unsigned most = item == 8 ? 4 : 8;
    s.planes = p[1] % 4 ? 1u + p[1] / 4u % 2 : 1 + p[1] / 4 % most;
    s.total = 1 + ((uint64_t)p[2] << 8 | p[3]) % (MOST_PIXELS / s.planes);
    s.source.number = (vf_number)TYPES[type].number;
    s.source.item_size = item;
    s.source.depth = all_bits || p[4] < 128 ? own : 4 + p[4] % (own - 3);
    s.source.swapped = p[5] & 1 && item > 1;
    s.source.width = 1 + ((uint64_t)p[6] << 8 | p[7]) % s.total;
    s.framing.channels = s.planes * vf_source_channels(&s.source);
    s.framing.depth = s.source.depth;
    s.framing.max_block_size = p[8] < 128 ? 4096 >> p[8] % 9 : 16 + (p[8] << 8 | p[9]) % 5000;
    s.framing.variable = p[5] & 2;
    choose_effort(p + 10, &s.framing.effort);
    lay_out(&s, p + 21, item, p[22], data, size);
    return s;
}

/* The sample of a channel that a pixel stands for, by the specification. */
static int32_t sample_of(const subject *s, unsigned channel, uint64_t i)
{
    const unsigned size = s->source.item_size, bits = 8 * size;
    const unsigned plane = channel / vf_source_channels(&s->source);
    const uint64_t value = s->values[plane * s->total + i], sign = value >> (bits - 1) & 1;
    uint64_t sorted = value;
    if (s->source.number == VF_FLOAT && sign)
        sorted = value ^ (((uint64_t)1 << (bits - 1)) - 1);
    if (size == 8) {
        const uint32_t half = (uint32_t)(channel % 2 ? sorted : sorted >> 32);
        return (int32_t)(channel % 2 || s->source.number == VF_UNSIGNED ? half ^ 0x80000000 : half);
    }
    if (s->source.number == VF_UNSIGNED)
        return (int32_t)(uint32_t)(value - ((uint64_t)1 << (s->source.depth - 1)));
    return (int32_t)((int64_t)(sorted << (64 - bits)) >> (64 - bits));
}

/* ---- What came of it --------------------------------------------------------------------------- */

typedef struct {
    uint64_t position;
    uint32_t count, least, most;
} listing;

static bool list_frame(void *context, const vf_found *frame)
{
    listing *seen = context;
    must(frame->first == seen->position, "frames do not follow each other");
    seen->position += frame->block_size;
    seen->count++;
    seen->least = frame->length < seen->least ? (uint32_t)frame->length : seen->least;
    seen->most = frame->length > seen->most ? (uint32_t)frame->length : seen->most;
    return true;
}

static void check(const subject *s, const uint8_t *frames, size_t size, const vf_stream_facts *facts)
{
    vf_stream stream = {
        .data = frames,
        .size = size,
        .min_block_size = s->framing.variable ? VF_LEAST_BLOCK : facts->block_size,
        .max_block_size = facts->block_size,
        .channels = s->framing.channels,
        .depth = s->framing.depth,
        .total = s->total,
        .must_end = true,
    };
    int32_t *samples = get_memory(s->total * s->framing.channels * sizeof *samples);
    for (unsigned lanes = 0; lanes < 2; lanes++) { /* as many as there are, and none */
        vf_sink sink = {.width = s->total, .item_size = 4, .row_stride = (ptrdiff_t)s->total * 4};
        vf_cursor cursor;
        for (unsigned channel = 0; channel < s->framing.channels; channel++)
            sink.planes[channel] = (uint8_t *)(samples + channel * s->total);
        stream.most_lanes = lanes;
        must(vf_decode_stream(&stream, &sink, &cursor) == VF_OK, "what was encoded is refused");
        must(cursor.byte == size, "something behind the last frame");
        for (unsigned channel = 0; channel < s->framing.channels; channel++)
            for (uint64_t i = 0; i < s->total; i++)
                must(samples[channel * s->total + i] == sample_of(s, channel, i), "another sample");
    }
    free(samples);

    listing seen = {.least = UINT32_MAX};
    vf_scan scan = {0};
    vf_finder finder = {list_frame, &seen};
    must(vf_scan_frames(&stream, true, &scan, &finder) == VF_OK, "frames are not found");
    must(seen.position == s->total, "other frames than encoded");
    must(seen.least == facts->min_frame_size && seen.most == facts->max_frame_size,
         "STREAMINFO has other frame sizes");
}

/* A hash of everything that was encoded. */
static uint64_t encoded = 0xCBF29CE484222325;

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < PARAMETERS)
        return 0;
    subject s = read_subject(input, input + PARAMETERS, size - PARAMETERS);
    const size_t room = vf_stream_room(&s.framing, s.total);
    uint8_t *best = get_memory(room), *frames = get_memory(room);
    size_t best_size = 0;
    for (unsigned way = 0; way < vf_loop_count(); way++) {
        vf_stream_facts facts;
        size_t frames_size;
        s.framing.skipped_loops = way;
        must(vf_encode_stream(&s.framing, &s.source, s.total, input[23] & 1, frames, &frames_size,
                              &facts) == VF_OK,
             "not encoded");
        must(frames_size <= room, "more than there is room for");
        if (way == 0) {
            check(&s, frames, frames_size, &facts);
            memcpy(best, frames, best_size = frames_size);
        }
        must(frames_size == best_size && !memcmp(frames, best, best_size), "ways to encode differ");
    }
    for (size_t i = 0; i < best_size; i++)
        encoded = (encoded ^ best[i]) * 0x100000001B3;
    free(best);
    free(frames);
    free(s.memory);
    free(s.values);
    return 0;
}
