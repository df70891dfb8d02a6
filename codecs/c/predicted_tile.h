/* Predicted tiles as streams: frames <-> pixels. The two halves of a tile, its numbers and its description,
   come together here. Must not know metadata blocks. */
#ifndef VF_PREDICTED_TILE_H
#define VF_PREDICTED_TILE_H

#include "cursor.h"
#include "encode_stream.h"
#include "predicted.h"
#include "predicted_decode.h"
#include "predicted_values.h"

/* Decode the frames of a tile to pixels. `stream` is as for vf_decode_stream(), except that channels, depth
   and total are those of the numbers: 1, 16 or 32, and what STREAMINFO says. *cursor says where the frames
   ended, well or not. VF_BAD_NUMBERS when the numbers do not fit the description. Allocates the numbers,
   whose count the description bounds, and what vf_predicted_decode() takes. */
vf_status vf_decode_predicted(const vf_stream *stream, const vf_predicted *tile,
                              const vf_raster *raster, vf_cursor *cursor);

/* What encoding a tile makes; free it with vf_encoded_free(). */
typedef struct {
    uint8_t *description, *frames;
    size_t description_size, frames_size;
    unsigned depth;
    uint64_t total; /* numbers in the stream */
    vf_stream_facts facts;
} vf_encoded;

/* Encode a tile of width x height pixels and band_count bands of a dtype, all within their ranges (see
   codecs/README.md). effort: 0, fast, to 8. md5: of the numbers, for STREAMINFO. VF_OK or VF_NO_MEMORY, and
   then nothing is owned. */
vf_status vf_encode_predicted(vf_dtype dtype, uint64_t width, uint64_t height, uint32_t band_count,
                              const vf_picture *picture, unsigned effort, bool md5,
                              vf_encoded *encoded);
void vf_encoded_free(vf_encoded *encoded);

#endif
