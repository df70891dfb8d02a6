#include "predicted/rows.h"

#include <string.h>

#include "decode/lanes.h"

void vf_activity(const vf_row *row)
{
    const uint16_t *m = row->above, *n = row->higher;
    uint16_t *restrict out = row->scratch[0];
    for (ptrdiff_t x = 0; x < (ptrdiff_t)row->width; x++)
        out[x] = (uint16_t)(m[x - 2] + 2 * (m[x - 1] + m[x] + m[x + 1]) + m[x + 2] + n[x - 1] +
                            n[x] + n[x + 1]);
    if (row->plane->weighs) {
        const uint16_t *above = row->reference[0], *here = row->reference[1],
                       *below = row->reference[2];
        for (ptrdiff_t x = 0; x < (ptrdiff_t)row->width; x++)
            out[x] = (uint16_t)(out[x] + 2 * here[x] + here[x - 1] + here[x + 1] + above[x] +
                                below[x]);
    }
}

#define NUMBER int16_t
#define UNSIGNED uint16_t
#define SUM int32_t
#define NAME(x) x##16
#include "predicted/rows_of.h"
#undef NUMBER
#undef UNSIGNED
#undef SUM
#undef NAME

#define NUMBER int32_t
#define UNSIGNED uint32_t
#define SUM int64_t
#define NAME(x) x##32
#include "predicted/rows_of.h"
#undef NUMBER
#undef UNSIGNED
#undef SUM
#undef NAME

static bool always(void)
{
    return true;
}

const vf_row_kernel VF_SCALAR_ROWS = {1, always, sort16, sort32, predict16, predict32};

/* Best ones first. */
static const vf_row_kernel *const KERNELS[] = {
#if defined(__x86_64__)
    &VF_AVX512_ROWS,
    &VF_AVX2_ROWS,
#elif VF_HAS_NEON
    &VF_NEON_ROWS,
#endif
    &VF_SCALAR_ROWS,
};

const vf_row_kernel *vf_best_rows(unsigned most_lanes)
{
    const vf_row_kernel *const *kernel = KERNELS;
    while ((most_lanes && (*kernel)->lanes > most_lanes) || !(*kernel)->supported())
        kernel++;
    return *kernel;
}
