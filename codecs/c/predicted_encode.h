/* Predicted tiles: pixels -> description and numbers. Knows no frames. */
#ifndef VF_PREDICTED_ENCODE_H
#define VF_PREDICTED_ENCODE_H

#include "predicted_order.h"
#include "predicted_values.h"

/* Encode a tile whose dtype, width, height and band_count are set in *tile, and nothing else: choose all
   that is to be chosen, fill the description, and append the numbers of the stream to *numbers, which is
   empty. *depth: 16 or 32, the bits that hold them. effort: 0, fast, to 8. The same on every machine. Takes
   memory of some 40 bytes a pixel. VF_OK or VF_NO_MEMORY; in any case free *tile with vf_predicted_free()
   and numbers->items with free(). */
vf_status vf_predicted_encode(vf_predicted *tile, const vf_picture *picture, unsigned effort,
                              vf_numbers *numbers, unsigned *depth);

#endif
