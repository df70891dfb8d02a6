/* Linear predictors: from samples to coefficients of whole numbers (RFC 9639 section 9.2.6). Must not know
   how residuals are stored.

   The only arithmetic of an encoder that is not of whole numbers stands here: doubles, in an order that is
   written down, without functions that round differently from one machine to the next. So the same samples
   become the same bytes everywhere, as long as no compiler joins multiplications with additions
   (-ffp-contract=off), or does without IEEE 754 (-ffast-math). */
#ifndef VF_LINEAR_H
#define VF_LINEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "encode/loops.h"

typedef struct {
    uint8_t order;
    uint8_t precision; /* bits of a coefficient, 1 to 15 */
    uint8_t shift;     /* of the sum, 0 to 15 */
    int32_t taps[VF_MOST_TAPS]; /* that of the newest sample first, zeros behind */
    double bits; /* expected of a residual */
} vf_linear;

enum { VF_WINDOWS = 6, VF_WINDOW_BITS = 15 };

/* What an analysis looks at. */
typedef struct {
    uint32_t first, count; /* samples of the block; the others count as zeros */
    bool steps; /* not at samples, but at how far each is from the one before */
} vf_view;

vf_view vf_window_view(unsigned window, uint32_t block_size);

/* Write the window for its part of a block: as many numbers as its view has, up to 1 << VF_WINDOW_BITS. */
void vf_make_window(unsigned window, uint32_t block_size, uint16_t *out);

/* What an analysis found: predictors of all orders from 1 to `orders`, [order - 1]. */
typedef struct {
    unsigned orders;
    bool steps; /* predictors of steps: they become predictors of samples with a tap more, which add up to 1 */
    double correlation[VF_MOST_TAPS + 1]; /* for each lag, as of one number */
    double taps[VF_MOST_TAPS][VF_MOST_TAPS];
    double error[VF_MOST_TAPS]; /* the mean square of residuals */
    double bits[VF_MOST_TAPS];  /* expected of a residual */
} vf_analysis;

/* Find predictors from an autocorrelation for lags up to `orders`, of `count` numbers times 2**scale. */
void vf_analyse(const int64_t *autocorrelation, unsigned orders, uint32_t count, int scale,
                bool steps, vf_analysis *analysis);

/* Round the coefficients of an analysis to whole numbers of `precision` bits, 2 to 15, or fewer: where
   samples have 20 bits or fewer, sums must fit 32 bits, which decoders are fast with. depth: bits of a
   sample. False when they do not make a predictor. */
bool vf_round_taps(const vf_analysis *analysis, unsigned order, unsigned precision, unsigned depth,
                   vf_linear *linear);

#endif
