/* One channel of one frame, from samples to bits: which of the four kinds of subframe, and how. What
   decode/subframe.h reads. Must not know frames. */
#ifndef VF_ENCODE_SUBFRAME_H
#define VF_ENCODE_SUBFRAME_H

#include "encode/linear.h"
#include "encode/partitions.h"
#include "decode/subframe.h"

/* What does not change from frame to frame. */
typedef struct {
    const vf_loops *loops;
    vf_effort effort;
    uint32_t windows_for;    /* the block size that the windows are made for; 0: none yet */
    uint16_t *windows[VF_WINDOWS];
    int32_t *steps;          /* from each sample to the next one */
    int32_t *windowed;       /* VF_AHEAD zeros in front of them */
    int16_t *small;          /* the samples once more where 16 bits do; VF_AHEAD and VF_BEHIND as there */
    uint32_t *trial;         /* folded residuals of a predictor that is tried */
    vf_partitions trial_partitions;
    vf_analysis analysis;
    vf_tally tally;
} vf_bench;

/* How a subframe is to be written. */
typedef struct {
    vf_kind kind;
    uint8_t depth;    /* of a sample, less wasted bits */
    uint8_t wasted;
    bool fixed;
    vf_linear linear; /* VF_PREDICTED: order, and the rest unless fixed */
    uint32_t count;
    uint64_t bits;    /* of the whole subframe */
    int32_t *samples; /* without wasted bits; VF_AHEAD items in front and VF_BEHIND behind may be read */
    uint32_t *folded; /* residuals; VF_BEHIND items behind them may be overwritten */
    vf_partitions partitions;
} vf_plan;

/* Find out how count samples of `depth` bits, 4 to 32, are best stored. The plan's arrays are the caller's,
   for max_block_size samples each. */
void vf_plan_subframe(vf_bench *bench, const int32_t *samples, uint32_t count, unsigned depth,
                      vf_plan *plan);

/* Write what was planned. */
void vf_write_subframe(const vf_loops *loops, vf_bitwriter *writer, const vf_plan *plan);

#endif
