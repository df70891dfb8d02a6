/* Predicted tiles as streams: frames <-> pixels. The two halves of a tile, its numbers and its description,
   come together here. Must not know metadata blocks. */
#include "zarr_flac.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "predicted/decode.h"
#include "predicted/encode.h"

enum {
    BLOCK_SIZE = 4096,
    LEAST_PARTITION = 64,       /* numbers in a partition, and what their count is a multiple of */
    LEAST_OF_HIGH_EFFORT = 16,
    HIGH_EFFORT = 7,
};

vf_status vf_describe_tile(const uint8_t *description, size_t size, vf_shape *shape)
{
    vf_predicted tile;
    const vf_status status = vf_predicted_parse(description, size, &tile);
    if (status == VF_OK) {
        *shape = (vf_shape){tile.dtype, tile.width, tile.height, tile.band_count};
        vf_predicted_free(&tile);
    }
    return status;
}

static vf_status decode_numbers(const vf_stream *stream, const vf_predicted *tile,
                                const vf_raster *raster, vf_cursor *cursor)
{
    if ((stream->depth != 16 && stream->depth != 32) || stream->channels != 1 || !stream->total ||
        stream->total < tile->numbers || stream->total - tile->numbers > VF_MAX_PADDING)
        return VF_BAD_NUMBERS;
    const size_t size = stream->depth / 8;
    const size_t slack = vf_predicted_slack(tile) * size;
    uint8_t *numbers = malloc(stream->total * size + slack);
    if (!numbers)
        return VF_NO_MEMORY;
    const vf_sink sink = {.planes = {numbers}, .width = stream->total,
                          .row_stride = (ptrdiff_t)(stream->total * size),
                          .item_size = (unsigned)size};
    vf_status status = vf_decode_stream(stream, &sink, cursor);
    if (status == VF_OK) {
        memset(numbers + stream->total * size, 0, slack);
        status = vf_predicted_decode(tile, numbers, stream->depth, stream->total, raster,
                                     stream->most_lanes);
    }
    free(numbers);
    return status;
}

vf_status vf_decode_tile(const vf_stream *stream, const uint8_t *description, size_t size,
                         const vf_raster *raster, vf_cursor *cursor)
{
    vf_predicted tile;
    *cursor = (vf_cursor){.byte = stream->first_frame};
    vf_status status = vf_predicted_parse(description, size, &tile);
    if (status == VF_OK) {
        status = decode_numbers(stream, &tile, raster, cursor);
        vf_predicted_free(&tile);
    }
    return status;
}

/* Zeros up to a whole number of partitions. */
static void pad(vf_numbers *numbers)
{
    const uint64_t rest = numbers->count % LEAST_PARTITION;
    const uint64_t zeros = numbers->count == 0 ? LEAST_OF_HIGH_EFFORT
                           : rest              ? LEAST_PARTITION - rest
                                               : 0;
    memset(numbers->items + numbers->count * numbers->size, 0, zeros * numbers->size);
    numbers->count += zeros;
}

static vf_status encode_frames(const vf_numbers *numbers, unsigned effort, bool md5,
                               vf_encoded *encoded)
{
    const vf_framing framing = {
        .channels = 1, .depth = encoded->depth,
        .max_block_size = numbers->count < BLOCK_SIZE ? (uint32_t)numbers->count : BLOCK_SIZE,
        .effort = {.fixed_orders = 1, .fixed_trials = 1, .partition_order = 8,
                   .least_partition = effort < HIGH_EFFORT ? LEAST_PARTITION : LEAST_OF_HIGH_EFFORT,
                   .escapes = true}};
    const vf_source source = {.pixels = numbers->items, .width = numbers->count,
                              .pixel_stride = numbers->size, .number = VF_SIGNED,
                              .item_size = numbers->size, .depth = encoded->depth};
    const size_t room = vf_stream_room(&framing, numbers->count);
    encoded->total = numbers->count;
    encoded->frames = room == SIZE_MAX ? NULL : malloc(room);
    if (!encoded->frames)
        return VF_NO_MEMORY;
    return vf_encode_stream(&framing, &source, numbers->count, md5, encoded->frames,
                            &encoded->frames_size, &encoded->facts);
}

vf_status vf_encode_tile(const vf_shape *shape, const vf_picture *picture, unsigned effort, bool md5,
                         vf_encoded *encoded)
{
    vf_predicted tile = {.dtype = shape->dtype, .width = shape->width, .height = shape->height,
                         .band_count = shape->band_count};
    vf_numbers numbers = {0};
    *encoded = (vf_encoded){0};
    void *room = NULL;
    vf_status status = vf_predicted_encode(&tile, picture, effort, &numbers, &room);
    if (status == VF_OK) {
        encoded->depth = 8 * numbers.size;
        encoded->description = malloc(vf_predicted_room(&tile));
        status = encoded->description ? VF_OK : VF_NO_MEMORY;
    }
    if (status == VF_OK) {
        pad(&numbers);
        encoded->description_size = vf_predicted_pack(&tile, encoded->description);
        status = encode_frames(&numbers, effort, md5, encoded);
    }
    vf_free_lines(room);
    vf_predicted_free(&tile);
    if (status != VF_OK)
        vf_encoded_free(encoded);
    return status;
}

void vf_encoded_free(vf_encoded *encoded)
{
    free(encoded->description);
    free(encoded->frames);
    encoded->description = encoded->frames = NULL;
}
