/* Predicted tiles: whole numbers that stand for pixels. Those of integers are their ordered integers; those
   of floats are numerators over one divisor, where that is exact, else ordered integers. */
#ifndef VF_PREDICTED_KEYS_H
#define VF_PREDICTED_KEYS_H

#include "predicted/description.h"

/* Keys below this stand for floats that are no quotient: special number k is VF_LEAST_KEY - 1 - k. */
#define VF_LEAST_KEY (INT64_MIN + VF_MAX_SPECIALS)

typedef struct {
    uint64_t divisor; /* 0: the keys are ordered integers */
    unsigned special_count;
    int64_t specials[VF_MAX_SPECIALS]; /* ordered integers of floats that are no quotient */
} vf_keys;

/* The ordered integers of a band, row after row. */
void vf_read_ordered(const vf_predicted *tile, const uint8_t *first, ptrdiff_t row_stride,
                     int64_t *out);

/* The same of integers of up to 16 bits, to rows of `pitch` numbers. */
void vf_read_narrow(const vf_predicted *tile, const uint8_t *first, ptrdiff_t row_stride,
                    int16_t *out, ptrdiff_t pitch);

/* Replace the ordered integers of floats by numerators, if there is a divisor for all but a few values.
   VF_NO_MEMORY or VF_OK, in any case. */
vf_status vf_find_divisor(vf_dtype dtype, int64_t *keys, uint64_t count, vf_keys *found);

/* The ordered integer of a key. */
int64_t vf_ordered_of_key(vf_dtype dtype, const vf_keys *keys, int64_t key);

#endif
