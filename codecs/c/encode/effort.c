/* The efforts, in numbers. */
#include "zarr_flac.h"

#define ALL_ORDERS 0x1F

static const vf_effort EFFORTS[VF_MOST_EFFORT + 1] = {
    /* fixed, trials; linear, windows, trials, precisions; partitions; escapes; stereo, trials */
    {ALL_ORDERS, 1, 0, 0, 0, 0, 6, 64, true, true, false},
    {ALL_ORDERS, 1, 0, 0, 0, 0, 8, 16, true, true, false},
    {ALL_ORDERS, 2, 0, 0, 0, 0, 8, 16, true, true, true},
    {ALL_ORDERS, 1, 4, 1, 0, 0, 8, 16, true, true, false},
    {ALL_ORDERS, 1, 8, 1, 0, 0, 8, 16, true, true, true},
    {ALL_ORDERS, 1, 12, 2, 0, 0, 8, 16, true, true, true},
    {ALL_ORDERS, 1, 12, 4, 1, 0, 8, 16, true, true, true},
    {ALL_ORDERS, 2, 16, 4, 2, 1, 8, 16, true, true, true},
    {ALL_ORDERS, 5, 32, 6, 4, 1, 8, 16, true, true, true},
};

vf_effort vf_effort_of(unsigned effort)
{
    return EFFORTS[effort < VF_MOST_EFFORT ? effort : VF_MOST_EFFORT];
}
