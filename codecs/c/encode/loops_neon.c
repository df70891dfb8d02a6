/* The loops with NEON: compilers see to all of them but one. */
#include "decode/lanes.h"
#include "encode/loops.h"

#if VF_HAS_NEON

#include <arm_neon.h>

#define TARGET
#define ITEMS 4
#define LOOPS VF_LOOPS_NEON
#define AUTOCORRELATE

static bool supported(void)
{
    return true;
}

enum { LAG_STEP = 4 };

static inline void autocorrelate_some(const int32_t *y, uint32_t count, unsigned first, int64_t *r)
{
    int64x2_t sums[LAG_STEP];
    for (unsigned l = 0; l < LAG_STEP; l++)
        sums[l] = vdupq_n_s64(0);
    for (uint32_t i = 0; i < count; i += 4) {
        const int32x4_t x = vld1q_s32(y + i);
        for (unsigned l = 0; l < LAG_STEP; l++) {
            const int32x4_t lagged = vld1q_s32(y + i - first - l);
            sums[l] = vmlal_s32(sums[l], vget_low_s32(x), vget_low_s32(lagged));
            sums[l] = vmlal_high_s32(sums[l], x, lagged);
        }
    }
    for (unsigned l = 0; l < LAG_STEP; l++)
        r[first + l] = vaddvq_s64(sums[l]);
}

#include "encode/loops_body.h"

#endif
