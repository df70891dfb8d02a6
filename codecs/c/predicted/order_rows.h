/* Predicted tiles: what the order of a plane's residuals takes, row by row, in vectors. All kernels come to
   the same. Private to predicted/order.c.

   Rows of residuals are of int16_t or int32_t: a kernel is for planes of one depth. */
#ifndef VF_PREDICTED_ORDER_ROWS_H
#define VF_PREDICTED_ORDER_ROWS_H

#include "predicted/description.h"

enum {
    VF_ORDER_MARGIN = 64, /* numbers behind a row that may be read; as many bytes behind classes */
    VF_SORT_SLACK = 64,   /* numbers behind the last one of a class that may be overwritten */
};

/* Rows of magnitudes. In front of them and behind them stand two zeros. */
typedef struct {
    const uint16_t *here, *above, *higher; /* of e: this row, one and two rows above */
    /* Of the reference's r, where they weigh, else NULL: the row above, this one, the one below. */
    const uint16_t *reference[3];
} vf_sizes;

typedef struct {
    bool (*supported)(void);
    unsigned depth; /* 16 or 32 */
    /* The sum of the magnitudes of a row. */
    uint64_t (*sum)(const void *row, size_t width);
    /* min(|number| >> shift, 1900) of a row. */
    void (*magnitudes)(const void *row, size_t width, unsigned shift, uint16_t *out);
    /* The activities of a row, its own neighbours included where even columns come first. */
    void (*activities)(const vf_sizes *sizes, bool even_odd, size_t width, uint16_t *out);
    /* The classes of a row, by all `classes` thresholds. counts[k] grows by the pixels of class k or
       a higher one. */
    void (*classify)(const uint16_t *activities, const vf_plane *plane, size_t width, uint8_t *out,
                     uint64_t counts[VF_MAX_CLASSES]);
    /* Copy a row, or the classes of one, even columns first. */
    void (*split)(const void *row, size_t width, void *out);
    void (*split_classes)(const uint8_t *classes, size_t width, uint8_t *out);
    /* Write each number of a row behind those of its class; next[class] moves on. */
    void (*sort)(const void *row, const uint8_t *classes, size_t width, unsigned count,
                 void *next[VF_MAX_CLASSES]);
    /* Write numbers as a segment, as they are or as runs, whichever is smaller; digits are never
       negative. `out` has room for count + count / 65535 + 2. Returns how many it took. */
    uint64_t (*segment)(const void *numbers, uint64_t count, bool of_digits, void *out,
                        vf_segment *segment);
} vf_order_kernel;

/* The best kernel of this CPU for planes of 16 or 32 bits. */
const vf_order_kernel *vf_order_kernel_of_cpu(unsigned depth);

#endif
