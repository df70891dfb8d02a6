/* The two checksums of a FLAC frame (RFC 9639 sections 9.1.8 and 9.3), beside those in zarr_flac.h. Both start
   at 0. */
#ifndef VF_CRC_H
#define VF_CRC_H

#include "zarr_flac.h"

/* CRC-8 (polynomial x^8 + x^2 + x + 1) of size bytes. */
uint8_t vf_crc8(const uint8_t *data, size_t size);

/* Go on with a CRC-16 over the next size bytes. Over a frame with its CRC-16 behind it, it ends as 0. */
uint16_t vf_crc16_continue(uint16_t crc, const uint8_t *data, size_t size);

#endif
