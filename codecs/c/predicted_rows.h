/* Rows of a plane of a predicted tile: the order of the stream undone, then the prediction. What vectors
   can do faster; predicted_rows.c is the reference. Knows neither pixels nor the stream. */
#ifndef VF_PREDICTED_ROWS_H
#define VF_PREDICTED_ROWS_H

#include "predicted.h"

enum {
    VF_STRIP = 32,  /* rows that are predicted together */
    VF_MARGIN = 128, /* numbers in front of a row of numbers and behind it that may be touched */
};

/* What one row needs. Rows of magnitudes have VF_MARGIN zeros at each side, and may be written there. */
typedef struct {
    const vf_plane *plane;
    size_t width;
    const uint16_t *above, *higher; /* magnitudes of e, one and two rows above */
    uint16_t *magnitudes;           /* of this row, to be written */
    /* Magnitudes of the reference's r, where they weigh: the row above, this one, the one below. */
    const uint16_t *reference[3];
    uint16_t *activity; /* to work with, as long as a row of magnitudes */
} vf_row;

typedef struct {
    bool (*supported)(void);
    /* Take the row's numbers from their classes (next[class] moves on; up to VF_MARGIN numbers more may be
       read), write e and its magnitudes. Returns whether a magnitude is not 0. */
    bool (*sort16)(const vf_row *row, const int16_t **next, int16_t *e);
    bool (*sort32)(const vf_row *row, const int32_t **next, int32_t *e);
    /* Values of up to VF_STRIP rows from their residuals; `pitch` numbers from a row to the next in both.
       The row above stands in front of them, and the one above that, too, unless it is row 0: `second`. */
    void (*predict16)(const vf_plane *plane, const int16_t *residuals, int16_t *values,
                      ptrdiff_t pitch, size_t width, unsigned rows, bool second);
    void (*predict32)(const vf_plane *plane, const int32_t *residuals, int32_t *values,
                      ptrdiff_t pitch, size_t width, unsigned rows, bool second);
} vf_row_kernel;

extern const vf_row_kernel VF_SCALAR_ROWS;
/* The best kernel of this CPU. */
const vf_row_kernel *vf_row_kernel_of_cpu(void);

/* min(|number| >> shift, 1900) of a row. Returns whether one is not 0. */
bool vf_magnitudes16(const int16_t *numbers, size_t width, unsigned shift, uint16_t *out);
bool vf_magnitudes32(const int32_t *numbers, size_t width, unsigned shift, uint16_t *out);

#endif
