#include "encode/loops.h"

#include "zarr_flac.h"

#include <stddef.h>

#include "decode/lanes.h"

extern const vf_loops VF_LOOPS_PLAIN;

#if defined(__x86_64__)
extern const vf_loops VF_LOOPS_AVX2, VF_LOOPS_AVX512;
const vf_loops *const VF_LOOPS[] = {&VF_LOOPS_AVX512, &VF_LOOPS_AVX2, &VF_LOOPS_PLAIN, NULL};
#elif VF_HAS_NEON
extern const vf_loops VF_LOOPS_NEON;
const vf_loops *const VF_LOOPS[] = {&VF_LOOPS_NEON, &VF_LOOPS_PLAIN, NULL};
#else
const vf_loops *const VF_LOOPS[] = {&VF_LOOPS_PLAIN, NULL};
#endif

#define REVERSED2(N) N, N + 128, N + 64, N + 192
#define REVERSED4(N) REVERSED2(N), REVERSED2(N + 32), REVERSED2(N + 16), REVERSED2(N + 48)
#define REVERSED6(N) REVERSED4(N), REVERSED4(N + 8), REVERSED4(N + 4), REVERSED4(N + 12)
const uint8_t VF_REVERSED[256] = {REVERSED6(0), REVERSED6(2), REVERSED6(1), REVERSED6(3)};

const vf_loops *vf_best_loops(unsigned skipped)
{
    const vf_loops *const *loops = VF_LOOPS;
    for (; loops[1]; loops++)
        if ((*loops)->supported() && skipped-- == 0)
            break;
    return *loops;
}

unsigned vf_loop_count(void)
{
    unsigned count = 0;
    for (const vf_loops *const *loops = VF_LOOPS; *loops; loops++)
        count += (*loops)->supported();
    return count;
}
