/* Predicted tiles: which prediction suits a plane. The sums that a choice rests on, row by row. All of it is
   integers, or floats in a fixed order, so that every CPU chooses alike. Knows neither classes nor
   streams.

   Rows are of int16_t or int32_t: a kernel is for planes of one depth. */
#ifndef VF_PREDICTED_SEARCH_H
#define VF_PREDICTED_SEARCH_H

#include "predicted/description.h"

enum {
    VF_BESIDE = 32,    /* numbers behind a row, whatever they are */
    VF_SUM_LANES = 16, /* columns that are summed up apart */
    VF_UNKNOWNS = VF_TAPS - 1, /* taps less that of N, which is the rest of 256 */
    VF_FIT_SUMS = VF_UNKNOWNS * (VF_UNKNOWNS + 1) / 2 + VF_UNKNOWNS,
};

/* A plane with room around its rows. In front of row y stand twice the first value of row y - 1 (of row 0
   where y is 0), behind it its last value. */
typedef struct {
    void *first;
    ptrdiff_t pitch;
    size_t width, height;
} vf_field;

typedef struct {
    bool (*supported)(void);
    unsigned depth; /* 16 or 32 */
    /* Residuals of row y of a plane. VF_BESIDE numbers behind the row are read, and may be written behind
       the residuals. */
    void (*residuals)(const vf_field *values, const vf_plane *plane, size_t y, void *out);
    /* What is left of residuals when those of a reference are taken off. */
    void (*refer)(const void *residuals, const void *reference, int32_t alpha, size_t width,
                  void *out);
    /* Bits that Rice codes take for a row, in 16ths, as if partitions were of 32 numbers and runs of zeros
       were skipped. */
    uint64_t (*cost)(const void *row, size_t width);
    /* Add row y, from 2 on, to the weighted sums of products of the differences to N: of the unknowns with
       each other, then with the pixel. `taps` weigh by what is left of the last round, NULL in the first
       one by the differences themselves. */
    void (*fit)(const vf_field *values, size_t y, const float taps[VF_UNKNOWNS],
                double sums[VF_FIT_SUMS][VF_SUM_LANES]);
    /* The same for one unknown, the factor from a reference's residuals: sums of xx and xy. */
    void (*relate)(const void *reference, const void *residuals, size_t width, float factor,
                   bool first, double sums[2][VF_SUM_LANES]);
} vf_search_kernel;

/* The best kernel of this CPU for planes of 16 or 32 bits. */
const vf_search_kernel *vf_search_kernel_of_cpu(unsigned depth);

#endif
