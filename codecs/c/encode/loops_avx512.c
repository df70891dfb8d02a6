/* The loops with AVX-512. */
#include "encode/loops.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2,lzcnt")))
#else
#define TARGET                                                                                     \
    __attribute__((                                                                                \
        target("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2,lzcnt,prefer-vector-width=512")))
#endif
#define ITEMS 16
#define LOOPS VF_LOOPS_AVX512
#define AUTOCORRELATE

static bool supported(void)
{
    /* The last one is not used. It tells the CPUs that do not slow down for wide vectors. */
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("avx512vbmi2");
}

enum { LAG_STEP = 13 };

/* As in encode/loops_avx2.c. */
TARGET static inline void autocorrelate_some(const int32_t *y, uint32_t count, unsigned first,
                                             int64_t *r)
{
    __m512i sums[LAG_STEP];
    for (unsigned l = 0; l < LAG_STEP; l++)
        sums[l] = _mm512_setzero_si512();
    for (uint32_t i = 0; i < count; i += 16) {
        const __m512i even = _mm512_loadu_si512(y + i);
        const __m512i odd = _mm512_loadu_si512(y + i + 1);
        const int32_t *lagged = y + i - first;
        __m512i last = _mm512_loadu_si512(lagged + 1);
#pragma GCC unroll 13
        for (unsigned l = 0; l < LAG_STEP; l++) {
            sums[l] = _mm512_add_epi64(sums[l], _mm512_mul_epi32(odd, last));
            last = _mm512_loadu_si512(lagged - l);
            /* Compilers would load it for both multiplications. It lies across two cache lines. */
            __asm__("" : "+v"(last));
            sums[l] = _mm512_add_epi64(sums[l], _mm512_mul_epi32(even, last));
        }
    }
    for (unsigned l = 0; l < LAG_STEP; l++)
        r[first + l] = _mm512_reduce_add_epi64(sums[l]);
}

/* The products of two neighbours are added up at once: those that end at every other sample, and then those
   in between. */
#define LINEAR_PAIRS
TARGET static inline __attribute__((always_inline)) void
linear_pairs(const int32_t *x, const int16_t *small, uint32_t count, const int32_t *coefficients,
             const unsigned taps, unsigned order, unsigned shift, uint32_t *folded)
{
    const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    const __m128i by = _mm_cvtsi32_si128((int)shift);
    __m512i pairs[VF_MOST_TAPS / 2];
    for (unsigned j = 0; j < taps; j += 2)
        pairs[j / 2] = _mm512_set1_epi32((int32_t)((uint32_t)coefficients[j] << 16 |
                                                   (uint16_t)coefficients[j + 1]));
    for (uint32_t i = order; i < count; i += 32) {
        __m512i even = _mm512_setzero_si512(), odd = even;
#pragma GCC unroll 16
        for (unsigned j = 0; j < taps; j += 2) {
            const int16_t *at = small + i - 2 - j;
            even = _mm512_add_epi32(even, _mm512_madd_epi16(_mm512_loadu_si512(at), pairs[j / 2]));
            odd = _mm512_add_epi32(odd,
                                   _mm512_madd_epi16(_mm512_loadu_si512(at + 1), pairs[j / 2]));
        }
        even = _mm512_sra_epi32(even, by);
        odd = _mm512_sra_epi32(odd, by);
        for (unsigned half = 0; half < 2; half++) {
            const __m512i sums = _mm512_permutex2var_epi32(even, half ? high : low, odd);
            const uint32_t at = i + 16 * half;
            const __m512i r = _mm512_sub_epi32(_mm512_loadu_si512(x + at), sums);
            _mm512_storeu_si512(folded + at, _mm512_xor_si512(_mm512_slli_epi32(r, 1),
                                                              _mm512_srai_epi32(r, 31)));
        }
    }
}

#define TRANSPOSE_OWN
TARGET static inline void transpose(const uint32_t *data, const uint32_t rows[16],
                                    uint32_t columns[16][16])
{
    __m512i a[16], b[16];
#pragma GCC unroll 16
    for (unsigned j = 0; j < 16; j++)
        a[j] = _mm512_loadu_si512(data + rows[j]);
#pragma GCC unroll 16
    for (unsigned j = 0; j < 16; j += 2) {
        b[j] = _mm512_unpacklo_epi32(a[j], a[j + 1]);
        b[j + 1] = _mm512_unpackhi_epi32(a[j], a[j + 1]);
    }
    /* Four rows: column c, 4 + c, 8 + c and 12 + c in the four quarters of a[4 * n + c]. */
#pragma GCC unroll 16
    for (unsigned j = 0; j < 16; j += 4) {
        a[j] = _mm512_unpacklo_epi64(b[j], b[j + 2]);
        a[j + 1] = _mm512_unpackhi_epi64(b[j], b[j + 2]);
        a[j + 2] = _mm512_unpacklo_epi64(b[j + 1], b[j + 3]);
        a[j + 3] = _mm512_unpackhi_epi64(b[j + 1], b[j + 3]);
    }
#pragma GCC unroll 16
    for (unsigned c = 0; c < 4; c++) {
        const __m512i p = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x88);
        const __m512i q = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xDD);
        const __m512i r = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x88);
        const __m512i s = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xDD);
        _mm512_store_si512(columns[c], _mm512_shuffle_i32x4(p, r, 0x88));
        _mm512_store_si512(columns[8 + c], _mm512_shuffle_i32x4(p, r, 0xDD));
        _mm512_store_si512(columns[4 + c], _mm512_shuffle_i32x4(q, s, 0x88));
        _mm512_store_si512(columns[12 + c], _mm512_shuffle_i32x4(q, s, 0xDD));
    }
}

#include "encode/loops_body.h"

#endif
