/* Rows of a plane of a predicted tile: the order of the stream undone, then the prediction. What vectors
   can do faster; predicted/rows.c is the reference. Knows neither pixels nor the stream. */
#ifndef VF_PREDICTED_ROWS_H
#define VF_PREDICTED_ROWS_H

#include "predicted/description.h"

enum {
    VF_STRIP = 32,  /* rows that are predicted together */
    VF_MARGIN = 128, /* numbers in front of a row of numbers and behind it that may be touched */
};

/* A row of magnitudes has VF_MARGIN entries more at each side; eight in front and all behind are 0. */
typedef struct {
    const vf_plane *plane;
    size_t width;
    const uint16_t *above, *higher; /* magnitudes of e, one and two rows above */
    uint16_t *magnitudes;           /* of this row, to be written */
    /* Magnitudes of the reference's r, where they weigh: the row above, this one, the one below. */
    const uint16_t *reference[3];
    uint16_t *scratch[3]; /* as long as rows of magnitudes */
} vf_row;

/* Rows that are predicted together. In residuals and values VF_STRIP rows may be touched, and VF_MARGIN
   numbers at each side. */
typedef struct {
    const vf_plane *plane;
    ptrdiff_t pitch; /* numbers from a row to the next: the width and VF_MARGIN */
    size_t width;
    unsigned rows;       /* 1 to VF_STRIP */
    bool second;         /* the row above is row 0 of the plane, and stands for the one above itself */
    int32_t *scratch[2]; /* as long as rows of magnitudes */
} vf_strip;

typedef struct {
    unsigned lanes; /* numbers in a vector, of 32 bits */
    bool (*supported)(void);
    /* Take the row's numbers from their classes, write e and its magnitudes. next[class] moves on; up to
       VF_MARGIN numbers more may be read. Returns whether a magnitude is not 0. What stands beside the
       magnitudes is the caller's to clear. */
    bool (*sort16)(const vf_row *row, const int16_t **next, int16_t *e);
    bool (*sort32)(const vf_row *row, const int32_t **next, int32_t *e);
    /* Values of a strip from its residuals. Two rows of values stand above the strip. */
    void (*predict16)(const vf_strip *strip, const int16_t *residuals, int16_t *values);
    void (*predict32)(const vf_strip *strip, const int32_t *residuals, int32_t *values);
} vf_row_kernel;

extern const vf_row_kernel VF_SCALAR_ROWS, VF_AVX2_ROWS, VF_AVX512_ROWS, VF_NEON_ROWS;
/* The best kernel of this CPU with no more lanes than that; 0: as many as there are. */
const vf_row_kernel *vf_best_rows(unsigned most_lanes);

/* For kernels: the two rows above a strip to its scratch, with what stands beside them; bits of `flipped` are
   turned over. */
void vf_widen_above16(const vf_strip *strip, const int16_t *values, int32_t flipped);
void vf_widen_above32(const vf_strip *strip, const int32_t *values, int32_t flipped);

/* The activity of each pixel of a row, without its neighbours in the row, to scratch[0]. */
void vf_activity(const vf_row *row);

/* min(|number| >> shift, 1900) of a row. Returns whether one is not 0. */
bool vf_magnitudes16(const int16_t *numbers, size_t width, unsigned shift, uint16_t *out);
bool vf_magnitudes32(const int32_t *numbers, size_t width, unsigned shift, uint16_t *out);

#endif
