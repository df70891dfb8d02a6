/* The loops in which an encoder spends its time, compiled for the vectors of some CPU: loops_body.h has them;
   loops_plain.c, loops_avx2.c, loops_avx512.c and loops_neon.c include it. All arithmetic is of whole numbers
   and exact, so that all of them come to the same, whatever the order of additions. Private to the encoder.

   Residuals are *folded* everywhere: 0, -1, 1, -2 ... are 0, 1, 2, 3, as Rice codes have them. */
#ifndef VF_LOOPS_H
#define VF_LOOPS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bitwriter.h"

enum {
    VF_FIXED_ORDERS = 5,
    VF_TAP_STEP = 4,         /* a prediction is made of as many taps, or a multiple */
    VF_MOST_TAPS = 32,
    VF_LAGS_ROOM = 40,       /* items that autocorrelate() may write */
    VF_AHEAD = 64,           /* items in front of samples that can be read, whatever they are */
    VF_BEHIND = 64,          /* and behind them */
    VF_MOST_PARTITIONS = 256,
    VF_PARAMETERS = 31,      /* Rice parameters: 0 to 30 */
    VF_COLUMNS = 256,
    VF_ESCAPE = 64,          /* added to the bits of a number in a partition of plain ones */
};

/* Bits that samples have in common. */
typedef struct {
    uint32_t differ; /* those that are not the same in all of them */
    uint32_t any;    /* those that are 1 in one of them */
    uint32_t reach;  /* those that a two's complement number needs beside its sign */
} vf_survey;

/* What the partitions of a residual would cost. They stand in bit-reversed order: then two that become one
   are half a row apart. */
typedef struct {
    _Alignas(64) uint32_t most[VF_MOST_PARTITIONS]; /* the largest residual of each */
    uint32_t width[VF_MOST_PARTITIONS]; /* its bits */
    int32_t choice[VF_MOST_PARTITIONS]; /* Rice parameter, or VF_ESCAPE + bits of a number */
    /* Sums of residuals shifted right by a parameter: [parameter][partition]. */
    _Alignas(64) union {
        int32_t narrow[VF_PARAMETERS][VF_MOST_PARTITIONS];
        int64_t wide[VF_PARAMETERS][VF_MOST_PARTITIONS];
    } sums;
    /* Residuals in columns, 16 partitions side by side, where there are so many and their size permits. */
    _Alignas(64) uint32_t columns[VF_COLUMNS][16];
} vf_tally;

/* Sums of the partitions of a residual, in about. */
typedef struct {
    uint64_t total, least, most;
    uint32_t largest; /* residual */
} vf_sums;

typedef struct {
    bool (*supported)(void);

    void (*survey)(const int32_t *x, uint32_t count, vf_survey *survey);

    /* x shifted right, to out. */
    void (*shift)(const int32_t *x, uint32_t count, unsigned shift, int32_t *out);

    /* x where it has 16 bits, to out. */
    void (*shrink)(const int32_t *x, uint32_t count, int16_t *out);

    /* How far each x is from the one before, to out; 0 for the first one. False when 32 bits are not
       enough. *reach as in a vf_survey. */
    bool (*steps)(const int32_t *x, uint32_t count, int32_t *out, uint32_t *reach);

    /* Sums of the sizes of the residuals of all fixed predictors, from sample 4 on. Here and below, wide:
       64 bits are needed on the way. */
    void (*fixed_sums)(const int32_t *x, uint32_t count, bool wide, uint64_t sums[VF_FIXED_ORDERS]);

    /* Residuals of samples order to count - 1, folded, to the same places in folded; zeros in front of
       them, and anything in VF_BEHIND items behind them. False, which only happens where wide is set, when
       one has more bits than a residual may have: RFC 9639 9.2.7.3.
       small: x again where they have 16 bits, else NULL. taps: that of the newest sample first, zeros up to
       a multiple of VF_TAP_STEP. */
    bool (*fixed)(const int32_t *x, uint32_t count, unsigned order, bool wide, uint32_t *folded);
    bool (*linear)(const int32_t *x, const int16_t *small, uint32_t count, const int32_t *taps,
                   unsigned order, unsigned shift, bool wide, uint32_t *folded);

    /* x times a window of up to 1 << 15, shifted right. */
    void (*window)(const int32_t *x, const uint16_t *window, uint32_t count, unsigned shift, bool wide,
                   int32_t *out);

    /* r[l] = sum of y[i] * y[i - l], for l up to lags. y has 24 bits; VF_AHEAD items in front of it and
       VF_BEHIND behind it are zeros. */
    void (*autocorrelate)(const int32_t *y, uint32_t count, unsigned lags, int64_t *r);

    /* Begin a tally of 2**order partitions of `size` folded residuals each. Exact sums of those that have 25
       bits or fewer. */
    void (*begin)(const uint32_t *folded, uint32_t size, unsigned order, vf_tally *tally,
                  vf_sums *sums);

    /* Sums of residuals shifted right by each parameter from least to most. wide: 30 bits are not enough. */
    void (*tally)(const uint32_t *folded, uint32_t size, unsigned order, unsigned least,
                  unsigned most, bool wide, vf_tally *tally);

    /* Make 2**order partitions of twice as many. */
    void (*merge)(vf_tally *tally, unsigned order, unsigned least, unsigned most, bool wide);

    /* The cheapest way to store each partition of `size` residuals (the first one has fewer by `fewer`):
       Rice codes with a parameter from least to most, or plain numbers where escapes is set. To choice of
       the tally; returns the sum of costs. */
    uint64_t (*choose)(vf_tally *tally, uint32_t size, unsigned order, unsigned fewer, unsigned least,
                       unsigned most, bool wide, bool escapes);

    /* Write Rice codes. most: none of the folded residuals is larger. */
    void (*write_codes)(vf_bitwriter *writer, const uint32_t *folded, uint32_t count,
                        unsigned parameter, uint32_t most);
} vf_loops;

/* The number whose lowest bits, up to 8, are those of p in reverse; all others are 0. */
extern const uint8_t VF_REVERSED[256];
static inline uint32_t vf_reversed(uint32_t p, unsigned bits)
{
    return VF_REVERSED[p] >> (8 - bits);
}

/* Those that were compiled for this kind of CPU, best ones first; the last one is NULL. */
extern const vf_loops *const VF_LOOPS[];

/* The best ones of this CPU, not counting the first `skipped` it could run. */
const vf_loops *vf_best_loops(unsigned skipped);

#endif
