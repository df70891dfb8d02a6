/* The CRC-32 of zlib, gzip and PNG, with which a file's header covers every byte of a tile. No part of
   FLAC, whose own checksums are in crc.h. */
#ifndef VF_CRC32_H
#define VF_CRC32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Go on with a CRC-32, at first 0, over size bytes by the fastest way this CPU knows: as zlib's crc32(). */
uint32_t vf_crc32(uint32_t crc, const uint8_t *data, size_t size);

/* A way to go on with a CRC-32, both before and after without the inversion at its end. */
typedef struct {
    size_t least; /* bytes it needs */
    bool (*supported)(void);
    uint32_t (*run)(uint32_t crc, const uint8_t *data, size_t size);
} vf_crc32_way;

/* Those that were compiled for this kind of CPU, best ones first. The last one, by tables, needs nothing;
   NULL behind it. */
extern const vf_crc32_way *const VF_CRC32_WAYS[];

#endif
