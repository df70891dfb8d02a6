/* Predicted tiles: pixels -> description and numbers. Knows no frames. */
#ifndef VF_PREDICTED_ENCODE_H
#define VF_PREDICTED_ENCODE_H

#include "predicted/order.h"
#include "predicted/values.h"

/* Encode a tile whose dtype, width, height and band_count are set in *tile, and nothing else: choose all
   that is to be chosen, fill the description, and write the numbers of the stream to *numbers, with room for
   VF_MAX_PADDING + 1 more. effort: 0, fast, to 8. The same on every machine. *room becomes the memory where
   the numbers stand: some 8 bytes a pixel of 16 bits or fewer, 16 a wider one, and 8 more while it works.
   VF_OK or VF_NO_MEMORY; in any case free *tile with vf_predicted_free() and *room with
   vf_free_lines(). */
vf_status vf_predicted_encode(vf_predicted *tile, const vf_picture *picture, unsigned effort,
                              vf_numbers *numbers, void **room);

#endif
