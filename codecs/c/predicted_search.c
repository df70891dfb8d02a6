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
static inline __attribute__((always_inline)) uint64_t block_cost(const uint32_t count, uint64_t sum,
                                                                 uint32_t others)
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

#if defined(__x86_64__) && defined(__clang__)
#define WIDEST_TARGET "avx512f,avx512bw,avx512dq,avx512vl"
#elif defined(__x86_64__)
#define WIDEST_TARGET "avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"
#endif

/* Each CPU with each type of numbers. LANES: floats in a vector. */
#define KERNEL(CPU, BITS)                                                                          \
    {CPU##_supported, BITS, CPU##_##BITS##_residuals, CPU##_##BITS##_refer, CPU##_##BITS##_cost,   \
     CPU##_##BITS##_fit, CPU##_##BITS##_relate}

#define TARGET
#define LANES 4
#define NUMBER int16_t
#define NAME(x) plain_16_##x
#include "predicted_search_of.h"
#define NUMBER int32_t
#define NAME(x) plain_32_##x
#include "predicted_search_of.h"
#undef TARGET
#undef LANES

static bool plain_supported(void)
{
    return true;
}

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2")))
#define LANES 8
#define NUMBER int16_t
#define NAME(x) avx2_16_##x
#include "predicted_search_of.h"
#define NUMBER int32_t
#define NAME(x) avx2_32_##x
#include "predicted_search_of.h"
#undef TARGET
#undef LANES

static bool avx2_supported(void)
{
    return __builtin_cpu_supports("avx2");
}

#define TARGET __attribute__((target(WIDEST_TARGET)))
#define LANES 16
#define NUMBER int16_t
#define NAME(x) avx512_16_##x
#include "predicted_search_of.h"
#define NUMBER int32_t
#define NAME(x) avx512_32_##x
#include "predicted_search_of.h"
#undef TARGET
#undef LANES

static bool avx512_supported(void)
{
    /* The last one is not used. It tells the CPUs that do not slow down for wide vectors. */
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2");
}
#endif

/* Best ones first. */
static const vf_search_kernel KERNELS[][2] = {
#if defined(__x86_64__)
    {KERNEL(avx512, 16), KERNEL(avx512, 32)},
    {KERNEL(avx2, 16), KERNEL(avx2, 32)},
#endif
    {KERNEL(plain, 16), KERNEL(plain, 32)},
};

const vf_search_kernel *vf_search_kernel_of_cpu(unsigned depth)
{
    const vf_search_kernel(*kernels)[2] = KERNELS;
    while (!(*kernels)[0].supported())
        kernels++;
    return &(*kernels)[depth == 32];
}
