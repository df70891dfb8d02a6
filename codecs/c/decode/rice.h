/* Residuals (RFC 9639 section 9.2.7): partitions of Rice codes, or of plain numbers. Knows bits,
   not what is predicted. A residual is read in pieces of any size: the lanes need that. */
#ifndef VF_RICE_H
#define VF_RICE_H

#include <stdint.h>

#include "common/bitreader.h"
#include "zarr_flac.h"

typedef struct {
    uint32_t left;           /* residuals left in this partition */
    uint32_t partition_size; /* residuals in each one but the first */
    uint32_t partitions;     /* partitions not begun yet */
    uint8_t parameter_bits;  /* 4 or 5 */
    uint8_t parameter;       /* Rice parameter of this partition */
    uint8_t plain_bits;      /* in an escape partition: bits of each number */
    bool escape;             /* this partition holds plain numbers */
} vf_residual;

/* Read coding method and partition order of the residual of a block_size samples with order of
   them warm-up. Moves bits on. VF_OK or VF_BAD_RESIDUAL. */
vf_status vf_residual_start(vf_residual *residual, vf_bits *bits, uint32_t block_size,
                            unsigned order);

/* Begin the next partition when this one is used up (so that left > 0, as long as there are any). */
void vf_residual_open(vf_residual *residual, vf_bits *bits);

/* Read the next count residuals to out, which has room for as many; there must be as many.
   VF_OK, VF_BAD_RESIDUAL, VF_TRUNCATED. */
vf_status vf_residual_read(vf_residual *residual, vf_bits *bits, int32_t *out, uint32_t count);

/* Read count Rice codes with a parameter of 0 to 31, however long, to out: the way for few and
   extraordinary ones. May look at bits behind the end, as all of common/bitreader.h. VF_OK, VF_TRUNCATED,
   VF_BAD_RESIDUAL: a number that is more than a residual may be (RFC 9639 9.2.7.3). */
vf_status vf_read_few_codes(vf_bits *bits, unsigned parameter, int32_t *out, uint32_t count);

#endif
