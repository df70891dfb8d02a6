/* Frame headers (RFC 9639 section 9.1): where a frame begins and what it says of itself. */
#ifndef VF_HEADER_H
#define VF_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Which of two channels is stored as a difference. */
typedef enum { VF_INDEPENDENT, VF_LEFT_SIDE, VF_SIDE_RIGHT, VF_MID_SIDE } vf_stereo;

typedef struct {
    uint64_t number;     /* of the frame, or of its first sample when the block size varies */
    uint32_t block_size; /* samples per channel, 1 to 65,536, though RFC 9639 ends at 65,535 */
    uint8_t channels;    /* 1 to 8 */
    uint8_t depth;       /* bits per sample; 0: as STREAMINFO says */
    uint8_t size;        /* bytes of this header, its CRC-8 included */
    bool variable;       /* number counts samples */
    vf_stereo stereo;
} vf_header;

/* Parse the frame header at data. Reads at most size bytes. Fills header only when it returns
   VF_OK; else VF_NO_SYNC, VF_BAD_HEADER, VF_BAD_HEADER_CRC or VF_TRUNCATED. */
vf_status vf_parse_header(const uint8_t *data, size_t size, vf_header *header);

/* Find the first byte from `from` on where a sync code stands, with the same bit for variable block
   sizes as wanted. Returns size when there is none. It may stand within a frame by chance. */
size_t vf_find_sync(const uint8_t *data, size_t from, size_t size, bool variable);

#endif
