/* Predicted tiles: pixels -> values of planes. Chooses the map of each band; predicted_pixels.c is the way
   back. Knows neither predictions nor streams. */
#ifndef VF_PREDICTED_VALUES_H
#define VF_PREDICTED_VALUES_H

#include "predicted.h"

/* Where pixels come from. */
typedef struct {
    const uint8_t *const *bands; /* first pixel of each band */
    ptrdiff_t row_stride;        /* bytes from a row to the next, of any sign */
} vf_picture;

/* The values of all planes of a tile, row after row without gaps, and the gaps between ranks. */
typedef struct {
    unsigned depth;    /* 16 or 32: the bits that all values fit */
    int32_t **planes;  /* of tile->plane_count */
    uint64_t **gaps;   /* of tile->band_count: entries - 1 gaps less 1; NULL without ranks */
    void *owned;
} vf_values;

/* Choose maps for a tile whose dtype, width, height and band_count are set, and whose bands and planes have
   room for band_count and twice as many. Fills the bands and plane_count. Deterministic. VF_OK or
   VF_NO_MEMORY; on VF_OK free it with vf_values_free(). */
vf_status vf_values_choose(vf_predicted *tile, const vf_picture *picture, vf_values *values);
void vf_values_free(vf_values *values, const vf_predicted *tile);

#endif
