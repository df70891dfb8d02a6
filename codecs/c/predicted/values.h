/* Predicted tiles: pixels -> values of planes. Chooses the map of each band; predicted/pixels.c is the way
   back. Knows neither predictions nor streams. */
#ifndef VF_PREDICTED_VALUES_H
#define VF_PREDICTED_VALUES_H

#include "predicted/description.h"

/* The values of all planes of a tile, and the gaps between ranks. Values are int16_t or int32_t, as the depth
   says. Beside each row is room for VF_SIDE of them. */
typedef struct {
    unsigned depth;  /* 16 or 32: the bits that all values fit */
    ptrdiff_t pitch; /* values from a row to the next */
    void **planes;   /* of tile->plane_count: the first value */
    uint64_t **gaps; /* of tile->band_count: entries - 1 gaps less 1; NULL without ranks */
} vf_values;

enum { VF_SIDE = 4 };

/* What the planes of a tile take at most: how many there are, bytes of a value, bytes of all of them. */
unsigned vf_most_planes(const vf_predicted *tile);
unsigned vf_widest_value(vf_dtype dtype);
uint64_t vf_values_room(const vf_predicted *tile);

/* Choose maps for a tile whose dtype, width, height and band_count are set, and whose bands and planes have
   room for band_count and twice as many. Fills the bands and plane_count, and `room`, which has
   vf_values_room() bytes and keeps the values. Deterministic. VF_OK or VF_NO_MEMORY; on VF_OK free it with
   vf_values_free(), and the room yourself. */
vf_status vf_values_choose(vf_predicted *tile, const vf_picture *picture, void *room,
                           vf_values *values);
void vf_values_free(vf_values *values, const vf_predicted *tile);

#endif
