/* Predicted tiles: values of planes -> pixels, by the map of their band. Knows neither numbers of a stream
   nor predictions. */
#ifndef VF_PREDICTED_PIXELS_H
#define VF_PREDICTED_PIXELS_H

#include "predicted/description.h"

/* How the pixels of one band are made. */
typedef struct {
    const vf_band *band;
    vf_dtype dtype;
    unsigned size;  /* bytes of a pixel */
    uint64_t less;  /* what is added to a value to make an index */
    uint8_t *table; /* bits of the pixel of each index; NULL: none is needed */
} vf_pixels;

/* Prepare a band. `digits` are the unfolded digits of ranks, digit after digit, entries - 1 of each.
   VF_BAD_NUMBERS when a rank leaves the dtype. On VF_OK free it with vf_pixels_free(). */
vf_status vf_pixels_prepare(const vf_predicted *tile, const vf_band *band, unsigned depth,
                            const uint16_t *digits, vf_pixels *pixels);
void vf_pixels_free(vf_pixels *pixels);

/* Write a row of pixels to out, aligned in any way. `high` holds the values of the first plane where the
   band has two. False when a value stands for no pixel. */
bool vf_pixels_row16(const vf_pixels *pixels, const int16_t *high, const int16_t *values,
                     size_t count, uint8_t *out);
bool vf_pixels_row32(const vf_pixels *pixels, const int32_t *high, const int32_t *values,
                     size_t count, uint8_t *out);

/* Bits of a double as those of a float16, rounded to the nearest, ties to even. */
uint16_t vf_half_bits(double value);

#endif
