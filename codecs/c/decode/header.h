/* Frame headers (RFC 9639 section 9.1): where a frame begins and what it says of itself. */
#ifndef VF_HEADER_H
#define VF_HEADER_H

#include "zarr_flac.h"

/* Find the first byte from `from` on where a sync code stands, with the same bit for variable block
   sizes as wanted. Returns size when there is none. It may stand within a frame by chance. */
size_t vf_find_sync(const uint8_t *data, size_t from, size_t size, bool variable);

#endif
