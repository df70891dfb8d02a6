/* Predicted tiles: the residuals of a plane -> its classes and their segments. predicted_rows.c is the way
   back. Knows neither pixels nor frames. */
#ifndef VF_PREDICTED_ORDER_H
#define VF_PREDICTED_ORDER_H

#include "predicted.h"

/* The numbers of a stream, which grow. */
typedef struct {
    int32_t *items;
    uint64_t count, room;
} vf_numbers;

/* How much is tried. */
typedef struct {
    unsigned classes;  /* at most */
    bool even_odd;
    unsigned sampling; /* every so many pixels tell the thresholds */
} vf_order_effort;

/* The residuals of one plane: e, and the r of its reference, rows of `pitch` numbers. */
typedef struct {
    const int32_t *residuals;
    const int32_t *reference; /* NULL: the plane has none that weighs */
    unsigned reference_shift;
    ptrdiff_t pitch;
    size_t width, height;
} vf_residuals;

/* Choose shift, even_odd, classes, thresholds and segments of a plane, whose other fields are set, and append
   its numbers. Deterministic. VF_OK or VF_NO_MEMORY. */
vf_status vf_order_plane(const vf_residuals *from, vf_order_effort effort, vf_plane *plane,
                         vf_numbers *numbers);

/* Append a digit of gaps, and say how in *segment. */
vf_status vf_append_digit(const uint64_t *gaps, uint64_t count, unsigned place,
                          vf_segment *segment, vf_numbers *numbers);

#endif
