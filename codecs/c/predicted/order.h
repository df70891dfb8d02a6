/* Predicted tiles: the residuals of a plane -> its classes and their segments. predicted/rows.c is the way
   back. Knows neither pixels nor frames. */
#ifndef VF_PREDICTED_ORDER_H
#define VF_PREDICTED_ORDER_H

#include "predicted/description.h"
#include "predicted/search.h"

/* The numbers of a stream: int16_t or int32_t, as the depth says. There is room for all of them. */
typedef struct {
    uint8_t *items;
    uint64_t count;
    unsigned size; /* bytes of a number */
} vf_numbers;

/* How many numbers so many values of a plane or digits may become while they are written. */
static inline uint64_t vf_most_numbers(uint64_t values, unsigned segments)
{
    return values + values / VF_LONG_RUN + 2 * segments;
}

/* How much is tried. */
typedef struct {
    unsigned classes;  /* at most */
    bool even_odd;
    unsigned sampling; /* every so many rows tell the thresholds */
} vf_order_effort;

/* The residuals of one plane: r, and those of its reference, in rows of `pitch` numbers of the kernel's
   depth. 64 numbers behind the last row can be read. */
typedef struct {
    const vf_search_kernel *search;
    const void *residuals;
    const void *reference; /* NULL: it has none */
    unsigned reference_shift;
    ptrdiff_t pitch;
    size_t width, height;
} vf_residuals;

/* Bytes that vf_order_plane() works in. */
uint64_t vf_order_room(uint64_t width, uint64_t height, unsigned size);

/* Choose shift, even_odd, classes, thresholds and segments of a plane, whose other fields are set, and append
   its numbers. `room` is of any contents, aligned to 64 bytes. Deterministic. */
void vf_order_plane(const vf_residuals *from, vf_order_effort effort, vf_plane *plane, void *room,
                    vf_numbers *numbers);

/* Append a digit of gaps, and say how in *segment. VF_OK or VF_NO_MEMORY. */
vf_status vf_append_digit(const uint64_t *gaps, uint64_t count, unsigned place,
                          vf_segment *segment, vf_numbers *numbers);

#endif
