/* Several frames at once: what group.c (which frames) and lanes_avx2.c (how) share. Private to them.

   Frames are independent, so up to eight are decoded side by side, one in each *lane*: their Rice
   codes are read in turn, which hides the serial chain of one bit reader behind the seven others, and
   their samples are predicted together, one lane in each column of a vector. A *row* is the samples
   of the same place in all eight frames. */
#ifndef VF_LANES_H
#define VF_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "header.h"
#include "subframe.h"

enum {
    VF_LANES = 8,
    VF_ROWS = 128,          /* rows in work at a time: all of it stays in the first-level cache */
    VF_HISTORY = 32,        /* rows kept in front of them for the predictors */
    VF_FEWEST_LANES = 3,    /* with fewer the scalar way is as fast */
    VF_SMALLEST_BLOCK = 64, /* shorter frames go the scalar way */
    VF_LARGEST_PARAMETER = 26, /* of a Rice code the lanes read: 32 bits hold every code of a window */
};

/* In a row of codes lane l has slot l; in all other rows it has column VF_COLUMN[l]. That is where
   the two halves of a slot end up when a whole row is taken apart. It is its own inverse. */
extern const uint8_t VF_COLUMN[VF_LANES];

/* A Rice code, half decoded: the zeros in front of the stop bit in the low 32 bits; in the high ones
   the stop bit, at the top, and what follows it. */
typedef uint64_t vf_code;

/* Which predictor: by what the lanes' samples and sums need. */
typedef enum {
    VF_NARROW, /* samples of 16 bits, sums of 32 */
    VF_MIDDLE, /* samples and sums of 32 bits */
    VF_WIDE,   /* doubles, which hold every sum */
} vf_predictor;

/* One channel of up to eight frames. */
typedef struct {
    /* A row of codes for each row of samples. */
    _Alignas(64) vf_code codes[VF_ROWS * VF_LANES];
    /* Narrow samples, two to an item: one row's in the high half, that of the row before below. */
    _Alignas(64) uint32_t pairs[(VF_HISTORY + VF_ROWS + 16) * VF_LANES];
    /* Samples as they are; the wide predictor keeps them as doubles, too. */
    _Alignas(64) int32_t whole[(VF_HISTORY + VF_ROWS + 8) * VF_LANES];
    _Alignas(64) double wide[(VF_HISTORY + VF_ROWS) * VF_LANES];
    /* The samples of each lane in a row of its own: what leaves. */
    _Alignas(64) int16_t out16[VF_LANES][VF_ROWS + 16];
    _Alignas(64) int32_t out32[VF_LANES][VF_ROWS + 8];

    /* Per column: what the vectors need. */
    _Alignas(32) uint32_t parameter[VF_LANES];
    _Alignas(32) uint32_t shift[VF_LANES];
    _Alignas(32) uint32_t newest[VF_LANES]; /* coefficient of the newest sample */
    _Alignas(32) uint32_t older[VF_HISTORY / 2][VF_LANES]; /* of the others, two by two */
    _Alignas(32) int32_t whole_taps[VF_HISTORY][VF_LANES]; /* coefficients, newest sample first */
    _Alignas(64) double wide_taps[VF_HISTORY][VF_LANES];   /* the same by 2**-shift */
    _Alignas(32) int32_t least[VF_LANES], most[VF_LANES]; /* extremes of all samples so far */
    _Alignas(64) double least_wide[VF_LANES], most_wide[VF_LANES];

    /* Per lane: its bit reader. */
    const uint8_t *data;
    uint64_t size;
    uint64_t position[VF_LANES];
    uint32_t code_bits[VF_LANES]; /* Rice parameter + 1: bits of a code behind its zeros */
    uint32_t slow;                /* how often a window was too short for its codes */
    int caution;                  /* by how much fewer codes a window is trusted with */
} vf_lanes;

/* Whether this CPU can. */
bool vf_lanes_supported(void);

/* Read Rice codes of every lane and predict samples from them: rows from `row` on, count of them.
   order: the largest of any lane. False when the data ends, or holds a code that is no residual. */
bool vf_lanes_run(vf_lanes *lanes, uint32_t row, uint32_t count, unsigned order, vf_predictor by);

/* Predict only: the codes are there. */
void vf_lanes_predict(vf_lanes *lanes, uint32_t row, uint32_t count, unsigned order,
                      vf_predictor by);

/* Lay the first count rows out lane by lane: in out16 when they are VF_NARROW, else in out32. */
void vf_lanes_turn(vf_lanes *lanes, uint32_t count, vf_predictor by);

/* Keep the last rows of a full VF_ROWS as the history of the next ones. */
void vf_lanes_move_on(vf_lanes *lanes, vf_predictor by);

#endif
