#include "predicted/decode.h"

#include <stdlib.h>
#include <string.h>

#include "predicted/pixels.h"
#include "predicted/rows.h"

/* The row that was written becomes the one above, and so on. */
static void rotate(uint16_t *rows[3])
{
    uint16_t *last = rows[2];
    rows[2] = rows[1];
    rows[1] = rows[0];
    rows[0] = last;
}

/* Whether the prediction is the value above. */
static bool is_north(const vf_plane *plane)
{
    return plane->linear && plane->taps[VF_TAP_N] == 256 && !plane->taps[VF_TAP_W] &&
           !plane->taps[VF_TAP_NW] && !plane->taps[VF_TAP_NE] && !plane->taps[VF_TAP_WW] &&
           !plane->taps[VF_TAP_NN];
}

#define NUMBER int16_t
#define NUMBER_MAX INT16_MAX
#define UNSIGNED uint16_t
#define SUM int32_t
#define NAME(x) x##16
#include "predicted/decode_of.h"
#undef NUMBER
#undef NUMBER_MAX
#undef UNSIGNED
#undef SUM
#undef NAME

#define NUMBER int32_t
#define NUMBER_MAX INT32_MAX
#define UNSIGNED uint32_t
#define SUM int64_t
#define NAME(x) x##32
#include "predicted/decode_of.h"
#undef NUMBER
#undef NUMBER_MAX
#undef UNSIGNED
#undef SUM
#undef NAME

size_t vf_predicted_slack(const vf_predicted *tile)
{
    return tile->width + VF_MARGIN;
}

vf_status vf_predicted_decode(const vf_predicted *tile, const void *numbers, unsigned depth,
                              uint64_t total, const vf_raster *raster,
                              unsigned most_lanes)
{
    const vf_row_kernel *kernel = vf_best_rows(most_lanes);
    if (total < tile->numbers || total - tile->numbers > VF_MAX_PADDING)
        return VF_BAD_NUMBERS;
    return depth == 16 ? decode16(tile, numbers, total, depth, raster, kernel)
                       : decode32(tile, numbers, total, depth, raster, kernel);
}
