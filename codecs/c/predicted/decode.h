/* Predicted tiles: the numbers of a stream -> pixels in the caller's array. Knows no frames. */
#ifndef VF_PREDICTED_DECODE_H
#define VF_PREDICTED_DECODE_H

#include "predicted/description.h"

/* How many numbers more than the stream holds must be readable behind them. */
size_t vf_predicted_slack(const vf_predicted *tile);

/* Decode the numbers of a whole stream: `total` of them, of `depth` 16 or 32 bits (int16_t, int32_t), with
   vf_predicted_slack() more behind them, whatever they are. The memory taken is some four rows of a band
   and, where other planes refer to one, that plane. Each pixel is written once. most_lanes: of the
   vectors used; 0: what this CPU likes. VF_BAD_NUMBERS or VF_SAMPLE_OUT_OF_RANGE when the numbers do not fit
   the description; pixels may have been written then. */
vf_status vf_predicted_decode(const vf_predicted *tile, const void *numbers, unsigned depth,
                              uint64_t total, const vf_raster *raster,
                              unsigned most_lanes);

#endif
