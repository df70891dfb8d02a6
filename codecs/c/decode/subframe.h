/* Subframes (RFC 9639 section 9.2): one channel of one frame. Knows predictors; must not know frames
   or where samples go. Samples are int64 here: a side channel may need 33 bits. */
#ifndef VF_SUBFRAME_H
#define VF_SUBFRAME_H

#include "common/bitreader.h"
#include "decode/rice.h"
#include "zarr_flac.h"

enum { VF_MAX_ORDER = 32 };

typedef enum { VF_CONSTANT, VF_VERBATIM, VF_PREDICTED } vf_kind;

typedef struct {
    vf_kind kind;
    uint8_t wasted; /* low bits that are 0 in all samples, and not coded */
    uint8_t depth;  /* bits of a coded sample: without the wasted ones, 1 to 33 */
    uint8_t order;  /* samples that a prediction looks at; a fixed predictor has coefficients too */
    bool fixed;     /* the coefficients are those of a fixed predictor */
    uint8_t shift;  /* by which the sum is divided */
    int16_t coefficients[VF_MAX_ORDER]; /* that of the newest sample first */
    int64_t first[VF_MAX_ORDER];        /* VF_CONSTANT: the one sample; VF_PREDICTED: warm-up */
    vf_residual residual;
} vf_subframe;

/* Read a subframe up to its samples (VF_VERBATIM) or residuals (VF_PREDICTED); VF_CONSTANT is
   complete then. depth: bits of a sample, 4 to 33. Moves bits on.
   VF_OK, VF_BAD_SUBFRAME, VF_BAD_RESIDUAL, VF_TRUNCATED. */
vf_status vf_subframe_open(vf_subframe *subframe, vf_bits *bits, uint32_t block_size,
                           unsigned depth);

/* Read the rest of an open subframe. Writes block_size samples to out, wasted bits put back. Moves
   bits on. VF_OK, VF_BAD_RESIDUAL, VF_TRUNCATED, VF_SAMPLE_OUT_OF_RANGE. */
vf_status vf_subframe_finish(vf_subframe *subframe, vf_bits *bits, uint32_t block_size,
                             int64_t *out);

/* Predict count samples behind the order ones in front of out, of residuals. Returns 0 when each fits
   the subframe's depth. */
uint64_t vf_predict(const vf_subframe *subframe, const int32_t *residuals, uint32_t count,
                    int64_t *out);

#endif
