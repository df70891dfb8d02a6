/* Several frames at once: what decode/group.c (which frames), decode/lanes.c (in what steps) and the kernels
   (decode/lanes_avx2.c, decode/lanes_avx512.c, decode/lanes_neon.c: how) share. Private to them.

   Frames are independent, so up to 16 are decoded side by side, one in each *lane*: their Rice codes
   are read in turn, which hides the serial chain of one bit reader behind those of the others, and
   their samples are predicted together, one lane in each column of a vector. A *row* is the samples
   of the same place in all frames. */
#ifndef VF_LANES_H
#define VF_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/header.h"
#include "decode/subframe.h"

/* Every 64-bit ARM has NEON, unless the compiler was told to do without. */
#if defined(__aarch64__) && defined(__ARM_NEON) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define VF_HAS_NEON 1
#else
#define VF_HAS_NEON 0
#endif

enum {
    VF_MOST_LANES = 16,
    VF_ROWS = 256,          /* rows in work at a time: all of it stays in the first-level cache */
    VF_HISTORY = 32,        /* rows kept in front of them for the predictors */
    VF_CODES_ROW = 64,      /* bytes of a row of codes */
    VF_FEWEST_LANES = 3,    /* with fewer the scalar way is as fast */
    VF_SMALLEST_BLOCK = 64, /* shorter frames go the scalar way */
    VF_LARGEST_PARAMETER = 26, /* of a Rice code the lanes read: 32 bits hold every code of a window */
    VF_WINDOW_BYTES = 8,    /* that a step may use of a lane, all its codes together */
};

/* Which predictor: by what the lanes' samples and sums need. */
typedef enum {
    VF_NARROW, /* samples of 16 bits, sums of 32 */
    VF_MIDDLE, /* samples and sums of 32 bits */
    VF_WIDE,   /* doubles, which hold every sum */
} vf_predictor;

typedef struct vf_kernel vf_kernel;

/* One channel of a group of frames. Where a row is said to have a column for each lane, these are as
   many as the kernel has, not VF_MOST_LANES. */
typedef struct {
    /* Rice codes, a row for each row of samples: in what form is the kernel's own business. */
    _Alignas(64) uint8_t codes[VF_ROWS * VF_CODES_ROW];
    /* Rows of narrow samples, two to an item: one row's in the high half, that of the row before
       below. */
    _Alignas(64) uint32_t pairs[(VF_HISTORY + VF_ROWS + 16) * VF_MOST_LANES];
    /* Rows of samples as they are; the wide predictor keeps them as doubles, too. */
    _Alignas(64) int32_t whole[(VF_HISTORY + VF_ROWS + 8) * VF_MOST_LANES];
    _Alignas(64) double wide[(VF_HISTORY + VF_ROWS) * VF_MOST_LANES];
    /* The samples of each lane in a row of its own: what leaves. */
    _Alignas(64) int16_t out16[VF_MOST_LANES][VF_ROWS + 16];
    _Alignas(64) int32_t out32[VF_MOST_LANES][VF_ROWS + 8];

    /* Per column: what the vectors need. */
    _Alignas(64) uint32_t parameter[VF_MOST_LANES];
    _Alignas(64) uint32_t shift[VF_MOST_LANES];
    _Alignas(64) uint32_t newest[VF_MOST_LANES]; /* coefficient of the newest sample */
    _Alignas(64) uint32_t older[VF_HISTORY / 2][VF_MOST_LANES]; /* of the others, two by two */
    _Alignas(64) int32_t whole_taps[VF_HISTORY][VF_MOST_LANES]; /* coefficients, newest first */
    _Alignas(64) double wide_taps[VF_HISTORY][VF_MOST_LANES];   /* the same by 2**-shift */
    _Alignas(64) int32_t least[VF_MOST_LANES], most[VF_MOST_LANES]; /* extremes of all samples */
    _Alignas(64) double least_wide[VF_MOST_LANES], most_wide[VF_MOST_LANES];

    /* Per lane: its bit reader. */
    const uint8_t *data;
    uint64_t size;
    _Alignas(64) uint64_t position[VF_MOST_LANES];
    _Alignas(64) uint64_t code_bits[VF_MOST_LANES]; /* Rice parameter + 1: a code behind its zeros */
    uint32_t slow;                /* how often a window was too short for its codes */
    int caution;                  /* by how much fewer codes a window is trusted with */

    const vf_kernel *kernel;
} vf_lanes;

/* How many codes a step may read of each lane: these numbers, by index. */
enum { VF_TRUSTS = 5 };
extern const uint8_t VF_CODES_OF[VF_TRUSTS];
/* The narrow predictors that steps are made with, by how many pairs of taps they have behind the newest
   one; and none. */
enum { VF_PAIRS_0, VF_PAIRS_1, VF_PAIRS_2, VF_PAIRS_4, VF_PAIRS_6, VF_CODES_ONLY, VF_STEP_KINDS };

/* Read steps times some codes of every lane, and predict them unless VF_CODES_ONLY. All lanes have room
   for as many windows. False when the data ends, or holds a code that is no residual. */
typedef bool vf_steps(vf_lanes *lanes, uint32_t row, uint32_t steps);

/* The vectors of some CPU. */
struct vf_kernel {
    unsigned lanes;
    /* Where lane l stands in rows and tables: at column[l]. A permutation. */
    const uint8_t *column;
    bool (*supported)(void);
    vf_steps *const (*steps)[VF_STEP_KINDS]; /* [VF_TRUSTS] */
    /* Put count residuals of one lane into the rows of codes from `row` on. */
    void (*place)(vf_lanes *lanes, unsigned lane, uint32_t row, const int32_t *residuals,
                  uint32_t count);
    /* Predict only: the codes are there. */
    void (*predict)(vf_lanes *lanes, uint32_t row, uint32_t count, unsigned order,
                    vf_predictor by);
    /* Lay the first count rows out lane by lane: in out16 when they are VF_NARROW, else in out32. */
    void (*transpose)(vf_lanes *lanes, uint32_t count, vf_predictor by);
};

/* Those that were compiled for this kind of CPU; the last one is NULL. Best ones first. */
extern const vf_kernel *const VF_KERNELS[];

/* The best kernel of this CPU with no more lanes than that; NULL: none. */
const vf_kernel *vf_best_kernel(unsigned most_lanes);

/* Read Rice codes of every lane and predict samples from them: rows from `row` on, count of them.
   order: the largest of any lane. False when the data ends, or holds a code that is no residual. */
bool vf_lanes_run(vf_lanes *lanes, uint32_t row, uint32_t count, unsigned order, vf_predictor by);

/* For kernels: read and place count codes of a lane one by one, however long, near the end of the data
   too. Returns false when the data ends or holds a code that is no residual; or when behind them the
   lane has not room for `steps` windows. */
bool vf_lanes_read_slowly(vf_lanes *lanes, unsigned lane, uint32_t row, uint32_t count,
                          uint32_t steps);

/* Keep the last rows of a full VF_ROWS as the history of the next ones. */
void vf_lanes_move_on(vf_lanes *lanes, vf_predictor by);

#endif
