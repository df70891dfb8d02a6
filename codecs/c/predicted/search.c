#include "predicted/search.h"

#include <math.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/* Linear predictions of 16 bits, of one row. */
static void plain_linear(const int16_t *restrict v, const int16_t *restrict n,
                         const int16_t *restrict nn, const int32_t taps[VF_TAPS], ptrdiff_t width,
                         int16_t *restrict out)
{
    const int32_t w = taps[VF_TAP_W], north = taps[VF_TAP_N], nw = taps[VF_TAP_NW],
                  ne = taps[VF_TAP_NE], ww = taps[VF_TAP_WW], above = taps[VF_TAP_NN];
    for (ptrdiff_t x = 0; x < width; x++) {
        const int32_t sum = w * v[x - 1] + north * n[x] + nw * n[x - 1] + ne * n[x + 1] +
                            ww * v[x - 2] + above * nn[x] + 128;
        out[x] = (int16_t)(v[x] - (sum >> 8));
    }
}

#define TARGET
#define LANES 4
#define LINEAR_ROW plain_linear
#define NUMBER int16_t
#define NAME(x) plain_16_##x
#include "predicted/search_of.h"
#define NUMBER int32_t
#define NAME(x) plain_32_##x
#include "predicted/search_of.h"
#undef TARGET
#undef LANES
#undef LINEAR_ROW

static bool plain_supported(void)
{
    return true;
}

#if defined(__x86_64__)
/* Taps of two neighbours, which one instruction multiplies and adds up. */
static inline int32_t pair_of(const int32_t taps[VF_TAPS], unsigned first, unsigned second)
{
    return (int32_t)((uint32_t)taps[second] << 16 | (uint16_t)taps[first]);
}

/* Linear predictions with vectors of BITS bits and the instructions P##... of their width. */
#define LINEAR(NAME, BITS, P, LOAD, STORE)                                                         \
    TARGET static void NAME(const int16_t *v, const int16_t *n, const int16_t *nn,                 \
                            const int32_t taps[VF_TAPS], ptrdiff_t width, int16_t *out)            \
    {                                                                                              \
        const __m##BITS##i near = P##_set1_epi32(pair_of(taps, VF_TAP_W, VF_TAP_N));               \
        const __m##BITS##i beside = P##_set1_epi32(pair_of(taps, VF_TAP_NW, VF_TAP_NE));           \
        const __m##BITS##i far = P##_set1_epi32(pair_of(taps, VF_TAP_WW, VF_TAP_NN));              \
        const __m##BITS##i half = P##_set1_epi32(128);                                             \
        for (ptrdiff_t x = 0; x < width; x += BITS / 16) {                                         \
            const __m##BITS##i w = LOAD(v + x - 1), north = LOAD(n + x), nw = LOAD(n + x - 1),     \
                               ne = LOAD(n + x + 1), ww = LOAD(v + x - 2), above = LOAD(nn + x);   \
            __m##BITS##i low = P##_madd_epi16(P##_unpacklo_epi16(w, north), near);                 \
            __m##BITS##i high = P##_madd_epi16(P##_unpackhi_epi16(w, north), near);                \
            low = P##_add_epi32(low, P##_madd_epi16(P##_unpacklo_epi16(nw, ne), beside));          \
            high = P##_add_epi32(high, P##_madd_epi16(P##_unpackhi_epi16(nw, ne), beside));        \
            low = P##_add_epi32(low, P##_madd_epi16(P##_unpacklo_epi16(ww, above), far));          \
            high = P##_add_epi32(high, P##_madd_epi16(P##_unpackhi_epi16(ww, above), far));        \
            /* Bits 8 to 23 of the sums. */                                                        \
            low = P##_srai_epi32(P##_slli_epi32(P##_add_epi32(low, half), 8), 16);                 \
            high = P##_srai_epi32(P##_slli_epi32(P##_add_epi32(high, half), 8), 16);               \
            STORE(out + x, P##_sub_epi16(LOAD(v + x), P##_packs_epi32(low, high)));                \
        }                                                                                          \
    }

#define TARGET __attribute__((target("avx2")))
#define LANES 8
#define LINEAR_ROW avx2_linear
#define LOAD(FROM) _mm256_loadu_si256((const void *)(FROM))
#define STORE(TO, VECTOR) _mm256_storeu_si256((void *)(TO), VECTOR)
LINEAR(avx2_linear, 256, _mm256, LOAD, STORE)
#undef LOAD
#undef STORE
#define NUMBER int16_t
#define NAME(x) avx2_16_##x
#include "predicted/search_of.h"
#define NUMBER int32_t
#define NAME(x) avx2_32_##x
#include "predicted/search_of.h"
#undef TARGET
#undef LANES
#undef LINEAR_ROW

static bool avx2_supported(void)
{
    return __builtin_cpu_supports("avx2");
}

#define TARGET __attribute__((target(WIDEST_TARGET)))
#define LANES 16
#define LINEAR_ROW avx512_linear
LINEAR(avx512_linear, 512, _mm512, _mm512_loadu_si512, _mm512_storeu_si512)
#define NUMBER int16_t
#define NAME(x) avx512_16_##x
#include "predicted/search_of.h"
#define NUMBER int32_t
#define NAME(x) avx512_32_##x
#include "predicted/search_of.h"
#undef TARGET
#undef LANES
#undef LINEAR_ROW

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
