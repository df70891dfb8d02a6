#include "predicted_search.h"

#include <math.h>

/* 16 * log2(n), rounded. */
static const uint8_t LOG2[33] = {0,  0,  16, 25, 32, 37, 41, 45, 48, 51, 53, 55, 57, 59, 61, 63, 64,
                                 65, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 79, 80};

static inline unsigned floor_log2(uint64_t number)
{
    return 63u - (unsigned)__builtin_clzll(number | 1);
}

/* Bits, in 16ths, of up to 32 folded numbers with this sum, so many of them not 0. */
static inline uint64_t block_cost(uint32_t count, uint64_t sum, uint32_t others)
{
    if (others == 0)
        return 10;
    /* 2**k is about ln 2 times the mean. */
    const uint64_t scaled = ((sum * 45426 >> 16) + 11) / count;
    const unsigned k = floor_log2(scaled);
    const uint64_t halves = (uint64_t)count * ((UINT64_C(1) << k) - 1) / 2;
    const uint64_t full = 16 * ((uint64_t)count * (k + 1) + (sum > halves ? (sum - halves) >> k : 0));
    if (others * 3 >= count)
        return full;
    const uint64_t mean = sum / others;
    const unsigned whole = floor_log2(mean);
    const uint64_t size = mean > 2 ? 16 * whole + (mean * 16 >> whole) - 16 : 0;
    const uint64_t sparse = others * (uint64_t)(LOG2[count] - LOG2[others] + 64 + size);
    return sparse < full ? sparse : full;
}

#define TARGET
#define NAME(x) plain_##x
#include "predicted_search_of.h"
#undef TARGET
#undef NAME

static bool always(void)
{
    return true;
}

const vf_search_kernel VF_PLAIN_SEARCH = {always,       plain_residuals, plain_refer, plain_cost,
                                          plain_fit, plain_relate};

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2")))
#define NAME(x) avx2_##x
#include "predicted_search_of.h"
#undef TARGET
#undef NAME

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static const vf_search_kernel AVX2 = {has_avx2,  avx2_residuals, avx2_refer,
                                      avx2_cost, avx2_fit,       avx2_relate};
#endif

const vf_search_kernel *vf_search_kernel_of_cpu(void)
{
#if defined(__x86_64__)
    if (AVX2.supported())
        return &AVX2;
#endif
    return &VF_PLAIN_SEARCH;
}
