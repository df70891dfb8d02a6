/* A libFuzzer target: predicted tiles. Any bytes as a description and numbers, decoded with each kernel of
   this CPU, which must agree; and any bytes as pixels, which must come back.

   Input and output live in blocks of exactly their size. The checksum of a description is made right, so
   that mutations get past it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zarr_flac.h"

enum { HEAD = 4, MOST_BYTES_OUT = 1 << 18, MOST_BANDS = 16 };
static const unsigned LANES[] = {1, 8, 16};

static void must(int fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "fuzz_predicted: %s\n", what);
        abort();
    }
}

static void *block(size_t size)
{
    void *memory = malloc(size ? size : 1);
    must(memory != NULL, "out of memory");
    return memory;
}

/* A hash of all that was encoded, and of what it became. */
static uint64_t hash = 0xCBF29CE484222325;

static void add_to_hash(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3;
}

/* Pixels of a tile, band after band. */
typedef struct {
    uint8_t *pixels, *bands[MOST_BANDS];
    size_t size;
    vf_raster raster;
} picture;

static void make_picture(picture *made, const vf_shape *tile)
{
    const size_t row = tile->width * vf_dtype_size(tile->dtype), band = row * tile->height;
    made->size = band * tile->band_count;
    made->pixels = block(made->size);
    memset(made->pixels, 0, made->size);
    for (uint32_t i = 0; i < tile->band_count; i++)
        made->bands[i] = made->pixels + i * band;
    made->raster = (vf_raster){.bands = made->bands, .row_stride = (ptrdiff_t)row};
}

/* Numbers as the frames of a stream, whatever they mean. */
typedef struct {
    uint8_t *frames;
    vf_stream stream;
} framed;

static framed put_in_frames(const void *numbers, unsigned depth, uint64_t total)
{
    const vf_framing framing = {.channels = 1, .depth = depth, .max_block_size = 4096,
                                .effort = vf_effort_of(0)};
    const vf_source source = {.pixels = numbers, .width = total, .pixel_stride = depth / 8,
                              .number = VF_SIGNED, .item_size = depth / 8, .depth = depth};
    framed made = {.frames = block(vf_stream_room(&framing, total))};
    vf_stream_facts facts;
    size_t size;
    must(vf_encode_stream(&framing, &source, total, false, made.frames, &size, &facts) == VF_OK,
         "no frames");
    made.stream = (vf_stream){.data = made.frames, .size = size,
                              .max_block_size = facts.block_size, .channels = 1, .depth = depth,
                              .total = total};
    return made;
}

/* Decode a tile with each kernel, over pixels that are there before. */
static void decode_all_ways(vf_stream stream, const uint8_t *description, size_t length,
                            const vf_shape *shape)
{
    picture first;
    vf_status said = VF_OK;
    for (size_t i = 0; i < sizeof LANES / sizeof *LANES; i++) {
        picture next;
        vf_cursor cursor;
        make_picture(&next, shape);
        stream.most_lanes = LANES[i];
        const vf_status status =
            vf_decode_tile(&stream, description, length, &next.raster, &cursor);
        if (i == 0) {
            first = next;
            said = status;
            continue;
        }
        must(status == said, "kernels differ in their verdict");
        must(said != VF_OK || !memcmp(first.pixels, next.pixels, first.size),
             "kernels differ in pixels");
        free(next.pixels);
    }
    free(first.pixels);
}

/* Whether the numbers have 32 bits stands in the first byte; the description's length in the next two. */
static void decode_any(const uint8_t *data, size_t size)
{
    const unsigned depth = data[0] & 2 ? 32 : 16;
    size_t length = (size_t)(data[1] | data[2] << 8);
    data += HEAD;
    size -= HEAD;
    length = length < size ? length : size;
    uint8_t *description = block(length + 4);
    memcpy(description, data, length);
    const uint32_t checksum = vf_crc32(0, description, length);
    for (unsigned i = 0; i < 4; i++)
        description[length + i] = (uint8_t)(checksum >> (24 - 8 * i));
    vf_shape shape;
    const uint64_t total = (size - length) / (depth / 8);
    if (vf_describe_tile(description, length + 4, &shape) == VF_OK && total &&
        shape.band_count <= MOST_BANDS &&
        shape.width * shape.height * vf_dtype_size(shape.dtype) <= MOST_BYTES_OUT / shape.band_count) {
        const framed numbers = put_in_frames(data + length, depth, total);
        decode_all_ways(numbers.stream, description, length + 4, &shape);
        free(numbers.frames);
    }
    free(description);
}

static void encode_any(const uint8_t *data, size_t size)
{
    const vf_dtype dtype = (vf_dtype)(data[1] % VF_DTYPE_COUNT);
    const unsigned effort = data[0] >> 2 & 7, bands = 1 + data[2] % 3, item = vf_dtype_size(dtype);
    const uint64_t width = 1 + data[3] % 67;
    data += HEAD;
    size -= HEAD;
    const uint64_t height = size / (width * item * bands);
    if (!height)
        return;
    const size_t band = width * height * item;
    uint8_t *pixels = block(band * bands);
    memcpy(pixels, data, band * bands);
    for (size_t i = 0; dtype == VF_BOOL && i < band * bands; i++)
        pixels[i] &= 1;
    const uint8_t *places[3];
    for (unsigned i = 0; i < bands; i++)
        places[i] = pixels + i * band;
    const vf_picture source = {.bands = places, .row_stride = (ptrdiff_t)(width * item)};
    const vf_shape shape = {dtype, width, height, bands};
    vf_shape said;
    vf_encoded made;
    must(vf_encode_tile(&shape, &source, effort, false, &made) == VF_OK, "not encoded");
    must(vf_describe_tile(made.description, made.description_size, &said) == VF_OK &&
             said.dtype == dtype && said.width == width && said.height == height &&
             said.band_count == bands,
         "a wrong description");
    picture back;
    make_picture(&back, &shape);
    must(back.size == band * bands, "another size");
    for (size_t i = 0; i < sizeof LANES / sizeof *LANES; i++) {
        memset(back.pixels, 0xAA, back.size);
        const vf_stream stream = {.data = made.frames, .size = made.frames_size,
                                  .max_block_size = made.facts.block_size, .channels = 1,
                                  .depth = made.depth, .total = made.total,
                                  .most_lanes = LANES[i]};
        vf_cursor cursor;
        must(vf_decode_tile(&stream, made.description, made.description_size, &back.raster,
                            &cursor) == VF_OK,
             "not decoded");
        must(!memcmp(back.pixels, pixels, back.size), "other pixels");
    }
    add_to_hash(made.description, made.description_size);
    add_to_hash(made.frames, made.frames_size);
    add_to_hash(back.pixels, back.size);
    free(back.pixels);
    free(pixels);
    vf_encoded_free(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > HEAD)
        (data[0] & 1 ? encode_any : decode_any)(data, size);
    return 0;
}
