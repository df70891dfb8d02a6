/* How residuals are stored: in partitions of Rice codes or of plain numbers (RFC 9639 section 9.2.7). What
   decode/rice.h reads. */
#ifndef VF_PARTITIONS_H
#define VF_PARTITIONS_H

#include "zarr_flac.h"
#include "encode/loops.h"

typedef struct {
    uint8_t order;          /* there are 2**order partitions */
    uint8_t parameter_bits; /* 4 or 5 */
    uint64_t bits;          /* of all that vf_write_partitions() writes */
    uint64_t sum;           /* of the folded residuals */
    uint8_t choice[VF_MOST_PARTITIONS]; /* Rice parameter, or VF_ESCAPE + bits of a number */
    uint32_t most[VF_MOST_PARTITIONS];  /* the largest folded residual */
} vf_partitions;

/* Find the cheapest partitions of count folded residuals, the first `order` of which are zeros in the place
   of samples that are not predicted. All costs are exact. */
void vf_find_partitions(const vf_loops *loops, const vf_effort *effort, const uint32_t *folded,
                        uint32_t count, unsigned order, vf_tally *tally,
                        vf_partitions *partitions);

void vf_write_partitions(const vf_loops *loops, vf_bitwriter *writer, const uint32_t *folded,
                         uint32_t count, unsigned order, const vf_partitions *partitions);

#endif
