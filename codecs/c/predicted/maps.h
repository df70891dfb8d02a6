/* Predicted tiles: which map suits a band, told by the keys of its pixels. Knows neither planes nor
   predictions. */
#ifndef VF_PREDICTED_MAPS_H
#define VF_PREDICTED_MAPS_H

#include "predicted/keys.h"

/* What a band's keys become. */
typedef struct {
    vf_keys keys;
    int64_t low, high; /* the keys between them are not special */
    unsigned special_count;
    int64_t specials[VF_MAX_SPECIALS]; /* keys */
    uint64_t step, entries;            /* of a linear map */
} vf_map_plan;

/* The index of a key in the linear map. */
static inline uint64_t vf_index_of(const vf_map_plan *plan, int64_t key)
{
    if (key >= plan->low && key <= plan->high) {
        const uint64_t distance = (uint64_t)key - (uint64_t)plan->low;
        return plan->special_count + (plan->step == 1 ? distance : distance / plan->step);
    }
    unsigned k = 0;
    while (plan->specials[k] != key)
        k++;
    return k;
}

/* For qsort(), of int64_t. */
int vf_compare_keys(const void *a, const void *b);

/* Choose the map of a band of `count` keys, to *band and, with keys and special_count of the keys set, to
   *plan. `distinct` of them are listed in `found`, in their order; 0: they are too many, and `keys` are looked
   at. Ranks leave the ordered integers in `found`, sorted, and *gaps, to be freed. VF_OK or VF_NO_MEMORY. */
vf_status vf_choose_map(vf_dtype dtype, vf_band *band, const int64_t *keys, uint64_t count,
                        int64_t *found, uint64_t distinct, uint64_t **gaps, vf_map_plan *plan);

#endif
